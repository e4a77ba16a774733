"""python -m runners.forecast: values, steps, choices, pictures, and one line for every mistake."""

import csv
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from config.identity import to_plain
from data.tables import TableOptions, read_items
from models.byot import BYOTWrapper
from runners import forecast
from runners.checkpoint import build_model, load_model
from runners.command import run
from runners.timelines import Series, Timeline
from tests.small import POINT, small_config

NAN = np.nan
CONTEXT = 48  # of the model


def save_model(path="model.pt", *overrides, dtype="float32"):
    """An untrained model, as a checkpoint."""
    keys = ("MODEL.PARAM.max_context_length", "DATASET.PARAM.context_length")
    config = to_plain(small_config("run", *(f"{key}={CONTEXT}" for key in keys), *overrides))
    torch.manual_seed(0)
    model = build_model(config["MODEL"]["PARAM"])
    config["MODEL"]["DTYPE"] = dtype
    torch.save(
        {"format_version": 1, "model_state_dict": model.state_dict(), "config": config}, path
    )


@pytest.fixture(autouse=True)
def _with_model():
    save_model()


def walk(count, seed=0):
    """A series."""
    return np.random.default_rng(seed).normal(size=count).cumsum() + 10


def write_wide(columns, dates=None, path="in.csv"):
    """A wide file; NaN is an empty cell."""
    rows = np.array(list(columns.values())).T
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*["date"] * (dates is not None), *columns])
        for i, row in enumerate(rows):
            cells = ["" if np.isnan(value) else repr(float(value)) for value in row]
            writer.writerow([*([] if dates is None else [dates[i]]), *cells])


def hours(count, start="2024-03-01 00:00:00"):
    """Texts of hourly dates."""
    return [str(datetime.fromisoformat(start) + i * timedelta(hours=1)) for i in range(count)]


def call(*options, horizon=5, model="model.pt"):
    """Runs the command as from the shell; its status."""
    arguments = [model, "--data", "in.csv", "--horizon", str(horizon), "--out", "out.csv"]
    return run(forecast.main, [*arguments, *map(str, options)])


def read_out(path="out.csv"):
    """The header, and `{series: (steps, values [H, columns])}`; an empty cell is NaN."""
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    found = {}
    for name, step, *cells in rows:
        steps, values = found.setdefault(name, ([], []))
        steps.append(step)
        values.append([float(cell) if cell else NAN for cell in cells])
    return header, {name: (steps, np.array(values)) for name, (steps, values) in found.items()}


def predicted(values, horizon=5, model="model.pt"):
    """What the model itself says, [H, columns]: the median, then each quantile; or the point."""
    wrapper = load_model(model)
    found = wrapper.predict(torch.tensor(np.array([values])), horizon)[0].numpy()
    if wrapper.utp.quantiles is None:
        return found
    return np.concatenate([found[:, [wrapper.utp.quantiles.index(0.5)]], found], axis=1)


def assert_close(found, expected):
    """To rounding: batches of another size add in another order."""
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


# Values and steps


def test_values_are_the_models_on_the_same_tail(capsys):
    """Quantiles, series or steps would be mixed up, or another history be looked at."""
    columns = {name: walk(70, seed) * 10**seed for seed, name in enumerate(["b", "a", "c,d"])}
    write_wide(columns, hours(70))
    assert call(horizon=40) == 0  # the model forecasts 32 at once
    header, found = read_out()
    assert header == ["item_id", "timestamp", "predictions", "0.1", "0.5", "0.8"]
    assert list(found) == list(columns)
    for name, (steps, values) in found.items():
        assert_close(values, predicted(columns[name][-CONTEXT:], 40))
        assert steps == hours(40, "2024-03-03 22:00:00")
    assert capsys.readouterr().out == (
        "out.csv: 3 series, one step every hour, from 2024-03-03 22:00:00 to 2024-03-05 13:00:00\n"
    )


def test_shorter_context_and_small_batches(monkeypatch):
    """--context or --batch-size would be ignored, or a batch's forecasts land in other series."""
    sizes, predict = [], BYOTWrapper.predict
    monkeypatch.setattr(
        BYOTWrapper, "predict", lambda *args: sizes.append(len(args[1])) or predict(*args)
    )
    columns = {f"s{i}": walk(60, i) for i in range(5)}
    write_wide(columns, hours(60))
    assert call("--context", 20, "--batch-size", 2) == 0
    assert sizes == [2, 2, 1]
    for name, (_, values) in read_out()[1].items():
        assert_close(values, predicted(columns[name][-20:]))


