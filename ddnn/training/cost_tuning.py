"""A training of the anchored exits for one cost alone: stopped by it, then tuned on it.

What one training for every cost is held against. First by likelihood, as ``anchored``
does, but the epoch that is kept is that of the least hard cost of the decisions; then on, from
there, on a surrogate of the cost itself. Decisions are those of least expected cost under the shape
that the validation decisions have. That tells how long to tune; exits that were trained on all days
before the test are then tuned as long, with nothing left to judge them.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ddnn.arithmetic import Arithmetic
from ddnn.cost.hard import AllocationCost
from ddnn.cost.surrogate import Surrogate, make_surrogate
from ddnn.decision import DecisionRule, Predicted, ResidualShape
from ddnn.nets.anchored.allocation import Allocator
from ddnn.nets.anchored.exits import AnchoredExits, Distribution
from ddnn.params import SurrogateParams
from ddnn.training.anchored import (
    AnchoredTraining,
    Decisions,
    Examples,
    LikelihoodHistory,
    LikelihoodParams,
    LikelihoodRecord,
)
from ddnn.training.epochs import processor


def train_for_cost(
    exits: AnchoredExits,
    train: Decisions,
    validation: Decisions,
    cost: AllocationCost,
    params: LikelihoodParams,
    tuning: LikelihoodParams,
    surrogate: SurrogateParams,
    w: float,
    seed: int,
    arithmetic: Arithmetic,
    checkpoints: Path | None = None,
) -> tuple[LikelihoodHistory, LikelihoodHistory]:
    """Train in place; the exits end with the weights whose decisions cost least.

    Args:
        exits: As built, not trained.
        train: Decisions that gradients see.
        validation: Decisions on which each epoch is judged, and the shape is calibrated.
        cost: The hard cost; both of its penalties need a name.
        params: Of the training by likelihood.
        tuning: Of the tuning on the cost.
        surrogate: What the gradient sees of the cost.
        w: Weight of the local exit, eq. (9); above 0 and below 1.
        seed: Of the order.
        arithmetic: Threads.
        checkpoints: Folder to resume from and to keep up to date; None: none.

    Returns:
        Both histories; their ``local``, ``remote`` and ``joint`` are hard costs per decision. The
        first row of the second is what the tuning started from.

    Raises:
        ModelError: The loss became infinite, or a penalty has no name.
    """
    with processor(arithmetic.threads):
        by_likelihood = _Stopped(exits, train, validation, cost, params, w, seed, arithmetic)
        by_likelihood.run(checkpoints and checkpoints / "likelihood.safetensors")
        on_cost = _Tuned(exits, train, validation, cost, tuning, w, seed, arithmetic)
        on_cost.start(surrogate)
        on_cost.run(checkpoints and checkpoints / "tuning.safetensors")
    return by_likelihood.history, on_cost.history


def tune_for_cost(
    exits: AnchoredExits,
    decisions: Decisions,
    allocator: Allocator,
    cost: AllocationCost,
    tuning: LikelihoodParams,
    surrogate: SurrogateParams,
    w: float,
    seed: int,
    arithmetic: Arithmetic,
    checkpoint: Path | None = None,
) -> LikelihoodHistory:
    """Tune in place exits that were trained for every cost, on the surrogate of one.

    Args:
        exits: Trained on the decisions.
        decisions: All before the test.
        allocator: The shapes of the exits' errors on days left out: by them is decided.
        cost: The hard cost; both of its penalties need a name.
        tuning: Of the tuning; all of its epochs are trained, its patience does not count.
        surrogate: What the gradient sees of the cost.
        w: Weight of the local exit, eq. (9); above 0 and below 1.
        seed: Of the order.
        arithmetic: Threads.
        checkpoint: File to resume from and to keep up to date; None: none.

    Returns:
        A row for each epoch, with the surrogate as it was descended on.

    Raises:
        ModelError: The loss became infinite, or a penalty has no name.
    """
    with processor(arithmetic.threads):
        run = _Further(exits, decisions, allocator, cost, surrogate, tuning, w, seed, arithmetic)
        return run.run(checkpoint)


class _Stopped(AnchoredTraining):
    """Descends on the likelihood, is judged by the hard cost of its decisions."""

    def __init__(
        self,
        exits: AnchoredExits,
        train: Decisions,
        validation: Decisions,
        cost: AllocationCost,
        params: LikelihoodParams,
        w: float,
        seed: int,
        arithmetic: Arithmetic,
    ) -> None:
        self.cost = cost
        super().__init__(exits, train, validation, params, w, seed, arithmetic, None)
        self.examples = Examples.of(validation)

    def score(self, validation: Examples) -> tuple[float | None, float | None]:
        """Mean hard cost of each exit's decisions."""
        met = validation.demand.double().numpy()
        local, remote = (
            float(self.cost(rule.allocate(predicted), met).mean())
            for rule, predicted in self._calibrated(self.steady, validation)
        )
        return local, remote

    def _calibrated(
        self, exits: AnchoredExits, validation: Examples
    ) -> list[tuple[DecisionRule, Predicted]]:
        """Give each exit's rule and what it predicts for the validation decisions."""
        exits.eval()
        with torch.inference_mode():
            predicted = [_plain(part) for part in exits(validation.edge, validation.cloud)]
        met = validation.demand.double().numpy()
        return [(DecisionRule(ResidualShape.fit(each, met), self.cost), each) for each in predicted]

    def identify(self, arithmetic: Arithmetic) -> str:
        """Hash the cost as well."""
        return f"{super().identify(arithmetic)} {type(self).__name__} {self.cost!r}"


