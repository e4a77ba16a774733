"""Command: how good are a model's forecasts of files that it has not seen? See docs/evaluation.md.

python -m runners.evaluate CHECKPOINT --data ETTh1.csv --protocol etth --context 512 --horizon 96
"""

import argparse
import sys
from pathlib import Path

from data.options import add_table_arguments, table_options
from losses.byot import TEACHER
from runners import InputError, at_least_one
from runners.atomic import write_json
from runners.command import (
    add_checkpoint_arguments,
    add_rollout_arguments,
    check_output,
    head_of,
    open_forecaster,
    run,
    say,
)
from runners.evaluation import evaluate_model
from runners.evaluation.protocol import BACKTEST, FRACTIONS, RATIO, SEASONS, Protocol
from runners.evaluation.report import (
    budget_text,
    coverage_table,
    depth_report,
    depth_table,
    mean_rows,
    plot_coverage,
    plot_depth,
    records,
    rollout_text,
    season_text,
    table,
)
from runners.evaluation.tables import find_datasets
from runners.tracking.figures import choose_bands

ALL = "all"


def main(argv: list[str]) -> None:
    """Runs the command."""
    args = parse_args(argv)
    options = table_options(**vars(args))
    protocol = protocol_of(**vars(args))
    for name, path in (("--plot", args.plot), ("--plot-coverage", args.plot_coverage)):
        check_output(name, path, (".png",), may_exist=True)
    check_output("--out", args.out, may_exist=True)
    if args.plot and args.heads != ALL:
        raise InputError("--plot draws error over depth: it goes with --heads all")
    forecaster = open_forecaster(args.checkpoint, args.param, args.head or TEACHER)
    if args.plot_coverage and not choose_bands(forecaster.quantiles or ()):
        raise InputError(f"--plot-coverage: {args.checkpoint} forecasts no band of quantiles")
    if args.heads == ALL and len(forecaster.heads) == 1:
        raise InputError(f"--heads all: {args.checkpoint} has no heads but the teacher")
    if protocol.context is not None:
        forecaster = forecaster.with_context(protocol.context, "--context")
    protocol = protocol.with_context(forecaster.context_length)
    heads = forecaster.heads if args.heads == ALL else (forecaster.head,)
    tables = (one.table(options, say) for one in find_datasets(args.data, options, say))
    results = evaluate_model(
        forecaster, tables, protocol, heads, rollout=args.rollout, num_paths=args.paths,
        seed=args.seed, batch_size=args.batch_size, freq=options.freq, say=say,
    )  # fmt: skip
    rows = records(results)
    means = mean_rows(rows)
    print(table(rows + means if len(rows) > len(means) else rows, forecaster.quantiles))
    rolls = rollout_text(forecaster, protocol, args.rollout, args.paths, args.seed)
    print(f"{protocol}, {season_text(rows)}{rolls}; errors in units of each channel's "
          f"{protocol.training}")  # fmt: skip
    if coverage := coverage_table(rows):
        print(coverage)
    report = {}
    if args.heads == ALL:
        report = {"depth": depth_report({h: forecaster.with_head(h) for h in heads}, means)}
        print(depth_table(report["depth"]))
        print(budget_text(report["depth"]))
    if args.out:
        settings = {"checkpoint": str(args.checkpoint)} | protocol.settings()
        settings |= {"rollout": args.rollout, "paths": args.paths, "seed": args.seed}
        steps = {row["season"] for row in rows}
        settings["season"] = steps.pop() if len(steps) == 1 else None  # the rows have their own
        write_json(args.out, settings | {"results": rows, "mean": means} | report)
    if args.plot_coverage:
        plot_coverage(args.plot_coverage, rows)
    if args.plot:
        plot_depth(args.plot, report["depth"])


def protocol_of(
    protocol: str | None,
    fractions: list[float],
    context: int | None,
    horizon: list[int],
    stride: int,
    season: int | None,
    backtest: int | None,
    step: int | None,
    **_: object,
) -> Protocol:
    """The protocol that the options of `add_protocol_arguments` describe.

    Raises:
        InputError: a value can never be right.
    """
    if backtest is not None:
        if protocol is not None:
            raise InputError(f"--backtest {backtest}: it is a protocol; leave --protocol out")
        protocol = BACKTEST
    try:
        return Protocol(
            protocol or RATIO, tuple(fractions), context, tuple(horizon), stride, season, backtest,
            step,
        )  # fmt: skip
    except InputError as error:  # each begins with the name of a field
        raise InputError(f"--{error}".replace("--num_windows", "--backtest")) from None


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m runners.evaluate", description=__doc__.split("\n")[0]
    )
    add_checkpoint_arguments(parser)
    add_protocol_arguments(parser)
    add_rollout_arguments(parser)
    heads = parser.add_mutually_exclusive_group()
    heads.add_argument(
        "--head", type=head_of, help="the layer of a student, instead of the teacher"
    )
    heads.add_argument("--heads", choices=[TEACHER, ALL], default=TEACHER,
                       help="all: is a shallower head good enough?")  # fmt: skip
    add = parser.add_argument
    add("--out", type=Path, metavar="FILE.json")
    add("--plot", type=Path, metavar="FILE.png", help="error over depth, with --heads all")
    add("--plot-coverage", type=Path, metavar="FILE.png", help="coverage of a band by lead time")
    args = parser.parse_args(argv)
    check_numbers(args.paths, args.batch_size)
    return args


def check_numbers(paths: int, batch_size: int | None) -> None:
    """Refuses numbers that can never be right, before anything is read.

    Raises:
        InputError: one is below 1.
    """
    at_least_one("--paths", paths)
    if batch_size is not None:
        at_least_one("--batch-size", batch_size)


def add_protocol_arguments(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Which windows of which files are forecast, and how they are scored."""
    add = parser.add_argument
    add("--data", nargs="+", required=required, metavar="FILE", help="tables, or folders of them")
    protocols = [name for name in SEASONS if name != BACKTEST]
    add("--protocol", choices=protocols, help=f"how rows are split ({RATIO})")
    add("--fractions", nargs=3, type=float, default=FRACTIONS, metavar="SHARE",
        help="training, validation and test part of protocol ratio")  # fmt: skip
    add("--backtest", type=int, metavar="N",
        help="instead of a protocol: N windows at the end of every series")  # fmt: skip
    add("--step", type=int, metavar="S", help="rows between the windows of --backtest (horizon)")
    add("--context", type=int, help="steps to look back on (as it was trained)")
    add("--horizon", nargs="+", type=int, default=[96], help="steps to forecast")
    add("--stride", type=int, default=1, help="rows between test windows")
    add("--season", type=int, help="steps (etth 24, ettm 96, else of the calendar)")
    add_table_arguments(parser)


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
