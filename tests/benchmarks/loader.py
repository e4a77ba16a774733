"""Windows per second from a corpus, and how many times over that feeds a training.

python -m tests.benchmarks.loader [--rows 2000] [--seconds 2] [--workers 0 4] [KEY=VALUE ...]

In this process, by batch; then by loader processes. What is read from the disk tells whether the
corpus was in the page cache: for cold reads take --rows 500000 (8 GB) and a process whose memory,
page cache included, is limited to less than that, for instance by
systemd-run --scope -p MemoryMax=1G python -m tests.benchmarks.loader --rows 500000
"""

import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
from easydict import EasyDict

from config.loading import load_config
from data.corpus import Corpus, write_corpus
from data.windows import WindowDataset, batch_ranges
from runners.distributed import Process
from runners.training.loader import StepBatches
from tests.benchmarks import measure
from tests.benchmarks.step import Step

ROW_LENGTH = 4096
FAR_APART = 10**9  # samples


def build(root: Path, rows: int) -> None:
    """A corpus of random walks, and out of the page cache with it."""
    rng = np.random.default_rng(0)
    block = rng.standard_normal((1000, ROW_LENGTH), np.float32).cumsum(axis=1)
    with write_corpus(root, ROW_LENGTH) as writers:
        for start in range(0, rows, 1000):
            writers["train"].append(block[: rows - start])
        writers["valid"].append(block[:1])
    with (root / "train" / "data.dat").open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def rate(next_batch: Callable[[], object], batch: int, seconds: float) -> tuple[float, float]:
    """Windows per second, and bytes read from the disk for each, loader processes included."""
    start, read = time.perf_counter(), bytes_read()
    for i in count(1):
        next_batch()
        elapsed = time.perf_counter() - start
        if elapsed > seconds:
            return i * batch / elapsed, (bytes_read() - read) / (i * batch)


def bytes_read() -> int:
    """Bytes that this process and its children had read from a disk until now (Linux)."""
    total = 0
    for pid in [os.getpid(), *(child.pid for child in multiprocessing.active_children())]:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
        total += int(next(line.split()[1] for line in lines if line.startswith("read_bytes")))
    return total


def main() -> None:
    """Prints a row for each batch size and each number of loader processes."""
    parser = measure.parser(__doc__, default_rounds=5)
    parser.add_argument("--rows", type=int, default=2000, help="of the corpus (%(default)s)")
    parser.add_argument("--folder", help="where the corpus is built for a while")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a reading (%(default)s)")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 32, 128, 512])
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="that trains")
    parser.add_argument("--step-batch", type=int, default=4, help="windows of its step")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_intermixed_args()
    config = load_config("config/utp_base.py", args.overrides)
    lengths = config.DATASET.PARAM.context_length, config.DATASET.PARAM.target_length

    dtype = getattr(torch, config.MODEL.DTYPE)
    step = Step("byot", args.device, dtype, config.TRAIN.COMPILE_MODEL, config, args.step_batch)
    seconds = measure.alternate({"step": step}, args.rounds, args.device)["step"]
    appetite = args.step_batch / statistics.median(seconds)

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        build(Path(folder) / "corpus", args.rows)
        windows = WindowDataset(Corpus(Path(folder) / "corpus", "train"), *lengths, seed=0)
        sides, loaders = {}, []
        # Each side has samples of its own: rows that another has just read are in the cache.
        for side, batch in enumerate(args.batches):
            ranges = map(windows.batch, batch_ranges(side * FAR_APART // batch, batch))
            sides["this process", batch] = partial(next, ranges)
        for side, workers in enumerate(args.workers, len(args.batches)):
            batch = config.TRAIN.DATA.BATCH_SIZE
            data = EasyDict(BATCH_SIZE=batch, NUM_WORKERS=workers)
            train = EasyDict(GRAD_ACCUMULATION_STEPS=1, DATA=data)
            process = Process(0, 1, torch.device("cpu"))
            loaders.append(StepBatches(windows, train, process, side * FAR_APART // batch, False))
            sides[f"DataLoader, {workers} processes", batch] = loaders[-1].next
        measured = {side: [] for side in sides}
        for _ in range(args.rounds):
            for side, next_batch in sides.items():
                measured[side].append(rate(next_batch, side[1], args.seconds))
        for loader in loaders:
            loader.close()

    rows = []
    for (loader, batch), rates in measured.items():
        per_second = statistics.median(r for r, _ in rates)
        row = {"loader": loader, "batch": batch, "windows / s": per_second}
        row |= {"least": min(r for r, _ in rates), "most": max(r for r, _ in rates)}
        row["read KB / window"] = statistics.median(read for _, read in rates) / 1e3
        rows.append(row | {"times the appetite": per_second / appetite})
    machine = measure.machine(args.device)
    print(f"{args.rows:,} rows x {ROW_LENGTH:,}, context and horizon {lengths}; {machine}")
    print(f"training eats {appetite:.1f} windows/s ({args.device}, {config.MODEL.DTYPE})")
    print(measure.table(list(rows[0]), [measure.cells(row) for row in rows]))
    figures = {"machine": machine, "appetite": appetite, "rows": rows}
    measure.write_json(args.json, figures)


if __name__ == "__main__":
    main()
