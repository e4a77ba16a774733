"""Times that stand in several columns: parts beside each other, as ids, or in the header.

None of these is put together here. What may be a part of the time is refused, or asked about.
"""

import re
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from data.tables import cells
from data.tables.choices import arguments
from data.tables.columns import holds_whole
from data.tables.items import TableError, TableOptions
from data.tables.names import is_id_name, part_of_time
from data.tables.table import Table, listed, short
from data.tables.times import Stamps
from data.tables.words import DAY_NAME, MONTH_NAME

LOOK = 50  # cells that are looked at before a whole column is
MOST = 0.95  # of the steps, that are even
CLOCK = r"^\s*\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(\s*[AaPp][Mm])?\s*$"
CLOCK_NAME = re.compile(r"\d{1,2}:\d\d")
YEAR_NAME = re.compile(r"(19|20)\d\d")
LEAST_MONTHS = 6  # so many different ones show that two columns are year and month
HOUR, DAY = 3600, 86_400  # seconds


class Unit(NamedTuple):
    """A step of time that may stand in a column of its own, and the parts of it in another.

    Attributes:
        shortest: seconds; `longest` too.
        parts: how many it may have.
        whole: a time with such a part, for messages.
    """

    shortest: int
    longest: int
    parts: set[int]
    whole: str = "2024-01-31 23:00"


UNITS = (
    Unit(HOUR, HOUR, {2, 4, 6, 12, 60}),
    Unit(DAY, DAY, {24, 48, 96, 144, 288}),
    Unit(7 * DAY, 7 * DAY, {7}, "2024-01-31"),
    Unit(28 * DAY, 31 * DAY, {28, 29, 30, 31}, "2024-01-31"),
    Unit(365 * DAY, 366 * DAY, {4, 12, 52, 53, 365, 366}, "2024-01 or 2024-W05"),
)
# Beside a number, these are parts of a time: H1, HE01, Q4, KW 52, MONAT01, 1月.
NUMBERED_PARTS = {"", "h", "he", "hr", "hourending", "std", "q", "m", "w", "wk", "kw", "d"}


def check_parts(table: Table, options: TableOptions, repeats: bool) -> None:
    """Refuses a time in several columns: year and month, year and week, day and hour.

    Args:
        table: with a column of times, or none.
        options: columns that are given are no parts.
        repeats: the times repeat, or there are none.

    Raises:
        TableError: several columns are named as different parts of the time.
    """
    kinds = {"year", "month", "day", "hour"}
    if repeats:
        kinds |= {"quarter", "week", "dayofyear"}
    given = {*options.id, *options.target}
    parts = [name for name in table.names if part_of_time(name) in kinds and name not in given]
    if len({part_of_time(name) for name in parts}) > 1:
        raise TableError(
            f"{table.name}: the time stands in several columns ({listed(parts)}); join them into "
            "one, as 2024-01-31 23:00, or say --timestamp NAME"
        )


def check_year_and_month(table: Table, options: TableOptions, columns: list[int]) -> None:
    """Refuses two columns of numbers that go on as year and month do, whatever their names are.

    Raises:
        TableError: there are two.
    """
    years = [i for i in columns if holds_whole(table, i, options, 1900, 2100)]
    months = [i for i in columns if years and holds_whole(table, i, options, 1, 12)]
    for year, month in product(years, months):
        moments = cells.numbers_of(table, year, options) * 12
        moments += cells.numbers_of(table, month, options)
        steps = np.diff(moments)
        steps = steps[steps != 0]
        if len(np.unique(moments)) >= LEAST_MONTHS and (abs(steps) == 1).mean() > 0.5:
            names = listed([table.names[year], table.names[month]])
            raise TableError(
                f"{table.name}: {names} may be the year and the month of the times (join them into "
                "one, as 2024-01), or series (name the series with --target); say which"
            )


def check_clock_column(table: Table, time: int, stamps: Stamps) -> None:
    """Refuses dates whose time of day stands in a column of its own.

    Raises:
        TableError: there is one.
    """
    wall = stamps.wall
    if stamps.counter is not None or (wall != wall.astype("M8[D]")).any():
        return
    for i, name in enumerate(table.names):
        if i == time:
            continue
        clock = is_clock(table, i)
        if clock or (part_of_time(name) in ("hour", "minute") and len(np.unique(wall)) < len(wall)):
            raise TableError(
                f"{table.name}: date and time of day stand in two columns "
                f"({short(table.names[time])} and {short(name)}); join them into one"
            )


def is_clock(table: Table, i: int) -> bool:
    """Whether a column of text holds times of day, without a date."""
    if not cells.is_texts(table.types[i]):
        return False
    texts = table.texts(i)[1]
    return all(  # of most columns the first cells are enough
        pc.all(pc.match_substring_regex(part, CLOCK)).as_py() for part in (texts[:LOOK], texts)
    )


