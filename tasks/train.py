"""Stage ``train``: the exits, trained jointly."""

import csv
from dataclasses import asdict, fields
from pathlib import Path

from ddnn.nets import build_exits, find_preset, save_exits
from ddnn.training.joint_exit import EpochRecord, History, train_exits
from tasks.prepared import prepare
from tasks.progress import EpochProgress
from tasks.stage import Stage


def run(stage: Stage) -> None:
    """Write exits.safetensors, exits.json and history.csv."""
    train_preset(stage, "train", stage.params.train.preset, stage.params.setting.w)


def train_preset(stage: Stage, name: str, preset: str, w: float) -> None:
    """Build a preset's exits, train them with weight ``w`` on the local one, and save them."""
    params, seed = stage.params.train, stage.params.setting.seed
    prepared = prepare(stage)
    exits = build_exits(find_preset(preset), prepared.grid, prepared.N, params.dropout, seed)
    with EpochProgress(name, params.max_epochs, params.patience) as progress:
        history = train_exits(
            exits,
            prepared.windows(prepared.split.train),
            prepared.windows(prepared.split.validation_fit),
            prepared.cost,
            params,
            w,
            seed,
            stage.arithmetic,
            checkpoint=stage.scratch / "exits.safetensors",
            on_epoch=progress,
        )
    save_exits(exits, stage.out)
    _write_history(history, stage.out / "history.csv")


def _write_history(history: History, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        columns = [field.name for field in fields(EpochRecord)]
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        # An exit that is not trained has an empty cell.
        writer.writerows(asdict(record) | {"best": int(record.best)} for record in history)
