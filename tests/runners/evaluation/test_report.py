"""The texts and pictures of an evaluation, against rows made by hand."""

import pandas as pd
import pytest

from runners import InputError
from runners.evaluation.report import (
    budget_text,
    coverage_table,
    depth_table,
    mean_rows,
    plot_coverage,
    records,
    season_text,
    table,
)
from runners.tracking import figures


def row(file="a.csv", horizon=20, forecaster="teacher", shares=(0.9, 0.5, 0.25), **others) -> dict:
    """One row of the results; a naive forecast has no shares."""
    band = None if shares is None else {0.9: list(shares), 0.5: [0.0] * len(shares)}
    numbers = dict.fromkeys(("mse", "mae", "mase", "wql", "coverage_error"), 0.5)
    return {
        "file": file, "horizon": horizon, "forecaster": forecaster, "windows": 3, "channels": 2,
        "season_from": "season 7", "relative_latency": 1.0, "band_coverage": band,
        "block": 8, **numbers, **others,
    }  # fmt: skip


def test_records_are_plain_values():
    """JSON has no NaN, and does not take numpy's numbers."""
    frame = pd.DataFrame([
        {"windows": 3, "trained_on": True, "mae": 0.5, "coverage": {0.5: 0.25}, "block": 8},
        {"windows": 3, "trained_on": False, "mae": None, "coverage": None, "block": None},
    ])  # fmt: skip
    first, second = records(frame)
    assert first == {
        "windows": 3, "trained_on": True, "mae": 0.5, "coverage": {0.5: 0.25}, "block": 8
    }  # fmt: skip
    assert second["mae"] is second["coverage"] is second["block"] is None
    assert [type(first[name]) for name in ("windows", "trained_on", "mae")] == [int, bool, float]


def test_means_are_over_files_and_horizons():
    """A mean of what is there would flatter a forecaster that misses a file."""
    rows = [row(mae=1.0), row("b.csv", mae=4.0, wql=None), row(forecaster="last value", mae=7.0)]
    teacher, last = mean_rows(rows)
    assert (teacher["mae"], teacher["wql"], last["mae"]) == (2.5, None, 7.0)
    text = table([*rows, teacher], (0.1, 0.5))
    assert text.splitlines()[0].split() == [
        "file", "horizon", "forecaster", "windows", "channels", "mse", "mae", "mase", "wql",
        "cov.error",
    ]  # fmt: skip
    assert text.splitlines()[-1].split() == [
        "mean", "teacher", "0.5000", "2.5000", "0.5000", "-", "0.5000"
    ]  # fmt: skip


def test_the_seam_is_printed_beyond_one_pass():
    """Bands that shrink would stay hidden in a mean over all steps."""
    rows = [row(), row(forecaster="last value", shares=None), row(horizon=8, shares=[0.9])]
    assert coverage_table(rows).splitlines() == [
        "share of targets in the 90% band, by pass of 8 steps",
        "file  horizon  forecaster        first     last",
        "a.csv      20  teacher          0.9000   0.2500",
    ]
    assert coverage_table(rows[1:]) == ""


def test_the_picture_of_coverage_holds_the_longest_horizon(tmp_path, monkeypatch):
    """A panel would mix horizons, or show the other band."""
    calls = []
    monkeypatch.setattr(
        "runners.evaluation.report.draw_coverage",
        lambda *given: calls.append(given) or figures.draw_coverage(*given),
    )
    rows = [
        row(forecaster="median"), row(forecaster="paths", shares=(0.9, 0.9, 0.8)),
        row(horizon=8, forecaster="paths", shares=[0.7]), row(forecaster="naive", shares=None),
        row("b.csv", horizon=8, shares=[0.6]),
    ]  # fmt: skip
    plot_coverage(tmp_path / "x.png", rows)
    assert calls == [(
        {
            "a.csv": {"median": [0.9, 0.5, 0.25], "paths": [0.9, 0.9, 0.8]},
            "b.csv": {"teacher": [0.6]},
        },
        0.9, 8,
    )]  # fmt: skip
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="there is no band to draw"):
        plot_coverage(tmp_path / "y.png", rows[3:4])


def test_seasons_of_several_files():
    """One season would be printed for all files."""
    assert season_text([row(), row("b.csv")]) == "season 7"
    rows = [row(), row(), row("b.csv"), row("c.csv", season_from="season 1 (why)")]
    assert season_text(rows) == "season 7 for a.csv b.csv, season 1 (why) for c.csv"


def test_a_depth_report_without_numbers_is_printed():
    """A head whose windows could not be scored would end in a traceback."""
    one = {"head": "teacher", "depth": 3, "parameters": 1234, "relative_latency": None,
           "mae": None, "mae_against_teacher": None}  # fmt: skip
    assert depth_table([one]).splitlines()[1].split() == [
        "teacher", "3", "1,234", "-", "-", "-"
    ]  # fmt: skip


def test_budgets_name_the_most_accurate_head_that_fits():
    """Users would take a head that is slower, or worse, than another one that fits."""
    rows = [("layer 1", 0.2, 0.50), ("layer 3", 0.45, 0.40), ("layer 5", 0.7, 0.42),
            ("teacher", 1.0, 0.39)]  # fmt: skip
    report = [{"head": head, "relative_latency": time, "mae": mae} for head, time, mae in rows]
    assert budget_text(report) == (
        "most accurate head within 100% of the teacher's time: teacher, within 50% of the "
        "teacher's time: layer 3, within 25% of the teacher's time: layer 1"
    )
    nothing = [{"head": "teacher", "relative_latency": None, "mae": None}]
    assert budget_text(nothing) == ""
