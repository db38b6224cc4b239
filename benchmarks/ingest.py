"""Speed and memory of the ingest: day files of real size into the store, and squares out of it.

``python -m benchmarks.ingest`` writes metrics/ingest.json and the tables in docs/demand.md. It
makes day files of 10,000 squares (about 290 MB each) in a scratch folder and ingests 1, 2 and 4
days, each in a process of its own at two threads. Takes a minute and 2 GB of disk.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.milano_days import day_name, write_day
from benchmarks.page import show

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "demand.md"
DAYS = (1, 2, 4)
SQUARES = (49, 400, 2500, 10_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "metrics" / "ingest.json")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="folder on the disk that is measured")
    parser.add_argument("--worker", nargs=3, metavar=("VERB", "NUMBER", "FOLDER"))
    args = parser.parse_args()
    if args.worker:
        verb, number, folder = args.worker
        print(json.dumps({"ingest": ingest, "read": read}[verb](int(number), Path(folder))))
        return
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        for day in range(max(DAYS)):
            write_day(Path(scratch) / day_name(day), day)
        result = {
            "cores": os.cpu_count(),
            "load_before": round(os.getloadavg()[0], 2),
            "ingest": [_best("ingest", days, scratch, args.repeats) for days in DAYS],
            "read": [_best("read", squares, scratch, args.repeats) for squares in SQUARES],
        }
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show(PAGE, "ingest", table(result))
    print(table(result))


def table(result: Mapping[str, Any]) -> str:
    """Write the rows for a reader."""
    lines = [
        f"{result['cores']} cores; the fastest of some runs and the hungriest:\n",
        "| days | MB | MB a second | peak, MB | stored, MB a day |",
        "|--:|--:|--:|--:|--:|",
    ]
    for row in result["ingest"]:
        lines.append(
            f"| {row['days']} | {row['megabytes']:.0f} | {row['megabytes_per_second']:.0f} | "
            f"{row['peak_megabytes']:.0f} | {row['stored_megabytes_a_day']:.1f} |"
        )
    lines += [
        "",
        "| squares read | days | seconds | of the stored bytes | peak, MB |",
        "|--:|--:|--:|--:|--:|",
    ]
    for row in result["read"]:
        lines.append(
            f"| {row['squares']:,} | {row['days']} | {row['seconds']:.3f} | "
            f"{row['share_of_the_bytes_read']:.0%} | {row['peak_megabytes']:.0f} |"
        )
    return "\n".join(lines)


def ingest(days: int, folder: Path) -> dict[str, Any]:
    """Read and store some days, one after the other, as the download does."""
    from ddnn.demand.day_file import read_day
    from ddnn.demand.day_store import Origin, store_day

    paths = [folder / day_name(day) for day in range(days)]
    read = stored = rows = 0.0
    for path in paths:
        started = time.perf_counter()
        day = read_day(path)
        parsed = time.perf_counter()
        kept = store_day(folder / "days", day, Origin(path.name, path.stat().st_size, "none"))
        read, stored = read + parsed - started, stored + time.perf_counter() - parsed
        rows += day.rows
    size = sum(path.stat().st_size for path in paths)
    return {
        "days": days,
        "megabytes": size / 1e6,
        "rows": int(rows),
        "seconds_reading": read,
        "seconds_storing": stored,
        "megabytes_per_second": size / 1e6 / (read + stored),
        "peak_megabytes": _peak(),
        "stored_megabytes_a_day": kept.path.stat().st_size / 1e6,
    }


def read(squares: int, folder: Path) -> dict[str, Any]:
    """Read so many squares, by lot, of all stored days."""
    from ddnn.demand.day_store import stored_days

    days = stored_days(folder / "days")
    chosen = np.sort(np.random.default_rng(0).permutation(days[0].squares)[:squares])
    before, started = _bytes_read(), time.perf_counter()
    for day in days:
        day.read(chosen)
    seconds = time.perf_counter() - started
    size = sum(day.path.stat().st_size for day in days)
    return {
        "squares": squares,
        "days": len(days),
        "seconds": seconds,
        "share_of_the_bytes_read": (_bytes_read() - before) / size,
        "peak_megabytes": _peak(),
    }


def _best(verb: str, number: int, scratch: str, repeats: int) -> dict[str, Any]:
    """Take the fastest of some runs, each in a fresh process; the memory of the hungriest."""
    command = [sys.executable, "-m", "benchmarks.ingest", "--worker", verb, str(number), scratch]
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)
        for _ in range(repeats)
    ]
    seconds = [run.get("seconds", 0) + run.get("seconds_reading", 0) for run in runs]
    best: dict[str, Any] = runs[int(np.argmin(seconds))]
    best["peak_megabytes"] = max(run["peak_megabytes"] for run in runs)
    if verb == "ingest":
        best["slowest_megabytes_per_second"] = min(run["megabytes_per_second"] for run in runs)
    return best


def _bytes_read() -> int:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(lines[0].removeprefix("rchar: "))


def _peak() -> float:
    # Not getrusage: a child begins with the peak of the process that started it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e3


if __name__ == "__main__":
    main()
