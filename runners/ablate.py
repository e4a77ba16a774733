"""Command: does self-distillation pay? Paired runs of several arms. See docs/study.md.

python -m runners.ablate -c config/utp_tiny.py --arms none hard hard+soft --seeds 0 1 2 --out DIR

An arm is a name and the overrides that make it. Runs of one seed are paired: the same initial
backbone, the same batches in the same order, the same validation windows. Each run is a call of
train.py in DIR/<arm>/seed_<seed>; the same command again goes on where it was stopped.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from easydict import EasyDict

from runners import evaluate
from runners.ablation_report import draw, markdown
from runners.checkpoint import LATEST, flatten, to_plain, write_aside, write_json
from runners.command import InputError, open_checkpoint, run
from runners.metrics import NAMES

TRAIN = Path(__file__).parents[1] / "train.py"
BYOT = "MODEL.PARAM.BYOT"
ARMS = {
    "none": [f"{BYOT}.ENABLED=False"],
    "hard": [f"{BYOT}.ENABLED=True", f"{BYOT}.LOSS_WEIGHTS.loss_soft=0.0"],
    "hard+soft": [f"{BYOT}.ENABLED=True"],
}
# Keys that say where and how a run works, and nothing about its result.
FREE = ("DESCRIPTION", "GPU_NUM", "TRAIN.CKPT_SAVE_DIR", "TRAIN.CKPT_SAVE_STRATEGY",
        "TRAIN.DATA.NUM_WORKERS", "TRAIN.DATA.PIN_MEMORY", "TRAIN.LOG_INTERVAL",
        "TRAIN.PEER_TIMEOUT")  # fmt: skip
PLACE = {"ENV.SEED": "--seeds", "TRAIN.CKPT_SAVE_DIR": "--out"}
FORWARDED = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
EVALUATION = "evaluation.json"


class Run(NamedTuple):
    """One training of the ablation.

    Attributes:
        arm: its name.
        seed: of weights and batches.
        folder: of the run.
        overrides: of the configuration, the arm's and the seed's among them.
    """

    arm: str
    seed: int
    folder: Path
    overrides: list[str]

    @property
    def is_finished(self) -> bool:
        """Whether it has been trained to its end."""
        return (self.folder / "summary.json").exists()


def main(argv: list[str]) -> None:
    """Runs the command."""
    args = parse_args(argv)
    arms = chosen_arms(args)
    asked = [plan(args, arms, arm, seed) for seed in args.seeds for arm in arms]
    others = [plan(args, arms, arm, seed) for arm, seed in found_runs(args.out, arms)
              if seed not in args.seeds]  # fmt: skip
    # Before the first one starts: nothing is found out hours later.
    configs = [check_run(planned, args.config) for planned in asked + others]
    if args.data:
        check_files(args, configs)
    for i, planned in enumerate(asked):
        if not planned.is_finished:
            print(
                f"run {i + 1} of {len(asked)}: arm {planned.arm}, seed {planned.seed}", flush=True
            )
            train(planned, args.config)
        if args.data:
            evaluate_run(planned, args)
        report = write_report(args, arms, asked + others)
    print(markdown(report))
    print(f"figures, tables and picture: {args.out / 'ablation'}.json, .md, .png")


def chosen_arms(args: argparse.Namespace) -> dict[str, list[str]]:
    """`{name: overrides}`, the built-in ones first.

    Raises:
        InputError: an unknown name, or one that is given twice.
    """
    own = {}
    for name, *overrides in args.arm:
        if name in ARMS or name in own:
            raise InputError(f"--arm {name}: there is an arm of this name already")
        if name != Path(name).name or name == "..":
            raise InputError(f"--arm {name!r}: the name becomes a folder's")
        own[name] = overrides
    for override in chain(args.overrides, *own.values()):
        key = override.partition("=")[0]
        if key in PLACE:
            raise InputError(f"{override}: {PLACE[key]} sets {key}")
    names = args.arms if args.arms is not None else [] if own else list(ARMS)
    for name in names:
        if name not in ARMS:
            raise InputError(
                f"--arms {name}: the built-in arms are {', '.join(ARMS)}; others are --arm NAME "
                "KEY=VALUE ..."
            )
    for given, what in ((names, "--arms"), (args.seeds, "--seeds")):
        if len(set(given)) < len(given):
            raise InputError(f"{what} {' '.join(map(str, given))}: each once")
    arms = {name: ARMS[name] for name in names} | own
    for name in args.against:
        if name not in arms:
            raise InputError(f"--against {name}: the arms of this command are {', '.join(arms)}")
    return arms


def plan(args: argparse.Namespace, arms: dict[str, list[str]], arm: str, seed: int) -> Run:
    """The run of an arm and a seed."""
    folder = args.out / arm / f"seed_{seed}"
    place = [f"ENV.SEED={seed}", f"TRAIN.CKPT_SAVE_DIR={str(folder)!r}"]
    return Run(arm, seed, folder, [*args.overrides, *arms[arm], *place])


def found_runs(out: Path, arms: dict[str, list[str]]) -> Iterator[tuple[str, int]]:
    """Arm and seed of every run of these arms that the folder holds, by seed."""
    for arm in arms:
        seeds = [folder.name.removeprefix("seed_") for folder in (out / arm).glob("seed_*")]
        yield from ((arm, seed) for seed in sorted(int(s) for s in seeds if s.isdecimal()))


def check_run(planned: Run, config_file: str) -> EasyDict:
    """The run's configuration, refused where it would mix two ablations.

    Raises:
        InputError: it is not valid, or not that of the run in this folder.
    """
    from config.loading import load_config  # configurations name runners: not at the top
    from config.schema import ConfigError

    try:
        config = load_config(config_file, planned.overrides)
    except ConfigError as error:
        raise InputError(f"arm {planned.arm}: {error}") from None
    stored = planned.folder / "config.json"
    if stored.exists():
        then, now = flatten(json.loads(stored.read_text())), flatten(to_plain(config))
        changed = [key for key in now if key not in FREE and now[key] != then.get(key)]
        if changed:
            lines = ", ".join(f"{key} was {then.get(key)!r}, is {now[key]!r}" for key in changed)
            raise InputError(f"{planned.folder} holds a run of another ablation: {lines}")
    return config


def check_files(args: argparse.Namespace, configs: list[EasyDict]) -> None:
    """Refuses now what could not be evaluated after hours of training.

    Raises:
        InputError: settings of the evaluation, a name that is given twice, or a file that is too
            short.
        TableError: a file that is no table.
    """
    names = [path.name for path in args.data]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"--data: {name} is given twice; results go by the file's name")
    contexts = [context_of(args, config) for config in configs]
    for context, config in zip(contexts, configs, strict=True):
        evaluate.check_protocol(args, context, config.MODEL.PARAM.max_context_length)
    for _ in evaluate.open_files(args, max(contexts)):
        pass


def context_of(args: argparse.Namespace, config: dict) -> int:
    """Steps to look back on in the evaluation of a run: as given, or as it was trained."""
    return args.context or config["DATASET"]["PARAM"]["context_length"]


def train(planned: Run, config_file: str) -> None:
    """Runs train.py to its end; where a signal stops it, the command ends with its status."""
    command = [sys.executable, str(TRAIN), "-c", config_file, "--resume", *planned.overrides]
    # In a group of its own, a signal reaches it once, whoever sends it: a second one would end it
    # unsaved.
    process = subprocess.Popen(command, process_group=0)
    with forwarding_signals(process):
        status = process.wait()
    if status:
        print(
            f"arm {planned.arm}, seed {planned.seed}: training ended with status {status}; the "
            "same command goes on from there",
            file=sys.stderr,
        )
        sys.exit(status if status > 0 else 128 - status)


@contextlib.contextmanager
def forwarding_signals(process: subprocess.Popen) -> Iterator[None]:
    """Hands what would end this process on to another one."""
    before = {number: signal.getsignal(number) for number in FORWARDED}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, lambda number, _: process.send_signal(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def evaluate_run(planned: Run, args: argparse.Namespace) -> None:
    """Scores every head of the run's last weights, unless that has been done."""
    if evaluation_of(planned, args) is not None:
        return
    opened = open_checkpoint(planned.folder / LATEST)
    context = context_of(args, opened.checkpoint["config"])
    rows = [
        row
        for series in evaluate.open_files(args, context)
        for horizon in args.horizon
        for row in evaluate.evaluate(
            opened, evaluate.all_heads(opened), series, context, horizon, args
        )
    ]
    write_json(planned.folder / EVALUATION, {"protocol": protocol_of(args), "results": rows})


