"""The report on the paper's experiment: does the paper hold on this demand?

One HTML file that needs no network. What it concludes is counted from the claims' verdicts; what
the figures and tables are is said in paper_report.html.j2.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ArtefactError
from ddnn.evaluation.claims import OPEN_POINTS
from ddnn.evaluation.latency import PAPER_TIMES, Times, expected_latency_ms
from ddnn.evaluation.measured import Measured, SeedRun
from ddnn.evaluation.wording import in_order, rule_name
from tasks.html import fill, inline

Array = NDArray[np.float64]
Row = dict[str, Any]

VERDICTS = {
    "holds": "yes",
    "holds in part": "part",
    "does not hold": "no",
    "cannot be judged": "open",
}
"""Every verdict, from the best to none, with the class that gives its colour."""

TABLE_4 = {
    0.042: 41.0,
    0.158: 36.1,
    0.462: 23.1,
    0.544: 19.6,
    0.696: 13.2,
    0.819: 7.9,
    0.977: 1.2,
}
"""The paper's Table IV: L, and the time of a decision in ms."""

TABLE_4_SETTING = "fig4b"
GATE = "optimized_volume"
BASE = "params.yaml"
"""Name of the variation that varies nothing."""

_BASELINE = "last_value_headroom"
_SYSTEMS = {
    "local": "local exit (Edge)",
    "remote": "remote exit (Cloud)",
    "deepcog": "DeepCog: the DDNN's layers, w = 0",
    "deepcog_original": "deepcog_original: DeepCog's published network",
    _BASELINE: "last_value_headroom",
}


@dataclass(frozen=True)
class DemandKind:
    """What demand the numbers come from, as nobody should mistake it."""

    short: str
    """Ends the question `does the paper hold on ...`."""
    warning: str


def render(
    measured: Measured,
    claims: list[dict[str, Any]],
    pictures: dict[str, bytes],
    variations: list[dict[str, Any]],
    facts: dict[str, Any],
) -> str:
    """Write the report as one HTML text.

    Args:
        measured: What the experiment measured.
        claims: The judged claims, as ``Claim.to_json`` gives them.
        pictures: PNG by name: fig3a, fig3b, fig4a to fig4d, fig5ab, fig5c, fig5d, fig6a, fig6b.
        variations: Trainings with other settings, judged on validation days, as in
            metrics/variations_<demand>.json.
        facts: ``generated_with``, ``settings`` (c_u, N, w, surrogate by name), ``seeds``
            and ``bootstrap``.

    Raises:
        ArtefactError: The parts do not belong to one demand, or a verdict is not a known one.
    """
    _refuse_a_mixture(measured, claims)
    kind = demand_kind(measured)
    first = next(iter(measured.runs.values()))[0].evaluation
    filters = {"spell": spell, "range": _range, "signed": _signed}
    return fill(
        "paper_report.html.j2",
        filters,
        kind=kind,
        demand=first["demand"],
        test=first["test"],
        counts=_counts(claims),
        headline=headline(claims, kind),
        claims=claims,
        verdicts=VERDICTS,
        parts=_parts_line,
        settings={name: _setting(runs) for name, runs in measured.runs.items()},
        images={name: inline(png) for name, png in pictures.items()},
        costs={name: cost_rows(measured, name) for name in measured.runs},
        at_half=_at_deployed_share(measured),
        table3=_resources(measured.table3),
        trained=_trained(measured),
        table4=table_4(measured),
        times=measured.times,
        paper_times=PAPER_TIMES,
        reached=_reached(measured),
        bytes=_bytes(measured),
        open_points=OPEN_POINTS,
        variations=variation_rows(variations),
        base=BASE,
        facts=facts,
    )


