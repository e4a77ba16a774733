"""runners.evaluate on tables of other shapes: what is read, left out, and said."""

import pandas as pd
import pytest

from tests.runners.evaluation.tables import SHARED, without_model, write_table
from tests.runners.forecasts import save_model
from tests.small import BYOT_OFF

CASES = SHARED / "cases"


@pytest.fixture(autouse=True)
def _model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model("model.pt", BYOT_OFF, "MODEL.PARAM.max_context_length=256")


@pytest.fixture
def table(tmp_path):
    """See `write_table`."""
    return write_table(tmp_path / "table.csv")


SHORT = ["--context", 48, "--horizon", 8, "--stride", 4]


def test_a_long_table_gives_the_numbers_of_the_wide_one(table, tmp_path, capsys):
    """People who keep their data long could not be compared with those who keep it wide."""
    path, _ = table
    long = tmp_path / "long.csv"
    frame = pd.read_csv(path).melt("date", var_name="item_id", value_name="target")
    frame.to_csv(long, index=False)
    wide = without_model("--data", path, *SHORT)["results"]
    assert "season 7 (one step every day)" in capsys.readouterr().out
    found = without_model("--data", long, *SHORT)["results"]
    assert [row | {"file": "table.csv", "relative_latency": None} for row in found] == [
        row | {"relative_latency": None} for row in wide
    ]
    assert (wide[0]["channels"], wide[0]["season"]) == (3, 7)


def test_parts_of_one_table_are_joined_when_it_is_said(table, tmp_path):
    """Monthly files would be many short tables, or one that holds each series twice."""
    path, _ = table
    header, *rows = path.read_text().splitlines()
    parts = tmp_path / "parts"
    parts.mkdir()
    for name, part in (("1", rows[:250]), ("2", rows[250:])):
        (parts / f"{name}.csv").write_text("\n".join([header, *part]) + "\n")
    whole = without_model("--data", path, *SHORT)["results"]
    joined = without_model("--data", parts, *SHORT, "--files", "join")["results"]
    assert [row["file"] for row in joined] == ["parts"] * 3
    assert [row["mae"] for row in joined] == [row["mae"] for row in whole]
    apart = without_model("--data", parts, *SHORT)["results"]
    assert [row["file"] for row in apart] == ["1.csv"] * 3 + ["2.csv"] * 3


def test_what_is_left_out_is_said_once_for_all_horizons(table, capsys):
    """Nobody reads on after the tenth time."""
    path, _ = table
    lines = path.read_text().splitlines()
    lines[0] += ",flat"
    lines[1:] = [f"{line},1" for line in lines[1:]]
    del lines[300:303]
    path.write_text("\n".join(lines) + "\n")
    capsys.readouterr()
    found = without_model("--data", path, "--context", 48, "--horizon", 8, 9)["results"]
    assert {row["channels"] for row in found} == {3}
    assert capsys.readouterr().err.splitlines() == [
        f"{path}: 3 rows are missing (one every day), taken as missing values",
        f"{path}: 1 series left out, constant in the training part: flat",
    ]


def test_seasons_of_several_files(table, tmp_path, capsys):
    """One number would stand for all files."""
    path, _ = table
    other = tmp_path / "other.csv"
    other.write_text("x\n" + "\n".join(str(i * i % 7) for i in range(400)) + "\n")
    found = without_model("--data", path, other, *SHORT)
    assert found["season"] is None
    assert [row["season"] for row in found["results"]] == [7] * 3 + [1] * 3
    line = next(one for one in capsys.readouterr().out.splitlines() if "protocol" in one)
    assert "season 7 (one step every day) for table.csv" in line
    assert "seasonal naive is the last value) for other.csv" in line
    assert without_model("--data", path, other, *SHORT, "--season", 5)["season"] == 5


# Of its README: copies of one column, in another unit, or beside a column without a unit.
LIKE_95 = ["--context", 96, "--horizon", 24, "--stride", 8, "--season", 24]


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")
@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("93_eval_small_e-8.csv", None),
        ("90_eval_new_sensor.csv", "without a value in the training part"),
        ("91_eval_zero_in_training.csv", "constant in the training part"),
    ],
)
def test_cases_of_units(name, left_out, capsys):
    """Errors of 1e9 for a channel that has no unit, and of 0.001 for one in small units."""
    capsys.readouterr()
    _, last, _ = without_model("--data", CASES / name, *LIKE_95)["results"]
    if left_out is None:
        assert last["mse"] == pytest.approx(2.0765, abs=5e-5)
        assert last["mae"] == pytest.approx(1.1679, abs=5e-5)
        assert capsys.readouterr().err == ""
    else:
        assert last["channels"] == 1
        assert 0.5 < last["mae"] < 2
        assert left_out in capsys.readouterr().err


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")
def test_case_of_missing_rows(capsys):
    """The test part would be shifted by half a day, silently."""
    without_model("--data", CASES / "63_gap_eval.csv", *LIKE_95)
    assert "63_gap_eval.csv: 12 rows are missing (one every hour)" in capsys.readouterr().err
