"""Joint-exit training by likelihood: eq. (9) with what each exit predicts in place of a cost."""

import copy
import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ddnn.arithmetic import Arithmetic
from ddnn.checkpoint import read_checkpoint, set_aside, write_checkpoint
from ddnn.context import Context
from ddnn.decision import Predicted
from ddnn.errors import ModelError, ParamsError
from ddnn.nets.anchored.exits import AnchoredExits, Distribution
from ddnn.nets.anchored.features import Seen
from ddnn.nets.anchored.likelihood import distance, negative_log_likelihood
from ddnn.nets.anchored.prediction import tensors

# One way to mix seeds, cut a state and set the processor, for both trainings.
from ddnn.training import EpochRecord, _mix, _part, _processor

Decisions = tuple[Context, NDArray[np.float32]]
"""K decisions' context and the demand d (K, M) that they met, scaled."""

_JUDGED_AT_ONCE = 1024  # decisions in one evaluation pass


@dataclass(frozen=True, eq=False)
class Teacher:
    """What others predict for the training decisions, (K, M) each, and how much that counts."""

    local: Predicted
    remote: Predicted
    weight: float = 1.0
    """Of the distance to the teacher, beside the likelihood."""


@dataclass(frozen=True)
class LikelihoodParams:
    """Optimiser and stopping.

    Raises:
        ParamsError: A number is out of its range.
    """

    learning_rate: float = 2e-3
    """Of Adam."""
    batch: int = 64
    weight_decay: float = 3e-3
    averaging: float = 0.99
    """Decay per step of the running mean of the weights, which is what is judged and kept; 0: the
    weights themselves."""
    max_epochs: int = 60
    patience: int = 6
    """Epochs without a higher validation likelihood."""

    def __post_init__(self) -> None:
        whole = self.batch >= 1 and self.max_epochs >= 1 and self.patience >= 1
        if not (whole and self.learning_rate > 0 <= self.weight_decay and 0 <= self.averaging < 1):
            raise ParamsError(f"{self}: a number is out of its range")


@dataclass(frozen=True)
class LikelihoodRecord:
    """One epoch; mean negative log-likelihoods in nats per VNF, full scales as unit."""

    epoch: int
    """From 1."""
    train: float
    """Joint, over the training decisions while weights moved; with a teacher, its distance too."""
    local: float | None
    """On validation decisions; None where w = 0 leaves the local exit untrained."""
    remote: float | None
    """None where w = 1 leaves the remote exit untrained."""
    joint: float
    """Eq. (9), on validation decisions."""
    best: bool
    """The lowest so far; true of every epoch where no days choose."""

    def as_epoch(self) -> EpochRecord:
        """Give it as the other training's, with likelihoods for costs: for a progress bar."""
        return EpochRecord(self.epoch, self.train, self.local, self.remote, self.joint, self.best)


LikelihoodHistory = list[LikelihoodRecord]


def train_anchored(
    exits: AnchoredExits,
    train: Decisions,
    validation: Decisions | None,
    params: LikelihoodParams,
    w: float,
    seed: int,
    arithmetic: Arithmetic,
    checkpoint: Path | None = None,
    on_epoch: Callable[[LikelihoodRecord], None] | None = None,
    teacher: Teacher | None = None,
    choose: bool = True,
) -> LikelihoodHistory:
    """Train in place with Adam and early stopping; the exits end with their best weights.

    No cost enters: the same exits serve every cost. The order is seeded by (seed, epoch) and the
    state is kept after each epoch, so a training that was killed and called again ends with the
    very weights of an undisturbed one. An exit of weight 0 in eq. (9) is not computed and keeps its
    initial weights.

    Args:
        exits: As built, not trained.
        train: Decisions that gradients see.
        validation: Decisions on which each epoch is judged; None: none is, all of
            ``params.max_epochs`` are trained, the last weights are kept, each record counts as
            best and its joint likelihood is that of the training decisions.
        params: Optimiser, patience.
        w: Weight of the local exit, in [0, 1].
        seed: Of the order.
        arithmetic: Threads. The network is too small for another number format to pay: float32.
        checkpoint: File to resume from and to keep up to date; None: none.
        on_epoch: Told each epoch that is computed (not those that a checkpoint brings back).
        teacher: What the exits shall come close to as well, on the training decisions.
        choose: Whether the validation decisions choose the epoch and end the training; else they
            are only watched: all epochs are trained, and the last weights are kept.

    Returns:
        All epochs, those before an interruption too.

    Raises:
        ModelError: There are no decisions, w is not a weight, or the loss became infinite.
    """
    if not 0 <= w <= 1:
        raise ModelError(f"w = {w}: the local exit's weight lies between 0 and 1")
    if not len(train[1]) or (validation is not None and not len(validation[1])):
        raise ModelError("training needs at least one training and one validation decision")
    with _processor(arithmetic.threads):
        run = _Run(exits, train, validation, params, w, seed, arithmetic, teacher, choose)
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


