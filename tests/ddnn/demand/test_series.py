from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ddnn.demand import Demand, read_demand, write_demand
from ddnn.errors import ArtefactError, DemandError


def test_demand_survives_its_files(tmp_path: Path, make_demand) -> None:
    demand = make_demand()
    write_demand(demand, tmp_path)
    again = read_demand(tmp_path)
    assert np.array_equal(again.values, demand.values)
    assert again.values.flags.c_contiguous
    for name in ("start", "slot_seconds", "series", "unit", "timezone", "name"):
        assert getattr(again, name) == getattr(demand, name)


def test_files_are_the_same_bytes_each_time(tmp_path: Path, make_demand) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        write_demand(make_demand(), folder)
    for name in ("demand.parquet", "demand.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_parquet_has_utc_times(tmp_path: Path, make_demand) -> None:
    write_demand(make_demand(slots=3, vnfs=1), tmp_path)
    first = pq.read_table(tmp_path / "demand.parquet").column("time")[0].as_py()
    assert first.isoformat() == "2013-10-31T23:00:00+00:00"


def test_properties(make_demand) -> None:
    demand = make_demand(slots=4, vnfs=2, slot_seconds=420)
    assert (demand.slots, demand.vnfs) == (4, 2)
    assert demand.times.tolist() == [1383260400 + 420 * slot for slot in range(4)]
    assert demand.slots_per_day == pytest.approx(205.714, abs=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"series": ("a",)},
        {"series": ("a", "a")},
        {"series": ("a", "")},
        {"series": ("a", "time")},
        {"values": np.empty((0, 2))},
        {"values": np.array([[1.0, np.nan]])},
        {"values": np.array([[1.0, -1.0]])},
        {"slot_seconds": 0},
    ],
)
def test_impossible_demand_is_refused(make_demand, change: dict[str, object]) -> None:
    demand: Demand = make_demand(slots=3, vnfs=2)
    with pytest.raises(DemandError, match="demand tiny"):
        replace(demand, **change)


def test_damaged_files_are_refused(tmp_path: Path, make_demand) -> None:
    with pytest.raises(ArtefactError, match=str(tmp_path)):
        read_demand(tmp_path)
    write_demand(make_demand(), tmp_path)
    facts = (tmp_path / "demand.json").read_text()
    for wrong in ("[]", "{", facts.replace("1383260400", "7"), facts.replace("vnf1", "other")):
        (tmp_path / "demand.json").write_text(wrong)
        with pytest.raises(ArtefactError):
            read_demand(tmp_path)
    (tmp_path / "demand.json").write_text(facts)
    whole = (tmp_path / "demand.parquet").read_bytes()
    (tmp_path / "demand.parquet").write_bytes(whole[:-50])
    with pytest.raises(ArtefactError):
        read_demand(tmp_path)
