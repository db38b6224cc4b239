"""The Optimized Rule: a gate that learns Algorithm 1's labels from what the edge can see."""

import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from ddnn.errors import ArtefactError, ModelError
from ddnn.grid import Grid
from ddnn.nets.volume import cell_sources, to_volume
from ddnn.offload.samples import EdgeSamples
from ddnn.params import GateFeature, OffloaderParams

PAPER_THRESHOLD = 0.5
"""The paper keeps a decision local where its p < 1/2. It does not give L0: see calibration."""

BOUND = 8.0
"""Standardised inputs are cut here, so that one spike of demand cannot blow the gate up."""

_FORMAT = 1
_FILTERS = 32
_BATCH = 512
# Inputs up to which an MLP learns at the full rate: about those of D on 49 VNFs, N = 6.
_WIDE = 300


@dataclass(frozen=True)
class GatePlan:
    """What a gate is built from."""

    feature: GateFeature
    """``volume``: 3D-CNN on D laid on the grid; the others are MLPs."""
    shape: tuple[int, ...]
    """Of one sample's input: D (N, M), z, or y_L (M,)."""
    hidden: int
    dropout: float
    grid: Grid | None = None
    """For ``volume`` only."""

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        grid = None if self.grid is None else self.grid.to_json()
        return asdict(replace(self, grid=None)) | {"grid": grid, "shape": list(self.shape)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of a plan.
        """
        try:
            plan = cls(
                feature=values["feature"],
                shape=tuple(int(size) for size in values["shape"]),
                hidden=int(values["hidden"]),
                dropout=float(values["dropout"]),
                grid=None if values["grid"] is None else Grid.from_json(values["grid"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not the plan of a gate ({error}); train it again") from error
        if plan.feature not in get_args(GateFeature) or min(plan.shape, default=0) < 1:
            raise ArtefactError("not the plan of a gate: feature or shape; train it again")
        return plan


class Gate(nn.Module):
    """A classifier of one feature: easy (local) or hard (remote).

    Attributes:
        plan: What it was built from.
    """

    def __init__(self, plan: GatePlan) -> None:
        """Build it with fresh weights from torch's global generator.

        Raises:
            ModelError: A volume without a grid, or with a grid of other VNFs.
        """
        super().__init__()
        self.plan = plan
        # Inputs are standardised inside: D is scaled already and passes as it is.
        self.register_buffer("center", torch.zeros(plan.shape))
        self.register_buffer("spread", torch.ones(plan.shape))
        size = int(np.prod(plan.shape))
        layers: list[nn.Module] = []
        if plan.feature == "volume":
            grid = _grid_of(plan)
            self.register_buffer("_source", cell_sources(grid), persistent=False)
            size = _FILTERS * plan.shape[0] * grid.rows * grid.columns
            layers += [nn.Conv3d(1, _FILTERS, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(size, plan.hidden),
            nn.ReLU(),
            nn.Dropout(plan.dropout),
            nn.Linear(plan.hidden, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Give the log-odds (batch,) of ``hard`` from the raw feature (batch, *shape).

        Raises:
            ModelError: The feature has another shape.
        """
        if tuple(x.shape[1:]) != self.plan.shape:
            raise ModelError(
                f"the gate on {self.plan.feature} takes inputs of shape {self.plan.shape} a "
                f"sample, not {tuple(x.shape[1:])}"
            )
        x = (x - self.get_buffer("center")) / self.get_buffer("spread")
        x = x.clamp(-BOUND, BOUND)
        if self.plan.feature == "volume":
            x = to_volume(x, self.get_buffer("_source"), _grid_of(self.plan))
        odds: Tensor = self.layers(x).squeeze(1)
        return odds


@dataclass(frozen=True)
class GateEpoch:
    """One epoch of a gate's training; losses are mean cross-entropies in nats."""

    epoch: int
    train_loss: float
    valid_loss: float
    best: bool
    """Lowest validation loss so far; the last of these rows is the gate that is kept."""


@dataclass(frozen=True)
class Labelled:
    """A feature with its labels."""

    feature: NDArray[np.float32]
    """``(K, *shape)``."""
    hard: NDArray[np.bool_]
    """``(K,)``."""


class OptimizedRule:
    """Score = the gate's probability that a decision is hard."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate.eval()
        self.name = f"optimized_{gate.plan.feature}"

    def score(self, samples: EdgeSamples) -> NDArray[np.float64]:
        """Give p of each sample, ``(K,)`` in [0, 1].

        Raises:
            ModelError: The samples lack the gate's feature, or it has another shape.
        """
        return _probabilities(self.gate, feature_of(samples, self.gate.plan.feature))


def feature_of(samples: EdgeSamples, feature: GateFeature) -> NDArray[np.float32]:
    """Pick what a gate reads: D for ``volume`` and ``demand``, z, or y_L; (K, ...).

    Raises:
        ModelError: z is asked for, but was not kept.
    """
    if feature == "latent":
        if samples.latent is None:
            raise ModelError("a gate on z needs samples that keep it; pass keep_latent=True")
        return samples.latent
    return samples.local if feature == "local" else samples.demand


def held_out_start(samples: int, slots_per_day: float) -> int:
    """Say where the samples begin that decide when a gate's training ends.

    They are the newest whole days of the label set, one in four and at least one; of a set of less
    than two days, its last quarter. Days, since neighbouring slots are nearly copies of each other:
    a random part would be known to the gate. The newest, since the gate will meet days newer still.

    Args:
        samples: K consecutive labelled slots.
        slots_per_day: Slots in 86400 s.

    Returns:
        Index in [1, K); the samples from there on are held out.

    Raises:
        ModelError: There are fewer than two samples.
    """
    if samples < 2:
        raise ModelError(
            f"a gate needs two labelled samples or more, but has {samples}; raise "
            "split.validation_days or lower split.calibration_days"
        )
    days = int(samples / slots_per_day + 1e-9)
    held = round(slots_per_day * max(1, days // 4)) if days >= 2 else samples // 4
    return samples - min(max(held, 1), samples - 1)


def train_gate(
    plan: GatePlan,
    fit: Labelled,
    held_out: Labelled,
    params: OffloaderParams,
    seed: int,
    on_epoch: Callable[[GateEpoch], None] | None = None,
) -> tuple[Gate, list[GateEpoch]]:
    """Train a gate by cross-entropy, until the held-out loss has not fallen for a while.

    The classes are not weighted against their imbalance (L0 = 0.3 makes 70 % hard): p stays a
    probability, so that the paper's 1/2 means what it says, and the share that stays local is set
    by calibration anyway. The last bias starts at the log-odds of the fit samples.

    Equal inputs, seed and threads give equal weights; the global generator stays as it was.

    Args:
        plan: The gate.
        fit: What gradients see, and what z and y_L are standardised by.
        held_out: Decides when to stop, and which epoch's weights are kept.
        params: Learning rate, batch, epochs, patience.
        seed: Of weights, order and dropout.
        on_epoch: Told of each epoch.

    Returns:
        The gate of the best epoch, in evaluation mode, and its history.

    Raises:
        ModelError: A loss is not finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 2**63)
        gate = Gate(plan)
        _prepare(gate, fit)
        return gate, _descend(gate, _tensors(fit), _tensors(held_out), params, on_epoch)


