"""Tables whose columns have types: Parquet, Arrow and DataFrames."""

from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api.types import infer_dtype

from data.tables.cells import is_texts
from data.tables.files import is_packed, opened
from data.tables.items import TableError
from data.tables.table import Table, listed, short

FRAME = "the DataFrame"
# What pandas calls objects among which there are no times.
NO_TIMES = {"string", "bytes", "floating", "integer", "mixed-integer-float", "decimal", "boolean"}
KEPT = 4  # columns of a Parquet file that are kept for a second look


def parquet_table(path: Path) -> Table:
    """The table of a Parquet file; columns are read one by one, and pieces are row groups.

    Raises:
        TableError: it is no Parquet file.
    """
    source = pa.BufferReader(_unpacked(path)) if is_packed(path) else path
    try:
        schema = pq.read_schema(source)
        texts = [
            name for name, kind in zip(schema.names, schema.types, strict=True) if is_texts(kind)
        ]
        # Texts repeat in long tables: each is kept once.
        file = pq.ParquetFile(source, read_dictionary=texts)
    except FileNotFoundError:
        raise TableError(f"{path} cannot be read: No such file or directory") from None
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path} cannot be read as Parquet: {_first_line(error)}") from None
    stored = file.schema_arrow
    order = _index_first(stored)
    names, types = ([part[i] for i in order] for part in (stored.names, stored.types))
    holds = _columns_with_values(file.metadata)

    def read(i: int, group: int | None = None) -> pa.ChunkedArray:
        try:
            if group is None:
                return file.read(columns=[names[i]]).column(names[i])
            return file.read_row_group(group, columns=[names[i]]).column(names[i])
        except (pa.ArrowException, OSError, KeyError) as error:
            raise TableError(f"{path} cannot be read: {_first_line(error)}") from None

    said: set[int] = set()

    def piece(group: int, start: int) -> Table:
        return Table(
            name=str(path),
            names=names,
            rows=file.metadata.row_group(group).num_rows,
            column=lambda i: read(i, group),
            types=types,
            line=lambda row: start + row + 1,
            said=said,
        )

    pieces, start = [], 0
    for group in range(file.num_row_groups if file.num_row_groups > 1 else 0):
        pieces.append(piece(group, start))
        start += pieces[-1].rows
    column = lru_cache(maxsize=KEPT)(read)
    rows = file.metadata.num_rows
    return Table(
        str(path), names, rows, column, types, _line, pieces=tuple(pieces),
        is_empty=lambda i: names[i] not in holds,
    )  # fmt: skip


def _index_first(schema: pa.Schema) -> list[int]:
    """The columns in order; pandas stores the index of a DataFrame behind them."""
    try:
        index = (schema.pandas_metadata or {}).get("index_columns") or []
    except ValueError:  # it is no JSON
        index = []
    is_index = [name in index for name in schema.names]  # a range is no name
    return sorted(range(len(is_index)), key=lambda i: not is_index[i])


def _columns_with_values(metadata: pq.FileMetaData) -> set[str]:
    """Names of columns that hold values, as far as the file's own counts tell."""
    found = set()
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            counts = column.statistics
            if counts is None or not counts.has_null_count or counts.null_count < group.num_rows:
                parts = column.path_in_schema.split(".")  # a name may hold points, and fields
                found.update(".".join(parts[: n + 1]) for n in range(len(parts)))
    return found


def arrow_table(path: Path) -> Table:
    """The table of an Arrow file or stream; of an unpacked one, only what is used is read.

    Raises:
        TableError: it is neither.
    """
    try:
        source = pa.BufferReader(_unpacked(path)) if is_packed(path) else pa.memory_map(str(path))
    except OSError as error:
        raise TableError(f"{path} cannot be read: {_first_line(error)}") from None
    with source:
        for open_table in (pa.ipc.open_file, pa.ipc.open_stream):
            try:
                source.seek(0)
                return table_of_arrow(open_table(source).read_all(), str(path))
            except (pa.ArrowException, OSError) as error:
                reason = _first_line(error)
    raise TableError(f"{path} cannot be read as an Arrow file or stream: {reason}")


