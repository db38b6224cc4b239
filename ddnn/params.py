"""The typed settings: what params.yaml may say, with units and ranges.

Declarations only. Code that computes never lives here, so that a new setting for one stage does
not make the others run again (the values that a stage uses are part of its key).
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ddnn.errors import ParamsError
from ddnn.serve_settings import ServeSettings

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
PerVnf = NonNegative | Annotated[list[NonNegative], Field(min_length=1)]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PenaltyParams(_Group):
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


class SettingParams(_Group):
    """What the stages share: the cost, the window, the weight of the exits, the seed."""

    cost: Literal["eq1", "eq2", "eq3"]
    c_u: PerVnf
    c_o: PerVnf
    g_u: PenaltyParams
    g_o: PenaltyParams
    N: Annotated[int, Field(ge=1)]
    w: Share
    seed: Annotated[int, Field(ge=0)]


class GapParams(_Group):
    """How missing demand is repaired."""

    policy: Literal["interpolate", "previous", "day_ago"]
    longest: Annotated[int, Field(ge=0)]
    """Longest gap that is repaired, in slots; a longer one is refused."""


class CityParams(_Group):
    """The synthetic city."""

    squares: Annotated[int, Field(ge=1)]
    days: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)]


class MatrixParams(_Group):
    """A matrix file of the user's own: time x series."""

    path: Path | None


class MilanoRawParams(_Group):
    """A folder of raw Milano day files."""

    folder: Path | None
    squares: Annotated[list[int], Field(min_length=1)] | None


Square = Annotated[int, Field(ge=1, le=10_000)]


class MilanoParams(_Group):
    """The published Milano days; all has a default, for records from before it was there."""

    host: Literal["dataverse", "zenodo"] = "dataverse"
    """``zenodo`` needs the package's extra of that name."""
    folder: Path | None = None
    """Where the days are kept; None: ``milano`` in the project's state folder."""
    days: tuple[date, date] | None = None
    """First and last day; None: all that are published."""
    keep_raw: bool = False
    """Keep the raw files, about 300 MB a day."""
    at_once: Annotated[int, Field(ge=1, le=8)] = 3
    """Files fetched at a time."""
    server: Annotated[str, Field(pattern=r"^https?://[^\s/]+$")] = "https://dataverse.harvard.edu"
    doi: Annotated[str, Field(pattern=r"^doi:\S+$")] = "doi:10.7910/DVN/EGZHFV"
    version: Annotated[str, Field(pattern=r"^\d+\.\d+$")] | None = None
    """Of the published set; None: the newest when its file list is first fetched."""

    @model_validator(mode="after")
    def _days_are_in_order(self) -> Self:
        if self.days is not None and self.days[0] > self.days[1]:
            raise ValueError("days: the first day comes after the last")
        return self


class SelectParams(_Group):
    """Which series are taken: exactly one of the four."""

    squares: Annotated[list[int | str], Field(min_length=1)] | None = None
    """Names of series (of a matrix: its columns), in this order."""
    block: tuple[Square, Square] | None = None
    """Squares of Milano at opposite corners of a rectangle."""
    polygon: Path | None = None
    """GeoJSON (WGS 84): the squares of Milano whose centre is in it."""
    random: Annotated[int, Field(ge=1)] | None = None
    """So many, by lot."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the lot."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = (self.squares, self.block, self.polygon, self.random)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("give one of squares, block, polygon and random")
        if self.squares is not None:
            names = [str(square) for square in self.squares]
            if len(set(names)) < len(names):
                raise ValueError("squares: one occurs twice; name it once")
        return self


class DownloadParams(_Group):
    """Where demand comes from."""

    source: Literal["city", "matrix", "milano", "milano_raw"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] | None
    timezone: str
    unit: str
    gaps: GapParams
    city: CityParams
    matrix: MatrixParams
    milano_raw: MilanoRawParams
    milano: MilanoParams = MilanoParams()
    select: SelectParams | None = None

    @field_validator("timezone")
    @classmethod
    def _timezone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("no time zone; write an IANA name, as Europe/Rome") from error
        return name

    @model_validator(mode="after")
    def _source_has_its_place(self) -> Self:
        if self.source == "matrix" and self.matrix.path is None:
            raise ValueError("source: matrix needs download.matrix.path")
        if self.source == "milano_raw" and self.milano_raw.folder is None:
            raise ValueError("source: milano_raw needs download.milano_raw.folder")
        if self.select is not None:
            if self.source == "city":
                raise ValueError("select: a city has as many squares as city.squares says")
            if self.source == "milano_raw" and self.milano_raw.squares is not None:
                raise ValueError("select and milano_raw.squares both choose; give one of them")
        return self


class SplitParams(_Group):
    """Training, validation, calibration and test, in days back from the last slot."""

    test_days: Annotated[int, Field(ge=1)]
    validation_days: Annotated[int, Field(ge=2)]
    calibration_days: Annotated[int, Field(ge=1)]
    paper_test_slots: bool

    @model_validator(mode="after")
    def _calibration_is_part_of_validation(self) -> Self:
        if self.calibration_days >= self.validation_days:
            raise ValueError("calibration_days must leave at least one of the validation_days")
        return self


class GridParams(_Group):
    """Placement of the VNFs on the regular grid."""

    placement: Literal["correlation", "random"]
    seed: Annotated[int, Field(ge=0)]


class SurrogateParams(_Group):
    """The differentiable stand-in for the hard cost, see ddnn/cost/surrogate.py."""

    name: Literal["ramp", "logistic"]
    width: Positive
    """Width of the step's ramp, in units of a VNF's full scale."""
    pull: NonNegative
    """Slope under the demand, where eq. (3) has none, in cost per full scale."""


Preset = Literal["paper", "table3", "anchored"]


class LikelihoodParams(_Group):
    """Joint-exit training by likelihood; see ddnn/anchored_training.py."""

    learning_rate: Positive = 0.002
    batch: Annotated[int, Field(ge=1)] = 64
    weight_decay: NonNegative = 0.003
    averaging: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay per step of the running mean of the weights."""


