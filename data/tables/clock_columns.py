"""Columns of numbers that follow from the times: the hour, the day of the week, a count of days."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from data.tables import cells
from data.tables.choices import id_codes
from data.tables.items import TableOptions
from data.tables.names import is_value_name, may_count, part_of_time
from data.tables.table import Table
from data.tables.times import Stamps

# So many rows show that a column repeats a part of the time under any name.
LEAST = 24
LOOK = 64  # rows all over a column that are looked at before all are
PARTIAL = 4  # numbers of a part that are enough, where not all are there: Monday to Friday
MONDAY, SUNDAY = 0, 6  # as pandas numbers them

Numbers = Callable[[pd.DatetimeIndex], np.ndarray]


class Way(NamedTuple):
    """One of the usual ways to number a part of the time.

    Attributes:
        part: as pandas calls it.
        count: how many numbers there are, at least.
        numbers: of each time, from 0; years as they are.
        turns: whether people begin to count anywhere: the first day of a week is Monday, Sunday or
            Saturday, the first month of a fiscal year April.
    """

    part: str
    count: int
    numbers: Numbers
    turns: bool = False


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
    Way("year", 2, lambda times: times.year),
    Way("quarter", 4, lambda times: times.quarter - 1, turns=True),
    Way("month", 12, lambda times: times.month - 1, turns=True),
    *(Way("week", 52, of(day)) for of in (_whole_weeks, _cut_weeks, _sheet_weeks)
      for day in (MONDAY, SUNDAY)),
    Way("week", 52, lambda times: (times.day_of_year - 1) // 7),
    Way("dayofyear", 365, lambda times: times.day_of_year - 1),
    Way("day", 28, lambda times: times.day - 1),
    Way("dayofweek", 7, lambda times: times.day_of_week, turns=True),
    Way("hour", 24, lambda times: times.hour, turns=True),
    Way("minute", 60, lambda times: times.minute),
    Way("second", 60, lambda times: times.second),
    Way("", 48, _slots(30)),
    Way("", 96, _slots(15)),
)  # fmt: skip
CYCLES = np.array([way.count if way.turns else 0 for way in WAYS])


class _Clock:
    """The numbers of the times of a table; each way is computed once."""

    def __init__(self, wall: np.ndarray):
        self.times = pd.DatetimeIndex(wall)
        self.first_rows = np.unique(wall, return_index=True)[1]
        self.some = np.linspace(0, len(wall) - 1, LOOK).astype(np.int64)
        self._numbers: dict[int, np.ndarray] = {}
        self._shown: dict[int, tuple[bool, bool]] = {}

    def numbers(self, k: int) -> np.ndarray:
        """The numbers of all rows by way k."""
        if k not in self._numbers:
            self._numbers[k] = np.asarray(WAYS[k].numbers(self.times), np.int16)
        return self._numbers[k]

    def shows(self, k: int) -> tuple[bool, bool]:
        """Whether the times show enough of way k: where its first number is usual, and any.

        A series with few levels may change with the quarter once, by chance. So all numbers must be
        there and begin anew, or stay for some rows each; or some must begin anew twice.
        """
        if k not in self._shown:
            numbers = self.numbers(k)[self.first_rows]
            steps = np.diff(numbers)
            back, stay = (steps < 0).sum(), (steps == 0).sum() >= (steps != 0).sum()
            shown = len(np.unique(numbers))
            every = shown >= WAYS[k].count
            usual = (every and (back > 0 or stay)) or (shown >= PARTIAL and back > 1)
            self._shown[k] = bool(usual), bool(every and back > 1)
        return self._shown[k]

    def repeated_by(self, values: np.ndarray, ways: np.ndarray) -> bool:
        """Whether values repeat the numbers of one of the ways that the times show."""
        if not _are_whole(values):
            return False
        for k in ways:
            usual, turned = self.shows(k)
            cycles = [0] * usual + [CYCLES[k]] * turned
            for rows in (self.some, slice(None)):
                numbers = self.numbers(k)[rows]
                cycles = [cycle for cycle in cycles if _follow(values[rows], numbers, cycle)]
            if cycles:
                return True
        return False


def repeats_its_part(name: str, values: np.ndarray, wall: np.ndarray) -> bool:
    """Whether a column repeats the part of the times that its name means: 'month', 'hour' ...

    Args:
        name: of the column.
        values: float64 [rows].
        wall: the times of the rows, datetime64 [rows].
    """
    part = part_of_time(name)
    if part is None or not _are_whole(values):
        return False
    times = pd.DatetimeIndex(wall)
    if part == "year":
        return bool((values == times.year).all())
    few = len(values) < LEAST  # their numbers may begin anywhere by chance
    return any(
        _follow(values, np.asarray(way.numbers(times)), 0 if few or not way.turns else way.count)
        for way in WAYS
        if way.part == part
    )


def repeating(
    table: Table, options: TableOptions, wall: np.ndarray, columns: list[int]
) -> list[int]:
    """Columns that repeat a part of the times under any name but those of values.

    Where all columns do, none is one: they are series of somebody who tries this out.

    Args:
        table: of wide or long layout.
        options: what stands for a missing value.
        wall: the times of the rows, datetime64 [rows].
        columns: those that may be such.
    """
    if table.rows < LEAST or len(columns) < 2:
        return []
    others = [i for i in columns if not is_value_name(table.names[i])]
    starts = {i: cells.first_numbers(table, i, options) for i in others}
    starts = {i: start for i, start in starts.items() if _are_whole(start)}
    if not starts:
        return []
    first = pd.DatetimeIndex(wall[: cells.START])
    firsts = np.stack([way.numbers(first) for way in WAYS])
    clock, found = None, []
    for i, start in starts.items():
        near = np.flatnonzero(_follow(start, firsts[:, : len(start)], CYCLES))
        if len(near):
            clock = clock or _Clock(wall)
            if clock.repeated_by(cells.numbers_of(table, i, options), near):
                found.append(i)
    return found if len(found) < len(columns) else []


def counting(
    table: Table, options: TableOptions, stamps: Stamps, ids: list[int], columns: list[int]
) -> list[int]:
    """Columns with the name of a counter that count the rows of each series, or the time.

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
    if table.rows - len(names) < LEAST - 1:  # steps
        return []
    order = np.lexsort((stamps.moments, codes))
    same = np.diff(codes[order]) == 0
    passed = np.diff(stamps.moments[order])[same]
    found = [
        i
        for i in named
        if _counts(np.diff(cells.numbers_of(table, i, options)[order])[same], passed)
    ]
    return found if len(found) < len(columns) else []


