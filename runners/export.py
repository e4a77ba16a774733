"""Command: makes one head of a checkpoint a model of its own, without the other heads.

python -m runners.export CHECKPOINT --head 3 --out student.pt
"""

import argparse
import shlex
import sys
from pathlib import Path

import torch

from losses.byot import TEACHER
from models.byot import BYOTWrapper
from models.utp import UTP
from runners import InputError
from runners.checkpoint import FORMAT_VERSION, CheckpointError, save_checkpoint
from runners.command import OpenedModel, add_checkpoint_arguments, open_checkpoint, run


def main(argv: list[str]) -> None:
    """Runs the command."""
    args = parse_args(argv)
    out, for_utpexp = Path(args.out), args.format == "utpexp"
    if for_utpexp and args.head != TEACHER:
        raise InputError(f"--format utpexp is for the teacher: --head {TEACHER}")
    if out.exists():
        raise InputError(f"--out: {out} is there already")
    if not out.parent.is_dir():
        raise InputError(f"--out: there is no folder {out.parent}")
    opened = open_checkpoint(args.checkpoint, args.param)
    utp = model_of_head(opened.wrapper, args.head).cpu()
    content = utpexp_checkpoint(utp) if for_utpexp else own_checkpoint(utp, opened, args.head)
    try:
        save_checkpoint(out.parent, out.name, content)
    except CheckpointError as error:
        raise OSError(str(error)) from None  # the disk's fault, not the input's
    name = args.head if args.head == TEACHER else f"student on layer {args.head}"
    parameters = sum(parameter.numel() for parameter in utp.parameters())
    param = " --param CONFIG (its BYOT.ENABLED False)" if for_utpexp else ""
    print(
        f"{out}: the {name} of {args.checkpoint}, {len(utp.encoder_layers)} layers, "
        f"{parameters:,} parameters; next: "
        f"python -m runners.evaluate {shlex.quote(args.out)} --data FILE.csv{param}"
    )


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m runners.export", description=__doc__.split("\n")[0]
    )
    add_checkpoint_arguments(parser)
    parser.add_argument("--head", required=True, help=f"a student's layer, or {TEACHER}")
    parser.add_argument("--out", required=True, metavar="FILE.pt", help="a file to be made")
    parser.add_argument(
        "--format",
        choices=["own", "utpexp"],
        default="own",
        help="utpexp: the teacher's weights as UTPExp keeps them, without a configuration",
    )
    return parser.parse_args(argv)


def model_of_head(wrapper: BYOTWrapper, head: str) -> UTP:
    """The UTP that forecasts what a head forecasts.

    Raises:
        InputError: no such head; the message lists those there are.
    """
    if head == TEACHER:
        return wrapper.utp
    students = {str(layer): layer for layer in wrapper.aux_head_layers}
    if head not in students:
        heads = ", ".join([*students, TEACHER])
        raise InputError(f"--head: there is no head {head}; the heads are {heads}")
    return wrapper.student(students[head])


def own_checkpoint(utp: UTP, opened: OpenedModel, head: str) -> dict:
    """A checkpoint of a model without heads, its training left out.

    Where UTPExp's file held no configuration, this one's holds MODEL.PARAM alone.
    """
    config, param = opened.checkpoint.get("config", {}), opened.param
    byot = param.get("BYOT", {}) | {"ENABLED": False, "AUX_HEAD_LAYERS": []}
    param = param | {"num_layers": len(utp.encoder_layers), "BYOT": byot}
    content = {
        "format_version": FORMAT_VERSION,
        "head": head,
        "model_state_dict": backbone_weights(utp),
        "config": config | {"MODEL": config.get("MODEL", {}) | {"PARAM": param}},
    }
    if "iteration" in opened.checkpoint:
        content["iteration"] = opened.checkpoint["iteration"]
    return content


def utpexp_checkpoint(utp: UTP) -> dict:
    """What UTPExp's files hold: weights alone, a register token among them even where unused."""
    reg_token = torch.zeros(1, 1, 1, utp.embed_dim)
    return {"model_state_dict": {"utp.reg_token": reg_token} | backbone_weights(utp)}


def backbone_weights(utp: UTP) -> dict[str, torch.Tensor]:
    """The weights under a checkpoint's key names."""
    return {f"utp.{key}": tensor for key, tensor in utp.state_dict().items()}


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
