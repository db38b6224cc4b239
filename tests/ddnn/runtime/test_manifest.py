"""A bundle's folder is used whole and unaltered, or refused by name."""

import json
import shutil
from pathlib import Path

import pytest

from ddnn.errors import ArtefactError
from ddnn.runtime.manifest import MANIFEST, verify, write_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "gates").mkdir(parents=True)
    (folder / "exits.json").write_text('{"N": 6}\n')
    (folder / "gates" / "volume_l33.3.json").write_text("{}\n")
    write_manifest(folder, {"unit": "activity", "scale": 0.1})
    return folder


def test_what_was_written_is_read_back_with_the_same_id(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy)

    facts, model = verify(folder)

    assert facts == {"unit": "activity", "scale": 0.1}
    assert verify(copy) == (facts, model)
    assert len(model) == 12


@pytest.mark.parametrize("bit", [0, 5])
def test_every_flipped_byte_of_every_file_is_found(folder: Path, bit: int) -> None:
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        sound = path.read_bytes()
        for place in range(len(sound)):
            flipped = bytearray(sound)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            with pytest.raises(ArtefactError, match=path.name):
                verify(folder)
        path.write_bytes(sound)
    verify(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "exits.json").unlink()

    with pytest.raises(ArtefactError, match=r"exits\.json: missing .*export the model again"):
        verify(folder)


def test_a_file_too_many_is_named(folder: Path) -> None:
    (folder / "gates" / "evil.pkl").write_bytes(b"x")

    with pytest.raises(ArtefactError, match=r"gates/evil\.pkl: not a file of this model"):
        verify(folder)


def test_a_link_to_another_folder_is_a_file_too_many(folder: Path, tmp_path: Path) -> None:
    (folder / "more").symlink_to(tmp_path)

    with pytest.raises(ArtefactError, match=r"more: not a file of this model"):
        verify(folder)


def test_the_manifest_of_the_store_may_lie_beside(folder: Path) -> None:
    (folder / "manifest.json").write_text("{}")

    verify(folder)


def test_a_folder_without_a_manifest_is_no_model(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ArtefactError, match=r"no exported model .*ddnn stage export"):
            verify(folder)


@pytest.mark.parametrize("text", ["", "[]", "null", '{"format": NaN}', "\xff", "[" * 100_000])
def test_a_manifest_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text, encoding="latin-1")

    with pytest.raises(ArtefactError, match=r"bundle\.json: "):
        verify(folder)


def test_an_unknown_format_is_named(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "format": 99}))

    with pytest.raises(ArtefactError, match=r"format 99, but this program reads format 1"):
        verify(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "a\\b", ".hidden", ""])
def test_a_manifest_that_names_files_elsewhere_is_refused(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No checks while it is written: as whoever means harm would.
    monkeypatch.setattr("ddnn.runtime.manifest._check_name", lambda *_: None)
    monkeypatch.setattr("ddnn.runtime.manifest._names", lambda _: {name})
    monkeypatch.setattr("ddnn.runtime.manifest.file_sha256", lambda _: "0" * 64)
    write_manifest(folder, {})
    monkeypatch.undo()

    with pytest.raises(ArtefactError, match="is no name for a file of a model"):
        verify(folder)
