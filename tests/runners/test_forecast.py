"""python -m runners.forecast: values, steps, choices, pictures, and one line for every mistake."""

import csv
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from config.identity import to_plain
from models.byot import BYOTWrapper
from runners import forecast
from runners.checkpoint import build_model, load_model
from runners.command import run
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
    """What the model itself says, [H, Q]."""
    return load_model(model).predict(torch.tensor(np.array([values])), horizon)[0].numpy()


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
    assert header == ["series", "timestamp", "q0.1", "q0.5", "q0.8"]
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
    assert header[1] == "step"
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
    values, dates = walk(130), hours(130)
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
            ["2024-03-31 01:00:00+00:00", "2024-03-31 02:00:00+00:00"],
        ),
    ],
)
def test_timestamps_are_written_in_the_files_style(dates, expected):
    """Times appear or vanish, or a time in UTC is taken for local."""
    write_wide({"a": [1.0, 2.0]}, dates)
    assert call(horizon=len(expected)) == 0
    assert read_out()[1]["a"][0] == expected


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
    assert header[2:] == ["q0.8", "q0.1"]
    assert_close(found["a"][1], predicted(walk(60)[-CONTEXT:])[:, [2, 0]])


def test_point_mode(capsys):
    """Point models have no quantiles to name, to choose or to draw."""
    save_model("point.pt", POINT)
    write_wide({"a": walk(60)}, hours(60))
    assert call("--plot", "out.png", model="point.pt") == 0
    header, found = read_out()
    assert header == ["series", "timestamp", "forecast"]
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
        (["--out", "there.png"], "--out: there.png is there already"),
        (["--out", "both.png", "--plot", "both.png"], "--plot: both.png is --out's file"),
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
    refuse(capsys, "two series are named 'M1'")


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
        assert_close(panel.quantiles[0.8], found[panel.title][1][:, 0])
        assert panel.history_x[-1] + np.timedelta64(1, "h") == panel.future_x[0]


@pytest.mark.parametrize(("horizon", "shown"), [(1, 48), (16, 48), (20, 60), (40, 100)])
def test_how_much_history_is_drawn(horizon, shown):
    """A long history would press the forecast to the margin."""
    steps = np.arange(200)
    one = forecast.Series("a", walk(100), steps[:100], steps[100 : 100 + horizon])
    (panel,) = forecast.panels_of([one], np.zeros((1, horizon, 1), np.float32), (None,))
    assert len(panel.history) == len(panel.history_x) == shown
    assert panel.history_x[-1] == 99