@dataclass(frozen=True)
class _Examples:
    edge: Seen
    cloud: Seen
    demand: Tensor
    taught: tuple[tuple[Tensor, Tensor], ...] = ()
    """Location and log-spread (K, M) of the local and of the remote teacher, if there is one."""

    @classmethod
    def of(cls, decisions: Decisions, teacher: Teacher | None = None) -> "_Examples":
        context, demand = decisions
        met = torch.from_numpy(np.array(demand, dtype=np.float32, order="C"))
        if len(context) != len(met):
            raise ModelError(f"{len(context)} contexts for {len(met)} demands")
        sides = () if teacher is None else (teacher.local, teacher.remote)
        if any(side.location.shape != tuple(met.shape) for side in sides):
            raise ModelError(f"the teacher did not predict for these {len(met)} decisions")
        taught = tuple(
            (torch.from_numpy(side.location).float(), torch.from_numpy(side.spread).log().float())
            for side in sides
        )
        return cls(tensors(context.edge), tensors(context.cloud), met, taught)

    def __getitem__(self, chosen: Tensor | slice) -> "_Examples":
        edge, cloud = (Seen(*(part[chosen] for part in seen)) for seen in (self.edge, self.cloud))
        taught = tuple((location[chosen], spread[chosen]) for location, spread in self.taught)
        return _Examples(edge, cloud, self.demand[chosen], taught)

    def __len__(self) -> int:
        return len(self.demand)


