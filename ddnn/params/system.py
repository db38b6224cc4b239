"""Settings of the system: cost, grid, exits, gates, and how it is judged."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ddnn.params.ranges import Group, NonNegative, PerVnf, Positive, Share


class PenaltyParams(Group):
    """One side of eq. (2): ``weight * x ** exponent`` of the distance x from the demand."""

    form: Literal["constant", "linear", "quadratic", "power"]
    weight: PerVnf = 1.0
    exponent: NonNegative | None = None
    """For ``power`` only."""

    @model_validator(mode="after")
    def _exponent_goes_with_power(self) -> Self:
        if (self.form == "power") != (self.exponent is not None):
            raise ValueError("give `exponent` with form: power, and only there")
        return self


class SettingParams(Group):
    """What the stages share: the cost, the window, the weight of the exits, the seed."""

    cost: Literal["eq1", "eq2", "eq3"]
    c_u: PerVnf
    c_o: PerVnf
    g_u: PenaltyParams
    g_o: PenaltyParams
    N: Annotated[int, Field(ge=1)]
    w: Share
    seed: Annotated[int, Field(ge=0)]


class GridParams(Group):
    """Placement of the VNFs on the regular grid."""

    placement: Literal["correlation", "random"]
    seed: Annotated[int, Field(ge=0)]


class SurrogateParams(Group):
    """The differentiable stand-in for the hard cost, see ddnn/cost/surrogate.py."""

    name: Literal["ramp", "logistic"]
    width: Positive
    """Width of the step's ramp, in units of a VNF's full scale."""
    pull: NonNegative
    """Slope under the demand, where eq. (3) has none, in cost per full scale."""


Preset = Literal["paper", "table3", "anchored"]


class LikelihoodParams(Group):
    """Joint-exit training by likelihood; see ddnn/training/anchored.py."""

    learning_rate: Positive = 0.002
    batch: Annotated[int, Field(ge=1)] = 64
    weight_decay: NonNegative = 0.003
    averaging: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay per step of the running mean of the weights."""


class CrossFittingParams(Group):
    """Training on all days before the test; see ddnn/training/cross_fitting.py."""

    folds: Annotated[int, Field(ge=2)] = 3
    """Each leaves out as large a part of the days."""
    fold_epochs: Annotated[int, Field(ge=1)] = 20
    epochs: Annotated[int, Field(ge=1)] = 25
    """Of the exits that are used, on all days."""
    teaching: NonNegative = 1.0
    """Weight of the distance to the teacher beside the likelihood; 0: none."""
    advice: Share = 0.0
    """Of boosted trees in the teacher, beside the folds' mean; 0: none are fitted, as of old."""
    advisers: Annotated[int, Field(ge=1)] = 2
    """Boostings whose mean the advice is."""


KnownRule = Literal["expected_benefit", "expected_cost"]


class AnchoredParams(Group):
    """Of the preset ``anchored`` alone; all has a default, for records from before it was there."""

    training: LikelihoodParams = LikelihoodParams()
    cross_fitting: CrossFittingParams = CrossFittingParams()
    rules: Annotated[list[KnownRule], Field(min_length=1)] = Field(
        default=["expected_benefit", "expected_cost"]
    )
    """What its edge may rank decisions by; each serves every L0."""


class TrainParams(Group):
    """Joint-exit training, eq. (9)."""

    preset: Preset
    surrogate: SurrogateParams
    learning_rate: Positive
    batch: Annotated[int, Field(ge=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: NonNegative
    max_epochs: Annotated[int, Field(ge=1)]
    patience: Annotated[int, Field(ge=1)]


class DeepcogParams(Group):
    """The centralised baseline; all else it takes from ``train``."""

    preset: Literal["paper", "table3", "deepcog_original"] | None


class LabelParams(Group):
    """Algorithm 1."""

    days: Literal["validation", "training"]
    l0: Annotated[list[Share], Field(min_length=1)]
    critical: Literal["corrected", "literal"]


GateFeature = Literal["volume", "demand", "latent", "local"]


class OffloaderParams(Group):
    """The gates of the Optimized Rule and the passes of the Uncertainty Rule."""

    features: Annotated[list[GateFeature], Field(min_length=1)]
    hidden: Annotated[int, Field(ge=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    learning_rate: Positive
    batch: Annotated[int, Field(ge=1)]
    max_epochs: Annotated[int, Field(ge=1)]
    patience: Annotated[int, Field(ge=1)]
    mc_passes: list[Annotated[int, Field(ge=2)]]
    """One Uncertainty Rule for each; may be empty, as without dropout it must."""
    variance_ddof: Literal[0, 1]


class BootstrapParams(Group):
    """Block bootstrap over days."""

    samples: Annotated[int, Field(ge=100)]
    block_days: Annotated[int, Field(ge=1)]
    level: Annotated[float, Field(gt=0, lt=1)]


class EvaluateParams(Group):
    """The deployed system, and how its costs are judged."""

    rule: str
    """``cloud``, ``edge``, ``random``; ``uncertainty_bB`` or ``optimized_FEATURE``, or, with the
    preset ``anchored``, one of ``anchored.rules``."""
    l0: Share
    bootstrap: BootstrapParams
