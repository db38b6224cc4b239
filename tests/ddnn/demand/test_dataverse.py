"""The download against a real server on loopback that speaks the Dataverse's API and misbehaves."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from benchmarks.dataverse_server import DOI, Dataverse, Fault
from benchmarks.milano_days import day_name, write_day
from ddnn.demand import fetch
from ddnn.demand.dataverse import Published, fetch_days
from ddnn.demand.day_blocks import Ids
from ddnn.demand.day_file import read_strictly
from ddnn.demand.day_store import StoredDay
from ddnn.demand.fetch import DiskFullError, FetchError, Patience
from ddnn.errors import DemandError

MIB = 1 << 20
BIG, SMALL = day_name(0), day_name(1)
# No test may depend on how busy the machine is: only those of slow senders are in a hurry.
ONCE = Patience(attempts=1, silence=60, first_wait=0.01)
PATIENT = replace(ONCE, attempts=4)


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    write_day(folder / BIG, 0, squares=750)
    write_day(folder / SMALL, 1, squares=40)
    (folder / "readme.md").write_text("read me")
    assert (folder / BIG).stat().st_size > 20 * 10**6
    return folder


@pytest.fixture
def server(days: Path) -> Iterator[Dataverse]:
    with Dataverse(days) as running:
        yield running


def published(server: Dataverse, patience: Patience = ONCE, **more: Any) -> Published:
    return Published(server.url, DOI, patience=patience, **more)


def check_bytes(found: list[StoredDay], days: Path) -> None:
    """The store holds what the strict reader finds in the published files."""
    assert [day.origin.name for day in found] == [BIG, SMALL]
    for day in found:
        expected = read_strictly(days / day.origin.name)
        assert np.array_equal(day.squares, expected.squares)
        assert np.array_equal(day.times, expected.times)
        assert np.array_equal(day.read(expected.squares), expected.activity)


def refetched(server: Dataverse, days: Path) -> int:
    return sum(server.sent[name] - (days / name).stat().st_size for name in (BIG, SMALL))


def test_the_days_come_are_stored_and_are_not_asked_for_again(
    server: Dataverse, days: Path, tmp_path: Path
) -> None:
    found = fetch_days(published(server), tmp_path)
    check_bytes(found, days)
    assert refetched(server, days) == 0
    assert not list((tmp_path / "raw").iterdir())
    requests = len(server.asked)
    server.list_faults = [Fault("error")] * 9
    again = fetch_days(published(server), tmp_path)  # not even the list is asked for
    assert [day.path for day in again] == [day.path for day in found]
    assert len(server.asked) == requests


@pytest.mark.parametrize("at", [0.1, 0.5, 0.99])
def test_what_was_received_before_a_cut_is_not_fetched_again(
    server: Dataverse, days: Path, tmp_path: Path, at: float
) -> None:
    server.faults[BIG] = [Fault("cut", at)]
    with pytest.raises(FetchError, match=f"{BIG}.*run again"):
        fetch_days(published(server), tmp_path)
    # The other file is not held up by it.
    assert not (tmp_path / "days" / BIG.replace("txt", "parquet")).exists()
    assert (tmp_path / "days" / SMALL.replace("txt", "parquet")).exists()
    check_bytes(fetch_days(published(server), tmp_path), days)
    assert refetched(server, days) <= MIB


@pytest.mark.parametrize("etag", [True, False])
def test_patience_heals_many_cuts_in_one_run(
    server: Dataverse, days: Path, tmp_path: Path, etag: bool
) -> None:
    server.etag = etag
    server.faults[BIG] = [Fault("cut", at / 10) for at in range(1, 10)]
    check_bytes(fetch_days(published(server, PATIENT), tmp_path), days)
    assert refetched(server, days) <= MIB


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("error", status=500)],
        [Fault("error", status=503, headers=(("Retry-After", "0"),))],
        [Fault("html")],
        [Fault("cut", 0.5), Fault("html")],
        [Fault("html", at=1.0)],
        [Fault("redirect")],
        [Fault("redirect"), Fault("cut", 0.5), Fault("redirect")],
    ],
    ids=lambda faults: "-".join(fault.kind for fault in faults),
)
def test_errors_pages_and_redirects_cost_no_byte(
    server: Dataverse, days: Path, tmp_path: Path, faults: list[Fault]
) -> None:
    server.faults[BIG] = list(faults)
    for _ in range(3):
        try:
            found = fetch_days(published(server), tmp_path)
            break
        except FetchError:
            assert not list((tmp_path / "days").glob(f"{BIG[:-4]}*"))
    check_bytes(found, days)
    assert refetched(server, days) <= MIB


def test_a_wrong_checksum_is_never_read_and_fetched_anew(
    server: Dataverse, days: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.faults[BIG] = [Fault("flip"), Fault("flip")]
    read: list[str] = []
    real = fetch_days.__globals__["read_day"]
    monkeypatch.setitem(
        fetch_days.__globals__, "read_day", lambda path: (read.append(path.name), real(path))[1]
    )
    with pytest.raises(FetchError, match="md5 is not the published one"):
        fetch_days(published(server, PATIENT), tmp_path)
    assert read == [SMALL]
    assert not list((tmp_path / "raw").glob("*.part"))
    check_bytes(fetch_days(published(server), tmp_path), days)
    assert server.sent[BIG] == 3 * (days / BIG).stat().st_size
    assert server.sent[SMALL] == (days / SMALL).stat().st_size


def test_a_server_whose_list_lies_gives_nothing(server: Dataverse, tmp_path: Path) -> None:
    server.wrong_md5 = (BIG, SMALL)
    with pytest.raises(FetchError, match=r"md5 is not the published one.*1 more file"):
        fetch_days(published(server), tmp_path)
    assert not list((tmp_path / "days").glob("*.parquet"))


@pytest.mark.parametrize("etag", [True, False])
def test_a_server_that_ignores_ranges_only_sends_more(
    server: Dataverse, days: Path, tmp_path: Path, etag: bool
) -> None:
    server.ranges, server.etag = False, etag
    server.faults[BIG] = [Fault("cut", 0.5), Fault("cut", 0.4), Fault("cut", 0.9)]
    for _ in range(3):
        with pytest.raises(FetchError):
            fetch_days(published(server), tmp_path)
    check_bytes(fetch_days(published(server), tmp_path), days)
    assert server.sent[SMALL] == (days / SMALL).stat().st_size


def test_a_part_of_another_file_is_begun_anew(
    server: Dataverse, days: Path, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / f"{BIG}.part").write_bytes(b"old" * 1000)
    (raw / f"{BIG}.part.mark").write_text('"another"\n')
    (raw / f"{SMALL}.part").write_bytes(b"x" * 10**7)  # longer than the file
    check_bytes(fetch_days(published(server), tmp_path), days)
    assert refetched(server, days) == 0


def test_a_sender_that_falls_silent_is_left(server: Dataverse, days: Path, tmp_path: Path) -> None:
    server.faults[BIG] = [Fault("stall", 0.3)]
    with pytest.raises(FetchError, match="ReadTimeout"):
        fetch_days(published(server, replace(ONCE, silence=1.0), at_once=1), tmp_path)
    check_bytes(fetch_days(published(server), tmp_path), days)
    assert refetched(server, days) <= MIB


def test_a_slow_sender_is_left_for_a_new_connection(
    server: Dataverse, days: Path, tmp_path: Path
) -> None:
    server.pace = 0.05
    with pytest.raises(FetchError, match="bytes a second"):
        fetch_days(published(server, replace(ONCE, window=0.4, slowest=1e9)), tmp_path)
    part = (tmp_path / "raw" / f"{BIG}.part").stat().st_size
    assert part > 0
    server.pace = 0
    check_bytes(fetch_days(published(server), tmp_path), days)
    assert refetched(server, days) <= MIB


@pytest.mark.milano
def test_the_real_rows_come_whole(milano_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "published").mkdir()
    head = (milano_dir / "raw-rows-squares-1-10-100.tsv").read_bytes()
    (tmp_path / "published" / BIG).write_bytes(head[: head.rindex(b"\n") + 1])
    with Dataverse(tmp_path / "published") as server:
        server.faults[BIG] = [Fault("cut", 0.5)]
        with pytest.raises(FetchError):
            fetch_days(published(server), tmp_path)
        (day,) = fetch_days(published(server), tmp_path)
        assert server.sent[BIG] == (tmp_path / "published" / BIG).stat().st_size
    expected = read_strictly(tmp_path / "published" / BIG)
    assert day.squares.tolist() == [1, 10, 100, 1000]
    assert np.array_equal(day.read(day.squares), expected.activity)


def test_a_full_disk_is_told_and_loses_nothing(
    server: Dataverse, days: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.follow = tmp_path / "raw" / f"{BIG}.part"
    room = 7 * 10**6
    real = fetch._write

    def full(file: IO[bytes], chunk: bytes) -> None:
        left = room - file.tell()
        real(file, chunk[: max(left, 0)])
        if left < len(chunk):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(fetch, "_write", full)
        with pytest.raises(DiskFullError, match=r"no room for .*what has come is kept"):
            fetch_days(published(server, PATIENT), tmp_path)
    assert (tmp_path / "raw" / f"{BIG}.part").stat().st_size == room
    server.follow = None
    check_bytes(fetch_days(published(server), tmp_path), days)
    assert refetched(server, days) <= MIB


CLIENT = """
import resource, signal, sys
from pathlib import Path
from ddnn.demand.dataverse import Published, fetch_days
from ddnn.demand.fetch import DiskFullError
url, doi, folder, limit = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    fetch_days(Published(url, doi, at_once=1), Path(folder))
except DiskFullError as error:
    sys.exit(f"full: {error}")