def protocol_of(args: argparse.Namespace) -> dict:
    """What an evaluation depends on, plain."""
    names = ("protocol", "fractions", "context", "horizon", "stride", "season")
    files = [str(path) for path in args.data]
    return {"data": files} | {name: to_plain(getattr(args, name)) for name in names}


def evaluation_of(planned: Run, args: argparse.Namespace) -> list[dict] | None:
    """The rows of the run's evaluation by this protocol, if there is one."""
    path = planned.folder / EVALUATION
    if not args.data or not path.exists():
        return None
    stored = json.loads(path.read_text())
    return stored["results"] if stored["protocol"] == protocol_of(args) else None


def write_report(args: argparse.Namespace, arms: dict[str, list[str]], runs: list[Run]) -> dict:
    """Writes what is known of the finished runs as JSON, Markdown and picture, and returns it."""
    order = list(arms)
    runs = sorted(runs, key=lambda planned: (order.index(planned.arm), planned.seed))
    report = {"config": str(args.config), "overrides": args.overrides, "arms": arms}
    report |= {"against": args.against or order[:1]}
    report["evaluation"] = protocol_of(args) if args.data else None
    report["runs"] = [result_of(planned, args) for planned in runs if planned.is_finished]
    writers = {
        ".json": lambda file: file.write((json.dumps(report, indent=2) + "\n").encode()),
        ".md": lambda file: file.write(markdown(report).encode()),
        ".png": lambda file: draw(report, file),
    }
    for suffix, write in writers.items():
        # Commands that share the folder, each with its own seeds, write under names of their own.
        own = args.out / f"ablation_{os.getpid()}{suffix}"
        write_aside(own, write).replace(args.out / f"ablation{suffix}")
    return report


