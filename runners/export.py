"""Command: exports one head of a checkpoint as a separate model without the other heads.

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
        raise OSError(str(error)) from None  # a disk error has status 1, wrong input status 2
    name = args.head if args.head == TEACHER else f"student on layer {args.head}"
    parameters = sum(parameter.numel() for parameter in utp.parameters())
    param = " --param CONFIG (its BYOT.ENABLED False)" if for_utpexp else ""
    print(
        f"{out}: the {name} of {args.checkpoint}, {len(utp.encoder_layers)} layers, "
        f"{parameters:,} parameters; next: "
        f"python -m runners.evaluate {shlex.quote(args.out)} --data FILE.csv{param}"
    )


def parse_args(argv: list[str]) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m runners.export", description=__doc__.split("\n")[0]
    )
    add_checkpoint_arguments(parser)
    parser.add_argument("--head", required=True, help=f"a student's layer, or {TEACHER}")
    parser.add_argument("--out", required=True, metavar="FILE.pt", help="file to create")
    parser.add_argument(
        "--format",
        choices=["own", "utpexp"],
        default="own",
        help="utpexp: the teacher's weights in UTPExp's format, without a configuration",
    )
    return parser.parse_args(argv)


def model_of_head(wrapper: BYOTWrapper, head: str) -> UTP:
    """The UTP with only the layers of one head, and that head.

    Args:
        wrapper: model with all heads.
        head: layer of a student, or TEACHER.

    Raises:
        InputError: there is no such head; the message lists all heads.
    """
    if head == TEACHER:
        return wrapper.utp
    students = {str(layer): layer for layer in wrapper.aux_head_layers}
    if head not in students:
        heads = ", ".join([*students, TEACHER])
        raise InputError(f"--head: there is no head {head}; the heads are {heads}")
    return wrapper.student(students[head])


def own_checkpoint(utp: UTP, opened: OpenedModel, head: str) -> dict:
    """A checkpoint of this project for an exported model, without the state of its training.

    Its configuration is that of the source, or only MODEL.PARAM if the source is UTPExp's file.

    Args:
        utp: the exported model.
        opened: the source checkpoint.
        head: name of the exported head.
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
    kept = ("iteration", "corpus")
    return content | {key: opened.checkpoint[key] for key in kept if key in opened.checkpoint}


def utpexp_checkpoint(utp: UTP) -> dict:
    """A checkpoint in UTPExp's format: only weights, always with a register token."""
    reg_token = torch.zeros(1, 1, 1, utp.embed_dim)
    return {"model_state_dict": {"utp.reg_token": reg_token} | backbone_weights(utp)}


def backbone_weights(utp: UTP) -> dict[str, torch.Tensor]:
    """The weights with the key names of a checkpoint."""
    return {f"utp.{key}": tensor for key, tensor in utp.state_dict().items()}


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
