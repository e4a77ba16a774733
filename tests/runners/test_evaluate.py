"""runners.evaluate, against direct loops written from the protocol's text."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from data.tables import read_items
from runners import evaluate
from runners.checkpoint import load_model
from runners.command import run as run_command
from runners.evaluation.protocol import Protocol
from runners.evaluation.series import open_series
from tests.golden import load_golden
from tests.small import BYOT_OFF, POINT, run

SHARED = Path(__file__).parents[3] / "shared" / "data" / "evaluate"


@pytest.fixture
def table(tmp_path):
    """A wide file of 3 columns and 400 rows with gaps: `(path, values [400, 3])`."""
    rng = np.random.default_rng(0)
    values = 5 + rng.normal(size=(400, 3)).cumsum(0)
    values[rng.random(values.shape) < 0.05] = np.nan
    lines = ["date,a,b,c"]
    for i, row in enumerate(values):
        date = np.datetime64("2020-01-01") + i
        lines.append(",".join([str(date), *("" if np.isnan(v) else repr(float(v)) for v in row)]))
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return path, values


def evaluated(*arguments) -> dict:
    """The JSON of the command."""
    assert run_command(evaluate.main, [*map(str, arguments), "--out", "out.json"]) == 0
    return json.loads(Path("out.json").read_text())


def scaled(values: np.ndarray, train: int) -> np.ndarray:
    """Each channel z-scored by its training part."""
    part = values[:train]
    return (values - np.nanmean(part, axis=0)) / np.nanstd(part, axis=0)


def by_loop(values, starts, context, horizon, forecast):
    """mse, mae and the forecasts and targets of all windows, one at a time."""
    forecasts, targets = [], []
    for channel in range(values.shape[1]):
        for start in starts:
            forecasts.append(forecast(values[start - context : start, channel]))
            targets.append(values[start : start + horizon, channel])
    forecasts, targets = np.array(forecasts), np.array(targets)
    return forecasts, targets


@pytest.mark.parametrize("mode", [[], [POINT]], ids=["quantiles", "point"])
def test_ratio_protocol_agrees_with_a_direct_loop(table, mode, capsys):
    """Windows dropped, a scale of the whole file, batches across channels mixed up."""
    run("run", *mode)
    path, values = table
    found = evaluated(
        "run/latest.pt", "--data", path, "--context", 48, "--horizon", 20, "--season", 7,
        "--batch-size", 50,
    )  # fmt: skip
    model = load_model("run/latest.pt").utp
    z = scaled(values, 280)  # 70 %; the test part is the last 20 %
    starts = range(320, 400 - 20 + 1)

    def model_forecast(context):
        return model.predict(torch.tensor(context, dtype=torch.float32)[None], 20)[0].numpy()

    forecasts, targets = by_loop(z, starts, 48, 20, model_forecast)
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
        forecasts, targets = by_loop(z, starts, 48, 20, forecast)
        assert row["mae"] == pytest.approx(np.abs(targets - forecasts)[there].mean(), rel=1e-4)
        assert row["mse"] == pytest.approx(((targets - forecasts)[there] ** 2).mean(), rel=1e-4)


def test_model_runs_in_the_precision_it_was_trained_in(table):
    """A model trained in bfloat16 would be evaluated in float32: slower, and with other numbers."""
    if not run("run", "MODEL.DTYPE=bfloat16").bfloat16:
        pytest.skip("this CPU has neither AMX nor AVX512-BF16")
    path, values = table
    found = evaluated("run/latest.pt", "--data", path, "--context", 48, "--horizon", 16)
    model, z = load_model("run/latest.pt").utp, scaled(values, 280)
    windows = [z[i - 48 : i + 16, c] for c in range(3) for i in range(320, 400 - 16 + 1)]
    windows = torch.tensor(np.array(windows), dtype=torch.float32)
    maes = []
    for enabled in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            median = model.predict(windows[:, :48], 16)[..., model.median]
        maes.append((windows[:, 48:] - median).abs().nanmean().item())
    assert found["results"][0]["mae"] == pytest.approx(maes[0], rel=1e-5)
    assert found["results"][0]["mae"] != pytest.approx(maes[1], rel=1e-5)


def test_golden_model_agrees_with_a_direct_loop(table):
    """The weights of the existing UTPExp, opened by --param."""
    golden = load_golden("quantile")
    param = golden.param
    torch.save({"model_state_dict": golden.weights}, "utpexp.pt")
    model = load_model("utpexp.pt", param)
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
        "--horizon", horizon, "--stride", 5,
    )  # fmt: skip
    z = scaled(values, 280)
    starts = range(320, 400 - horizon + 1, 5)
    forecasts, targets = by_loop(
        z, starts, context, horizon,
        lambda c: model.utp.predict(torch.tensor(c, dtype=torch.float32)[None], horizon)[0].numpy(),
    )  # fmt: skip
    error = (targets - forecasts[..., model.utp.median])[np.isfinite(targets)]
    assert found["results"][0]["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-4)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data/evaluate")
@pytest.mark.parametrize(
    ("name", "protocol", "month", "season"),
    [("ETTh1", "etth", 720, 24), ("ETTm1", "ettm", 2880, 96)],
)
def test_ett_protocols_on_the_real_files(name, protocol, month, season):
    """Numbers could not be compared with those of papers."""
    run("run")
    path = SHARED / f"{name}.csv"
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


def test_depth_report(table, capsys):
    """A head whose numbers are another's; the teacher's row must be that of a plain call."""
    run("run")
    path, _ = table
    arguments = ["run/latest.pt", "--data", path, "--context", 48, "--horizon", 20]
    alone = evaluated(*arguments)["results"][0]
    found = evaluated(*arguments, "--heads", "all", "--plot", "depth.png")
    rows = {row["forecaster"]: row for row in found["results"]}
    assert rows["teacher"]["mae"] == pytest.approx(alone["mae"], rel=1e-6)
    wrapper = load_model("run/latest.pt")
    for report, layer in zip(found["depth"], (0, 1), strict=False):
        student = wrapper.student(layer)
        assert report["head"] == f"layer {layer}"
        assert report["depth"] == layer + 1
        assert report["parameters"] == sum(p.numel() for p in student.parameters())
        mae = rows[f"layer {layer}"]["mae"]
        assert report["mae_against_teacher"] == pytest.approx(mae / alone["mae"] - 1)
        assert report["relative_latency"] > 0
    assert found["depth"][-1]["relative_latency"] == 1.0
    assert Path("depth.png").read_bytes().startswith(b"\x89PNG")
    assert "layer 1" in capsys.readouterr().out


def test_mean_over_files_and_horizons(table):
    """Papers print it; a mean over windows would weigh long files more."""
    run("run", BYOT_OFF)
    path, _ = table
    other = path.with_name("other.csv")
    other.write_text("\n".join(path.read_text().splitlines()[:301]) + "\n")
    found = evaluated("run/latest.pt", "--data", path, other, "--context", 48, "--horizon", 5, 9)
    for mean in found["mean"]:
        own = [r["mae"] for r in found["results"] if r["forecaster"] == mean["forecaster"]]
        assert len(own) == 4
        assert mean["mae"] == pytest.approx(sum(own) / 4)


# Tables of other shapes


def without_model(*arguments) -> dict:
    """The JSON of the command; the forecasts of the model are zeros, and not looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "models.utp.UTP.predict",
            lambda self, past, horizon: past.new_zeros(len(past), horizon, 3),
        )
        return evaluated("run/latest.pt", *arguments)