def test_model_runs_as_it_was_trained(monkeypatch):
    """A model trained in bfloat16 would run slower, one in float32 lose digits."""
    modes, predict = [], BYOTWrapper.predict
    monkeypatch.setattr(
        BYOTWrapper,
        "predict",
        lambda *args: modes.append(torch.is_autocast_enabled("cpu")) or predict(*args),
    )
    monkeypatch.setattr("runners.command.has_bfloat16", lambda device: True)
    save_model("bfloat16.pt", dtype="bfloat16")
    write_wide({"a": walk(60)})
    for model, expected in (("bfloat16.pt", True), ("model.pt", False)):
        assert call(model=model) == 0
        assert modes.pop() is expected
        Path("out.csv").unlink()


def test_short_files_are_not_padded():
    """The first steps of a new sensor."""
    write_wide({"a": walk(7)}, hours(7))
    assert call() == 0
    assert_close(read_out()[1]["a"][1], predicted(walk(7)))


def test_missing_values_at_the_end_are_masked():
    """One late sensor would be forecast for other times than the others, or from NaN."""
    columns = {"a": walk(60), "late": walk(60, 1)}
    columns["late"][-3:] = NAN
    columns["late"][20] = np.inf
    write_wide(columns, hours(60))
    assert call() == 0
    found = read_out()[1]
    assert found["late"][0] == found["a"][0]
    assert_close(found["late"][1], predicted(columns["late"][-CONTEXT:]))


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
    assert_close(found["M1"][1], predicted(long[-CONTEXT:], 2))
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
    assert "in.csv: 2 of the last 48 rows are missing (one every hour)" in capsys.readouterr().err


def test_a_gap_longer_than_the_context(capsys):
    """The rows before it are beyond what the model looks back on."""
    values, dates = walk(130), hours(130, "2024-03-04 00:00:00")  # a Monday: no weekend is missing
    gone = np.arange(40, 120)
    write_wide({"a": np.delete(values, gone)}, np.delete(dates, gone))
    assert call() == 0
    values[gone] = NAN
    assert_close(read_out()[1]["a"][1], predicted(values[-CONTEXT:]))
    assert "38 of the last 48 rows are missing" in capsys.readouterr().err


def test_irregular_rows_are_an_error_that_counts_them_in_the_file(capsys):
    """A user would look for another row."""
    dates = hours(60)
    dates[40] = "2024-03-02 16:30:00"
    write_wide({"a": walk(60)}, dates)
    refuse(capsys, "row 42 (2024-03-02 16:30:00) 90 minutes")


def test_irregular_rows_out_of_sight_do_not_matter():
    """A file that has been regular for as long as the model looks back."""
    dates = hours(60)
    dates[3] = "2024-03-01 03:30:00"
    write_wide({"a": walk(60)}, dates)
    assert call() == 0


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


# Tables of other shapes


def write_long(series, path="in.csv", start="2024-03-01"):
    """A long file: `{name: (values, number of hours after the start)}`."""
    frames = []
    for name, (values, later) in series.items():
        first = pd.Timestamp(start) + pd.Timedelta(later, "h")
        times = pd.date_range(first, periods=len(values), freq="h")
        frames.append(pd.DataFrame({"item_id": name, "timestamp": times, "target": values}))
    pd.concat(frames).to_csv(path, index=False)


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
        assert_close(found[name][1], predicted(values[-CONTEXT:], 2))


def test_gaps_of_many_series_are_one_line(capsys):
    """A line for each of 100,000 series."""
    write_long({name: (walk(60, i), 0) for i, name in enumerate("abc")})
    lines = Path("in.csv").read_text().splitlines()
    gone = [1 + 30, 1 + 60 + 30, 1 + 60 + 31]  # one row of a, two rows of b
    Path("in.csv").write_text("\n".join(np.delete(lines, gone)) + "\n")
    assert call() == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "in.csv: 2 series have missing rows; of 'b' 2 of the last 48 rows are missing (one every "
        "hour), taken as missing values"
    )


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


def test_dates_and_times_of_one_table_get_one_form():
    """A column of dates and of times is read back as neither."""
    write_wide({"a": walk(60)}, hours(60), "in.csv")
    days = [str(np.datetime64("2024-01-01") + i) for i in range(60)]
    write_wide({"b": walk(60)}, days, "days.csv")
    assert call("--data", "in.csv", "days.csv", horizon=1) == 0
    assert read_out()[1]["b"][0] == ["2024-03-01 00:00:00"]


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


# Reading back


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
        median = predicted(columns[item.id][-CONTEXT:], 4)[:, 0]
        np.testing.assert_allclose(item.values, median, rtol=1e-4)
        if dates is None:
            assert item.times is None
        else:
            start = pd.Timestamp(dates[-1]) + pd.Timedelta(1, "h")
            assert list(item.times) == list(pd.date_range(start, periods=4, freq="h"))
    every = [item.id for item in read_items([out])]
    assert every[:3] == ["a/predictions", "a/0.1", "a/0.8"]
    assert len(every) == 9


