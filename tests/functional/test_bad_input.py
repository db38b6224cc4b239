"""What a user can get wrong, at the command line: one line, no traceback, nothing half-written."""

import pytest
from functional_checkout import make_checkout

pytestmark = pytest.mark.functional


HOURS = [f"2024-05-{day:02d}T{hour:02d}:00:00Z" for day in range(1, 13) for hour in range(24)]
GOOD = "time,a,b\n" + "".join(f"{stamp},{i % 24},{i % 7}\n" for i, stamp in enumerate(HOURS))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, begin_home):
    return make_checkout(tmp_path_factory.mktemp("checkout"), begin_home)


def refuse(checkout, *command):
    said = checkout.run(*command, code=1)
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line.startswith("ddnn: ")]
    assert len(lines) == 1, said
    return lines[0]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (GOOD.replace(",5,", ",-5,", 1), ["row 7", "a"]),
        (GOOD + "2024-05-13T00:00:00Z,1\n", ["row 290"]),
        ("", ["empty"]),
        (GOOD[: GOOD.index("2024-05-03")], ["split"]),
    ],
)
def test_a_bad_file_is_refused_before_anything_is_written(checkout, content, named):
    (checkout.root / "mine.csv").write_text(content)
    said = refuse(checkout, "ddnn", "run", "--demand", "mine.csv")
    for word in ["mine", *named]:
        assert word in said, said
    home = checkout.root / ".ddnn"
    assert not list((home / "store" / "drafts").glob("*"))
    assert not (checkout.root / "reports").exists()
    assert not (checkout.root / "metrics").exists()


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["run", "--set", "setting.c_u=-1"], "setting.c_u"),
        (["run", "--set", "setting.w=2"], "setting.w"),
        (["run", "--set", "evaluate.l0=1.5"], "evaluate.l0"),
        (["run", "--set", "setting.nonsense=1"], "setting.nonsense"),
        (["run", "--set", "setting.c_u"], "GROUP.KEY=VALUE"),
        (["run", "--demand", "nowhere.csv", "--dry-run"], "nowhere.csv"),
        (["stage", "trian"], "trian"),
        (["stage", "grid"], "ddnn stage download"),
        (["allocate", "--demand", "nowhere.csv", "--out", "a.csv"], "nowhere.csv"),
    ],
)
def test_a_bad_command_says_what_to_do(checkout, command, named):
    assert named in refuse(checkout, "ddnn", *command)
