"""Stage ``report``: one HTML file to read, the figures, and the files for comparing runs.

Writes report.html (needs no network), figures/*.png, summary.json, plots/*.csv: ``curves``
(rule, local_share, cost), ``history`` (epoch, costs of the exits), ``allocation`` (time, vnf, ...).
The sentences are chosen by the numbers, in ddnn/evaluation/wording.py.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from ddnn import figures
from ddnn.errors import ArtefactError
from ddnn.evaluation.points import SHARES
from ddnn.evaluation.summary import caption, cost_rows, setting_line, summary
from ddnn.evaluation.wording import (
    deployed,
    findings,
    headline,
    in_order,
    last_value_verdict,
    rule_name,
)
from ddnn.figures import Placement, Series
from ddnn.grid import RANDOM_PLACEMENTS, blocked, quality, random_grid
from ddnn.params import Params
from tasks.html import fill, inline
from tasks.registry import FAMILIES
from tasks.stage import Stage

_COSTS = ("local_cost", "remote_cost", "joint_cost")
_SHOWN_ALLOCATIONS = ("local", "remote")


@dataclass(frozen=True)
class _Read:
    """What the stages before have written."""

    evaluation: dict[str, Any]
    curves: pd.DataFrame
    slots: pd.DataFrame
    allocation: pd.DataFrame
    gate: pd.DataFrame
    history: pd.DataFrame
    deepcog: pd.DataFrame
    quality: dict[str, Any]
    placement: dict[str, Any]
    distances: Any

    @property
    def likelihood(self) -> bool:
        """Whether the exits were trained by likelihood, and so predict a distribution."""
        return "local_nll" in self.history

    @classmethod
    def of(cls, stage: Stage) -> "_Read":
        """Read them.

        Raises:
            ArtefactError: One is missing or cannot be read.
        """
        inputs = stage.inputs
        try:
            frames = {
                name: pd.read_parquet(inputs["evaluate"] / f"{name}.parquet")
                for name in ("curves", "slots", "allocation", "gate")
            }
            return cls(
                evaluation=_read_json(inputs["evaluate"] / "evaluation.json"),
                history=_over_trainings(pd.read_csv(inputs["train"] / "history.csv")),
                deepcog=pd.read_csv(inputs["deepcog"] / "history.csv"),
                quality=_read_json(inputs["download"] / "quality.json"),
                placement=_read_json(inputs["grid"] / "placement.json"),
                distances=load_file(inputs["grid"] / "distances.safetensors")["distances"],
                **frames,
            )
        except (OSError, ValueError, KeyError) as error:
            raise ArtefactError(f"the report lacks an output: {error}; run its stage") from error


def run(stage: Stage) -> None:
    """Write the report and all that belongs to it."""
    read, params = _Read.of(stage), stage.params
    pictures = _pictures(read, params)
    (stage.out / "figures").mkdir()
    for name, png in pictures.items():
        (stage.out / "figures" / f"{name}.png").write_bytes(png)
    (stage.out / "plots").mkdir()
    for name, table in _plots(read).items():
        table.to_csv(stage.out / "plots" / f"{name}.csv", index=False, lineterminator="\n")
    text = json.dumps(summary(read.evaluation), sort_keys=True, indent=2, allow_nan=False)
    (stage.out / "summary.json").write_text(text + "\n", encoding="utf-8")
    (stage.out / "report.html").write_text(_html(read, params, pictures), encoding="utf-8")


def _over_trainings(history: pd.DataFrame) -> pd.DataFrame:
    """Give a row for each epoch: where several trainings left days out, their mean."""
    if "training" not in history:
        return history
    watched = history.dropna(subset="joint_nll").drop(columns="training")
    mean = watched.groupby("epoch", as_index=False).mean()
    return mean.assign(best=(mean["epoch"] == mean["epoch"].max()).astype(int))


def _pictures(read: _Read, params: Params) -> dict[str, bytes]:
    """Draw every figure, by the name of its file."""
    evaluation = read.evaluation
    foot = f"{evaluation['demand']['name']}; {setting_line(evaluation['setting'])}"
    rule = rule_name(evaluation["deployed"]["rule"])
    drawn = {
        "cost_bars": figures.cost_bars(evaluation, foot),
        "performance_curves": figures.performance_curves(evaluation, _curves(read.curves), foot),
        "captures": figures.captures(evaluation, foot),
        "reached_share": figures.reached_share(evaluation, foot),
        "benefit": figures.benefit_over_time(
            _seconds(read.slots["time"]),
            read.slots["benefit"].to_numpy(),
            read.slots["local"].to_numpy(),
            evaluation["benefit"]["critical"],
            evaluation["demand"]["timezone"],
            f"{foot}; {rule}",
        ),
        "allocation": _allocation_picture(read, foot),
        "training": figures.training_history(_columns(read.history), _columns(read.deepcog), foot),
        "grid": figures.grid_picture(_placement(read, params), foot),
    }
    if "probability" in read.gate:
        drawn["probability"] = figures.probability_against_benefit(
            read.gate["probability"].to_numpy(),
            read.gate["benefit"].to_numpy(),
            float(evaluation["benefit"]["critical"] or 0.0),
            evaluation["deployed"]["u"],
            f"{foot}; {rule}, labelled days ({params.label.days})",
        )
    return drawn


def _allocation_picture(read: _Read, foot: str) -> bytes:
    demand, table = read.evaluation["demand"], read.allocation
    times = _seconds(table["time"].drop_duplicates())
    series = [
        Series(
            name=str(vnf),
            demand=rows["demand"].to_numpy(),
            allocations={name: rows[name].to_numpy() for name in _SHOWN_ALLOCATIONS},
        )
        for vnf, rows in table.groupby("vnf", sort=False)
    ]
    return figures.example_vnfs(times, series, demand["unit"], demand["timezone"], foot)


def _placement(read: _Read, params: Params) -> Placement:
    facts = read.placement
    vnfs = len(read.distances)
    # The very grids that the stage averaged over: the same seed, the same stream.
    rng = np.random.default_rng([params.grid.seed, 1])
    grids = (random_grid(vnfs, rng) for _ in range(RANDOM_PLACEMENTS))
    judge = blocked.quality if vnfs > blocked.MANY else quality
    chance = [judge(grid, read.distances).neighbour_correlation for grid in grids]
    return Placement(
        names=facts["series"],
        positions=np.asarray(facts["positions_on_grid"], dtype=np.float64),
        cells=np.asarray(facts["cells"], dtype=np.int64),
        rows=facts["rows"],
        columns=facts["columns"],
        neighbours=facts["on_grid"]["neighbour_correlation"],
        by_chance=np.array([value for value in chance if value is not None]),
    )


def _plots(read: _Read) -> dict[str, pd.DataFrame]:
    """Give the tables that ``dvc plots`` draws; curves at every 5 % of L."""
    curves = pd.concat(
        [
            pd.DataFrame({"rule": name, "local_share": at, "cost": np.interp(at, share, cost)})
            for name, (share, cost) in _curves(read.curves).items()
            for at in [SHARES[share[0] - 1e-9 <= SHARES]]
        ]
    )
    deepcog = read.deepcog[["epoch", "remote_cost"]].rename(columns={"remote_cost": "deepcog_cost"})
    columns = [name for name in read.history if name.split("_")[0] in ("local", "remote", "joint")]
    costs = [name for name in _COSTS if name not in columns]
    history = read.history[["epoch", *columns]].assign(**dict.fromkeys(costs, np.nan))
    return {
        "curves": curves,
        "history": history.merge(deepcog, on="epoch", how="outer").sort_values("epoch"),
        "allocation": read.allocation.assign(
            time=read.allocation["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        ),
    }


def _html(read: _Read, params: Params, pictures: dict[str, bytes]) -> str:
    evaluation = read.evaluation
    header, rows = cost_rows(evaluation)
    return fill(
        "report.html.j2",
        evaluation=evaluation,
        caption=caption(evaluation),
        headline=headline(evaluation),
        deployed=deployed(evaluation),
        verdict=last_value_verdict(evaluation),
        lost="loses" in evaluation["against_last_value"].values(),
        findings=findings(evaluation),
        header=header,
        rows=rows,
        points=_deployed_points(evaluation),
        effort=_effort(evaluation),
        quality=read.quality,
        placement=read.placement,
        params=params,
        settings=_settings(params, read.likelihood),
        likelihood=read.likelihood,
        deepcog=_deepcog(params),
        setting=setting_line(evaluation["setting"]),
        images={name: inline(png) for name, png in pictures.items()},
    )


def _deployed_points(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the deployed rule's points at every 10 % and at its own L0."""
    points = evaluation["rules"].get(evaluation["deployed"]["rule"], [])
    own = evaluation["deployed"]["L0"]
    return [p for p in points if round(p["L0"] * 100) % 10 == 0 or p["L0"] == own]


