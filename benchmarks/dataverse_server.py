"""A Dataverse on loopback that serves day files, and misbehaves as it is told; counts its bytes."""

import contextlib
import hashlib
import json
import re
import socket
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

DOI = "doi:10.7910/DVN/TEST"
_PIECE = 32 << 10
_AHEAD = 128 << 10


@dataclass(frozen=True)
class Fault:
    """What is wrong with one answer."""

    kind: str
    """cut, stall, flip, error, html or redirect."""
    at: float = 0.0
    """cut, stall: after this share of the file. html: 1 for a page of no told length."""
    status: int = 500
    """error: the status."""
    headers: tuple[tuple[str, str], ...] = ()
    """error: more headers."""


@dataclass
class Dataverse:
    """Serves the files of a folder; each fault is used up by one request for its file."""

    folder: Path
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    list_faults: list[Fault] = field(default_factory=list)
    ranges: bool = True
    """Whether ranges are served."""
    etag: bool = True
    pace: float = 0.0
    """Seconds between pieces of 32 KiB."""
    follow: Path | None = None
    """The receiver's file: nothing is sent far ahead of it, as over a network that is slower than
    the receiver. Else most of what a killed receiver leaves would lie in the kernel."""
    wrong_md5: tuple[str, ...] = ()
    """Files whose checksum in the list is that of other bytes."""
    sent: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Bytes of bodies sent, by file."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Each request for a file, with its range."""

    def __enter__(self) -> Self:
        self.names = sorted(path.name for path in self.folder.glob("*.txt"))
        self.lock = threading.Lock()
        outer = self

        class Handler(_Handler):
            dataverse = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def file_list(self, version: str | None) -> dict[str, Any]:
        """Give the answer of the API, with what else it holds."""
        files = [self._entry(number, name) for number, name in enumerate(self.names)]
        files.append(self._entry(999, "readme.md"))
        if version is not None:
            return {"status": "OK", "data": {"versionNumber": 1, "files": files}}
        return {"status": "OK", "data": {"id": 1, "latestVersion": {"id": 2, "files": files}}}

    def _entry(self, number: int, name: str) -> dict[str, Any]:
        path = self.folder / name
        content = path.read_bytes() if path.is_file() else b"read me"
        md5 = hashlib.md5(content + (b"!" if name in self.wrong_md5 else b"")).hexdigest()
        return {
            "label": name,
            "restricted": False,
            "dataFile": {
                "id": 2670000 + number,
                "filename": name,
                "contentType": "text/plain",
                "filesize": len(content),
                "md5": md5,
                "checksum": {"type": "MD5", "value": md5},
            },
        }

    def next_fault(self, name: str) -> Fault | None:
        """Take the next fault of a file, or of the list."""
        with self.lock:
            waiting = self.list_faults if name == "list" else self.faults.get(name, [])
            return waiting.pop(0) if waiting else None


class _Handler(BaseHTTPRequestHandler):
    dataverse: Dataverse
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        """Serve a connection; its client may be killed."""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        # What is sent shall have arrived, but for a little: the bytes sent are what is measured.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PIECE)
        try:
            self._answer()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _answer(self) -> None:
        address = urlsplit(self.path)
        if address.path.startswith("/api/datasets/:persistentId"):
            self._list(address.path, parse_qs(address.query))
            return
        match = re.fullmatch(r"/(api/access/datafile|storage)/(\d+)", address.path)
        number = int(match[2]) - 2670000 if match else -1
        if match is None or not 0 <= number < len(self.dataverse.names):
            self._text(404, "application/json", b'{"status": "ERROR"}')
            return
        name = self.dataverse.names[number]
        fault = self.dataverse.next_fault(name)
        if fault is None:
            self._file(name, None)
        elif fault.kind == "redirect":
            self.send_response(302)
            self.send_header("Location", f"{self.dataverse.url}/storage/{match[2]}?signature=x")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif not self._instead(fault):
            self._file(name, fault)

    def _list(self, path: str, query: dict[str, list[str]]) -> None:
        fault = self.dataverse.next_fault("list")
        if fault is not None and self._instead(fault):
            return
        if query.get("persistentId") != [DOI]:
            self._text(404, "application/json", b'{"status": "ERROR", "message": "not found"}')
            return
        version = re.search(r"versions/([\d.]+)", path)
        content = self.dataverse.file_list(version[1] if version else None)
        self._text(200, "application/json", json.dumps(content).encode())

    def _instead(self, fault: Fault) -> bool:
        """Answer with something else than was asked for."""
        if fault.kind == "error":
            self._text(fault.status, "text/plain", b"out of order", fault.headers)
        elif fault.kind == "html":
            page = b"<!DOCTYPE html><html><body>Please log in</body></html>"
            if fault.at:  # of no told length
                self.send_response(200)
                self.send_header("Content-Type", "text/html;charset=UTF-8")
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(page)
                self.close_connection = True
                return True
            self._text(200, "text/html;charset=UTF-8", page)
        else:
            return False
        return True

    def _text(
        self, status: int, kind: str, body: bytes, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for header in headers:
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def _file(self, name: str, fault: Fault | None) -> None:
        server = self.dataverse
        content = (server.folder / name).read_bytes()
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        asked = self.headers.get("Range")
        condition = self.headers.get("If-Range")
        with server.lock:
            server.asked.append((name, asked))
        start = 0
        if asked and server.ranges and condition in (None, etag):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self._text(416, "text/plain", b"")
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=US-ASCII")
        self.send_header("Content-Length", str(len(content) - start))
        if server.etag:
            self.send_header("ETag", etag)
        self.end_headers()
        self._body(name, content, start, fault)

    def _body(self, name: str, content: bytes, start: int, fault: Fault | None) -> None:
        kind = fault.kind if fault else ""
        share = fault.at if fault else 1.0
        end = int(len(content) * share) if kind in ("cut", "stall") else len(content)
        if kind == "flip":
            middle = max(start, len(content) // 2)
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        self.wfile.flush()
        for place in range(start, end, _PIECE):
            piece = content[place : min(place + _PIECE, end)]
            self.wfile.write(piece)
            with self.dataverse.lock:
                self.dataverse.sent[name] += len(piece)
            if self.dataverse.pace:
                time.sleep(self.dataverse.pace)
            self._let_follow(place + len(piece))
        if kind == "stall":
            time.sleep(3)
        if kind in ("cut", "stall"):
            self.close_connection = True

    def _let_follow(self, reached: int) -> None:
        file = self.dataverse.follow
        due = time.monotonic() + 5
        while file is not None and time.monotonic() < due:
            with contextlib.suppress(FileNotFoundError):
                if file.stat().st_size >= reached - _AHEAD:
                    return
            time.sleep(0.0005)
