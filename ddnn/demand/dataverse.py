"""The Milano days of a Dataverse: the file list, and each day fetched, verified, read, stored.

A few files at a time; a day goes into the store as soon as its file is whole and verified, and its
raw copy is dropped. What is in the store is never asked for again: with all days there the network
is not touched.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from ddnn.demand.day_file import read_day
from ddnn.demand.day_store import (
    Origin,
    StoredDay,
    clear_drafts,
    store_day,
    stored_day,
)
from ddnn.demand.fetch import (
    DiskFullError,
    Fetcher,
    FetchError,
    Patience,
    Remote,
    Silent,
    StoppedError,
    Watcher,
    new_client,
)
from ddnn.errors import DemandError

DAY_FILE = re.compile(r"sms-call-internet-mi-(\d{4}-\d{2}-\d{2})\.txt")
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}


@dataclass(frozen=True)
class Published:
    """Where the days are published, and how they are fetched."""

    server: str
    """``https://dataverse.harvard.edu``"""
    doi: str
    """``doi:10.7910/DVN/EGZHFV``"""
    version: str | None = None
    """``1.0``; None: the newest when the list is first fetched."""
    at_once: int = 3
    keep_raw: bool = False
    patience: Patience = field(default_factory=Patience)

    def list_key(self) -> dict[str, Any]:
        """Give what a kept file list must have been asked for with."""
        return {"server": self.server, "doi": self.doi, "version": self.version}


def fetch_days(
    published: Published,
    folder: Path,
    days: tuple[date, date] | None = None,
    watcher: Watcher | None = None,
) -> list[StoredDay]:
    """Bring the store up to the published days, and give them.

    Args:
        published: Where from.
        folder: Of the store; ``days/`` in it holds them, ``raw/`` what is on its way.
        days: First and last wanted day; None: all.
        watcher: Is told how far it is.

    Returns:
        The wanted days, by date.

    Raises:
        FetchError: A day cannot be had now; those that can are stored.
        DemandError: A verified file is faulty all the same, or no such day is published.
    """
    watcher = watcher or Silent()
    store = folder / "days"
    with _alone(folder), new_client(published.patience, published.at_once) as client:
        clear_drafts(store)
        stop = threading.Event()
        fetcher = Fetcher(client, folder / "raw", published.patience, watcher, stop)
        wanted = _wanted(_file_list(published, folder, fetcher), days)
        raw = fetcher.folder if published.keep_raw else None
        todo = [
            remote
            for remote in wanted
            if _there(store, remote) is None or (raw and not (raw / remote.name).is_file())
        ]
        try:
            _fetch_all(todo, published, store, fetcher)
        except FetchError:
            (folder / "files.json").unlink(missing_ok=True)  # the list itself may be out of date
            raise
        found = [_there(store, remote) for remote in wanted]
    return [day for day in found if day is not None]


def _fetch_all(todo: Sequence[Remote], published: Published, store: Path, fetcher: Fetcher) -> None:
    reading = threading.Lock()  # one at a time: memory stays that of one day

    def bring(remote: Remote) -> None:
        if fetcher.stop.is_set():
            raise StoppedError(f"{remote.name}: stopped; run again to go on")
        raw = fetcher.fetch(remote)
        with reading:
            _store(raw, remote, store)
        if not published.keep_raw:
            raw.unlink()

    pool = ThreadPoolExecutor(published.at_once)
    try:
        futures = [pool.submit(bring, remote) for remote in todo]
        failures: list[DemandError] = []
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_EXCEPTION)
            for future in done:
                error = future.exception()
                if isinstance(error, DiskFullError) or not isinstance(error, DemandError | None):
                    fetcher.stop.set()  # no other file would fare better
                    raise error
                if error is not None:
                    failures.append(error)
    except BaseException:
        fetcher.stop.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=fetcher.stop.is_set())
    if failures:
        more = f" ({len(failures) - 1} more files failed too)" if len(failures) > 1 else ""
        raise type(failures[0])(f"{failures[0]}{more}")


