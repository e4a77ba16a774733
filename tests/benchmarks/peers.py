"""A trained model, zero-shot, against forecasters of statsforecast that are fitted to each window.

python -m tests.benchmarks.peers CHECKPOINT --data FILE ... [--python PYTHON] [--windows 112]
    [--history 1000] [--seed 0] [--json FILE]

PYTHON is the interpreter of an environment with statsforecast and pyarrow; statsforecast wants an
older pandas than the project. Without it the model stands beside a seasonal naive forecast alone.

Windows are one pass long and lie at the end of each series, one behind the other, in the last half
of the series at most; the series of a file share --windows. The model looks back on its trained
context, the others on the last --history values. All forecast the levels 0.1 to 0.9. Errors are in
z-scores of the part before the first window of a series. The 95 % interval of a difference is of a
bootstrap over times: the windows of all series that start at one time are drawn together. Seconds
are of one thread.
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from data.calendar import fill_gaps, find_calendar
from data.tables import Item, read_items
from models.scaling import row_scale
from runners.forecaster import Forecaster
from tests.benchmarks import measure

LEVELS = tuple(round(0.1 * i, 1) for i in range(1, 10))
MEDIAN = LEVELS.index(0.5)
DRAWS = 10_000
MODEL = "model"
SEASONS = {"week": 52}  # the calendar gives weeks none; the others would do without a year
WORKER = Path(__file__).with_name("peers_worker.py")


class Window(NamedTuple):
    """What one forecast starts from, and what came.

    Attributes:
        history: values before the start, the oldest first; NaN = missing.
        target: [H].
        start: its time, or its row where the table has no times.
        season: in steps.
        mean, std: of the series before its first window.
    """

    history: np.ndarray
    target: np.ndarray
    start: object
    season: int
    mean: float
    std: float


class Forecasts(NamedTuple):
    """Forecasts [n, H, levels] of one forecaster, its seconds for all, and windows it failed on."""

    values: np.ndarray
    seconds: float
    replaced: int = 0


def windows_of(item: Item, horizon: int, count: int, history: int) -> list[Window]:
    """The last windows of a series, at most `count`."""
    values, season, times = item.values, 1, None
    if item.times is not None:
        calendar = find_calendar(item.times)
        values = fill_gaps(item.times, values, calendar)
        season = SEASONS.get(calendar.frequency, calendar.season)
        times = calendar.at(np.arange(len(values)))
    first = len(values) - horizon * min(count, len(values) // 2 // horizon)
    mean, std = (one.item() for one in row_scale(torch.from_numpy(values[None, :first])))
    found = []
    for start in range(first, len(values), horizon):
        past, target = values[max(0, start - history) : start], values[start : start + horizon]
        if np.isfinite(past).any():
            at = start if times is None else times[start]
            found.append(Window(past, target, at, season, mean, std or 1.0))
    return found


def windows_of_file(
    path: str, horizon: int, count: int, history: int
) -> tuple[list[Item], list[Window]]:
    """The series of a table, and their windows, which share `count`.

    Raises:
        SystemExit: no series is long enough for one.
    """
    items = [*read_items([path])]
    share = max(1, count // len(items))
    windows = [w for item in items for w in windows_of(item, horizon, share, history)]
    if not windows:
        raise SystemExit(f"{path}: no series has {2 * horizon} values, two horizons of the model")
    return items, windows


def of_model(forecaster: Forecaster, windows: list[Window], horizon: int) -> Forecasts:
    """Forecasts of the trained model."""
    start = time.perf_counter()
    values = forecaster.predict_quantiles([w.history for w in windows], horizon, LEVELS)
    return Forecasts(values, time.perf_counter() - start)


def filled(history: np.ndarray) -> np.ndarray:
    """The values with straight lines over gaps, for forecasters that take none."""
    there = np.flatnonzero(np.isfinite(history))
    return np.interp(np.arange(len(history)), there, history[there])


def naive(windows: list[Window], horizon: int) -> Forecasts:
    """The last season again and again, at every level."""
    start = time.perf_counter()
    seasons = [filled(w.history)[-w.season :] for w in windows]
    points = np.stack([np.resize(season, horizon) for season in seasons])
    values = np.repeat(points[..., None], len(LEVELS), axis=2)
    return Forecasts(values, time.perf_counter() - start)


def refuse_without_statsforecast(python: str) -> None:
    """Ends the program where the peers cannot run.

    Raises:
        SystemExit: with one sentence that says what to install.
    """
    try:
        command = [python, "-I", "-c", "import pyarrow, statsforecast"]
        status = subprocess.run(command, capture_output=True).returncode
    except OSError:
        status = None
    if status != 0:
        raise SystemExit(
            f"--python {python}: this is no interpreter with statsforecast; make an environment, "
            "'pip install statsforecast pyarrow' there, and name its interpreter"
        )


def of_peers(python: str, windows: list[Window], horizon: int) -> dict[str, Forecasts]:
    """Forecasts of statsforecast, of an environment of its own."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder, "windows.parquet"), Path(folder, "forecasts.parquet")
        histories = [filled(w.history) for w in windows]
        pd.DataFrame({"season": [w.season for w in windows], "history": histories}).to_parquet(
            asked
        )
        # -I: the files beside the worker must not hide modules of the same name.
        command = [python, "-I", WORKER, asked, answered, str(horizon)]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        subprocess.run(command, check=True, env=os.environ | threads)
        found = pd.read_parquet(answered)
    return {
        name: Forecasts(
            np.stack(rows.forecast).reshape(len(windows), horizon, len(LEVELS)),
            rows.seconds.sum(),
            int(rows.replaced.sum()),
        )
        for name, rows in found.groupby("forecaster", sort=False)
    }


