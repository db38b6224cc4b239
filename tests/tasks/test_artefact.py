"""The store: whole or not at all, and nothing altered gets out."""

import json
import shutil

import pytest

from ddnn.errors import ArtefactError
from tasks.artefact import MANIFEST, Store, publish, read_manifest, verify_folder

KEY = "ab" + "0" * 62


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def finished(store, content=b"weights"):
    with store.writing("train", KEY, {"params": {"seed": 0}}) as draft:
        (draft / "deep").mkdir()
        (draft / "deep" / "exits.safetensors").write_bytes(content)
        (draft / "history.csv").write_text("epoch\n1\n")
    return store.find("train", KEY)


def test_a_finished_stage_is_found_with_its_facts(store):
    reference = finished(store)
    assert reference.hit
    assert read_manifest(reference.folder)["made_of"] == {"params": {"seed": 0}}
    assert verify_folder(reference.folder) == reference.digest


def test_the_digest_follows_the_files_and_not_the_key(store, tmp_path):
    first = finished(store)
    other = Store(tmp_path / "other")
    with other.writing("train", "cd" + KEY[2:], {"params": {"seed": 1}}) as draft:
        shutil.copytree(first.folder, draft, dirs_exist_ok=True)
        (draft / MANIFEST).unlink()
    assert other.find("train", "cd" + KEY[2:]).digest == first.digest


def test_a_failure_leaves_nothing(store):
    def half_a_stage():
        with store.writing("train", KEY, {}) as draft:
            (draft / "half").write_text("written")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        half_a_stage()
    assert store.find("train", KEY) is None
    assert list((store.root / "drafts").iterdir()) == []


def test_the_draft_of_a_killed_run_is_cleared_away(store):
    left = store.root / "drafts" / KEY
    left.mkdir(parents=True)
    (left / "half").write_text("written")
    assert not (finished(store).folder / "half").exists()
    assert not left.exists()


@pytest.mark.parametrize("name", ["deep/exits.safetensors", "history.csv", MANIFEST])
def test_every_flipped_byte_is_found(store, name):
    reference = finished(store)
    path = reference.folder / name
    content = bytearray(path.read_bytes())
    for position in range(0, len(content), max(1, len(content) // 20)):
        altered = bytearray(content)
        altered[position] ^= 1
        path.write_bytes(altered)
        with pytest.raises(ArtefactError, match=path.name):
            verify_folder(reference.folder)
    path.write_bytes(content)
    verify_folder(reference.folder)


def test_a_damaged_entry_is_set_aside_and_runs_again(store):
    reference = finished(store)
    (reference.folder / "history.csv").write_text("epoch\n9\n")
    assert store.find("train", KEY) is None
    assert len(list((store.root / "damaged").iterdir())) == 1
    assert finished(store) is not None


@pytest.mark.parametrize("change", ["missing", "added"])
def test_a_missing_or_added_file_is_found(store, change):
    folder = finished(store).folder
    if change == "missing":
        (folder / "history.csv").unlink()
    else:
        (folder / "extra").write_text("")
    with pytest.raises(ArtefactError, match=r"history\.csv|extra"):
        verify_folder(folder)


def test_a_manifest_of_something_else_is_refused(store):
    folder = finished(store).folder
    (folder / MANIFEST).write_text(json.dumps(["not", "a", "manifest"]))
    with pytest.raises(ArtefactError, match="not a stage's manifest"):
        verify_folder(folder)


def test_publishing_replaces_read_only_outputs(store, tmp_path):
    reference = finished(store)
    target = tmp_path / "artefacts" / "train"
    target.mkdir(parents=True)
    (target / "old").write_text("old")
    (target / "old").chmod(0o444)
    publish(reference, target)
    assert verify_folder(target) == reference.digest
    assert not (target / "old").exists()
