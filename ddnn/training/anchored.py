"""Joint-exit training by likelihood: eq. (9) with what each exit predicts in place of a cost."""

import copy
import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ddnn.arithmetic import Arithmetic
from ddnn.context import Context
from ddnn.decision import Predicted
from ddnn.errors import ModelError, ParamsError
from ddnn.nets.anchored.exits import AnchoredExits, Distribution
from ddnn.nets.anchored.features import Seen
from ddnn.nets.anchored.likelihood import distance, negative_log_likelihood
from ddnn.nets.anchored.prediction import tensors
from ddnn.training.epochs import JUDGED_AT_ONCE, Training, processor, with_prefix
from ddnn.training.joint_exit import EpochRecord

Decisions = tuple[Context, NDArray[np.float32]]
"""K decisions' context and the demand d (K, M) that they met, scaled."""


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
    with processor(arithmetic.threads):
        run = AnchoredTraining(
            exits, train, validation, params, w, seed, arithmetic, teacher, choose
        )
        return run.run(checkpoint, on_epoch)


@dataclass(frozen=True)
class Examples:
    """Decisions as tensors: what each exit sees, what was met, what a teacher says."""

    edge: Seen
    cloud: Seen
    demand: Tensor
    taught: tuple[tuple[Tensor, Tensor], ...] = ()
    """Location and log-spread (K, M) of the local and of the remote teacher, if there is one."""

    @classmethod
    def of(cls, decisions: Decisions, teacher: Teacher | None = None) -> "Examples":
        """Take them over.

        Raises:
            ModelError: Contexts, demands and the teacher's predictions are not as many.
        """
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

    def __getitem__(self, chosen: Tensor | slice) -> "Examples":
        edge, cloud = (Seen(*(part[chosen] for part in seen)) for seen in (self.edge, self.cloud))
        taught = tuple((location[chosen], spread[chosen]) for location, spread in self.taught)
        return Examples(edge, cloud, self.demand[chosen], taught)

    def __len__(self) -> int:
        return len(self.demand)


class AnchoredTraining(Training[LikelihoodRecord]):
    """Descends on the likelihood; its running mean is judged and kept."""

    record = LikelihoodRecord

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
        self.train = Examples.of(train, teacher)
        self.taught = 0.0 if teacher is None else teacher.weight
        self.validation = None if validation is None else Examples.of(validation)
        self.chooses = choose and validation is not None
        self.params, self.w = params, w
        optimizer = torch.optim.Adam(
            exits.parameters(), params.learning_rate, weight_decay=params.weight_decay, fused=True
        )
        super().__init__(exits, optimizer, params, seed)
        self.steady = copy.deepcopy(exits)
        self.steps = 0
        self.identity = self.identify(arithmetic)

    @property
    def judged(self) -> AnchoredExits:
        """The running mean."""
        return self.steady

    def judge(self, epoch: int, descended: float) -> LikelihoodRecord:
        """Judge on the validation decisions, if there are any."""
        local, remote, joint = None, None, descended
        if self.validation is not None:
            local, remote = self.score(self.validation)
            joint = self.w * (local or 0) + (1 - self.w) * (remote or 0)  # Eq. (9)
        if not (math.isfinite(descended) and math.isfinite(joint)):
            raise ModelError(
                f"epoch {epoch}: the loss is infinite or undefined; lower the learning rate "
                f"({self.params.learning_rate:g})"
            )
        best = not self.chooses or all(joint < record.joint for record in self.history)
        return LikelihoodRecord(epoch, descended, local, remote, joint, best)

    def descend(self) -> float:
        """Train one epoch; gives the mean joint loss."""
        self.exits.train()
        total = torch.zeros(())
        order = torch.randperm(len(self.train))
        for chosen in torch.split(order, self.params.batch):
            examples = self.train[chosen]
            loss = torch.zeros(())
            parts = self.losses(self.exits, examples)
            for weight, part in zip((self.w, 1 - self.w), parts, strict=True):
                loss = loss if part is None else loss + weight * part.mean()
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self._follow()
            total += loss.detach() * len(chosen)
        return float(total) / len(order)

    def losses(
        self, exits: AnchoredExits, examples: Examples
    ) -> tuple[Tensor | None, Tensor | None]:
        """Loss of each exit, one for each decision or for each of its VNFs; None: of weight 0."""
        # A term of weight 0 in eq. (9) stays out, so that its exit gets no gradient at all.
        z = exits.latent(examples.edge)
        local = remote = None
        if self.w > 0:
            local = self._loss(exits.local(z, examples.edge.last), examples, 0)
        if self.w < 1:
            remote = self._loss(exits.remote(z, examples.cloud), examples, 1)
        return local, remote

    def _loss(self, predicted: Distribution, examples: Examples, exit: int) -> Tensor:
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

    def score(self, validation: Examples) -> tuple[float | None, float | None]:
        """Mean loss of each exit."""
        self.steady.eval()
        sums: tuple[list[float], list[float]] = ([], [])
        with torch.inference_mode():
            for start in range(0, len(validation), JUDGED_AT_ONCE):
                examples = validation[slice(start, start + JUDGED_AT_ONCE)]
                for kept, part in zip(sums, self.losses(self.steady, examples), strict=True):
                    if part is not None:
                        kept.append(float(part.double().sum()))
        values = validation.demand.numel()
        local, remote = (math.fsum(kept) / values if kept else None for kept in sums)
        return local, remote

    def state(self) -> dict[str, Tensor]:
        """Give the running mean as well."""
        steady = {f"steady/{name}": value for name, value in self.steady.state_dict().items()}
        return super().state() | steady

    def facts(self) -> dict[str, Any]:
        """Give the steps of the running mean as well."""
        return super().facts() | {"steps": self.steps}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take over the running mean as well."""
        super().restore(tensors, facts)
        self.steps = facts["steps"]
        self.steady.load_state_dict(with_prefix(tensors, "steady/"))

    def identify(self, arithmetic: Arithmetic) -> str:
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
            for rows in (chunk for part in parts for chunk in torch.split(part, JUDGED_AT_ONCE)):
                digest.update(f"{tuple(rows.shape)}".encode())
                digest.update(rows.contiguous().reshape(-1).numpy().data)
        for name, value in exits.state_dict().items():
            digest.update(name.encode() + value.contiguous().reshape(-1).numpy().tobytes())
        return digest.hexdigest()
