"""The download against a misbehaving server: what each fault costs, and that the bytes are right.

``python -m benchmarks.download_faults`` writes metrics/download_faults.json and the table in
docs/demand.md: two day files, the first of 20 MB or more; the fault hits it in the first run, and
whatever came of that, a second run follows. Bytes are counted where they are sent. Takes half a
minute.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dataverse_server import DOI, Dataverse, Fault
from benchmarks.milano_days import day_name, write_day
from benchmarks.page import show
from ddnn.demand.dataverse import Published, fetch_days
from ddnn.demand.day_file import read_strictly
from ddnn.demand.day_store import StoredDay
from ddnn.demand.fetch import Patience
from ddnn.errors import DemandError

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "demand.md"
HIT, OTHER = day_name(0), day_name(1)
MIB = 1 << 20
LIMIT = MIB
"""Bytes that may be fetched twice after a cut, a slow sender, a full disk or a kill."""
# One attempt: what is shown is what a second run finds, not what patience heals.
PATIENCE = Patience(attempts=1, silence=60, first_wait=0.01)
_HURRY = Patience(attempts=1, silence=1.0, first_wait=0.01)

_CLIENT = """
import sys, time
from pathlib import Path
from ddnn.demand import dataverse
from ddnn.errors import DemandError
url, doi, folder, limit, pause = sys.argv[1:]
if int(limit):
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
if pause == "before reading":
    dataverse.read_day = lambda path: time.sleep(60)
try:
    dataverse.fetch_days(dataverse.Published(url, doi, at_once=1, keep_raw=True), Path(folder))
except DemandError as error:
    sys.exit(str(error))
"""


@dataclass(frozen=True)
class Trial:
    """A fault, and how the first run meets it."""

    name: str
    first: Callable[[Dataverse, Path], str]
    """Runs into the fault; gives the run's last word."""
    faults: list[Fault] = field(default_factory=list)
    set_up: dict[str, Any] = field(default_factory=dict)
    """Attributes of the server in the first run."""
    follows: bool = False
    """Whether the server sends no faster than is received, so that only the client loses bytes."""
    resumes: bool = True
    """Whether what has come must serve: else the file may be fetched anew."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "metrics" / "download_faults.json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        published = Path(scratch) / "published"
        published.mkdir()
        write_day(published / HIT, 0, squares=750)
        write_day(published / OTHER, 1, squares=40)
        rows = [measure(trial, published, Path(scratch)) for trial in trials()]
    args.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    show(PAGE, "download_faults", table(rows))
    print(table(rows))


def trials() -> Iterator[Trial]:
    yield Trial("none", plain)
    for at in (0.1, 0.5, 0.99):
        yield Trial(f"cut at {at:.0%}", plain, [Fault("cut", at)])
    yield Trial("one byte wrong", plain, [Fault("flip")], resumes=False)
    yield Trial("wrong MD5 in the list", plain, set_up={"wrong_md5": (HIT,)}, resumes=False)
    yield Trial(
        "ranges ignored, cut at 50%", plain, [Fault("cut", 0.5)], {"ranges": False}, resumes=False
    )
    yield Trial("500", plain, [Fault("error")])
    yield Trial("503, come again", plain, [Fault("error", status=503)])
    yield Trial("redirect", plain, [Fault("redirect")])
    yield Trial("redirect, then cut at 50%", plain, [Fault("redirect"), Fault("cut", 0.5)])
    yield Trial("HTML instead of data", plain, [Fault("html")])
    yield Trial("sender falls silent at 30%", silent, [Fault("stall", 0.3)])
    yield Trial("slow sender", slow, set_up={"pace": 0.05})
    yield Trial("disk full (file size limit)", limited, follows=True)
    if os.geteuid() == 0:
        yield Trial("disk full (tmpfs of 8 MiB)", small_disk, follows=True)
    for share in (0.2, 0.8):
        yield Trial(f"kill -9 at {share:.0%}", killed_at(share), follows=True)
    yield Trial("kill -9 before a whole file is read", killed_before_reading)


def measure(trial: Trial, published: Path, scratch: Path) -> dict[str, Any]:
    """Run into the fault, run again, and count."""
    folder = scratch / "store"
    with Dataverse(published) as server:
        server.follow = folder / "raw" / f"{HIT}.part" if trial.follows else None
        for name, value in trial.set_up.items():
            setattr(server, name, value)
        if trial.faults:
            server.faults[HIT] = list(trial.faults)
        try:
            said = trial.first(server, folder)
            sent = dict(server.sent)
            # A server that ignores ranges will do so in the second run too.
            server.pace, server.wrong_md5, server.follow = 0.0, (), None
            found = fetch_days(_published(server), folder)
            right = _right(found, published, folder)
        finally:
            _clear(folder)
    size = {name: (published / name).stat().st_size for name in (HIT, OTHER)}
    again = server.sent[HIT] - size[HIT]
    most = LIMIT if trial.resumes else 2 * size[HIT]
    return {
        "fault": trial.name,
        "file_bytes": size[HIT],
        "first_run": said,
        "sent_in_first_run": sent.get(HIT, 0),
        "sent_in_second_run": server.sent[HIT] - sent.get(HIT, 0),
        "fetched_twice": again,
        "may_be_fetched_twice": most,
        "other_file_fetched_twice": server.sent[OTHER] - size[OTHER],
        "bytes_right": right,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Write the rows for a reader."""
    lines = [
        f"Two files, the first of {rows[0]['file_bytes'] / 1e6:.0f} MB, which the fault hits in "
        "the first run; MiB of it that the server sent:\n",
        "| fault | first run | second run | sent twice | may be | right bytes at the end |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for row in rows:
        within = (
            row["fetched_twice"] <= row["may_be_fetched_twice"]
            and row["other_file_fetched_twice"] <= LIMIT
        )
        sent = (row[f"sent_in_{run}_run"] / MIB for run in ("first", "second"))
        twice = f"{row['fetched_twice'] / MIB:.2f}"
        lines.append(
            f"| {row['fault']} | "
            + "".join(f"{each:.2f} | " for each in sent)
            + (twice if within else f"**{twice}**")
            + f" | {row['may_be_fetched_twice'] / MIB:.0f} | "
            + ("yes |" if row["bytes_right"] else "**no** |")
        )
    return "\n".join(lines)


def plain(server: Dataverse, folder: Path) -> str:
    return _attempt(server, folder, PATIENCE)


def silent(server: Dataverse, folder: Path) -> str:
    return _attempt(server, folder, _HURRY)


def slow(server: Dataverse, folder: Path) -> str:
    return _attempt(server, folder, Patience(attempts=1, window=0.5, slowest=2e6))


def limited(server: Dataverse, folder: Path) -> str:
    return _said(_start(server, folder, limit=7_000_000))


def small_disk(server: Dataverse, folder: Path) -> str:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=True)
    said = _said(_start(server, folder))
    subprocess.run(["mount", "-o", "remount,size=200m", folder], check=True)
    return said


