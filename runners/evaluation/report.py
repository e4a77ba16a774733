"""The report of an evaluation: its tables, and its pictures."""

import math
from pathlib import Path

import numpy as np
import pandas as pd

from losses.byot import TEACHER, Head
from runners import InputError
from runners.atomic import atomic_write
from runners.evaluation.metrics import NAMES
from runners.evaluation.protocol import Protocol
from runners.forecaster import PATHS, Forecaster
from runners.tracking.figures import draw_coverage, draw_depth
from runners.tracking.meters import head_name

BUDGETS = (1.0, 0.75, 0.5, 0.35, 0.25)  # of the teacher's time


def records(results: pd.DataFrame) -> list[dict]:
    """The rows of the results as plain values, as JSON takes them; None for NaN."""
    return [
        {name: _plain(value) for name, value in row.items()} for row in results.to_dict("records")
    ]


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def mean_rows(rows: list[dict]) -> list[dict]:
    """The mean over files and horizons of each forecaster; None where one of them is None."""
    means = []
    for name in dict.fromkeys(row["forecaster"] for row in rows):
        own = [row for row in rows if row["forecaster"] == name]
        mean = {"file": "mean", "horizon": None, "forecaster": name, "windows": None,
                "channels": None}  # fmt: skip
        for key in (*NAMES, "relative_latency"):
            values = [row[key] for row in own]
            mean[key] = None if None in values else sum(values) / len(values)
        means.append(mean)
    return means


def depth_report(heads: dict[Head, Forecaster], means: list[dict]) -> list[dict]:
    """What each head needs, and what it costs in accuracy against the teacher.

    Args:
        heads: `{head: forecaster}`, by depth.
        means: of `mean_rows`.
    """
    by_name = {mean["forecaster"]: mean for mean in means}
    of = {head: by_name[head_name(head)] for head in heads}
    full = of[TEACHER]["mae"]
    return [
        {
            "head": head_name(head),
            "depth": forecaster.num_layers,
            "parameters": forecaster.num_parameters,
            "relative_latency": of[head]["relative_latency"],
            "mse": of[head]["mse"],
            "mae": of[head]["mae"],
            "mae_against_teacher": of[head]["mae"] / full - 1 if full else None,
        }
        for head, forecaster in heads.items()
    ]


def table(rows: list[dict], quantiles: tuple[float, ...] | None) -> str:
    """The results as text, a line each."""
    names = NAMES if quantiles is not None else ("mse", "mae", "mase")
    width = max(4, *(len(row["file"]) for row in rows))
    lines = [
        f"{'file':{width}} {'horizon':>7}  {'forecaster':14} {'windows':>8} {'channels':>8}"
        + "".join(f"{name.replace('coverage_error', 'cov.error'):>10}" for name in names)
    ]
    for row in rows:
        horizon, count, channels = (row[key] or "" for key in ("horizon", "windows", "channels"))
        lines.append(
            f"{row['file']:{width}} {horizon:>7}  {row['forecaster']:14} {count:>8} {channels:>8}"
            + "".join(f"{_number(row[name]):>10}" for name in names)
        )
    return "\n".join(lines)


def coverage_table(rows: list[dict]) -> str:
    """How many targets lie in the widest band, in the first and in the last pass, as text.

    It is empty where no forecast goes beyond one pass. With all passes it is in `rows`.
    """
    rolled = [row for row in rows if row["band_coverage"] and row["horizon"] > row["block"]]
    if not rolled:
        return ""
    width = max(4, *(len(row["file"]) for row in rolled))
    lines = []
    for row in rolled:
        band, shares = next(iter(row["band_coverage"].items()))
        if not lines:
            lines = [
                f"share of targets in the {band:.0%} band, by pass of {row['block']} steps",
                f"{'file':{width}} {'horizon':>7}  {'forecaster':14} {'first':>8} {'last':>8}",
            ]
        first, last = map(_number, (shares[0], shares[-1]))
        lines.append(
            f"{row['file']:{width}} {row['horizon']:>7}  {row['forecaster']:14} {first:>8} "
            f"{last:>8}"
        )
    return "\n".join(lines)


