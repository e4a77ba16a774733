"""Command: CSV files into a corpus. See docs/data.md.

python -m data.prepare FILE.csv ... --out datasets/NAME
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data.corpus import MIN_CONTEXT, MIN_TARGET, CorpusError, write_corpus
from data.tables import LAYOUTS, Table, TableError, read_table


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    args = _parse_args(argv)
    try:
        report = prepare(
            args.files, args.out, args.valid_fraction, args.layout, args.row_length,
            overlap=args.context + args.horizon - 1, seed=args.seed, log=_say,
            min_length=min(MIN_CONTEXT, args.context) + min(MIN_TARGET, args.horizon),
        )  # fmt: skip
    except (CorpusError, TableError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"interrupted; nothing was left at {args.out}", file=sys.stderr)
        return 130
    _say(f"{args.out}: {report}")
    place = (
        "" if args.out.parent.name == "datasets" else f", once it lies in datasets/{args.out.name}"
    )
    _say(f"train on it with: python train.py DATASET.NAME={args.out.name}{place}")
    return 0


def prepare(
    files: list[Path],
    out: Path,
    valid_fraction: float = 0.1,
    layout: str | None = None,
    row_length: int = 4096,
    overlap: int = 1087,
    seed: int = 0,
    log=lambda line: None,
    min_length: int = 1,
) -> str:
    """Writes the series of CSV files as one corpus.

    Whole series are held out for validation, chosen at random before any is cut. A series longer
    than a row becomes rows that repeat `overlap` values, so that every window is inside one.

    Args:
        files: CSV files; each may have another layout.
        out: the corpus folder to make.
        valid_fraction: share of the series to hold out, in (0, 1).
        layout: 'wide' or 'm4'; None tells them apart file by file.
        row_length: values per row.
        overlap: values that consecutive rows of one series share: context + horizon - 1.
        seed: of the choice of held-out series.
        log: takes one line for each file.
        min_length: a shorter series is left out: no window would be drawn from it.

    Returns:
        A line that says what was written.

    Raises:
        TableError: a file cannot be read.
        CorpusError: `out` exists, a file is given twice, or there are too few series to hold one
            out.
        ValueError: a row that is not longer than the overlap.
    """
    if row_length <= overlap:
        raise ValueError(f"row_length {row_length} must be above overlap {overlap}")
    for i, file in enumerate(files):
        if os.path.realpath(file) in map(os.path.realpath, files[:i]):
            raise CorpusError(
                f"{file} is given twice; its series would be trained and validated on"
            )
    rng = np.random.default_rng(seed)
    num_series = {"train": 0, "valid": 0}
    with write_corpus(out, row_length) as writers:
        for file in files:
            table = read_table(file, layout)
            series = [trimmed for s in table.series if len(trimmed := trim(s)) >= min_length]
            log(_describe(file, table, series, min_length))
            # Rounding the running total holds out the right number over many small files.
            total = num_series["train"] + num_series["valid"] + len(series)
            num_valid = round(total * valid_fraction) - num_series["valid"]
            held_out = set(rng.choice(len(series), min(num_valid, len(series)), replace=False))
            for i, values in enumerate(series):
                split = "valid" if i in held_out else "train"
                num_series[split] += 1
                for row in cut(values, row_length, overlap):
                    writers[split].append(row)
        if not sum(num_series.values()):
            raise CorpusError(
                f"no series of {', '.join(map(str, files))} has the {min_length} values that a "
                "window needs at least; give longer series"
            )
        for split, count in num_series.items():
            if not count:
                raise CorpusError(
                    f"{sum(num_series.values())} usable series and --valid-fraction "
                    f"{valid_fraction} leave none for the {split} split; give more series or "
                    "another fraction"
                )
        rows = {split: writer.num_rows for split, writer in writers.items()}
    return ", ".join(
        f"{split} {num_series[split]:,} series in {rows[split]:,} rows" for split in rows
    )


def trim(values: np.ndarray) -> np.ndarray:
    """The series without the missing values before its first and after its last."""
    finite = np.flatnonzero(np.isfinite(values))
    return values[finite[0] : finite[-1] + 1] if len(finite) else values[:0]


def cut(values: np.ndarray, row_length: int, overlap: int) -> Iterator[np.ndarray]:
    """Rows of at most row_length values, each repeating the last `overlap` of the one before."""
    start = 0
    while True:
        yield values[start : start + row_length]
        if start + row_length >= len(values):
            return
        start += row_length - overlap


def _describe(file: Path, table: Table, series: list[np.ndarray], min_length: int) -> str:
    count = sum(map(len, series))
    missing = sum(int((~np.isfinite(s)).sum()) for s in series)
    line = f"{file}: {table.layout}, {len(series):,} series, {count:,} values, {missing:,} missing"
    if short := len(table.series) - len(series):
        line += f"; {short:,} series of fewer than {min_length} values left out"
    if table.timestamps is not None and len(table.timestamps) > 2:
        steps, counts = np.unique(np.diff(table.timestamps), return_counts=True)
        if odd := int(counts.sum() - counts.max()):
            usual = steps[counts.argmax()].item()
            line += f"; {odd:,} time steps are not {usual}, values are taken as they come"
    return line


def _say(line: str) -> None:
    """Prints at once. A reader who leaves early, as `head` does, wants the corpus all the same."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m data.prepare", description=__doc__)
    add = parser.add_argument
    add("files", nargs="+", type=Path, metavar="FILE.csv")
    add("--out", type=Path, required=True, help="corpus folder to make, datasets/NAME")
    add("--valid-fraction", type=float, default=0.1, help="share of series held out (0.1)")
    add("--layout", choices=LAYOUTS, help="of all files (default: told apart by the first cell)")
    add("--row-length", type=int, default=4096, help="values per row (4096)")
    add("--context", type=int, default=1024, help="longest context to train with (1024)")
    add("--horizon", type=int, default=64, help="longest horizon to train with (64)")
    add("--seed", type=int, default=0, help="of the choice of held-out series (0)")
    args = parser.parse_args(argv)
    if not 0 < args.valid_fraction < 1:
        parser.error(f"--valid-fraction {args.valid_fraction}: must lie between 0 and 1")
    for name in ("row_length", "context", "horizon"):
        if getattr(args, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be positive")
    if args.seed < 0:
        parser.error(f"--seed {args.seed}: must be 0 or more")
    if args.row_length < args.context + args.horizon:
        parser.error(
            f"--row-length {args.row_length}: must be at least --context + --horizon, "
            f"{args.context + args.horizon}, to hold a whole window"
        )
    return args


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # cleans up on its way
    sys.exit(main())