def killed_at(share: float) -> Callable[[Dataverse, Path], str]:
    def first(server: Dataverse, folder: Path) -> str:
        size = (server.folder / HIT).stat().st_size
        process = _start(server, folder)
        while server.sent[HIT] < share * size and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        return _said(process)

    return first


def killed_before_reading(server: Dataverse, folder: Path) -> str:
    process = _start(server, folder, pause="before reading")
    while not (folder / "raw" / HIT).exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    return _said(process)


def _attempt(server: Dataverse, folder: Path, patience: Patience) -> str:
    try:
        fetch_days(_published(server, patience), folder)
    except DemandError as error:
        return str(error).replace(server.url, "SERVER").replace(str(folder), "FOLDER")
    return "all days stored"


def _published(server: Dataverse, patience: Patience = PATIENCE) -> Published:
    return Published(server.url, DOI, keep_raw=True, patience=patience)


def _start(
    server: Dataverse, folder: Path, limit: int = 0, pause: str = ""
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _CLIENT, server.url, DOI, str(folder), str(limit), pause],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def _said(process: subprocess.Popen[str]) -> str:
    _, said = process.communicate()
    if process.returncode < 0:
        return f"stopped by signal {-process.returncode}"
    return said.strip().splitlines()[-1].partition(": ")[2] if said.strip() else "all days stored"


def _right(found: list[StoredDay], published: Path, folder: Path) -> bool:
    """Hold the raw copies and the stored numbers against the published files."""
    for day in found:
        expected = read_strictly(published / day.origin.name)
        raw = (folder / "raw" / day.origin.name).read_bytes()
        if raw != (published / day.origin.name).read_bytes():
            return False
        if not np.array_equal(day.read(expected.squares), expected.activity):
            return False
    return [day.origin.name for day in found] == [HIT, OTHER]


def _clear(folder: Path) -> None:
    if folder.is_mount():
        subprocess.run(["umount", folder], check=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
