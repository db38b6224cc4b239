"""The halves of exits that predict a distribution decide as torch does, and stay within a cap."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ddnn.context import build_view
from ddnn.demand import Demand, read_demand
from ddnn.errors import ArtefactError, ModelError, ParamsError
from ddnn.params import load_params
from ddnn.runtime.allocate import allocate, fit_demand
from ddnn.runtime.anchored_bundle import AnchoredBundle, load_anchored_bundle
from ddnn.runtime.anchored_graph import graph_inputs, layout
from ddnn.runtime.anchored_served import AnchoredCloud, AnchoredEdge
from ddnn.runtime.half import load_cloud, load_edge
from ddnn.runtime.manifest import verify, write_manifest
from ddnn.runtime.models import load_model
from ddnn.runtime.served import Served
from tasks.stage import Stage

ROOT = Path(__file__).parents[3]
EDGE = load_params(ROOT / "params.yaml").serve.edge


@pytest.fixture(scope="module")
def demand(anchored_stage: Stage) -> Demand:
    return read_demand(anchored_stage.inputs["download"])


@pytest.fixture(scope="module")
def bundle(anchored_bundle: Path) -> AnchoredBundle:
    return load_anchored_bundle(anchored_bundle)


def serve(
    edge: AnchoredEdge, cloud: AnchoredCloud, rows: NDArray[np.float64], time: int
) -> tuple[bool, Served]:
    first = edge.see(rows, time)
    if edge.keeps(first.score):
        return True, edge.here(first)
    return False, edge.there(first, cloud.remote(edge.travels(first, rows, time)))


@pytest.mark.parametrize("rule", ["cloud", "edge", "random", "expected_cost", "expected_benefit"])
def test_every_slot_is_decided_as_by_torch(
    anchored_bundle: Path, bundle: AnchoredBundle, demand: Demand, rule: str
) -> None:
    """From the first with N slots before it, whether or not a week is known, to the last."""
    expected = allocate(bundle, fit_demand(bundle, demand), bundle.decider(rule, 0.5))
    edge, cloud = AnchoredEdge(anchored_bundle, rule, 0.5), AnchoredCloud(anchored_bundle)

    for row, time in enumerate(expected.times):
        local, served = serve(edge, cloud, demand.values[: 4 + row], int(time))
        assert local == expected.local[row]
        apart = np.abs(served.amounts - expected.amounts[row]) / bundle.scaling.span
        assert apart.max() < 1e-5
    if rule not in ("cloud", "edge"):
        assert 0.1 < expected.local.mean() < 0.9


def test_what_a_decision_looks_at_is_all_that_it_needs(
    anchored_bundle: Path, bundle: AnchoredBundle, demand: Demand
) -> None:
    wanted = bundle.wanted
    assert wanted == AnchoredEdge(anchored_bundle).wanted < demand.slots
    start = demand.start + (demand.slots - wanted) * demand.slot_seconds
    part = replace(demand, values=demand.values[-wanted:], start=start)
    decider = bundle.decider("cloud")
    whole, cut = (allocate(bundle, each, decider).amounts[-1] for each in (demand, part))
    np.testing.assert_allclose(cut, whole, rtol=1e-6)
    short = replace(part, values=part.values[1:], start=start + demand.slot_seconds)
    assert not np.allclose(allocate(bundle, short, decider).amounts[-1], whole, rtol=1e-6)


def test_the_view_is_that_of_the_training(
    anchored_bundle: Path, bundle: AnchoredBundle, demand: Demand
) -> None:
    edge = AnchoredEdge(anchored_bundle)
    scaled, clock = bundle.scaling.scale(demand.values), bundle.clock(demand.start)
    reaches = bundle.exits.reaches
    # Back and forth: nothing of one view is left in the next.
    for target in (200, 5, 60, 264, 170, 4):
        time = demand.start + target * demand.slot_seconds
        first = edge.see(demand.values[:target], time)
        edge.travels(first, demand.values[:target], time)
        for found, reach, features in (
            (edge._near, reaches.edge, bundle.exits.edge_features),
            (edge._far, reaches.cloud, bundle.exits.cloud_features),
        ):
            how = layout(bundle.exits, features, reach)
            view = build_view(scaled[:target], range(target, target + 1), clock, reach)
            np.testing.assert_allclose(found.view, graph_inputs(view, how), rtol=0, atol=1e-6)
            np.testing.assert_array_equal(found.calendar, view.calendar)
        newest = scaled[None, target - 4 : target]
        np.testing.assert_allclose(edge._near.recent, newest, rtol=0, atol=1e-6)


def test_before_a_week_is_known_the_answer_says_so(anchored_bundle: Path, demand: Demand) -> None:
    edge = AnchoredEdge(anchored_bundle, "edge")

    def unknown(slots: int, sent: bool = False) -> tuple[str, ...]:
        rows, time = demand.values[:slots], demand.start + slots * demand.slot_seconds
        first = edge.see(rows, time)
        if not sent:
            return edge.here(first).unknown
        reply = np.zeros((1, 2, 5), dtype=np.float32)
        edge.travels(first, rows, time)
        return edge.there(first, reply).unknown

    assert (edge.needed, edge.wanted) == (4, 7 * 24 + 6)
    assert unknown(4) == ("1 d ago", "7 d ago")
    assert unknown(25) == ("1 d ago", "7 d ago")  # two slots around it are looked at
    assert unknown(26) == ("7 d ago",)
    assert unknown(170) == ()
    assert unknown(10, sent=True) == ("1 d ago", "7 d ago", "newest")  # the remote exit sees a day
    assert unknown(170, sent=True) == ("7 d ago",)
    assert unknown(174, sent=True) == ()


def test_slots_that_were_never_told_are_unknown(anchored_bundle: Path, demand: Demand) -> None:
    """A long gap costs what lies in it, not the week before it."""
    edge = AnchoredEdge(anchored_bundle, "edge")
    rows = demand.values[:250].copy()
    rows[220:230] = np.nan
    told = [edge.see(rows[:slots], demand.start + slots * 3600) for slots in (240, 248, 250)]

    assert [first.unknown for first in told] == [(), ("1 d ago",), ("1 d ago",)]
    assert all(np.isfinite(edge.here(first).amounts).all() for first in told)
    other = rows.copy()
    other[220:230] = 1e6
    other[224:229] = np.nan  # what the view of slot 250 reads of the gap
    again = edge.see(other, demand.start + 250 * 3600)
    np.testing.assert_array_equal(edge.here(again).amounts, edge.here(told[2]).amounts)


@pytest.mark.parametrize("share", [0.2, 0.7, 0.95])
def test_the_cap_is_never_exceeded(anchored_bundle: Path, demand: Demand, share: float) -> None:
    free, cloud = AnchoredEdge(anchored_bundle, "random"), AnchoredCloud(anchored_bundle)
    floor, full = free.facts.minimum.sum(), free.cold().amounts.sum()
    cap = float(floor + share * (full - floor))
    edge = AnchoredEdge(anchored_bundle, "random", cap=cap)

    bound = 0
    for slots in range(4, 264):
        rows, time = demand.values[:slots], demand.start + slots * 3600
        (_, without), (_, served) = serve(free, cloud, rows, time), serve(edge, cloud, rows, time)
        total = float(np.sum(served.amounts))
        assert total <= cap
        assert sum(served.amounts.tolist()) <= cap
        assert (served.amounts >= 0).all()
        if served.price == 0:
            np.testing.assert_allclose(served.amounts, without.amounts, rtol=1e-5)
        else:
            bound += 1
            assert without.amounts.sum() > cap * (1 - 1e-5)
    assert bound > 5 or share > 0.9
    assert edge.cold().amounts.sum() <= cap


def test_a_cap_below_what_is_allocated_at_least_is_refused(anchored_bundle: Path) -> None:
    floor = AnchoredEdge(anchored_bundle).facts.minimum.sum()
    with pytest.raises(ModelError, match=r"serve\.edge\.cap .* allocates .* at least"):
        AnchoredEdge(anchored_bundle, cap=0.99 * floor)


def test_demand_beyond_all_numbers_is_no_sound_decision(anchored_bundle: Path) -> None:
    edge = AnchoredEdge(anchored_bundle)
    rows = np.full((200, 5), 10.0)
    rows[-1] = 1e30
    first = edge.see(rows, 0)
    assert not first.sound or np.isfinite(edge.here(first).amounts).all()
    assert edge.see(rows[:-1], 0).sound


def test_a_model_is_loaded_by_its_family(anchored_bundle: Path, tiny_bundle: Path) -> None:
    assert isinstance(load_edge(anchored_bundle, EDGE), AnchoredEdge)
    assert isinstance(load_cloud(anchored_bundle, 1), AnchoredCloud)
    assert isinstance(load_model(anchored_bundle), AnchoredBundle)
    assert load_model(tiny_bundle).facts.family == "paper"
    with pytest.raises(ModelError, match="take latent or latent_int8"):
        load_edge(anchored_bundle, replace(EDGE, payload="newest"))
    with pytest.raises(ModelError, match="train the preset anchored"):
        load_edge(tiny_bundle, replace(EDGE, cap=1.0))


def test_an_unknown_family_is_refused_by_name(anchored_bundle: Path, tmp_path: Path) -> None:
    facts, _ = verify(anchored_bundle)
    other = shutil.copytree(anchored_bundle, tmp_path / "other")
    (other / "bundle.json").unlink()
    write_manifest(other, {**facts, "family": "oracle"})
    with pytest.raises(ArtefactError, match="family oracle"):
        load_edge(other, EDGE)


@pytest.mark.parametrize("name", ["edge/edge.onnx", "edge/memory.onnx", "edge/edge.json"])
def test_a_flipped_byte_is_found(anchored_bundle: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(anchored_bundle, tmp_path / "model")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 4
    (folder / name).write_bytes(content)
    for load in (AnchoredEdge, AnchoredCloud, load_model):
        with pytest.raises(ArtefactError, match="altered"):
            load(folder)


def test_what_the_model_lacks_is_refused(anchored_bundle: Path) -> None:
    with pytest.raises(ModelError, match=r"no rule optimized_volume; this model has cloud"):
        AnchoredEdge(anchored_bundle, "optimized_volume")
    with pytest.raises(ParamsError, match=r"L0 1\.2: must lie in"):
        AnchoredEdge(anchored_bundle, "edge", 1.2)


def test_the_halves_need_no_torch(anchored_bundle: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ddnn.runtime.half import load_cloud\n"
        "from ddnn.runtime.anchored_served import AnchoredEdge\n"
        "AnchoredEdge(Path(sys.argv[1])).warm(); load_cloud(Path(sys.argv[1]), 1).warm()\n"
        "heavy = 'torch scipy pandas pyarrow sklearn pydantic yaml onnx safetensors prefect'\n"
        "print([name for name in heavy.split() if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", code, str(anchored_bundle)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
