"""All settings together: params.yaml is read, changed and checked."""

from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import ValidationError, model_validator

from ddnn.errors import ParamsError
from ddnn.params.demand import DownloadParams, SplitParams
from ddnn.params.experiments import CityRunParams, PaperParams, ScheduleParams, WorthParams
from ddnn.params.ranges import Group, Overrides
from ddnn.params.system import (
    AnchoredParams,
    DeepcogParams,
    EvaluateParams,
    GridParams,
    LabelParams,
    OffloaderParams,
    SettingParams,
    TrainParams,
)
from ddnn.serve_settings import ServeSettings


class Params(Group):
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