"""


def client(server: Dataverse, folder: Path, limit: int = 0) -> subprocess.Popen[str]:
    root = Path(__file__).parents[3]
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, server.url, DOI, str(folder), str(limit)],
        env=os.environ | {"PYTHONPATH": str(root)},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_file_system_that_takes_no_more_is_told(
    server: Dataverse, days: Path, tmp_path: Path
) -> None:
    process = client(server, tmp_path, limit=5 * 10**6)
    _, said = process.communicate()
    assert "full: " in said, said
    assert (tmp_path / "raw" / f"{BIG}.part").stat().st_size == 5 * 10**6
    sent = server.sent[BIG]
    check_bytes(fetch_days(published(server), tmp_path), days)
    assert server.sent[BIG] - sent == (days / BIG).stat().st_size - 5 * 10**6


@pytest.mark.parametrize("share", [0.2, 0.8])
def test_a_killed_run_is_taken_up_where_it_was(
    server: Dataverse, days: Path, tmp_path: Path, share: float
) -> None:
    server.follow = tmp_path / "raw" / f"{BIG}.part"
    size = (days / BIG).stat().st_size
    process = client(server, tmp_path)
    while server.sent[BIG] < share * size:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not list((tmp_path / "days").glob("*.parquet"))
    server.follow = None
    check_bytes(fetch_days(published(server), tmp_path), days)
    assert refetched(server, days) <= MIB


def test_a_run_killed_while_it_stores_leaves_no_half_day(
    server: Dataverse, days: Path, tmp_path: Path
) -> None:
    store = tmp_path / "days"
    store.mkdir()
    (store / ".draft-killed").write_bytes(b"half")
    found = fetch_days(published(server), tmp_path)
    assert sorted(path.name for path in store.iterdir()) == [day.path.name for day in found]


def test_a_damaged_day_is_fetched_again_or_refused(
    server: Dataverse, days: Path, tmp_path: Path
) -> None:
    big, _ = fetch_days(published(server), tmp_path)
    content = bytearray(big.path.read_bytes())
    content[len(content) // 2] ^= 1
    big.path.write_bytes(content)
    squares: Ids = big.squares
    with pytest.raises(DemandError, match="damaged"):
        big.read(squares)
    big.path.write_bytes(content[: len(content) // 2])
    check_bytes(fetch_days(published(server), tmp_path), days)


def test_raw_copies_are_kept_where_they_are_wanted(
    server: Dataverse, days: Path, tmp_path: Path
) -> None:
    check_bytes(fetch_days(published(server, keep_raw=True), tmp_path), days)
    for name in (BIG, SMALL):
        assert (tmp_path / "raw" / name).read_bytes() == (days / name).read_bytes()
    asked = len(server.asked)
    (tmp_path / "days" / SMALL.replace("txt", "parquet")).unlink()
    check_bytes(fetch_days(published(server, keep_raw=True), tmp_path), days)
    assert len(server.asked) == asked  # verified again, and read again, from the raw copy


def test_days_and_versions_are_chosen(server: Dataverse, tmp_path: Path) -> None:
    second = date(2013, 11, 2)
    found = fetch_days(published(server, version="1.0"), tmp_path, (second, second))
    assert [day.origin.name for day in found] == [SMALL]
    assert server.sent[BIG] == 0
    with pytest.raises(DemandError, match="no day from 2015"):
        fetch_days(published(server), tmp_path, (date(2015, 1, 1), date(2015, 1, 2)))


def test_a_list_that_cannot_be_had_is_told(server: Dataverse, days: Path, tmp_path: Path) -> None:
    server.list_faults = [Fault("error"), Fault("html")]
    check_bytes(fetch_days(published(server, PATIENT), tmp_path / "patient"), days)
    with pytest.raises(FetchError, match="answers 404; check the address"):
        fetch_days(Published(server.url, "doi:10.1/OTHER", patience=PATIENT), tmp_path)
    server.list_faults = [Fault("html")]
    with pytest.raises(FetchError, match="no JSON came"):
        fetch_days(published(server), tmp_path)


def test_a_refused_file_is_not_asked_for_again(server: Dataverse, tmp_path: Path) -> None:
    server.faults[BIG] = [Fault("error", status=403)] * 2
    with pytest.raises(FetchError, match=r"answers 403; check download\.milano\.server"):
        fetch_days(published(server, PATIENT), tmp_path)
    assert len(server.faults[BIG]) == 1
