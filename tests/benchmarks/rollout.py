"""Forecasts of many passes: quantile paths against the median roll; and short histories, padded.

python -m tests.benchmarks.rollout CHECKPOINT --data FILE ... [--paths 2 4 8 16] [--seeds 0 1 2]
    [--passes 10] [--windows 64] [--short 48 96 160] [--timed 8]
    [--rounds 3] [--plot FILE.png] [--json FILE]

Windows lie evenly over the last 30 % of each series, a share of them for each series of a file;
values are z-scored by the first 70 %. Both ways forecast the same windows. Their time is measured
apart, on some windows of the first file, all ways in turns, with one thread.
"""

import statistics
from functools import partial
from pathlib import Path

import numpy as np
import torch

from data.contexts import pad_left
from data.tables import read_items
from losses.byot import pinball_loss
from models.scaling import row_scale
from runners.atomic import atomic_write
from runners.evaluation.metrics import ForecastMetrics
from runners.forecaster import MEDIAN, PATHS, Forecaster
from runners.tracking.calibration import quantile_indices
from runners.tracking.figures import draw_coverage
from tests.benchmarks import measure

TRAINING = 0.7
BAND = (0.05, 0.95)


def windows(path: str, context: int, horizon: int, count: int) -> np.ndarray:
    """Windows of a table, [n, context + horizon]; series too short for one are left out."""
    items = [item for item in read_items([path]) if len(item.values) >= context + horizon]
    share, found = max(1, count // max(1, len(items))), []
    for item in items:
        first = int(TRAINING * len(item.values))
        mean, std = row_scale(torch.from_numpy(item.values[None, :first]))
        z = (item.values - mean.item()) / (std.item() or 1.0)
        last = len(z) - horizon - context
        starts = np.linspace(max(0, min(first - context, last)), last, share).astype(int)
        found += [z[start : start + context + horizon] for start in starts]
    return np.array(found)


def score(forecast: np.ndarray, target: np.ndarray, levels: tuple[float, ...]) -> dict:
    """WQL, coverage error, MAE and crossing of forecasts [n, H, Q]."""
    metrics = ForecastMetrics(levels)
    metrics.add(torch.from_numpy(forecast), torch.from_numpy(target), torch.ones(len(target)))
    result = metrics.result()
    found = {name: result[name] for name in ("wql", "coverage_error", "mae")}
    return found | {"crossing": float((np.diff(forecast) < 0).mean())}


def coverage_by_pass(
    forecast: np.ndarray, target: np.ndarray, levels: tuple[float, ...], steps: int
) -> list[float]:
    """Share of targets within the 90 % band, for each pass."""
    low, high = quantile_indices(BAND, levels)
    inside = (target > forecast[..., low]) & (target <= forecast[..., high])
    there = np.isfinite(target)
    return [
        float(inside[:, i : i + steps].sum() / there[:, i : i + steps].sum())
        for i in range(0, target.shape[1], steps)
    ]


def rolls(forecaster: Forecaster, data: np.ndarray, horizon: int, num_paths: list[int],
          seeds: list[int]) -> tuple[list[dict], dict[str, list[float]]]:  # fmt: skip
    """A row for the median roll, then one for each number of paths: means over seeds."""
    context, target = data[:, :-horizon], data[:, -horizon:]
    found, blocks = {}, {}
    for k in [0, *num_paths]:
        for seed in seeds if k else seeds[:1]:
            how = {"rollout": PATHS, "num_paths": k, "seed": seed} if k else {"rollout": MEDIAN}
            forecast = forecaster.predict_quantiles(context, horizon, **how)
            row = score(forecast, target, forecaster.quantiles)
            found.setdefault(k, []).append(row)
            covered = coverage_by_pass(forecast, target, forecaster.quantiles, forecaster.horizon)
            blocks.setdefault(k, []).append(covered)
    rows = []
    for k, own in found.items():
        row = {"rollout": f"{k} paths" if k else "median"}
        row |= {name: float(np.mean([one[name] for one in own])) for name in own[0]}
        row["cov.error / median's"] = row["coverage_error"] / found[0][0]["coverage_error"]
        row["wql, greatest - least"] = float(np.ptp([one["wql"] for one in own]))
        rows.append(row)
    names = {k: f"{k} paths" if k else "median roll" for k in blocks}
    return rows, {names[k]: np.mean(own, axis=0).tolist() for k, own in blocks.items()}


def cost(
    forecaster: Forecaster, context: np.ndarray, horizon: int, num_paths: list[int], rounds: int
) -> list[dict]:
    """Time of each way, and its ratio to the median roll's."""
    predict = partial(forecaster.predict_quantiles, context, horizon)
    sides = {0: partial(predict, rollout=MEDIAN)}
    sides |= {k: partial(predict, rollout=PATHS, num_paths=k) for k in num_paths}
    seconds = measure.alternate(sides, rounds)
    return [
        {
            "rollout": f"{k} paths" if k else "median",
            "s per series": statistics.median(own) / len(context),
            "time / median's": k > 0 and measure.ratio(own, seconds[0]),
        }
        for k, own in seconds.items()
    ]


def short_histories(forecaster: Forecaster, data: np.ndarray, lengths: list[int]) -> list[dict]:
    """Loss of one pass from short histories, padded as in training, against not padded."""
    horizon, model = forecaster.horizon, forecaster.model
    target = data[:, -horizon:]
    rows = []
    for length in lengths:
        history = data[:, -horizon - length : -horizon]
        mean, std = row_scale(torch.from_numpy(history))
        z = torch.from_numpy((target - mean.numpy()) / np.where(std > 0, std, 1.0)).float()
        mask = (z.isfinite() & (z.abs() <= 4)).float()
        losses = []
        for padded in (history, pad_left(list(history), forecaster.context_length)):
            values = model.standardise(torch.from_numpy(padded), mean, std)
            with torch.no_grad():
                forecast = model.to_forecast(model.one_pass(values, horizon))
            levels = torch.tensor(forecaster.quantiles)
            losses.append(pinball_loss(forecast, z.nan_to_num() * mask, mask, levels).item())
        plain, padded = losses
        rows.append({"history": length, "loss": plain, "padded": padded,
                     "padded / plain": padded / plain})  # fmt: skip
    return rows


def main() -> None:
    """Prints the tables."""
    parser = measure.parser(__doc__, default_rounds=3)
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT")
    add("--data", nargs="+", required=True, metavar="FILE")
    add("--paths", nargs="+", type=int, default=[2, 4, 8, 16])
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add("--passes", type=int, default=10)
    add("--windows", type=int, default=64, help="of each file")
    add("--timed", type=int, default=8, help="windows to measure the time on")
    add("--short", nargs="+", type=int, default=[48, 96, 160], help="lengths of histories")
    add("--plot", type=Path, metavar="FILE.png")
    args = parser.parse_args()
    torch.set_num_threads(1)
    forecaster = Forecaster.from_checkpoint(args.checkpoint, device="cpu")
    machine = measure.machine("cpu")
    print(f"{args.checkpoint}, {args.passes} passes of {forecaster.horizon}; {machine}")
    figures, blocks = {"machine": machine}, {}
    horizon = args.passes * forecaster.horizon
    for path in args.data:
        name = Path(path).stem
        data = windows(path, forecaster.context_length, horizon, args.windows)
        rows, blocks[name] = rolls(forecaster, data, horizon, args.paths, args.seeds)
        near = data[:, : forecaster.context_length + forecaster.horizon]
        short = short_histories(forecaster, near, args.short)
        print(f"\n{name}, {len(data)} windows")
        for some in (rows, short):
            print(measure.table([*some[0]], [measure.cells(row) for row in some]))
        if path == args.data[0]:
            context = data[: args.timed, :-horizon]
            timed = cost(forecaster, context, horizon, args.paths, args.rounds)
        figures[name] = {"rolls": rows, "short": short, "coverage by pass": blocks[name]}
    print(f"\ntime of {len(context)} series")
    print(measure.table([*timed[0]], [measure.cells(row) for row in timed]))
    figures["cost"] = timed
    if args.plot:
        figure = draw_coverage(blocks, 0.9, forecaster.horizon)
        atomic_write(args.plot, lambda file: figure.savefig(file, format="png", dpi=150))
    measure.write_json(args.json, figures)


if __name__ == "__main__":
    main()
