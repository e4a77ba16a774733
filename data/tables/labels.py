"""Columns of numbers that describe series: the code of a county, the latitude of a station."""

import numpy as np
import pyarrow as pa

from data.tables import cells
from data.tables.choices import id_codes
from data.tables.items import TableOptions
from data.tables.table import Table

FEW = 8  # rows of each series, on average, show that a column is the same in all of them
LOOK = 1000  # rows that are looked at before a whole column is
PLACES = frozenset((
    "lat", "latitude", "lon", "lng", "long", "longitude", "elev", "elevation", "alt", "altitude",
))  # fmt: skip


def labels_of(table: Table, options: TableOptions, ids: list[int], columns: list[int]) -> list[int]:
    """Columns that are labels of series, and no series.

    A label holds one number in all rows of a series, and not the same for all series; or it has the
    name of a coordinate. Where no other column has values, none is a label.

    Args:
        table: of wide or long layout.
        options: what stands for a missing value.
        ids: columns that name series; none of a wide table.
        columns: those that may be labels.
    """
    some = columns if ids else [i for i in columns if _is_place(table.names[i])]
    if not some or len(columns) < 2:
        return []
    codes, names = id_codes(table, ids) if ids else (np.zeros(table.rows, np.int64), [""])
    if table.rows < FEW * len(names):
        return []
    labels = [i for i in some if _is_label(table, i, options, codes, len(names))]
    return labels if len(labels) < len(columns) else []


def _is_place(name: str) -> bool:
    return name.strip().lower() in PLACES


def _is_label(
    table: Table, i: int, options: TableOptions, codes: np.ndarray, num_series: int
) -> bool:
    pieces = table.pieces or (table,)
    if cells.is_numbers(table.types[i]):  # most columns are told by their first rows
        start = pieces[0].column(i).slice(0, LOOK).cast(pa.float64(), safe=False).to_numpy()
        start = start[codes[: len(start)] == codes[0]]
        if len(np.unique(start[np.isfinite(start)])) > 2:  # one may stand for missing values
            return False
    low, high = np.full(num_series, np.inf), np.full(num_series, -np.inf)
    row = 0
    for piece in pieces:
        values = cells.numbers_of(piece, i, options)
        own = codes[row : row + piece.rows]
        row += piece.rows
        np.fmin.at(low, own, values)
        np.fmax.at(high, own, values)
        if (low < high).any():
            return False
    found = low[low <= high]
    return len(found) > 0 and (found.min() < found.max() or _is_place(table.names[i]))
