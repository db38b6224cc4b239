"""Settings of what runs many systems: retraining, the paper, a city of sites, worth."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ddnn.params.ranges import Group, Overrides, Positive, Share
from ddnn.params.system import SurrogateParams


class ScheduleParams(Group):
    """Scheduled retraining."""

    cron: str
    new_days: Annotated[int, Field(ge=0)]


class SnapshotParams(Group):
    """Figs. 5a and 5b: a gate that is looked at while it learns the training samples."""

    setting: str
    """One of ``settings``; its first seed is looked at."""
    l0: Share
    late_epoch: Annotated[int, Field(ge=2)]


class PaperParams(Group):
    """The paper's experiment: what differs from the groups above, by dotted name."""

    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    demand: str
    """One of ``demands``."""
    demands: dict[str, Overrides]
    common: Overrides
    """For all settings."""
    settings: Annotated[dict[str, Overrides], Field(min_length=1)]
    """By name; the name says which figures have it."""
    gate_snapshots: SnapshotParams

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        if self.demand not in self.demands:
            raise ValueError(f"paper.demand must be one of {', '.join(self.demands)}")
        if self.gate_snapshots.setting not in self.settings:
            raise ValueError("paper.gate_snapshots.setting must be one of paper.settings")
        return self


class SitesParams(Group):
    """How a city's squares are cut into sites."""

    size: Annotated[int, Field(ge=1)]
    """Squares of a site, about: sizes differ by at most one, and nothing remains over."""
    by: Literal["place", "correlation"]
    """``place`` needs squares that are named by their ids in Milano's grid."""
    seed: Annotated[int, Field(ge=0)]
    """Of the cut by correlation."""


class CityRunParams(Group):
    """A whole city, a DDNN for each site: what differs from the groups above, by dotted name."""

    demand: str
    """One of ``demands``."""
    demands: dict[str, Overrides]
    common: Overrides
    """For all sites."""
    sites: SitesParams
    stages: Annotated[list[str], Field(min_length=1)]
    """Last stages of a site; what they stand on runs too."""
    workers: Annotated[int, Field(ge=1)] | None
    """Sites side by side on this machine; None: as many as it has cores."""
    scheduler: Annotated[str, Field(pattern=r"^(tcp|tls)://\S+:\d+$")] | None
    """Address of a Dask scheduler, whose workers then train; None: this machine does."""

    @model_validator(mode="after")
    def _demand_is_known(self) -> Self:
        if self.demand not in self.demands:
            raise ValueError(f"city.demand must be one of {', '.join(self.demands)}")
        return self


class WholeParams(Group):
    """The whole system whose worth is asked for: its gate."""

    rule: Literal["expected_benefit", "regressed_benefit"]
    l0: Share
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Probability with which the threshold's margin keeps L >= l0."""


class TrackerParams(Group):
    """The threshold that follows a gate's scores."""

    memory_days: Positive
    horizon_days: Positive
    """Within which a shortfall is made up."""


class StoppingParams(Group):
    """When a training that validation days judge ends."""

    max_epochs: Annotated[int, Field(ge=1)]
    patience: Annotated[int, Field(ge=1)]


class SeparateParams(Group):
    """What a training for one cost alone does differently, see ddnn/training/cost_tuning.py."""

    likelihood: StoppingParams
    """Of the training that comes before the tuning."""
    surrogate: SurrogateParams
    learning_rate: Positive
    """Of the tuning on the cost."""
    max_epochs: Annotated[int, Field(ge=1)]
    patience: Annotated[int, Field(ge=1)]


PieceKind = Literal["alternatives", "anchored", "times", "separate", "exits", "gates", "sweep"]


class WorthParams(Group):
    """Rolling-origin evaluation: its windows, its pieces, and what they differ in."""

    demand: str
    """One of ``paper.demands``."""
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    boosting_seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    """Of the boosted alternatives, whose costs are the mean over them."""
    windows: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=3)]
    """Days between the demand's end and that of each test window."""
    cut_days: Annotated[int, Field(ge=0)]
    """Of one piece: days at the demand's end that it does not see."""
    c_u: Annotated[list[Positive], Field(min_length=1)]
    l0: Annotated[list[Share], Field(min_length=1)]
    gate_c_u: Positive
    whole: WholeParams
    tracker: TrackerParams
    pieces: list[PieceKind]
    anchored: Overrides
    """That choose the exits that predict a distribution; the rest is ``anchored``'s."""
    separate: SeparateParams
    settings: Annotated[dict[str, Overrides], Field(min_length=1)]
    """Of the paper's exits, one for each c_u."""
    sweep: dict[str, Overrides]

    @model_validator(mode="after")
    def _it_fits_together(self) -> Self:
        if len(set(self.windows)) < len(self.windows):
            raise ValueError("worth.windows: one occurs twice")
        known = sorted(float(each.get("setting.c_u", 0)) for each in self.settings.values())
        if known != sorted(self.c_u):
            raise ValueError("worth.settings: give one with each setting.c_u of worth.c_u")
        if self.gate_c_u not in self.c_u:
            raise ValueError("worth.gate_c_u must be in worth.c_u")
        if self.whole.l0 not in self.l0:
            raise ValueError("worth.whole.l0 must be in worth.l0")
        return self
