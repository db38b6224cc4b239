"""The second source of the Milano days: Zenodo's copy, through the library cesnet-tszoo.

One HDF5 file holds all days (Zenodo record 22721975). The library fetches it, resumed where it was
cut; its SHA-256 is held against the published one before a number is read. The days then go into
a store of their own, as those of the Dataverse do.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from ddnn.demand.day_blocks import Day, Ids
from ddnn.demand.day_store import Origin, StoredDay, clear_drafts, store_day, stored_days
from ddnn.demand.fetch import DiskFullError, FetchError, Silent, Watcher
from ddnn.demand.milano_grid import SQUARES
from ddnn.demand.series import Floats
from ddnn.demand.stamps import Seconds
from ddnn.errors import DemandError

SHA256 = "c40062b8a1f0195fb22c9d8cc1b9dddbdb7232f5c645c5ba2171abc8c4f72e7e"
FILE = Path(
    "tszoo/databases/TelecomItalia/TelecomItalia-telecommunications-service_provider-10_minutes.h5"
)
_ZONE = ZoneInfo("Europe/Rome")
_SERIES_AT_ONCE = 250


def fetch_zenodo(
    folder: Path,
    days: tuple[date, date] | None = None,
    keep_raw: bool = False,
    watcher: Watcher | None = None,
    sha256: str = SHA256,
) -> list[StoredDay]:
    """Bring the store up to Zenodo's copy, and give the wanted days.

    Args:
        folder: Of the store; ``days/`` in it holds them.
        days: First and last wanted day; None: all.
        keep_raw: Keep the HDF5 file.
        watcher: Is told how far it is.
        sha256: Of the published file.

    Raises:
        DemandError: The extra is not installed, or the file is not what it should be.
        FetchError: It cannot be had now.
    """
    store, done = folder / "days", folder / "complete"
    if not done.is_file():
        store.mkdir(parents=True, exist_ok=True)
        clear_drafts(store)
        path = folder / FILE
        dataset = _open(folder, watcher or Silent())
        size = path.stat().st_size
        if _digest(path) != sha256:
            path.unlink()
            raise FetchError(f"{path}: its SHA-256 is not the published one; run again to fetch it")
        try:
            for day in _days(dataset, folder):
                store_day(store, day, Origin(day.path.name, size, f"sha256:{sha256}"))
            done.write_text(sha256 + "\n", encoding="ascii")
        except OSError as error:
            raise DiskFullError(
                f"{folder}: the days cannot be stored ({error.strerror}); make room and run again"
            ) from error
        if not keep_raw:
            path.unlink()
    found = [day for day in stored_days(store) if days is None or _within(day, days)]
    if not found:
        raise DemandError(f"{store}: no day of download.milano.days is in Zenodo's copy")
    return found


def _open(folder: Path, watcher: Watcher) -> Any:
    try:
        from cesnet_tszoo.datasets import TelecomItalia
    except ImportError as error:
        raise DemandError(
            f"download.milano.host: zenodo needs the package cesnet-tszoo ({error}); run "
            "`pip install cesnet-tszoo ipython`, or take the host dataverse"
        ) from error
    watcher.say("cesnet-tszoo fetches Zenodo's copy")
    try:
        return TelecomItalia.get_dataset(
            data_root=str(folder),
            aggregation="10_minutes",
            dataset_type="time_based",
            download_source="zenodo",
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise FetchError(
            f"Zenodo's copy: {' '.join(str(error).split())}; run again later, what has come is kept"
        ) from error


def _days(dataset: Any, folder: Path) -> Iterator[Day]:
    """Cut the series into days, in little memory: all values stand in a scratch file."""
    times = _times(dataset)
    squares = _squares(dataset)
    order = np.argsort(squares)
    with tempfile.TemporaryFile(dir=folder) as scratch:
        shape = len(times), len(squares)
        os.truncate(scratch.fileno(), 8 * shape[0] * shape[1])
        values: Floats = np.memmap(scratch, dtype=np.float64, mode="r+", shape=shape)
        feature = _internet(dataset)
        for start in range(0, len(order), _SERIES_AT_ONCE):
            some = order[start : start + _SERIES_AT_ONCE]
            series = _series(dataset, squares[some], feature, len(times))
            values[:, start : start + len(some)] = series
        dates = [datetime.fromtimestamp(int(time), _ZONE).date() for time in times]
        for day in sorted(set(dates)):
            here = np.flatnonzero([each == day for each in dates])
            yield _day(day, times[here], squares[order], np.array(values[here]))


def _day(day: date, times: Seconds, squares: Ids, values: Floats) -> Day:
    """Read as the raw files are: a slot is there if any square is, a square if any slot is."""
    known = ~np.isnan(values)
    slots, present = known.any(axis=1), known.any(axis=0)
    activity = np.nan_to_num(values[slots][:, present], nan=0.0)
    if not (np.isfinite(activity).all() and (activity >= 0).all()):
        raise DemandError(f"Zenodo's copy: negative or infinite activity on {day}")
    path = Path(f"zenodo-{day}")
    return Day(path, times[slots], squares[present], activity, int(known.sum()))


def _series(dataset: Any, squares: Ids, feature: str, slots: int) -> Floats:
    """Read some series, (T, len(squares)), NaN where the file has no row."""
    from cesnet_tszoo.configs import TimeBasedConfig

    config = TimeBasedConfig(
        ts_ids=squares.tolist(),
        features_to_take=[feature],
        default_values=np.nan,
        include_time=False,
        include_ts_id=False,
        all_workers=0,
        init_workers=0,
    )
    dataset.set_dataset_config_and_initialize(config, display_config_details=None)
    values: Any = dataset.get_all_numpy()
    if values.dtype.names:  # the library's record of what it read
        values = values[values.dtype.names[0]]
    return np.asarray(values, dtype=np.float64).reshape(len(squares), slots).T


def _times(dataset: Any) -> Seconds:
    times: Seconds = np.asarray(dataset.metadata.time_indices["time"], dtype=np.int64)
    if not len(times) or not (np.diff(times) > 0).all():
        raise DemandError("Zenodo's copy: its times are not in order, or there are none")
    return times


def _squares(dataset: Any) -> Ids:
    squares: Ids = np.asarray(dataset.get_available_ts_indices()["ts_id"], dtype=np.int64)
    if len(np.unique(squares)) < len(squares) or squares.min() < 1 or squares.max() > SQUARES:
        raise DemandError("Zenodo's copy: its series do not bear the ids of squares, 1 to 10000")
    return squares


def _internet(dataset: Any) -> str:
    names = [str(name) for name in dataset.metadata.features if "internet" in str(name).lower()]
    if len(names) != 1:
        raise DemandError(
            f"Zenodo's copy: {len(names)} of its columns are named for internet activity, not one"
        )
    return names[0]


def _within(day: StoredDay, days: tuple[date, date]) -> bool:
    middle = datetime.fromtimestamp(int(day.times[len(day.times) // 2]), UTC)
    return days[0] <= middle.astimezone(_ZONE).date() <= days[1]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