def demand_kind(measured: Measured) -> DemandKind:
    """Say what demand this is; a name alone is not believed, the number of series must fit."""
    demand = next(iter(measured.runs.values()))[0].evaluation["demand"]
    vnfs = demand["vnfs"]
    days = f"{demand['slots'] * demand['slot_seconds'] / 86400:.3g} days"
    if (measured.demand, vnfs) == ("milano25", 25):
        return DemandKind(
            "25 real squares of Milano",
            f"Real demand, but not the paper's: 25 squares of Milano, one block of 5 x 5, {days}. "
            "The paper took 49 squares from the whole city and does not say which; its figures "
            "are shown for comparison, not as what this demand must give.",
        )
    if (measured.demand, vnfs) == ("milano49", 49):
        return DemandKind(
            "49 real squares of Milano, drawn by lot",
            f"Real demand: 49 squares drawn by lot from the whole city of Milano, {days}. The "
            "paper took 49 of them, too, and does not say which: these are not known to be its "
            "own.",
        )
    if (measured.demand, vnfs) == ("city49", 49):
        return DemandKind(
            "a synthetic city of 49 squares",
            f"Not real demand: a synthetic city of 49 squares, {days}, made by a generator. It has "
            "as many squares as the paper's 49 of Milano and is not them; what holds or fails "
            "here does so on made demand.",
        )
    return DemandKind(
        f"the demand {measured.demand} ({vnfs} series)",
        f"This demand goes by the name {measured.demand}: {vnfs} series, {days}. What it is, its "
        "owner knows. The paper does not say which 49 squares of Milano it took, so it cannot be "
        "known to be the paper's.",
    )


def headline(claims: list[dict[str, Any]], kind: DemandKind) -> str:
    """Answer the report's question by counting verdicts."""
    counts = _counts(claims)
    judged = len(claims) - counts["cannot be judged"]
    told = _told(counts)
    numbers = ", ".join(told[:-1]) + " and " + told[-1] if len(told) > 1 else "".join(told)
    return f"{_answer(counts, judged)} On {kind.short}, of {len(claims)} claims {numbers}."


def cost_rows(measured: Measured, setting: str) -> list[Row]:
    """Give what each system cost in a setting, with its spread over the seeds.

    ``mean``, ``low``, ``high`` of the seeds' mean costs, ``seeds``, ``change`` of the mean against
    last_value_headroom, ``violations`` and ``over`` (None where unknown), ``best``.
    """
    evaluations = [run.evaluation for run in measured.runs[setting]]
    rows: list[Row] = []
    for name, label in _SYSTEMS.items():
        if name == "deepcog_original":
            if setting not in measured.original:
                continue
            costs, judged = np.array([measured.original[setting].mean()]), []
        else:
            costs = measured.costs(setting, name).mean(axis=1)
            judged = [evaluation["systems"][name] for evaluation in evaluations]
        row = _spread(costs) | {"name": label, "system": name, "seeds": len(costs)}
        for key, of in (("violations", "violation_rate"), ("over", "mean_overprovision")):
            row[key] = float(np.mean([each[of] for each in judged])) if judged else None
        rows.append(row)
    baseline = next(row["mean"] for row in rows if row["system"] == _BASELINE)
    cheapest = min(row["mean"] for row in rows)
    for row in rows:
        row["change"] = row["mean"] / baseline - 1 if baseline else None
        row["best"] = row["mean"] == cheapest
    return rows


def table_4(measured: Measured) -> dict[str, Any]:
    """Give Table IV: the paper's times, and the same formula with the rules' own time counted.

    ``columns`` names what is counted; a row holds L, the paper's ms, and the formula's with the
    paper's times (``paper_times``) and with this machine's (``measured``, empty if not measured).
    """
    runs = measured.runs.get(TABLE_4_SETTING) or next(iter(measured.runs.values()))
    works = runs[0].evaluation["latency"]["rules"]
    rules = [name for name in in_order(works) if name == GATE or name.startswith("uncertainty_b")]
    modelled = {name: float(works[name]["rule_ms"]) for name in rules}
    rows = [
        {
            "L": share,
            "paper": paper_ms,
            "paper_times": _latencies(share, PAPER_TIMES, rules, modelled),
            "measured": _latencies(share, measured.times.layers, rules, measured.times.rules)
            if measured.times
            else [],
        }
        for share, paper_ms in TABLE_4.items()
    ]
    words = {name: f"with B = {name.removeprefix('uncertainty_b')}" for name in rules}
    words |= {GATE: "with the gate"} if GATE in rules else {}
    return {"columns": ["formula", *words.values()], "rows": rows}


