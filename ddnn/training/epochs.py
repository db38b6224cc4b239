"""A training between its epochs: seeds, early stopping and checkpoints, whatever it descends on."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ddnn.training.checkpoint import read_checkpoint, set_aside, write_checkpoint

JUDGED_AT_ONCE = 1024  # decisions in one evaluation pass


class Record(Protocol):
    """One epoch; a frozen dataclass of plain numbers."""

    @property
    def epoch(self) -> int:
        """From 1."""

    @property
    def best(self) -> bool:
        """Whether its weights are the best so far."""


class Stopping(Protocol):
    """When a training ends."""

    @property
    def max_epochs(self) -> int:
        """At the latest."""

    @property
    def patience(self) -> int:
        """Epochs without a better one."""


R = TypeVar("R", bound=Record)


class Training(ABC, Generic[R]):
    """Epochs that end with the best weights, and resume bit by bit.

    Each epoch's chance is seeded by (seed, epoch), and the state after it is all that the next one
    needs: a training that was killed and called again ends with the weights of an undisturbed one.
    """

    record: ClassVar[type]
    """Of its epochs."""
    identity: str
    """Of all that decides the result; a checkpoint of another one is not taken up."""

    def __init__(
        self, exits: nn.Module, optimizer: torch.optim.Optimizer, stopping: Stopping, seed: int
    ) -> None:
        self.module, self.optimizer, self.stopping, self.seed = exits, optimizer, stopping, seed
        self.history: list[R] = []
        self.best: dict[str, Tensor] = {}

    def run(self, checkpoint: Path | None, on_epoch: Callable[[R], None] | None = None) -> list[R]:
        """Train to the end, from the checkpoint on if it is this training's.

        Returns:
            All epochs, those before an interruption too; ``on_epoch`` is told the others alone.
        """
        if checkpoint is not None:
            self._resume(checkpoint)
        while not self.finished:
            record = self.step()
            if checkpoint is not None:
                self.save(checkpoint)
            if on_epoch is not None:
                on_epoch(record)
        self.keep_best()
        return self.history

    @property
    def finished(self) -> bool:
        """Patience or the epochs are used up."""
        done = len(self.history)
        best = max((record.epoch for record in self.history if record.best), default=0)
        return done >= self.stopping.max_epochs or done - best >= self.stopping.patience

    def step(self) -> R:
        """Train one epoch, judge it, remember its weights if they are the best."""
        epoch = len(self.history) + 1
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_mix(self.seed, epoch))
            descended = self.descend()
        record = self.judge(epoch, descended)
        self.history.append(record)
        if record.best:
            self.best = _copied(self.judged.state_dict())
        return record

    @abstractmethod
    def descend(self) -> float:
        """Train one epoch; gives the mean of what was descended on."""

    @abstractmethod
    def judge(self, epoch: int, descended: float) -> R:
        """Judge the weights as they are."""

    @property
    def judged(self) -> nn.Module:
        """Whose weights are judged and kept."""
        return self.module

    def keep_best(self) -> None:
        """Leave the exits with their best weights, in evaluation mode."""
        self.module.load_state_dict(self.best)
        self.module.eval()

    def state(self) -> dict[str, Tensor]:
        """Give the tensors that the next epoch needs."""
        tensors = {f"now/{name}": value for name, value in self.module.state_dict().items()}
        tensors |= {f"best/{name}": value for name, value in self.best.items()}
        for name, parameter in self.module.named_parameters():
            for kind, value in self.optimizer.state[parameter].items():
                tensors[f"adam/{kind}/{name}"] = value
        return tensors

    def facts(self) -> dict[str, Any]:
        """Give what else it needs, as JSON has it."""
        history = [asdict(record) for record in self.history]  # type: ignore[call-overload]
        return {"identity": self.identity, "history": history}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` and :meth:`facts` gave."""
        self.history = [self.record(**record) for record in facts["history"]]
        self.module.load_state_dict(with_prefix(tensors, "now/"))
        self.best = with_prefix(tensors, "best/")
        for kind in ("step", "exp_avg", "exp_avg_sq"):
            for name, value in with_prefix(tensors, f"adam/{kind}/").items():
                parameter = self.module.get_parameter(name)
                # In the parameter's own memory layout, as Adam would have made it.
                like = parameter if value.shape == parameter.shape else value
                self.optimizer.state[parameter][kind] = torch.empty_like(like).detach().copy_(value)

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all."""
        write_checkpoint(path, self.state(), self.facts())

    def _resume(self, path: Path) -> None:
        found = read_checkpoint(path)
        if found is None:
            return
        tensors, facts = found
        if facts["identity"] != self.identity:
            set_aside(path, "belongs to a training with other data, settings or weights")
            return
        self.restore(tensors, facts)


def with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Give those whose names begin so, by the rest of their names."""
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


@contextmanager
def processor(threads: int) -> Iterator[None]:
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


def _copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in state.items()}


def _mix(seed: int, epoch: int) -> int:
    return int(
        np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1)
    )


def _flushes_denormals() -> bool:
    smallest = np.float64(np.finfo(np.float64).tiny)
    return bool(smallest / 2 == 0)