def _counts(steps: np.ndarray, passed: np.ndarray) -> bool:
    """Whether all steps are 1, or as long as the time that passed, in any unit."""
    if (steps == 1).all():
        return True
    units = passed[0] / steps[0] if steps[0] > 0 else 0.0
    return units > 0 and bool((steps * units == passed).all())


def _are_whole(values: np.ndarray) -> bool:
    """Whether there are numbers, all whole and none below 0 or missing."""
    there = len(values) > 0 and np.isfinite(values).all() and (values >= 0).all()
    return bool(there and (values % 1 == 0).all())


def _follow(values: np.ndarray, numbers: np.ndarray, cycle: int | np.ndarray) -> np.ndarray:
    """Whether values are numbers that begin with 0 or 1, or anywhere in a cycle.

    Args:
        values: whole numbers, float64 [rows], at least one.
        numbers: integers [rows] or [ways, rows].
        cycle: how many there are; 0 of those that begin with 0 or 1. One number, or [ways].

    Returns:
        bool, one or [ways].
    """
    shift = (values - numbers).T
    first = shift[0]
    straight = (shift == first).all(0) & ((first == 0) | (first == 1))
    turned = ((shift - first) % np.maximum(cycle, 1) == 0).all(0) & (values.max() <= cycle)
    return np.where(cycle == 0, straight, turned)
