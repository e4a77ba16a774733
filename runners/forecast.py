"""Command: forecasts the series of a CSV file into another one.

python -m runners.forecast CHECKPOINT --data my.csv --horizon 96 --out forecast.csv
"""

import argparse
import sys
from collections import defaultdict
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from data.calendar import CalendarError, find_calendar, format_times, time_unit
from data.tables import LAYOUTS, Table, read_table, write_long
from runners import InputError
from runners.checkpoint import atomic_write
from runners.command import OpenedModel, add_checkpoint_arguments, open_checkpoint, run
from runners.tracking.figures import Panel, save_figure

MAX_PANELS = 4
MIN_PLOTTED = 48  # steps of history


class Series(NamedTuple):
    """A series' end, and the steps after it.

    Attributes:
        name: of the series.
        values: float64 [n], oldest first; not finite is missing.
        past: the step of each value, datetime64[us] or int64 [n].
        future: the steps to forecast, likewise [H].
    """

    name: str
    values: np.ndarray
    past: np.ndarray
    future: np.ndarray


def main(argv: list[str]) -> None:
    """Runs the command."""
    args = parse_args(argv)
    check_files(args)
    opened = open_checkpoint(args.checkpoint, args.param)
    utp = opened.wrapper.utp
    context = check_context(args.context, utp.max_context_length)
    chosen = choose_quantiles(args.quantiles, utp.quantiles)
    table = choose_columns(read_table(args.data, args.layout), args.columns, args.data)
    series, frequency = series_of(table, utp.max_context_length, args.horizon, args.data)
    say_empty(series, context, args.data)
    forecasts = forecast(opened, series, context, args.horizon, args.batch_size)

    names = [f"q{utp.quantiles[i]:g}" for i in chosen] if utp.quantiles else ["forecast"]
    header = ["series", "step" if table.timestamps is None else "timestamp", *names]
    blocks = (
        (one.name, step_texts(one.future, table), values[:, chosen])
        for one, values in zip(series, forecasts, strict=True)
    )
    atomic_write(args.out, lambda file: write_long(file, header, blocks))
    if args.plot:
        panels = panels_of(series, forecasts, utp.quantiles or (None,))
        atomic_write(args.plot, lambda file: save_figure(panels, file))
    print(f"{args.out}: {summary(series, frequency, table)}")


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line; a number that can never be right is an error here."""
    parser = argparse.ArgumentParser(
        prog="python -m runners.forecast", description=__doc__.split("\n")[0]
    )
    add_checkpoint_arguments(parser)
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="FILE.csv", help="the history, wide or m4")
    add("--horizon", type=int, required=True, metavar="H", help="steps to forecast")
    add("--out", type=Path, required=True, metavar="FILE.csv", help="a file to be made")
    add("--plot", type=Path, metavar="FILE.png", help=f"a picture of the first {MAX_PANELS} series")
    add("--columns", nargs="+", metavar="NAME", help="series to forecast (default: all)")
    add("--quantiles", nargs="+", type=float, metavar="Q", help="levels to write (default: all)")
    add("--context", type=int, metavar="N", help="values to look back on (default: the most)")
    add("--layout", choices=LAYOUTS, help="of --data (default: told by the first cell)")
    add("--batch-size", type=int, default=256, metavar="N", help="series at once (256)")
    args = parser.parse_args(argv)
    for name in ("horizon", "context", "batch_size"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise InputError(f"--{name.replace('_', '-')} {value}: must be 1 or more")
    return args


def check_files(args: argparse.Namespace) -> None:
    """Refuses files that are there and folders that are not, before anything is computed."""
    for name, path in (("--out", args.out), ("--plot", args.plot)):
        if path is None:
            continue
        if path.exists():
            raise InputError(f"{name}: {path} is there already")
        if not path.parent.is_dir():
            raise InputError(f"{name}: there is no folder {path.parent}")
    if args.plot and args.plot.suffix.lower() != ".png":
        raise InputError(f"--plot: {args.plot} must end in .png")
    if args.plot and args.plot.resolve() == args.out.resolve():
        raise InputError(f"--plot: {args.plot} is --out's file")


def check_context(context: int | None, longest: int) -> int:
    """How many values to look back on."""
    if context is not None and context > longest:
        raise InputError(f"--context {context}: the model looks back on at most {longest} values")
    return context or longest


def choose_quantiles(wanted: list[float] | None, trained: tuple[float, ...] | None) -> list[int]:
    """Where the wanted levels are among the model's outputs."""
    if trained is None:
        if wanted:
            raise InputError("--quantiles: this model forecasts points; leave it out")
        return [0]
    indices = []
    for level in dict.fromkeys(wanted or trained):
        matches = [i for i, one in enumerate(trained) if abs(one - level) < 1e-6]
        if not matches:
            levels = ", ".join(f"{one:g}" for one in trained)
            raise InputError(f"--quantiles {level:g}: the trained ones are {levels}")
        indices += matches
    return indices


