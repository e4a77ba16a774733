"""What every table becomes: items, one series each; and what a user may say about a table."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

LAYOUTS = ("wide", "long", "rows", "nested")


class TableError(Exception):
    """A table that cannot be read; the message names file, row and column, and the way out."""


class Item(NamedTuple):
    """One series of a table, in order of time.

    Attributes:
        id: name of the series, unique among the items that are read together.
        times: time of each value, strictly increasing: wall-clock time without a zone, or with a
            fixed offset or a named zone. None where the table has no times.
        values: float64 [n], NaN = missing; infinite values are kept.
        source: the file, for messages; empty for a DataFrame.
        first_row: row of the file that holds the first value, for messages; the header is row 1.
        counter: number of the first value, and from each value to the next, where a column counts
            the steps; a number that is not there is a missing value. Floats where the numbers have
            decimals; else the second is 0 for a single value. None where there is no such column.
    """

    id: str
    times: pd.DatetimeIndex | None
    values: np.ndarray
    source: str = ""
    first_row: int = 2
    counter: tuple[int, int] | tuple[float, float] | None = None


@dataclass(frozen=True)
class TableOptions:
    """How a table is to be read; what is None or empty is found out from the table.

    Attributes:
        layout: one of LAYOUTS.
        timestamp: the column of times.
        id: the columns that name a series.
        target: the columns of values.
        date_format: of the times, as `datetime.strptime` takes it.
        freq: one step of the calendar, a pandas alias such as 'h', 'MS', 'B'.
        timezone: an IANA name, such as 'Europe/Berlin'.
        missing: numbers that stand for a missing value, as text.
        keep: numbers that look as if they did, and do not; 'all' alone: none does.
        sep: between two cells of a text file.
        decimal: the decimal point of a text file.
        encoding: of a text file.
        files: what the same id in two files means: 'join', one series; 'separate', two.
    """

    layout: str | None = None
    timestamp: str | None = None
    id: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    date_format: str | None = None
    freq: str | None = None
    timezone: str | None = None
    missing: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    sep: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    files: str | None = None