def table_of_arrow(table: pa.Table, name: str) -> Table:
    """An Arrow table in memory as a table of ours."""
    table = table.select(_index_first(table.schema))
    return _in_memory(name, table.column_names, table.columns, table.num_rows)


def _in_memory(name: str, names: list[str], columns: list[pa.ChunkedArray], rows: int) -> Table:
    return Table(
        name, names, rows, columns.__getitem__, [column.type for column in columns], _line,
        is_empty=lambda i: columns[i].null_count == rows,
    )  # fmt: skip


def frame_table(frame: pd.DataFrame) -> Table:
    """A DataFrame; its index becomes a column, unless it only counts the rows.

    Raises:
        TableError: its columns have names of several levels, its index holds durations, or a
            column cannot be read.
    """
    if isinstance(frame.index, pd.TimedeltaIndex):
        raise TableError(f"{FRAME} has an index of durations; add it to the time of its start")
    if frame.columns.nlevels > 1:
        raise TableError(f"{FRAME} has column names of several levels; join them into one")
    index = frame.index
    counts = index.nlevels == 1 and pd.api.types.is_any_real_numeric_dtype(index.dtype)
    if index.name or not counts:
        frame = _with_index(frame)
    columns = [_array(frame.iloc[:, i]) for i in range(frame.shape[1])]
    names = ["" if pd.isna(name) else str(name) for name in frame.columns]
    return _in_memory(FRAME, names, columns, len(frame))


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """The index as columns; one that repeats a column is left out."""
    for level, name in enumerate(frame.index.names):
        if name is not None and list(frame.columns).count(name) > 1:
            raise TableError(f"{FRAME}: two columns are named {name!r}; names must differ")
        if name is not None and name in frame.columns:
            values = frame.index.get_level_values(level)
            if frame.index.nlevels > 1 or not values.equals(pd.Index(frame[name])):
                raise TableError(
                    f"{FRAME} has an index and a column, both named {name!r}, that differ; rename "
                    "one of them"
                )
            return frame.reset_index(drop=True)
    return frame.reset_index()


def _array(column: pd.Series) -> pa.ChunkedArray:
    if column.dtype == object:
        column = _of_one_type(column)
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    try:
        array = pa.array(column, from_pandas=True)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        # Numbers and text in one column: looked at as text, cell by cell, like those of a file.
        array = pa.array([None if cell is None else str(cell) for cell in column], pa.string())
    if pa.types.is_dictionary(array.type) and not is_texts(array.type):
        array = array.cast(array.type.value_type)  # a categorical of times or of numbers
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _of_one_type(column: pd.Series) -> pd.Series:
    """Objects that are times of several types or offsets as texts: Arrow takes those of the first.

    Raises:
        TableError: they are of several named zones; a text would keep the offset alone.
    """
    if infer_dtype(column, skipna=True) in NO_TIMES:
        return column
    cells = column.dropna()
    if len(cells) and all(isinstance(cell, pd.Period) for cell in cells):
        try:
            return pd.Series(pd.PeriodIndex(column), name=column.name)
        except ValueError:  # of several frequencies
            return column.map(str)
    if not any(isinstance(cell, date) for cell in cells):
        return column
    kinds = {(isinstance(cell, datetime), _zone(cell)) for cell in cells}
    zones = {zone for _, zone in kinds if zone is not None}
    if len(zones) > 1 and any(isinstance(zone, str) for zone in zones):
        raise TableError(
            f"{FRAME}, column {short(str(column.name))}: it holds times of several time zones "
            f"({listed(sorted(map(str, zones)))}); convert them to one, or split the table"
        )
    return column if len(kinds) == 1 else column.map(str).where(column.notna(), None)


def _zone(cell: object) -> str | timedelta | None:
    """The name of a time zone, or its offset if it has one alone; None of other cells."""
    zone = getattr(cell, "tzinfo", None)
    offset = None if zone is None else zone.utcoffset(None)
    return str(zone) if zone is not None and offset is None else offset


def _unpacked(path: Path) -> bytes:
    with opened(path) as file:
        return file.read()


def _line(row: int) -> int:
    return row + 1


def _first_line(error: Exception) -> str:
    return f"{str(error).splitlines()[0]:.150}" if str(error) else type(error).__name__
