"""Which models compete with each other, on which days, and which of two is the better one."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ddnn.errors import ParamsError
from ddnn.params import DownloadParams, Params, PenaltyParams, PerVnf
from tasks.run_record import demand_sha256


@dataclass(frozen=True)
class ChampionRef:
    """A registered version of a model."""

    name: str
    """Of the registered model: one per demand and setting."""
    version: int
    run_id: str
    cost: float
    """Mean hard cost per slot on the days that ``judged_on`` names."""
    judged_on: str
    series: str = ""
    """Digest of the series that it was trained on."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a challenge."""

    promoted: bool
    reason: str
    challenger_cost: float
    champion: ChampionRef | None
    """The champion before the challenge."""
    champion_cost: float | None
    """Of that champion, on the challenger's days; None when it cannot serve them."""


def model_name(params: Params) -> str:
    """Name the registered model: those that share it compete, because their costs compare.

    So it holds the demand and all that decides the cost, and nothing that is a means to lower it.
    """
    setting = params.setting
    parts = ["ddnn", demand_name(params.download), setting.cost]
    if setting.cost == "eq3":
        parts += [f"cu{_number(setting.c_u)}", f"co{_number(setting.c_o)}"]
    elif setting.cost == "eq2":
        parts += [f"gu-{_penalty(setting.g_u)}", f"go-{_penalty(setting.g_o)}"]
    return ".".join([*parts, f"N{setting.N}"])


def demand_name(download: DownloadParams) -> str:
    """Name the demand without reading it: as params.yaml says, else by where it comes from."""
    if download.name is not None:
        return download.name
    if download.source == "city":
        return f"city{download.city.squares}"
    if download.source == "matrix" and download.matrix.path is None:
        raise ParamsError("download.matrix: no place is given")
    if download.source == "milano_raw" and download.milano_raw.folder is None:
        raise ParamsError("download.milano_raw: no place is given")
    from ddnn.demand import sources  # with pandas: only where a file gives the name

    return sources.demand_name(download)


def series_digest(series: Iterable[str]) -> str:
    """Name a set of series, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(series)).encode()).hexdigest()[:16]


def judged_on(demand: Path, params: Params) -> str:
    """Name the days of a validation cost: only costs on equal days can be compared.

    Args:
        demand: Folder of the stage ``download``.
        params: The settings of the run.
    """
    facts = {
        "demand": demand_sha256(demand),
        "split": params.split.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def validation_cost(bundle: Path, demand: Path, params: Params) -> float:
    """Measure what a model would have cost on the newest calibration days of a demand.

    Two bundles are compared on the same scale: allocations in the user's units are brought to full
    scales by one scaling, that of the demand's own training days, whatever each bundle's own. Each
    decides by its own rule and L0, as it would if it were deployed, and as on unseen days.

    Args:
        bundle: Folder of an exported model.
        demand: Folder of the stage ``download``.
        params: Gives the cost and the split, for both models alike.

    Returns:
        Mean hard cost per slot, summed over the VNFs.

    Raises:
        ModelError: The model is for other series or slots.
        DemandError: The demand is too short for the split.
        ArtefactError: The bundle or the demand is damaged.
    """
    # Torch, and only here: the names above are wanted by commands that do without.
    from ddnn.cost import from_params
    from ddnn.demand import Scaling
    from ddnn.runtime.allocate import allocate, fit_demand
    from ddnn.runtime.models import load_unseen
    from tasks.prepared import read_and_split

    model = load_unseen(bundle)
    whole, split = read_and_split(demand, params)
    days = split.calibration
    first = max(0, days.start - model.wanted)
    seen = replace(
        whole,
        values=whole.values[first : days.stop],
        start=whole.start + first * whole.slot_seconds,
    )
    given = allocate(model, fit_demand(model, seen), model.decider())
    # The last row is for the slot after these days; the columns are in the model's order.
    columns = [given.series.index(name) for name in whole.series]
    scaling = Scaling.fit(whole.values[split.learn_slots.start : split.learn_slots.stop])
    y = scaling.scale(given.amounts[-1 - len(days) : -1, columns])
    d = scaling.scale(whole.values[days.start : days.stop])
    return float(from_params(params.setting, whole.vnfs)(y, d).mean())


def decide(
    champion: ChampionRef | None,
    champion_cost: float | None,
    challenger_cost: float,
    fault: str = "",
) -> Verdict:
    """Decide between champion and challenger: a tie keeps the champion.

    Args:
        champion: The present champion, if there is one.
        champion_cost: Its cost on the challenger's days; None if it cannot serve them.
        challenger_cost: The challenger's, on the same days.
        fault: Why the champion cannot serve them.
    """
    if champion is None:
        won, reason = True, "the first model for this demand and setting"
    elif champion_cost is None:
        won, reason = True, f"version {champion.version} cannot serve these days: {fault}"
    elif challenger_cost < champion_cost:
        won = True
        reason = f"{challenger_cost:.4g} is below {champion_cost:.4g} on the same validation days"
    else:
        won = False
        reason = f"{challenger_cost:.4g} is not below {champion_cost:.4g} on the same days"
    return Verdict(won, reason, challenger_cost, champion, champion_cost)


def _number(value: PerVnf) -> str:
    return _digest(value) if isinstance(value, list) else f"{value:g}"


def _penalty(penalty: PenaltyParams) -> str:
    exponent = "" if penalty.exponent is None else f"{penalty.exponent:g}"
    return f"{penalty.form}{exponent}x{_number(penalty.weight)}"


def _digest(values: list[float]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:8]
