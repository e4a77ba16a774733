"""`runners.forecast` on series of their own calendars and ends."""

from pathlib import Path

import numpy as np
import pytest

from tests.runners.forecasts import (
    NAN,
    assert_close,
    call,
    hours,
    predicted,
    read_out,
    refuse,
    save_model,
    walk,
    write_long,
    write_wide,
)


@pytest.fixture(autouse=True)
def _with_model():
    save_model()


def test_steps_of_files_without_dates():
    """Step numbers would start at 0 or 1 again."""
    write_wide({"a": walk(70)})
    assert call(horizon=2) == 0
    header, found = read_out()
    assert header == ["item_id", "step", "predictions", "0.1", "0.5", "0.8"]
    assert found["a"][0] == ["71", "72"]


def test_series_of_an_m4_file_end_where_they_end(capsys):
    """Each series goes on after its own last value, and is forecast from that alone."""
    long, short = walk(60), walk(9, 1)
    short[4] = NAN
    rows = [",".join([name, *("" if np.isnan(x) else repr(float(x)) for x in values)])
            for name, values in (("M1", long), ("M2", short), ("M3", walk(9, 2)))]  # fmt: skip
    Path("in.csv").write_text("\n".join(["id,V1", rows[1] + ",,", rows[0], rows[2], "M4,,"]) + "\n")
    assert call(horizon=2) == 0
    found = read_out()[1]
    assert [found[name][0] for name in found] == [
        ["10", "11"], ["61", "62"], ["10", "11"], ["1", "2"]
    ]  # fmt: skip
    assert_close(found["M1"][1], predicted(long, 2))
    assert_close(found["M2"][1], predicted(short, 2))
    assert_close(found["M3"][1], predicted(walk(9, 2), 2))
    assert np.isnan(found["M4"][1]).all()
    assert "from step 1 to 62" in capsys.readouterr().out


def test_series_without_values_has_empty_cells_and_is_said(capsys):
    """One dead sensor must not stop the others, nor be forecast from nothing."""
    dead = walk(60, 1)
    dead[-10:] = NAN
    write_wide({"a": walk(60), "dead": dead}, hours(60))
    assert call("--context", 10) == 0
    found = read_out()[1]
    assert np.isnan(found["dead"][1]).all()
    assert np.isfinite(found["a"][1]).all()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("in.csv: 1 series without a value among the last 10: dead")
    Path("out.csv").unlink()
    refuse(capsys, "no series has a value", "--context", 10, "--columns", "dead")


def test_missing_rows_are_filled_in_and_said(capsys):
    """Values before a gap would count as those just before the rows after it."""
    values, dates = walk(60), hours(60)
    gaps = [30, 31]
    write_wide({"a": np.delete(values, gaps)}, np.delete(dates, gaps))
    assert call("--context", 40) == 0
    values[gaps] = NAN
    steps, found = read_out()[1]["a"]
    assert steps[0] == "2024-03-03 12:00:00"
    assert_close(found, predicted(values[-40:]))
    assert "in.csv: 2 of the last 40 rows are missing (one every hour)" in capsys.readouterr().err


def test_a_gap_longer_than_the_context(capsys):
    """The rows before it are beyond what the model looks back on."""
    values, dates = walk(130), hours(130, "2024-03-04 00:00:00")  # a Monday: no weekend is missing
    gone = np.arange(40, 120)
    write_wide({"a": np.delete(values, gone)}, np.delete(dates, gone))
    assert call() == 0
    values[gone] = NAN
    assert_close(read_out()[1]["a"][1], predicted(values))
    assert "38 of the last 48 rows are missing" in capsys.readouterr().err


def test_irregular_rows_are_an_error_that_counts_them_in_the_file(capsys):
    """A user would look for another row."""
    dates = hours(60)
    dates[40] = "2024-03-02 16:30:00"
    write_wide({"a": walk(60)}, dates)
    refuse(capsys, "row 42 (2024-03-02 16:30:00) 90 minutes")


def test_each_series_of_a_long_table_goes_on_after_its_own_last_row():
    """Series that ended at different times would be forecast for the same ones."""
    series = {"a": (walk(60), 0), "b": (walk(30, 1), 5), "c": (walk(60, 2), 0)}
    write_long(series)
    assert call(horizon=2) == 0
    header, found = read_out()
    assert header[:3] == ["item_id", "timestamp", "predictions"]
    assert list(found) == ["a", "b", "c"]
    assert found["a"][0] == found["c"][0] == ["2024-03-03 12:00:00", "2024-03-03 13:00:00"]
    assert found["b"][0] == ["2024-03-02 11:00:00", "2024-03-02 12:00:00"]
    for name, (values, _) in series.items():
        assert_close(found[name][1], predicted(values, 2))


def test_irregular_rows_of_a_long_table_name_the_series(capsys):
    """Row 103 alone does not say which of a thousand series is meant."""
    write_long({"a": (walk(60), 0), "b": (walk(60), 0)})
    text = Path("in.csv").read_text().replace("b,2024-03-02 16:00:00", "b,2024-03-02 16:30:00")
    Path("in.csv").write_text(text)
    refuse(capsys, "in.csv, series 'b': ")
    refuse(capsys, "row 102 (2024-03-02 16:30:00) 90 minutes")


def test_series_of_several_files_are_one_table():
    """Only the first file would be forecast."""
    write_wide({"a": walk(60)}, hours(60), "in.csv")
    write_wide({"b": walk(30, 1)}, hours(30), "other.csv")
    assert call("--data", "in.csv", "other.csv", horizon=1) == 0
    found = read_out()[1]
    assert [(name, *found[name][0]) for name in found] == [
        ("a", "2024-03-03 12:00:00"), ("b", "2024-03-02 06:00:00")
    ]  # fmt: skip
    assert_close(found["b"][1], predicted(walk(30, 1), 1))


@pytest.mark.parametrize(
    ("dates", "words"),
    [
        (None, "in.csv has times without a time zone and other.csv has no times"),
        (
            [f"{date}+01:00" for date in hours(30)],
            "in.csv has times without a time zone and other.csv has times with a time zone",
        ),
    ],
)
def test_one_column_holds_one_kind_of_times(dates, words, capsys):
    """The forecasts could not be read back: half of the column would be something else."""
    write_wide({"a": walk(60)}, hours(60), "in.csv")
    write_wide({"b": walk(30, 1)}, dates, "other.csv")
    refuse(capsys, words, "--data", "in.csv", "other.csv")


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Berlin", ["2024-03-31 01:00:00+01:00", "2024-03-31 03:00:00+02:00"]),
        (None, ["2024-03-31 01:00:00+01:00", "2024-03-31 02:00:00+01:00"]),
    ],
)
def test_summer_time_is_known_of_named_zones_alone(zone, expected):
    """An hour that does not exist would be forecast, or a fixed offset guessed to change."""
    dates = [f"{date}+01:00" for date in hours(60, "2024-03-28 13:00:00")]
    write_wide({"a": walk(60)}, dates)
    assert call(*(["--timezone", zone] if zone else []), horizon=2) == 0
    assert read_out()[1]["a"][0] == expected


def test_freq_says_the_step_of_a_short_table(capsys):
    """A single row, or half of the rows missing, would have no way out."""
    write_wide({"a": [5.0]}, ["2024-01-31"])
    refuse(capsys, "--freq")
    assert call("--freq", "ME", horizon=2) == 0
    assert read_out()[1]["a"][0] == ["2024-02-29", "2024-03-31"]
