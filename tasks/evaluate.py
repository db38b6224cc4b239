"""Stage ``evaluate``: what every rule and system cost on the test days, against the hard cost.

Writes

- ``evaluation.json``: all numbers, in the layout below;
- ``curves.parquet``: ``curve, threshold, local_share, cost``: every (L, C) that a threshold on a
  rule's score reaches on the test days; a gate's curve bears its L0: ``optimized_volume_l50``;
- ``slots.parquet``: one row per test slot: costs, benefit, decision, scores, totals in units;
- ``allocation.parquet``: demand and allocations of a few example VNFs, in the user's units;
- ``gate.parquet``: costs and benefit on the labelled days, and the deployed gate's probability.

evaluation.json (null where something does not apply; C is the mean over slots of the hard cost,
summed over the VNFs, on scaled demand, of what is served: never less than 0 in the user's units;
intervals come from a paired block bootstrap over days)::

    demand      name, sha256 (of demand.parquet), vnfs, slots, slot_seconds, unit, timezone
    setting     the settings that all stages share
    bootstrap   samples, block_days, level
    days        of train, validation_fit, calibration, test: slots, days
    test        slots, days, blocks (that the bootstrap draws from)
    cost        C of cloud, edge, deepcog, last_value_headroom, system: the paper's names
    systems.<name>
                local, remote, deepcog, last_value_headroom, system (the deployed one): C, C_low,
                C_high, cost_in_units, violation_rate, mean_overprovision, L, latency_ms,
                ratio_to.{last_value_headroom, deepcog, cheapest}.{value, low, high}
    cheapest    system, C, same_as, runner_up, ratio (runner-up to cheapest), significant
    against_last_value.<system>
                wins, even, loses or open (no interval), for each that runs the paper's layers
    deployed    a point as in ``rules``, with: rule, curve, ratio_to_remote, edge_macs, cloud_macs
                and sent_bytes (z) a decision, equal_share, others_at_equal_share.<rule> (at L = L0)
    rules.<name>
                list of points: L0 (asked), u (threshold), threshold (how it was chosen), L
                (reached), C, C_low, C_high, capture, violation_rate, mean_overprovision,
                cost_in_units, gate_L0, latency_ms (the paper's model), latency_with_rule_ms.
                Names: optimized (the paper's gate), optimized_<feature>, uncertainty_b<B>,
                expected_benefit, expected_cost (of the preset ``anchored``), random, oracle,
                oracle_corrected. Thresholds are frozen on the calibration days, but those of the
                Oracle. ``capture`` holds C against Random and the literal Oracle
                at the L reached. A share is served by the gate trained next to it: gate_L0.
    paper_thresholds.<name>
                points at the paper's own thresholds: 1/2 of each gate; u = 0 and u = 0.5
    equal_share.<curve>
                list of L, cost, to_random, to_reference (the deployed rule), capture, each with
                an interval: rankings compared at equal L, with thresholds set in hindsight
    benefit     of the cloud, C_L - C_R: mean, quantiles, local_better, local_not_worse,
                local_to_remote, critical (b* of the deployed L0, from the labelled days),
                rank_correlation.<curve> of score and benefit
    latency     f0_ms, f1_ms, f2_ms, rtt_ms, local_ms, remote_ms,
                rules.<name>.{rule_ms, macs, reads_local (F1 runs for what is sent away, too)}
    size        F0, F1, F2, deepcog, gates.<name>: parameters, macs; bytes: latent, window,
                newest, answer
    validation.<system>
                C, cost_in_units, violation_rate, mean_overprovision on the calibration days: a
                champion is chosen by C of ``system``
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ddnn.evaluation.bootstrap import Resampler
from ddnn.evaluation.curves import Curve, oracle, random_cost, sweep
from tasks.judgement import Judgement
from tasks.prepared import Prepared, prepare
from tasks.stage import Stage
from tasks.systems import Systems

Array = NDArray[np.float64]

EXAMPLES = 3
"""VNFs whose allocations are kept: of high, middle and low demand on the training days."""


def run(stage: Stage) -> None:
    """Judge all on the test days; see the module for what is written."""
    judge(stage, Systems)


def judge(stage: Stage, systems_of: type[Systems]) -> None:
    """Judge the systems of a model family, and write all files."""
    params, prepared = stage.params, prepare(stage)
    split, systems = prepared.split, systems_of(stage, prepared)
    resampler = Resampler.over_days(
        len(split.test),
        prepared.demand.slots_per_day,
        params.evaluate.bootstrap,
        params.setting.seed,
    )
    test, calibration = systems.on(split.test), systems.on(split.calibration)
    judged = Judgement(params, prepared, systems, test, calibration, resampler)
    labelled = systems.label_days(stage)
    _write_json(
        stage.out / "evaluation.json", judged.evaluation(stage.inputs["download"], labelled)
    )
    tables = {
        "curves": _curves_table(judged),
        "slots": _slots_table(judged),
        "allocation": _examples_table(judged),
        "gate": labelled,
    }
    for name, table in tables.items():
        table.to_parquet(stage.out / f"{name}.parquet", index=False)


def _curves_table(judged: Judgement) -> pd.DataFrame:
    """Give every point of every ranking, and the lines of Random and the Oracle."""
    corrected = oracle(*judged.costs)
    curves = {name: sweep(score, *judged.costs) for name, score in judged.scores.items()}
    curves |= {"oracle": corrected, "oracle_corrected": _corrected(corrected)}
    shares = np.array([0.0, 1.0])
    curves["random"] = Curve(shares * np.nan, shares, random_cost(shares, *judged.costs))
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "curve": name,
                    "threshold": np.where(np.isfinite(c.thresholds), c.thresholds, np.nan),
                    "local_share": c.local_share,
                    "cost": c.cost,
                }
            )
            for name, c in curves.items()
        ],
        ignore_index=True,
    )


def _slots_table(judged: Judgement) -> pd.DataFrame:
    """Give one row per test slot."""
    test, slots = judged.test, judged.test.samples.slots
    columns: dict[str, Any] = {"slot": slots, "time": _times(judged.prepared, slots)}
    columns |= {f"cost_{name}": outcome.cost for name, outcome in test.outcomes.items()}
    columns |= {"benefit": judged.judge.benefit, "local": test.local}
    columns |= {f"score_{name}": score for name, score in judged.scores.items()}
    columns["total_demand"] = _values(judged.prepared)[slots].sum(axis=1)
    for name, y in test.allocations.items():
        columns[f"total_{name}"] = judged.prepared.scaling.unscale(y).sum(axis=1)
    return pd.DataFrame(columns)


def _examples_table(judged: Judgement) -> pd.DataFrame:
    """Give demand and allocations of the example VNFs, one row per slot and VNF."""
    demand, slots = judged.prepared.demand, judged.test.samples.slots
    values = _values(judged.prepared)
    unscaled = {n: judged.prepared.scaling.unscale(y) for n, y in judged.test.allocations.items()}
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "time": _times(judged.prepared, slots),
                    "vnf": demand.series[vnf],
                    "demand": values[slots, vnf],
                    **{name: y[:, vnf] for name, y in unscaled.items()},
                }
            )
            for vnf in _examples(values[: judged.prepared.split.learn_slots.stop])
        ],
        ignore_index=True,
    )


def _corrected(curve: Curve) -> Curve:
    """Leave away where fewer stay local than the edge does better: no one would choose that."""
    best = int(np.argmin(curve.cost))
    return Curve(curve.thresholds[best:], curve.local_share[best:], curve.cost[best:])


def _examples(values: Array) -> list[int]:
    """Pick VNFs of low, middle and high mean demand."""
    order = np.argsort(values.mean(axis=0), kind="stable")
    places = np.linspace(0, len(order) - 1, min(EXAMPLES, len(order))).round().astype(int)
    return [int(order[place]) for place in places[::-1]]


def _values(prepared: Prepared) -> Array:
    return prepared.demand.values  # noqa: PD011 - no frame


def _times(prepared: Prepared, slots: Any) -> Any:
    return pd.to_datetime(prepared.demand.times[slots], unit="s", utc=True)


def _write_json(path: Path, values: dict[str, Any]) -> None:
    text = json.dumps(values, sort_keys=True, indent=2, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