def variation_rows(variations: list[dict[str, Any]]) -> dict[str, list[Row]]:
    """Lay the variations against the base of their setting, seed and number format.

    By setting; each row holds means over its seeds. ``local_change`` and ``remote_change`` compare
    the seeds that base and variation share, and are None where they share none.
    """
    bases = {
        (row["setting"], row["seed"], row["dtype"]): row
        for row in variations
        if row["variation"] == BASE
    }
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in variations:
        groups.setdefault((row["setting"], row["variation"], row["dtype"]), []).append(row)
    tables: dict[str, list[Row]] = {}
    for (setting, variation, dtype), rows in groups.items():
        pairs = [
            (row, base)
            for row in rows
            if (base := bases.get((setting, row["seed"], dtype))) is not None
        ]
        told: Row = {
            "variation": variation,
            "dtype": dtype,
            "seeds": sorted(row["seed"] for row in rows),
            "demands": sorted({row["demand"] for row in rows}),
        }
        for key in ("local", "remote", _BASELINE, "best_epoch", "epochs", "seconds"):
            told[key] = _mean(row[key] for row in rows)
        for key in ("local", "remote"):
            told[f"{key}_change"] = _change(
                _mean(row[key] for row, _ in pairs), _mean(base[key] for _, base in pairs)
            )
        told["against_last_value"] = _change(told["remote"], told[_BASELINE])
        tables.setdefault(setting, []).append(told)
    for listed in tables.values():
        listed.sort(key=lambda row: row["variation"] != BASE)
    return tables


def spell(value: Any) -> str:
    """Spell a value of a claim or of a setting for a reader."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {spell(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        inside = ", ".join(map(spell, value))
        return f"[{inside}]" if all(isinstance(item, int | float) for item in value) else inside
    return str(value)


def _refuse_a_mixture(measured: Measured, claims: list[dict[str, Any]]) -> None:
    if not measured.runs or not all(measured.runs.values()):
        raise ArtefactError(f"{measured.demand}: no run of the experiment is there to report on")
    seen = {
        (run.evaluation["demand"]["name"], run.evaluation["demand"]["sha256"])
        for runs in measured.runs.values()
        for run in runs
    }
    if len(seen) > 1:
        names = ", ".join(f"{name} ({digest[:8]})" for name, digest in sorted(seen))
        raise ArtefactError(f"the experiment's runs are of more than one demand: {names}")
    for claim in claims:
        if claim["demand"] != measured.demand:
            raise ArtefactError(
                f"claim {claim['id']} was judged on {claim['demand']}, not on {measured.demand}"
            )
        if claim["verdict"] not in VERDICTS:
            raise ArtefactError(f"claim {claim['id']}: no such verdict: {claim['verdict']}")


def _counts(judged: list[dict[str, Any]]) -> dict[str, int]:
    found = Counter(each["verdict"] for each in judged)
    return {verdict: found[verdict] for verdict in VERDICTS}


def _answer(counts: dict[str, int], judged: int) -> str:
    if judged == 0:
        return "Nothing could be judged."
    if counts["holds"] == judged:
        return "Yes, as far as it can be judged."
    if counts["does not hold"] == judged:
        return "No."
    if 2 * counts["holds"] > judged:
        return "For the most part, yes."
    if 2 * counts["does not hold"] > judged:
        return "For the most part, no."
    return "In part."


def _parts_line(parts: list[Row]) -> str:
    return f"{len(parts)} parts: {', '.join(_told(_counts(parts)))}"


def _told(counts: dict[str, int]) -> list[str]:
    """Spell how often each verdict was given, as far as it was."""
    plural = {"holds": "hold", "holds in part": "hold in part", "does not hold": "do not hold"}
    return [
        f"{count} {verdict if count == 1 else plural.get(verdict, verdict)}"
        for verdict, count in counts.items()
        if count
    ]


def _setting(runs: tuple[SeedRun, ...]) -> dict[str, Any]:
    setting = runs[0].evaluation["setting"]
    text = f"c_u = {spell(setting['c_u'])}, N = {setting['N']}, w = {spell(setting['w'])}"
    return {"text": text, "seeds": [run.seed for run in runs]}


def _spread(values: Array) -> Row:
    return {
        "mean": float(values.mean()),
        "low": float(values.min()),
        "high": float(values.max()),
    }


def _at_deployed_share(measured: Measured) -> dict[str, Any]:
    """Give each rule's cost over the cloud's where the deployed L0 was asked for."""
    asked = next(iter(measured.runs.values()))[0].evaluation["deployed"]["L0"]
    found: dict[str, dict[str, Row]] = {}
    for setting, runs in measured.runs.items():
        cloud = measured.costs(setting, "remote").mean(axis=1)
        for name in runs[0].evaluation["rules"]:
            if name == "optimized":  # the paper's gate once more, by another name
                continue
            listed = [_point(run.evaluation, name, asked) for run in runs]
            points = [point for point in listed if point is not None]
            if len(points) != len(runs):
                continue
            change = np.array([point["C"] for point in points]) / cloud - 1
            cell = _spread(change) | {"L": float(np.mean([point["L"] for point in points]))}
            found.setdefault(name, {})[setting] = cell
    return {"L0": asked, "rules": {rule_name(name): found[name] for name in in_order(found)}}


def _point(evaluation: Mapping[str, Any], rule: str, asked: float) -> Row | None:
    points: list[Row] = evaluation["rules"][rule]
    return next((point for point in points if point["L0"] == asked), None)


def _resources(sizes: Mapping[str, Mapping[str, int]]) -> dict[str, Row]:
    """Sum up edge (F0, F1) and cloud (F2) in millions, two FLOPs to a MAC."""
    blocks = {"edge": ("F0", "F1"), "cloud": ("F2",)}
    return {side: _millions([sizes[name] for name in names]) for side, names in blocks.items()}


def _millions(sizes: Iterable[Mapping[str, int]]) -> Row:
    listed = list(sizes)
    macs = sum(size["macs"] for size in listed) / 1e6
    parameters = sum(size["parameters"] for size in listed) / 1e6
    return {"flops": 2 * macs, "macs": macs, "parameters": parameters}


def _trained(measured: Measured) -> list[Row]:
    """Give the same table for what was trained; settings of equal size share their rows."""
    rows: list[Row] = []
    for setting, runs in measured.runs.items():
        size = runs[0].evaluation["size"]
        counted = _resources(size)
        if GATE in size["gates"]:
            counted["gate, at the edge, too"] = _millions([size["gates"][GATE]])
        known = next((row for row in rows if row["counted"] == counted), None)
        if known:
            known["settings"].append(setting)
        else:
            past = runs[0].evaluation["setting"]["N"]
            rows.append({"settings": [setting], "N": past, "counted": counted})
    return rows


def _latencies(
    share: float, times: Times, rules: list[str], own: Mapping[str, float]
) -> list[float | None]:
    """Give the formula's ms without a rule, then with the own time of each rule."""
    added = [0.0, *(own.get(name) for name in rules)]
    return [None if ms is None else expected_latency_ms(share, times, ms) for ms in added]


