"""Claims 18 to 20, 23 and 24: times, sizes, operations and bytes (Tables III and IV)."""

from collections.abc import Mapping
from functools import partial
from itertools import pairwise

from ddnn.evaluation.bootstrap import Interval
from ddnn.evaluation.claims.claim import Claim, Part
from ddnn.evaluation.claims.expected import EXPECTED, TABLE_IV, table_iv
from ddnn.evaluation.claims.parts import Quantity, exactly, judged, part, unjudged
from ddnn.evaluation.claims.sample import Bench, MissingError
from ddnn.evaluation.claims.settings import FIG4B, OPTIMIZED, PASSES, uncertainty
from ddnn.evaluation.latency import (
    PAPER_TIMES,
    RuleWork,
    Times,
    Work,
    expected_latency_ms,
)
from ddnn.evaluation.wording import rule_name

FLOPS_PER_MAC = 2
"""A multiplication and an addition."""
MILLION = 1e6

_ALEXNET_CONVS = (
    # Channels in, channels out, edge of the kernel, edge of the output (torchvision's AlexNet).
    (3, 64, 11, 55),
    (64, 192, 5, 27),
    (192, 384, 3, 13),
    (384, 256, 3, 13),
    (256, 256, 3, 13),
)
_ALEXNET_DENSE = (256 * 6 * 6, 4096, 4096, 1000)
_TIMES = ("f0_ms", "f1_ms", "f2_ms", "rtt_ms")


def claims(bench: Bench) -> list[Claim]:
    """Judge claims 18, 19, 20, 23 and 24."""
    return [_times(bench), _sizes(bench), _latencies(bench), _operations(bench), _bytes(bench)]


def alexnet() -> dict[str, int]:
    """Count parameters and MACs of AlexNet for one image of 224 x 224, from its layers."""
    convs = [(i * o * kernel**2, out**2, o) for i, o, kernel, out in _ALEXNET_CONVS]
    dense = [(i * o, 1, o) for i, o in pairwise(_ALEXNET_DENSE)]
    return {
        "macs": sum(weights * places for weights, places, _ in convs + dense),
        "parameters": sum(weights + biases for weights, _, biases in convs + dense),
    }


def _times(bench: Bench) -> Claim:
    times = bench.measured.times

    def layer(name: str) -> Interval:
        if times is None:
            raise MissingError("no times were measured")
        return exactly(getattr(times.layers, f"{name.lower()}_ms"))

    parts = [
        part(
            Quantity(f"T_{name} of a sample", "-", "ms"),
            f"18 {name}",
            partial(layer, name),
            sampled=False,
        )
        for name in ("F0", "F1", "F2")
    ]
    about = Quantity("round trip", "-", "ms")
    reason = "the paper takes it from another study, and so does this project: nothing measures it"
    parts.append(unjudged(about, PAPER_TIMES.rtt_ms, None, reason))
    told = () if times is None else (f"Measured on {times.machine}; the paper's is a Tesla T4.",)
    text = "F0, F1 and F2 take 0.10, 0.12 and 0.23 ms a sample, the round trip 42.46 ms."
    return Claim(18, text, "one machine", bench.measured.demand, tuple(parts), told)


def _sizes(bench: Bench) -> Claim:
    table = bench.measured.table3
    sides = {"edge": ("F0", "F1"), "cloud": ("F2",)}

    def total(side: str, kind: str) -> Interval:
        count = "macs" if kind == "flops" else kind
        if side == "alexnet":
            summed = alexnet()[count]
        elif any(name not in table for name in sides[side]):
            raise MissingError(f"the sizes of {', '.join(sides[side])} were not counted")
        else:
            summed = sum(table[name][count] for name in sides[side])
        return exactly(summed * (FLOPS_PER_MAC if kind == "flops" else 1) / MILLION)

    parts = tuple(
        part(
            Quantity(
                f"{named}, {kind.replace('macs', 'MACs').replace('flops', 'FLOPs')}", where, "M"
            ),
            f"19 {side} {kind}",
            partial(total, side, kind),
            sampled=False,
        )
        for side, named, where in (
            ("edge", "edge (F0, F1)", "volume of 8 x 8 x 24"),
            ("cloud", "cloud (F2)", "volume of 8 x 8 x 24"),
            ("alexnet", "AlexNet", "one image"),
        )
        for kind in ("macs", "parameters", "flops")
    )
    text = (
        "The edge needs 7.6 MMACs (15.3 MFLOPs) and 6.3 M parameters, the cloud 111.0 (222.1) and "
        "12.7 M; AlexNet 1428.4 (2859.5) and 61.1 M."
    )
    return Claim(19, text, "Table III", bench.measured.demand, parts, _as_trained(bench))


