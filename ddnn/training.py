"""Joint-exit training, eq. (9): on a surrogate, judged on the hard cost, resumable bit by bit."""

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ddnn.arithmetic import Arithmetic
from ddnn.checkpoint import read_checkpoint, set_aside, write_checkpoint
from ddnn.cost.hard import AllocationCost
from ddnn.cost.surrogate import make_surrogate
from ddnn.errors import ModelError
from ddnn.nets import Exits
from ddnn.params import TrainParams

Windows = tuple[NDArray[np.float32], NDArray[np.float32]]
"""D (K, N, M) and d (K, M), scaled."""

_JUDGED_AT_ONCE = 1024  # windows in one evaluation pass


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
    with _processor(arithmetic.threads):
        run = _Run(exits, train, validation, cost, params, w, seed, arithmetic)
        if checkpoint is not None:
            run.resume(checkpoint)
        while not run.finished:
            record = run.step()
            if checkpoint is not None:
                run.save(checkpoint)
            if on_epoch is not None:
                on_epoch(record)
        run.keep_best()
    return run.history


class _Run:
    """A training between its epochs."""

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
        self.seed = seed
        self.arithmetic = arithmetic
        self.identity = self._identify()
        if arithmetic.memory_format == "channels_last_3d":
            exits.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.base_rate = exits.preset.learning_rate or params.learning_rate
        self.optimizer = torch.optim.Adam(
            exits.parameters(), self.base_rate, weight_decay=params.weight_decay, fused=True
        )
        self.history: History = []
        self.best: dict[str, Tensor] = {}

    @property
    def finished(self) -> bool:
        """Patience or the epochs are used up."""
        done = len(self.history)
        return done >= self.params.max_epochs or self._stalled >= self.params.patience

    @property
    def _stalled(self) -> int:
        """Epochs since the best one."""
        best = max((record.epoch for record in self.history if record.best), default=0)
        return len(self.history) - best

    def step(self) -> EpochRecord:
        """Train one epoch, judge it, remember its weights if they are the best."""
        epoch = len(self.history) + 1
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_mix(self.seed, epoch))
            surrogate = self._descend()
        local, remote = self._judge()
        joint = _joint(self.w, local, remote)
        if not (math.isfinite(surrogate) and math.isfinite(joint)):
            raise ModelError(self._blown_up(epoch))
        best = all(joint < record.joint_cost for record in self.history)
        record = EpochRecord(epoch, surrogate, local, remote, joint, best)
        self.history.append(record)
        if best:
            self.best = {name: value.clone() for name, value in self.exits.state_dict().items()}
        return record

    def _descend(self) -> float:
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

    def _judge(self) -> tuple[float | None, float | None]:
        self.exits.eval()
        costs: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
        D, d = self.validation
        with torch.inference_mode():
            for start in range(0, len(D), _JUDGED_AT_ONCE):
                z = self.exits.latent(D[start : start + _JUDGED_AT_ONCE])
                demand = d[start : start + _JUDGED_AT_ONCE].numpy()
                if self.w > 0:
                    costs[0].append(self.cost(self.exits.local(z).numpy(), demand))
                if self.w < 1:
                    costs[1].append(self.cost(self.exits.remote(z).numpy(), demand))
        local, remote = (float(np.concatenate(c).mean()) if c else None for c in costs)
        return local, remote

    def keep_best(self) -> None:
        """Leave the exits with their best weights, in evaluation mode and the default layout."""
        self.exits.load_state_dict(self.best)
        self.exits.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.exits.eval()

    def save(self, path: Path) -> None:
        """Write weights, moments of Adam, best weights and history."""
        tensors = {f"now/{name}": value for name, value in self.exits.state_dict().items()}
        tensors |= {f"best/{name}": value for name, value in self.best.items()}
        for name, parameter in self.exits.named_parameters():
            for kind, value in self.optimizer.state[parameter].items():
                tensors[f"adam/{kind}/{name}"] = value
        facts = {"identity": self.identity, "history": [asdict(record) for record in self.history]}
        write_checkpoint(path, tensors, facts)

    def resume(self, path: Path) -> None:
        """Take up a training where its checkpoint left it, if it is the same training."""
        found = read_checkpoint(path)
        if found is None:
            return
        tensors, facts = found
        if facts["identity"] != self.identity:
            set_aside(path, "belongs to a training with other data, settings or weights")
            return
        self.history = [EpochRecord(**record) for record in facts["history"]]
        self.exits.load_state_dict(_part(tensors, "now/"))
        self.best = _part(tensors, "best/")
        for kind in ("step", "exp_avg", "exp_avg_sq"):
            for name, value in _part(tensors, f"adam/{kind}/").items():
                parameter = self.exits.get_parameter(name)
                # In the parameter's own memory layout, as Adam would have made it.
                like = parameter if value.shape == parameter.shape else value
                self.optimizer.state[parameter][kind] = torch.empty_like(like).detach().copy_(value)

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


def _mix(seed: int, epoch: int) -> int:
    return int(
        np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1)
    )


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _tensors(windows: Windows) -> tuple[Tensor, Tensor]:
    D, d = (torch.from_numpy(np.array(values, dtype=np.float32, order="C")) for values in windows)
    return D, d


@contextmanager
def _processor(threads: int) -> Iterator[None]:
    """Set torch's threads, and flush denormal numbers to zero.

    What decays fades into them: weights of dead units, and Adam's moments. An epoch then takes
    several times as long.
    """
    before, flushed = torch.get_num_threads(), _flushes_denormals()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(flushed)
        torch.set_num_threads(before)


def _flushes_denormals() -> bool:
    smallest = np.float64(np.finfo(np.float64).tiny)
    return bool(smallest / 2 == 0)
