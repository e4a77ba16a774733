"""Loads the data of a run: its corpus, and the micro-batches of each step."""

import multiprocessing
from contextlib import suppress
from itertools import islice
from pathlib import Path

from easydict import EasyDict
from torch.utils.data import DataLoader

from config.schema import ConfigError
from data.corpus import MIN_CONTEXT, MIN_TARGET, Corpus, CorpusError, read_prepared
from data.splitting import Lengths
from data.synthetic import ensure_synthetic
from data.windows import VALIDATION_SEED, Batch, WindowDataset, batch_ranges
from runners import distributed
from runners.distributed import Process
from runners.training.stopping import TrainingError, ignore_signals

DATASETS = Path("datasets")


def open_corpus(config: EasyDict, process: Process) -> tuple[WindowDataset, WindowDataset]:
    """Opens the corpus of a run; builds the synthetic corpus if it is missing.

    Returns:
        The training windows and the validation windows.

    Raises:
        ConfigError: there is no such corpus.
        CorpusError: the corpus is damaged, or was prepared for shorter windows.
    """
    name, param = config.DATASET.NAME, config.DATASET.PARAM
    root = DATASETS / name
    if name == "synthetic":
        if process.is_main:
            ensure_synthetic(root)
        distributed.barrier()
    if not root.is_dir():
        raise ConfigError(
            f"DATASET.NAME {name!r}: there is no corpus at {root}; create it with: "
            f"python -m data.prepare FILE.csv ... --out {root}"
        )
    lengths = param.context_length, param.target_length
    check_windows_fit(root, *lengths)
    return (
        WindowDataset(Corpus(root, "train"), *lengths, config.ENV.SEED),
        WindowDataset(Corpus(root, "valid"), *lengths, VALIDATION_SEED),
    )


def check_windows_fit(root: Path, context: int, horizon: int) -> None:
    """Refuses windows that a corpus was not prepared for; older corpora do not say.

    Args:
        root: folder of the corpus.
        context: DATASET.PARAM.context_length.
        horizon: DATASET.PARAM.target_length.

    Raises:
        CorpusError: no window fits, or rows or split were made for shorter ones.
    """
    made = read_prepared(root)
    if made is None:
        return
    needed = min(MIN_CONTEXT, context) + min(MIN_TARGET, horizon)
    longest = min(made.longest.values())
    if longest < needed:
        problem = f"needs series of {needed} values, and all of one split have {longest} or fewer"
    elif made.is_cut and context + horizon > made.context + made.horizon:
        problem = "is longer than what two rows of a long series share, so most would be lost"
    elif made.split == "time" and context > made.context:
        problem = "looks back further than the rows of validation reach"
    else:
        return
    length = f" --row-length {context + horizon}" if context + horizon > Lengths().row else ""
    raise CorpusError(
        f"{root} was prepared for windows of {made.context} + {made.horizon} values, and one of "
        f"{context} + {horizon} {problem}; train with DATASET.PARAM.context_length={made.context} "
        f"DATASET.PARAM.target_length={made.horizon}, or prepare again with --context {context} "
        f"--horizon {horizon}{length}"
    )


class StepBatches:
    """The micro-batches of this process for each optimizer step.

    Args:
        windows: training windows.
        train: section TRAIN of the configuration.
        process: this process.
        step: number of the first step to load, counted from 0.
        pin_memory: whether to use page-locked memory, for copies to a GPU.

    Attributes:
        failure: the CorpusError or TrainingError of a failed read, or None.
    """

    def __init__(
        self, windows: WindowDataset, train: EasyDict, process: Process, step: int, pin_memory: bool
    ):
        self.failure = None
        self._per_step = train.GRAD_ACCUMULATION_STEPS
        ranges = batch_ranges(
            step * self._per_step, train.DATA.BATCH_SIZE, process.rank, process.world_size
        )
        loader = DataLoader(
            windows,
            batch_sampler=ranges,
            num_workers=train.DATA.NUM_WORKERS,
            pin_memory=pin_memory,
            collate_fn=_identity,  # __getitems__ returns complete batches
            worker_init_fn=ignore_signals,
        )
        others = set(multiprocessing.active_children())
        self._batches = iter(loader)
        self._loaders = set(multiprocessing.active_children()) - others

    def next(self) -> list[Batch]:
        """The micro-batches of the next step, on the CPU; an empty list if reading failed."""
        try:
            return list(islice(self._batches, self._per_step))
        except (CorpusError, OSError, RuntimeError) as error:
            # An error from a worker process contains its traceback; the message is the last line.
            line = str(error).strip().rpartition("\n")[2].removeprefix("data.corpus.CorpusError: ")
            self.failure = (
                CorpusError(line)
                if isinstance(error, CorpusError)
                else TrainingError(f"the corpus cannot be read, or a loader was killed ({line})")
            )
            return []

    def close(self) -> None:
        """Ends the worker processes."""
        # The garbage collector would end them late, since a failed iterator is part of a cycle.
        # If one worker was killed, torch may not end the others; they ignore SIGTERM (see
        # `ignore_signals`), so they are killed.
        if self._loaders:
            with suppress(RuntimeError):
                self._batches._shutdown_workers()
        for process in self._loaders:
            process.kill()


def _identity(batch: Batch) -> Batch:
    return batch
