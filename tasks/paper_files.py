"""What the paper's experiment leaves: the claims with their verdicts, the figures, the report."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ddnn.evaluation.claims import judge
from ddnn.figures.paper import pictures
from ddnn.params import Params
from tasks import fingerprint
from tasks.artefact import Reference, file_sha256
from tasks.home import PROJECT_ROOT, ddnn_home
from tasks.paper import PaperRun
from tasks.paper_measured import measure
from tasks.paper_report import render
from tasks.run_record import read_json
from tasks.times import measured_times

REPORTS = PROJECT_ROOT / "reports" / "paper"
METRICS = PROJECT_ROOT / "metrics"
_TIMED = "fig4b"
"""Table IV is that of Fig. 4b's gate."""


@dataclass(frozen=True)
class Published:
    """Where the results lie."""

    demand: str
    fresh: bool
    """Made now; else all of it was there, made of the same."""
    claims: list[dict[str, Any]]
    """As in claims_<demand>.json."""
    report: Path
    """HTML."""
    claims_file: Path
    figures: Path
    """Folder of PNG files."""

    @property
    def files(self) -> list[Path]:
        """All files, figures last."""
        return [self.report, self.claims_file, *sorted(self.figures.glob("*.png"))]


def publish_paper(
    params: Params,
    demand: str,
    runs: Sequence[PaperRun],
    references: Mapping[str, Mapping[str, Reference]],
    reports: Path = REPORTS,
) -> Published:
    """Judge what finished runs measured, and write claims, figures and report; or find them there.

    Args:
        params: Of params.yaml.
        demand: Name of the demand, in all files' names.
        runs: The finished runs.
        references: By run's name, the outputs of its stages.
        reports: Folder to write to.

    Raises:
        ArtefactError: An output is missing or damaged, or the times could not be measured.
    """
    published = Published(
        demand=demand,
        fresh=False,
        claims=[],
        report=reports / f"report_{demand}.html",
        claims_file=reports / f"claims_{demand}.json",
        figures=reports / f"figures_{demand}",
    )
    folders = {name: {k: ref.folder for k, ref in of.items()} for name, of in references.items()}
    timed = next((run for run in runs if run.setting == _TIMED and not run.original), None)
    times = None
    if timed is not None:
        of = references[timed.name]
        key = hashlib.sha256((of["train"].digest + of["offloader"].digest).encode()).hexdigest()
        times = measured_times(timed.params, folders[timed.name], key)
    variations_file = METRICS / f"variations_{demand}.json"
    variations = _read_list(variations_file)
    stamp = ddnn_home() / "paper" / f"{demand}.json"
    made_of = {
        "code": fingerprint.code_digest("tasks.paper_files", PROJECT_ROOT),
        "runs": {name: {k: ref.digest for k, ref in of.items()} for name, of in references.items()},
        "variations": variations,
        "times": None if times is None else repr(times),
        "bootstrap": params.evaluate.bootstrap.model_dump(mode="json"),
    }
    if _unchanged(stamp, made_of, published):
        claims = json.loads(published.claims_file.read_text(encoding="utf-8"))
        return replace(published, claims=claims)
    measured = measure(runs, folders, demand, times)
    claims = [claim.to_json() for claim in judge(measured, params.evaluate.bootstrap)]
    drawn = pictures(measured)
    reports.mkdir(parents=True, exist_ok=True)
    text = json.dumps(claims, indent=2, allow_nan=False) + "\n"
    _replace(published.claims_file, text.encode())
    html = render(measured, claims, drawn, variations, _facts(params, runs))
    _replace(published.report, html.encode())
    _replace_folder(published.figures, drawn)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    _replace(stamp, json.dumps(made_of | {"files": _hashes(published)}, indent=1).encode())
    return replace(published, fresh=True, claims=claims)


def claims_markdown(claims: Sequence[Mapping[str, Any]]) -> str:
    """Lay the verdicts out as a Markdown table."""
    lines = ["| | claim | paper | ours | verdict |", "|---|---|---|---|---|"]
    for claim in claims:
        ours = "-" if claim["ours"] is None else claim["ours"]
        lines.append(
            f"| {claim['id']} | {claim['claim']} | {claim['paper']} | {ours} | {claim['verdict']} |"
        )
    return "\n".join(lines)


def _facts(params: Params, runs: Sequence[PaperRun]) -> dict[str, Any]:
    """Give what the report says of the experiment itself."""
    settings = {}
    for run in runs:
        setting, train = run.params.setting, run.params.train
        settings[run.setting] = {
            "c_u": setting.c_u,
            "N": setting.N,
            "w": setting.w,
            "surrogate": f"{train.surrogate.name} {train.surrogate.width:g}",
            "learning_rate": train.learning_rate,
        }
    return {
        "settings": settings,
        "seeds": sorted({run.seed for run in runs}),
        "bootstrap": params.evaluate.bootstrap.model_dump(mode="json"),
        "generated_with": "make paper",
    }


def _unchanged(stamp: Path, made_of: dict[str, Any], published: Published) -> bool:
    if not stamp.is_file():
        return False
    known = read_json(stamp)
    files = known.pop("files", None)
    return known == json.loads(json.dumps(made_of)) and files == _hashes(published)


def _hashes(published: Published) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in published.files if path.is_file()}


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)


def _replace_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    draft = folder.with_name(f".{folder.name}-{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    for name, content in files.items():
        (draft / f"{name}.png").write_bytes(content)
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def _read_list(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
