"""The stages: their order, what each stands on and which settings it may read.

One table serves Prefect's flow, dvc.yaml (written from it) and the keys of the store.
"""

from dataclasses import dataclass, replace

from ddnn.params import Params

_COST = tuple(f"setting.{key}" for key in ("cost", "c_u", "c_o", "g_u", "g_o"))


@dataclass(frozen=True)
class StageSpec:
    """A stage as the orchestrators see it; its work is ``run(stage)`` in its module."""

    name: str
    inputs: tuple[str, ...]
    """Stages that must be finished before it; their outputs are part of its key."""
    params: tuple[str, ...]
    """Dotted settings that it reads: no others decide its key."""
    family: str = ""
    """Package of the model family whose own module does the work; empty: of none."""

    @property
    def module(self) -> str:
        """The module that does the work."""
        return ".".join(filter(None, ["tasks", self.family, self.name]))


STAGES = (
    StageSpec("download", (), ("download",)),
    StageSpec("grid", ("download",), ("setting.N", "split", "grid")),
    StageSpec("train", ("download", "grid"), ("setting", "split", "train")),
    # w is not among deepcog's settings: it is 0 there, whatever the DDNN's.
    StageSpec(
        "deepcog",
        ("download", "grid"),
        (*_COST, "setting.N", "setting.seed", "split", "train", "deepcog"),
    ),
    StageSpec("alternatives", ("download", "grid"), (*_COST, "setting.N", "split")),
    StageSpec("label", ("download", "grid", "train"), (*_COST, "setting.N", "split", "label")),
    StageSpec(
        "offloader",
        ("download", "grid", "train", "label"),
        (*_COST, "setting.N", "setting.seed", "split", "label", "offloader"),
    ),
    StageSpec(
        "evaluate",
        ("download", "grid", "train", "deepcog", "alternatives", "label", "offloader"),
        ("setting", "split", "label", "offloader", "evaluate"),
    ),
    StageSpec(
        "export",
        ("download", "grid", "train", "offloader"),
        ("setting", "split", "label", "offloader", "evaluate.rule", "evaluate.l0", "download.gaps"),
    ),
    # The last one: it stands on all others, for the tracker logs them after it.
    StageSpec(
        "report",
        (
            "download",
            "grid",
            "train",
            "deepcog",
            "alternatives",
            "label",
            "offloader",
            "evaluate",
            "export",
        ),
        (
            "setting",
            "download",
            "split",
            "grid",
            "train",
            "deepcog",
            "label",
            "offloader",
            "evaluate",
        ),
    ),
)

SNAPSHOTS = StageSpec(
    "snapshots",
    ("download", "grid", "train"),
    (*_COST, "setting.N", "setting.seed", "split", "offloader", "paper.gate_snapshots"),
)
"""Of the paper's experiment alone."""

SITES = StageSpec(
    "sites", (), ("download", "split.test_days", "split.validation_days", "city.sites")
)
"""Of a whole city alone: reads its demand and cuts it into that of sites."""

SQUARES = StageSpec(
    "squares",
    ("download", "grid", "train", "alternatives", "offloader"),
    ("setting", "split", "offloader", "evaluate.rule", "evaluate.l0"),
)
"""Of a city's sites: what is served, square by square."""

_SPLIT = ("setting.N", "split")
_PRICES = ("setting.c_o", "worth.c_u")
_GATED = ("worth.l0", "worth.whole", "worth.tracker")
WORTH = (
    StageSpec("worth.window", ("download",), ("worth.cut_days",)),
    StageSpec(
        "worth.alternatives",
        ("download", "grid"),
        (*_SPLIT, *_PRICES, "worth.boosting_seeds"),
    ),
    StageSpec(
        "worth.decisions",
        ("download", "grid", "train"),
        (*_SPLIT, *_PRICES, "setting.seed", *_GATED),
    ),
    StageSpec("worth.times", ("download", "grid", "export"), (*_SPLIT, *_PRICES)),
    StageSpec(
        "worth.separate",
        ("download", "grid", "train"),
        (
            *_SPLIT,
            *_COST,
            "setting.w",
            "setting.seed",
            "train.preset",
            "anchored.training",
            "worth.separate",
        ),
    ),
    StageSpec("worth.exits", ("download", "grid", "train", "deepcog"), (*_SPLIT, *_COST)),
    StageSpec(
        "worth.gates",
        ("download", "grid", "train"),
        (*_SPLIT, *_COST, "setting.seed", "label", "offloader", *_GATED),
    ),
)
"""Of the rolling-origin evaluation alone; their ``download`` is the window's demand."""

BY_NAME = {spec.name: spec for spec in (*STAGES, SNAPSHOTS, SITES, SQUARES, *WORTH)}


_OWN = "anchored"

FAMILIES: dict[str, dict[str, StageSpec]] = {
    _OWN: {
        spec.name: spec
        for spec in (
            StageSpec(
                "train",
                ("download", "grid"),
                (
                    "setting.N",
                    "setting.w",
                    "setting.seed",
                    "split",
                    "train.preset",
                    "anchored.training",
                    "anchored.cross_fitting",
                ),
                _OWN,
            ),
            replace(BY_NAME["deepcog"], family=_OWN),
            replace(BY_NAME["label"], family=_OWN),
            StageSpec(
                "offloader",
                ("download", "grid", "train"),
                (*_COST, "setting.N", "split", "label.l0", "anchored.rules"),
                _OWN,
            ),
            replace(
                BY_NAME["evaluate"],
                params=("setting", "split", "label", "anchored.rules", "evaluate"),
                family=_OWN,
            ),
            replace(BY_NAME["export"], family=_OWN),
            replace(BY_NAME["report"], params=(*BY_NAME["report"].params, _OWN)),
        )
    }
}
"""By the preset that chooses the family: the stages that it runs otherwise than the others do."""


def spec_of(name: str, params: Params) -> StageSpec:
    """Give a stage as the family of the trained preset runs it."""
    return FAMILIES.get(params.train.preset, {}).get(name, BY_NAME[name])


def variants(name: str) -> list[StageSpec]:
    """Give a stage as every family runs it, that of the paper's presets first."""
    return [BY_NAME[name], *(family[name] for family in FAMILIES.values() if name in family)]


def stage_params(spec: StageSpec, params: Params) -> dict[str, object]:
    """Give the settings that decide a stage's outputs, by dotted name, as plain JSON values."""
    values = params.model_dump(mode="json")
    chosen: dict[str, object] = {}
    for dotted in spec.params:
        place: object = values
        for part in dotted.split("."):
            assert isinstance(place, dict)
            place = place[part]
        chosen[dotted] = place
    return chosen
