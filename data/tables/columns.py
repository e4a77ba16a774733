"""Which columns are series. Text, flags, counters and parts of the time are left out, by name."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa

from data.tables import cells
from data.tables.clock_columns import counting, repeating, repeats_its_part
from data.tables.items import TableError, TableOptions
from data.tables.labels import labels_of
from data.tables.names import (
    argument,
    is_id_name,
    is_index_name,
    is_nameless,
    is_time_name,
    is_whole_time_name,
    part_of_time,
)
from data.tables.table import Table, listed, short
from data.tables.times import Stamps, stamps_of

PANDAS_INDEX = "__index_level_"  # the index of a DataFrame, in Parquet and Arrow
FEW = 3  # so many rows at least show that a column counts
MANY = 24  # so many show it of a column that begins at any number
MONTHS = 6  # so many different numbers at least show that they are yyyymm
MONTH_NUMBERS = (1900_01, 2100_12)
DAY_NUMBERS = (1900_01_01, 2100_12_31)
SINCE_1970 = [  # 2001 to 2036 in seconds, milliseconds ...; and how many of them are a second
    (978_307_200 * per, 2_082_758_400 * per, per) for per in (1, 10**3, 10**6, 10**9)
]
HOUR, DAY, YEAR = 3600, 86_400, 366 * 86_400  # seconds


def value_columns(
    table: Table,
    options: TableOptions,
    time: int | None,
    stamps: Stamps | None,
    ids: list[int],
    say: Callable[[str], None],
) -> list[int]:
    """The columns of values.

    Args:
        table: of wide or long layout.
        options: `target` names the columns; without it each column is looked at.
        time: the column of times.
        stamps: its times.
        ids: columns that name series.
        say: gets the names of the columns that are left out, with the reason.

    Raises:
        TableError: there is none, a name stands twice, a cell among numbers is no number, or the
            first column may be an index as well as a series.
    """
    others = [i for i in range(len(table.names)) if i != time and i not in ids]
    if options.target:
        chosen = [table.find(name.strip(), "--target") for name in options.target]
        both = [table.names[i] for i in chosen if i not in others]
        if both:
            raise TableError(f"{table.name}: {listed(both)} is given as --target, and as another")
        return list(dict.fromkeys(chosen))
    # Beside times, columns without a name are left out.
    _check_names(table, [i for i in others if time is None or not is_nameless(table.names[i])])
    reasons = {i: _no_series(table, i, options, time, stamps) for i in others}
    for i in others:
        if reasons[i] == "ids" and not ids:
            _check_sales(table, i, options)
    if ids and any(not reasons[i] and not _is_empty(table, i) for i in others):
        # A second column of values would change the names of the series.
        reasons |= {i: "no values" for i in others if not reasons[i] and _is_empty(table, i)}
    chosen = [i for i in others if not reasons[i]]
    if time is not None and len(chosen) > 1 and chosen[0] == 0 and _count_rows(table, options):
        reasons[chosen.pop(0)] = "an index"
    if options.files != "join":  # one file alone may hold a level of a series that changes
        dated = stamps is not None and stamps.counter is None
        if dated:
            _leave(reasons, chosen, counting(table, options, stamps, ids, chosen), "an index")
        labels = labels_of(table, options, ids, chosen)
        _leave(reasons, chosen, labels, "the same in each row of a series")
        if dated:
            parts = repeating(table, options, stamps.wall, chosen)
            _leave(reasons, chosen, parts, "a part of the time")
    if not chosen:
        found = f" ({_left_out(table, reasons)})" if reasons else ""
        raise TableError(
            f"{table.name} has no column of values{found}; a column of times and one of numbers "
            "for each series are needed, or say --target"
        )
    if len(chosen) < len(others):
        say(f"{table.name}: left out: {_left_out(table, reasons)}")
    return chosen


def _leave(reasons: dict[int, str], chosen: list[int], columns: list[int], why: str) -> None:
    for i in columns:
        reasons[i] = why
        chosen.remove(i)


def _is_empty(table: Table, i: int) -> bool:
    """Whether no cell of a column holds anything."""
    if pa.types.is_null(table.types[i]) or table.is_empty(i):
        return True
    return table.as_text is not None and table.column(i).null_count == table.rows


def _check_sales(table: Table, i: int, options: TableOptions) -> None:
    """Asks about numbers of a wide table below 'store', which may be ids, or what a store sold."""
    if table.names[i].strip().lower() not in ("store", "item", "series"):
        return
    values = cells.numbers_of(table, i, options)
    values = values[np.isfinite(values)]
    if len(values):
        raise TableError(
            f"{table.where(None, i)} holds {values.min():.10g} to {values.max():.10g}: ids that "
            "are not needed (remove the column), or a series (name the series with --target); say "
            "which"
        )


def _left_out(table: Table, reasons: dict[int, str]) -> str:
    found = [f"{short(table.names[i])} ({why})" for i, why in reasons.items() if why]
    return ", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "")


def _check_names(table: Table, columns: list[int]) -> None:
    seen = set()
    for i in columns:
        if table.names[i] in seen:
            raise TableError(
                f"{table.name}, header: two columns are named {short(table.names[i])}; names must "
                "differ"
            )
        seen.add(table.names[i])


def _no_series(
    table: Table, i: int, options: TableOptions, time: int | None, stamps: Stamps | None
) -> str:
    """Why a column is no series; empty where it is one."""
    name = table.names[i]
    content = cells.content_of(table, i, options)
    if content in ("text", "mixed", "marked"):
        found = stamps_of(table, i, options)
        if isinstance(found, Stamps) or (found is not None and stamps is not None):
            return "times"  # beside others, it is no matter which times they are
        if content != "text":
            row = cells.first_text(table, i, options)
            hint = f"; if {short(name)} is no series, name the columns of values with --target"
            cells.refuse_cell(table, i, row, hint)
    if content != "numbers":
        return {"flags": "flags", "text": "text"}.get(content, content)
    if name.startswith(PANDAS_INDEX):
        return "an index"
    dated = stamps is not None and stamps.counter is None
    if dated and (
        may_be_times(table, i, options, stamps.wall) or _are_decimal_years(table, i, stamps.wall)
    ):
        return "times"
    named = is_index_name(name) or is_id_name(name)
    if not (named or is_time_name(name) or part_of_time(name) or i == 0):
        return ""
    values = cells.numbers_of(table, i, options)
    if is_id_name(name):
        if (values[np.isfinite(values)] % 1 != 0).any():
            return ""  # no id has decimals
        if time is not None:
            return "ids"
    if is_index_name(name) and (counts_up(values) or (dated and counts_up(values[::-1]))):
        return "an index"
    if dated:
        if repeats_its_part(name, values, stamps.wall):
            return "a part of the time"
        found = stamps_of(table, i, options) if is_time_name(name) else None
        if is_whole_time_name(name) and len(values) > 1 and (values == values[0]).all():
            return "times"  # 000000 below <TIME>, of days
        if isinstance(found, Stamps) and found.counter is None:
            return "times"
    if is_nameless(name) and (time is not None or np.isnan(values).all()):
        return "no name"
    # Beside times, an even rise is no sign of an index; its name is one.
    hinted = is_index_name(name) or is_time_name(name) or part_of_time(name)
    if i == 0 and (time is None or hinted) and counts_evenly(values):
        first, last = (f"{value:.10g}" for value in values[[0, -1]])
        raise TableError(
            f"{table.where(None, 0)} holds {first} to {last} in even steps: an index or times "
            f"(remove it, or say --timestamp {argument(name)}), or a series (name the series with "
            "--target); say which"
        )
    if time is None and options.layout is None and (is_id_name(name) or (i == 0 and named)):
        raise TableError(
            f"{table.where(None, i)} has the name of ids or of an index: it may name series below "
            f"each other (--layout long --id {argument(name)}), or be a series itself (name the "
            "series with --target); say which, or remove it"
        )
    return ""


def counts_up(values: np.ndarray) -> bool:
    """Whether values are n, n + 1, n + 2 ..."""
    return len(values) > 1 and bool((np.diff(values) == 1).all()) and values[0] % 1 == 0


def _count_rows(table: Table, options: TableOptions) -> bool:
    """Whether the first column numbers the rows, as many programs write it; perhaps of a part."""
    values = cells.numbers_of(table, 0, options)
    return len(values) >= (FEW if values[0] in (0, 1) else MANY) and counts_up(values)


def counts_evenly(values: np.ndarray) -> bool:
    """Whether values rise or fall, with one step between most of them: 10, 20, 30, 50."""
    if len(values) < FEW or not np.isfinite(values).all():
        return False
    steps = np.diff(values)
    if not ((steps > 0).all() or (steps < 0).all()):
        return False
    usual = np.median(steps)
    return bool((abs(steps - usual) <= 1e-3 * abs(usual)).mean() > 0.5)


def may_be_times(
    table: Table, i: int, options: TableOptions, wall: np.ndarray | None = None
) -> bool:
    """Whether a column of whole numbers looks like times, under any name.

    Its numbers are all days (20240131), or months (202401; six different ones at least), or lie
    between 2001 and 2036 as seconds to nanoseconds since 1970, in even steps that a clock has.

    Args:
        table: with this column.
        i: its number.
        options: what stands for a missing value.
        wall: the times of the table, if it has any; moments since 1970 are within a year of them.
    """
    values = _whole(table, i, options, MONTH_NUMBERS, DAY_NUMBERS, *(s[:2] for s in SINCE_1970))
    return values is not None and numbers_like_times(values, wall)


def numbers_like_times(values: np.ndarray, wall: np.ndarray | None = None) -> bool:
    """Whether numbers look like times by the rule of `may_be_times`."""
    if len(values) < FEW or not np.isfinite(values).all() or (values % 1).any():
        return False
    distinct = np.unique(values)
    for bounds, form, least in ((DAY_NUMBERS, "%Y%m%d", 2), (MONTH_NUMBERS, "%Y%m", MONTHS)):
        if len(distinct) >= least and _are_in(distinct, *bounds):
            texts = pd.Series(distinct.astype(np.int64).astype(str))
            return bool(pd.to_datetime(texts, format=form, errors="coerce").notna().all())
    for low, high, per in SINCE_1970:
        if _are_in(distinct, low, high):
            seconds = distinct / per
            if wall is None:
                return _are_steps_of_time(seconds)
            begin, end = (
                bound.astype("M8[s]").astype(np.int64) for bound in (wall.min(), wall.max())
            )
            return _are_in(seconds, begin - YEAR, end + YEAR) and _are_steps_of_time(seconds)
    return False


def _are_decimal_years(table: Table, i: int, wall: np.ndarray) -> bool:
    """Whether a column repeats the times as years with decimals: 1958.2027."""
    if not pa.types.is_floating(table.types[i]) or table.pieces:
        return False
    years = wall.astype("M8[Y]").astype(np.int64) + 1970
    first = table.column(i).slice(0, FEW).cast(pa.float64()).to_numpy()
    if not len(first) or not (abs(first - years[: len(first)] - 0.5) < 0.6).all():
        return False
    begin = wall.astype("M8[Y]").astype("M8[us]")
    expected = years + (wall - begin).astype(np.int64) / (YEAR * 1_000_000)
    values = table.column(i).cast(pa.float64()).to_numpy()
    return bool((abs(values - expected) < 1 / 12).all() and (values % 1 != 0).any())


def holds_whole(table: Table, i: int, options: TableOptions, low: float, high: float) -> bool:
    """Whether column i holds whole numbers within bounds, and nothing else."""
    return _whole(table, i, options, (low, high)) is not None


def _whole(
    table: Table, i: int, options: TableOptions, *bounds: tuple[float, float]
) -> np.ndarray | None:
    """The numbers of column i where all are whole and within one of the bounds."""
    if cells.content_of(table, i, options) != "numbers":
        return None
    if cells.is_numbers(table.types[i]):
        start = cells.first_numbers(table, i, options)[:FEW]
        if not any(_are_in(start, *pair) for pair in bounds):
            return None
    values = cells.numbers_of(table, i, options)
    inside = any(_are_in(values, *pair) for pair in bounds)
    return values if inside and (values % 1 == 0).all() else None


def _are_in(values: np.ndarray, low: float, high: float) -> bool:
    return len(values) > 0 and bool((values >= low).all() and (values <= high).all())


def _are_steps_of_time(seconds: np.ndarray) -> bool:
    """Whether most steps are the same part of a second or of a day, or the same hours or days."""
    if not counts_evenly(seconds):
        return False
    step = np.median(np.diff(seconds))
    times = DAY / step if step < HOUR else step / HOUR
    return step <= 1 or (step <= YEAR and abs(times - round(times)) < 0.01)
