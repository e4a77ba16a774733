"""`runners.forecast`: the values, and the options that choose them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from models.utp import UTP
from runners.forecaster import Forecaster
from tests.runners.forecasts import (
    CONTEXT,
    NAN,
    assert_close,
    call,
    hours,
    predicted,
    read_out,
    refuse,
    save_model,
    walk,
    write_wide,
)
from tests.small import POINT


@pytest.fixture(autouse=True)
def _with_model():
    save_model()


def forecast_anew(*options, **arguments):
    """Calls the command, and gives what it wrote: `{series: values}`."""
    Path("out.csv").unlink(missing_ok=True)
    assert call(*options, **arguments) == 0
    return {name: values for name, (_, values) in read_out()[1].items()}


def test_values_are_the_models_on_the_same_tail(capsys):
    """Quantiles, series or steps would be mixed up, or another history be looked at."""
    columns = {name: walk(70, seed) * 10**seed for seed, name in enumerate(["b", "a", "c,d"])}
    write_wide(columns, hours(70))
    assert call("--rollout", "median", horizon=40) == 0  # the model forecasts 32 at once
    header, found = read_out()
    assert header == ["item_id", "timestamp", "predictions", "0.1", "0.5", "0.8"]
    assert list(found) == list(columns)
    for name, (steps, values) in found.items():
        assert_close(values, predicted(columns[name], 40))
        assert steps == hours(40, "2024-03-03 22:00:00")
    assert capsys.readouterr().out == (
        "out.csv: 3 series, one step every hour, from 2024-03-03 22:00:00 to 2024-03-05 13:00:00\n"
    )


def test_command_and_api_give_the_same_numbers():
    """A notebook and a shell would forecast different things from one checkpoint."""
    columns = {"a": walk(70), "b": walk(70, 1) * 1e6, "short": walk(70, 2)}
    columns["short"][:50] = NAN
    write_wide(columns, hours(70))
    forecaster = Forecaster.from_checkpoint("model.pt")
    for options, arguments in (
        ([], {}),
        (["--rollout", "median"], {"rollout": "median"}),
        (["--paths", 3, "--seed", 5], {"num_paths": 3, "seed": 5}),
    ):
        found = forecast_anew(*options, horizon=70)
        values = forecaster.predict_quantiles(list(columns.values()), 70, **arguments)
        for row, name in zip(values, columns, strict=True):
            assert_close(found[name][:, 1:], row)
            assert_close(found[name][:, 0], row[:, 1])
    frame = pd.read_csv("in.csv").melt("date", var_name="item_id", value_name="target")
    from_frame = forecaster.predict_df(
        frame, 70, timestamp_column="date", num_paths=3, seed=5
    ).set_index("item_id")
    for name in columns:
        assert_close(found[name], from_frame.loc[name, ["predictions", "0.1", "0.5", "0.8"]])


def test_paths_are_rolled_beyond_one_pass_unless_the_median_is_asked_for():
    """--rollout, --paths or --seed would be ignored."""
    write_wide({"a": walk(60)}, hours(60))
    default = forecast_anew(horizon=70)["a"]
    median = forecast_anew("--rollout", "median", horizon=70)["a"]
    two = forecast_anew("--paths", 2, horizon=70)["a"]
    other = forecast_anew("--seed", 1, horizon=70)["a"]
    for one in (median, two, other):
        np.testing.assert_array_equal(one[:, :1], default[:, :1])  # the median
        np.testing.assert_array_equal(one[:32], default[:32])  # the first pass
        assert (one[32:] != default[32:]).any()
    assert (np.diff(default[:, 1:]) >= 0).all()


def test_shorter_context_and_small_batches(monkeypatch):
    """--context or --batch-size would be ignored, or a batch's forecasts land in other series."""
    sizes, roll = [], UTP.roll
    monkeypatch.setattr(UTP, "roll", lambda *args: sizes.append(len(args[1])) or roll(*args))
    columns = {f"s{i}": walk(60, i) for i in range(5)}
    write_wide(columns, hours(60))
    assert call("--context", 20, "--batch-size", 2) == 0
    assert sizes == [2, 2, 1]
    for name, (_, values) in read_out()[1].items():
        assert_close(values, predicted(columns[name][-20:]))


def test_model_runs_as_it_was_trained(monkeypatch):
    """A model trained in bfloat16 would run slower, one in float32 lose digits."""
    modes, roll = [], UTP.roll
    monkeypatch.setattr(
        UTP, "roll", lambda *args: modes.append(torch.is_autocast_enabled("cpu")) or roll(*args)
    )
    monkeypatch.setattr("runners.forecaster.has_bfloat16", lambda device: True)
    save_model("bfloat16.pt", dtype="bfloat16")
    write_wide({"a": walk(60)})
    for model, expected in (("bfloat16.pt", True), ("model.pt", False)):
        forecast_anew(model=model)
        assert modes.pop() is expected


