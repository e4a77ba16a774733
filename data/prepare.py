"""Command: tables into a corpus. See docs/data.md.

python -m data.prepare FILE ... --out datasets/NAME
"""

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.corpus import (
    CorpusError,
    Prepared,
    SplitWriter,
    write_corpus,
    write_prepared,
    writing,
)
from data.options import add_table_arguments, table_options
from data.splitting import SPLIT_KINDS, Lengths, choose_held_out, rows_of, time_cut, trim
from data.staging import Part, stage_files
from data.tables import TableError, TableOptions, find_files

AS_FOUND, USUAL = TableOptions(), Lengths()
# What train.py takes where a GPU is seen and where none is: its arguments, context and horizon.
TRAIN_WITH_GPU = ("", 1024, 64)
TRAIN_WITHOUT = ("-c config/utp_tiny.py ", 256, 32)


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    parser = _parser()
    args = parser.parse_args(argv)
    lengths = Lengths(args.context, args.horizon, args.row_length)
    if problem := _problem(args.valid_fraction, lengths, args.seed, args.workers):
        parser.error(problem)
    try:
        options = table_options(**vars(args))
    except TableError as error:
        parser.error(str(error))
    try:
        report = prepare(
            args.inputs, args.out, options, lengths, args.valid_fraction, args.split, args.seed,
            args.workers, _say,
        )  # fmt: skip
    except (CorpusError, TableError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"interrupted; nothing was left at {args.out}", file=sys.stderr)
        return 130
    _say(f"{args.out}: {report}")
    _say(f"train on it with: {train_command(args.out, lengths, has_gpu())}")
    return 0


def prepare(
    inputs: Sequence[str | Path],
    out: Path,
    options: TableOptions = AS_FOUND,
    lengths: Lengths = USUAL,
    valid_fraction: float = 0.1,
    split: str | None = None,
    seed: int = 0,
    workers: int = 1,
    say: Callable[[str], None] = lambda line: None,
) -> str:
    """Writes the series of tables as one corpus.

    Args:
        inputs: files, globs and folders.
        out: the corpus folder to make.
        options: how to read the tables.
        lengths: context and horizon to prepare for, and values per row.
        valid_fraction: share to hold out, in (0, 1).
        split: 'series' holds out whole series, 'time' the end of each; None: series where there
            are two or more.
        seed: of the choice of held-out series.
        workers: processes that read files; the corpus is the same for any number.
        say: takes one line for each file, and for each choice that was made.

    Returns:
        A line that says what was written.

    Raises:
        TableError: a file cannot be read.
        CorpusError: `out` exists, a file is given twice, or there are too few or too short series.
    """
    out = Path(out)
    with write_corpus(out, lengths.row) as writers:
        folder = writers["train"].folder.parent
        waiting = folder / "waiting"
        waiting.mkdir()
        files = find_files(inputs, say)
        _refuse_same_file(files)
        parts = stage_files(files, options, lengths, waiting, out, workers, say)
        num_series = sum(len(part.lengths) for part in parts)
        if not num_series:
            raise CorpusError(_too_short(inputs, lengths, max(part.longest for part in parts)))
        if split is None:
            split = "series" if num_series > 1 else "time"
            what = "whole series are" if split == "series" else "there is one series: its end is"
            say(f"{what} held out for validation (--split {split})")
        corpus = _Corpus(writers, lengths)
        if split == "series":
            _split_by_series(parts, valid_fraction, seed, corpus)
        else:
            _split_by_time(parts, valid_fraction, corpus, say)
        shutil.rmtree(waiting)
        with writing(out):
            write_prepared(
                folder,
                Prepared(lengths.context, lengths.horizon, split, corpus.is_cut, corpus.longest),
                row_length=lengths.row,
                valid_fraction=valid_fraction,
                seed=seed,
                series=corpus.series,
                files=[facts for part in parts for facts in part.files],
            )
        rows = {name: writer.num_rows for name, writer in writers.items()}
    return (
        f"train {corpus.series['train']:,} series in {rows['train']:,} rows, valid "
        f"{'the ends of ' * (split == 'time')}{corpus.series['valid']:,} series in "
        f"{rows['valid']:,} rows"
    )


class _Corpus:
    """Adds series to a corpus, and counts them.

    Args:
        writers: of the splits.
        lengths: of windows and rows.

    Attributes:
        series: number of series in each split.
        longest: values of the longest.
        is_cut: whether one became several rows.
    """

    def __init__(self, writers: dict[str, SplitWriter], lengths: Lengths):
        self.lengths = lengths
        self.series = dict.fromkeys(writers, 0)
        self.longest = dict.fromkeys(writers, 0)
        self.is_cut = False
        self._writers = writers

    def add(self, split: str, values: np.ndarray, cut_at: int = 0) -> None:
        """Adds one series to a split: the whole, or what lies after `cut_at` and its contexts."""
        writer = self._writers[split]
        before = writer.num_rows
        for row, first_label in rows_of(values, cut_at, self.lengths):
            writer.append(row, first_label)
        self.series[split] += 1
        self.longest[split] = max(self.longest[split], len(values))
        self.is_cut |= writer.num_rows > before + 1


def _split_by_series(parts: list[Part], fraction: float, seed: int, corpus: _Corpus) -> None:
    """Holds out whole series, chosen before any is cut."""
    counts = [count for part in parts for count in part.counts]
    held_out = choose_held_out(counts, fraction, seed)
    for split, is_empty in (("train", held_out.all()), ("valid", len(held_out) < 2)):
        if is_empty:
            raise CorpusError(
                f"{len(held_out)} usable series and --valid-fraction {fraction} leave none for the "
                f"{split} split; give more series, another fraction, or --split time, which holds "
                "out the end of each"
            )
    for values, is_held_out in zip(_waiting(parts), held_out, strict=True):
        corpus.add("valid" if is_held_out else "train", values)