class _Tuned(_Stopped):
    """Descends on a surrogate of the cost of its decisions."""

    rules: tuple[DecisionRule, DecisionRule]

    def start(self, surrogate: SurrogateParams) -> None:
        """Judge what there is: the tuning may end where it began."""
        self.surrogate = make_surrogate(self.cost, surrogate)
        self.identity += repr(surrogate)
        local, remote = self.score(self.examples)
        joint = self.w * (local or 0) + (1 - self.w) * (remote or 0)
        self.history = [LikelihoodRecord(1, joint, local, remote, joint, True)]
        self.best = {name: value.clone() for name, value in self.exits.state_dict().items()}

    def descend(self) -> float:
        """Take the rules of the weights as they are, and train one epoch."""
        local, remote = (rule for rule, _ in self._calibrated(self.exits, self.examples))
        self.rules = local, remote
        return super().descend()

    def losses(
        self, exits: AnchoredExits, examples: Examples
    ) -> tuple[Tensor | None, Tensor | None]:
        """Surrogate of each exit's decisions."""
        return _costs(exits, examples, self.rules, self.surrogate)


class _Further(AnchoredTraining):
    """Descends on the surrogate with rules that stay, and is judged by nothing."""

    def __init__(
        self,
        exits: AnchoredExits,
        decisions: Decisions,
        allocator: Allocator,
        cost: AllocationCost,
        surrogate: SurrogateParams,
        params: LikelihoodParams,
        w: float,
        seed: int,
        arithmetic: Arithmetic,
    ) -> None:
        self.rules, self.surrogate = allocator.rules(cost), make_surrogate(cost, surrogate)
        self.decided_by = f"{type(self).__name__} {cost!r} {surrogate!r} {allocator.to_json()}"
        super().__init__(exits, decisions, None, params, w, seed, arithmetic, None)

    def losses(
        self, exits: AnchoredExits, examples: Examples
    ) -> tuple[Tensor | None, Tensor | None]:
        """Surrogate of each exit's decisions."""
        return _costs(exits, examples, self.rules, self.surrogate)

    def identify(self, arithmetic: Arithmetic) -> str:
        """Hash the cost as well."""
        return f"{super().identify(arithmetic)} {self.decided_by}"


def _costs(
    exits: AnchoredExits,
    examples: Examples,
    rules: tuple[DecisionRule, DecisionRule],
    surrogate: Surrogate,
) -> tuple[Tensor, Tensor]:
    """Give the surrogate of both exits' decisions."""
    z = exits.latent(examples.edge)
    predicted = exits.local(z, examples.edge.last), exits.remote(z, examples.cloud)
    local, remote = (
        surrogate(_decided(part, rule), examples.demand)
        for part, rule in zip(predicted, rules, strict=True)
    )
    return local, remote


def _decided(predicted: Distribution, rule: DecisionRule) -> Tensor:
    """Give y (batch, M) = location + z spread; the rule's z is where the gradient takes it."""
    at = _plain(Distribution(*(part.detach() for part in predicted)))
    z = torch.from_numpy((rule.allocate(at) - at.location) / at.spread)
    return predicted.location + z.float() * predicted.log_spread.exp()


def _plain(predicted: Distribution) -> Predicted:
    spread = np.exp(predicted.log_spread.double().numpy())
    return Predicted(predicted.location.double().numpy(), spread)
