"""The trained exits that predict a distribution, asked as on days that they have not seen."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ddnn.cost import AllocationCost
from ddnn.decision import Predicted
from ddnn.errors import ArtefactError, ModelError
from ddnn.nets.anchored import (
    Allocator,
    AnchoredExits,
    HeldOut,
    load_allocator,
    load_anchored,
    load_held_out,
    predict,
)
from ddnn.offload.anchored import JudgedSamples, KnownSamples, Price, decided, judged
from ddnn.offload.expected_benefit import ExpectedBenefit
from ddnn.offload.known import Floats, Known
from tasks.anchored.days import trained_on
from tasks.anchored.past import contexts, met
from tasks.prepared import Prepared


@dataclass(frozen=True, eq=False)
class Days:
    """What both exits say of some days' demand; no cost is in it."""

    slots: range
    """K of them."""
    local: Predicted
    """(K, M)."""
    remote: Predicted
    """(K, M)."""
    recent: NDArray[np.float32]
    """(K, N, M): past demand D, scaled."""
    calendar: NDArray[np.float32]
    """(K, 4)."""
    demand: Floats
    """(K, M), which the slots met, scaled."""

    def known(self, y_L: Floats) -> Known:
        """Give what the edge knows when it has decided on y_L (K, M)."""
        return Known(self.local, y_L, self.recent, self.calendar)


@dataclass(frozen=True, eq=False)
class AnchoredSystem:
    """Exits and the shapes of their errors: what the stage ``train`` gave.

    The exits were trained on all days before the test. Of these days it says what trainings said
    that left them out: labels, students and regressions are then those of unseen days.
    """

    exits: AnchoredExits
    allocator: Allocator
    held_out: HeldOut
    prepared: Prepared

    @classmethod
    def load(cls, trained: Path, prepared: Prepared) -> Self:
        """Read it.

        Raises:
            ArtefactError: A file is missing or damaged, or was made on other days or VNFs.
        """
        held_out, days = load_held_out(trained), trained_on(prepared.split)
        if (held_out.slots, held_out.local.vnfs) != (days, prepared.demand.vnfs):
            raise ArtefactError(
                f"{trained}: predictions of {held_out.local.vnfs} VNFs for the slots "
                f"{held_out.slots.start} to {held_out.slots.stop - 1}, but {prepared.demand.vnfs} "
                f"and {days.start} to {days.stop - 1} lie before the test; train again"
            )
        return cls(load_anchored(trained), load_allocator(trained), held_out, prepared)

    def days(self, targets: range) -> Days:
        """Predict for the targets, as for days that no training has seen.

        Raises:
            ModelError: Some were trained on and some not.
        """
        trained = self.held_out.slots
        if targets.start >= trained.stop:
            return self._said(targets, None)
        if targets.stop <= trained.stop:
            return self._said(targets, self.held_out.on(targets))
        raise ModelError(f"targets {targets} begin before the test and end in it; part them")

    def before_the_test(self) -> Days:
        """Predict for all days that were trained on, as the exits say them that will serve.

        For scores alone, which look at no outcome: thresholds, a tracker's first days and what
        scores to expect. Another training's scores lie on a scale of their own.
        """
        return self._said(self.held_out.slots, None)

    def _said(self, targets: range, said: tuple[Predicted, Predicted] | None) -> Days:
        """Give the days; None: what the exits themselves say."""
        context = contexts(self.prepared, targets, self.exits.reaches)
        local, remote = predict(self.exits, context) if said is None else said
        demand = self.prepared.values_scaled[targets.start : targets.stop]
        edge = context.edge
        return Days(targets, local, remote, edge.recent, edge.calendar, demand)

    def decide(self, days: Days, cost: AllocationCost) -> tuple[Floats, Floats]:
        """Give y_L and y_R, each (K, M), of least expected cost under what each exit says."""
        local, remote = self.allocator.rules(cost)
        return local.allocate(days.local), remote.allocate(days.remote)

    def expected_benefit(self, days: Days, cost: AllocationCost) -> ExpectedBenefit:
        """Fit the gate whose student tells from what the edge knows what the cloud would say.

        Args:
            days: Before the test: there both exits speak as on unseen days, as they do when they
                serve. No demand of the days is looked at.
            cost: Under which decisions are ranked; the gate can be priced otherwise later.
        """
        y_L, _ = self.decide(days, cost)
        return ExpectedBenefit.fit(days.known(y_L), days.remote, self.allocator.remote, cost)

    def observe(self, days: Days) -> tuple[KnownSamples, Floats]:
        """Give what the edge knows of the days, and y_R (K, M), which it does not."""
        y_L, y_R = self.decide(days, self.prepared.cost)
        return decided(days.known(y_L), days.slots), y_R

    def judge(self, targets: range, price: Price) -> JudgedSamples:
        """Give the targets with their outcome, priced."""
        return judged(*self.observe(self.days(targets)), met(self.prepared, targets), price)
