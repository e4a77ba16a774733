"""Command: pretrains a UTP with BYOT self-distillation. See README.md.

python train.py -c config/utp_tiny.py
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from easydict import EasyDict

from config.loading import load_config
from config.schema import ConfigError
from data.corpus import CorpusError
from runners import distributed
from runners.checkpoint import CheckpointError
from runners.distributed import PeerLostError
from runners.training.devices import is_out_of_memory, resolve_devices
from runners.training.stopping import Stopped, TrainingError


def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: command line arguments.

    Returns:
        Exit status: 0, 2 for a wrong configuration, 1 for other errors, 128 + signal if stopped.
    """
    args = parse_args(argv)
    if args.run_dir:
        args.overrides.append(f"TRAIN.CKPT_SAVE_DIR={args.run_dir!r}")
    try:
        config = resolve_devices(load_config(args.config, args.overrides))
        if config.GPU_NUM > 1 and "WORLD_SIZE" not in os.environ:
            return distributed.launch(__file__, argv, config.GPU_NUM)
        with distributed.naming_lost_peers():
            status = train(config, args.resume, args.init_from)
            distributed.stop()
        return status
    except KeyboardInterrupt:
        print("stopped; no training step was running", file=sys.stderr)
        return 128 + signal.SIGINT
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (CorpusError, CheckpointError, TrainingError, PeerLostError) as error:
        line = error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        line = "out of memory: halve TRAIN.DATA.BATCH_SIZE, double TRAIN.GRAD_ACCUMULATION_STEPS"
    except OSError as error:
        line = f"{error.filename}: {error.strerror}" if error.filename else error
    process = f" (process {os.environ['RANK']})" if "RANK" in os.environ else ""
    print(f"error{process}: {line}", file=sys.stderr)
    return 1


def train(config: EasyDict, resume: bool, init_from: str | None) -> int:
    """Trains until the end or until a stop signal; returns the exit status."""
    try:
        config.RUNNER(config, resume, init_from).train()
    except Stopped as stopped:
        return stopped.status
    return 0


def parse_args(argv: list[str]) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python train.py", description=__doc__.split("\n")[0], allow_abbrev=False
    )
    base = Path(__file__).parent / "config" / "utp_base.py"
    parser.add_argument("-c", "--config", default=base, help="file (default: config/utp_base.py)")
    parser.add_argument("--run-dir", help="folder of the run (default: set by the configuration)")
    parser.add_argument("--resume", action="store_true", help="continue from its last checkpoint")
    parser.add_argument("--init-from", metavar="CHECKPOINT", help="start from these weights")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="e.g. VAL.INTERVAL=100")
    return parser.parse_intermixed_args(argv)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # run cleanup code
    sys.exit(main(sys.argv[1:]))