def _as_trained(bench: Bench) -> tuple[str, ...]:
    """Say how large the networks are that were trained."""
    if FIG4B not in bench.settings:
        return ()
    size = bench[FIG4B].runs[0].evaluation["size"]
    edge = sum(size[name]["parameters"] for name in ("F0", "F1")) / MILLION
    cloud = size["F2"]["parameters"] / MILLION
    text = "The layers as the text gives them, on this demand's volume in"
    return (f"{text} {FIG4B}: {edge:.2f} M parameters at the edge, {cloud:.2f} M in the cloud.",)


def _latencies(bench: Bench) -> Claim:
    times = _run_times(bench)
    parts = tuple(
        judged(
            Quantity(f"latency at L = {share:g} %", FIG4B, "ms"),
            table_iv(share),
            exactly(expected_latency_ms(share / 100, times)),
            sampled=False,
        )
        for share in TABLE_IV
    )
    told = [f"With {rule_name(OPTIMIZED)}'s own time counted: {_with_rule(bench, times)}."]
    text = "Table IV: from 41.0 ms at L = 4.2 % down to 1.2 ms at L = 97.7 %."
    notes = tuple(told) if FIG4B in bench.settings else ()
    return Claim(20, text, "Table IV", bench.measured.demand, parts, notes)


def _run_times(bench: Bench) -> Times:
    """The times that the runs were judged by: the paper's."""
    if FIG4B not in bench.settings:
        return PAPER_TIMES
    return Times(**{name: bench[FIG4B].evaluations("latency", name)[0] for name in _TIMES})


def _with_rule(bench: Bench, times: Times) -> str:
    if FIG4B not in bench.settings:
        return ""
    rules = bench[FIG4B].runs[0].evaluation["latency"]["rules"]
    own = float(rules.get(OPTIMIZED, {}).get("rule_ms", 0.0))
    return ", ".join(
        f"{expected_latency_ms(share / 100, times, own):.1f} ms at {share:g} %"
        for share in TABLE_IV
    )


def _operations(bench: Bench) -> Claim:
    """Compare the work at the edge, where the Optimized Rule gains least: in the worst setting."""
    parts = []
    for passes in PASSES:
        rule = uncertainty(passes)
        what = f"edge MACs a decision, {rule_name(OPTIMIZED)} relative to {rule_name(rule)}"
        found = {}
        for setting in bench.settings:
            evaluation = bench[setting].runs[0].evaluation
            if OPTIMIZED in evaluation["size"]["gates"]:
                found[setting] = _edge_ratio(evaluation, passes)
        parts.append(_worst(what, found, "23 order"))
    return Claim(
        23,
        "The Optimized Rule takes fewer operations a decision than the Uncertainty Rule.",
        "the worst of all settings",
        bench.measured.demand,
        tuple(parts),
        _rule_times(bench),
    )


def _edge_ratio(evaluation: Mapping[str, object], passes: int) -> float:
    size, deployed = evaluation["size"], evaluation["deployed"]
    assert isinstance(size, dict) and isinstance(deployed, dict)
    work = Work(**{name.lower(): int(size[name]["macs"]) for name in ("F0", "F1", "F2")})
    gate = RuleWork(gate_macs=int(size["gates"][OPTIMIZED]["macs"]))
    # Both at one L; the Uncertainty Rule is given that it runs F1 for local decisions only.
    share = float(deployed["L"])
    return gate.edge_macs(work, share) / RuleWork(passes=passes).edge_macs(work, share)


def _rule_times(bench: Bench) -> tuple[str, ...]:
    times = bench.measured.times
    if times is None or not times.rules:
        return ()
    named = [OPTIMIZED, *(uncertainty(passes) for passes in PASSES)]
    listed = [
        f"{rule_name(name)} {times.rules[name]:.3g} ms" for name in named if name in times.rules
    ]
    return (f"Measured, a rule adds to a decision: {', '.join(listed)}.",) if listed else ()


def _bytes(bench: Bench) -> Claim:
    found, told = {}, []
    for setting in bench.settings:
        sent = bench[setting].runs[0].evaluation["size"]["bytes"]
        found[setting] = sent["latent"] / sent["window"]
        told.append(f"{setting} {sent['latent']:,} for z, {sent['window']:,} for D")
    part_ = _worst("bytes of z relative to those of D", found, "24 order")
    note = (f"Bytes a decision sends: {'; '.join(told)}.",) if told else ()
    text = "Sending z to the cloud scales better than sending the features D."
    return Claim(24, text, "the worst of all settings", bench.measured.demand, (part_,), note)


def _worst(what: str, found: Mapping[str, float], expected: str) -> Part:
    """Judge a ratio by the setting in which it is largest."""
    wanted = EXPECTED[expected]
    if not found:
        reason = "no setting has what it needs"
        return unjudged(Quantity(what, "-"), wanted.paper, wanted.tolerance, reason)
    worst = max(found, key=lambda name: found[name])
    return judged(Quantity(what, worst), wanted, exactly(found[worst]), sampled=False)
