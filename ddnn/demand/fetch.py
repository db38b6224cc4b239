"""A file over HTTP: resumed where it was cut, tried again with patience, verified, or not there.

Bytes go to ``NAME.part`` as they come, unbuffered, so that a kill or a full disk loses none of
those that were received. Only a file whose size and checksum are as published gets its own name.
"""

import contextlib
import errno
import hashlib
import random
import threading
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Any, Protocol

import httpx

from ddnn.errors import DemandError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)


class FetchError(DemandError):
    """A file cannot be fetched; what was received of it is kept for the next run."""


class DiskFullError(FetchError):
    """No room for what comes."""


class StoppedError(FetchError):
    """Another file's failure, or the user, stopped it."""


class _BadAnswerError(Exception):
    """An answer that is worth asking again."""

    def __init__(self, said: str, wait: float | None = None) -> None:
        super().__init__(said)
        self.wait = wait
        """Seconds that the server asks for."""


@dataclass(frozen=True)
class Remote:
    """A published file."""

    name: str
    url: str
    size: int
    """Bytes."""
    algorithm: str
    """As hashlib names it."""
    digest: str
    """Hexadecimal."""


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for, in seconds, and how often it is asked."""

    attempts: int = 6
    """In a row without a new MiB."""
    connect: float = 20.0
    silence: float = 60.0
    """Without a byte."""
    window: float = 60.0
    slowest: float = 2048.0
    """Bytes per second over the window; a slower connection is given up for a new one."""
    first_wait: float = 1.0
    """Doubled with each attempt, and shortened by chance."""
    longest_wait: float = 60.0

    def wait(self, attempt: int, asked: float | None) -> float:
        """Give the pause before the next attempt: jitter keeps many clients apart."""
        most = min(self.first_wait * 2**attempt, self.longest_wait)
        pause = random.uniform(most / 2, most)
        return pause if asked is None else min(max(asked, pause), self.longest_wait)


class Watcher(Protocol):
    """Is told how far the files are; must bear several threads."""

    def begin(self, name: str, size: int, there: int) -> None:
        """Start on a file of ``size`` bytes, of which ``there`` are here already."""

    def advance(self, name: str, received: int) -> None:
        """Count bytes that came."""

    def end(self, name: str) -> None:
        """Leave a file, whole or not."""

    def say(self, line: str) -> None:
        """Pass on a line for the reader."""


class Silent:
    """A watcher that says nothing."""

    def begin(self, name: str, size: int, there: int) -> None:
        """Ignore."""

    def advance(self, name: str, received: int) -> None:
        """Ignore."""

    def end(self, name: str) -> None:
        """Ignore."""

    def say(self, line: str) -> None:
        """Ignore."""


def new_client(patience: Patience, connections: int) -> httpx.Client:
    """Open a client that follows redirects and takes bytes as they are stored."""
    return httpx.Client(
        follow_redirects=True,
        timeout=httpx.Timeout(patience.silence, connect=patience.connect),
        limits=httpx.Limits(max_connections=connections + 1),
        headers={"User-Agent": "ddnn-demand", "Accept-Encoding": "identity"},
    )


@dataclass
class Fetcher:
    """Fetches files into a folder; one may serve several threads."""

    client: httpx.Client
    folder: Path
    patience: Patience
    watcher: Watcher
    stop: threading.Event
    """Set from outside to end all."""

    def fetch(self, remote: Remote) -> Path:
        """Give the verified file; what is here already is not fetched again.

        Raises:
            FetchError: It cannot be had now; what came of it stays for the next run.
            DiskFullError: There is no room.
        """
        path = self.folder / remote.name
        part = self.folder / f"{remote.name}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Re-read although it bears its name: nothing unverified is ever parsed.
            if path.is_file():
                path.replace(part)
            if _size(part) > remote.size:
                part.unlink()
            self.watcher.begin(remote.name, remote.size, _size(part))
            try:
                self._complete(remote, part)
            finally:
                self.watcher.end(remote.name)
            part.replace(path)
            _mark(part).unlink(missing_ok=True)
        except OSError as error:
            raise self._as_ours(error, remote) from error
        return path

    def get_json(self, url: str, params: dict[str, str]) -> Any:
        """Ask for a JSON document.

        Raises:
            FetchError: It cannot be had now.
        """
        attempt = 0
        while True:
            asked: float | None = None
            try:
                answer = self.client.get(url, params=params)
                if answer.status_code == httpx.codes.OK:
                    return answer.json()
                said = f"the server answers {answer.status_code}"
                if answer.status_code not in _TRANSIENT:
                    attempt = self.patience.attempts
                asked = _asked_wait(answer)
            except httpx.HTTPError as error:
                said = f"{type(error).__name__} {error}".strip()
            except ValueError:
                said = "no JSON came, but perhaps a web page"
            attempt += 1
            if attempt >= self.patience.attempts:
                raise FetchError(f"{url}: {said}; check the address, or run again later")
            self.watcher.say(f"{url}: {said}; asking again")
            if self.stop.wait(self.patience.wait(attempt - 1, asked)):
                raise StoppedError(f"{url}: stopped; run again to go on")

    def _complete(self, remote: Remote, part: Path) -> None:
        """Ask until the file is whole and verified."""
        attempt, reached, spoilt = 0, _size(part), 0
        while True:
            said = ""
            try:
                if _size(part) < remote.size:
                    self._receive(remote, part)
                if _digest(part, remote.algorithm) == remote.digest:
                    return
                # Its size is right: nothing tells which of its bytes are not.
                part.unlink()
                spoilt += 1
                reached = 0
                said, asked = f"its {remote.algorithm} is not the published one", None
            except _BadAnswerError as answer:
                said, asked = str(answer), answer.wait
            except httpx.HTTPError as error:
                said, asked = f"{type(error).__name__} {error}".strip(), None
            if _size(part) >= reached + (1 << 20):
                attempt, reached = 0, _size(part)
            attempt += 1
            if attempt >= self.patience.attempts or spoilt >= 2:
                raise FetchError(
                    f"{remote.name}: not fetched from {remote.url} ({said}); run again later, what "
                    "has come is kept"
                )
            self.watcher.say(f"{remote.name}: {said}; asking again")
            if self.stop.wait(self.patience.wait(attempt - 1, asked)):
                raise StoppedError(f"{remote.name}: stopped; run again to go on")

    def _receive(self, remote: Remote, part: Path) -> None:
        """Take what one answer gives, from where the part ends."""
        there = _size(part)
        headers = {}
        mark = _read_mark(part)
        if there:
            headers["Range"] = f"bytes={there}-"
            if mark:
                headers["If-Range"] = mark
        with self.client.stream("GET", remote.url, headers=headers) as answer:
            skip = self._judge(answer, remote, there, mark)
            if skip is None:  # another file than the part is of: begin anew
                part.unlink(missing_ok=True)
                there, skip = 0, 0
            _write_mark(part, _mark_of(answer))
            with part.open("ab", buffering=0) as file:
                self._take(answer, remote, file, there, skip)

    def _judge(
        self, answer: httpx.Response, remote: Remote, there: int, mark: str | None
    ) -> int | None:
        """Give the bytes of the body that are here already, or None to begin anew.

        Raises:
            _BadAnswerError: It is not the file, now.
            FetchError: It will not be, later.
        """
        code = answer.status_code
        if code in _TRANSIENT:
            raise _BadAnswerError(f"the server answers {code}", _asked_wait(answer))
        if code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            (self.folder / f"{remote.name}.part").unlink(missing_ok=True)
            raise _BadAnswerError("the server has no such range; begun anew")
        if code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise FetchError(
                f"{remote.name}: {remote.url} answers {code}; check download.milano.server and "
                "whether the file may be had without an account"
            )
        kind = answer.headers.get("Content-Type", "")
        if "html" in kind:
            raise _BadAnswerError("a web page came instead of the file")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise _BadAnswerError("the answer is compressed, which was not asked for")
        if code == httpx.codes.PARTIAL_CONTENT:
            given = answer.headers.get("Content-Range", "")
            if given.removeprefix("bytes ").partition("-")[0] != str(there):
                raise _BadAnswerError(f"another range than asked for came ({given})")
            return 0
        length = answer.headers.get("Content-Length")
        if length is not None and length != str(remote.size):
            raise _BadAnswerError(f"{length} bytes came, where {remote.size} are published")
        if mark is not None and _mark_of(answer) != mark:
            return None
        return there  # ranges are ignored: what is here is let pass by; the checksum will tell

    def _take(
        self, answer: httpx.Response, remote: Remote, file: IO[bytes], there: int, skip: int
    ) -> None:
        since, counted = time.monotonic(), 0
        for chunk in answer.iter_raw():
            if self.stop.is_set():
                raise StoppedError(f"{remote.name}: stopped; run again to go on")
            counted += len(chunk)
            passed, skip = min(skip, len(chunk)), max(skip - len(chunk), 0)
            fresh = chunk[passed:]
            if there + len(fresh) > remote.size:
                raise _BadAnswerError("more bytes came than are published")
            _write(file, fresh)
            there += len(fresh)
            self.watcher.advance(remote.name, len(fresh))
            elapsed = time.monotonic() - since
            if elapsed >= self.patience.window:
                if counted / elapsed < self.patience.slowest:
                    raise _BadAnswerError(f"only {counted / elapsed:.0f} bytes a second came")
                since, counted = time.monotonic(), 0
        if there < remote.size:
            raise _BadAnswerError(f"cut after {there} of {remote.size} bytes")

    def _as_ours(self, error: OSError, remote: Remote) -> FetchError:
        if error.errno in _FULL:
            return DiskFullError(
                f"{self.folder}: no room for {remote.name} ({remote.size / 2**20:.0f} MiB): "
                f"{error.strerror}; make room and run again, what has come is kept"
            )
        return FetchError(f"{self.folder}: cannot be written ({error.strerror}); check the folder")


def _write(file: IO[bytes], chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:  # an unbuffered write may take a part, as just before the disk is full
        view = view[file.write(view) :]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _mark(part: Path) -> Path:
    """Where the validator of the part's first answer is kept, for If-Range."""
    return part.with_name(f"{part.name}.mark")


def _mark_of(answer: httpx.Response) -> str:
    tag = answer.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):  # a weak one does not serve a range
        return str(tag)
    return str(answer.headers.get("Last-Modified", ""))


def _read_mark(part: Path) -> str | None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return _mark(part).read_text(encoding="ascii").strip() or None
    return None


def _write_mark(part: Path, mark: str) -> None:
    with contextlib.suppress(UnicodeEncodeError):
        _mark(part).write_text(mark + "\n", encoding="ascii")


def _asked_wait(answer: httpx.Response) -> float | None:
    asked = answer.headers.get("Retry-After")
    if asked is None:
        return None
    with contextlib.suppress(ValueError, TypeError):
        return max(float(asked), 0.0)
    with contextlib.suppress(ValueError, TypeError):
        return max(parsedate_to_datetime(asked).timestamp() - time.time(), 0.0)
    return None
