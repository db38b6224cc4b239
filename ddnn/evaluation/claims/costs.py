"""Claims 1 to 7: the exits, the Oracle, Random and DeepCog (Fig. 3)."""

from functools import partial
from itertools import combinations

import numpy as np

from ddnn.evaluation.bootstrap import Interval
from ddnn.evaluation.claims.claim import Claim, Part
from ddnn.evaluation.claims.expected import EXPECTED
from ddnn.evaluation.claims.parts import Quantity, exactly, part, unjudged
from ddnn.evaluation.claims.sample import Bench, MissingError, Sample, percent_above
from ddnn.evaluation.claims.settings import FIG3A, FIG3B, notes

DISTINCT = 1e-9
"""Points of a curve that are closer in L are one."""


def claims(bench: Bench) -> list[Claim]:
    """Judge claims 1 to 7."""
    return [
        _gap(bench, 1, FIG3A, "At c_u = 0.5 the local exit costs about 14 % more than the remote."),
        _gap(bench, 2, FIG3B, "At c_u = 10 the local exit costs about 30 % more than the remote."),
        _oracle(bench, 3, FIG3A, 0.7, "The Oracle at L = 70 % costs what DeepCog costs."),
        _oracle(bench, 4, FIG3B, 0.5, "The Oracle at L = 50 % costs only 6 % more than DeepCog."),
        _local_better(bench),
        _shapes(bench),
        _joint_training(bench),
    ]


def _gap(bench: Bench, number: int, setting: str, text: str) -> Claim:
    def gap() -> Interval:
        sample = bench[setting]
        return sample.excess(sample.mean("cost_local"), sample.mean("cost_remote"))

    about = Quantity("C_edge above C_cloud", setting, "%")
    parts = (part(about, f"{number} gap", gap),)
    return Claim(number, text, setting, bench.measured.demand, parts, notes(bench, setting))


def _oracle(bench: Bench, number: int, setting: str, share: float, text: str) -> Claim:
    def excess() -> Interval:
        sample = bench[setting]
        return sample.excess(sample.at("oracle", share), sample.mean("cost_deepcog"))

    about = Quantity(f"Oracle at L = {100 * share:g} % above DeepCog", setting, "%")
    parts = (part(about, f"{number} oracle", excess),)
    return Claim(number, text, setting, bench.measured.demand, parts, notes(bench, setting))


def _local_better(bench: Bench) -> Claim:
    def share() -> Interval:
        sample = bench[FIG3A]
        better = (sample.benefit < 0).astype(np.float64)
        return sample.interval(100 * sample.pool(sample.means(better)))

    about = Quantity("test samples that the local exit decides more cheaply", FIG3A, "%")
    return Claim(
        5,
        "For about 20 % of the test samples the local exit is the better one.",
        FIG3A,
        bench.measured.demand,
        (part(about, "5 share", share),),
        notes(bench, FIG3A),
    )


def _shapes(bench: Bench) -> Claim:
    parts: list[Part] = []
    for setting in (FIG3A, FIG3B):
        parts += [
            part(
                Quantity("smallest change of the Oracle's slope", setting),
                "6 convex",
                partial(_bend, bench, setting),
                sampled=False,
            ),
            part(
                Quantity("cheapest Oracle, relative to Cloud", setting),
                "6 undercut",
                partial(_undercut, bench, setting),
            ),
            part(
                Quantity("Random off the line from C_cloud to C_edge, at most", setting, "%"),
                "6 straight",
                partial(_off_line, bench, setting),
                sampled=False,
            ),
        ]
    return Claim(
        6,
        "The Oracle's cost is convex in L and can fall below Cloud's; Random's is a straight line.",
        f"{FIG3A}, {FIG3B}",
        bench.measured.demand,
        tuple(parts),
        notes(bench, FIG3A),
    )


