"""From a user's file to allocations, or one line that says what to mend."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ddnn.demand import read_demand
from ddnn.errors import ArtefactError, DemandError, ModelError, ParamsError
from flows.allocation import allocate_file
from tasks.stage import Stage


@pytest.fixture
def frame(tiny_stage: Stage) -> pd.DataFrame:
    demand = read_demand(tiny_stage.inputs["download"])
    times = pd.to_datetime(demand.times, unit="s", utc=True).strftime("%Y-%m-%d %H:%M:%S")
    series = pd.DataFrame(demand.values, columns=list(demand.series))
    return pd.concat([pd.Series(times, name="time_utc"), series], axis=1)


@pytest.fixture
def file(frame: pd.DataFrame, tmp_path: Path) -> Path:
    frame.to_csv(tmp_path / "demand.csv", index=False)
    return tmp_path / "demand.csv"


def test_a_csv_becomes_allocations_in_its_own_style(
    file: Path, frame: pd.DataFrame, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"

    summary = allocate_file(file, out, tiny_bundle)

    table = pd.read_csv(out)
    assert list(table.columns) == ["time", "exit", *frame.columns[1:]]
    assert table["time"].tolist() == [*frame["time_utc"].iloc[4:], "2013-11-08 23:00:00"]
    assert set(table["exit"]) == {"local", "remote"}
    assert (table.iloc[:, 2:] >= 0).all(axis=None)
    assert summary.rows == len(table)
    assert summary.local_share == (table["exit"] == "local").mean()
    assert (summary.rule, summary.l0) == ("optimized_volume", 0.5)
    assert len(summary.model) == 12


def test_parquet_in_and_out_gives_the_same(
    file: Path, frame: pd.DataFrame, tiny_bundle: Path, tmp_path: Path
) -> None:
    typed = frame.assign(time_utc=pd.to_datetime(frame["time_utc"], utc=True))
    typed.to_parquet(tmp_path / "demand.parquet")

    allocate_file(file, tmp_path / "a.csv", tiny_bundle, "edge")
    allocate_file(tmp_path / "demand.parquet", tmp_path / "b.parquet", tiny_bundle, "edge")

    left, right = pd.read_csv(tmp_path / "a.csv"), pd.read_parquet(tmp_path / "b.parquet")
    np.testing.assert_array_equal(left.iloc[:, 2:].to_numpy(), right.iloc[:, 2:].to_numpy())


def test_the_wanted_share_is_followed(file: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    shares = [
        allocate_file(file, tmp_path / "out.csv", tiny_bundle, "random", l0).local_share
        for l0 in (0.0, 0.25, 0.75, 1.0)
    ]

    assert shares[0] == 0
    assert shares[3] == 1
    assert shares[1:3] == pytest.approx([0.25, 0.75], abs=0.1)


def test_short_gaps_are_repaired_and_counted(
    frame: pd.DataFrame, tiny_bundle: Path, tmp_path: Path
) -> None:
    holed = frame.drop(index=[50, 51])
    holed.loc[70, "vnf3"] = np.nan
    holed.to_csv(tmp_path / "holed.csv", index=False)

    summary = allocate_file(tmp_path / "holed.csv", tmp_path / "out.csv", tiny_bundle)

    assert summary.rows == len(frame) - 4 + 1
    assert (summary.repairs.missing_slots, summary.repairs.empty_cells) == (2, 1)
    assert "repaired in the demand: 2 missing slots, 1 empty cells" in str(summary)


def test_the_demands_warnings_are_told(
    frame: pd.DataFrame, tiny_bundle: Path, tmp_path: Path
) -> None:
    frame.assign(vnf3=7.0).to_csv(tmp_path / "still.csv", index=False)

    summary = allocate_file(tmp_path / "still.csv", tmp_path / "out.csv", tiny_bundle)

    assert "\nwarning: constant series: vnf3;" in str(summary)


def test_hourly_slots_that_begin_with_a_bare_date_keep_their_hours(
    frame: pd.DataFrame, tiny_bundle: Path, tmp_path: Path
) -> None:
    midnight = frame.iloc[1:].reset_index(drop=True)
    assert midnight.loc[0, "time_utc"] == "2013-11-01 00:00:00"
    midnight.loc[0, "time_utc"] = "2013-11-01"
    midnight.to_csv(tmp_path / "mixed.csv", index=False)

    allocate_file(tmp_path / "mixed.csv", tmp_path / "out.csv", tiny_bundle)

    table = pd.read_csv(tmp_path / "out.csv")
    assert table["time"].iloc[:2].tolist() == ["2013-11-01 04:00:00", "2013-11-01 05:00:00"]
    assert table["time"].is_unique


def test_long_gaps_are_refused_and_nothing_is_written(
    frame: pd.DataFrame, tiny_bundle: Path, tmp_path: Path
) -> None:
    frame.drop(index=range(50, 60)).to_csv(tmp_path / "holed.csv", index=False)

    with pytest.raises(DemandError, match=r"holed\.csv: row 52: 10 slots are missing"):
        allocate_file(tmp_path / "holed.csv", tmp_path / "out.csv", tiny_bundle)
    assert not (tmp_path / "out.csv").exists()


def test_other_series_are_refused_and_the_old_table_stays(
    frame: pd.DataFrame, tiny_bundle: Path, tmp_path: Path
) -> None:
    frame.rename(columns={"vnf2": "west"}).to_csv(tmp_path / "other.csv", index=False)
    (tmp_path / "out.csv").write_text("old")

    with pytest.raises(ModelError, match=r"other\.csv: there is no series 'vnf2'"):
        allocate_file(tmp_path / "other.csv", tmp_path / "out.csv", tiny_bundle)
    assert (tmp_path / "out.csv").read_text() == "old"


def test_a_damaged_model_is_refused(file: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    model = shutil.copytree(tiny_bundle, tmp_path / "model")
    (model / "thresholds.json").write_text("{}")

    with pytest.raises(ArtefactError, match=r"thresholds\.json: altered since the export"):
        allocate_file(file, tmp_path / "out.csv", model)


def test_a_missing_folder_is_told_before_the_demand_is_read(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(ParamsError, match="there is no folder"):
        allocate_file(tmp_path / "no.csv", tmp_path / "none" / "out.csv", tiny_bundle)
