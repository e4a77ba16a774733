"""What the commands on a checkpoint share: how it is opened, and how they end."""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from config.identity import to_plain
from config.loading import load_config
from config.schema import ConfigError
from data.tables import TableError
from models.byot import BYOTWrapper
from runners import InputError, checkpoint
from runners.checkpoint import CheckpointError
from runners.training.devices import has_bfloat16


class OpenedModel(NamedTuple):
    """A model ready to forecast.

    Attributes:
        wrapper: in evaluation mode, on `device`.
        param: its MODEL.PARAM, plain.
        checkpoint: the file's content, its weights under this project's key names.
        device: a GPU where there is one, else the CPU.
        bfloat16: whether to run under autocast, as the model was trained.
    """

    wrapper: BYOTWrapper
    param: dict
    checkpoint: dict
    device: torch.device
    bfloat16: bool

    def autocast(self) -> torch.autocast:
        """The context in which the model is to run."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)


def add_checkpoint_arguments(parser: argparse.ArgumentParser) -> None:
    """CHECKPOINT and --param."""
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="latest.pt, best.pt, or UTPExp's")
    parser.add_argument(
        "--param", metavar="CONFIG", help="configuration file that says what UTPExp's file holds"
    )


def open_checkpoint(path: str | Path, config_file: str | None = None) -> OpenedModel:
    """Opens a checkpoint for forecasting.

    Args:
        path: of this project or of UTPExp.
        config_file: whose MODEL.PARAM to take, for UTPExp's files, which hold none.

    Raises:
        CheckpointError: it cannot be used.
        InputError: the configuration file cannot be used.
    """
    param = None
    if config_file:
        try:
            param = to_plain(load_config(config_file).MODEL.PARAM)
        except ConfigError as error:
            raise InputError(f"--param: {error}") from None
    content = checkpoint.load_checkpoint(path)
    wrapper = checkpoint.model_of(content, path, param)
    config = content.get("config", {})
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    wants_bfloat16 = config.get("MODEL", {}).get("DTYPE") == "bfloat16"
    return OpenedModel(
        wrapper.to(device),
        param or config["MODEL"]["PARAM"],
        content,
        device,
        wants_bfloat16 and has_bfloat16(device),
    )


def run(command: Callable[[list[str]], None], argv: list[str]) -> int:
    """Runs a command and returns its exit status: 0, 2 for wrong input, 1 for a failing disk."""
    try:
        command(argv)
    except (InputError, CheckpointError, TableError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        line = f"{error.filename}: {error.strerror}" if error.filename else error
        print(f"error: {line}", file=sys.stderr)
        return 1
    except torch.OutOfMemoryError:
        print("error: out of memory: choose a smaller --batch-size", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0