def gate_snapshots(
    plan: GatePlan, fit: Labelled, params: OffloaderParams, seed: int, epochs: Collection[int]
) -> dict[int, NDArray[np.float64]]:
    """Look at a gate while it learns, and goes on to learn its samples by heart (Figs. 5a, 5b).

    Nothing is held out and nothing stops it early: this is no gate for use.

    Args:
        plan: The gate.
        fit: The samples it learns.
        params: Learning rate and batch.
        seed: Of weights, order and dropout.
        epochs: After which to look, from 1.

    Returns:
        By epoch the probability (K,) that a sample is hard.
    """
    seen: dict[int, NDArray[np.float64]] = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 2**63)
        gate = Gate(plan)
        _prepare(gate, fit)
        samples = _tensors(fit)
        optimiser = torch.optim.Adam(_rates(gate, params.learning_rate), fused=True)
        for epoch in range(1, max(epochs) + 1):
            _epoch(gate, samples, optimiser, params.batch)
            if epoch in epochs:
                seen[epoch] = _probabilities(gate.eval(), fit.feature)
    return seen


def save_gate(gate: Gate, place: Path) -> None:
    """Write ``<place>.safetensors`` and ``<place>.json``; equal gates give equal bytes."""
    state = {name: value.contiguous() for name, value in gate.state_dict().items()}
    save_file(state, _weights_file(place))
    facts = {"format": _FORMAT, **gate.plan.to_json()}
    text = json.dumps(facts, indent=2, sort_keys=True, allow_nan=False)
    _facts_file(place).write_text(text + "\n", encoding="utf-8")


def load_gate(place: Path) -> Gate:
    """Read what :func:`save_gate` wrote, in evaluation mode; no stored code runs.

    Raises:
        ArtefactError: A file is missing, incomplete, or does not fit the other.
    """
    weights, facts_file = _weights_file(place), _facts_file(place)
    try:
        facts = json.loads(facts_file.read_text(encoding="utf-8"))
        state = load_file(weights)
    except (OSError, ValueError, SafetensorError) as error:
        raise ArtefactError(f"{place}: gate cannot be read: {error}; train it again") from error
    if not isinstance(facts, dict) or facts.get("format") != _FORMAT:
        raise ArtefactError(f"{facts_file}: not the facts of a gate; train it again")
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise ArtefactError(f"{weights}: has weights that are not finite; train the gate again")
    try:
        with torch.random.fork_rng(devices=[]):
            gate = Gate(GatePlan.from_json(facts))
        gate.load_state_dict(state)
    except (RuntimeError, ModelError) as error:
        raise ArtefactError(
            f"{weights}: does not fit {facts_file.name}; train the gate again"
        ) from error
    return gate.eval()


