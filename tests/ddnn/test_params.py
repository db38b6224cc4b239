"""params.yaml is the only place with settings: what it may say, and what it is told otherwise."""

from pathlib import Path

import pytest

from ddnn.errors import ParamsError
from ddnn.params import load_params, parse_params

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "params.yaml"


def test_the_shipped_settings_are_valid():
    assert load_params(SHIPPED).setting.N == 6


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("setting.c_u", -1, "setting.c_u"),
        ("setting.c_u", [1.0, -2.0], "setting.c_u"),
        ("setting.w", 1.2, "setting.w"),
        ("setting.w", -0.1, "setting.w"),
        ("setting.N", 0, "setting.N"),
        ("label.l0", [0.5, 1.5], "label.l0"),
        ("evaluate.l0", 2, "evaluate.l0"),
        ("evaluate.l0", 0.4, "label.l0"),
        ("evaluate.rule", "best", "evaluate.rule"),
        ("split.calibration_days", 6, "calibration_days"),
        ("download.source", "matrix", "download.matrix.path"),
        ("train.learning_rate", "fast", "train.learning_rate"),
        ("setting.g_u", {"form": "power"}, "exponent"),
        ("setting.c_o", float("nan"), "setting.c_o"),
        ("setting.c_o", float("inf"), "setting.c_o"),
        ("download.timezone", "Europe/Nowhere", "download.timezone"),
        ("download.select", {"random": 49}, "city.squares"),
        ("download.milano.days", ["2013-12-01", "2013-11-01"], "after the last"),
        ("download.milano.server", "dataverse.harvard.edu", "download.milano.server"),
        ("download.milano.at_once", 0, "download.milano.at_once"),
    ],
)
def test_a_setting_out_of_range_is_named(key, value, named):
    with pytest.raises(ParamsError) as caught:
        load_params(SHIPPED, {key: value})
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("select", "named"),
    [
        ({}, "one of squares, block, polygon and random"),
        ({"random": 49, "block": [1, 2]}, "one of squares, block, polygon and random"),
        ({"squares": [4142, "4142"]}, "occurs twice"),
        ({"block": [0, 2]}, "download.select.block"),
        ({"random": 0}, "download.select.random"),
        ({"lot": 3}, "download.select.lot: unknown setting"),
    ],
)
def test_a_selection_is_made_in_one_way(select, named):
    with pytest.raises(ParamsError) as caught:
        load_params(SHIPPED, {"download.source": "milano", "download.select": select})
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_ways_to_choose_raw_squares_are_refused():
    chosen = {"folder": "days", "squares": [1]}
    asked = {"download.source": "milano_raw", "download.milano_raw": chosen}
    with pytest.raises(ParamsError, match=r"select and milano_raw\.squares both choose"):
        load_params(SHIPPED, asked | {"download.select": {"random": 4}})


def test_settings_from_before_the_published_days_are_read():
    values = load_params(SHIPPED).model_dump(mode="json")
    del values["download"]["milano"], values["download"]["select"]
    assert parse_params(values) == load_params(SHIPPED)


@pytest.mark.parametrize("key", ["setting.c_x", "sitting.c_u", "setting.c_u.deep"])
def test_an_unknown_override_says_what_is_known(key):
    with pytest.raises(ParamsError, match=key.split(".")[0]):
        load_params(SHIPPED, {key: 1})


def test_an_unknown_key_in_the_file_is_refused(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(SHIPPED.read_text() + "\nnonsense: 1\n")
    with pytest.raises(ParamsError, match="nonsense: unknown setting"):
        load_params(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff\xfe", b"a: [1,", b"- 1\n- 2\n", b"!!python/object/apply:os.abort []"],
)
def test_a_file_that_is_no_settings_is_one_line(tmp_path, content):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ParamsError, match=r"nowhere\.yaml"):
        load_params(tmp_path / "nowhere.yaml")
