"""Command: forecasts the series of tables into another table.

python -m runners.forecast CHECKPOINT --data my.csv --horizon 96 --out forecast.csv
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from data.options import add_table_arguments, table_options
from data.tables import read_items
from data.tables.writing import PARQUET, output_kind, write_long
from runners import InputError
from runners.checkpoint import atomic_write
from runners.command import OpenedModel, add_checkpoint_arguments, open_checkpoint, run, say
from runners.timelines import Series, sample_times, series_of, step_texts
from runners.tracking.figures import Panel, save_figure

MAX_PANELS = 4
MIN_PLOTTED = 48  # steps of history
SERIES_PER_FRAME = 1000  # of what is written at once


def main(argv: list[str]) -> None:
    """Runs the command."""
    args = parse_args(argv)
    options = table_options(**vars(args))
    check_outputs(args.out, args.plot)
    kind = output_kind(args.out)
    opened = open_checkpoint(args.checkpoint, args.param)
    utp = opened.wrapper.utp
    context = check_context(args.context, utp.max_context_length)
    chosen = choose_quantiles(args.quantiles, utp.quantiles)
    items = read_items(args.data, options, say)
    series = series_of(items, utp.max_context_length, args.horizon, options.freq, args.columns)
    say_gaps(series)
    say_empty(series, context)
    forecasts = forecast(opened, series, context, args.horizon, args.batch_size)

    levels = {f"{utp.quantiles[i]:g}": i for i in chosen}
    frames = frames_of(series, forecasts, utp.median, levels, kind)
    atomic_write(args.out, lambda file: write_long(file, frames, kind))
    if args.plot:
        panels = panels_of(series, forecasts, utp.quantiles or (None,))
        atomic_write(args.plot, lambda file: save_figure(panels, file))
    print(f"{args.out}: {summary(series)}")


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line; a number that can never be right is an error here."""
    parser = argparse.ArgumentParser(
        prog="python -m runners.forecast", description=__doc__.split("\n")[0]
    )
    add_checkpoint_arguments(parser)
    add = parser.add_argument
    add("--data", nargs="+", required=True, metavar="FILE", help="the history: tables, folders")
    add("--horizon", type=int, required=True, metavar="H", help="steps to forecast")
    add("--out", type=Path, required=True, metavar="FILE.csv",
        help="a file to be made: .csv, .csv.gz or .parquet")  # fmt: skip
    add("--plot", type=Path, metavar="FILE.png", help=f"a picture of the first {MAX_PANELS} series")
    add("--columns", nargs="+", metavar="ID", help="series to forecast (default: all)")
    add("--quantiles", nargs="+", type=float, metavar="Q", help="levels to write (default: all)")
    add("--context", type=int, metavar="N", help="values to look back on (default: the most)")
    add("--batch-size", type=int, default=256, metavar="N", help="series at once (256)")
    add_table_arguments(parser)
    args = parser.parse_args(argv)
    for name in ("horizon", "context", "batch_size"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise InputError(f"--{name.replace('_', '-')} {value}: must be 1 or more")
    return args


def check_outputs(out: Path, plot: Path | None) -> None:
    """Refuses files that are there and folders that are not, before anything is computed."""
    for name, path in (("--out", out), ("--plot", plot)):
        if path is None:
            continue
        if path.exists():
            raise InputError(f"{name}: {path} is there already")
        if not path.parent.is_dir():
            raise InputError(f"{name}: there is no folder {path.parent}")
    if plot and plot.suffix.lower() != ".png":
        raise InputError(f"--plot: {plot} must end in .png")


def check_context(context: int | None, longest: int) -> int:
    """How many values to look back on."""
    if context is not None and context > longest:
        raise InputError(f"--context {context}: the model looks back on at most {longest} values")
    return context or longest


def choose_quantiles(wanted: list[float] | None, trained: tuple[float, ...] | None) -> list[int]:
    """Where the wanted levels are among the model's outputs; a point model has none."""
    if trained is None:
        if wanted:
            raise InputError("--quantiles: this model forecasts points; leave it out")
        return []
    indices = []
    for level in dict.fromkeys(wanted or trained):
        matches = [i for i, one in enumerate(trained) if abs(one - level) < 1e-6]
        if not matches:
            levels = ", ".join(f"{one:g}" for one in trained)
            raise InputError(f"--quantiles {level:g}: the trained ones are {levels}")
        indices += matches
    return indices


def say_gaps(series: list[Series]) -> None:
    """Says for each file how many of the rows that are looked back on are missing."""
    gaps = defaultdict(list)
    for one in series:
        if missing := len(one.timeline.past) - len(one.timeline.rows):
            gaps[one.source].append((missing, one))
    for source, found in gaps.items():
        missing, one = max(found, key=lambda pair: pair[0])
        timelines = {id(pair[1].timeline) for pair in found}
        where = "" if len(timelines) == 1 else (
            f"{len(found)} series have missing rows; of {one.name!r:.60} "
        )  # fmt: skip
        say(
            f"{source}: {where}{missing} of the last {len(one.timeline.past)} rows "
            f"{'are' if missing > 1 else 'is'} missing (one every {one.timeline.frequency}), taken "
            "as missing values"
        )


def say_empty(series: list[Series], context: int) -> None:
    """Says which series have nothing to forecast from; it is an error if none has."""
    empty = [one for one in series if not np.isfinite(one.values[-context:]).any()]
    sources = list(dict.fromkeys(one.source for one in empty or series))
    where = ", ".join([*sources[:3], *["..."] * (len(sources) > 3)])
    if len(empty) == len(series):
        raise InputError(f"{where}: no series has a value among its last {context}")
    if empty:
        names = ", ".join([*(one.name for one in empty[:5]), *["..."] * (len(empty) > 5)])
        note = f"{len(empty)} series without a value among the last {context}: {names}"
        say(f"{where}: {note}; the cells of their forecasts are empty")


def forecast(
    opened: OpenedModel, series: list[Series], context: int, horizon: int, batch_size: int
) -> np.ndarray:
    """Forecasts of all series, float32 [S, H, Q]; NaN for one without a value in its context.

    Series of one length share a batch: padding would change what a series is forecast to be.
    """
    utp = opened.wrapper.utp
    forecasts = np.full((len(series), horizon, utp.num_outputs), np.nan, np.float32)
    groups = defaultdict(list)
    for i, one in enumerate(series):
        tail = one.values[-context:]
        if np.isfinite(tail).any():
            groups[len(tail)].append(i)
    batches = [
        group[start : start + batch_size]
        for group in groups.values()
        for start in range(0, len(group), batch_size)
    ]
    with opened.autocast():  # predict itself computes no gradients
        for batch in tqdm(batches, desc="forecast", unit="batch", disable=len(batches) < 2 or None):
            tails = np.stack([series[i].values[-context:] for i in batch])
            predicted = opened.wrapper.predict(torch.from_numpy(tails).to(opened.device), horizon)
            forecasts[batch] = predicted.cpu().numpy()
    return forecasts


def frames_of(
    series: list[Series], forecasts: np.ndarray, median: int, levels: dict[str, int], kind: str
) -> Iterator[pd.DataFrame]:
    """The forecasts as a long table, in parts.

    Args:
        series: S series.
        forecasts: [S, H, Q].
        median: where the median, or the point, is in Q.
        levels: where other columns are in Q, by name.
        kind: of the file; text files get times as text.
    """
    has_times = series[0].timeline.has_times
    like = sample_times(series) if has_times else None
    several_zones = has_times and len({str(one.timeline.future.tz) for one in series}) > 1
    for start in range(0, len(series), SERIES_PER_FRAME):
        part = series[start : start + SERIES_PER_FRAME]
        values = forecasts[start : start + SERIES_PER_FRAME]
        futures = [one.timeline.future for one in part]
        if not has_times:
            steps = np.concatenate(futures)
        elif kind == PARQUET:  # a column of times has one zone there
            futures = [f.tz_convert("UTC") for f in futures] if several_zones else futures
            steps = futures[0].append(futures[1:])
        else:
            steps = [text for future in futures for text in step_texts(future, like)]
        columns = {
            "item_id": np.repeat(np.array([one.name for one in part], object), values.shape[1]),
            "timestamp" if has_times else "step": steps,
            "predictions": values[..., median].ravel(),
        }
        yield pd.DataFrame(columns | {name: values[..., i].ravel() for name, i in levels.items()})


def panels_of(
    series: list[Series], forecasts: np.ndarray, levels: tuple[float | None, ...]
) -> list[Panel]:
    """What to draw of the first series with a forecast: it, and about three horizons before it."""
    panels = []
    drawn = (i for i in range(len(series)) if not np.isnan(forecasts[i]).any())
    for i in islice(drawn, MAX_PANELS):
        one, values = series[i], forecasts[i]
        shown = max(3 * len(values), MIN_PLOTTED)
        quantiles = dict(zip(levels, values.T, strict=True))
        past, future = (plotted(steps) for steps in (one.timeline.past, one.timeline.future))
        panels.append(Panel(past[-shown:], one.values[-shown:], future, quantiles, one.name))
    return panels


def plotted(steps: pd.DatetimeIndex | np.ndarray) -> np.ndarray:
    """Steps as matplotlib draws them: step numbers, or wall-clock times."""
    return steps if isinstance(steps, np.ndarray) else steps.tz_localize(None).to_numpy()


def summary(series: list[Series]) -> str:
    """How many series, from when to when."""
    timelines = {id(one.timeline): one.timeline for one in series}.values()
    begin = min((one.future[:1] for one in timelines), key=lambda steps: steps[0])
    end = max((one.future[-1:] for one in timelines), key=lambda steps: steps[0])
    if series[0].timeline.has_times:
        like = sample_times(series)
        frequencies = dict.fromkeys(one.frequency for one in timelines)
        steps = f"one step every {' or '.join(frequencies)}, from"
    else:
        like, steps = None, "from step"
    (first,), (last,) = step_texts(begin, like), step_texts(end, like)
    return f"{len(series)} series, {steps} {first} to {last}"


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
