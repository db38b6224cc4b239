"""dvc.yaml, written from the stages' registry, so that both doors stand on the same."""

from pathlib import Path
from typing import Any

import yaml

from ddnn.params import Params
from tasks import fingerprint
from tasks.paper import ORIGINAL, RUN_STAGES
from tasks.registry import BY_NAME, SNAPSHOTS, STAGES, StageSpec, variants

OUTPUTS = "artefacts"
_HEAD = """\
# Written by `make dvc.yaml` from tasks/registry.py and the imports of the code; a test holds it
# against both. Change those, not this.
"""
_METRICS = [f"{OUTPUTS}/report/summary.json"]
_PLOTS: list[dict[str, Any]] = [
    {
        "cost against local share": {
            "x": "local_share",
            "y": {f"{OUTPUTS}/report/plots/curves.csv": "cost"},
            "template": "scatter",
        }
    },
    {
        "hard validation cost": {
            "x": "epoch",
            "y": {f"{OUTPUTS}/report/plots/history.csv": ["local_cost", "remote_cost"]},
        }
    },
]


PAPER = Path("experiments/paper")


class _Plain(yaml.SafeDumper):
    """Writes what stands twice twice: DVC reads anchors, people do not."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def files(root: Path, params: Params) -> dict[Path, str]:
    """Give the text of every dvc.yaml of a checkout, by its place in it."""
    return {
        Path("dvc.yaml"): render(root),
        PAPER / "dvc.yaml": render_paper(root, params),
    }


def render(root: Path) -> str:
    """Write dvc.yaml's text for the code in a checkout."""
    content = {
        "stages": {spec.name: _stage(spec, root) for spec in STAGES},
        "metrics": _METRICS,
        "plots": _PLOTS,
    }
    return _HEAD + yaml.dump(content, Dumper=_Plain, sort_keys=False, width=100)


def render_paper(root: Path, params: Params) -> str:
    """Write the text of the paper's experiment: a matrix over its settings and seeds.

    It stands apart: a matrix in the root would be read by every `dvc repro`. Its outputs are copies
    from the store and not in DVC's cache, or `dvc pull` would fail for whoever did not run it.
    """
    settings, seeds = list(params.paper.settings), params.paper.seeds
    specs = [BY_NAME[name] for name in RUN_STAGES] + [SNAPSHOTS]
    code = sorted({path for spec in specs for path in fingerprint.code_files(spec.module, root)})
    run = {
        "wdir": "../..",
        "deps": ["demand", *(path.as_posix() for path in code)],
        "params": sorted({dotted for spec in specs for dotted in spec.params} | {"paper"}),
    }
    judged = fingerprint.code_files("tasks.paper_files", root)
    content = {
        "stages": {
            "run": {
                "matrix": {"setting": settings, "seed": seeds},
                "cmd": "ddnn paper-run ${item.setting} ${item.seed}",
                **run,
                "outs": [{f"{PAPER}/runs/${{item.setting}}-${{item.seed}}": {"cache": False}}],
            },
            ORIGINAL: {
                "matrix": {"setting": settings},
                "cmd": f"ddnn paper-run ${{item.setting}} {ORIGINAL}",
                **run,
                "outs": [{f"{PAPER}/runs/${{item.setting}}-{ORIGINAL}": {"cache": False}}],
            },
            "claims": {
                "wdir": "../..",
                "cmd": "ddnn paper-claims",
                "deps": [
                    *(f"{PAPER}/runs/{name}-{seed}" for name in settings for seed in seeds),
                    *(f"{PAPER}/runs/{name}-{ORIGINAL}" for name in settings),
                    *(path.as_posix() for path in judged),
                ],
                "params": ["evaluate.bootstrap", "paper"],
                "outs": [{f"{PAPER}/results": {"cache": False}}],
            },
        }
    }
    return _HEAD + yaml.dump(content, Dumper=_Plain, sort_keys=False, width=100)


def _stage(spec: StageSpec, root: Path) -> dict[str, Any]:
    # DVC sees what any family of models runs and reads: it asks too often, and the store answers.
    ways = variants(spec.name)
    files = {path for way in ways for path in fingerprint.code_files(way.module, root)}
    code = sorted(path.as_posix() for path in files)
    settings = dict.fromkeys(dotted for way in ways for dotted in way.params)
    # A group stands for what is in it.
    whole = [name for name in settings if not any(name.startswith(f"{g}.") for g in settings)]
    # Own files belong into demand/: there DVC sees when they change.
    own = ["demand"] if spec.name == "download" else []
    return {
        "cmd": f"ddnn stage {spec.name}",
        "deps": [*own, *(f"{OUTPUTS}/{name}" for name in spec.inputs), *code],
        "params": whole,
        "outs": [f"{OUTPUTS}/{spec.name}"],
    }
