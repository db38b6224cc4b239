"""From what was allocated on the test days to the numbers of evaluation.json."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ddnn.evaluation.bootstrap import Resampler
from ddnn.evaluation.curves import EqualShare, at_equal_share
from ddnn.evaluation.latency import (
    PAPER_TIMES,
    RuleWork,
    Work,
    cloud_macs,
    expected_latency_ms,
)
from ddnn.evaluation.points import Judge, nearest, rank_correlation, with_shares
from ddnn.evaluation.size import block_sizes, gate_size
from ddnn.evaluation.systems import against, cheapest, judge_systems
from ddnn.offload import algorithm_1, order_statistic
from ddnn.offload.baselines import OracleRule
from ddnn.offload.rules import RuleSet
from ddnn.params import Params
from tasks.prepared import Prepared
from tasks.systems import Days, Systems, curve_name, score_all

Array = NDArray[np.float64]

_PAPER_U = (0.0, 0.5)


class Judgement:
    """All numbers of one evaluation."""

    def __init__(
        self,
        params: Params,
        prepared: Prepared,
        systems: Systems,
        test: Days,
        calibration: Days,
        resampler: Resampler,
    ) -> None:
        self.params = params
        self.prepared = prepared
        self.systems = systems
        self.rules: RuleSet = systems.rules
        self.test = test
        self.calibration = calibration
        self.resampler = resampler
        self.judge = Judge(test.outcomes["local"], test.outcomes["remote"], resampler)
        self.costs = (test.outcomes["local"].cost, test.outcomes["remote"].cost)
        self.sizes = systems.block_sizes()
        self.work = Work(**{name.lower(): block["macs"] for name, block in self.sizes.items()})
        self.rule_work = systems.rule_work()
        self.payload = systems.payload()
        self.scores = score_all(self.rules, test.samples)
        self.equal_share = self._equal_share(with_shares(systems.l0))

    def evaluation(self, download: Path, gate: pd.DataFrame) -> dict[str, Any]:
        """Give evaluation.json."""
        outcomes = self.test.outcomes
        demand = self.prepared.demand
        rules = self._rules()
        mean = {name: float(outcome.cost.mean()) for name, outcome in outcomes.items()}
        names = {"cloud": "remote", "edge": "local"}
        same = {name: name for name in ("deepcog", "last_value_headroom", "system")}
        return {
            "demand": {
                "name": demand.name,
                "sha256": _sha256(download / "demand.parquet"),
                "vnfs": demand.vnfs,
                "slots": demand.slots,
                "slot_seconds": demand.slot_seconds,
                "unit": demand.unit,
                "timezone": demand.timezone,
            },
            "setting": self.params.setting.model_dump(mode="json"),
            "bootstrap": self.params.evaluate.bootstrap.model_dump(mode="json"),
            "days": self._days(),
            "test": self._length(self.prepared.split.test) | {"blocks": self.resampler.blocks},
            "cost": {name: mean[system] for name, system in (names | same).items()},
            "systems": self._systems(),
            "cheapest": cheapest(outcomes, self.resampler),
            "against_last_value": against(outcomes, "last_value_headroom", self.resampler),
            "deployed": self._deployed(),
            "rules": rules,
            "paper_thresholds": self._paper_thresholds(),
            "equal_share": self.equal_share,
            "benefit": self._benefit(gate),
            "latency": self._latency(),
            "size": self._size(),
            "validation": {name: days.means() for name, days in self.calibration.outcomes.items()},
        }

    def _days(self) -> dict[str, Any]:
        split = self.prepared.split
        names = ("train", "validation_fit", "calibration", "test")
        return {name: self._length(getattr(split, name)) for name in names}

    def _length(self, slots: range) -> dict[str, Any]:
        return {"slots": len(slots), "days": len(slots) / self.prepared.demand.slots_per_day}

    def _systems(self) -> dict[str, Any]:
        judged: dict[str, Any] = judge_systems(self.test.outcomes, self.resampler)
        reached = float(self.test.local.mean())
        shares = {"local": 1.0, "remote": 0.0, "deepcog": 0.0, "system": reached}
        for name, row in judged.items():
            share = shares.get(name)
            row["L"] = share
            row["latency_ms"] = None if share is None else expected_latency_ms(share)
        return judged

    def _deployed(self) -> dict[str, Any]:
        rule, l0 = self.systems.rule, self.systems.l0
        threshold = self.rules.threshold(rule, l0)
        point = self._timed(rule, self.judge.decide(self.test.local, l0, threshold, "frozen"))
        work = self.rule_work.get(rule, RuleWork())
        others = self._at(l0)
        ratio = self.resampler.ratio(self.test.outcomes["system"].cost, self.costs[1])
        return point | {
            "rule": rule,
            "curve": self._reference,
            "ratio_to_remote": _finite(ratio.to_json()),
            "edge_macs": work.edge_macs(self.work, point["L"]),
            "cloud_macs": cloud_macs(self.work, point["L"]),
            "sent_bytes": self.payload.latent * (1.0 - point["L"]),
            "equal_share": others.get(rule),
            "others_at_equal_share": others,
        }

    def _timed(
        self, rule: str, point: dict[str, Any], gate_l0: float | None = None
    ) -> dict[str, Any]:
        work = self.rule_work.get(rule, RuleWork())
        return point | {
            "gate_L0": gate_l0,
            "latency_ms": expected_latency_ms(point["L"]),
            "latency_with_rule_ms": work.latency_ms(self.work, point["L"]),
        }

    def _rules(self) -> dict[str, Any]:
        params = self.params
        shares = with_shares(*params.label.l0, params.evaluate.l0)
        points: dict[str, Any] = {
            "random": [self._timed("random", point) for point in self.judge.by_coin(shares)]
        }
        for critical, name in (("literal", "oracle"), ("corrected", "oracle_corrected")):
            points[name] = [self._timed(name, self._by_oracle(share, critical)) for share in shares]
        for name in self.rules.uncertainty:
            points[name] = [
                self._timed(
                    name,
                    self.judge.at_threshold(
                        self.scores[name], self.rules.threshold(name, share), share, "frozen"
                    ),
                )
                for share in shares
            ]
        for name in self.rules.gates:
            points[name] = self._gate_points(name, shares)
        papers = [name for name in ("optimized_volume", *self.rules.gates) if name in points]
        return points | ({"optimized": points[papers[0]]} if papers else {})

    def _by_oracle(self, share: float, critical: Any) -> dict[str, Any]:
        oracle, known = OracleRule(critical), self.test.samples
        threshold = oracle.threshold(known, share)
        return self.judge.at_threshold(oracle.score(known), threshold, share, "test")

    def _gate_points(self, name: str, shares: list[float]) -> list[dict[str, Any]]:
        gates = self.rules.gates[name]
        known = {l0: rule.score(self.calibration.samples) for l0, rule in gates.items()}
        points = []
        for share in shares:
            l0 = nearest(gates, share)
            threshold = (
                self.rules.threshold(name, share)
                if share == l0
                else order_statistic(known[l0], share)
            )
            point = self.judge.at_threshold(
                self.scores[curve_name(name, l0)], threshold, share, "frozen"
            )
            points.append(self._timed(name, point, l0))
        return points

    def _paper_thresholds(self) -> dict[str, Any]:
        points: dict[str, Any] = {}
        for name, gates in self.rules.gates.items():
            half = self.rules.paper_threshold(name)
            assert half is not None  # a gate has one
            points[name] = [
                # The paper says p < 1/2; a p of exactly 1/2 does not occur.
                self._timed(
                    name,
                    self.judge.at_threshold(self.scores[curve_name(name, l0)], half, l0, "paper"),
                    l0,
                )
                for l0 in gates
            ]
        for name in self.rules.uncertainty:
            if not name.startswith("uncertainty_b"):
                continue  # the paper knows no such rule
            points[name] = [
                self._timed(name, self.judge.at_threshold(self.scores[name], u, None, "paper"))
                for u in _PAPER_U
            ]
        return points

    def _equal_share(self, shares: list[float]) -> dict[str, list[dict[str, Any]]]:
        reference = self._reference
        compared = at_equal_share(
            self.scores,
            *self.costs,
            np.array(shares),
            self.resampler,
            reference if reference in self.scores else None,
        )
        return {name: [_equal(row) for row in rows] for name, rows in compared.items()}

    @property
    def _reference(self) -> str:
        """The curve of the deployed rule."""
        rule = self.systems.rule
        return curve_name(rule, self.systems.l0) if rule in self.rules.gates else rule

    def _at(self, share: float) -> dict[str, Any]:
        """Compare the rules' rankings at one L, each gate by the one trained next to it."""
        chosen = {
            name: curve_name(name, nearest(of, share)) for name, of in self.rules.gates.items()
        }
        chosen |= {name: name for name in self.rules.uncertainty}
        return {
            name: next(row for row in self.equal_share[curve] if row["L"] == share)
            for name, curve in chosen.items()
        }

    def _benefit(self, gate: pd.DataFrame) -> dict[str, Any]:
        benefit = self.judge.benefit
        labels = (gate["local_cost"].to_numpy(), gate["remote_cost"].to_numpy())
        critical = algorithm_1(*labels, self.systems.l0, self.params.label.critical)
        shares = (0.05, 0.25, 0.5, 0.75, 0.95)
        return {
            "mean": float(benefit.mean()),
            "quantiles": {f"{q:g}": float(np.quantile(benefit, q)) for q in shares},
            "local_better": float((benefit < 0).mean()),
            "local_not_worse": float((benefit <= 0).mean()),
            "local_to_remote": _finite(self.resampler.ratio(*self.costs).to_json()),
            "critical": critical if np.isfinite(critical) else None,
            "rank_correlation": {
                name: rank_correlation(score, benefit) for name, score in self.scores.items()
            },
        }

    def _latency(self) -> dict[str, Any]:
        times = PAPER_TIMES
        return {
            "f0_ms": times.f0_ms,
            "f1_ms": times.f1_ms,
            "f2_ms": times.f2_ms,
            "rtt_ms": times.rtt_ms,
            "local_ms": times.local_ms,
            "remote_ms": times.remote_ms,
            "rules": {
                name: {
                    "rule_ms": work.time_ms(self.work),
                    "macs": work.macs(self.work),
                    "reads_local": work.reads_local,
                }
                for name, work in self.rule_work.items()
            },
        }

    def _size(self) -> dict[str, Any]:
        return self.sizes | {
            "deepcog": block_sizes(self.systems.deepcog),
            "gates": {
                name: gate_size(next(iter(of.values())).gate)
                for name, of in self.rules.gates.items()
            },
            "bytes": {
                "latent": self.payload.latent,
                "window": self.payload.window,
                "newest": self.payload.newest,
                "answer": self.payload.answer,
            },
        }


def _equal(row: EqualShare) -> dict[str, Any]:
    return {
        "L": row.local_share,
        "cost": _finite(row.cost.to_json()),
        "to_random": _finite(row.to_random.to_json()),
        "to_reference": row.to_reference and _finite(row.to_reference.to_json()),
        "capture": row.capture and _finite(row.capture.to_json()),
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _finite(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {key: v if v is not None and np.isfinite(v) else None for key, v in values.items()}