def _reached(measured: Measured) -> list[Row]:
    """Give what Fig. 4b's gates reached, each at its own L0, and the time of a decision there."""
    runs = measured.runs.get(TABLE_4_SETTING, ())
    rows: list[Row] = []
    if not runs or any(GATE not in run.evaluation["rules"] for run in runs):
        return rows
    own = [point for point in runs[0].evaluation["rules"][GATE] if point["gate_L0"] == point["L0"]]
    for asked in [point["L0"] for point in own]:
        listed = [_point(run.evaluation, GATE, asked) for run in runs]
        points = [point for point in listed if point is not None]
        if len(points) != len(runs):
            continue
        share = _spread(np.array([point["L"] for point in points]))
        cloud = measured.costs(TABLE_4_SETTING, "remote").mean(axis=1)
        cost = np.array([point["C"] for point in points]) / cloud - 1
        row = {"L0": asked, "L": share, "cost": _spread(cost), "measured": None}
        row["latency"] = _mean(point["latency_ms"] for point in points)
        row["with_rule"] = _mean(point["latency_with_rule_ms"] for point in points)
        if measured.times and GATE in measured.times.rules:
            own_ms = measured.times.rules[GATE]
            row["measured"] = expected_latency_ms(share["mean"], measured.times.layers, own_ms)
        rows.append(row)
    return rows


def _bytes(measured: Measured) -> list[Row]:
    """Give what a decision sends in each setting; ``sent`` is z at the deployed gate's L."""
    rows = []
    for setting, runs in measured.runs.items():
        size = runs[0].evaluation["size"]["bytes"]
        share = float(np.mean([run.evaluation["deployed"]["L"] for run in runs]))
        rows.append({"setting": setting, "L": share, "sent": (1 - share) * size["latent"], **size})
    return rows


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _change(value: float | None, base: float | None) -> float | None:
    return None if value is None or not base else value / base - 1


def _signed(share: float | None) -> str:
    if share is None:
        return "-"
    return f"{100 * share:+.1f} %".replace("-0.0 ", "+0.0 ")


def _range(spread: Row, digits: int = 1) -> str:
    """Spell the ends of a spread of shares, in percent."""
    low, high = (100 * spread[end] for end in ("low", "high"))
    return f"{low:.{digits}f} to {high:.{digits}f} %"
