"""Command: how good are a model's forecasts of files that it has not seen? See docs/evaluation.md.

python -m runners.evaluate CHECKPOINT --data ETTh1.csv --protocol etth --context 512 --horizon 96
"""

import argparse
import sys
import time
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from statistics import median

import torch
from tqdm import tqdm

from losses.byot import TEACHER, Head
from models.utp import UTP
from runners import InputError
from runners.checkpoint import write_json
from runners.command import OpenedModel, add_checkpoint_arguments, open_checkpoint, run
from runners.evaluation.baselines import last_value, seasonal_naive
from runners.evaluation.metrics import ForecastMetrics
from runners.evaluation.protocol import (
    FRACTIONS,
    SEASONS,
    Series,
    check_lengths,
    open_series,
    windows,
)
from runners.evaluation.report import depth_report, depth_table, mean_rows, plot_depth, table
from runners.tracking.meters import head_name

LAST, SEASONAL = "last value", "seasonal naive"


def main(argv: list[str]) -> None:
    """Runs the command."""
    args = parse_args(argv)
    opened = open_checkpoint(args.checkpoint, args.param)
    context = check_arguments(args, opened)
    heads = all_heads(opened) if args.heads == "all" else {TEACHER: opened.wrapper.utp}
    rows = [
        row
        for series in open_files(args, context)
        for horizon in args.horizon
        for row in evaluate(opened, heads, series, context, horizon, args)
    ]
    means = mean_rows(rows)
    print(table(rows + means if len(rows) > len(means) else rows, opened.wrapper.utp.quantiles))
    print(
        f"protocol {args.protocol}, context {context}, stride {args.stride}, "
        f"season {season_of(args)}; "
        "errors in units of each channel's training part"
    )
    if args.heads == "all":
        report = depth_report(heads, means)
        print(depth_table(report))
        if args.plot:
            plot_depth(args.plot, report)
    if args.out:
        settings = {
            "checkpoint": str(args.checkpoint), "protocol": args.protocol, "context": context,
            "stride": args.stride, "season": season_of(args),
        }  # fmt: skip
        report = {"depth": report} if args.heads == "all" else {}
        write_json(args.out, settings | {"results": rows, "mean": means} | report)


def season_of(args: argparse.Namespace) -> int:
    """The season in steps: as it was given, or the protocol's."""
    return args.season or SEASONS[args.protocol]


def all_heads(opened: OpenedModel) -> dict[Head, UTP]:
    """A model for each head, by depth; the teacher is the last one."""
    wrapper = opened.wrapper
    students = {layer: wrapper.student(layer) for layer in wrapper.aux_head_layers}
    return students | {TEACHER: wrapper.utp}


def open_files(args: argparse.Namespace, context: int) -> Iterator[Series]:
    """The files of `--data`, one after the other, each with room for the windows asked for."""
    season = season_of(args)
    for path in args.data:
        series = open_series(path, args.protocol, args.fractions, season)
        check_lengths(series, path, context, args.horizon, season)
        yield series


def evaluate(
    opened: OpenedModel,
    heads: dict[Head, UTP],
    series: Series,
    context: int,
    horizon: int,
    args: argparse.Namespace,
) -> list[dict]:
    """One result for each head and each reference, on the same windows."""
    quantiles, season = opened.wrapper.utp.quantiles, season_of(args)
    results = {head: ForecastMetrics(quantiles) for head in heads}
    references = {name: ForecastMetrics(quantiles, spread=False) for name in (LAST, SEASONAL)}
    seconds = {head: [] for head in heads}
    starts = range(series.split.test, series.split.end - horizon + 1, args.stride)
    total = ceil(len(starts) * len(series.values) / args.batch_size)
    progress = tqdm(
        total=total, unit="batch", desc=f"{series.name} {horizon}", leave=False, disable=None
    )
    for past, target, scale in windows(series, context, horizon, starts, args.batch_size):
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
            "windows": len(starts),
            "channels": len(series.values),
            **metrics.result(),
            "relative_latency": ratios.get(name),
        }
        for name, metrics in named.items()
    ]


def check_arguments(args: argparse.Namespace, opened: OpenedModel) -> int:
    """Refuses what cannot be evaluated; returns the context length."""
    utp = opened.wrapper.utp
    trained = opened.checkpoint.get("config", {}).get("DATASET", {}).get("PARAM", {})
    context = args.context
    if context is None:
        context = trained.get("context_length") or utp.max_context_length
    check_protocol(args, context, utp.max_context_length)
    for path in (args.out, args.plot):
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{path}: there is no folder {path.parent}")
    if args.heads == "all" and not opened.wrapper.aux_head_layers:
        raise InputError(f"--heads all: {args.checkpoint} has no heads but the teacher")
    if args.plot and args.heads != "all":
        raise InputError("--plot draws error over depth: it goes with --heads all")
    return context


def check_protocol(args: argparse.Namespace, context: int, max_context: int) -> None:
    """Refuses settings of `add_protocol_arguments` that no file could satisfy."""
    for horizon in args.horizon:
        if horizon < 1:
            raise InputError(f"--horizon {horizon}: it must be at least 1")
    for name in ("stride", "batch_size", "season"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise InputError(f"--{name.replace('_', '-')} {value}: it must be at least 1")
    if min(args.fractions) < 0 or args.fractions[0] == 0 or sum(args.fractions) > 1 + 1e-9:
        raise InputError(
            f"--fractions {args.fractions}: training, validation and test shares, none below 0, "
            "of at most 1 together"
        )
    if not 1 <= context <= max_context:
        raise InputError(f"--context {context}: this model looks back on 1 to {max_context} steps")


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
    parser.add_argument("--data", nargs="+", type=Path, required=required, metavar="FILE.csv")
    parser.add_argument("--protocol", choices=[*SEASONS], default="ratio")
    parser.add_argument("--fractions", nargs=3, type=float, default=FRACTIONS, metavar="SHARE",
                        help="training, validation and test part of protocol ratio")  # fmt: skip
    parser.add_argument("--context", type=int, help="steps to look back on (as it was trained)")
    parser.add_argument("--horizon", nargs="+", type=int, default=[96], help="steps to forecast")
    parser.add_argument("--stride", type=int, default=1, help="rows between test windows")
    parser.add_argument("--season", type=int, help="steps (etth 24, ettm 96, ratio 1)")
    parser.add_argument("--batch-size", type=int, default=256, help="windows in one pass")


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