class _Run:
    """A training between its epochs."""

    def __init__(
        self,
        exits: AnchoredExits,
        train: Decisions,
        validation: Decisions | None,
        params: LikelihoodParams,
        w: float,
        seed: int,
        arithmetic: Arithmetic,
        teacher: Teacher | None,
        choose: bool = True,
    ) -> None:
        self.exits = exits
        self.train = _Examples.of(train, teacher)
        self.taught = 0.0 if teacher is None else teacher.weight
        self.validation = None if validation is None else _Examples.of(validation)
        self.chooses = choose and validation is not None
        self.params, self.w, self.seed = params, w, seed
        self.identity = self._identify(arithmetic)
        self.optimizer = torch.optim.Adam(
            exits.parameters(), params.learning_rate, weight_decay=params.weight_decay, fused=True
        )
        self.steady = copy.deepcopy(exits)
        self.steps = 0
        self.history: LikelihoodHistory = []
        self.best: dict[str, Tensor] = {}

    @property
    def finished(self) -> bool:
        """Patience or the epochs are used up."""
        done = len(self.history)
        best = max((record.epoch for record in self.history if record.best), default=0)
        return done >= self.params.max_epochs or done - best >= self.params.patience

    def step(self) -> LikelihoodRecord:
        """Train one epoch, judge it, remember its weights if they are the best."""
        epoch = len(self.history) + 1
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_mix(self.seed, epoch))
            train = self._descend()
        local, remote, joint = None, None, train
        if self.validation is not None:
            local, remote = self._judge(self.validation)
            joint = self.w * (local or 0) + (1 - self.w) * (remote or 0)  # Eq. (9)
        if not (math.isfinite(train) and math.isfinite(joint)):
            raise ModelError(
                f"epoch {epoch}: the loss is infinite or undefined; lower the learning rate "
                f"({self.params.learning_rate:g})"
            )
        best = not self.chooses or all(joint < record.joint for record in self.history)
        record = LikelihoodRecord(epoch, train, local, remote, joint, best)
        self.history.append(record)
        if best:
            self.best = {name: value.clone() for name, value in self.steady.state_dict().items()}
        return record

    def _descend(self) -> float:
        self.exits.train()
        total = torch.zeros(())
        order = torch.randperm(len(self.train))
        for chosen in torch.split(order, self.params.batch):
            examples = self.train[chosen]
            loss = torch.zeros(())
            parts = self._losses(self.exits, examples)
            for weight, part in zip((self.w, 1 - self.w), parts, strict=True):
                loss = loss if part is None else loss + weight * part.mean()
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self._follow()
            total += loss.detach() * len(chosen)
        return float(total) / len(order)

    def _losses(
        self, exits: AnchoredExits, examples: _Examples
    ) -> tuple[Tensor | None, Tensor | None]:
        # A term of weight 0 in eq. (9) stays out, so that its exit gets no gradient at all.
        z = exits.latent(examples.edge)
        local = remote = None
        if self.w > 0:
            local = self._loss(exits.local(z, examples.edge.last), examples, 0)
        if self.w < 1:
            remote = self._loss(exits.remote(z, examples.cloud), examples, 1)
        return local, remote

    def _loss(self, predicted: Distribution, examples: _Examples, exit: int) -> Tensor:
        loss = negative_log_likelihood(predicted, examples.demand)
        if examples.taught:
            loss = loss + self.taught * distance(predicted, *examples.taught[exit])
        return loss

    def _follow(self) -> None:
        """Move the steady weights towards the present ones; quickly at first."""
        self.steps += 1
        share = 1 - min(self.params.averaging, self.steps / (self.steps + 9))
        with torch.no_grad():
            pairs = zip(self.steady.parameters(), self.exits.parameters(), strict=True)
            for steady, now in pairs:
                steady.lerp_(now, share)

    def _judge(self, validation: _Examples) -> tuple[float | None, float | None]:
        self.steady.eval()
        sums: tuple[list[float], list[float]] = ([], [])
        with torch.inference_mode():
            for start in range(0, len(validation), _JUDGED_AT_ONCE):
                examples = validation[slice(start, start + _JUDGED_AT_ONCE)]
                for kept, part in zip(sums, self._losses(self.steady, examples), strict=True):
                    if part is not None:
                        kept.append(float(part.double().sum()))
        values = validation.demand.numel()
        local, remote = (math.fsum(kept) / values if kept else None for kept in sums)
        return local, remote

    def keep_best(self) -> None:
        """Leave the exits with their best weights, in evaluation mode."""
        self.exits.load_state_dict(self.best)
        self.exits.eval()

    def save(self, path: Path) -> None:
        """Write weights, steady and best ones, moments of Adam and history."""
        state = {f"now/{name}": value for name, value in self.exits.state_dict().items()}
        state |= {f"steady/{name}": value for name, value in self.steady.state_dict().items()}
        state |= {f"best/{name}": value for name, value in self.best.items()}
        for name, parameter in self.exits.named_parameters():
            for kind, value in self.optimizer.state[parameter].items():
                state[f"adam/{kind}/{name}"] = value
        history = [asdict(record) for record in self.history]
        facts = {"identity": self.identity, "history": history, "steps": self.steps}
        write_checkpoint(path, state, facts)

    def resume(self, path: Path) -> None:
        """Take up a training where its checkpoint left it, if it is the same training."""
        found = read_checkpoint(path)
        if found is None:
            return
        state, facts = found
        if facts["identity"] != self.identity:
            set_aside(path, "belongs to a training with other data, settings or weights")
            return
        self.history = [LikelihoodRecord(**record) for record in facts["history"]]
        self.steps = facts["steps"]
        self.exits.load_state_dict(_part(state, "now/"))
        self.steady.load_state_dict(_part(state, "steady/"))
        self.best = _part(state, "best/")
        for kind in ("step", "exp_avg", "exp_avg_sq"):
            for name, value in _part(state, f"adam/{kind}/").items():
                self.optimizer.state[self.exits.get_parameter(name)][kind] = value

    def _identify(self, arithmetic: Arithmetic) -> str:
        """Hash all that decides the result, so that no checkpoint of another training is used."""
        exits = self.exits
        own = (exits.preset, exits.clock, exits.grid.to_json())
        how = (self.taught, self.chooses)
        settings = (self.params, self.w, self.seed, arithmetic.threads, *how, *own)
        digest = hashlib.sha256(repr(settings).encode())
        for examples in (self.train, self.validation):
            if examples is None:
                digest.update(b"not judged")
                continue
            soft = (part for pair in examples.taught for part in pair)
            parts = (*examples.edge, *examples.cloud, examples.demand, *soft)
            for rows in (chunk for part in parts for chunk in torch.split(part, _JUDGED_AT_ONCE)):
                digest.update(f"{tuple(rows.shape)}".encode())
                digest.update(rows.contiguous().reshape(-1).numpy().data)
        for name, value in exits.state_dict().items():
            digest.update(name.encode() + value.contiguous().reshape(-1).numpy().tobytes())
        return digest.hexdigest()
