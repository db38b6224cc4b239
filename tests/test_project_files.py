"""The files around the code say what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

from ddnn.params import load_params

ROOT = Path(__file__).parents[1]


def test_the_deployments_run_when_the_settings_say():
    params = load_params(ROOT / "params.yaml")
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    schedules = [s for deployment in deployments for s in deployment.get("schedules", [])]
    assert [s["cron"] for s in schedules] == [params.schedule.cron]
    assert [s["timezone"] for s in schedules] == [params.download.timezone]


def test_the_readme_is_short_and_its_places_exist():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 170
    assert "@@" not in text  # a number that is still to be filled in
    for place in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / place).exists(), place
    targets = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^    make ([a-z]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", targets, re.MULTILINE), target


def test_every_setting_of_the_readme_and_docs_exists():
    params = load_params(ROOT / "params.yaml").model_dump()
    groups = "|".join(params)
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for dotted in re.findall(rf"`((?:{groups})\.[A-Za-z_0-9.]+)`", path.read_text()):
            place = params
            for part in dotted.split("."):
                assert part in place, f"{path.name}: {dotted}"
                place = place[part]


def test_importing_the_library_imports_nothing_heavy():
    code = (
        "import sys, ddnn, ddnn.cost, ddnn.offload.calibration, ddnn.offload.labelling; "
        "print([m for m in ('torch', 'scipy', 'pandas', 'prefect', 'mlflow') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