def rollout_text(
    forecaster: Forecaster, protocol: Protocol, rollout: str, num_paths: int, seed: int
) -> str:
    """How the forecasts beyond one pass were made, in few words; empty if there are none."""
    if max(protocol.horizons) <= forecaster.horizon:
        return ""
    rolled = "the median"
    if forecaster.quantiles is None:
        rolled = "the point"
    elif rollout == PATHS:
        rolled = f"{num_paths} paths (seed {seed})"
    return f", beyond {forecaster.horizon} steps {rolled} rolled"


def season_text(rows: list[dict]) -> str:
    """The season of each file, in few words where they are the same."""
    files = {}
    for row in rows:
        files.setdefault(row["season_from"], {})[row["file"]] = None
    if len(files) == 1:
        return next(iter(files))
    return ", ".join(f"{text} for {' '.join(names)}" for text, names in files.items())


def depth_table(report: list[dict]) -> str:
    """The depth report as text."""
    lines = [f"{'head':10} {'layers':>6} {'parameters':>12} {'latency':>8} {'mae':>8} {'loss':>8}"]
    for row in report:
        latency, loss = row["relative_latency"], row["mae_against_teacher"]
        latency = "-" if latency is None else f"{latency:.2f}"
        loss = "-" if loss is None else f"{loss:+.1%}"
        lines.append(
            f"{row['head']:10} {row['depth']:>6} {row['parameters']:>12,} {latency:>8} "
            f"{_number(row['mae']):>8} {loss:>8}"
        )
    return "\n".join(lines)


def budget_text(report: list[dict]) -> str:
    """The most accurate head within each of BUDGETS; a head is named once, the smallest last."""
    best = {}
    for budget in BUDGETS:
        within = [
            row
            for row in report
            if row["mae"] is not None and (row["relative_latency"] or math.inf) <= budget
        ]
        if within:
            best[min(within, key=lambda row: row["mae"])["head"]] = budget
    if not best:
        return ""
    return "most accurate head within " + ", within ".join(
        f"{budget:.0%} of the teacher's time: {head}" for head, budget in best.items()
    )


def plot_depth(path: Path, report: list[dict]) -> None:
    """Writes the picture of error over depth.

    Raises:
        InputError: a file has no target, so that there is no mean error.
    """
    if any(row["mae"] is None for row in report):
        raise InputError(f"{path} is not drawn: no window of a file has a target")
    *students, teacher = report
    errors = {row["depth"] - 1: row["mae"] for row in students}
    label = "MAE, mean over files and horizons"
    figure = draw_depth(errors, teacher["mae"], teacher["depth"], label)
    atomic_write(path, lambda file: figure.savefig(file, format="png", dpi=150))


def plot_coverage(path: Path, rows: list[dict]) -> None:
    """Writes the picture of coverage by lead time: a panel per file, a line per forecaster.

    Of each file the longest horizon is drawn, and the widest band.

    Args:
        path: of the PNG file.
        rows: of `evaluate_model`, perhaps of several calls (`records`); forecasters are told apart
            by their names.

    Raises:
        InputError: no row has a band.
    """
    panels = {}
    drawn = [row for row in rows if row["band_coverage"]]
    if not drawn:
        raise InputError("there is no band to draw: no forecaster has quantiles around its median")
    for file in dict.fromkeys(row["file"] for row in drawn):
        own = [row for row in drawn if row["file"] == file]
        longest = max(row["horizon"] for row in own)
        panels[file] = {
            row["forecaster"]: next(iter(row["band_coverage"].values()))
            for row in own
            if row["horizon"] == longest
        }
    figure = draw_coverage(panels, next(iter(drawn[0]["band_coverage"])), drawn[0]["block"])
    atomic_write(path, lambda file: figure.savefig(file, format="png", dpi=150))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