def _effort(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Give what a decision takes under each rule, at the deployed L0."""
    asked, rows = evaluation["deployed"]["L0"], []
    works = evaluation["latency"]["rules"]
    for name in in_order(works):
        points = evaluation["rules"].get(name, [])
        point = next((p for p in points if p["L0"] == asked), None)
        if point is None:
            continue
        rows.append(
            {
                "name": rule_name(name),
                "L": point["L"],
                "C": point["C"],
                "latency_ms": point["latency_ms"],
                "with_rule_ms": point["latency_with_rule_ms"],
                "macs": _rule_macs(evaluation, name, point["L"]),
                "sent": (1 - point["L"]) * evaluation["size"]["bytes"]["latent"],
            }
        )
    return rows


def _rule_macs(evaluation: dict[str, Any], name: str, local_share: float) -> int:
    """Count the rule's MACs a decision, with an F1 that it needs for what it sends away."""
    work = evaluation["latency"]["rules"][name]
    unused = (1 - local_share) * evaluation["size"]["F1"]["macs"] if work["reads_local"] else 0
    macs: int = round(work["macs"] + unused)
    return macs


def _deepcog(params: Params) -> str:
    """Say what network stands for DeepCog."""
    preset = params.deepcog.preset
    if preset == "deepcog_original":
        return "the public DeepCog network"
    if preset is None and params.train.preset in FAMILIES:
        return "the paper's layers trained with w = 0"
    if preset in (None, params.train.preset):
        return "the DDNN's own layers trained with w = 0"
    return f"the layers of the preset {preset}, not the DDNN's own, trained with w = 0"


def _settings(params: Params, likelihood: bool) -> list[tuple[str, str]]:
    """Give the settings that the report stands on, without paths: those are no part of a result."""
    own = ("anchored",) if likelihood else ("offloader",)
    groups = ("setting", "split", "grid", "train", "deepcog", "label", *own, "evaluate")
    values = params.model_dump(mode="json", include=set(groups))
    if params.setting.cost != "eq2":
        del values["setting"]["g_u"], values["setting"]["g_o"]
    return [
        (group, ", ".join(f"{key} {_plain(value)}" for key, value in values[group].items()))
        for group in groups
    ]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_plain(item)}" for key, item in value.items()) + ")"
    if isinstance(value, list):
        return "[" + ", ".join(map(_plain, value)) + "]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _curves(table: pd.DataFrame) -> dict[str, tuple[Any, Any]]:
    return {
        str(name): (rows["local_share"].to_numpy(), rows["cost"].to_numpy())
        for name, rows in table.groupby("curve", sort=False)
    }


def _columns(table: pd.DataFrame) -> dict[str, Any]:
    return {str(name): table[name].to_numpy(dtype=np.float64) for name in table}


def _seconds(times: Any) -> Any:
    return (times - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(seconds=1)


def _read_json(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values
