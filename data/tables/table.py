"""What the layouts read: named columns of one file or DataFrame, whatever kind it is of."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.tables.items import TableError

LARGE = 1 << 30  # bytes
KEPT = 4  # columns whose different texts are kept for a second look
SHORT = 60  # characters of a cell or name that a message shows


@dataclass(frozen=True)
class Table:
    """One table; a column is read when it is asked for.

    Attributes:
        name: file, for messages; 'the DataFrame' for one in memory.
        names: of the columns.
        rows: how many there are, without the header.
        column: gives column i. Of a text file: text where it is needed as written, else float64.
        types: Arrow type of each column, known without reading it.
        line: gives the row of the file in which row i stands, for messages.
        as_text: gives column i as it is written in a text file; None for other kinds.
        decimal: the decimal mark of numbers in text; None where the options say it.
        line_of_first: the line of the first row.
        pieces: the table in parts that are read one by one; empty where it is read as a whole.
        is_empty: whether column i has no value, where that is known without reading it.
        said: columns whose lost digits users know of; pieces share it.
        starts: the first numbers of columns that were looked at, see `cells.first_numbers`.
    """

    name: str
    names: list[str]
    rows: int
    column: Callable[[int], pa.ChunkedArray]
    types: list[pa.DataType]
    line: Callable[[int], int]
    as_text: Callable[[int], pa.ChunkedArray] | None = None
    decimal: str | None = None
    line_of_first: int = 1
    pieces: tuple["Table", ...] = ()
    is_empty: Callable[[int], bool] = lambda i: False
    said: set[int] = field(default_factory=set, repr=False)
    starts: dict[int, np.ndarray] = field(default_factory=dict, repr=False)
    _encoded: dict[int, tuple[np.ndarray, pa.Array]] = field(default_factory=dict, repr=False)

    def where(self, row: int | None = None, column: int | None = None) -> str:
        """The place that a message is about."""
        parts = [self.name]
        if row is not None:
            parts.append(f"row {self.line(int(row))}")
        if column is not None:
            parts.append(f"column {short(self.names[column])}")
        return ", ".join(parts)

    def texts(self, i: int) -> tuple[np.ndarray, pa.Array]:
        """Of each row of column i the number of its text, and the different texts.

        Returns:
            int32 [rows], and texts in order of appearance; a missing cell is an empty text.
        """
        if i not in self._encoded:
            if len(self._encoded) >= KEPT:
                self._encoded.pop(next(iter(self._encoded)))
            try:
                self._encoded[i] = _encode(self._as_written(i))
            except pa.ArrowException:
                raise TableError(
                    f"{self.where(None, i)} holds {self.types[i]}, which cannot be read as text; "
                    "remove the column"
                ) from None
        return self._encoded[i]

    def _as_written(self, i: int) -> pa.ChunkedArray:
        """Column i; integers that became float64 with the zeros and digits that the file has."""
        column = self.column(i)
        if self.as_text is None or not pa.types.is_floating(self.types[i]):
            return column
        texts = pc.utf8_trim_whitespace(as_text(self.as_text(i)))
        return texts if pc.all(pc.match_substring_regex(texts, r"^-?\d+$")).as_py() else column

    def cell(self, row: int, i: int) -> str:
        """The text of one cell."""
        codes, texts = self.texts(i)
        return texts[int(codes[row])].as_py()

    def show(self, row: int) -> str:
        """The first cells of a row, for messages."""
        cells = [str(self.column(i)[int(row)].as_py()) for i in range(min(len(self.names), 4))]
        return f"{', '.join(cells):.{SHORT}}"

    def find(self, name: str, option: str) -> int:
        """Number of the column of this name.

        Raises:
            TableError: there is none, or there are two.
        """
        for names in (self.names, [text.strip() for text in self.names]):
            positions = [i for i, text in enumerate(names) if text == name]
            if len(positions) == 1:
                return positions[0]
            if positions:
                raise TableError(
                    f"{self.name}, header: two columns are named {short(name)}; names must differ"
                )
        raise TableError(
            f"{self.name} has no column {short(name)} ({option}); "
            f"its columns are {listed(self.names)}"
        )


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Any column as text; missing where it has no value."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        whole = pc.and_(pc.equal(pc.round(column), column), pc.less(pc.abs(column), 2.0**63))
        if pc.all(whole).as_py():  # of the values that are there
            column = column.cast(pa.int64())
    return column.cast(pa.string())


def _encode(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    if not pa.types.is_dictionary(column.type):
        column = as_text(column)
        if column.nbytes < LARGE:  # one piece is faster; a larger one could not be addressed
            column = pa.chunked_array([column.combine_chunks()])
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    if not column.num_chunks:
        return np.empty(0, np.int32), pa.array([], pa.string())
    texts = column.chunk(0).dictionary.cast(pa.string())
    codes = [chunk.indices.fill_null(len(texts)).to_numpy() for chunk in column.chunks]
    codes = np.concatenate(codes).astype(np.int32, copy=False)
    texts = pa.concat_arrays([texts, pa.array([""])])
    # Unused texts, and texts out of order, come from dictionaries of files.
    first = np.full(len(texts), len(codes), np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    order = np.argsort(first, kind="stable")[: int((first < len(codes)).sum())]
    numbers = np.empty(len(texts), np.int32)
    numbers[order] = np.arange(len(order))
    return _merge_empty(numbers[codes], texts.take(pa.array(order)))


def _merge_empty(codes: np.ndarray, texts: pa.Array) -> tuple[np.ndarray, pa.Array]:
    """One number where a missing cell and an empty text are two."""
    empty = np.flatnonzero(pc.equal(texts, "").to_numpy(zero_copy_only=False))
    if len(empty) < 2:
        return codes, texts
    keep = np.delete(np.arange(len(texts)), empty[1])
    numbers = np.searchsorted(keep, np.arange(len(texts)))
    numbers[empty[1]] = empty[0]
    return numbers[codes].astype(np.int32), texts.take(pa.array(keep))


def short(cell: object) -> str:
    """A cell or name in quotes, cut to a length that fits a message."""
    return f"{str(cell)!r:.{SHORT}}"


def listed(names: list[str], most: int = 8) -> str:
    """Names for a message, the first ones of many."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(short(name) for name in names[:most]) + rest
