"""Parts of the time that look like series: hours of each day or months of each year.

They stand as ids in a long table, or in the header. None of them is put together here: where a
column of times is followed by all parts of its step, the table is asked about.
"""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from data.tables.choices import arguments
from data.tables.items import TableError
from data.tables.names import holds_part, is_id_name, part_of_time
from data.tables.table import Table, listed, short
from data.tables.times import Stamps
from data.tables.words import DAY_NAME, MONTH_NAME

HOUR, DAY = 3600, 86_400  # seconds
MOST_PARTS = 1440  # minutes of a day
LEAST_MONTHS = 6  # of a year that is not over
LEAST_DAYS = 5  # of a week, without its end
NAMELESS = {"v", "x", "c", "f", "var", "val", "value", "col", "column"}  # V1, V2 ... V24
YEAR_IN_NAME = re.compile(r"(?<!\d)(19|20)\d\d(?!\d)")
# A season or fiscal year: 2010, 2010/11, FY10.
YEAR_TEXT = re.compile(r"(FY|WJ)?\s?(19|20)\d\d([-/](19|20)?\d\d)?|(FY|WJ)\s?\d\d", re.IGNORECASE)
CLOCK = re.compile(  # 9:30, 09:00-10:00, 00-01, 12 AM, 0 days 01:00:00
    r"(?:0 days )?(\d{1,2})(?::(\d{2}))?(?::00)?\s*([AaPp])?[Mm]?"
    r"(\s*[-\u2013]\s*\d{1,2}(?::\d{2})?)?"
)
WHOLE = {"week": "2024-W05", "month": "2024-01", "quarter": "2024Q1"}  # with the year
PARTS_OF_YEAR = {"quarter": {4}, "month": {12, 13}, "week": {52, 53}, "day": {365, 366}}
PARTS_OF_YEAR["dayofyear"] = PARTS_OF_YEAR["day"]
OTHER_WORDS = dict.fromkeys(("q", "qtr", "quart", "trim", "t"), "quarter")
OTHER_WORDS |= dict.fromkeys(("m", "per", "period", "p"), "month")  # 13 periods, too
OTHER_WORDS |= dict.fromkeys(("w", "wk", "kw"), "week") | {"d": "day"}
# Columns of these names are parts of a time, even if not all parts are there.
# fmt: off
NAMED_PARTS = {
    "hr", "hrs", "hh", "hhmm", "hrmn", "he", "hourending", "std", "uhrzeit", "tod", "sp",
    "settlementperiod", "halfhour", "viertelstunde", "qh", "quarterhour", "timeslot", "slot",
    "deliveryhour", "deliveryinterval", "wk", "kw", "qtr", "trim", "semester", "semestre",
    "halbjahr", "halfyear",
}
# fmt: on


class Unit(NamedTuple):
    """A step of time that may stand in a column of its own, and the parts of it in another.

    Attributes:
        shortest: seconds; `longest` too.
        parts: how many it may have.
        words: that may stand beside the number of a part: H1, HE01, Q4, KW 52; the names of parts
            (hour, month ...) may, too.
        whole: a time with such a part, for messages.
    """

    shortest: int
    longest: int
    parts: set[int]
    words: set[str]
    whole: str = "2024-01-31 23:00"


UNITS = (
    Unit(HOUR, HOUR, {2, 4, 6, 12, 60}, {"m", "min", "q"}),
    Unit(
        DAY,
        DAY,  # and those on which summer time begins or ends
        {MOST_PARTS, *(hours * n for hours in (23, 24, 25) for n in (1, 2, 4, 6, 12))},
        {"h", "hh", "he", "hr", "hourending", "std", "uhr", "sp", "slot", "int", "interval", "per"}
        | {"period", "p", "viertelstunde"},
    ),
    Unit(7 * DAY, 7 * DAY, {7}, {"d"}, "2024-01-31"),
    Unit(28 * DAY, 31 * DAY, {28, 29, 30, 31}, {"d"}, "2024-01-31"),
    Unit(
        365 * DAY,
        366 * DAY,
        {4, 12, 13, 52, 53, 365, 366},
        {*OTHER_WORDS, "h", "s", "half"},
        "2024-01 or 2024-W05",
    ),
)


def _unit_of(stamps: Stamps) -> Unit | None:
    """The step between times, where it may have parts."""
    if stamps.counter is not None:
        return None
    steps = np.diff(np.sort(pd.unique(stamps.wall))).astype("m8[s]").astype(np.int64)
    single = 365 * DAY if stamps.form == "year" else DAY
    step = np.median(steps) if len(steps) else single
    return next((unit for unit in UNITS if unit.shortest <= step <= unit.longest), None)


