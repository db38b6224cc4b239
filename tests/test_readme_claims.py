"""What the README says of the paper's claims is what was computed."""

import json
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_readme_counts_the_verdicts_as_they_are():
    claims = json.loads((ROOT / "reports/paper/claims_milano25.json").read_text())
    count = Counter(claim["verdict"] for claim in claims)
    said = " ".join((ROOT / "README.md").read_text().split())
    assert (
        f"of {len(claims)} claims on 25 real squares, {count['holds']} hold, "
        f"{count['holds in part']} hold in part and {count['does not hold']} do not hold"
    ) in said
    ours = {claim["id"]: claim["ours"] for claim in claims}
    assert f"{ours[1]:.1f} % instead of 14 % at c_u = 0.5, {ours[2]:.1f} % instead of 30 %" in said
    assert f"for {ours[5]:.0f} % of the slots instead of 20 %" in said
    assert f"{ours[24]:.0f} times larger" in said


def test_the_readme_shows_the_bars_as_they_were_judged():
    bars = json.loads((ROOT / "metrics/worth.json").read_text())
    said = (ROOT / "README.md").read_text()
    names = ("local exit / boosting_best", "remote exit / boosting_best")
    for name in (*names, "local exit / boosting_plain"):
        (bar,) = [each for each in bars if each["bar"] == f"{name}, geometric mean"]
        met = {True: "yes", False: "no", None: "not measured"}[bar["met"]]
        value = f"{bar['value']:.3f} [{bar['low']:.3f}, {bar['high']:.3f}]"
        assert f"| {value} | {bar['target']:g} | {met} |" in said, name