def test_parquet_holds_times_and_single_precision():
    """Times as text would have to be parsed again; twice the digits would say nothing more."""
    write_wide({"a": walk(60)}, hours(60))
    assert call("--out", "out.parquet", horizon=3) == 0
    frame = pd.read_parquet("out.parquet")
    assert list(frame.columns) == ["item_id", "timestamp", "predictions", "0.1", "0.5", "0.8"]
    start = pd.Timestamp("2024-03-03 12:00:00")
    assert frame["timestamp"].tolist() == list(pd.date_range(start, periods=3, freq="h"))
    assert frame["0.8"].dtype == np.float32
    assert_close(frame.iloc[:, 2:].to_numpy(), predicted(walk(60)[-CONTEXT:], 3))


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
        assert_close(values, predicted(columns[name][-CONTEXT:]))


# Choices


def test_columns_are_chosen_by_name_in_the_given_order():
    """Forecasts of one series would have another's name."""
    columns = {f"s{i}": walk(60, i) for i in range(4)}
    write_wide(columns, hours(60))
    assert call("--columns", "s2", "s0", "s2") == 0
    found = read_out()[1]
    assert list(found) == ["s2", "s0"]
    assert_close(found["s2"][1], predicted(columns["s2"][-CONTEXT:]))


def test_quantiles_are_chosen_in_the_given_order():
    """A column would hold another quantile than it says."""
    write_wide({"a": walk(60)}, hours(60))
    assert call("--quantiles", 0.8, 0.1) == 0
    header, found = read_out()
    assert header[2:] == ["predictions", "0.8", "0.1"]
    assert_close(found["a"][1], predicted(walk(60)[-CONTEXT:])[:, [0, 3, 1]])


def test_point_mode(capsys):
    """Point models have no quantiles to name, to choose or to draw."""
    save_model("point.pt", POINT)
    write_wide({"a": walk(60)}, hours(60))
    assert call("--plot", "out.png", model="point.pt") == 0
    header, found = read_out()
    assert header == ["item_id", "timestamp", "predictions"]
    assert_close(found["a"][1], predicted(walk(60)[-CONTEXT:], model="point.pt"))
    assert Path("out.png").read_bytes().startswith(b"\x89PNG")
    Path("out.csv").unlink()
    refuse(capsys, "forecasts points", "--quantiles", 0.5, model="point.pt")


# Mistakes


def refuse(capsys, words, *options, **arguments):
    """Asserts status 2, one line with the words, and that nothing is written."""
    capsys.readouterr()
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    assert call(*options, **arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words in line
    assert before == {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--columns", "load", "temprature"], "'temprature'; did you mean temperature"),
        (["--columns", "xyz"], "'xyz'; there are temperature, load"),
        (["--quantiles", 0.1, 0.3], "--quantiles 0.3: the trained ones are 0.1, 0.5, 0.8"),
        (["--context", 0], "--context 0: must be 1 or more"),
        (["--context", 49], "--context 49: the model looks back on at most 48"),
        (["--batch-size", 0], "--batch-size 0: must be 1 or more"),
        (["--plot", "no/picture.png"], "--plot: there is no folder no"),
        (["--plot", "there.png"], "--plot: there.png is there already"),
        (["--plot", "picture.jpg"], "--plot: picture.jpg must end in .png"),
        (["--out", "no/out.csv"], "--out: there is no folder no"),
        (["--out", "in.csv"], "--out: in.csv is there already"),
        (["--out", "out.xlsx"], "out.xlsx: the name of a table to be written must end in .csv"),
        (["--timezone", "Berlin"], "--timezone 'Berlin': there is no such time zone"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(options, words, capsys):
    """Users would wait for a traceback, or lose the forecasts that were there."""
    write_wide({"temperature": walk(60), "load": walk(60, 1)}, hours(60))
    Path("there.png").write_text("someone's")
    refuse(capsys, words, *options)


def test_horizon_below_one(capsys):
    """The model would raise in the middle."""
    write_wide({"a": walk(60)})
    refuse(capsys, "--horizon 0: must be 1 or more", horizon=0)


def test_two_series_of_one_name(capsys):
    """Rows of the output would belong to either."""
    Path("in.csv").write_text("id,V1\nM1,1,2,3\nM1,4,5,6\n")
    refuse(capsys, "'M1'", "--layout", "m4")


def test_output_that_is_there_is_refused_before_the_checkpoint_is_read(capsys):
    """A long computation would end in nothing."""
    write_wide({"a": walk(60)})
    Path("out.csv").write_text("someone's")
    refuse(capsys, "--out: out.csv is there already", model="missing.pt")


def test_a_failing_write_leaves_nothing_behind(monkeypatch):
    """Half a forecast file looks like a whole one."""
    write_wide({"a": walk(60)})

    def full(file, *_):
        file.write(b"series")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(forecast, "write_long", full)
    assert call() == 1
    assert not list(Path().glob("*out.csv*")) + list(Path().glob(".*out.csv*"))


# Pictures


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