def check_ids(table: Table, time: int, stamps: Stamps, ids: list[int]) -> None:
    """Asks about an id that counts the parts of each time: hours of a day, months of a year.

    Args:
        table: of long layout.
        time: the column of times.
        stamps: its times.
        ids: columns that were found to name the series; none of them was given.

    Raises:
        TableError: one of the ids counts the rows of each time, one after the other.
    """
    unit = _unit_of(stamps)
    if unit is None:
        return
    times = pd.factorize(stamps.wall)[0].astype(np.int64)
    for i in ids:
        codes, texts = table.texts(i)
        numbers = None if is_id_name(table.names[i]) else _numbers(texts.to_pylist())
        if numbers is None:
            continue
        others = np.zeros(table.rows, np.int64)
        for other in ids:
            if other != i:
                others = pd.factorize(others * table.rows + table.texts(other)[0])[0]
        order = np.argsort(others, kind="stable")
        key = pd.factorize((others * table.rows + times)[order])[0]
        if _count_parts(unit, key, numbers[codes][order]):
            raise TableError(
                f"{table.name}: {short(table.names[i])} goes from {short(texts[0].as_py())} to "
                f"{short(texts[len(texts) - 1].as_py())} within each time: it may be a part of the "
                f"time (join it with {short(table.names[time])} into one column, as {unit.whole}), "
                f"or name series (--id {arguments(table, ids)}); say which"
            )


def _count_parts(unit: Unit, key: np.ndarray, numbers: np.ndarray) -> bool:
    """Whether rows of one key lie together, and their numbers count the parts of a time."""
    same = np.diff(key) == 0
    usual = int(np.median(np.bincount(key)))
    if (~same).sum() != key.max() or usual not in unit.parts:
        return False
    seconds = unit.shortest / usual
    ways = [(numbers, 1)]
    if unit.shortest <= DAY:
        minutes = numbers // 100 * 60 + numbers % 100  # of 1330, half past one
        ways = [(numbers, seconds / 60), (numbers, seconds), (minutes, seconds / 60)]
    if unit.shortest == DAY:
        ways.append((numbers, 1))  # periods; but 1 to 4 in an hour are ids
    for values, step in ways:
        even = np.abs(np.diff(values)[same]) == step
        span = (values.max() - values.min()) / step + 1
        # One more where summer time ends.
        if even.mean() > MOST and span <= usual + 1 and values.min() <= step:
            return True
    return False


def _unit_of(stamps: Stamps) -> Unit | None:
    """The step between times, where it may have parts."""
    if stamps.counter is not None:
        return None
    steps = np.diff(np.unique(stamps.wall)).astype("m8[s]").astype(np.int64)
    step = np.median(steps) if len(steps) else DAY
    return next((unit for unit in UNITS if unit.shortest <= step <= unit.longest), None)


def _numbers(texts: list[str]) -> np.ndarray | None:
    """The numbers of parts: 0, 1 ... of 00, 01 ... or H1, H2 ... or Jan, Feb ..."""
    texts = [text.strip() for text in texts]
    for words in (MONTH_NAME, DAY_NAME):
        if all(words.fullmatch(text) for text in texts):
            return np.arange(len(texts))
    found = [re.fullmatch(r"(\D*)(\d{1,5})(\D*)", text) for text in texts]
    if not all(found) or len({(part[1], part[3]) for part in found}) > 1:
        return None
    word = re.sub(r"[\W\d_]", "", found[0][1] + found[0][3]).lower()
    if word not in NUMBERED_PARTS and part_of_time(word) is None:
        return None
    return np.array([int(part[2]) for part in found])


def check_header(table: Table, time: int, stamps: Stamps, values: list[int]) -> None:
    """Asks about columns that are the parts of each time: Year, Jan, Feb ... or Date, 0:00 ...

    Args:
        table: of wide layout.
        time: the column of times.
        stamps: its times.
        values: columns of values.

    Raises:
        TableError: their names are the months of each year, the hours of each day ... or years
            beside a column of months or weeks.
    """
    names = [table.names[i].strip() for i in values]
    unit = _unit_of(stamps)
    if stamps.counter is not None:
        parts = part_of_time(table.names[time]) in ("month", "week", "day", "dayofyear")
        found = parts and len(names) > 1 and all(YEAR_NAME.fullmatch(name) for name in names)
    else:
        found = unit is not None and table.rows > 1 and _are_parts(unit, names)
    if found:
        raise TableError(
            f"{table.name}: the columns {listed(names, 3)} may be parts of the time (make a row of "
            f"each, with its whole time as {unit.whole if unit else '2024-01-31'}; pandas.melt), "
            "or series (--layout wide); say which"
        )


def _are_parts(unit: Unit, names: list[str]) -> bool:
    clocks = sum(CLOCK_NAME.match(name) is not None for name in names)
    months = sum(MONTH_NAME.fullmatch(name) is not None for name in names)
    if clocks in unit.parts or (months == 12 and months in unit.parts):
        return True
    numbered = [name for name in names if re.search(r"\d", name)]  # beside them perhaps a total
    numbers = _numbers(numbered) if len(numbered) in unit.parts else None
    return numbers is not None and numbers[0] <= 1 and bool((np.diff(numbers) == 1).all())
