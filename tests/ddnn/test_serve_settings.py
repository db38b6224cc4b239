"""The processes read the settings of params.yaml without pydantic, as strictly."""

import json
from pathlib import Path

import pytest

from ddnn.errors import ParamsError
from ddnn.params import load_params
from ddnn.serve_settings import load_settings

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "serve.json"
    path.write_text(load_params(PARAMS).serve.to_json())
    return path


def test_the_processes_see_what_params_say(written: Path) -> None:
    assert load_settings(written) == load_params(PARAMS).serve
    changed = load_settings(written, ["edge.deadline_ms=7", "edge.rule=edge", "edge.shadow=true"])
    assert (changed.edge.deadline_ms, changed.edge.rule, changed.edge.shadow) == (7, "edge", True)


WRONG = [
    ("edge.deadline_ms", 0, "deadline_ms: must be above 0"),
    ("edge.deadline_ms", "soon", "deadline_ms"),
    ("edge.payload", "pigeon", "payload"),
    ("edge.listen", "7310", "is no address"),
    ("edge.l0", 1.5, r"l0: must lie in \[0, 1\]"),
    ("edge.threads", 0, "threads: must be at least 1"),
    ("cloud.max_queue", 0, "max_queue: must be at least 1"),
    ("cloud.colour", 1, "unknown setting"),
    ("link.key", "k.pem", "certificate and key go together"),
    ("link.message_bytes", 0, "message_bytes: must be at least 1"),
]


@pytest.mark.parametrize(("key", "value", "said"), WRONG)
def test_both_readers_refuse_the_same(written: Path, key: str, value: object, said: str) -> None:
    values = json.loads(written.read_text())
    group, name = key.split(".")
    values[group][name] = value
    written.write_text(json.dumps(values))

    with pytest.raises(ParamsError, match=said):
        load_settings(written)
    if name != "colour":  # an override has to be one that exists
        with pytest.raises(ParamsError, match=rf"serve\.{group}"):
            load_params(PARAMS, {f"serve.{key}": value})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("edge.speed=1", "unknown setting"),
        ("speed=1", "write GROUP.KEY=VALUE"),
        ("edge.speed", "write GROUP.KEY=VALUE"),
        ("edge.threads=true", "threads: True is not"),
    ],
)
def test_an_override_that_is_none_is_refused(written: Path, text: str, said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        load_settings(written, [text])


def test_a_file_that_is_none_is_refused(written: Path) -> None:
    written.write_text("{")
    with pytest.raises(ParamsError, match="cannot be read as settings"):
        load_settings(written)
    written.write_text('{"edge": {}}')
    with pytest.raises(ParamsError, match=r"edge\.listen: missing"):
        load_settings(written)
    written.write_text('{"hedge": {}}')
    with pytest.raises(ParamsError, match="no group hedge"):
        load_settings(written)