def _joint_training(bench: Bench) -> Claim:
    parts = [
        part(
            Quantity("C_cloud (w > 0) relative to C_DeepCog (w = 0)", setting),
            "7 joint",
            partial(_to_deepcog, bench, setting),
        )
        for setting in bench.settings
    ]
    if not parts:
        about = Quantity("C_cloud (w > 0) relative to C_DeepCog (w = 0)", "-")
        expected = EXPECTED["7 joint"]
        parts = [unjudged(about, expected.paper, expected.tolerance, "no setting was run")]
    return Claim(
        7,
        "Training both exits jointly makes the remote one better; which w > 0 matters little.",
        "all settings",
        bench.measured.demand,
        (*parts, *_weights(bench)),
        (*_original(bench), *notes(bench, *bench.settings)),
    )


def _to_deepcog(bench: Bench, setting: str) -> Interval:
    sample = bench[setting]
    return sample.ratio(sample.mean("cost_remote"), sample.mean("cost_deepcog"))


def _weights(bench: Bench) -> list[Part]:
    """Compare settings that differ in w alone."""

    def but_w(setting: str) -> dict[str, object]:
        of = bench[setting].runs[0].evaluation["setting"]
        return {key: value for key, value in of.items() if key not in ("w", "seed")}

    def weight(setting: str) -> float:
        return float(bench[setting].runs[0].evaluation["setting"]["w"])

    pairs = [
        (first, second)
        for first, second in combinations(bench.settings, 2)
        if but_w(first) == but_w(second) and 0 < weight(first) != weight(second) > 0
    ]
    if not pairs:
        about = Quantity("C_cloud at another w > 0, change", "-", "%")
        known = EXPECTED["7 weight"]
        reason = "no two settings differ in w alone"
        return [unjudged(about, known.paper, known.tolerance, reason)]

    def change(first: str, second: str) -> Interval:
        one, other = bench[first], bench[second]
        return percent_above(one.ratio(other.mean("cost_remote"), one.mean("cost_remote")))

    return [
        part(
            Quantity(f"C_cloud at w = {weight(b):g} above w = {weight(a):g}", f"{a}, {b}", "%"),
            "7 weight",
            partial(change, a, b),
        )
        for a, b in pairs
    ]


def _original(bench: Bench) -> tuple[str, ...]:
    """Say how the remote exit stands against DeepCog's published network."""
    told = []
    for setting, cost in bench.measured.original.items():
        if setting in bench.settings:
            remote = bench[setting].runs[0].slots["cost_remote"]
            change = 100 * (float(np.mean(remote)) / float(np.mean(cost)) - 1)
            told.append(f"{setting} {change:+.1f} %")
    if not told:
        return ()
    return (f"C_cloud against DeepCog's published network, first seed: {', '.join(told)}.",)


def _bend(bench: Bench, setting: str) -> Interval:
    """Smallest change of slope between neighbours on the Oracle's curve, per C_cloud."""
    sample = bench[setting]
    bends = []
    for run in sample.runs:
        share, cost = _points(sample, run.evaluation["rules"], "oracle")
        slopes = np.diff(cost) / np.diff(share)
        bends += (np.diff(slopes) / run.evaluation["cost"]["cloud"]).tolist()
    # No bend at all is convex, too: so is a curve of two points.
    return exactly(min(bends, default=0.0))


def _undercut(bench: Bench, setting: str) -> Interval:
    sample = bench[setting]
    best = sample.pool(sample.exits[1] + sample.means(np.minimum(sample.benefit, 0.0)))
    return sample.ratio(best, sample.mean("cost_remote"))


def _off_line(bench: Bench, setting: str) -> Interval:
    """Largest distance of Random's points from the line, in percent of the cost."""
    sample = bench[setting]
    worst = 0.0
    for run in sample.runs:
        share, cost = _points(sample, run.evaluation["rules"], "random")
        ends = run.evaluation["cost"]
        line = ends["cloud"] + share * (ends["edge"] - ends["cloud"])
        worst = max(worst, 100 * float(np.max(np.abs(cost / line - 1))))
    return exactly(worst)


def _points(sample: Sample, rules: object, name: str) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(rules, dict) or not rules.get(name):
        raise MissingError(f"{sample.name} has no {name}")
    pairs = np.array(sorted((point["L"], point["C"]) for point in rules[name]))
    apart = np.append(True, np.diff(pairs[:, 0]) > DISTINCT)
    return pairs[apart, 0], pairs[apart, 1]