class CrossFittingParams(_Group):
    """Training on all days before the test; see ddnn/cross_fitting.py."""

    folds: Annotated[int, Field(ge=2)] = 3
    """Each leaves out as large a part of the days."""
    fold_epochs: Annotated[int, Field(ge=1)] = 20
    epochs: Annotated[int, Field(ge=1)] = 25
    """Of the exits that are used, on all days."""
    teaching: NonNegative = 1.0
    """Weight of the distance to the folds' mean beside the likelihood; 0: none."""


KnownRule = Literal["expected_benefit", "expected_cost"]


class AnchoredParams(_Group):
    """Of the preset ``anchored`` alone; all has a default, for records from before it was there."""

    training: LikelihoodParams = LikelihoodParams()
    cross_fitting: CrossFittingParams = CrossFittingParams()
    rules: Annotated[list[KnownRule], Field(min_length=1)] = ["expected_benefit", "expected_cost"]
    """What its edge may rank decisions by; each serves every L0."""


class TrainParams(_Group):
    """Joint-exit training, eq. (9)."""

    preset: Preset
    surrogate: SurrogateParams
    learning_rate: Positive
    batch: Annotated[int, Field(ge=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: NonNegative
    max_epochs: Annotated[int, Field(ge=1)]
    patience: Annotated[int, Field(ge=1)]


class DeepcogParams(_Group):
    """The centralised baseline; all else it takes from ``train``."""

    preset: Literal["paper", "table3", "deepcog_original"] | None


class LabelParams(_Group):
    """Algorithm 1."""

    days: Literal["validation", "training"]
    l0: Annotated[list[Share], Field(min_length=1)]
    critical: Literal["corrected", "literal"]


GateFeature = Literal["volume", "demand", "latent", "local"]


class OffloaderParams(_Group):
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


class BootstrapParams(_Group):
    """Block bootstrap over days."""

    samples: Annotated[int, Field(ge=100)]
    block_days: Annotated[int, Field(ge=1)]
    level: Annotated[float, Field(gt=0, lt=1)]


class EvaluateParams(_Group):
    """The deployed system, and how its costs are judged."""

    rule: str
    """``cloud``, ``edge``, ``random``; ``uncertainty_bB`` or ``optimized_FEATURE``, or, with the
    preset ``anchored``, one of ``anchored.rules``."""
    l0: Share
    bootstrap: BootstrapParams


class ScheduleParams(_Group):
    """Scheduled retraining."""

    cron: str
    new_days: Annotated[int, Field(ge=0)]


class SnapshotParams(_Group):
    """Figs. 5a and 5b: a gate that is looked at while it learns the training samples."""

    setting: str
    """One of ``settings``; its first seed is looked at."""
    l0: Share
    late_epoch: Annotated[int, Field(ge=2)]


Overrides = dict[str, Any]
"""Dotted keys (``setting.c_u``) with the values that they take."""


class PaperParams(_Group):
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


class SitesParams(_Group):
    """How a city's squares are cut into sites."""

    size: Annotated[int, Field(ge=1)]
    """Squares of a site, about: sizes differ by at most one, and nothing remains over."""
    by: Literal["place", "correlation"]
    """``place`` needs squares that are named by their ids in Milano's grid."""
    seed: Annotated[int, Field(ge=0)]
    """Of the cut by correlation."""


class CityRunParams(_Group):
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


class WholeParams(_Group):
    """The whole system whose worth is asked for: its gate."""

    rule: Literal["expected_benefit", "regressed_benefit"]
    l0: Share
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Probability with which the threshold's margin keeps L >= l0."""


class TrackerParams(_Group):
    """The threshold that follows a gate's scores."""

    memory_days: Positive
    horizon_days: Positive
    """Within which a shortfall is made up."""


class StoppingParams(_Group):
    """When a training that validation days judge ends."""

    max_epochs: Annotated[int, Field(ge=1)]
    patience: Annotated[int, Field(ge=1)]


class SeparateParams(_Group):
    """What a training for one cost alone does differently, see ddnn/cost_tuning.py."""

    likelihood: StoppingParams
    """Of the training that comes before the tuning."""
    surrogate: SurrogateParams
    learning_rate: Positive
    """Of the tuning on the cost."""
    max_epochs: Annotated[int, Field(ge=1)]
    patience: Annotated[int, Field(ge=1)]


PieceKind = Literal["alternatives", "anchored", "times", "separate", "exits", "gates", "sweep"]


class WorthParams(_Group):
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


class Params(_Group):
    """All of params.yaml."""

    setting: SettingParams
    download: DownloadParams
    split: SplitParams
    grid: GridParams
    train: TrainParams
    anchored: AnchoredParams = AnchoredParams()
    deepcog: DeepcogParams
    label: LabelParams
    offloader: OffloaderParams
    evaluate: EvaluateParams
    serve: ServeSettings
    schedule: ScheduleParams
    paper: PaperParams
    city: CityRunParams
    worth: WorthParams

    @model_validator(mode="after")
    def _the_deployed_rule_exists(self) -> Self:
        rules = ["cloud", "edge", "random"]
        if self.train.preset == "anchored":
            rules += self.anchored.rules
        else:
            rules += [f"uncertainty_b{passes}" for passes in self.offloader.mc_passes]
            rules += [f"optimized_{feature}" for feature in self.offloader.features]
        if self.evaluate.rule not in rules:
            raise ValueError(
                f"evaluate.rule must be one of {', '.join(rules)} with train.preset "
                f"{self.train.preset}"
            )
        if self.evaluate.rule.startswith("optimized") and self.evaluate.l0 not in self.label.l0:
            raise ValueError("evaluate.l0 must be in label.l0: an optimized gate serves one L0")
        return self

    @model_validator(mode="after")
    def _uncertainty_needs_dropout(self) -> Self:
        if self.offloader.mc_passes and self.train.dropout == 0:
            raise ValueError(
                "train.dropout is 0, which leaves the Uncertainty Rule without variance: raise it, "
                "or set offloader.mc_passes to []"
            )
        return self


def load_params(path: Path, overrides: Overrides | None = None) -> Params:
    """Read and check params.yaml.

    Args:
        path: The file.
        overrides: Dotted keys (``setting.c_u``) with values that replace the file's, for one run.

    Raises:
        ParamsError: The file cannot be read, or a key is unknown, missing or out of range.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParamsError(f"{path}: cannot be read as YAML: {_one_line(error)}") from error
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: expected groups of settings, found {type(values).__name__}")
    for dotted, value in (overrides or {}).items():
        _override(values, dotted, value, "--set")
    return parse_params(values, where=str(path))


def change_params(params: Params, overrides: Overrides, where: str) -> Params:
    """Give other settings: ``overrides`` replace those of ``params``.

    Raises:
        ParamsError: A key is unknown or a value out of range; ``where`` names the place.
    """
    values = params.model_dump(mode="json")
    for dotted, value in overrides.items():
        _override(values, dotted, value, where)
    return parse_params(values, where)


def parse_params(values: dict[str, Any], where: str = "params") -> Params:
    """Check settings that are already in memory; ``where`` names their place in an error."""
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise ParamsError(f"{where}: {_first_fault(error)}") from error


def _override(values: dict[str, Any], dotted: str, value: Any, where: str) -> None:
    *groups, last = dotted.split(".")
    place = values
    for depth, group in enumerate(groups, start=1):
        place = place.get(group)  # type: ignore[assignment]
        if not isinstance(place, dict):
            raise ParamsError(f"{where} {dotted}: there is no group {'.'.join(groups[:depth])}")
    if last not in place:
        raise ParamsError(f"{where} {dotted}: unknown setting; known here: {', '.join(place)}")
    place[last] = value


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    # Pydantic names the branch of a union (PerVnf) in the location: of no use to a reader.
    branches = ("constrained", "list[", "float", "function-after")
    place = ".".join(str(part) for part in fault["loc"] if not str(part).startswith(branches))
    said = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        said = "unknown setting; take it out, or look up its name in params.yaml"
    elif fault["type"] == "missing":
        said = "missing; params.yaml must give it"
    elif "input" in fault and not isinstance(fault["input"], dict):
        said += f", but is {fault['input']!r}"
    return f"{place}: {said}" if place else said


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
