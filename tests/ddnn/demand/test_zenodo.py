"""Zenodo's copy, at the boundary of the library that fetches it; the real file needs a network.

Where cesnet-tszoo is installed, its own reader reads a file of the published form that is made
here. Else a stand-in gives what that reader gives: its parts were taken from version 2.3.0.
"""

import hashlib
import importlib.util
import sys
import types
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.milano_days import START
from ddnn.demand import zenodo
from ddnn.demand.zenodo import FILE, fetch_zenodo
from ddnn.errors import DemandError

SLOTS, IDS = 300, [3, 1, 2]
SHA256 = hashlib.sha256(b"all days").hexdigest()


def activity() -> np.ndarray:
    """300 slots of squares 1, 2, 3: a slot without any row, and a day without square 3."""
    values = np.random.default_rng(0).lognormal(0, 1, (SLOTS, 3))
    values[5] = np.nan
    values[7, 1] = np.nan
    values[144:288, 2] = np.nan
    return values


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> list[dict[str, Any]]:
    values = activity()
    asked: list[dict[str, Any]] = []

    class Dataset:
        metadata = types.SimpleNamespace(
            time_indices={"time": START + 600 * np.arange(SLOTS)},
            features=changes.get("features", {"id_time": "u4", "sms_in": "f8", "internet": "f8"}),
        )

        def get_available_ts_indices(self) -> Any:
            return {"ts_id": np.array(changes.get("ids", IDS), dtype=np.uint32)}

        def set_dataset_config_and_initialize(self, config: Any, **_: Any) -> None:
            self.config = config

        def get_all_numpy(self) -> np.ndarray:
            series = values[:, np.array(self.config.ts_ids) - 1].T
            found = np.zeros(series.shape, dtype=[("base_data", "f8", (1,))])
            found["base_data"] = series[:, :, None]
            return found

    def get_dataset(**how: Any) -> Dataset:
        asked.append(how)
        if changes.get("refuses"):
            raise RuntimeError("Could not download the dataset\n from any source")
        path = folder / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(changes.get("content", b"all days"))
        return Dataset()

    datasets: Any = types.ModuleType("cesnet_tszoo.datasets")
    datasets.TelecomItalia = types.SimpleNamespace(get_dataset=get_dataset)
    configs: Any = types.ModuleType("cesnet_tszoo.configs")
    configs.TimeBasedConfig = lambda **how: types.SimpleNamespace(**how)
    monkeypatch.setitem(sys.modules, "cesnet_tszoo", types.ModuleType("cesnet_tszoo"))
    monkeypatch.setitem(sys.modules, "cesnet_tszoo.datasets", datasets)
    monkeypatch.setitem(sys.modules, "cesnet_tszoo.configs", configs)
    monkeypatch.setattr(zenodo, "_SERIES_AT_ONCE", 2)
    return asked


def check(folder: Path, sha256: str) -> None:
    found = fetch_zenodo(folder, sha256=sha256)
    assert [day.squares.tolist() for day in found] == [[1, 2, 3], [1, 2], [1, 2, 3]]
    assert [len(day.times) for day in found] == [143, 144, 12]
    values = np.concatenate([day.read(np.array([1, 2, 3])) for day in found])
    assert np.array_equal(values, np.nan_to_num(np.delete(activity(), 5, axis=0)))
    assert found[0].origin.checksum == f"sha256:{sha256}"
    second = date(2013, 11, 2)
    assert len(fetch_zenodo(folder, (second, second), sha256=sha256)) == 1
    assert not (folder / FILE).exists()


def test_the_days_are_cut_from_the_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = stand_in(tmp_path, monkeypatch)
    check(tmp_path, SHA256)
    assert len(asked) == 1  # what is stored is not fetched again
    assert asked[0]["download_source"] == "zenodo"
    with pytest.raises(DemandError, match=r"no day of download\.milano\.days"):
        fetch_zenodo(tmp_path, (date(2015, 1, 1), date(2015, 1, 2)), sha256=SHA256)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"content": b"other"}, "SHA-256 is not the published one"),
        ({"refuses": True}, "Could not download the dataset from any source; run again"),
        ({"features": {"sms": "f8"}}, "0 of its columns are named for internet"),
        ({"ids": [0, 1, 2]}, "do not bear the ids of squares"),
    ],
)
def test_another_copy_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    stand_in(tmp_path, monkeypatch, **changes)
    with pytest.raises(DemandError, match=said):
        fetch_zenodo(tmp_path, sha256=SHA256)
    assert not list((tmp_path / "days").glob("*.parquet"))


@pytest.mark.skipif(
    importlib.util.find_spec("cesnet_tszoo") is not None, reason="cesnet-tszoo is installed"
)
def test_the_missing_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(DemandError, match="pip install cesnet-tszoo"):
        fetch_zenodo(tmp_path)


@pytest.mark.filterwarnings("ignore")  # the library's own
def test_the_librarys_own_reader_reads_such_a_file(tmp_path: Path) -> None:
    pytest.importorskip("cesnet_tszoo", reason="needs the extra zenodo")
    tables = pytest.importorskip("tables")
    path = tmp_path / FILE
    path.parent.mkdir(parents=True)
    values = activity()
    times = np.zeros(SLOTS, dtype=[("id_time", "u4"), ("time", "i8")])
    times["id_time"], times["time"] = np.arange(SLOTS), START + 600 * np.arange(SLOTS)
    ranges = np.zeros(3, dtype=[("ts_id", "u4"), ("start", "u8"), ("end", "u8")])
    rows = []
    for place, square in enumerate(IDS):
        there = np.flatnonzero(~np.isnan(values[:, square - 1]))
        row = np.zeros(
            len(there),
            dtype=[("ts_id", "u4"), ("id_time", "u4"), ("sms_in", "f8"), ("internet", "f8")],
        )
        row["ts_id"], row["id_time"], row["internet"] = square, there, values[there, square - 1]
        start = sum(map(len, rows))
        ranges[place] = square, start, start + len(there)
        rows.append(row)
    with tables.open_file(str(path), "w") as file:
        file.create_group("/", "times")
        file.create_table("/times", "times_10_minutes", times)
        group = file.create_group("/", "service_provider")
        identifiers = np.zeros(3, dtype=[("ts_id", "u4")])
        identifiers["ts_id"] = IDS
        file.create_table(group, "identifiers", identifiers)
        file.create_table(group, "id_ranges_agg_10_minutes", ranges)
        file.create_table(group, "agg_10_minutes", np.concatenate(rows))
    check(tmp_path, hashlib.sha256(path.read_bytes()).hexdigest())
