"""The windows of a run: its corpus, and the micro-batches of each step."""

import multiprocessing
from contextlib import suppress
from itertools import islice
from pathlib import Path

from easydict import EasyDict
from torch.utils.data import DataLoader

from data.corpus import Corpus, CorpusError
from data.synthetic import ensure_synthetic
from data.windows import VALIDATION_SEED, Batch, WindowDataset, batch_ranges
from runners import distributed
from runners.distributed import Process
from runners.training.stopping import TrainingError, ignore_signals

DATASETS = Path("datasets")


def open_corpus(config: EasyDict, process: Process) -> tuple[WindowDataset, WindowDataset]:
    """The training and the validation windows; the synthetic corpus is built where it is missing.

    Raises:
        CorpusError: the corpus is missing or damaged.
    """
    name, param = config.DATASET.NAME, config.DATASET.PARAM
    root = DATASETS / name
    if name == "synthetic":
        if process.is_main:
            ensure_synthetic(root)
        distributed.barrier()
    if not root.is_dir():
        raise CorpusError(
            f"DATASET.NAME {name!r}: there is no corpus at {root}; make it with: "
            f"python -m data.prepare FILE.csv ... --out {root}"
        )
    lengths = param.context_length, param.target_length
    return (
        WindowDataset(Corpus(root, "train"), *lengths, config.ENV.SEED),
        WindowDataset(Corpus(root, "valid"), *lengths, VALIDATION_SEED),
    )


class StepBatches:
    """This process's micro-batches, step by step, read by loader processes if there are any.

    Args:
        windows: of the training.
        train: the configuration's TRAIN.
        process: this one.
        step: the first that has not been trained on.
        pin_memory: whether they go to a GPU.

    Attributes:
        failure: CorpusError or TrainingError once a batch could not be read, or None.
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
            collate_fn=_as_is,  # __getitems__ returns whole batches
            worker_init_fn=ignore_signals,
        )
        others = set(multiprocessing.active_children())
        self._batches = iter(loader)
        self._loaders = set(multiprocessing.active_children()) - others

    def next(self) -> list[Batch]:
        """The micro-batches of the next step, on the CPU; none where `failure` says why."""
        try:
            return list(islice(self._batches, self._per_step))
        except (CorpusError, OSError, RuntimeError) as error:
            # From a loader's process it comes with a traceback; the last line is what was raised.
            line = str(error).strip().rpartition("\n")[2].removeprefix("data.corpus.CorpusError: ")
            self.failure = (
                CorpusError(line)
                if isinstance(error, CorpusError)
                else TrainingError(f"the corpus cannot be read, or a loader was killed ({line})")
            )
            return []

    def close(self) -> None:
        """Ends the loader's processes."""
        # Not left to the garbage collector: a failed iterator is part of a cycle. And where one of
        # its processes was killed, torch may leave the others, which ignore the signal that Python
        # sends them when it ends.
        if self._loaders:
            with suppress(RuntimeError):
                self._batches._shutdown_workers()
        for process in self._loaders:
            process.kill()


def _as_is(batch: Batch) -> Batch:
    return batch