def result_of(planned: Run, args: argparse.Namespace) -> dict:
    """A finished run's row of the report.

    Returns:
        `{"arm", "seed", "layers", "val": {head: loss_gt}, "val_soft": {layer: loss_soft},
        "iteration", "seconds", "peak_memory"}`, and where it was evaluated `"test": {file: {metric:
        value}}` of the teacher and `"test_students": {layer: the same}`; heads are layers and
        "teacher", the last one.
    """
    summary = json.loads((planned.folder / "summary.json").read_text())
    config = json.loads((planned.folder / "config.json").read_text())
    val, soft = {}, {}
    for name, value in summary["validation"].items():
        for prefix, losses in (("loss_gt_head_", val), ("loss_soft_student_", soft)):
            if name.startswith(prefix):
                losses[name.removeprefix(prefix)] = value
    val["teacher"] = summary["validation"]["loss_gt_teacher"]
    layers = config["MODEL"]["PARAM"]["num_layers"]
    result = {"arm": planned.arm, "seed": planned.seed, "layers": layers}
    result |= {"val": val, "val_soft": soft}
    result |= {key: summary[key] for key in ("iteration", "seconds", "peak_memory")}
    rows = evaluation_of(planned, args)
    if rows is None:
        return result
    heads = {head: {} for head in val}
    for row in rows:
        head = row["forecaster"].removeprefix("layer ")
        if head in heads:  # the others are references
            name = row["file"] if len(args.horizon) == 1 else f"{row['file']} {row['horizon']}"
            heads[head][name] = {metric: row[metric] for metric in NAMES}
    return result | {"test": heads.pop("teacher"), "test_students": heads}


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m runners.ablate", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("-c", "--config", required=True, help="configuration of every run")
    parser.add_argument("--arms", nargs="+", metavar="ARM", help=f"of {', '.join(ARMS)}")
    parser.add_argument("--arm", nargs="+", action="append", default=[],
                        metavar=("NAME", "KEY=VALUE"), help="an arm of your own")  # fmt: skip
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="SEED")
    parser.add_argument("--against", nargs="+", default=[], metavar="ARM",
                        help="arms with whose teachers to compare (the first)")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    evaluate.add_protocol_arguments(parser, required=False)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="of every run")
    return parser.parse_intermixed_args(argv)


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
