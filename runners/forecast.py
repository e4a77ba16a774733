"""Command: forecasts the series of tables into another table.

python -m runners.forecast CHECKPOINT --data my.csv --horizon 96 --out forecast.csv
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from data.options import add_table_arguments, table_options
from data.tables import Item, read_items
from data.tables.writing import PARQUET, forecast_columns, output_kind, write_long
from data.timelines import Series, sample_times, series_of, step_texts
from losses.byot import TEACHER
from runners import InputError, at_least_one
from runners.atomic import atomic_write
from runners.command import (
    add_checkpoint_arguments,
    add_rollout_arguments,
    check_output,
    head_of,
    open_forecaster,
    run,
    say,
)
from runners.tracking.figures import Panel, save_figure

MAX_PANELS = 4
MIN_PLOTTED = 48  # steps of history
SERIES_PER_FRAME = 1000  # of what is written at once


def main(argv: list[str]) -> None:
    """Runs the command."""
    args = parse_args(argv)
    options = table_options(**vars(args))
    check_output("--out", args.out)
    check_output("--plot", args.plot, (".png",))
    kind = output_kind(args.out)
    forecaster = open_forecaster(args.checkpoint, args.param, args.head)
    if args.context is not None:
        forecaster = forecaster.with_context(args.context, "--context")
    levels = forecaster.levels(args.quantiles, "--quantiles")
    context = forecaster.context_length
    items = with_steps_of_one(read_items(args.data, options, say))
    series = series_of(items, context, args.horizon, options.freq, args.columns, say)
    say_empty(series, context)
    # The trained levels are drawn, the chosen ones written.
    trained = forecaster.levels()
    forecasts = forecaster.predict_quantiles(
        [one.values for one in series], args.horizon, [0.5, *levels, *trained] if trained else None,
        args.rollout, args.paths, args.seed, args.batch_size,
    )  # fmt: skip
    written = 1 + len(levels)
    frames = frames_of(series, forecasts[..., :written], forecast_columns(levels), kind)
    atomic_write(args.out, lambda file: write_long(file, frames, kind))
    if args.plot:
        drawn = forecasts[..., written:] if trained else forecasts
        panels = panels_of(series, drawn, trained or (None,))
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
    add("--head", type=head_of, default=TEACHER, help="teacher, or the layer of a student")
    add("--context", type=int, metavar="N", help="values to look back on (default: as trained)")
    add_rollout_arguments(parser)
    add_table_arguments(parser)
    args = parser.parse_args(argv)
    for name in ("horizon", "context", "batch_size", "paths"):
        value = getattr(args, name)
        if value is not None:
            at_least_one(f"--{name.replace('_', '-')}", value)
    return args


def with_steps_of_one(items: Iterable[Item]) -> Iterator[Item]:
    """Items without a counter that has other steps than one; their steps are numbered from 1.

    What is written has to be read back: numbers that several ids do not share are steps only where
    they count by one.
    """
    for item in items:
        keep = item.counter is None or (isinstance(item.counter[1], int) and item.counter[1] <= 1)
        yield item if keep else item._replace(counter=None)


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


def frames_of(
    series: list[Series], forecasts: np.ndarray, names: list[str], kind: str
) -> Iterator[pd.DataFrame]:
    """The forecasts as a long table, in parts.

    Args:
        series: S series.
        forecasts: [S, H, 1 + levels]: the median or the point, then the levels.
        names: of these columns.
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
        }
        values = {name: values[..., i].ravel() for i, name in enumerate(names)}
        yield pd.DataFrame(columns | values)


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
