"""Shared code of the commands that use a checkpoint: opening it, and the exit status."""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from config.identity import to_plain
from config.loading import load_config
from config.schema import ConfigError
from data.tables import TableError
from losses.byot import TEACHER, Head
from runners import InputError
from runners.checkpoint import CheckpointError
from runners.forecaster import NUM_PATHS, PATHS, ROLLOUTS, Forecaster
from runners.training.devices import is_out_of_memory


def add_checkpoint_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments CHECKPOINT and --param to a command."""
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="latest.pt, best.pt, or UTPExp's")
    parser.add_argument(
        "--param", metavar="CONFIG", help="configuration file of the model, for UTPExp's files"
    )


def add_rollout_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that say how to forecast beyond one pass, and how much at once."""
    add = parser.add_argument
    add("--rollout", choices=ROLLOUTS, default=PATHS,
        help="beyond one pass: quantile paths, or UTPExp's median")  # fmt: skip
    add("--paths", type=int, default=NUM_PATHS, metavar="K", help=f"number of paths ({NUM_PATHS})")
    add("--seed", type=int, default=0, metavar="N", help="of the paths (0)")
    add("--batch-size", type=int, metavar="N", help="series at once (as many as memory takes)")


def head_of(text: str) -> Head:
    """The argument of --head: a layer, or TEACHER."""
    return int(text) if text.isdecimal() else text


def open_forecaster(
    path: str | Path, config_file: str | None = None, head: Head = TEACHER
) -> Forecaster:
    """Opens a checkpoint for forecasting.

    Args:
        path: checkpoint of this project or of UTPExp.
        config_file: configuration file with the MODEL.PARAM of the model; needed for UTPExp's
            files, which hold no configuration.
        head: TEACHER, or the layer of a student.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        InputError: the configuration file cannot be used, or there is no such head.
    """
    return Forecaster.from_checkpoint(path, head, param=param_of(config_file))


def param_of(config_file: str | None) -> dict | None:
    """MODEL.PARAM of a configuration file; None for none.

    Raises:
        InputError: the file cannot be used.
    """
    if config_file is None:
        return None
    try:
        return to_plain(load_config(config_file).MODEL.PARAM)
    except ConfigError as error:
        raise InputError(f"--param: {error}") from None


def say(line: str) -> None:
    """Tells the user something beside the output."""
    print(line, file=sys.stderr)


def check_output(
    name: str, path: Path | None, endings: tuple[str, ...] = (), may_exist: bool = False
) -> None:
    """Refuses a file that could not be written, before anything is computed.

    Args:
        name: of the option, for the error.
        path: of the file; None: there is none to write.
        endings: of which the file must have one.
        may_exist: a file that is there is replaced.

    Raises:
        InputError: the file is there, is a folder, has no folder, or ends in something else.
    """
    if path is None:
        return
    if endings and not path.name.lower().endswith(endings):
        raise InputError(f"{name}: {path} must end in {' or '.join(endings)}")
    if path.exists() and not may_exist:
        raise InputError(f"{name}: {path} is there already")
    if path.is_dir():
        raise InputError(f"{name}: {path} is a folder")
    if not path.parent.is_dir():
        raise InputError(f"{name}: there is no folder {path.parent}")


def run(command: Callable[[list[str]], None], argv: list[str]) -> int:
    """Runs a command and turns its errors into one line on stderr.

    Args:
        command: function that takes the command line arguments.
        argv: command line arguments.

    Returns:
        Exit status: 0, 2 for wrong input, 1 for a disk error or too little memory, or 128 + SIGINT.
    """
    try:
        command(argv)
    except (InputError, CheckpointError, TableError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        line = f"{error.filename}: {error.strerror}" if error.filename else error
        print(f"error: {line}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        print("error: out of memory: choose a smaller --batch-size or --horizon", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0