def check_ids(table: Table, time: int, stamps: Stamps, ids: list[int]) -> None:
    """Asks about an id that is a part of each time, or the year of each week or month.

    Args:
        table: of long layout.
        time: the column of times.
        stamps: its times.
        ids: columns that were found to name the series; none of them was given.

    Raises:
        TableError: one of the ids has all parts of a time, or is named as one; or ids are years.
    """
    unit = _unit_of(stamps)
    for i in ids:
        if is_id_name(table.names[i]):
            continue
        texts = [text.strip() for text in table.texts(i)[1].to_pylist()]
        if stamps.counter is not None:
            name = table.names[time]
            part = holds_part(name) or _word(name) in OTHER_WORDS
            if part and all(YEAR_TEXT.fullmatch(text) for text in texts):
                raise TableError(
                    f"{table.name}: the time stands in several columns ("
                    f"{listed([table.names[i], name])}); join them into one, as "
                    "2024-01 or 2024-W05"
                )
        elif unit is not None and _is_part(table, i, texts, unit, ids, stamps):
            raise TableError(
                f"{table.name}: {short(table.names[i])} ({listed(texts, 3)}) may be a part of the "
                f"time (join it with {short(table.names[time])} into one column, as {unit.whole}), "
                f"or name series (--id {arguments(table, ids)}); say which"
            )


def _is_part(
    table: Table, i: int, texts: list[str], unit: Unit, ids: list[int], stamps: Stamps
) -> bool:
    """Whether one of the ids holds parts of the unit, all of them or under the name of one."""
    if _word(table.names[i]) in NAMED_PARTS and _may_be_parts(texts, unit):
        return True
    if len(texts) > MOST_PARTS or not _are_all(texts, unit):
        return False
    # Hours may come in any order of rows. Months stand together in each year: otherwise 1 to 12 may
    # be countries, each with all its years.
    return unit.shortest <= DAY or _lie_together(table, i, ids, stamps)


def _lie_together(table: Table, i: int, ids: list[int], stamps: Stamps) -> bool:
    """Whether the rows of each time lie together, in each series that the other ids make."""
    others = np.zeros(table.rows, np.int64)
    for other in ids:
        if other != i:
            others = pd.factorize(others * table.rows + table.texts(other)[0])[0]
    order = np.argsort(others, kind="stable")
    key = pd.factorize((others * table.rows + pd.factorize(stamps.wall)[0])[order])[0]
    return bool((np.diff(key) != 0).sum() == key.max())


def _are_all(texts: list[str], unit: Unit) -> bool:
    """Whether different texts are all parts of a unit, in any order."""
    if unit.longest >= 365 * DAY and all(MONTH_NAME.fullmatch(text) for text in texts):
        return len(texts) >= LEAST_MONTHS
    if unit.longest == 7 * DAY and all(DAY_NAME.fullmatch(text) for text in texts):
        return len(texts) >= LEAST_DAYS
    if unit.longest >= 365 * DAY and [text.upper() for text in texts] == ["I", "II", "III", "IV"]:
        return True
    minutes = _minutes(texts) if unit.shortest == DAY else None
    if minutes is not None:
        return _are_even(minutes, tuple(60 / n for n in (1, 2, 4, 6, 12, 60)), unit)
    word, numbers = _numbers(texts)
    if numbers is None or not _fits(word, len(numbers), unit):
        return False
    if len(numbers) == 2 and unit.longest >= 365 * DAY:
        return word in ("h", "s", "half") and sorted(numbers) == [1, 2]
    if unit.shortest > DAY:
        days = len(numbers) in (365, 366) and (numbers % 100 <= 31).all()  # 0101 to 1231
        return bool(days) or (word not in ("h", "s", "half") and _are_even(numbers, (1,), unit))
    step = unit.shortest / len(numbers)  # seconds
    # 1 to 4 in an hour are ids, unless a word says that they are quarters.
    steps = (1, step / 60, step) if unit.shortest == DAY or word == "q" else (step / 60, step)
    clock = numbers // 100 * 60 + numbers % 100  # of 1330, half past one
    return _are_even(numbers, steps, unit) or _are_even(clock, steps[-2:-1], unit)


def _may_be_parts(texts: list[str], unit: Unit) -> bool:
    """Whether texts are numbers, perhaps with a word of the unit, or times of day."""
    word, numbers = _numbers(texts)
    return (numbers is not None and _is_word(word, unit)) or _minutes(texts) is not None


