"""Halves that differ from the trained network are found out."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ddnn.demand import Demand, windows
from ddnn.runtime.bundle import load_bundle
from ddnn.runtime.manifest import verify, write_manifest
from ddnn.runtime.parity import compare
from ddnn.runtime.served import with_room


@pytest.mark.parametrize("rule", ["optimized_volume", "optimized_local", "uncertainty_b2"])
def test_they_decide_and_allocate_alike(tiny_bundle: Path, tiny_demand: Demand, rule: str) -> None:
    bundle = load_bundle(tiny_bundle)
    slots = np.arange(4, tiny_demand.slots)
    D, _ = windows(bundle.scaling.scale(tiny_demand.values), range(4, tiny_demand.slots), 4)

    found = compare(tiny_bundle, bundle, D, slots, rule, 0.5)

    assert (found.rule, found.l0, found.slots) == (rule, 0.5, len(slots))
    assert found.equal_decisions == 1
    assert max(found.local, found.remote) < 1e-5
    assert found.score < 1e-5


def test_another_threshold_is_found(tiny_bundle: Path, tiny_demand: Demand, tmp_path: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    other = shutil.copytree(tiny_bundle, tmp_path / "other")
    path = other / "edge" / "edge.json"
    facts = json.loads(path.read_text())
    facts["rules"]["optimized_volume"]["gates"]["0.5"]["threshold"] = 0.0
    path.write_text(json.dumps(facts))
    about, _ = verify(tiny_bundle)
    (other / "bundle.json").unlink()
    write_manifest(other, about)
    slots = np.arange(4, 60)
    D, _ = windows(bundle.scaling.scale(tiny_demand.values), range(4, 60), 4)

    found = compare(other, bundle, D, slots, "optimized_volume", 0.5)

    assert 0 < found.equal_decisions < 1
    assert found.local < 1e-5


def test_a_threshold_is_servedwith_room_for_rounding() -> None:
    """It is a calibration slot's own score: in another order of summation that slot would flip."""
    scores = np.array([0.2, 0.5, 0.50001, 0.9])
    for threshold in scores:
        anew = float(np.nextafter(np.float32(threshold), np.float32(1)))  # one rounding higher
        assert anew > threshold
        assert anew <= with_room(float(threshold), scores)
        assert (scores <= with_room(float(threshold), scores)).sum() == (scores <= threshold).sum()
    assert with_room(-np.inf, scores) == -np.inf