def _store(raw: Path, remote: Remote, store: Path) -> None:
    origin = _origin(remote)
    day = read_day(raw)
    try:
        store_day(store, day, origin)
    except OSError as error:
        raise DiskFullError(
            f"{store}: {remote.name} cannot be stored ({error.strerror or error}); make room and "
            "run again, its raw copy is kept"
        ) from error


def _there(store: Path, remote: Remote) -> StoredDay | None:
    day = stored_day(store, remote.name)
    return day if day is not None and day.origin == _origin(remote) else None


def _origin(remote: Remote) -> Origin:
    return Origin(remote.name, remote.size, f"{remote.algorithm}:{remote.digest}")


def _wanted(remotes: Sequence[Remote], days: tuple[date, date] | None) -> list[Remote]:
    wanted = []
    for remote in remotes:
        match = DAY_FILE.fullmatch(remote.name)
        assert match is not None
        day = date.fromisoformat(match[1])
        if days is None or days[0] <= day <= days[1]:
            wanted.append(remote)
    if not wanted:
        said = "no day at all" if days is None else f"no day from {days[0]} to {days[1]}"
        raise DemandError(
            f"download.milano: {said} is published there; check download.milano.doi and .days"
        )
    return sorted(wanted, key=lambda remote: remote.name)


def _file_list(published: Published, folder: Path, fetcher: Fetcher) -> list[Remote]:
    """Give the day files, from the kept list where it is of the same place."""
    kept = folder / "files.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(kept.read_text(encoding="utf-8"))
        if content["asked"] == published.list_key():
            return [Remote(**values) for values in content["files"]]
    remotes = _ask_for_list(published, fetcher)
    content = {"asked": published.list_key(), "files": [asdict(remote) for remote in remotes]}
    # Kept so that a full store needs no network; a disk too full for it will be told of the days.
    draft = kept.with_name(".files.json-draft")
    with contextlib.suppress(OSError):
        draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        draft.replace(kept)
    return remotes


def _ask_for_list(published: Published, fetcher: Fetcher) -> list[Remote]:
    server = published.server.rstrip("/")
    place = f"{server}/api/datasets/:persistentId/"
    if published.version is not None:
        place += f"versions/{published.version}"
    answer = fetcher.get_json(place, {"persistentId": published.doi})
    try:
        data = answer["data"]
        files = (data["latestVersion"] if published.version is None else data)["files"]
        remotes = [
            _remote(entry, server)
            for entry in files
            if DAY_FILE.fullmatch(entry["dataFile"]["filename"])
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise FetchError(
            f"{place}: no file list as the Dataverse gives it ({error!r}); check "
            "download.milano.server and .doi"
        ) from error
    if not remotes:
        raise FetchError(f"{place}: no day file in its list; check download.milano.doi")
    return remotes


def _remote(entry: dict[str, Any], server: str) -> Remote:
    file = entry["dataFile"]
    name, size = str(file["filename"]), int(file["filesize"])
    if "checksum" in file:
        kind, digest = str(file["checksum"]["type"]), str(file["checksum"]["value"])
    elif "md5" in file:
        kind, digest = "MD5", str(file["md5"])
    else:
        raise FetchError(f"{name}: published without a checksum; nothing unverified is read")
    if kind not in _ALGORITHMS:
        raise FetchError(f"{name}: its checksum is {kind}, which is not known here")
    algorithm = _ALGORITHMS[kind]
    if len(digest) != 2 * hashlib.new(algorithm).digest_size:
        raise FetchError(f"{name}: its {kind} is {digest!r}, which is none")
    url = f"{server}/api/access/datafile/{int(file['id'])}"
    return Remote(name, url, size, algorithm, digest.lower())


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second process out; the kernel lets go of the lock when this one dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise FetchError(
            f"{folder}: cannot be written ({error.strerror}); choose download.milano.folder"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
