"""Command: how good are a model's forecasts of files that it has not seen? See docs/evaluation.md.

python -m runners.evaluate CHECKPOINT --data ETTh1.csv --protocol etth --context 512 --horizon 96
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from tqdm import tqdm

from data.options import add_table_arguments, table_options
from data.tables import TableOptions, find_files, read_items
from losses.byot import TEACHER, Head
from models.utp import UTP
from runners import InputError
from runners.checkpoint import write_json
from runners.command import OpenedModel, add_checkpoint_arguments, open_checkpoint, run, say
from runners.evaluation.baselines import last_value, seasonal_naive
from runners.evaluation.metrics import ForecastMetrics
from runners.evaluation.protocol import FRACTIONS, SEASONS, Protocol
from runners.evaluation.report import (
    depth_report,
    depth_table,
    mean_rows,
    plot_depth,
    season_text,
    table,
)
from runners.evaluation.series import Series, open_series, windows
from runners.tracking.meters import head_name

LAST, SEASONAL = "last value", "seasonal naive"


class Dataset(NamedTuple):
    """Tables that are evaluated together, one row of the results.

    Attributes:
        source: the file, or the folder or pattern whose files are parts of one table.
        paths: of the files.
    """

    source: str
    paths: list[Path]

    @property
    def name(self) -> str:
        """What the results call it."""
        return Path(self.source).name


def main(argv: list[str]) -> None:
    """Runs the command."""
    args = parse_args(argv)
    options = table_options(**vars(args))
    opened = open_checkpoint(args.checkpoint, args.param)
    check_outputs(args.out, args.plot, args.heads)
    if args.heads == "all" and not opened.wrapper.aux_head_layers:
        raise InputError(f"--heads all: {args.checkpoint} has no heads but the teacher")
    longest = opened.wrapper.utp.max_context_length
    context = args.context
    if context is None:
        trained = opened.checkpoint.get("config", {}).get("DATASET", {}).get("PARAM", {})
        context = trained.get("context_length") or longest
    protocol = Protocol(
        args.protocol, tuple(args.fractions), context, tuple(args.horizon), args.stride, args.season
    )
    check_protocol(protocol, args.batch_size, longest)
    heads = all_heads(opened) if args.heads == "all" else {TEACHER: opened.wrapper.utp}
    rows, seasons = [], {}
    for series in open_files(find_datasets(args.data, options), protocol, options, say):
        seasons[series.name] = series.season
        for horizon in protocol.horizons:
            rows += evaluate(opened, heads, series, protocol, horizon, args.batch_size)
    means = mean_rows(rows)
    print(table(rows + means if len(rows) > len(means) else rows, opened.wrapper.utp.quantiles))
    print(
        f"protocol {protocol.name}, context {protocol.context}, stride {protocol.stride}, "
        f"{season_text(seasons)}; errors in units of each channel's training part"
    )
    report = {}
    if args.heads == "all":
        report = {"depth": depth_report(heads, means)}
        print(depth_table(report["depth"]))
        if args.plot:
            plot_depth(args.plot, report["depth"])
    if args.out:
        steps = {season.steps for season in seasons.values()}
        settings = {
            "checkpoint": str(args.checkpoint), "protocol": protocol.name,
            "context": protocol.context, "stride": protocol.stride,
            "season": steps.pop() if len(steps) == 1 else None,  # the rows have their own
        }  # fmt: skip
        write_json(args.out, settings | {"results": rows, "mean": means} | report)


def all_heads(opened: OpenedModel) -> dict[Head, UTP]:
    """A model for each head, by depth; the teacher is the last one."""
    wrapper = opened.wrapper
    students = {layer: wrapper.student(layer) for layer in wrapper.aux_head_layers}
    return students | {TEACHER: wrapper.utp}


def find_datasets(data: Sequence[str], options: TableOptions) -> list[Dataset]:
    """What `--data` names: each file for itself, or with `--files join` each argument as a whole.

    Raises:
        TableError: there is no such file.
    """
    if options.files:
        return [Dataset(one, find_files([one], say)) for one in data]
    return [Dataset(str(path), [path]) for path in find_files(data, say)]


def open_files(
    datasets: Sequence[Dataset],
    protocol: Protocol,
    options: TableOptions,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Series]:
    """The series of each dataset, one dataset after the other, so that one is in memory."""
    for source, paths in datasets:
        yield open_series(source, read_items(paths, options, say), protocol, options.freq, say)


def evaluate(
    opened: OpenedModel,
    heads: dict[Head, UTP],
    series: Series,
    protocol: Protocol,
    horizon: int,
    batch_size: int,
) -> list[dict]:
    """One result for each head and each reference, on the same windows."""
    quantiles, season = opened.wrapper.utp.quantiles, series.season.steps
    results = {head: ForecastMetrics(quantiles) for head in heads}
    references = {name: ForecastMetrics(quantiles, spread=False) for name in (LAST, SEASONAL)}
    seconds = {head: [] for head in heads}
    counts = [len(protocol.targets(split, horizon)) for split in series.splits]  # of windows
    progress = tqdm(
        total=ceil(sum(counts) / batch_size), unit="batch", desc=f"{series.name} {horizon}",
        leave=False, disable=None,
    )  # fmt: skip
    for past, target, scale in windows(series, protocol, horizon, batch_size):
        past, target, scale = (part.to(opened.device) for part in (past, target, scale))
        for head, model in heads.items():
            began = _now(opened.device)
            with opened.autocast():
                forecast = model.predict(past, horizon)
            seconds[head].append(_now(opened.device) - began)
            results[head].add(forecast, target, scale)
        points = last_value(past, horizon), seasonal_naive(past, horizon, season)
        for metrics, point in zip(references.values(), points, strict=True):
            metrics.add(point[..., None].expand(*point.shape, opened.wrapper.utp.num_outputs),
                        target, scale)  # fmt: skip
        progress.update()
    progress.close()
    ratios = {
        head_name(head): median(
            own / full for own, full in zip(times, seconds[TEACHER], strict=True)
        )
        for head, times in seconds.items()
    }
    named = {head_name(head): metrics for head, metrics in results.items()} | references
    return [
        {
            "file": series.name,
            "horizon": horizon,
            "forecaster": name,
            "windows": max(counts),
            "channels": len(counts),
            "season": season,
            **metrics.result(),
            "relative_latency": ratios.get(name),
        }
        for name, metrics in named.items()
    ]


def check_outputs(out: Path | None, plot: Path | None, heads: str) -> None:
    """Refuses files that cannot be written, before anything is computed."""
    for path in (out, plot):
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{path}: there is no folder {path.parent}")
    if plot and heads != "all":
        raise InputError("--plot draws error over depth: it goes with --heads all")


def check_protocol(protocol: Protocol, batch_size: int, max_context: int) -> None:
    """Refuses settings that no file could satisfy."""
    for horizon in protocol.horizons:
        if horizon < 1:
            raise InputError(f"--horizon {horizon}: it must be at least 1")
    values = {"stride": protocol.stride, "batch-size": batch_size, "season": protocol.season}
    for name, value in values.items():
        if value is not None and value < 1:
            raise InputError(f"--{name} {value}: it must be at least 1")
    shares = protocol.fractions
    if min(shares) < 0 or shares[0] == 0 or sum(shares) > 1 + 1e-9:
        raise InputError(
            f"--fractions {list(shares)}: training, validation and test shares, none below 0, "
            "of at most 1 together"
        )
    if not 1 <= protocol.context <= max_context:
        raise InputError(
            f"--context {protocol.context}: this model looks back on 1 to {max_context} steps"
        )


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m runners.evaluate", description=__doc__.split("\n")[0]
    )
    add_checkpoint_arguments(parser)
    add_protocol_arguments(parser)
    parser.add_argument("--heads", choices=["teacher", "all"], default="teacher")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="error over depth")
    return parser.parse_args(argv)


def add_protocol_arguments(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Which windows of which files are forecast, and how they are scored."""
    parser.add_argument("--data", nargs="+", required=required, metavar="FILE",
                        help="tables, or folders of them")  # fmt: skip
    parser.add_argument("--protocol", choices=[*SEASONS], default="ratio")
    parser.add_argument("--fractions", nargs=3, type=float, default=FRACTIONS, metavar="SHARE",
                        help="training, validation and test part of protocol ratio")  # fmt: skip
    parser.add_argument("--context", type=int, help="steps to look back on (as it was trained)")
    parser.add_argument("--horizon", nargs="+", type=int, default=[96], help="steps to forecast")
    parser.add_argument("--stride", type=int, default=1, help="rows between test windows")
    parser.add_argument(
        "--season", type=int, help="steps (etth 24, ettm 96, ratio: of the calendar)"
    )
    parser.add_argument("--batch-size", type=int, default=256, help="windows in one pass")
    add_table_arguments(parser)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
