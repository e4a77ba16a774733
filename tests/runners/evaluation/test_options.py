"""The options of runners.evaluate: heads, backtests, rolls, pictures; and what it says."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from runners import export
from runners.checkpoint import load_model
from runners.command import run as run_command
from tests.runners.evaluation.tables import by_loop, evaluated, scaled, without_model, write_table
from tests.runners.forecasts import save_model, walk
from tests.small import BYOT_OFF, ROOT


@pytest.fixture
def table(tmp_path):
    """See `write_table`."""
    return write_table(tmp_path / "table.csv")


def test_depth_report(table, capsys):
    """A head whose numbers are another's; the teacher's row must be that of a plain call."""
    save_model("model.pt")
    path, _ = table
    arguments = ["model.pt", "--data", path, "--context", 48, "--horizon", 20]
    alone = evaluated(*arguments)["results"][0]
    found = evaluated(*arguments, "--heads", "all", "--plot", "depth.png")
    rows = {row["forecaster"]: row for row in found["results"]}
    assert rows["teacher"]["mae"] == pytest.approx(alone["mae"], rel=1e-6)
    wrapper = load_model("model.pt")
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
    save_model("model.pt", BYOT_OFF)
    path, _ = table
    other = path.with_name("other.csv")
    other.write_text("\n".join(path.read_text().splitlines()[:301]) + "\n")
    found = evaluated("model.pt", "--data", path, other, "--context", 48, "--horizon", 5, 9)
    for mean in found["mean"]:
        own = [r["mae"] for r in found["results"] if r["forecaster"] == mean["forecaster"]]
        assert len(own) == 4
        assert mean["mae"] == pytest.approx(sum(own) / 4)


def test_a_student_alone_gives_the_numbers_of_its_export(table):
    """A head in use would be another model than the one that is exported."""
    save_model("model.pt")
    arguments = ["--data", table[0], "--context", 48, "--horizon", 40, "--stride", 4]
    assert run_command(export.main, ["model.pt", "--head", "1", "--out", "student.pt"]) == 0
    used = evaluated("model.pt", *arguments, "--head", 1)["results"]
    exported = evaluated("student.pt", *arguments)["results"]
    assert [row["forecaster"] for row in used] == ["layer 1", "last value", "seasonal naive"]
    assert exported[0]["forecaster"] == "teacher"
    for name in ("mse", "mae", "mase", "wql", "coverage_error", "band_coverage"):
        assert used[0][name] == exported[0][name], name


def test_a_backtest_is_scored_by_what_lies_before_its_windows(table, capsys):
    """Windows would lie elsewhere, or a scale would have seen them."""
    save_model("model.pt")
    path, values = table
    found = without_model("--data", path, "--context", 40, "--horizon", 5, 12, "--backtest", 3)
    z = scaled(values, 400 - 3 * 12)
    for horizon in (5, 12):
        starts = range(400 - 3 * horizon, 400, horizon)
        _, targets = by_loop(z, starts, 40, horizon, lambda context: 0.0)
        rows = [row for row in found["results"] if row["horizon"] == horizon]
        assert rows[0]["mae"] == pytest.approx(np.nanmean(np.abs(targets)), rel=1e-5)
        assert (rows[0]["windows"], rows[0]["channels"], rows[0]["season"]) == (3, 3, 7)
    assert (found["protocol"], found["num_windows"], found["step"]) == ("backtest", 3, None)
    assert "stride" not in found
    line = next(one for one in capsys.readouterr().out.splitlines() if "protocol" in one)
    assert line.startswith(
        "protocol backtest, context 40, 3 windows at the end of each series, step of the horizon, "
        "season 7 (one step every day)"
    )
    assert line.endswith("errors in units of each channel's rows before the first window")
    stepped = without_model(
        "--data", path, "--context", 40, "--horizon", 12, "--backtest", 3, "--step", 2
    )
    z = scaled(values, 400 - 12 - 4)
    _, targets = by_loop(z, (384, 386, 388), 40, 12, lambda context: 0.0)
    assert stepped["results"][0]["mae"] == pytest.approx(np.nanmean(np.abs(targets)), rel=1e-5)


def test_coverage_by_pass_is_printed_drawn_and_stored(table, capsys):
    """A seam where bands shrink would stay hidden in a mean over all steps."""
    save_model("model.pt", "MODEL.PARAM.max_query_length=8", "DATASET.PARAM.target_length=8")
    arguments = ["--data", table[0], "--context", 48, "--horizon", 20, "--stride", 4]
    rolls = {}
    for options in (["--paths", 3, "--seed", 1], ["--rollout", "median"]):
        found = evaluated("model.pt", *arguments, *options, "--plot-coverage", "coverage.png")
        out = capsys.readouterr().out
        teacher = found["results"][0]
        shares = teacher["band_coverage"]["0.7"]  # of levels 0.1 to 0.8
        assert (len(shares), teacher["block"]) == (3, 8)
        assert "share of targets in the 70% band, by pass of 8 steps" in out
        assert out.splitlines()[-1].split()[-2:] == [f"{shares[0]:.4f}", f"{shares[-1]:.4f}"]
        assert Path("coverage.png").read_bytes().startswith(b"\x89PNG")
        rolls[options[0]] = shares, out
    assert rolls["--paths"][0][0] == rolls["--rollout"][0][0]  # the first pass is the same
    assert rolls["--paths"][0] != rolls["--rollout"][0]
    assert "beyond 8 steps 3 paths (seed 1) rolled" in rolls["--paths"][1]
    assert "beyond 8 steps the median rolled" in rolls["--rollout"][1]
    assert (found["rollout"], found["paths"], found["seed"]) == ("median", 8, 0)


def test_a_file_that_was_trained_on_is_said_on_stderr(table, capsys):
    """It would be scored as zero-shot without a word."""
    path, _ = table
    save_model("model.pt", BYOT_OFF)
    files = [{"name": path.name, "bytes": 1, "crc32": "0" * 8, "series": 3}]
    corpus = {"corpora": ["own"], "files": files, "more": 0}
    torch.save(torch.load("model.pt") | {"corpus": corpus}, "model.pt")
    found = evaluated("model.pt", "--data", path, "--horizon", 8, "--stride", 20)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"{path}: the model was trained on a file of this name, with other content; its scores do "
        "not count as zero-shot"
    )
    assert [row["trained_on"] for row in found["results"]] == [True] * 3


def test_python_of_the_page_works(tmp_path, monkeypatch, capsys):
    """A renamed argument, or a column that is called otherwise."""
    (block,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "evaluation.md").read_text(), re.S
    )
    monkeypatch.chdir(tmp_path)
    save_model("best.pt")
    times = pd.date_range("2024-03-01", periods=130, freq="h")
    pd.concat([
        pd.DataFrame({"item_id": name, "timestamp": times[: 130 - i], "target": walk(130 - i, i)})
        for i, name in enumerate("ab")
    ]).to_csv("sales.csv", index=False)  # fmt: skip
    exec(block, {})
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["forecaster", "horizon", "mae", "mase", "wql"]
    assert [row.split()[1] for row in rows] == ["teacher", "last", "seasonal"]
