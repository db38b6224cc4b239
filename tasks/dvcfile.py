"""dvc.yaml, written from the stages' registry, so that both doors stand on the same."""

from pathlib import Path
from typing import Any

import yaml

from tasks import fingerprint
from tasks.registry import STAGES, StageSpec

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


def render(root: Path) -> str:
    """Write dvc.yaml's text for the code in a checkout."""
    content = {
        "stages": {spec.name: _stage(spec, root) for spec in STAGES},
        "metrics": _METRICS,
        "plots": _PLOTS,
    }
    return _HEAD + yaml.safe_dump(content, sort_keys=False, width=100)


def _stage(spec: StageSpec, root: Path) -> dict[str, Any]:
    code = [path.as_posix() for path in fingerprint.code_files(spec.module, root)]
    # Own files belong into demand/: there DVC sees when they change.
    own = ["demand"] if spec.name == "download" else []
    return {
        "cmd": f"ddnn stage {spec.name}",
        "deps": [*own, *(f"{OUTPUTS}/{name}" for name in spec.inputs), *code],
        "params": list(spec.params),
        "outs": [f"{OUTPUTS}/{spec.name}"],
    }
