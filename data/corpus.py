"""The corpus format: many series in one float32 memmap (the layout of BLAST).

<root>/train/shape.npy     two integers: rows, values per row
<root>/train/data.dat      float32, row-major; NaN = missing, rows padded with NaN at the end
<root>/valid/...           the same, of series held out for validation
"""

import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

SPLITS = ("train", "valid")
MIN_CONTEXT, MIN_TARGET = 48, 16  # positions inside its series that a window must have


class CorpusError(Exception):
    """A corpus that is missing, damaged, or of no use; the message says which and what to do."""


class Corpus:
    """One split of a corpus, opened for reading.

    Args:
        root: the corpus folder.
        split: 'train' or 'valid'.

    Attributes:
        rows: [rows, row length] float32, a memory map; NaN where a value is missing.

    Raises:
        CorpusError: a file that is missing or contradicts the other.
    """

    def __init__(self, root: Path, split: str):
        self.folder = Path(root) / split
        self.rows = self._open()

    def _open(self) -> np.ndarray:
        shape_file, data_file = self.folder / "shape.npy", self.folder / "data.dat"
        for file in (shape_file, data_file):
            if not file.is_file():
                raise CorpusError(f"{file} is missing or not a file; a corpus split holds it")
        try:
            shape = np.load(shape_file, allow_pickle=False)
        except Exception:  # numpy raises many kinds for what is not its own
            raise CorpusError(f"{shape_file} is not a numpy file of two integers") from None
        if not isinstance(shape, np.ndarray):
            raise CorpusError(f"{shape_file} is a numpy archive, not an array of two integers")
        if shape.shape != (2,) or shape.dtype.kind not in "iu" or (shape < 1).any():
            raise CorpusError(
                f"{shape_file} holds {shape.tolist()!s:.60}; it must hold two positive integers, "
                "rows and values per row"
            )
        rows, length = map(int, shape)
        needed, found = 4 * rows * length, data_file.stat().st_size
        if found != needed:
            raise CorpusError(
                f"{data_file} has {found:,} bytes; {rows:,} rows x {length:,} float32 values "
                f"as shape.npy says need {needed:,}"
            )
        with data_file.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._map.madvise(mmap.MADV_RANDOM)  # rows are read in any order: read nothing around them
        return np.frombuffer(self._map, np.float32).reshape(rows, length)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """The given rows, [n, row length]; the disk is asked for all of them at once."""
        length = 4 * self.rows.shape[1]
        for start in (length * rows).tolist():
            page = start - start % mmap.PAGESIZE
            self._map.madvise(mmap.MADV_WILLNEED, page, start + length - page)
        return self.rows[rows]

    def __reduce__(self):
        # A worker process opens the map anew; pickled, an array would travel by value.
        return type(self), (self.folder.parent, self.folder.name)


class SplitWriter:
    """Appends rows to one split of `root`; `close` writes their number to shape.npy."""

    def __init__(self, root: Path, folder: Path, row_length: int):
        folder.mkdir()
        self.root = root
        self.folder = folder
        self.row_length = row_length
        self.num_rows = 0
        self._data = (folder / "data.dat").open("wb")

    def append(self, rows: np.ndarray) -> None:
        """Adds rows [n, row length]; shorter ones are padded with NaN at the end."""
        rows = np.atleast_2d(rows)
        padded = np.full((len(rows), self.row_length), np.nan, np.float32)
        with np.errstate(over="ignore"):  # beyond float32 is infinite, which windows mask
            padded[:, : rows.shape[1]] = rows
        with _writing(self.root):
            self._data.write(padded.tobytes())
        self.num_rows += len(rows)

    def close(self) -> None:
        """Brings the rows to disk and writes their number."""
        self._data.flush()
        os.fsync(self._data.fileno())
        self._data.close()
        np.save(self.folder / "shape.npy", np.array([self.num_rows, self.row_length]))


@contextmanager
def write_corpus(root: Path, row_length: int) -> Iterator[dict[str, SplitWriter]]:
    """Writes a corpus aside and moves it to `root` when the block ends without an error.

    Args:
        root: the corpus folder; it must not exist.
        row_length: values per row.

    Yields:
        `{'train': SplitWriter, 'valid': SplitWriter}`.

    Raises:
        CorpusError: `root` exists or cannot be written, or a split stayed empty.
    """
    root = Path(root)
    aside, new_parents = None, []
    try:
        with _writing(root):
            if root.exists():
                raise CorpusError(f"{root} exists already; remove it or choose another name")
            new_parents = [parent for parent in root.parents if not parent.exists()]
            root.parent.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
            aside.chmod(0o755)
            writers = {split: SplitWriter(root, aside / split, row_length) for split in SPLITS}
        yield writers
        with _writing(root):
            for split, writer in writers.items():
                writer.close()
                if not writer.num_rows:
                    raise CorpusError(f"{root}: no series for the {split} split")
            aside.rename(root)
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
        with suppress(OSError):  # those that hold something by now stay
            for parent in new_parents:
                parent.rmdir()


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    """Names the corpus in an error of the disk."""
    try:
        yield
    except OSError as error:
        raise CorpusError(f"{root} cannot be written: {error.strerror or error}") from None
