"""The page about demand shows what was measured of the download."""

import json

import pytest

from benchmarks import download_faults, ingest
from benchmarks.page import shown

ROWS = json.loads((download_faults.ROOT / "metrics" / "download_faults.json").read_text())


def test_the_page_shows_what_each_fault_costs():
    assert shown(download_faults.PAGE, "download_faults") == download_faults.table(ROWS)


def test_the_page_shows_speed_and_memory_of_the_ingest():
    measured = json.loads((ingest.ROOT / "metrics" / "ingest.json").read_text())
    assert shown(ingest.PAGE, "ingest") == ingest.table(measured)


@pytest.mark.parametrize(
    "worse",
    [{"bytes_right": False}, {"fetched_twice": 50 << 20}, {"other_file_fetched_twice": 2 << 20}],
)
def test_a_row_that_fails_stands_out(worse):
    assert "**" not in download_faults.table(ROWS)
    assert "**" in download_faults.table([ROWS[0] | worse, *ROWS[1:]])
