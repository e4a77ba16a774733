"""runners.evaluate, against direct loops written from the protocol's text."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from data.tables import read_items
from runners import evaluate
from runners.checkpoint import load_model
from runners.command import run as run_command
from runners.evaluation.protocol import Protocol
from runners.evaluation.series import open_series
from runners.training.devices import has_bfloat16
from tests.golden import load_golden
from tests.runners.evaluation.tables import (
    SHARED,
    by_loop,
    evaluated,
    median_roll,
    scaled,
    without_model,
    write_table,
)
from tests.runners.forecasts import CONTEXT, save_model
from tests.small import BYOT_OFF, POINT

ETT = SHARED / "data" / "evaluate"


@pytest.fixture
def table(tmp_path):
    """See `write_table`."""
    return write_table(tmp_path / "table.csv")


@pytest.mark.parametrize("mode", [[], [POINT]], ids=["quantiles", "point"])
def test_ratio_protocol_agrees_with_a_direct_loop(table, mode, capsys):
    """Windows dropped, a scale of the whole file, batches across channels mixed up."""
    save_model("model.pt", *mode)
    path, values = table
    found = evaluated(
        "model.pt", "--data", path, "--context", 40, "--horizon", 20, "--season", 7,
        "--batch-size", 50,
    )  # fmt: skip
    model = load_model("model.pt").utp
    z = scaled(values, 280)  # 70 %; the test part is the last 20 %
    starts = range(320, 400 - 20 + 1)
    forecasts, targets = by_loop(z, starts, 40, 20, median_roll("model.pt", 20, CONTEXT))
    there = np.isfinite(targets)
    error = (targets - forecasts[..., model.median])[there]
    teacher, last, seasonal = found["results"]
    assert [row["forecaster"] for row in found["results"]] == [
        "teacher", "last value", "seasonal naive",
    ]  # fmt: skip
    assert (teacher["windows"], teacher["channels"]) == (61, 3)
    assert teacher["mse"] == pytest.approx((error**2).mean(), rel=1e-4)
    assert teacher["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-4)
    steps = np.abs(z[7:280] - z[: 280 - 7])
    scale = np.repeat(np.nanmean(steps, axis=0), len(starts))[:, None]
    expected = (np.abs(targets - forecasts[..., model.median]) / scale)[there].mean()
    assert teacher["mase"] == pytest.approx(expected, rel=1e-4)
    if mode:
        assert teacher["wql"] is teacher["coverage"] is None
        assert "wql" not in capsys.readouterr().out
    else:
        q = np.array(model.quantiles)
        errors = targets[..., None] - forecasts
        pinball = np.where(errors > 0, 2 * q * errors, 2 * (q - 1) * errors)[there]
        total = np.abs(targets[there]).sum()
        assert teacher["wql"] == pytest.approx((pinball.sum(0) / total).mean(), rel=1e-4)
        coverage = (errors[there] <= 0).mean(0)
        assert list(teacher["coverage"].values()) == pytest.approx(coverage)
        assert teacher["coverage_error"] == pytest.approx(np.abs(coverage - q).mean())

    def last_value(context):
        return np.full(20, context[np.isfinite(context)][-1])

    def seasonal_naive(context):
        value = np.tile(context[-7:], 3)[:20]
        return np.where(np.isfinite(value), value, context[np.isfinite(context)][-1])

    for row, forecast in ((last, last_value), (seasonal, seasonal_naive)):
        forecasts, targets = by_loop(z, starts, 40, 20, forecast)
        assert row["mae"] == pytest.approx(np.abs(targets - forecasts)[there].mean(), rel=1e-4)
        assert row["mse"] == pytest.approx(((targets - forecasts)[there] ** 2).mean(), rel=1e-4)


def test_model_runs_in_the_precision_it_was_trained_in(table):
    """A model trained in bfloat16 would be evaluated in float32: slower, and with other numbers."""
    if not has_bfloat16(torch.device("cpu")):
        pytest.skip("this CPU has neither AMX nor AVX512-BF16")
    save_model("model.pt", dtype="bfloat16")
    path, values = table
    found = evaluated("model.pt", "--data", path, "--context", 48, "--horizon", 16)
    z, maes = scaled(values, 280), []
    for bfloat16 in (True, False):
        forecast = median_roll("model.pt", 16, CONTEXT, bfloat16=bfloat16)
        forecasts, targets = by_loop(z, range(320, 400 - 16 + 1), 48, 16, forecast)
        maes.append(np.nanmean(np.abs(targets - forecasts[..., 1])))
    # Batches of another size round otherwise, and bfloat16 has few digits.
    assert abs(found["results"][0]["mae"] - maes[0]) < 0.1 * abs(maes[0] - maes[1])


def test_golden_model_agrees_with_a_direct_loop(table):
    """The weights of the existing UTPExp, opened by --param."""
    golden = load_golden("quantile")
    param = golden.param
    torch.save({"model_state_dict": golden.weights}, "utpexp.pt")
    Path("utpexp.py").write_text(
        "from copy import deepcopy\nfrom config.utp_tiny import CFG as TINY\n"
        f"CFG = deepcopy(TINY)\nCFG.MODEL.PARAM.update({param!r})\n"
        f"CFG.DATASET.PARAM.context_length = {param['max_context_length']}\n"
        f"CFG.DATASET.PARAM.target_length = {param['max_query_length']}\n"
    )
    path, values = table
    context = param["max_context_length"]
    horizon = param["max_query_length"] + 3  # rolled
    found = evaluated(
        "utpexp.pt", "--param", "utpexp.py", "--data", path, "--context", context,
        "--horizon", horizon, "--stride", 5, "--rollout", "median",
    )  # fmt: skip
    z = scaled(values, 280)
    starts = range(320, 400 - horizon + 1, 5)
    forecast = median_roll("utpexp.pt", horizon, context, param)
    forecasts, targets = by_loop(z, starts, context, horizon, forecast)
    median = param["quantiles"].index(0.5)
    error = (targets - forecasts[..., median])[np.isfinite(targets)]
    assert found["results"][0]["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-4)
    assert found["rollout"] == "median"


@pytest.mark.skipif(not ETT.is_dir(), reason="needs ../shared/data/evaluate")
@pytest.mark.parametrize(
    ("name", "protocol", "month", "season"),
    [("ETTh1", "etth", 720, 24), ("ETTm1", "ettm", 2880, 96)],
)
def test_ett_protocols_on_the_real_files(name, protocol, month, season):
    """Numbers could not be compared with those of papers."""
    save_model("model.pt", "MODEL.PARAM.max_context_length=256")
    path = ETT / f"{name}.csv"
    stride = 1 if name == "ETTh1" else 48
    cut = Protocol(protocol, (), context=96, horizons=(96,))
    series = open_series(path.name, read_items([path]), cut)
    assert series.season.steps == season
    raw = np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(1, 8))
    z = scaled(raw[: 20 * month], 12 * month)
    values = series.values.view(7, -1)[:, : 20 * month]
    np.testing.assert_allclose(values.numpy().T, z, atol=2e-5)
    windows = 0
    squared = {"last": 0.0, "season": 0.0}
    absolute = {"last": 0.0, "season": 0.0}
    for start in range(16 * month, 20 * month - 96 + 1, stride):
        windows += 1
        target = z[start : start + 96]
        naive = {
            "last": z[start - 1][None],
            "season": np.tile(z[start - season : start], (96 // season, 1)),
        }
        for kind, forecast in naive.items():
            squared[kind] += ((target - forecast) ** 2).mean()
            absolute[kind] += np.abs(target - forecast).mean()
    # The command, its model replaced by one that costs nothing: its row is not looked at.
    found = without_model(
        "--data", path, "--protocol", protocol, "--context", 96, "--horizon", 96,
        "--stride", stride, "--batch-size", 1024,
    )["results"]  # fmt: skip
    assert found[0]["windows"] == windows == (2785 if name == "ETTh1" else 239)
    assert found[0]["channels"] == 7
    for row, kind in zip(found[1:], ("last", "season"), strict=True):
        assert row["mse"] == pytest.approx(squared[kind] / windows, rel=5e-5)
        assert row["mae"] == pytest.approx(absolute[kind] / windows, rel=5e-5)


def test_wrong_input_is_one_line_and_status_2(table, tmp_path, capsys):
    """A traceback, or an hour's work before the error."""
    save_model("model.pt", BYOT_OFF)
    save_model("point.pt", BYOT_OFF, POINT)
    Path("folder.json").mkdir()
    path, _ = table
    short, one = tmp_path / "short.csv", tmp_path / "one.csv"
    short.write_text("\n".join(path.read_text().splitlines()[:21]) + "\n")
    one.write_text("\n".join(path.read_text().splitlines()[:2]) + "\n")
    lines = path.read_text().splitlines()
    holes = tmp_path / "holes.csv"
    holes.write_text("\n".join(lines[:321] + [f"{x.partition(',')[0]},,," for x in lines[321:]]))
    text = tmp_path / "text.pt"
    text.write_text("no checkpoint")
    capsys.readouterr()
    model = ["model.pt", "--data", path, "--context", "48", "--horizon", "8"]
    for arguments, words in [
        ([*model[:5], "--horizon", "0"], "--horizon 0: must be 1 or more"),
        ([*model, "--stride", "0"], "--stride 0"),
        ([*model, "--heads", "all"], "has no heads but the teacher"),
        ([*model, "--context", "49"], "--context 49: this model looks back on 1 to 48 values"),
        ([*model, "--season", "49"], "--season 49 is longer than the context"),
        ([*model, "--protocol", "etth"], "400 rows; protocol etth needs 14400"),
        ([*model, "--fractions", "0.7", "0.2", "0.2"], "--fractions"),
        ([*model, "--plot", "x.png"], "--heads all"),
        ([*model, "--horizon", "81"], "its test part has 80 rows; --horizon 81"),
        ([*model, "--out", "no/folder.json"], "there is no folder no"),
        ([*model, "--plot-coverage", "no/x.png"], "there is no folder no"),
        ([*model, "--plot-coverage", "x.pdf"], "--plot-coverage: x.pdf must end in .png"),
        ([*model, "--out", "folder.json"], "--out: folder.json is a folder"),
        (["point.pt", *model[1:], "--plot-coverage", "x.png"], "forecasts no band of quantiles"),
        ([*model, "--horizon", "8", "8"], "--horizon 8: give each once"),
        ([*model, "--head", "7"], "there is no head 7; the heads are teacher"),
        ([*model, "--backtest", "0"], "--backtest 0: must be 1 or more"),
        ([*model, "--backtest", "2", "--protocol", "etth"], "leave --protocol out"),
        ([*model, "--backtest", "2", "--stride", "3"], "--stride 3: protocol backtest has step"),
        ([*model, "--step", "3"], "--step 3: it goes with protocol backtest"),
        ([*model, "--backtest", "45"], "40 rows lie before its first window; --context 48"),
        ([*model, "--backtest", "50"], "400 rows; its windows need 400, and a context before"),
        ([*model, "--paths", "0"], "--paths 0: must be 1 or more"),
        ([*model, "--batch-size", "0"], "--batch-size 0: must be 1 or more"),
        ([*model, "--seed", "-1"], "seed -1: it must be from 0"),
        ([*model, "--data", short], "16 rows lie before its test part; --context 48"),
        ([*model, "--data", holes], "its test part, from row 320 on, holds no value"),
        ([*model, "--data", one], "1 rows are too few"),
        ([*model, "--data", "missing.csv"], "missing.csv cannot be read: No such file"),
        ([*model, "--freq", "sometimes"], "--freq sometimes is no frequency"),
        ([text, *model[1:]], "is no whole checkpoint"),
    ]:
        before = sorted(os.listdir())
        assert run_command(evaluate.main, [*map(str, arguments)]) == 2, words
        captured = capsys.readouterr()
        (line,) = captured.err.splitlines()
        assert words in line
        assert captured.out == ""
        assert sorted(os.listdir()) == before


def test_results_are_written_before_a_picture_fails(table, capsys):
    """Hours of evaluation would be lost with a picture that cannot be drawn."""
    save_model("model.pt")
    path, _ = table
    lines = path.read_text().splitlines()
    hole = Path("hole.csv")  # the targets of the window are missing: there is no error to draw
    empty = [f"{line.partition(',')[0]},,," for line in lines[321:400]]
    hole.write_text("\n".join([*lines[:321], *empty, lines[400]]) + "\n")
    arguments = ["model.pt", "--data", hole, "--context", "48", "--horizon", "8", "--stride", "100",
                 "--heads", "all", "--out", "out.json", "--plot", "depth.png"]  # fmt: skip
    assert run_command(evaluate.main, [*map(str, arguments)]) == 2
    assert "depth.png is not drawn: no window of a file has a target" in capsys.readouterr().err
    assert {row["mae"] for row in json.loads(Path("out.json").read_text())["results"]} == {None}
    assert not Path("depth.png").exists()
