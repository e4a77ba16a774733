"""What `runners.forecast` writes: tables that are read back, and pictures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.tables import TableOptions, read_items
from data.timelines import Series, Timeline
from runners import forecast
from tests.runners.forecasts import (
    CONTEXT,
    NAN,
    assert_close,
    call,
    hours,
    predicted,
    read_out,
    save_model,
    walk,
    write_wide,
)


@pytest.fixture(autouse=True)
def _with_model():
    save_model()


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (["2015/12/31", "2016/1/31"], ["2016-02-29", "2016-03-31"]),
        (["2016-01-01 21:00", "2016-01-01 22:00"], ["2016-01-01 23:00:00", "2016-01-02 00:00:00"]),
        (["2016-01-01 00:00", "2016-01-01 12:00"], ["2016-01-02 00:00:00"]),
        (
            ["2024-03-31T00:00+01:00", "2024-03-31T01:00+01:00"],
            ["2024-03-31 02:00:00+01:00", "2024-03-31 03:00:00+01:00"],
        ),
    ],
)
def test_timestamps_are_written_in_the_files_style(dates, expected):
    """Times appear or vanish, or an offset is lost."""
    write_wide({"a": [1.0, 2.0]}, dates)
    assert call(horizon=len(expected)) == 0
    assert read_out()[1]["a"][0] == expected


def test_dates_and_times_of_one_table_get_one_form():
    """A column of dates and of times is read back as neither."""
    write_wide({"a": walk(60)}, hours(60), "in.csv")
    days = [str(np.datetime64("2024-01-01") + i) for i in range(60)]
    write_wide({"b": walk(60)}, days, "days.csv")
    assert call("--data", "in.csv", "days.csv", horizon=1) == 0
    assert read_out()[1]["b"][0] == ["2024-03-01 00:00:00"]


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
@pytest.mark.parametrize("dates", [hours(60), [f"{one}+02:00" for one in hours(60)], None])
def test_forecasts_are_read_back(dates, ending):
    """What one command writes, the others could not take."""
    columns = {"a": walk(60), "b,c": walk(60, 1), "7": walk(60, 2)}
    write_wide(columns, dates)
    out = f"forecast{ending}"
    assert call("--out", out, "--quantiles", 0.1, 0.8, horizon=4) == 0
    items = list(read_items([out], TableOptions(target=("predictions",))))
    assert [item.id for item in items] == list(columns)
    for item in items:
        median = predicted(columns[item.id], 4)[:, 0]
        np.testing.assert_allclose(item.values, median, rtol=1e-4)
        if dates is None:
            assert item.times is None
        else:
            start = pd.Timestamp(dates[-1]) + pd.Timedelta(1, "h")
            assert list(item.times) == list(pd.date_range(start, periods=4, freq="h"))
    every = [item.id for item in read_items([out])]
    assert every[:3] == ["a/predictions", "a/0.1", "a/0.8"]
    assert len(every) == 9


@pytest.mark.parametrize(("step", "first"), [(1, (1010, 20)), (5, (11, 21)), (0.25, (11, 21))])
def test_a_counter_goes_on_and_is_read_back(step, first):
    """The forecast of step 1000 would be named 11; two series would be read as one."""
    counts = {"a": 1000 + step * np.arange(10), "b": step * np.arange(20)}
    rows = [f"{one},{at},{at % 7}" for one, steps in counts.items() for at in steps]
    Path("in.csv").write_text("\n".join(["item_id,time,y", *rows]))
    assert call(horizon=3) == 0
    items = list(read_items(["out.csv"], TableOptions(target=("predictions",))))
    assert [(item.id, len(item.values), item.counter) for item in items] == [
        ("a", 3, (first[0], 1)),
        ("b", 3, (first[1], 1)),
    ]


def test_parquet_holds_times_and_double_precision():
    """Times as text would have to be parsed again; a counter at 1e9 needs its digits."""
    write_wide({"a": walk(60)}, hours(60))
    assert call("--out", "out.parquet", horizon=3) == 0
    frame = pd.read_parquet("out.parquet")
    assert list(frame.columns) == ["item_id", "timestamp", "predictions", "0.1", "0.5", "0.8"]
    start = pd.Timestamp("2024-03-03 12:00:00")
    assert frame["timestamp"].tolist() == list(pd.date_range(start, periods=3, freq="h"))
    assert frame["0.8"].dtype == np.float64
    assert_close(frame.iloc[:, 2:].to_numpy(), predicted(walk(60), 3))


def test_times_of_several_zones_are_in_utc_in_parquet(monkeypatch):
    """A column of Parquet has one zone; the next part of the table would not fit to the first."""
    monkeypatch.setattr(forecast, "SERIES_PER_FRAME", 1)
    for name, offset in (("in", "+01:00"), ("other", "+03:00")):
        write_wide({name: walk(60)}, [f"{date}{offset}" for date in hours(60)], f"{name}.csv")
    assert call("--data", "in.csv", "other.csv", "--out", "out.parquet", horizon=1) == 0
    times = pd.read_parquet("out.parquet")["timestamp"].tolist()
    assert times == [pd.Timestamp("2024-03-03 11:00Z"), pd.Timestamp("2024-03-03 09:00Z")]


def test_many_series_are_written_in_parts(monkeypatch):
    """Each part would have a header, or its values belong to the series of another."""
    monkeypatch.setattr(forecast, "SERIES_PER_FRAME", 2)
    columns = {f"s{i}": walk(60, i) for i in range(5)}
    write_wide(columns, hours(60))
    assert call() == 0
    found = read_out()[1]
    assert list(found) == list(columns)
    for name, (_, values) in found.items():
        assert_close(values, predicted(columns[name]))


def test_a_failing_write_leaves_nothing_behind(monkeypatch):
    """Half a forecast file looks like a whole one."""
    write_wide({"a": walk(60)})

    def full(file, *_):
        file.write(b"series")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(forecast, "write_long", full)
    assert call() == 1
    assert not list(Path().glob("*out.csv*")) + list(Path().glob(".*out.csv*"))


def test_picture_of_several_series(monkeypatch):
    """At most four series, of those that have a forecast; the numbers are those of the file."""
    panels = []
    save = forecast.save_figure
    monkeypatch.setattr(
        forecast, "save_figure", lambda drawn, file: (panels.extend(drawn), save(drawn, file))
    )
    columns = {"dead": np.full(60, NAN)} | {f"s{i}": walk(60, i) for i in range(5)}
    write_wide(columns, hours(60))
    assert call("--plot", "out.png", "--quantiles", 0.8, horizon=20) == 0
    content = Path("out.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    width, height = (int.from_bytes(content[i : i + 4], "big") for i in (16, 20))
    assert (width, height) == (1500, 1575)
    assert 30_000 < len(content) < 1_000_000
    assert [panel.title for panel in panels] == ["s0", "s1", "s2", "s3"]
    found = read_out()[1]
    for i, panel in enumerate(panels):
        np.testing.assert_array_equal(panel.history, walk(60, i)[-CONTEXT:])
        assert list(panel.quantiles) == [0.1, 0.5, 0.8]  # all, whatever is written
        assert_close(panel.quantiles[0.8], found[panel.title][1][:, 1])
        assert panel.history_x[-1] + np.timedelta64(1, "h") == panel.future_x[0]


@pytest.mark.parametrize(("horizon", "shown"), [(1, 48), (16, 48), (20, 60), (40, 100)])
def test_how_much_history_is_drawn(horizon, shown):
    """A long history would press the forecast to the margin."""
    steps = np.arange(200)
    timeline = Timeline(steps[:100], steps[100 : 100 + horizon], steps[:100], None)
    one = Series("a", walk(100), timeline, "in.csv")
    (panel,) = forecast.panels_of([one], np.zeros((1, horizon, 1), np.float32), (None,))
    assert len(panel.history) == len(panel.history_x) == shown
    assert panel.history_x[-1] == 99
