"""The stage train of the preset anchored: taken up after a kill, with its progress."""

from dataclasses import replace
from pathlib import Path

import pytest

from ddnn.params import change_params
from ddnn.training.anchored import LikelihoodRecord
from tasks.anchored import train
from tasks.anchored.progress import RowProgress
from tasks.stage import Stage

SMALL = {"anchored.cross_fitting": {"folds": 2, "fold_epochs": 2, "epochs": 2, "teaching": 1.0}}


def stage_in(stage: Stage, root: Path) -> Stage:
    params = change_params(stage.params, SMALL, "test")
    for name in ("out", "scratch"):
        (root / name).mkdir(parents=True)
    inputs = {name: stage.inputs[name] for name in ("download", "grid")}
    return Stage(params, inputs, root / "out", root / "scratch", stage.arithmetic)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_killed_in_any_training_it_gives_the_same_bytes(
    anchored_stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    undisturbed = stage_in(anchored_stage, tmp_path / "one")
    train.run(undisturbed)

    told = []

    def stop(self: RowProgress, training: str, record: LikelihoodRecord) -> None:
        told.append((training, record.epoch))
        if len(told) == epoch:
            raise KeyboardInterrupt

    killed = stage_in(anchored_stage, tmp_path / "two")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RowProgress, "tell", stop)
        train.run(killed)
    assert not list(killed.out.iterdir())
    again = replace(killed, out=tmp_path / "two" / "again")
    again.out.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(
            RowProgress, "tell", lambda _, *which: told.append((which[0], which[1].epoch))
        )
        train.run(again)
    assert told == [(name, n) for name in ("fold_0", "fold_1", "all") for n in (1, 2)]
    assert files(again.out) == files(undisturbed.out)
    assert "held_out.npz" in files(again.out)


def record(epoch: int, local: float | None = None) -> LikelihoodRecord:
    return LikelihoodRecord(epoch, 1.0, local, local, 1.0, True)


def test_progress_counts_the_epochs_of_all_trainings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 10.5, 10.5, 21.0, 21.0])
    monkeypatch.setattr("tasks.standard_error.time.monotonic", lambda: next(clock))
    with RowProgress("train", {"fold_0": 3, "fold_1": 3, "all": 4}) as progress:
        progress.tell("fold_0", record(3, -1.5))
        progress.tell("fold_1", record(1, -1.5))
        progress.tell("all", record(2))
    assert capsys.readouterr().err == (
        "train: goes on after epoch 2\n"
        "train: epoch 4, training 2 of 3, local -1.500, remote -1.500\n"
        "train: epoch 8, training 3 of 3\n"
    )


def test_on_a_terminal_progress_is_one_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with RowProgress("train", {"fold_0": 2, "all": 3}) as progress:
        progress.tell("fold_0", record(1, -1.5))
        progress.tell("all", record(1))
        assert progress._bar.n == 3
        assert progress._bar.total == 5
    assert "train" in capsys.readouterr().err
