"""Command: exports one head of a checkpoint as a model of its own. See docs/export.md.

python -m runners.export CHECKPOINT --head 3 --out student.onnx --format onnx
"""

import argparse
import shlex
import sys
from pathlib import Path

from losses.byot import TEACHER
from runners import InputError, at_least_one, formats
from runners.command import (
    add_checkpoint_arguments,
    check_output,
    head_of,
    open_forecaster,
    run,
)

CHECKPOINTS = {
    "own": formats.write_own,
    "utpexp": formats.write_utpexp,
    "safetensors": formats.write_safetensors,
}
GRAPHS = {"onnx": formats.write_onnx, "torch": formats.write_torch}
ENDINGS = {"onnx": ".onnx", "torch": ".pt2"}


def main(argv: list[str]) -> None:
    """Runs the command."""
    args = parse_args(argv)
    check_output("--out", args.out)
    check_ending(args.out, args.format)
    forecaster = open_forecaster(args.checkpoint, args.param, args.head)
    name = args.head if args.head == TEACHER else f"student on layer {args.head}"
    what = (
        f"{args.out}: the {name} of {args.checkpoint}, {forecaster.num_layers} layers, "
        f"{forecaster.num_parameters:,} parameters"
    )
    if args.format in GRAPHS:
        horizon = args.horizon or forecaster.horizon
        GRAPHS[args.format](args.out, forecaster, horizon)
        print(f"{what}, horizon {horizon}, context {forecaster.context_length}")
        return
    CHECKPOINTS[args.format](args.out, forecaster)
    param = " --param CONFIG (its BYOT.ENABLED False)" if args.format == "utpexp" else ""
    print(
        f"{what}; next: "
        f"python -m runners.evaluate {shlex.quote(str(args.out))} --data FILE.csv{param}"
    )


def parse_args(argv: list[str]) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m runners.export", description=__doc__.split("\n")[0]
    )
    add_checkpoint_arguments(parser)
    add = parser.add_argument
    add("--head", required=True, type=head_of, help=f"a student's layer, or {TEACHER}")
    add("--out", required=True, type=Path, metavar="OUT",
        help="file to create; a folder for safetensors")  # fmt: skip
    add("--format", choices=[*CHECKPOINTS, *GRAPHS], default="own",
        help="a checkpoint (own); UTPExp's; or what runs without this repository")  # fmt: skip
    add("--horizon", type=int, metavar="H", help="steps of onnx and torch (those of one pass)")
    args = parser.parse_args(argv)
    if args.horizon is not None and args.format not in GRAPHS:
        raise InputError(
            f"--horizon is for --format {' and '.join(GRAPHS)}; other formats forecast any horizon"
        )
    if args.horizon is not None:
        at_least_one("--horizon", args.horizon)
    return args


def check_ending(out: Path, format_: str) -> None:
    """Refuses a name that says another format: programs go by it.

    Raises:
        InputError: it does; names the format or the ending that fits.
    """
    ending = ENDINGS.get(format_)
    if ending and out.suffix != ending:
        raise InputError(f"--out: {out} must end in {ending} for --format {format_}")
    of_others = {ending: name for name, ending in ENDINGS.items()} | {".safetensors": "safetensors"}
    if not ending and out.suffix in of_others:
        raise InputError(f"--out: {out} has the ending of --format {of_others[out.suffix]}")


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
