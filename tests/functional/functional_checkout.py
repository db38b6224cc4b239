"""A checkout of its own for the real tools: copied code, tiny settings, its own git and DVC."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
TINY = {
    "download.city.squares": 4,
    "download.city.days": 10,
    "split.test_days": 2,
    "split.validation_days": 3,
    "split.calibration_days": 1,
    "train.max_epochs": 3,
    "train.batch": 128,
    "offloader.features": ["volume", "local"],
    "offloader.max_epochs": 3,
    "offloader.mc_passes": [2],
    "evaluate.bootstrap.samples": 100,
}


def ran(said: str) -> list[str]:
    """Name the stages that a command ran, in order, by what it printed."""
    return re.findall(r"^(\w+): done in", said, re.MULTILINE)


@dataclass(frozen=True)
class Checkout:
    """A copy of the project in which commands can be run."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "MLFLOW_", "DVC_", "DDNN_HOME", "PYTEST"))
        }
        path = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
        names = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "tester"), ("EMAIL", "tester@localhost"))
        }
        return kept | names | {"PATH": path, "DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1"}

    def start(self, *command: str, **options: Any) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )

    def run(self, *command: str, code: int = 0, timeout: float = 240) -> str:
        """Run a command, hold its exit code against the expected one, give all it printed."""
        child = self.start(*command)
        said, _ = child.communicate(timeout=timeout)
        assert child.returncode == code, f"{command} gave {child.returncode}:\n{said}"
        return said

    def nested_runs(self) -> list[tuple[str, str, str]]:
        """Give name, status and parent's name of the nested runs, by MLflow's own tables."""
        with sqlite3.connect(self.root / ".ddnn" / "mlflow" / "mlflow.db") as database:
            return database.execute(
                "select r.name, r.status, p.name from runs r"
                " join tags t on t.run_uuid = r.run_uuid and t.key = 'mlflow.parentRunId'"
                " join runs p on p.run_uuid = t.value where r.lifecycle_stage = 'active'"
            ).fetchall()

    def set(self, values: dict[str, Any]) -> None:
        """Change settings in params.yaml."""
        path = self.root / "params.yaml"
        content = yaml.safe_load(path.read_text())
        for dotted, value in values.items():
            *groups, last = dotted.split(".")
            place = content
            for group in groups:
                place = place[group]
            place[last] = value
        path.write_text(yaml.safe_dump(content, sort_keys=False))

    def hashes(self, stage: str) -> dict[str, str]:
        """Give the hashes of a stage's files in artefacts/."""
        import json

        manifest = json.loads((self.root / "artefacts" / stage / "manifest.json").read_text())
        return dict(manifest["files"])


def make_checkout(root: Path, begin_home: Callable[[Path], None] | None = None) -> Checkout:
    """Copy the project's code with tiny settings, and begin a git history for it.

    Args:
        root: An empty folder.
        begin_home: Begins the state folder; none: there is none yet, as after a clone.
    """
    for room in ("ddnn", "tasks", "flows", "demand", "experiments", ".dvc"):
        shutil.copytree(
            ROOT / room,
            root / room,
            ignore=shutil.ignore_patterns("__pycache__", "cache", "tmp", "config.local"),
        )
    for name in ("params.yaml", "dvc.yaml", "pyproject.toml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, root / name)
    if begin_home is not None:
        begin_home(root / ".ddnn")
    checkout = Checkout(root)
    checkout.set(TINY)
    checkout.run("git", "init", "-q", "-b", "main")
    checkout.run("git", "add", "-A")
    checkout.run("git", "commit", "-q", "-m", "begin")
    return checkout
