"""The benchmark of the pair: its bars come from what was measured, and page and JSON agree."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.page import shown
from benchmarks.serving import (
    METRICS,
    PAGE,
    PARTS,
    bar,
    main,
    measure,
    read_setup,
    table,
    table_iv_bars,
    write,
)
from ddnn.runtime.replay import Replayed
from tasks.stage import Stage

REPLAYED = Replayed(
    rule="optimized_volume",
    l0=0.5,
    rtt_ms=0.0,
    slots=10,
    local_share=0.5,
    fallbacks=0,
    equal_exits=1.0,
    difference=1e-7,
    mean_ms=1.4,
    p99_ms=2.0,
    round_trip_ms=0.9,
    formula_ms=1.0,
    paper_ms=0.5,
    sent_bytes=100.0,
    cost=3.0,
    edge_mb=90.0,
)


def test_a_bar_is_met_by_its_value() -> None:
    assert bar("x", 0.74, 0.75)["met"] and bar("x", 0.75, 0.75)["met"]
    assert not bar("x", 0.76, 0.75)["met"]
    assert bar("x", 1, 1, least=True)["met"]
    assert not bar("x", 0.999, 1, least=True)["met"]
    assert not bar("x", np.nan, 1)["met"] and not bar("x", np.nan, 1, least=True)["met"]


def test_table_iv_may_be_a_tenth_or_half_a_millisecond_off() -> None:
    def met(**changes: float) -> bool:
        return bool(table_iv_bars([replace(REPLAYED, **changes)])[-1]["met"])

    assert met()
    assert not met(mean_ms=1.6)
    assert met(mean_ms=43, formula_ms=40)
    assert not met(mean_ms=35, formula_ms=40)
    assert not table_iv_bars([REPLAYED, replace(REPLAYED, equal_exits=0.9)])[0]["met"]
    assert not table_iv_bars([REPLAYED, replace(REPLAYED, difference=2e-5)])[1]["met"]


def test_what_needs_no_process_is_measured(
    tiny_bundle: Path, tiny_stage: Stage, tmp_path: Path
) -> None:
    setup = read_setup(tiny_bundle, tiny_stage.inputs["download"], 30, quick=True)
    facts = measure(setup, ["parity", "decisions", "payloads"])

    bars = {row["bar"]: row for row in facts["bars"]}
    assert bars["ONNX halves, test period: equal decisions"]["value"] == 1
    # A quarter, and a scale for each channel of 24 values.
    assert 0.25 < bars["bytes of latent_int8 / latent"]["value"] < 0.32
    assert facts["payloads"]["demand"]["cost_change"] == pytest.approx(0, abs=1e-6)
    assert set(facts["decision"]["p50_ms"]) == {"eager", "fp32", "int8"}
    page = tmp_path / "page.md"
    shutil.copyfile(PAGE, page)
    write(facts, tmp_path / "serving.json", page)
    assert shown(page, "serving") == table(json.loads((tmp_path / "serving.json").read_text()))


def test_the_parts_of_the_command_are_those_of_the_table(
    tiny_bundle: Path, tiny_stage: Stage, tmp_path: Path
) -> None:
    """Faults and swaps with real processes, in small counts."""
    out = tmp_path / "serving.json"
    place = [f"--model={tiny_bundle}", f"--demand={tiny_stage.inputs['download']}"]
    main([*place, "--quick", "--part=soak", "--part=swap", f"--out={out}"])

    bars = json.loads(out.read_text())["bars"]
    assert all(row["met"] for row in bars if "memory" not in row["bar"])
    assert {"soak", "swap"} < set(PARTS)


def test_page_and_metrics_agree() -> None:
    expected = table(json.loads(METRICS.read_text())) if METRICS.is_file() else ""
    assert shown(PAGE, "serving") == expected
