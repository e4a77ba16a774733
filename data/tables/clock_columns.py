"""Columns of numbers that follow from the times: the hour, the day of the week, a count of days."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from data.tables import cells
from data.tables.choices import id_codes
from data.tables.items import TableOptions
from data.tables.names import may_count, part_of_time
from data.tables.table import Table
from data.tables.times import Stamps

LEAST = (
    cells.START
)  # rows show that a column repeats a part, under any name and from any first number
MOST = 366  # no number of a part is larger
MONDAY, SUNDAY = 0, 6  # as pandas numbers them

Numbers = Callable[[pd.DatetimeIndex], np.ndarray]


class Way(NamedTuple):
    """One of the usual ways to number a part of the time.

    Attributes:
        part: as pandas calls it.
        numbers: of each time, from 0 or 1.
        cycle: how many there are, of a part that people begin to count anywhere: the first day of
            a week is Monday, Sunday or Saturday; the first month of a fiscal year April. 0 of
            others.
    """

    part: str
    numbers: Numbers
    cycle: int = 0


def _slots(minutes: int) -> Numbers:
    """Slots of so many minutes, of each day."""
    return lambda times: (times.hour * 60 + times.minute) // minutes


def _whole_weeks(first_day: int) -> Numbers:
    """Weeks of seven days; the first has four days of its year or more.

    ISO 8601 has such weeks from Monday, the CDC of the United States from Sunday.
    """

    def numbers(times: pd.DatetimeIndex) -> np.ndarray:
        fourth = times + pd.to_timedelta(3 - (times.day_of_week - first_day) % 7, unit="D")
        return (fourth.day_of_year - 1) // 7

    return numbers


def _cut_weeks(first_day: int) -> Numbers:
    """Weeks that the year cuts; the first begins on the first Monday or Sunday (strftime: W, U)."""
    return lambda times: (times.day_of_year + 6 - (times.day_of_week - first_day) % 7) // 7


def _sheet_weeks(first_day: int) -> Numbers:
    """Weeks that the year cuts; the first has 1 January in it (WEEKNUM of spreadsheets)."""

    def numbers(times: pd.DatetimeIndex) -> np.ndarray:
        days = times.day_of_year - 1
        return (days + (times.day_of_week - first_day - days) % 7) // 7

    return numbers


WAYS = (
    Way("quarter", lambda times: times.quarter - 1, 4),
    Way("month", lambda times: times.month - 1, 12),
    *(Way("week", of(day)) for of in (_whole_weeks, _cut_weeks, _sheet_weeks)
      for day in (MONDAY, SUNDAY)),
    Way("week", lambda times: (times.day_of_year - 1) // 7),
    Way("dayofyear", lambda times: times.day_of_year - 1),
    Way("day", lambda times: times.day - 1),
    Way("dayofweek", lambda times: times.day_of_week, 7),
    Way("hour", lambda times: times.hour, 24),
    Way("minute", lambda times: times.minute),
    Way("second", lambda times: times.second),
    Way("", _slots(30)),
    Way("", _slots(15)),
)  # fmt: skip


CYCLES = np.array([way.cycle for way in WAYS])


def repeats_its_part(name: str, values: np.ndarray, wall: np.ndarray) -> bool:
    """Whether a column repeats the part of the times that its name means: 'month', 'hour' ...

    Args:
        name: of the column.
        values: float64 [rows].
        wall: the times of the rows, datetime64 [rows].
    """
    part = part_of_time(name)
    if part is None:
        return False
    times = pd.DatetimeIndex(wall)
    if part == "year":
        return bool((values == times.year).all())
    if not _may_be_part(values):
        return False
    few = len(values) < LEAST  # their numbers may begin anywhere by chance
    return any(
        _follow(values, np.asarray(way.numbers(times)), 0 if few else way.cycle)
        for way in WAYS
        if way.part == part
    )


def repeating(
    table: Table, options: TableOptions, wall: np.ndarray, columns: list[int]
) -> list[int]:
    """Columns that repeat a part of the times under any name, and begin anew at least once.

    Where all columns do, none is one: they are series of somebody who tries this out.

    Args:
        table: of wide or long layout.
        options: what stands for a missing value.
        wall: the times of the rows, datetime64 [rows].
        columns: those that may be such.
    """
    if table.rows < LEAST or len(columns) < 2:
        return []
    starts = {i: cells.first_numbers(table, i, options) for i in columns}
    starts = {i: start for i, start in starts.items() if _may_be_part(start)}
    if not starts:
        return []
    first = pd.DatetimeIndex(wall[: cells.START])
    firsts = np.stack([way.numbers(first) for way in WAYS])
    found = []
    for i, start in starts.items():
        near = np.flatnonzero(_follow(start, firsts[:, : len(start)], CYCLES))
        if len(near) and _begins_anew(cells.numbers_of(table, i, options), wall, near):
            found.append(i)
    return found if len(found) < len(columns) else []


def counting(
    table: Table, options: TableOptions, stamps: Stamps, ids: list[int], columns: list[int]
) -> list[int]:
    """Columns with the name of a counter that count the rows of each series, in order of time.

    Where all columns do, none is one.

    Args:
        table: of wide or long layout.
        options: what stands for a missing value.
        stamps: the times of the rows.
        ids: columns that name series; none of a wide table.
        columns: those that may be such.
    """
    named = [i for i in columns if may_count(table.names[i])]
    if not named or len(columns) < 2:
        return []
    codes, names = id_codes(table, ids) if ids else (np.zeros(table.rows, np.int64), [""])
    if table.rows < LEAST * len(names):
        return []
    order = np.lexsort((stamps.moments, codes))
    same = np.diff(codes[order]) == 0
    found = [
        i for i in named if (np.diff(cells.numbers_of(table, i, options)[order])[same] == 1).all()
    ]
    return found if len(found) < len(columns) else []


def _may_be_part(values: np.ndarray) -> bool:
    """Whether there are numbers, all are whole, and none is too large or missing."""
    inside = len(values) > 0 and ((values >= 0) & (values <= MOST)).all()
    return bool(inside and (values % 1 == 0).all())


def _begins_anew(values: np.ndarray, wall: np.ndarray, ways: np.ndarray) -> bool:
    """Whether values follow one of the ways, and this goes back at least once: 22, 23, 0, 1."""
    if not _may_be_part(values):
        return False
    times = pd.DatetimeIndex(wall)
    order = np.argsort(wall, kind="stable")
    for way in (WAYS[k] for k in ways):
        numbers = np.asarray(way.numbers(times))
        if _follow(values, numbers, way.cycle) and (np.diff(numbers[order]) < 0).any():
            return True
    return False


def _follow(values: np.ndarray, numbers: np.ndarray, cycle: int | np.ndarray) -> np.ndarray:
    """Whether values are numbers that begin with 0 or 1, or anywhere in a cycle.

    Args:
        values: float64 [rows], at least one.
        numbers: integers [rows] or [ways, rows].
        cycle: how many there are; 0 of those that begin with 0 or 1. One number, or [ways].

    Returns:
        bool, one or [ways].
    """
    shift = (values - numbers).T
    first = shift[0]
    begins = (first == 0) | (first == 1)
    inside = (first % 1 == 0) & (values.min() >= 0) & (values.max() <= cycle)
    straight = (shift == first).all(0) & begins
    turned = ((shift - first) % np.maximum(cycle, 1) == 0).all(0) & inside
    return np.where(cycle == 0, straight, turned)