def _is_word(word: str, unit: Unit) -> bool:
    return word in {"", *unit.words} or part_of_time(word) is not None


def _fits(word: str, count: int, unit: Unit) -> bool:
    """Whether so many parts may have this word: four quarters, and not four weeks of a year."""
    if unit.longest < 365 * DAY or not word or count == 2:
        return _is_word(word, unit)
    return count in PARTS_OF_YEAR.get(OTHER_WORDS.get(word) or part_of_time(word), ())


def _are_even(numbers: np.ndarray, steps: tuple[float, ...], unit: Unit) -> bool:
    """Whether numbers go from the first part to the last, in one of the steps."""
    distinct = np.unique(numbers)
    if len(distinct) not in unit.parts or len(distinct) < len(numbers):
        return False
    return any(distinct[0] <= step and (np.diff(distinct) == step).all() for step in steps)


def _minutes(texts: list[str]) -> np.ndarray | None:
    """Minutes of the day at which hours begin: 09:00-10:00, 00-01, 12 AM."""
    found = [CLOCK.fullmatch(text) for text in texts]
    if not all(part and (part[2] or part[3] or part[4]) for part in found):
        return None
    hours = [int(p[1]) % 12 + 12 * (p[3] in "Pp") if p[3] else int(p[1]) for p in found]
    return np.array([hour * 60 + int(p[2] or 0) for hour, p in zip(hours, found, strict=True)])


def _numbers(texts: list[str]) -> tuple[str, np.ndarray | None]:
    """The word that all texts have, and their numbers: 0, 1 ... of 00, 01 ... or H1, H2 ..."""
    found = [re.fullmatch(r"(\D*)(\d{1,5})(\D*)", text) for text in texts]
    if not found or not all(found) or len({(part[1], part[3]) for part in found}) > 1:
        return "", None
    return _word(found[0][1] + found[0][3]), np.array([int(part[2]) for part in found])


def _word(name: str) -> str:
    """The letters of a name: settlementperiod of SETTLEMENT_PERIOD."""
    return re.sub(r"[\W\d_]", "", name).lower()


def check_header_parts(
    table: Table, layout: str, time: int, stamps: Stamps, values: list[int]
) -> None:
    """Asks about columns that are the parts of each time: Year, Jan, Feb ... or Date, 0:00 ...

    Args:
        table: with a column of times.
        layout: 'wide' or 'long', which says that the columns are series.
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
        part = part_of_time(table.names[time]) or ""
        whole = WHOLE.get(part, "2024-01-31")
        found = part in ("quarter", "month", "week", "day", "dayofyear") and _are_years(names, part)
    else:
        whole = unit.whole if unit else ""
        found = unit is not None and (_hold_all(names, unit) or _may_be_hours(names, unit))
    if found:
        raise TableError(
            f"{table.name}: the columns {listed(names, 3)} may be parts of the time (make a row of "
            f"each, with its whole time as {whole}; pandas.melt), or series (--layout {layout}); "
            "say which"
        )


def _may_be_hours(names: list[str], unit: Unit) -> bool:
    """Whether numbered names that say nothing else, V1 to V24, are as many as hours of a day."""
    word, numbers = _numbers(names)
    if numbers is None or len(numbers) not in (24, 48, 96) or word not in NAMELESS:
        return False
    return _are_even(numbers, (1,), unit)


def _are_years(names: list[str], part: str) -> bool:
    """Whether most names are years, or months beside days."""
    years = sum(YEAR_IN_NAME.search(name) is not None for name in names)
    months = sum(MONTH_NAME.fullmatch(name) is not None for name in names)
    return (years > 1 and 2 * years > len(names)) or (part == "day" and months == 12)


def _hold_all(names: list[str], unit: Unit) -> bool:
    """Whether names are all parts of a unit, and beside them perhaps a total."""
    words = [name for name in names if MONTH_NAME.fullmatch(name) or DAY_NAME.fullmatch(name)]
    numbered = [name for name in names if re.search(r"\d", name)]
    # The hour that comes twice where summer time ends: HE02X, 02:00*.
    once = [*dict.fromkeys(re.sub(r"(?<=\d)[*A-Za-z]$", "", name) for name in numbered)]
    if any(
        len(some) > 1 and len(names) - len(some) <= len(some) and _are_all(some, unit)
        for some in (names, words, numbered, once)
    ):
        return True
    months = {
        w.lower() for name in names for w in re.split(r"[\W_]+", name) if MONTH_NAME.fullmatch(w)
    }
    return unit.longest >= 365 * DAY and len(months) == 12  # Jan_rain, Jan_temp, Feb_rain
