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