SHORT = ["--context", 48, "--horizon", 8, "--stride", 4]


def test_a_long_table_gives_the_numbers_of_the_wide_one(table, tmp_path, capsys):
    """People who keep their data long could not be compared with those who keep it wide."""
    run("run", BYOT_OFF)
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
    run("run", BYOT_OFF)
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
    run("run", BYOT_OFF)
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
    run("run", BYOT_OFF)
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


CASES = Path(__file__).parents[3] / "shared" / "cases"
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
    run("run", BYOT_OFF)
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
    run("run", BYOT_OFF)
    without_model("--data", CASES / "63_gap_eval.csv", *LIKE_95)
    assert "63_gap_eval.csv: 12 rows are missing (one every hour)" in capsys.readouterr().err


def test_wrong_input_is_one_line_and_status_2(table, tmp_path, capsys):
    """A traceback, or an hour's work before the error."""
    run("run", BYOT_OFF)
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
    model = ["run/latest.pt", "--data", path, "--context", "48", "--horizon", "8"]
    for arguments, words in [
        ([*model[:5], "--horizon", "0"], "--horizon 0: it must be at least 1"),
        ([*model, "--stride", "0"], "--stride 0"),
        ([*model, "--heads", "all"], "has no heads but the teacher"),
        ([*model, "--context", "257"], "--context 257: this model looks back on 1 to 256 steps"),
        ([*model, "--season", "49"], "--season 49 is longer than the context"),
        ([*model, "--protocol", "etth"], "400 rows; protocol etth needs 14400"),
        ([*model, "--fractions", "0.7", "0.2", "0.2"], "--fractions"),
        ([*model, "--plot", "x.png"], "--heads all"),
        ([*model, "--horizon", "81"], "its test part has 80 rows; --horizon 81"),
        ([*model, "--out", "no/folder.json"], "there is no folder no"),
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
