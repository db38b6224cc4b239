"""Claims 13 to 15 and 22: thresholds, what a gate learns, what its scores know (Figs. 5a to 5c)."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ddnn.evaluation.bootstrap import Interval
from ddnn.evaluation.claims.claim import Claim, Part
from ddnn.evaluation.claims.expected import EXPECTED
from ddnn.evaluation.claims.parts import Quantity, judged, part, spell, unjudged
from ddnn.evaluation.claims.sample import Bench, MissingError, Sample
from ddnn.evaluation.claims.settings import FIG4D, PASSES, notes, uncertainty
from ddnn.evaluation.measured import Snapshots
from ddnn.evaluation.wording import rule_name
from ddnn.offload import hard_labels
from ddnn.params import BootstrapParams

Array = NDArray[np.float64]

HALF = 0.5
"""The paper's threshold on a gate's probability."""


def claims(bench: Bench, bootstrap: BootstrapParams) -> list[Claim]:
    """Judge claims 13, 14, 15 and 22."""
    return [
        _thresholds(bench),
        _snapshots(bench, bootstrap),
        _sent_away(bench),
        _correlation(bench),
    ]


def _thresholds(bench: Bench) -> Claim:
    """Judge u = 0 and u = 0.5 where they go worst: the paper names them for all settings."""
    parts = [
        _worst(bench, passes, u, expected)
        for passes in PASSES
        for u, expected in ((0.0, "13 none"), (0.5, "13 all"))
    ]
    return Claim(
        13,
        "The Uncertainty Rule sends all away at u = 0 and nothing at u = 0.5.",
        "the worst of all settings",
        bench.measured.demand,
        tuple(parts),
        notes(bench, *bench.settings),
    )


def _worst(bench: Bench, passes: int, u: float, expected: str) -> Part:
    wanted, rule = EXPECTED[expected], uncertainty(passes)
    what = f"L of {rule_name(rule)} at u = {u:g}"
    found = {}
    for setting in bench.settings:
        shares = [_share_at(run.evaluation, rule, u) for run in bench[setting].runs]
        known = [100 * share for share in shares if share is not None]
        if len(known) == len(shares):
            found[setting] = bench[setting].over_seeds(known)
    if not found:
        about = Quantity(what, "-", "%")
        return unjudged(about, wanted.paper, wanted.tolerance, "no setting has this point")
    worst = max(found, key=lambda name: abs(found[name].value - float(wanted.paper)))
    # Nothing is drawn here but seeds; a single one still shows whether the threshold does it.
    return judged(Quantity(what, worst, "%"), wanted, found[worst], sampled=False)


def _share_at(evaluation: object, rule: str, u: float) -> float | None:
    assert isinstance(evaluation, dict)
    points = evaluation["paper_thresholds"].get(rule, [])
    return next((float(point["L"]) for point in points if point["u"] == u), None)


def _snapshots(bench: Bench, bootstrap: BootstrapParams) -> Claim:
    shots = bench.measured.snapshots
    kinds: tuple[tuple[str, str, str, Callable[[Snapshots], float]], ...] = (
        ("AUC after epoch 1", "", "14 first", lambda s: _auc(s, s.first)),
        ("accuracy at 1/2, late", "%", "14 accuracy", lambda s: 100 * _accuracy(s, s.late)),
        ("AUC, late", "", "14 late", lambda s: _auc(s, s.late)),
    )
    parts = tuple(
        part(
            Quantity(f"{what}, on the training samples", FIG4D, unit),
            expected,
            partial(_over_shots, shots, of, bootstrap),
            sampled=False,
        )
        for what, unit, expected, of in kinds
    )
    told: tuple[str, ...] = ()
    if shots:
        epochs = sorted({shot.late_epoch for shot in shots})
        critical = float(np.mean([shot.critical for shot in shots]))
        told = (
            f"Late is epoch {' or '.join(map(str, epochs))}; b* is {spell(critical)} here, about "
            f"100 in the paper; {len(shots)} seed{'s' if len(shots) > 1 else ''}.",
        )
    return Claim(
        14,
        "A gate's probabilities are random after epoch 1 and separated at 1/2 late in training.",
        f"{FIG4D}, training samples",
        bench.measured.demand,
        parts,
        told,
    )


def _over_shots(
    shots: Sequence[Snapshots], of: Callable[[Snapshots], float], bootstrap: BootstrapParams
) -> Interval:
    values = [of(shot) for shot in shots]
    if not values:
        raise MissingError("no gate was looked at while it learned")
    if len(values) < 2:
        return Interval(values[0], None, None)
    rng = np.random.default_rng([0, 0x5EED])
    drawn = rng.integers(0, len(values), size=(bootstrap.samples, len(values)))
    means = np.asarray(values)[drawn].mean(axis=1)
    tail = (1.0 - bootstrap.level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(float(np.mean(values)), float(low), float(high))


def _auc(shot: Snapshots, probability: Array) -> float:
    """Chance that a hard sample gets a higher probability than an easy one, ties halved."""
    hard = hard_labels(shot.benefit, shot.critical)
    count = int(hard.sum())
    if count in (0, len(hard)):
        raise MissingError("all training samples bear one label")
    ranks = float(rankdata(probability)[hard].sum())
    return (ranks - count * (count + 1) / 2) / (count * (len(hard) - count))


def _accuracy(shot: Snapshots, probability: Array) -> float:
    return float(np.mean((probability > HALF) == hard_labels(shot.benefit, shot.critical)))


def _sent_away(bench: Bench) -> Claim:
    parts = (
        part(
            Quantity("test samples with benefit above b* that go to the cloud", FIG4D, "%"),
            "15 share",
            lambda: _sent(bench[FIG4D], relative=False),
        ),
        part(
            Quantity("the same, relative to sending as many at random", FIG4D),
            "15 enriched",
            lambda: _sent(bench[FIG4D], relative=True),
        ),
    )
    told: tuple[str, ...] = ()
    if FIG4D in bench.settings:
        sample = bench[FIG4D]
        sent = 1 - float(sample.mean("local")[0])
        told = (f"The deployed gate sends away {spell(100 * sent)} % of all test samples.",)
    return Claim(
        15,
        "Most test samples with a benefit above b* are sent to the cloud.",
        f"{FIG4D}, the deployed gate",
        bench.measured.demand,
        parts,
        (*told, *notes(bench, FIG4D)),
    )


def _sent(sample: Sample, relative: bool) -> Interval:
    rules = sorted({run.evaluation["deployed"]["rule"] for run in sample.runs})
    if not all(rule.startswith("optimized") for rule in rules):
        raise MissingError(f"{sample.name} deploys {', '.join(rules)}, no gate")
    critical = np.array(sample.evaluations("benefit", "critical"))
    hard = (sample.benefit > critical[:, None]).astype(np.float64)
    away = 1.0 - sample.column("local")
    both, all_hard = sample.pool(sample.means(hard * away)), sample.pool(sample.means(hard))
    if not relative:
        return sample.ratio(100 * both, all_hard)
    return sample.ratio(both, all_hard * sample.pool(sample.means(away)))


def _correlation(bench: Bench) -> Claim:
    expected = EXPECTED["22 order"]
    parts = tuple(
        part(
            Quantity(f"rank correlation, {rule_name(uncertainty(passes))} and benefit", setting),
            expected,
            partial(_rank_correlation, bench, setting, passes),
        )
        for passes in PASSES
        for setting in bench.settings
    )
    if not parts:
        about = Quantity("rank correlation of uncertainty and benefit", "-")
        parts = (unjudged(about, expected.paper, expected.tolerance, "no setting was run"),)
    return Claim(
        22,
        "The variance of y_L is correlated with the benefit of the cloud.",
        "all settings",
        bench.measured.demand,
        parts,
        notes(bench, *bench.settings),
    )


def _rank_correlation(bench: Bench, setting: str, passes: int) -> Interval:
    return bench[setting].rank_correlation(f"score_{uncertainty(passes)}")