def test_short_files_are_padded_as_in_training():
    """The first steps of a new sensor: a model that never saw a short row is 8 % worse."""
    write_wide({"a": walk(7)}, hours(7))
    assert_close(forecast_anew()["a"], predicted(walk(7)))


def test_missing_values_at_the_end_are_masked():
    """One late sensor would be forecast for other times than the others, or from NaN."""
    columns = {"a": walk(60), "late": walk(60, 1)}
    columns["late"][-3:] = NAN
    columns["late"][20] = np.inf
    write_wide(columns, hours(60))
    assert call() == 0
    found = read_out()[1]
    assert found["late"][0] == found["a"][0]
    assert_close(found["late"][1], predicted(columns["late"]))


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_units_do_not_matter(ending):
    """A price of 1e-8 would be a line, a counter at 1e9 lose its digits in the file."""
    values = np.round(walk(60) * 1024) / 1024  # exact at a level of 1e9
    spread = values[-CONTEXT:].std()
    scales = [(1e-30, 0.0), (1e-8, 1e6), (1.0, 1e9), (1e30, 1.0)]
    columns = {f"{a} {b}": a * (values + b * spread) for a, b in scales}
    write_wide({"plain": values} | columns, hours(60))
    assert call("--out", f"forecast{ending}", horizon=40) == 0
    read = pd.read_csv if ending == ".csv" else pd.read_parquet
    found = {
        name: rows.iloc[:, 2:].to_numpy()
        for name, rows in read(f"forecast{ending}").groupby("item_id")
    }
    for a, b in scales:
        moved = found[f"{a} {b}"] / a - b * spread
        np.testing.assert_allclose(moved, found["plain"], rtol=0, atol=1e-5 * spread)


def test_constants_forecast_themselves():
    """Zeros would be forecast as -1.2 to 1.2."""
    columns = {"zero": np.zeros(60), "tenth": np.full(60, 0.1), "large": np.full(60, -1e9)}
    write_wide(columns, hours(60))
    found = forecast_anew("--quantiles", 0.1, 0.3, 0.77, horizon=40)
    for name, values in columns.items():
        assert (found[name] == values[0]).all()


def test_columns_are_chosen_by_name_in_the_given_order():
    """Forecasts of one series would have another's name."""
    columns = {f"s{i}": walk(60, i) for i in range(4)}
    write_wide(columns, hours(60))
    found = forecast_anew("--columns", "s2", "s0", "s2")
    assert list(found) == ["s2", "s0"]
    assert_close(found["s2"], predicted(columns["s2"]))


def test_quantiles_are_chosen_in_the_given_order_and_interpolated():
    """A column would hold another quantile than it says."""
    write_wide({"a": walk(60)}, hours(60))
    found = forecast_anew("--quantiles", 0.8, 0.3, 0.65, 0.1)["a"]
    assert read_out()[0][2:] == ["predictions", "0.8", "0.3", "0.65", "0.1"]
    median, low, _, high = predicted(walk(60)).T  # 0.5, 0.1, 0.5, 0.8
    expected = [median, high, (low + median) / 2, (median + high) / 2, low]
    assert_close(found, np.transpose(expected))


def test_close_quantiles_are_columns_of_their_own():
    """Levels that differ after six digits would be one column."""
    write_wide({"a": walk(60)}, hours(60))
    assert call("--quantiles", 0.123456789, 0.1234567891) == 0
    header, found = read_out()
    assert header[2:] == ["predictions", "0.123456789", "0.1234567891"]
    assert found["a"][1].shape == (5, 3)


def test_a_student_forecasts_by_its_own_head(capsys):
    """--head would be ignored."""
    write_wide({"a": walk(60)}, hours(60))
    found = forecast_anew("--head", 1)["a"]
    student = Forecaster.from_checkpoint("model.pt", head=1)
    assert_close(found[:, 1:], student.predict_quantiles(walk(60), 5)[0])
    assert np.abs(found - predicted(walk(60))).max() > 0.01
    Path("out.csv").unlink()
    refuse(capsys, "there is no head 2; the heads are 0, 1, teacher", "--head", 2)


def test_point_mode(capsys):
    """Point models have no quantiles to name, to choose or to draw."""
    save_model("point.pt", POINT)
    write_wide({"a": walk(60)}, hours(60))
    found = forecast_anew("--plot", "out.png", model="point.pt", horizon=40)["a"]
    assert read_out()[0] == ["item_id", "timestamp", "predictions"]
    assert_close(found, predicted(walk(60), 40, model="point.pt"))
    assert Path("out.png").read_bytes().startswith(b"\x89PNG")
    Path("out.csv").unlink()
    words = "--quantiles: this model forecasts points"
    refuse(capsys, words, "--quantiles", 0.5, model="point.pt")
