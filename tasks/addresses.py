"""Where the long-lived servers of this state folder listen, so that other commands find them."""

import json
import os
from pathlib import Path

from tasks.home import ddnn_home
from tasks.processes import ProcessMark


def announce(server: str, url: str) -> None:
    """Write down that this process serves ``server`` at ``url`` until it withdraws or dies."""
    path = _path(server)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({"url": url, **ProcessMark.current().tags()}, indent=2) + "\n")
    draft.replace(path)


def withdraw(server: str) -> None:
    """Take back what this process announced."""
    _path(server).unlink(missing_ok=True)


def announced(server: str) -> str | None:
    """Give the address at which a living process serves ``server``, if there is one."""
    try:
        facts = json.loads(_path(server).read_text(encoding="utf-8"))
        mark = ProcessMark.from_tags(facts)
        url = str(facts["url"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return None if mark is None or mark.is_dead() else url


def _path(server: str) -> Path:
    return ddnn_home() / "servers" / f"{server}.json"
