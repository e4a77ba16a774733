"""The corpus format: many series in one float32 memmap (the layout of BLAST).

<root>/train/shape.npy     two integers: number of rows, values per row
<root>/train/data.dat      float32, row-major; NaN = missing; NaN also pads the end of short rows
<root>/valid/...           the same files for the series held out for validation
"""

import mmap
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

SPLITS = ("train", "valid")
MIN_CONTEXT, MIN_TARGET = 48, 16  # steps of a window that must lie inside its series


class CorpusError(Exception):
    """A corpus is missing, damaged, or unusable; the message gives the reason."""


class Corpus:
    """One split of a corpus, opened for reading.

    Args:
        root: folder of the corpus.
        split: 'train' or 'valid'.

    Attributes:
        rows: [rows, row length] float32, a memory map; NaN where a value is missing.

    Raises:
        CorpusError: a file is missing or damaged, or the two files do not fit each other.
    """

    def __init__(self, root: Path, split: str):
        self.folder = Path(root) / split
        self.rows = self._open()

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
        self._data = (folder / "data.dat").open("wb")

    def append(self, rows: np.ndarray) -> None:
        """Adds rows [n, row length]; NaN pads the end of shorter rows.

        Raises:
            CorpusError: the disk cannot be written.
        """
        rows = np.atleast_2d(rows)
        padded = np.full((len(rows), self.row_length), np.nan, np.float32)
        with np.errstate(over="ignore"):  # values beyond float32 become infinite: masked later
            padded[:, : rows.shape[1]] = rows
        with _writing(self.root):
            self._data.write(padded.tobytes())
        self.num_rows += len(rows)

    def close(self) -> None:
        """Flushes the rows to disk and writes shape.npy."""
        self._data.flush()
        os.fsync(self._data.fileno())
        self._data.close()
        np.save(self.folder / "shape.npy", np.array([self.num_rows, self.row_length]))


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
        with _writing(root):
            if root.exists():
                raise CorpusError(f"{root} exists already; remove it or choose another name")
            new_parents = [parent for parent in root.parents if not parent.exists()]
            root.parent.mkdir(parents=True, exist_ok=True)
            # The name is set before the folder exists: a signal in between must not leave it there.
            temporary = root.parent / f".{root.name}.{secrets.token_hex(4)}"
            temporary.mkdir()
            writers = {split: SplitWriter(root, temporary / split, row_length) for split in SPLITS}
        yield writers
        with _writing(root):
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
def _writing(root: Path) -> Iterator[None]:
    """Turns an OSError of the block into a CorpusError with the name of the corpus."""
    try:
        yield
    except OSError as error:
        raise CorpusError(f"{root} cannot be written: {error.strerror or error}") from None
