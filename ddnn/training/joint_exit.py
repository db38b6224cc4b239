"""Joint-exit training, eq. (9): on a surrogate, judged on the hard cost, resumable bit by bit."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ddnn.arithmetic import Arithmetic
from ddnn.cost.hard import AllocationCost
from ddnn.cost.surrogate import make_surrogate
from ddnn.errors import ModelError
from ddnn.nets import Exits
from ddnn.params import TrainParams
from ddnn.training.epochs import JUDGED_AT_ONCE, Training, processor

Windows = tuple[NDArray[np.float32], NDArray[np.float32]]
"""D (K, N, M) and d (K, M), scaled."""


@dataclass(frozen=True)
class EpochRecord:
    """One epoch; costs are hard, per window, on the validation windows."""

    epoch: int
    """From 1."""
    surrogate: float
    """Mean joint surrogate over the training windows, with dropout on, while weights moved."""
    local_cost: float | None
    """None where w = 0 leaves the local exit untrained."""
    remote_cost: float | None
    """None where w = 1 leaves the remote exit untrained."""
    joint_cost: float
    """Eq. (9)."""
    best: bool
    """The lowest joint cost so far."""


History = list[EpochRecord]
OnEpoch = Callable[[EpochRecord], None]


def train_exits(
    exits: Exits,
    train: Windows,
    validation: Windows,
    cost: AllocationCost,
    params: TrainParams,
    w: float,
    seed: int,
    arithmetic: Arithmetic,
    checkpoint: Path | None = None,
    on_epoch: OnEpoch | None = None,
) -> History:
    """Train in place with Adam and early stopping; the exits end with their best weights.

    Shuffling and dropout are seeded by (seed, epoch), and the state is kept after each epoch, so a
    training that was killed and called again ends with the very weights of an undisturbed one. An
    exit of weight 0 in eq. (9) is not computed and keeps its initial weights.

    Args:
        exits: As built, not trained; a preset's own learning rate goes before that of ``params``.
        train: Windows D (K, N, M) and demand d (K, M), scaled.
        validation: Windows on which each epoch is judged.
        cost: The hard cost; the surrogate is made from it.
        params: Surrogate, optimiser, patience.
        w: Weight of the local exit, in [0, 1].
        seed: Of shuffling and dropout.
        arithmetic: Threads, number format and memory layout of the training passes; judging is
            done in float32.
        checkpoint: File to resume from and to keep up to date; None: none.
        on_epoch: Told each epoch that is computed (not those that a checkpoint brings back).

    Returns:
        All epochs, those before an interruption too.

    Raises:
        ModelError: There are no windows, the loss became infinite or undefined, w asks for an exit
            that the preset does not have, or a penalty has no named form.
    """
    if exits.remote_only and w > 0:
        raise ModelError(f"preset {exits.preset.name} has no local exit: train it with w = 0")
    if not (len(train[1]) and len(validation[1])):
        raise ModelError("training needs at least one training and one validation window")
    with processor(arithmetic.threads):
        run = _JointExit(exits, train, validation, cost, params, w, seed, arithmetic)
        return run.run(checkpoint, on_epoch)


class _JointExit(Training[EpochRecord]):
    """Descends on a surrogate, is judged by the hard cost."""

    record = EpochRecord

    def __init__(
        self,
        exits: Exits,
        train: Windows,
        validation: Windows,
        cost: AllocationCost,
        params: TrainParams,
        w: float,
        seed: int,
        arithmetic: Arithmetic,
    ) -> None:
        self.exits = exits
        self.train = _tensors(train)
        self.validation = _tensors(validation)
        self.cost = cost
        self.surrogate = make_surrogate(cost, params.surrogate)
        self.params = params
        self.w = w
        self.arithmetic = arithmetic
        if arithmetic.memory_format == "channels_last_3d":
            exits.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.base_rate = exits.preset.learning_rate or params.learning_rate
        optimizer = torch.optim.Adam(
            exits.parameters(), self.base_rate, weight_decay=params.weight_decay, fused=True
        )
        super().__init__(exits, optimizer, params, seed)
        self.identity = self._identify()

    def descend(self) -> float:
        """Train one epoch; gives the mean joint surrogate."""
        self.exits.train()
        D, d = self.train
        total = torch.zeros(())
        order = torch.randperm(len(D))
        for start in range(0, len(D), self.params.batch):
            chosen = order[start : start + self.params.batch]
            loss = self._joint_surrogate(D[chosen], d[chosen])
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            total += loss.detach() * len(chosen)
        return float(total) / len(D)

    def _joint_surrogate(self, D: Tensor, d: Tensor) -> Tensor:
        # Eq. (9). A term of weight 0 stays out, so that its exit gets no gradient at all.
        bf16 = self.arithmetic.dtype == "bfloat16"
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            z = self.exits.latent(D)
            y_L = self.exits.local(z) if self.w > 0 else None
            y_R = self.exits.remote(z) if self.w < 1 else None
        loss = torch.zeros(())
        if y_L is not None:
            loss = loss + self.w * self.surrogate(y_L.float(), d).mean()
        if y_R is not None:
            loss = loss + (1 - self.w) * self.surrogate(y_R.float(), d).mean()
        return loss

    def judge(self, epoch: int, descended: float) -> EpochRecord:
        """Judge on the validation windows."""
        local, remote = self._costs()
        joint = _joint(self.w, local, remote)
        if not (math.isfinite(descended) and math.isfinite(joint)):
            raise ModelError(self._blown_up(epoch))
        best = all(joint < record.joint_cost for record in self.history)
        return EpochRecord(epoch, descended, local, remote, joint, best)

    def _costs(self) -> tuple[float | None, float | None]:
        self.exits.eval()
        costs: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
        D, d = self.validation
        with torch.inference_mode():
            for start in range(0, len(D), JUDGED_AT_ONCE):
                z = self.exits.latent(D[start : start + JUDGED_AT_ONCE])
                demand = d[start : start + JUDGED_AT_ONCE].numpy()
                if self.w > 0:
                    costs[0].append(self.cost(self.exits.local(z).numpy(), demand))
                if self.w < 1:
                    costs[1].append(self.cost(self.exits.remote(z).numpy(), demand))
        local, remote = (float(np.concatenate(c).mean()) if c else None for c in costs)
        return local, remote

    def keep_best(self) -> None:
        """Leave the exits with their best weights, in evaluation mode and the default layout."""
        super().keep_best()
        self.exits.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]

    def _identify(self) -> str:
        """Hash all that decides the result, so that no checkpoint of another training is used."""
        settings = (self.params, self.w, self.seed, self.arithmetic, self.cost, self.exits.preset)
        digest = hashlib.sha256(repr(settings).encode())
        for values in (*self.train, *self.validation, *self.exits.state_dict().values()):
            digest.update(f"{tuple(values.shape)}".encode())
            digest.update(values.contiguous().reshape(-1).numpy().data)
        return digest.hexdigest()

    def _blown_up(self, epoch: int) -> str:
        return (
            f"epoch {epoch}: the loss is infinite or undefined; lower train.learning_rate "
            f"({self.base_rate:g}) or widen train.surrogate.width ({self.params.surrogate.width:g})"
        )


def _joint(w: float, local: float | None, remote: float | None) -> float:
    # Eq. (9).
    return (w * local if local is not None else 0) + ((1 - w) * remote if remote is not None else 0)


def _tensors(windows: Windows) -> tuple[Tensor, Tensor]:
    D, d = (torch.from_numpy(np.array(values, dtype=np.float32, order="C")) for values in windows)
    return D, d
