"""The corpus format: many series in one float32 memmap (the layout of BLAST).

<root>/train/shape.npy     two integers: number of rows, values per row
<root>/train/data.dat      float32, row-major; NaN = missing; NaN also pads the end of short rows
<root>/valid/...           the same files for what is held out for validation
<root>/*/first_label.npy   int64 [rows]: no label of a row lies before this position; may be absent
<root>/corpus.json         what `data.prepare` prepared the corpus for; may be absent
"""

import json
import mmap
import os
import secrets
import shutil
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

SPLITS = ("train", "valid")
FIRST_LABEL, PREPARED = "first_label.npy", "corpus.json"
MIN_CONTEXT, MIN_TARGET = 48, 16  # steps of a window that must lie inside its series


class CorpusError(Exception):
    """A corpus is missing, damaged, or unusable; the message gives the reason."""


class Prepared(NamedTuple):
    """What a corpus was prepared for, from corpus.json.

    Attributes:
        context: the longest context that rows and split were made for.
        horizon: the longest horizon.
        split: 'series', whole series are held out; 'time', the end of each.
        is_cut: a series was cut into several rows.
        longest: values of the longest series of each split.
    """

    context: int
    horizon: int
    split: str
    is_cut: bool
    longest: dict[str, int]


def read_prepared(root: Path) -> Prepared | None:
    """What a corpus was prepared for; None where it does not say, as older corpora do not.

    Raises:
        CorpusError: corpus.json is damaged.
    """
    file = Path(root) / PREPARED
    if not file.exists():
        return None
    try:
        found = json.loads(file.read_text())
        prepared = Prepared(*(found[name] for name in Prepared._fields))
        sizes = [prepared.context, prepared.horizon, *(prepared.longest[s] for s in SPLITS)]
        if not all(type(size) is int and size > 0 for size in sizes):
            raise ValueError("lengths are positive integers")
    except (OSError, ValueError, KeyError, TypeError):
        raise CorpusError(
            f"{file} cannot be read as what data.prepare writes; prepare the corpus again, or "
            "remove the file, which only tells train.py which windows fit"
        ) from None
    return prepared


def write_prepared(folder: Path, prepared: Prepared, **facts: object) -> None:
    """Writes corpus.json.

    Args:
        folder: of the corpus.
        prepared: what is read back.
        facts: more for people and later tools, as JSON takes it.
    """
    text = json.dumps(prepared._asdict() | facts, indent=1)
    (folder / PREPARED).write_text(text + "\n")


class Corpus:
    """One split of a corpus, opened for reading.

    Args:
        root: folder of the corpus.
        split: 'train' or 'valid'.

    Attributes:
        rows: [rows, row length] float32, a memory map; NaN where a value is missing.
        first_label: [rows] int64, where the labels of each row may begin; None where they may begin
            anywhere.

    Raises:
        CorpusError: a file is missing or damaged, or the two files do not fit each other.
    """

    def __init__(self, root: Path, split: str):
        self.folder = Path(root) / split
        self.rows = self._open()
        self.first_label = self._open_first_label()

    def _open(self) -> np.ndarray:
        shape_file, data_file = self.folder / "shape.npy", self.folder / "data.dat"
        for file in (shape_file, data_file):
            if not file.is_file():
                raise CorpusError(f"{file} is missing or not a file; every split needs it")
        try:
            shape = np.load(shape_file, allow_pickle=False)
        except Exception:  # numpy raises many kinds of errors for a damaged file
            raise CorpusError(f"{shape_file} is not a numpy file of two integers") from None
        if not isinstance(shape, np.ndarray):
            raise CorpusError(f"{shape_file} is a numpy archive, not an array of two integers")
        if shape.shape != (2,) or shape.dtype.kind not in "iu" or (shape < 1).any():
            raise CorpusError(
                f"{shape_file} holds {shape.tolist()!s:.60}; it must hold two positive integers: "
                "number of rows, values per row"
            )
        rows, length = map(int, shape)
        needed, found = 4 * rows * length, data_file.stat().st_size
        if found != needed:
            raise CorpusError(
                f"{data_file} has {found:,} bytes, but {rows:,} rows x {length:,} float32 values "
                f"(from shape.npy) need {needed:,} bytes"
            )
        with data_file.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._map.madvise(mmap.MADV_RANDOM)  # rows are read in random order: no read-ahead
        return np.frombuffer(self._map, np.float32).reshape(rows, length)

    def _open_first_label(self) -> np.ndarray | None:
        file = self.folder / FIRST_LABEL
        if not file.exists():
            return None
        try:
            found = np.load(file, allow_pickle=False)
        except Exception:  # numpy raises many kinds of errors for a damaged file
            raise CorpusError(f"{file} is not a numpy file of integers") from None
        rows, length = self.rows.shape
        right = isinstance(found, np.ndarray) and found.dtype == np.int64 and found.shape == (rows,)
        if not right or not ((found >= 0) & (found <= length)).all():
            raise CorpusError(
                f"{file} must hold {rows:,} integers (int64) from 0 to {length:,}, one for each row"
            )
        return found

    def read(self, rows: np.ndarray) -> np.ndarray:
        """The given rows, [n, row length]; all of them are requested from the disk at once."""
        row_bytes = 4 * self.rows.shape[1]
        for start in (row_bytes * rows).tolist():
            page = start - start % mmap.PAGESIZE
            self._map.madvise(mmap.MADV_WILLNEED, page, start + row_bytes - page)
        return self.rows[rows]

    def __reduce__(self):
        # Pickling would copy the whole array. A worker process opens the files again instead.
        return type(self), (self.folder.parent, self.folder.name)


