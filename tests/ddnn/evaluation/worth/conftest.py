"""A small made-up `Measured` whose numbers are known, for the tests of the bars."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ddnn.evaluation.worth.measured import Found, Measured, rule_name
from ddnn.evaluation.worth.result import Result, cost_name, decision_name
from ddnn.params import BootstrapParams, load_params

PARAMS = load_params(Path(__file__).parents[4] / "params.yaml")
SEEDS, PER_DAY, DAYS = (0, 1), 24, 5
LEVELS = {
    "boosting_best": 1.0,
    "boosting_plain": 1.05,
    "local": 1.0,
    "remote": 0.99,
    "separate_local": 1.0,
    "separate_remote": 0.99,
    "paper_local": 1.5,
    "paper_remote": 1.3,
    "deepcog": 1.25,
}
KINDS = {
    "alternatives": ("boosting_best", "boosting_plain"),
    "anchored": ("local", "remote"),
    "separate": ("separate_local", "separate_remote"),
    "exits": ("paper_local", "paper_remote", "deepcog"),
}
MakeMeasured = Callable[..., Measured]


@pytest.fixture
def make_measured() -> MakeMeasured:
    """Give a maker: costs at a level times what all systems share, decisions at a share.

    ``levels`` and ``shares`` replace those of single systems and ways; ``skip`` leaves out the
    pieces that it is true of.
    """

    def make(
        levels: dict[str, float] | None = None,
        shares: dict[str, float] | None = None,
        skip: Callable[[Found], bool] = lambda found: False,
        seconds: dict[str, float] | None = None,
        ranking: dict[str, float] | None = None,
    ) -> Measured:
        worth = PARAMS.worth.model_copy(update={"seeds": list(SEEDS), "sweep": {}})
        made = _Maker(
            LEVELS | (levels or {}),
            {"frozen": 0.02, "tracked": 0.0, "margin": 0.04} | (shares or {}),
            {"expected_benefit": 20.0, "optimized": 400.0} | (seconds or {}),
            {"expected_benefit": 0.8, "optimized_volume": 0.2} | (ranking or {}),
        )
        found = [each for each in made.pieces(worth) if not skip(each)]
        bootstrap = BootstrapParams(samples=200, block_days=1, level=0.95)
        return Measured("tiny", worth, bootstrap, tuple(found))

    return make


class _Maker:
    def __init__(self, levels, shares, seconds, ranking):
        self.levels, self.shares, self.seconds, self.ranking = levels, shares, seconds, ranking

    def pieces(self, worth):
        for window in worth.windows:
            yield self.piece("alternatives", window, None, None, worth)
            for seed in worth.seeds:
                yield self.piece("anchored", window, seed, None, worth)
                for c_u in worth.c_u:
                    yield self.piece("separate", window, seed, c_u, worth)
                    yield self.piece("exits", window, seed, c_u, worth)
                yield self.gates(window, seed, worth)
        arrays = {name: np.full(9, 1e-3) for name in ("edge", "edge_gated")}
        arrays |= {"boosting_best": np.full(9, 2e-2)}
        yield Found("times", 0, 0, None, None, self.result(arrays))

    def piece(self, kind, window, seed, c_u, worth):
        arrays = {}
        for price in worth.c_u if c_u is None else [c_u]:
            for name in KINDS[kind]:
                # Scales differ from window to window, as training days do.
                arrays[cost_name(name, price)] = (
                    self.levels[name] * (1 + window) * price * _shared(window)
                )
            if kind == "anchored":
                arrays |= self.decisions("expected_benefit", price, worth, _shared(window))
        return Found(kind, window, seed, c_u, None, self.result(arrays))

    def gates(self, window, seed, worth):
        c_u, shared = worth.gate_c_u, _shared(window)
        noise = np.random.default_rng([window, seed]).normal(size=(3, len(shared)))
        local, remote = shared + noise[0], shared * 0.9
        arrays = {cost_name("local", c_u): local, cost_name("remote", c_u): remote}
        for rule, weight in self.ranking.items():
            scores = weight * (local - remote) + (1 - weight) * noise[1]
            arrays |= self.decisions(rule, c_u, worth, scores)
        return Found("gates", window, seed, c_u, None, self.result(arrays))

    def decisions(self, rule, c_u, worth, scores):
        """Keep local the easiest share, which misses L0 by the way's error."""
        found = {}
        ranks = np.argsort(np.argsort(scores))
        for way, error in self.shares.items():
            for l0 in worth.l0:
                local = ranks < round((l0 + error) * len(scores))
                found[decision_name(rule_name(rule, way, c_u), l0)] = local
        return found

    def result(self, arrays):
        facts = {"slots_per_day": PER_DAY, "sent_bytes": 2048, "fit_seconds": self.seconds}
        return Result(arrays, facts)


def _shared(window):
    return np.random.default_rng(window).uniform(1, 3, DAYS * PER_DAY)
