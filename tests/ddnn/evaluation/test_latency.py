import numpy as np
import pytest
import torch
from torch import nn

from ddnn.evaluation.latency import Payload, RuleWork, Work, cloud_macs, expected_latency_ms
from ddnn.evaluation.size import block_sizes, count_macs, latent_values
from ddnn.grid import Grid
from ddnn.nets import build_exits, find_preset


@pytest.mark.parametrize(
    ("percent", "ms"),
    [(4.2, 41.0), (15.8, 36.1), (46.2, 23.1), (54.4, 19.6), (69.6, 13.2), (81.9, 7.9), (97.7, 1.2)],
)
def test_table_iv(percent, ms):
    assert round(expected_latency_ms(percent / 100), 1) == ms


def test_table_iii():
    exits = build_exits(find_preset("table3"), Grid(8, 8, np.arange(49)), 24, 0.1, seed=0)
    sizes = block_sizes(exits)
    edge = [sizes["F0"][key] + sizes["F1"][key] for key in ("macs", "parameters")]
    cloud = [sizes["F2"][key] for key in ("macs", "parameters")]
    assert [round(n / 1e6, 3) for n in edge] == [7.630, 6.304]
    assert [round(n / 1e6, 3) for n in cloud] == [110.964, 12.725]


def test_bytes_of_the_papers_network():
    exits = build_exits(find_preset("paper"), Grid.in_order(49), 6, 0.1, seed=0)
    payload = Payload.of(latent_values(exits), exits.N, exits.vnfs)
    assert (payload.latent, payload.window, payload.newest) == (37632, 1176, 196)


def test_counting_leaves_no_hooks():
    layer = nn.Linear(3, 2)
    assert [count_macs(layer, layer, torch.zeros(1, 3)) for _ in range(2)] == [6, 6]


def test_a_rules_own_work_counts():
    work = Work(f0=100, f1=10, f2=1000)
    gate, passes = RuleWork(gate_macs=50), RuleWork(passes=10)
    assert gate.edge_macs(work, 0.0) == 150  # F1 is skipped when it offloads
    assert gate.edge_macs(work, 1.0) == 160
    assert passes.edge_macs(work, 0.0) == 10 * 110 + 100  # the perturbed passes, and F0
    assert passes.edge_macs(work, 0.5) == 10 * 110 + 100 + 5
    assert gate.time_ms(work) == pytest.approx(0.05)
    assert passes.time_ms(work) == pytest.approx(2.2)
    assert cloud_macs(work, 0.25) == 750


def test_a_gate_on_the_local_exit_needs_f1_for_all():
    work = Work(f0=100, f1=10, f2=1000)
    gate = RuleWork(gate_macs=50, reads_local=True)
    assert [gate.edge_macs(work, share) for share in (0.0, 0.5, 1.0)] == [160, 160, 160]
    for share, unused in ((0.0, 0.12), (0.75, 0.03), (1.0, 0.0)):
        expected = expected_latency_ms(share) + 0.05 + unused
        assert gate.latency_ms(work, share) == pytest.approx(expected)


def test_passes_are_timed_before_the_decision():
    work = Work(f0=100, f1=10, f2=1000)
    passes = RuleWork(passes=10)
    assert passes.latency_ms(work, 0.3) == pytest.approx(expected_latency_ms(0.3) + 2.2)
    assert RuleWork().latency_ms(work, 0.3) == expected_latency_ms(0.3)
