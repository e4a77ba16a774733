"""Times in several columns: year and month, date and time of day, a unit and its cycles."""

from itertools import product

import numpy as np
import pyarrow.compute as pc

from data.tables import cells
from data.tables.columns import holds_whole
from data.tables.items import TableError, TableOptions
from data.tables.names import argument, numbers_in, part_of_time
from data.tables.table import Table, listed, short
from data.tables.times import Stamps
from data.tables.words import MONTH_NAME

LOOK = 50  # cells that are looked at before a whole column is
CLOCK_TIME = r"^\s*\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(\s*[AaPp][Mm])?\s*$"
FINE = {"day", "hour", "minute", "dayofyear"}
FIRST = 16  # columns that are looked at; parts of the time stand in front
MOST_CYCLES = 100_000  # that are counted
LEAST_MONTHS = 6  # so many different ones show that two columns are year and month


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
        found = {part_of_time(name) for name in parts}
        whole = "2024-W05" if "week" in found else "2024-01-31 23:00" if found & FINE else "2024-01"
        raise TableError(
            f"{table.name}: the time stands in several columns ({listed(parts)}); join them into "
            f"one, as {whole}, or say --timestamp NAME"
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


def check_restarts(table: Table, options: TableOptions, columns: list[int]) -> None:
    """Asks about a column that counts again for each value of another: year and week, unit, cycle.

    Args:
        table: without times.
        options: layout 'wide' says that all are series.
        columns: that may be such ones; the first few are looked at.

    Raises:
        TableError: there are two such columns.
    """
    if options.layout == "wide":
        return
    few = [i for i in columns if cells.is_numbers(table.types[i]) or cells.is_texts(table.types[i])]
    few = few[:FIRST]
    for i in few:
        numbers = _counting(table, i, options)
        if numbers is None:
            continue
        goes_on = np.diff(numbers) == 1
        starts = numbers[1:][~goes_on]
        if not len(starts) or (starts != starts[0]).any():
            continue  # it does not start again
        for other in few:
            if other == i:
                continue
            codes, texts = table.texts(other)
            once = len(texts) == len(starts) + 1 <= table.rows // 2
            if once and ((np.diff(codes) == 0) == goes_on).all():
                _refuse_restarts(table, other, i)


def _refuse_restarts(table: Table, group: int, counter: int) -> None:
    names = [argument(table.names[i]) for i in (group, counter)]
    time = f" --timestamp {names[1]}" if cells.is_numbers(table.types[counter]) else ""
    raise TableError(
        f"{table.name}: {short(table.names[counter])} counts again for each "
        f"{short(table.names[group])}: these may be series below each other (--id {names[0]}"
        f"{time}), the time in two columns (join them, as 2024-01 or 2024-W05), or series beside "
        "each other (--layout wide); say which"
    )


def _counting(table: Table, i: int, options: TableOptions) -> np.ndarray | None:
    """Small whole numbers of a column, or those in T1, T2 ... or of months; None of others."""
    if holds_whole(table, i, options, 0, MOST_CYCLES):
        return cells.numbers_of(table, i, options)
    if not cells.is_texts(table.types[i]):
        return None
    codes, texts = table.texts(i)
    texts = [text.strip() for text in texts.to_pylist()] if len(texts) <= 366 else [""]
    if all(MONTH_NAME.fullmatch(text) for text in texts):
        return codes + 1
    numbers = numbers_in(texts)
    return None if numbers is None else np.array(numbers)[codes]


def check_clock_column(table: Table, options: TableOptions, time: int, stamps: Stamps) -> None:
    """Refuses dates whose time of day stands in a column of its own.

    Raises:
        TableError: there is one.
    """
    wall = stamps.wall
    if stamps.counter is not None or (wall != wall.astype("M8[D]")).any():
        return
    for i, name in enumerate(table.names):
        if i == time or name in options.id or name in options.target:
            continue
        clock = is_clock(table, i)
        if clock or (part_of_time(name) in ("hour", "minute") and len(np.unique(wall)) < len(wall)):
            raise TableError(
                f"{table.name}: date and time of day stand in two columns "
                f"({short(table.names[time])} and {short(name)}); join them into one, or say --id "
                f"{argument(name)} if it names series"
            )


def is_clock(table: Table, i: int) -> bool:
    """Whether a column of text holds times of day, without a date."""
    if not cells.is_texts(table.types[i]):
        return False
    texts = table.texts(i)[1]
    return all(  # of most columns the first cells are enough
        pc.all(pc.match_substring_regex(part, CLOCK_TIME)).as_py() for part in (texts[:LOOK], texts)
    )
