"""Command: trains several arms with several seeds, and compares them. See docs/study.md.

python -m runners.ablate -c config/utp_tiny.py --arms none hard hard+soft --seeds 0 1 2 --out DIR

An arm is a name with overrides of the configuration. Runs of one seed are paired: they have the
same initial backbone, the same batches in the same order, and the same validation windows. Each
run is a call of train.py with the folder DIR/<arm>/seed_<seed>. After a stop, the same command
continues.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from itertools import chain
from pathlib import Path

from data.options import table_options
from runners import InputError
from runners.ablation.report import draw, markdown
from runners.ablation.runs import Plan, Run, check_arms, check_folder, load, result_of
from runners.ablation.scoring import Evaluation
from runners.atomic import atomic_write
from runners.command import run, say
from runners.evaluate import add_protocol_arguments, check_numbers, protocol_of
from runners.evaluation.tables import find_datasets
from runners.forecaster import NUM_PATHS, PATHS, ROLLOUTS
from runners.training.stopping import SIGNALS_FORWARDED

TRAIN = Path(__file__).parents[1] / "train.py"
BYOT = "MODEL.PARAM.BYOT"
ARMS = {
    "none": [f"{BYOT}.ENABLED=False"],
    "hard": [f"{BYOT}.ENABLED=True", f"{BYOT}.LOSS_WEIGHTS.loss_soft=0.0"],
    "hard+soft": [f"{BYOT}.ENABLED=True"],
}
SET_BY_OPTION = {"ENV.SEED": "--seeds", "TRAIN.CKPT_SAVE_DIR": "--out"}
# Arms are folders in the folder of the report, whose files begin with "ablation".
ARM_NAME = re.compile(r"(?!ablation)[A-Za-z0-9][A-Za-z0-9_.+-]*")


def main(argv: list[str]) -> None:
    """Runs the command."""
    args = parse_args(argv)
    arms = chosen_arms(args.arms, args.arm, args.overrides)
    check_names(arms, args.seeds, args.against)
    plan = Plan(args.config, args.out, args.overrides, arms)
    runs = plan.runs(args.seeds)
    # Check everything before the first run starts, not hours later.
    configs = {planned: load(planned, args.config) for planned in runs}
    check_arms(configs)
    for planned in [*runs, *plan.found_runs()]:
        check_folder(planned, load(planned, args.config))
    options = table_options(**vars(args))
    evaluation = settings = None
    if args.data:
        evaluation = Evaluation(
            find_datasets(args.data, options, say), options, protocol_of(**vars(args)),
            args.rollout, args.paths, args.batch_size, say,
        )  # fmt: skip
        evaluation.check(list(configs.values()))
        settings = evaluation.settings()
    for i, planned in enumerate(runs):
        finished = planned.is_finished
        if not finished:
            print(f"run {i + 1} of {len(runs)}: {planned}", flush=True)
            train(planned, args.config)
        if evaluation:
            evaluation.score(planned, settings)
        if not finished:
            write_report(plan, args.against, settings)
    print(markdown(write_report(plan, args.against, settings)))
    print(f"results, tables and picture: {args.out / 'ablation'}.json, .md, .png")


def chosen_arms(
    names: list[str] | None, defined: list[list[str]], overrides: list[str]
) -> dict[str, list[str]]:
    """The arms of the command as `{name: overrides}`, the built-in arms first.

    Args:
        names: of built-in arms; None: all of them, if no other is defined.
        defined: name and overrides of each other arm.
        overrides: for all runs.

    Raises:
        InputError: a name is unknown, not allowed, or given twice, or an override sets a key that
            an option of this command sets.
    """
    own = {}
    for name, *values in defined:
        if name in ARMS or name in own:
            raise InputError(f"--arm {name}: an arm with this name exists already")
        if not ARM_NAME.fullmatch(name):
            raise InputError(
                f"--arm {name!r}: write --arm NAME KEY=VALUE ...; NAME becomes a folder name of "
                "letters, digits and _.+-, and must not begin with 'ablation'"
            )
        own[name] = values
    for override in chain(overrides, *own.values()):
        key = override.partition("=")[0]
        if key in SET_BY_OPTION:
            raise InputError(f"{override}: set {key} with the option {SET_BY_OPTION[key]}")
    if names is None:
        names = [] if own else list(ARMS)
    for name in names:
        if name not in ARMS:
            raise InputError(
                f"--arms {name}: the built-in arms are {', '.join(ARMS)}; define others with --arm "
                "NAME KEY=VALUE ..."
            )
    check_different("--arms", names)
    return {name: ARMS[name] for name in names} | own


def check_names(arms: dict[str, list[str]], seeds: list[int], against: list[str]) -> None:
    """Refuses a seed that is given twice, and a comparison with an arm that is not there."""
    check_different("--seeds", seeds)
    for name in against:
        if name not in arms:
            raise InputError(f"--against {name}: the arms of this command are {', '.join(arms)}")


def check_different(option: str, given: list) -> None:
    """Refuses values that are given twice."""
    if len(set(given)) < len(given):
        raise InputError(f"{option} {' '.join(map(str, given))}: give each once")


def train(planned: Run, config_file: str) -> None:
    """Runs train.py; if it fails or a signal stops it, this command ends too."""
    command = [sys.executable, str(TRAIN), "-c", config_file, "--resume", *planned.overrides]
    process, received = None, []

    def forward(number: int, _frame) -> None:
        received.append(number)
        if process:
            process.send_signal(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)

    forwarded = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT
    before = {number: signal.getsignal(number) for number in forwarded}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup ignores a signal: keep that
            signal.signal(number, forward)
    try:
        # train.py must not count one stop request twice. Ctrl-C signals a whole process group, so
        # train.py gets its own group. A scheduler signals every process, so train.py is told that
        # its signals are forwarded too.
        environment = os.environ | {SIGNALS_FORWARDED: "1"}
        process = subprocess.Popen(command, process_group=0, env=environment)
        status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if status or received:
        status = status or 128 + received[0]
        status = status if status > 0 else 128 - status
        again = "; the same command goes on from there" if received else ""
        print(f"{planned}: training ended with status {status}{again}", file=sys.stderr)
        sys.exit(status)


def write_report(plan: Plan, against: list[str], protocol: dict | None) -> dict:
    """Writes the report of all finished runs as JSON, Markdown and PNG files.

    It includes runs of the same arms that earlier commands have trained with other seeds.

    Args:
        plan: the plan of the ablation.
        against: compare with the teachers of these arms; if empty, of the first arm.
        protocol: settings of the evaluation, or None.

    Returns:
        The content of the JSON file.
    """
    report = {"config": str(plan.config_file), "overrides": plan.overrides, "arms": plan.arms}
    report |= {"against": against or [*plan.arms][:1], "evaluation": protocol, "runs": []}
    for planned in plan.found_runs():
        if planned.is_finished:
            # The configuration file may have changed since the start of this command.
            check_folder(planned, load(planned, plan.config_file))
            report["runs"].append(result_of(planned, protocol))
    writers = {
        ".json": lambda file: file.write((json.dumps(report, indent=2) + "\n").encode()),
        ".md": lambda file: file.write(markdown(report).encode()),
        ".png": lambda file: draw(report, file),
    }
    for suffix, write in writers.items():
        # Several commands may write at the same time, so each one uses its own file first.
        own = plan.out / f"ablation_{os.getpid()}{suffix}"
        atomic_write(own, write)
        own.replace(plan.out / f"ablation{suffix}")
    return report


def parse_args(argv: list[str]) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m runners.ablate", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("-c", "--config", required=True, help="configuration file of every run")
    parser.add_argument("--arms", nargs="+", metavar="ARM", help=f"built-in: {', '.join(ARMS)}")
    parser.add_argument("--arm", nargs="+", action="append", default=[],
                        metavar=("NAME", "KEY=VALUE"), help="define an arm")  # fmt: skip
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="SEED")
    parser.add_argument("--against", nargs="+", default=[], metavar="ARM",
                        help="compare with the teachers of these (the first arm)")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    add_protocol_arguments(parser, required=False)
    parser.add_argument("--rollout", choices=ROLLOUTS, default=PATHS,
                        help="how files are forecast beyond one pass")  # fmt: skip
    parser.add_argument("--paths", type=int, default=NUM_PATHS, metavar="K",
                        help=f"number of paths ({NUM_PATHS})")  # fmt: skip
    parser.add_argument("--batch-size", type=int, metavar="N",
                        help="windows at once (as many as memory takes)")  # fmt: skip
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="for every run")
    args = parser.parse_intermixed_args(argv)
    check_numbers(args.paths, args.batch_size)
    return args


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