class SplitWriter:
    """Writes one split of a corpus row by row; `close` writes shape.npy.

    Args:
        root: final folder of the corpus, for error messages.
        folder: folder to create and write to.
        row_length: values per row.

    Attributes:
        num_rows: number of rows written so far.
    """

    def __init__(self, root: Path, folder: Path, row_length: int):
        folder.mkdir()
        self.root = root
        self.folder = folder
        self.row_length = row_length
        self.num_rows = 0
        self._first_label = array("q")
        self._data = (folder / "data.dat").open("wb")

    def append(self, rows: np.ndarray, first_label: int = 0) -> None:
        """Adds rows [n, row length]; NaN pads the end of shorter rows.

        Args:
            rows: of one length, or a single row.
            first_label: position in each of them before which no label may lie.

        Raises:
            CorpusError: the disk cannot be written.
        """
        rows = np.atleast_2d(rows)
        if rows.shape[1] < self.row_length or rows.dtype != np.float32:
            padded = np.full((len(rows), self.row_length), np.nan, np.float32)
            with np.errstate(over="ignore"):  # values beyond float32 become infinite: masked later
                padded[:, : rows.shape[1]] = rows
            rows = padded
        with writing(self.root):
            self._data.write(np.ascontiguousarray(rows).data)
        self.num_rows += len(rows)
        self._first_label.extend([first_label] * len(rows))

    def close(self) -> None:
        """Flushes the rows to disk and writes shape.npy, and first_label.npy if needed."""
        self._data.flush()
        os.fsync(self._data.fileno())
        self._data.close()
        np.save(self.folder / "shape.npy", np.array([self.num_rows, self.row_length]))
        if any(self._first_label):
            np.save(self.folder / FIRST_LABEL, np.array(self._first_label, np.int64))


@contextmanager
def write_corpus(root: Path, row_length: int) -> Iterator[dict[str, SplitWriter]]:
    """Writes a corpus to a temporary folder; renames it to `root` if the block raises no error.

    Args:
        root: folder of the corpus; it must not exist.
        row_length: values per row.

    Yields:
        `{'train': SplitWriter, 'valid': SplitWriter}`.

    Raises:
        CorpusError: `root` exists or cannot be written, or a split is empty.
    """
    root = Path(root)
    temporary, new_parents = None, []
    try:
        with writing(root):
            if root.exists():
                raise CorpusError(f"{root} exists already; remove it or choose another name")
            new_parents = [parent for parent in root.parents if not parent.exists()]
            root.parent.mkdir(parents=True, exist_ok=True)
            # The name is set before the folder exists: a signal in between must not leave it there.
            temporary = root.parent / f".{root.name}.{secrets.token_hex(4)}"
            temporary.mkdir()
            writers = {split: SplitWriter(root, temporary / split, row_length) for split in SPLITS}
        yield writers
        with writing(root):
            for split, writer in writers.items():
                writer.close()
                if not writer.num_rows:
                    raise CorpusError(f"{root}: no series for the {split} split")
            temporary.rename(root)
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        with suppress(OSError):  # a parent that is not empty stays
            for parent in new_parents:
                parent.rmdir()


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turns an OSError of the block into a CorpusError with the name of the corpus."""
    try:
        yield
    except OSError as error:
        raise CorpusError(f"{root} cannot be written: {error.strerror or error}") from None