def _grid_of(plan: GatePlan) -> Grid:
    if plan.grid is None or len(plan.shape) != 2 or plan.grid.vnfs != plan.shape[1]:
        raise ModelError(f"a gate on the volume needs the grid of its VNFs; D is {plan.shape}")
    return plan.grid


def _prepare(gate: Gate, fit: Labelled) -> None:
    if gate.plan.feature in ("latent", "local"):
        spread = fit.feature.std(axis=0, dtype=np.float64)
        # A neuron that is (almost) always off says nothing: what noise it has is not blown up.
        spread[spread < 1e-3 * spread.max()] = 1.0
        spread[spread == 0] = 1.0
        center = fit.feature.mean(axis=0, dtype=np.float64)
        gate.get_buffer("center").copy_(torch.from_numpy(center))
        gate.get_buffer("spread").copy_(torch.from_numpy(spread))
    share = float(np.clip(fit.hard.mean(), 0.01, 0.99))
    last = gate.layers[-1]
    if isinstance(last, nn.Linear):
        nn.init.constant_(last.bias, float(np.log(share / (1 - share))))


def _descend(
    gate: Gate,
    fit: tuple[Tensor, Tensor],
    held_out: tuple[Tensor, Tensor],
    params: OffloaderParams,
    on_epoch: Callable[[GateEpoch], None] | None,
) -> list[GateEpoch]:
    # Fused: the wide dense layer makes Adam's own arithmetic half of a step.
    optimiser = torch.optim.Adam(_rates(gate, params.learning_rate), fused=True)
    history: list[GateEpoch] = []
    lowest, waited = float("inf"), 0
    kept = {name: value.clone() for name, value in gate.state_dict().items()}
    for epoch in range(1, params.max_epochs + 1):
        train_loss = _epoch(gate, fit, optimiser, params.batch)
        valid_loss = _loss(gate, held_out)
        if not np.isfinite([train_loss, valid_loss]).all():
            raise ModelError(
                f"the gate on {gate.plan.feature} diverged; lower offloader.learning_rate"
            )
        record = GateEpoch(epoch, train_loss, valid_loss, valid_loss < lowest)
        history.append(record)
        if on_epoch is not None:
            on_epoch(record)
        waited += 1
        if record.best:
            lowest, waited = valid_loss, 0
            kept = {name: value.clone() for name, value in gate.state_dict().items()}
        if waited >= params.patience:
            break
    gate.load_state_dict(kept)
    gate.eval()
    return history


def _probabilities(gate: Gate, feature: NDArray[np.float32]) -> NDArray[np.float64]:
    with torch.no_grad():
        parts = [gate(batch) for batch in torch.split(torch.from_numpy(feature), _BATCH)]
    # In float64: in float32 the sigmoid of a sure gate is 1 for many samples, which then tie.
    probabilities: NDArray[np.float64] = torch.cat(parts).double().sigmoid().numpy()
    return probabilities


def _rates(gate: Gate, rate: float) -> list[dict[str, Any]]:
    if gate.plan.feature != "latent":
        return [{"params": list(gate.parameters()), "lr": rate}]
    # A step of Adam moves every weight as far as any other, so a neuron's input as far as it has
    # inputs. With the thousands of z the gate was past its best within an epoch or two.
    _, wide, *rest = gate.layers
    slow = rate * min(1.0, _WIDE / int(np.prod(gate.plan.shape)))
    return [
        {"params": list(wide.parameters()), "lr": slow},
        {"params": [weight for layer in rest for weight in layer.parameters()], "lr": rate},
    ]


def _epoch(
    gate: Gate, fit: tuple[Tensor, Tensor], optimiser: torch.optim.Optimizer, batch: int
) -> float:
    gate.train()
    total = 0.0
    for chosen in torch.split(torch.randperm(len(fit[1])), batch):
        optimiser.zero_grad()
        odds = gate(fit[0][chosen])
        loss = functional.binary_cross_entropy_with_logits(odds, fit[1][chosen])
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += float(loss.detach()) * len(chosen)
    return total / len(fit[1])


def _loss(gate: Gate, held_out: tuple[Tensor, Tensor]) -> float:
    gate.eval()
    with torch.no_grad():
        odds = torch.cat([gate(part) for part in torch.split(held_out[0], _BATCH)])
        return float(functional.binary_cross_entropy_with_logits(odds, held_out[1]))


def _tensors(labelled: Labelled) -> tuple[Tensor, Tensor]:
    feature = torch.from_numpy(np.array(labelled.feature, dtype=np.float32))
    return feature, torch.from_numpy(labelled.hard.astype(np.float32))


def _weights_file(place: Path) -> Path:
    return place.with_name(place.name + ".safetensors")  # not with_suffix: l33.3 has a dot


def _facts_file(place: Path) -> Path:
    return place.with_name(place.name + ".json")
