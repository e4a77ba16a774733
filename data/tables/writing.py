"""Long tables of forecasts to files: one row per series and step."""

import csv
import gzip
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from data.tables.items import TableError

CSV, CSV_GZ, PARQUET = KINDS = (".csv", ".csv.gz", ".parquet")


def forecast_columns(levels: Sequence[float]) -> list[str]:
    """The names of the columns of a forecast: of the median or the point, then of each level.

    A level is named as it is written, with at most 12 digits: 0.1, also where it is 0.3 - 0.2. Two
    levels that differ only after these have names with all digits.
    """
    shared = Counter(f"{level:.12g}" for level in set(levels))
    short = {level: f"{level:.12g}" for level in levels}
    names = (short[level] if shared[short[level]] == 1 else repr(level) for level in levels)
    return ["predictions", *names]


def output_kind(path: str | Path) -> str:
    """The kind of file that a name asks for, one of KINDS.

    Raises:
        TableError: it is another ending.
    """
    name = Path(path).name.lower()
    for kind in KINDS:
        if name.endswith(kind) and name != kind:
            return kind
    raise TableError(f"{path}: the name of a table to be written must end in {', '.join(KINDS)}")


def write_long(file: BinaryIO, frames: Iterable[pd.DataFrame], kind: str) -> None:
    """Writes parts of one table below one another.

    A missing value becomes an empty cell of a CSV file, and null in Parquet. Numbers keep their
    precision: the float32 0.1 is written as 0.1, not as 0.10000000149011612.

    Args:
        file: where to write; it is left open.
        frames: at least one, all with the same columns; the index is not written.
        kind: one of KINDS.
    """
    if kind == PARQUET:
        _write_parquet(file, frames)
    elif kind == CSV_GZ:
        # Without a name and a time in it, the same table gives the same bytes.
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            _write_csv(packed, frames)
    else:
        _write_csv(file, frames)


def _write_csv(file: BinaryIO, frames: Iterable[pd.DataFrame]) -> None:
    for i, frame in enumerate(frames):
        # pandas quotes a cell with the line end "\n", and none with "\r", where readers end a line.
        texts = frame.select_dtypes(["object", "str"])
        returns = any(texts[name].str.contains("\r", regex=False).any() for name in texts)
        frame.to_csv(
            file, mode="wb", index=False, header=i == 0, lineterminator="\n",
            quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL,
        )  # fmt: skip


def _write_parquet(file: BinaryIO, frames: Iterable[pd.DataFrame]) -> None:
    writer = None
    try:
        for frame in frames:
            table = pa.Table.from_pandas(frame, preserve_index=False)
            if writer is None:
                writer = ParquetWriter(file, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