def _split_by_time(
    parts: list[Part], fraction: float, corpus: _Corpus, say: Callable[[str], None]
) -> None:
    """Holds out the end of each series; one that is too short to divide is left out."""
    lengths, short, longest = corpus.lengths, 0, 0
    for values in _waiting(parts):
        cut_at = time_cut(len(values), fraction, lengths)
        before = values[:0] if cut_at is None else trim(values[:cut_at])
        if len(before) < lengths.min_series:
            short, longest = short + 1, max(longest, len(values))
            continue
        corpus.add("train", before)
        corpus.add("valid", values, cut_at)
    needs = f"{lengths.min_series} values to train on and {lengths.min_target} to validate"
    if not corpus.series["train"]:
        raise CorpusError(
            f"--split time and --valid-fraction {fraction}: no series leaves {needs}, the longest "
            f"has {longest}; give another fraction, or {_shorter(lengths, longest * 7 // 10)}"
        )
    if short:
        say(f"{short:,} series left out: too short for {needs}")


def _waiting(parts: list[Part]) -> Iterator[np.ndarray]:
    """The series of all parts, with a progress bar."""
    total = sum(len(part.lengths) for part in parts)
    series = (values for part in parts for values in part.series())
    return iter(tqdm(series, "writing", total, unit="series", disable=None, leave=False))


def _refuse_same_file(files: list[Path]) -> None:
    seen: dict[str, Path] = {}
    for file in files:
        if seen.setdefault(os.path.realpath(file), file) != file:
            raise CorpusError(
                f"{file} is given twice; its series would be trained and validated on"
            )


def _too_short(inputs: Sequence[str | Path], lengths: Lengths, longest: int) -> str:
    needed = f"{lengths.min_series} values that a window needs at least"
    return (
        f"no series of {', '.join(map(str, inputs))} has the {needed} ({lengths.min_context} of "
        f"context, {lengths.min_target} of horizon), the longest has {longest}; "
        + (_shorter(lengths, longest) if longest > 1 else "give longer series")
    )


def _shorter(lengths: Lengths, longest: int) -> str:
    """How to prepare and train where the longest series has so many values."""
    horizon = min(lengths.horizon, max(1, longest * 3 // 10))
    context = max(1, min(lengths.context, 2 * horizon, longest - horizon))
    return (
        f"prepare shorter windows, --context {context} --horizon {horizon}, and train with "
        f"DATASET.PARAM.context_length={context} DATASET.PARAM.target_length={horizon}"
    )


def train_command(out: Path, lengths: Lengths, gpu: bool) -> str:
    """The command that trains on a corpus, with a model of a size that the machine takes."""
    config, context, horizon = TRAIN_WITH_GPU if gpu else TRAIN_WITHOUT
    command = f"python train.py {config}DATASET.NAME={out.name}"
    if lengths.context < context:
        command += f" DATASET.PARAM.context_length={lengths.context}"
    if lengths.horizon < horizon:
        command += f" DATASET.PARAM.target_length={lengths.horizon}"
    inside = out.parent.name == "datasets"
    return command + ("" if inside else f", once it lies in datasets/{out.name}")


def has_gpu() -> bool:
    """Whether a GPU is seen; torch, which knows better, takes seconds to load."""
    return os.path.exists("/dev/nvidia0") or shutil.which("nvidia-smi") is not None


def _say(line: str) -> None:
    """Prints at once. A reader who leaves early, as `head` does, wants the corpus all the same."""
    try:
        with tqdm.external_write_mode():  # between two states of a progress bar
            print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data.prepare", description=__doc__, allow_abbrev=False
    )
    add = parser.add_argument
    add("inputs", nargs="+", metavar="FILE", help="files, globs, or folders of tables")
    add("--out", type=Path, required=True, help="corpus folder to make, datasets/NAME")
    add("--valid-fraction", type=float, default=0.1, help="share that is held out (0.1)")
    add("--split", choices=SPLIT_KINDS,
        help="what is held out: whole series, or the end of each")  # fmt: skip
    add("--row-length", type=int, default=4096, help="values per row (4096)")
    add("--context", type=int, default=1024, help="longest context to train with (1024)")
    add("--horizon", type=int, default=64, help="longest horizon to train with (64)")
    add("--seed", type=int, default=0, help="of the choice of held-out series (0)")
    add("--workers", type=int, default=1, help="processes that read files (1)")
    add_table_arguments(parser)
    return parser


def _problem(fraction: float, lengths: Lengths, seed: int, workers: int) -> str | None:
    """What is wrong with the options, if anything."""
    if not 0 < fraction < 1:
        return f"--valid-fraction {fraction}: must lie between 0 and 1"
    sizes = {"--row-length": lengths.row, "--context": lengths.context}
    sizes |= {"--horizon": lengths.horizon, "--workers": workers}
    for name, size in sizes.items():
        if size < 1:
            return f"{name} {size}: must be positive"
    if seed < 0:
        return f"--seed {seed}: must be 0 or more"
    if lengths.row < lengths.context + lengths.horizon:
        return (
            f"--row-length {lengths.row}: must be at least --context + --horizon, "
            f"{lengths.context + lengths.horizon}, to hold a whole window"
        )
    return None


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # cleans up on its way
    sys.exit(main())
