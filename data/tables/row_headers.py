"""What the header says of a table with a series in each row: names, and the order of the values."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from data.tables import cells
from data.tables.columns import counts_evenly, numbers_like_times
from data.tables.forms import in_one_form
from data.tables.items import TableError, TableOptions
from data.tables.names import (
    are_numbered,
    argument,
    is_id_name,
    is_index_name,
    is_nameless,
    is_time_name,
    numbers_in,
)
from data.tables.table import Table, listed, short
from data.tables.times import Stamps, stamps_of
from data.tables.words import MONTH, are_mostly_times, are_times, look_like_times
from data.tables.zones import Clock

MOST_BEFORE = 15  # columns that may stand before those of values


def first_of_values(header: list[str]) -> int | None:
    """The first column from which on the header counts, or holds times; None where it never does.

    Returns:
        At least 1: the first column names the series, also where its name counts too, as in M4.
    """
    names = [name.strip() for name in header]
    while names and is_nameless(names[-1]):
        names.pop()
    if are_numbered([name for name in names if not is_nameless(name)]):
        return 1
    for first in range(1, min(MOST_BEFORE + 1, len(names) - 1)):
        some = [name for name in names[first:] if not is_nameless(name)]
        if _count(some[:3]) and _count(some):  # most headers are told by a few names
            others = names[1:first]
            alone = len(some) > 2 and not any(_count_too(name, some[0]) for name in others)
            return first if not others or alone else None
    return None


def _count_too(name: str, counted: str) -> bool:
    """Whether a name is one of those that count, in another order."""
    return numbers_in([name, counted]) is not None or in_one_form([name])


def _count(names: list[str]) -> bool:
    """Whether names count up or down, in even steps or as years, or are times."""
    numbers = numbers_in(names) if len(names) > 1 else None
    if numbers is not None:
        steps = np.diff(numbers)
        even = abs(steps[0]) == 1 and (steps == steps[0]).all()
        years = min(numbers) >= 1500 and max(numbers) < 2500
        if even or (years and ((steps > 0).all() or (steps < 0).all())):
            return True
    return len(names) > 1 and in_one_form(names)


class Before(NamedTuple):
    """The columns before those of values, in a table with a series in each row.

    Attributes:
        header: the names of all columns.
        columns: cells of each of those before the values, as text; of a file those of first rows.
        texts: of each of these, whether it holds text that is no flag.
    """

    header: list[str]
    columns: list[list[str]]
    texts: list[bool]

    def are_names(self, where: Path | str, options: TableOptions) -> bool:
        """Whether they name the rows: no times and no counters, and text or ids that all differ.

        Raises:
            TableError: `options.id` names several rows alike.
        """
        names = self._names()
        if any(is_time_name(name) or is_index_name(name) for name in names[1:]):
            return False
        values = [name.strip() for name in self.header[len(names) :] if not is_nameless(name)]
        dated = are_mostly_times(values)
        for text, name, column in zip(self.texts, names, self.columns, strict=True):
            if text and are_times([cell for cell in column if cell]):
                return False
            if not (dated or text or is_id_name(name)) and _count_or_are_times(column):
                return False
        if not (self.texts[0] or is_id_name(names[0]) or dated):
            return False
        if len(names) == 1 and [name.strip() for name in options.id] not in ([], names):
            return False
        ids = self._given(where, options) if options.id else self._found()
        rows = [*zip(*(self.columns[i] for i in ids), strict=True)]
        if len({*rows}) == len(rows):
            return True
        if options.id and len(names) > 1:
            twice = "/".join(next(row for n, row in enumerate(rows) if row in rows[:n]))
            raise TableError(
                f"{where}: {short(twice)} names several rows; if each row is a series, name all "
                f"columns that tell the rows apart with --id ({listed(names)}), or say --layout "
                "long if they are below each other"
            )
        return False

    def ids(
        self, where: Path | str, options: TableOptions, say: Callable[[str], None]
    ) -> list[int]:
        """The columns that name the series; says which others are left out.

        Raises:
            TableError: several may name the series, or `options.id` names another column.
        """
        names = self._names()
        ids = self._given(where, options) if options.id else self._found()
        if len(ids) > 1 and not options.id:
            # Those first that are enough alone.
            alone = [i for i in ids if len({*self.columns[i]}) == len(self.columns[i])]
            some = [*alone, *(i for i in ids if i not in alone)][:4]
            raise TableError(
                f"{where}: {listed([names[i] for i in ids])} stand before the values of each row, "
                "and may name its series: say "
                + " or ".join(f"--id {argument(names[i])}" for i in some)
                + ", or several of them"
            )
        others = [names[i] for i in range(len(names)) if i not in ids]
        if others:
            say(f"{where}: left out, before the values: {listed(others)}")
        return ids

    def _names(self) -> list[str]:
        """Of the columns before the values."""
        return [name.strip() for name in self.header[: len(self.columns)]]

    def _given(self, where: Path | str, options: TableOptions) -> list[int]:
        """The columns that `options.id` names."""
        names = self._names()
        for name in (text.strip() for text in options.id):
            if names.count(name) > 1:
                raise TableError(
                    f"{where}, header: two columns are named {short(name)}; names must differ"
                )
            if name not in names:
                raise TableError(
                    f"{where}: the column {short(name)} (--id) does not stand before the values; "
                    f"{listed(names)} do"
                )
        return [names.index(text.strip()) for text in options.id]

    def _found(self) -> list[int]:
        """Columns of text or of a usual id name; the first one if there is none."""
        names = zip(self.texts, self._names(), strict=True)
        return [i for i, (text, name) in enumerate(names) if text or is_id_name(name)] or [0]


def _count_or_are_times(column: list[str]) -> bool:
    """Whether cells are numbers in even steps, or look like times."""
    try:
        values = np.array([float(cell) for cell in column])
    except ValueError:
        return False
    return counts_evenly(values) or numbers_like_times(values)


class RowOfValues(Table):
    """The values of one row, or its names, as a column; messages name the place in the file."""

    def __init__(
        self,
        path: Path | str,
        line: int,
        row: list[str],
        decimal: str,
        place: str = "",
        first: int = 1,
        header: list[str] | None = None,
    ):
        values = pa.chunked_array([pa.array(row[first:], pa.string())])
        super().__init__(
            name=str(path),
            names=[row[0]],
            rows=max(0, len(row) - first),
            column=lambda i: values,
            types=[pa.string()],
            line=lambda i: line,
            as_text=lambda i: values,
            decimal=decimal,
        )
        object.__setattr__(self, "place", place or f"row {line}")
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "header", header or [])

    def where(self, row: int | None = None, column: int | None = None) -> str:
        place = f"{self.name}, {self.place}"
        if row is None:
            return place
        number = row + self.first
        named = "".join(self.header[number : number + 1]).strip()
        return f"{place}, column {short(named) if named else number + 1}"


class Columns(NamedTuple):
    """What the header says of the values of each row.

    Attributes:
        order: the columns in order of time.
        times: of them; None where the header counts.
    """

    order: np.ndarray
    times: pd.DatetimeIndex | None


def columns_of(
    name: Path | str,
    header: list[str],
    first: int,
    options: TableOptions,
    say: Callable[[str], None],
) -> Columns | None:
    """Reads the names of the columns of values, as a column of times is read.

    Args:
        name: of the table, for messages.
        header: all names.
        first: the first column of values.
        options: a format of dates, a time zone.
        say: gets a line where the columns are sorted.

    Returns:
        None where they say nothing: they count up, or are no times.

    Raises:
        TableError: they may be several times, one is there twice, or they are in no order.
    """
    names = [text.strip() for text in header[first:]]
    while names and is_nameless(names[-1]):
        names.pop()
    row = RowOfValues(name, 1, [*header[:first], *names], ".", "header", first)
    present = [text for text in names if not is_nameless(text)]
    counts = are_numbered(present) or are_numbered(present[::-1])
    numbers = len(names) > 1 and all(map(cells.is_number, names))
    given = options.date_format is not None or (numbers and not counts)
    found = stamps_of(row, 0, options, given) if names else None
    if isinstance(found, Stamps) and found.counter is None:
        steps = np.diff(found.wall).astype(int)
        if not found.numeric or (steps > 0).all() or (steps < 0).all():
            return _by_time(row, found, options, say)
    if len(names) < 2 or are_numbered(present):
        return None
    counted = numbers_in(names)
    if counted is not None:
        steps = np.diff(counted)
        if (steps == steps[0]).all() and steps[0] > 0:
            return None
        if (steps == steps[0]).all() and steps[0] < 0:
            say(f"{row.where()}: the columns count down; they are sorted")
            return Columns(np.arange(len(names))[::-1], None)
        numbers = True
    if numbers:
        raise TableError(
            f"{row.where()}: {listed(names, 4)} neither count in even steps nor are times that are "
            "known; write V1, V2 ... in order of time, or ISO 8601 times; if they are values, put "
            "such a line above them"
        )
    if isinstance(found, TableError):
        raise TableError(str(found).replace("the row or remove it", "it or remove the column"))
    doubtful = sum(re.search(rf"\d|{MONTH}", text, re.IGNORECASE) is not None for text in present)
    if look_like_times(names) or 2 * doubtful > len(present):
        raise TableError(
            f"{row.where(0)}: {short(names[0])} is in no form of time that is known; say "
            "--date-format, or write V1, V2 ... if the columns are in order of time"
        )
    return None


def _by_time(
    row: RowOfValues, stamps: Stamps, options: TableOptions, say: Callable[[str], None]
) -> Columns:
    positions = np.arange(row.rows)
    order = np.argsort(stamps.moments, kind="stable")
    same = np.flatnonzero(np.diff(stamps.moments[order]) == 0)
    if len(same) and options.timezone is None:
        second = order[same[0] + 1]
        places = " and ".join(str(i + row.first + 1) for i in (order[same[0]], second))
        raise TableError(
            f"{row.where()}, columns {places}: {row.cell(second, 0)} is there twice; keep one "
            "column for each time"
        )
    order, times = Clock(row, 0, stamps, options, say).order(positions)
    if (order != positions).any():
        say(f"{row.where()}: the columns are not in order of time; they are sorted")
    return Columns(order, times)