def choose_columns(table: Table, wanted: list[str] | None, path: Path) -> Table:
    """The table with the wanted series alone, in that order."""
    where: dict[str, int] = {}
    for i, name in enumerate(table.names):
        if where.setdefault(name, i) != i:
            raise InputError(f"{path}: two series are named {name!r:.60}; names must differ")
    names = list(dict.fromkeys(wanted or table.names))
    for name in names:
        if name not in where:
            near = get_close_matches(name, table.names, 3)
            there = near or [*table.names[:5], *["..."] * (len(table.names) > 5)]
            start = "did you mean" if near else "there are"
            raise InputError(f"--columns: no series {name!r:.60}; {start} {', '.join(there)}")
    return table._replace(names=names, series=[table.series[where[name]] for name in names])


def series_of(
    table: Table, length: int, horizon: int, path: Path
) -> tuple[list[Series], str | None]:
    """The last steps of each series, and those to forecast.

    The series of a wide file go on after its last row, whether or not they have a value there;
    those of an m4 file after their own last value. Rows that are missing from a calendar are
    missing values.

    Args:
        table: of the file.
        length: steps to look back on; timestamps need to be regular among so many last rows.
        horizon: steps to forecast.
        path: of the file, for messages.

    Returns:
        The series, and one step of their calendar in words, if they have one.

    Raises:
        InputError: the timestamps are irregular.
    """
    if table.timestamps is None:
        series = []
        for name, values in zip(table.names, table.series, strict=True):
            end = len(values)
            if table.layout == "m4":
                end = int(np.flatnonzero(np.isfinite(values)).max(initial=-1)) + 1
            past = np.arange(max(end - length, 0), end)
            future = np.arange(end, end + horizon)
            series.append(Series(name, values[past], past + 1, future + 1))
        return series, None
    times = table.timestamps[-length:]
    try:
        calendar = find_calendar(times, first_row=2 + len(table.timestamps) - len(times))
    except CalendarError as error:
        raise InputError(f"{path}: {error}") from None
    last = calendar.steps[-1]
    past = np.arange(max(last + 1 - length, 0), last + 1)  # what to look back on
    inside = calendar.steps >= past[0]
    if missing := len(past) - inside.sum():
        note = f"{missing} of the last {len(past)} rows are missing (one every "
        note += f"{calendar.frequency}); they are taken as missing values"
        print(f"{path}: {note}", file=sys.stderr)
    future = calendar.at(np.arange(last + 1, last + 1 + horizon))
    series = []
    for name, values in zip(table.names, table.series, strict=True):
        filled = np.full(len(past), np.nan)
        filled[calendar.steps[inside] - past[0]] = values[-length:][inside]
        series.append(Series(name, filled, calendar.at(past), future))
    return series, calendar.frequency


def say_empty(series: list[Series], context: int, path: Path) -> None:
    """Says which series have nothing to forecast from; it is an error if none has."""
    empty = [one.name for one in series if not np.isfinite(one.values[-context:]).any()]
    if len(empty) == len(series):
        raise InputError(f"{path}: no series has a value among its last {context}")
    if empty:
        names = ", ".join([*empty[:5], *["..."] * (len(empty) > 5)])
        note = f"{len(empty)} series without a value among the last {context}: {names}"
        print(f"{path}: {note}; the cells of their forecasts are empty", file=sys.stderr)


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
        past, history = one.past[-shown:], one.values[-shown:]
        panels.append(Panel(past, history, one.future, quantiles, one.name))
    return panels


def summary(series: list[Series], frequency: str | None, table: Table) -> str:
    """How many series, from when to when."""
    ends = [min(one.future[0] for one in series), max(one.future[-1] for one in series)]
    begin, end = step_texts(np.array(ends), table)
    steps = f"one step every {frequency}, from" if frequency else "from step"
    return f"{len(series)} series, {steps} {begin} to {end}"


def step_texts(steps: np.ndarray, table: Table) -> list[str]:
    """Timestamps as the file writes them, or step numbers."""
    if table.timestamps is None:
        return [str(step) for step in steps]
    return format_times(steps, time_unit(table.timestamps), table.utc)


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