def sums_by_time(forecast: np.ndarray, windows: list[Window]) -> dict[str, np.ndarray]:
    """What MAE and WQL are made of, summed over the windows of each time, [times].

    Args:
        forecast: [n, H, levels] in the units of each series.
        windows: n of them.
    """
    mean, std = (np.array([getattr(w, name) for w in windows]) for name in ("mean", "std"))
    target = (np.stack([w.target for w in windows]) - mean[:, None]) / std[:, None]
    z = (forecast - mean[:, None, None]) / std[:, None, None]
    there = np.isfinite(target)
    error = np.where(there[..., None], target[..., None] - z, 0.0)
    q = np.array(LEVELS)
    pinball = 2 * np.maximum(q * error, (q - 1) * error).mean(axis=2)
    parts = {
        "count": there,
        "level": np.where(there, abs(target), 0.0),
        "absolute": abs(error[..., MEDIAN]),
        "pinball": pinball,
    }
    starts = pd.factorize(pd.Series([w.start for w in windows]))[0]
    return {name: np.bincount(starts, part.sum(axis=1)) for name, part in parts.items()}


def mae_and_wql(sums: dict[str, np.ndarray], weights: np.ndarray) -> dict[str, np.ndarray]:
    """Both metrics with each time counted so often; weights [..., times]."""
    total = {name: weights @ part for name, part in sums.items()}
    return {"MAE": total["absolute"] / total["count"], "WQL": total["pinball"] / total["level"]}


def compare(found: dict[str, Forecasts], windows: list[Window], seed: int) -> list[dict]:
    """A row for each forecaster: its metrics, and the model's minus its own, with 95 % intervals.

    Every difference is of the same draws.
    """
    sums = {name: sums_by_time(one.values, windows) for name, one in found.items()}
    times = len(sums[MODEL]["count"])
    draws = np.random.default_rng(seed).multinomial(times, np.full(times, 1 / times), DRAWS)
    once = {name: mae_and_wql(own, np.ones(times)) for name, own in sums.items()}
    drawn = {name: mae_and_wql(own, draws) for name, own in sums.items()}
    rows = []
    for name, one in found.items():
        row = {"forecaster": name}
        for metric in ("MAE", "WQL"):
            row[metric] = float(once[name][metric])
            difference = once[MODEL][metric] - once[name][metric]
            ends = np.quantile(drawn[MODEL][metric] - drawn[name][metric], (0.025, 0.975))
            row[f"{metric}, model - it"] = name != MODEL and [float(difference), *ends.tolist()]
        row["seconds"] = one.seconds
        row["replaced"] = one.replaced
        rows.append(row)
    return rows


def texts(row: dict) -> list[str]:
    """The cells of a row; differences with their sign."""
    signed = {
        name: "{:+.3f} ({:+.3f} to {:+.3f})".format(*value)
        for name, value in row.items()
        if isinstance(value, list)
    }
    return measure.cells(row | signed)


def main() -> None:
    """Prints a table for each file."""
    parser = measure.parser(__doc__, default_rounds=1)
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT")
    add("--data", nargs="+", required=True, metavar="FILE")
    add("--python", nargs="?", help="interpreter that has statsforecast")
    add("--windows", type=int, default=112, help="of each file (%(default)s)")
    add("--history", type=int, default=1000, help="values for all but the model (%(default)s)")
    add("--seed", type=int, default=0, help="of the bootstrap (%(default)s)")
    args = parser.parse_args()
    if args.python:
        refuse_without_statsforecast(args.python)
    torch.set_num_threads(1)
    forecaster = Forecaster.from_checkpoint(args.checkpoint, device="cpu")
    horizon, context = forecaster.horizon, forecaster.context_length
    machine = measure.machine()
    print(f"{args.checkpoint}, context {context}, others {args.history}, horizon {horizon}")
    print(machine)
    figures = {"machine": machine, "seed": args.seed}
    for path in args.data:
        items, windows = windows_of_file(path, horizon, args.windows, max(args.history, context))
        found = {MODEL: of_model(forecaster, windows, horizon)}
        others = [w._replace(history=w.history[-args.history :]) for w in windows]
        if args.python:
            found |= of_peers(args.python, others, horizon)
        else:
            found["seasonal naive"] = naive(others, horizon)
        rows = compare(found, windows, args.seed)
        name, starts = Path(path).stem, {w.start for w in windows}
        figures[name] = {"windows": len(windows), "times": len(starts), "rows": rows}
        seasons = sorted({w.season for w in windows})
        print(
            f"\n{name}: {len(windows)} windows of {len(items)} series at {len(starts)} times, "
            f"{min(starts)} to {max(starts)}; season {', '.join(map(str, seasons))}"
        )
        print(measure.table([*rows[0]], [texts(row) for row in rows]), flush=True)
    measure.write_json(args.json, figures)


if __name__ == "__main__":
    main()
