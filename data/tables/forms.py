"""The forms of times that are read: one ordered list, each for a whole column.

Each form is a pattern with named parts. Where all cells of a column fit it, the parts are put
together by pandas. No form is guessed from a part of the cells.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
MONTH_OF = {name: i + 1 for i, name in enumerate(MONTHS)}
MONTH_OF |= {name[:3]: i + 1 for i, name in enumerate(MONTHS)} | {"sept": 9}
PIVOT = 69  # of years of two digits, as POSIX has it: 69 is 1969, 68 is 2068
DOUBTFUL = (40, 68)  # years of two digits that may be of either century
LOOK = 50  # texts that are compared with each form before a whole column is

ZONE = (
    r"(?:\s*(?P<zone>[Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d(?::[0-5]\d)?)?|UTC|GMT"
    r"|[A-Z][A-Za-z]+/[A-Za-z_/+-]+))?"
)
MINUTES = r":(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
CLOCK = rf"(?P<hour>\d{{1,2}})(?:{MINUTES})?(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?"
EXACT_CLOCK = rf"(?P<hour>\d{{1,2}}){MINUTES}"
TIME = rf"(?:(?:[Tt]|,?\s+){CLOCK}(?:\s+Uhr)?{ZONE})?(?:\s*(?P<name>UTC|GMT))?"
Y4, Y2, M, D = r"(?P<year>\d{4})", r"(?P<short>\d{2})", r"(?P<month>\d{1,2})", r"(?P<day>\d{1,2})"
WORD = r"(?P<word>[A-Za-z]{3,9})\.?"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEKDAY = rf"(?:(?P<dayname>(?i:{'|'.join(DAYS)}))[A-Za-z]{{0,6}}[.,]?\s+)?"


class Form(NamedTuple):
    """A way to write times.

    Attributes:
        name: in words, for messages.
        pattern: of the whole cell, with named parts.
        directives: the date as `strptime` takes it, to propose to users; empty where it cannot.
    """

    name: str
    pattern: str
    directives: str = ""


class Times(NamedTuple):
    """Times of texts.

    Attributes:
        wall: datetime64 [n], as a clock on the wall shows it; NaT where the text is no such time.
        offsets: seconds east of UTC [n], where the texts have offsets.
        zone: the time zone, where the texts name one.
        zoned: of each text, whether it has an offset or zone, bool [n].
    """

    wall: np.ndarray
    offsets: np.ndarray | None
    zone: str | None
    zoned: np.ndarray


def _forms() -> Iterator[Form]:
    for mark in ("-", "/", "."):
        s = "[.]" if mark == "." else mark
        yield Form("year-month-day", f"{Y4}{s}{M}{s}{D}{TIME}", f"%Y{mark}%m{mark}%d")
        yield Form("day-month-year", f"{D}{s}{M}{s}{Y4}{TIME}", f"%d{mark}%m{mark}%Y")
        yield Form("month-day-year", f"{M}{s}{D}{s}{Y4}{TIME}", f"%m{mark}%d{mark}%Y")
        yield Form("day-month-year", f"{D}{s}{M}{s}{Y2}{TIME}", f"%d{mark}%m{mark}%y")
        yield Form("month-day-year", f"{M}{s}{D}{s}{Y2}{TIME}", f"%m{mark}%d{mark}%y")
        yield Form("year-month-day", f"{Y2}{s}{M}{s}{D}{TIME}", f"%y{mark}%m{mark}%d")
        yield Form("year-month", f"{Y4}{s}(?P<month>\\d{{2}})", f"%Y{mark}%m")
        yield Form("month-year", f"(?P<month>\\d{{2}}){s}{Y4}", f"%m{mark}%Y")
    for clock in (
        r"[Tt ](?P<hour>\d{2}):?(?P<minute>\d{2})?(?::?(?P<second>\d{2}))?",
        r" +(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?",  # 9:00 beside 10:00
    ):
        day = r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"
        yield Form("yyyymmdd and time", day + clock + ZONE)
    yield Form("day month year", rf"{WEEKDAY}{D}[- /]{WORD}[- /,]\s*{Y4}{TIME}", "%d-%b-%Y")
    yield Form("day month year", rf"{D}[- /]{WORD}[- /]{Y2}{TIME}", "%d-%b-%y")
    yield Form("month day, year", rf"{WEEKDAY}{WORD} {D},?\s+{Y4}{TIME}", "%b %d, %Y")
    yield Form("year month day", rf"{Y4}[- /]{WORD}[- /]{D}{TIME}", "%Y-%b-%d")
    short = "(?P<word>[A-Za-z]{3})"
    yield Form("day month year", rf"{D}{short}{Y4}(?:[: ]{EXACT_CLOCK})?")  # SAS
    yield Form("day month year", rf"{D}{short}{Y2}:{EXACT_CLOCK}")  # SAS: 31JAN24:13:05:00
    yield Form("day month year", rf"\[?{D}/{short}/{Y4}:{EXACT_CLOCK}{ZONE}\]?")  # of web servers
    # C and Unix: Wed Jan 31 13:05:00 UTC 2024
    yield Form("month day time year", rf"{WEEKDAY}{WORD}\s+{D}\s+{EXACT_CLOCK}{ZONE}\s+{Y4}")
    yield Form("年月日", rf"{Y4}[年년]\s*{M}[月월](?:\s*{D}[日일](?:\s*{CLOCK})?)?")
    yield Form("month year", rf"{WORD}[- /,]*{Y4}", "%b-%Y")
    yield Form("year month", rf"{Y4}[- /]*{WORD}", "%Y-%b")
    yield Form("month year", rf"{WORD}[- /]?'?{Y2}", "%b-%y")
    yield Form("year, month", rf"{Y4}-?[Mm](?P<month>\d{{1,2}})")
    yield Form("year, quarter", rf"{Y4}[-: ]?[Qq](?P<quarter>[1-4])")
    yield Form("quarter, year", rf"[Qq](?P<quarter>[1-4])[-/ ]?{Y4}")
    yield Form("quarter, year", rf"(?P<quarter>[1-4])[Qq][-/ ]?{Y4}")
    yield Form("ISO week", rf"{Y4}-?[Ww](?P<week>\d{{2}})(?:-?(?P<weekday>[1-7]))?{TIME}")


FORMS = tuple(_forms())
# Forms of digits alone; under a name like time, and with --timestamp. Smallest and largest year.
DIGITS = (
    Form("yyyymmdd", r"(?P<year>1[89]\d\d|2[01]\d\d)(?P<month>\d{2})(?P<day>\d{2})", "%Y%m%d"),
    Form("yyyymm", r"(?P<year>1[89]\d\d|2[01]\d\d)(?P<month>\d{2})", "%Y%m"),
    Form("year", r"(?P<year>1[5-9]\d\d|2[0-4]\d\d)", "%Y"),
    Form(
        "yyyymmddhh",
        r"(?P<year>1[89]\d\d|2[01]\d\d)(?P<month>\d{2})(?P<day>\d{2})(?P<hour>\d{2})",
        "%Y%m%d%H",
    ),
    Form(
        "yyyymmddhhmm",
        r"(?P<year>1[89]\d\d|2[01]\d\d)(?P<month>\d{2})(?P<day>\d{2})(?P<hour>\d{2})"
        r"(?P<minute>\d{2})",
        "%Y%m%d%H%M",
    ),
    Form(
        "yyyymmddhhmmss",
        r"(?P<year>1[89]\d\d|2[01]\d\d)(?P<month>\d{2})(?P<day>\d{2})(?P<hour>\d{2})"
        r"(?P<minute>\d{2})(?P<second>\d{2})",
        "%Y%m%d%H%M%S",
    ),
)
CENTURY, MM, DD = "(?:19|20|21)", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
WW, DDD = r"(?:0[1-9]|[1-4]\d|5[0-3])", r"(?:00[1-9]|0[1-9]\d|[12]\d\d|3[0-5]\d|36[0-6])"
# Digits that are no times here, since others look the same: with these, messages name them.
WEEKS = Form("year and week", rf"(?:{CENTURY}\d\d|1[5-9]|2[0-4]){WW}")
YEAR_QUARTER = Form("year and quarter", rf"{CENTURY}\d\d[1-4]")
FISCAL = Form("fiscal year", rf"{Y4}[-/.](?P<next>\d{{2}})")
UNREAD = (
    Form("yyyyww", rf"{CENTURY}\d\d{WW}"),
    Form("yyyyddd", rf"{CENTURY}\d\d{DDD}", "%Y%j"),
    Form("yymmdd", rf"\d\d{MM}{DD}", "%y%m%d"),
    Form("ddmmyy", rf"(?:{DD}|[1-9]){MM}\d\d", "%d%m%y"),
    Form("mmddyy", rf"(?:{MM}|[1-9]){DD}\d\d", "%m%d%y"),
    Form("ddmmyyyy", rf"(?:{DD}|[1-9]){MM}{CENTURY}\d\d", "%d%m%Y"),
    Form("mmddyyyy", rf"(?:{MM}|[1-9]){DD}{CENTURY}\d\d", "%m%d%Y"),
    Form("yymm", rf"\d\d{MM}", "%y%m"),
    Form("yyddd", rf"\d\d{DDD}", "%y%j"),
)


def matches(form: Form, texts: pa.Array) -> np.ndarray:
    """Of each text, whether it is written in this form; its numbers may still be no time."""
    return pc.match_substring_regex(texts, f"^{form.pattern}$").to_numpy(zero_copy_only=False)


@cache
def _pattern(form: Form) -> re.Pattern:
    # pyarrow would read the pattern anew for each column; of few texts that is most of the time.
    return re.compile(form.pattern, re.ASCII)


def perhaps(forms: tuple[Form, ...], texts: pa.Array) -> list[Form]:
    """The forms that some of the first texts have."""
    some = texts[:LOOK].to_pylist()
    return [form for form in forms if any(map(_pattern(form).fullmatch, some))]


def in_one_form(texts: Sequence[str]) -> bool:
    """Whether all texts are written in one of the forms; their numbers may still be no time."""
    return any(all(map(_pattern(form).fullmatch, texts)) for form in FORMS)


def fitting(forms: tuple[Form, ...], texts: pa.Array) -> list[tuple[Form, Times]]:
    """The forms that all texts have, and that give different times."""
    fits: list[tuple[Form, Times]] = []
    for form in perhaps(forms, texts):
        if not matches(form, texts).all():
            continue
        times = parse(form, texts)
        known = any((times.wall == other.wall).all() for _, other in fits)
        if not np.isnat(times.wall).any() and not known:
            fits.append((form, times))
    return fits


def is_interval(text: str) -> bool:
    """Whether a text is two times, its start and its end."""
    pairs = (re.split(mark, text) for mark in (r" +[-\u2013] +| to |/(?=\d{4}-)", r"[-\u2013]"))
    return any(len(pair) == 2 and in_one_form(pair) for pair in pairs)


def of_either_century(form: Form, texts: pa.Array) -> np.ndarray:
    """Of each text, whether its year has two digits that 19 and 20 may stand before."""
    if "(?P<short>" not in form.pattern:
        return np.zeros(len(texts), bool)
    years = pc.struct_field(pc.extract_regex(texts, f"^{form.pattern}$"), "short").fill_null("")
    first, last = map(str, DOUBTFUL)
    found = pc.and_(pc.greater_equal(years, first), pc.less_equal(years, last))
    return found.to_numpy(zero_copy_only=False)


def are_fiscal_years(texts: pa.Array) -> bool:
    """Whether the second number is the year after in all: 2000/01, 2001/02 ..."""
    if not matches(FISCAL, texts).all():
        return False
    found = pc.extract_regex(texts, f"^{FISCAL.pattern}$")
    year, after = (pc.struct_field(found, name).cast(pa.int64()) for name in ("year", "next"))
    year, after = year.to_numpy(), after.to_numpy()
    return bool(((year + 1) % 100 == after).all()) and len(np.unique(year)) > 1


def parse(form: Form, texts: pa.Array) -> Times:
    """The times of texts in this form, NaT where a text is none.

    Args:
        form: one of FORMS or DIGITS.
        texts: without spaces around them.
    """
    found = pc.extract_regex(texts, pattern=f"^{form.pattern}$")
    names = [field.name for field in found.type]
    parts = {name: found.field(i) for i, name in enumerate(names)}
    fits = found.is_valid().to_numpy(zero_copy_only=False)

    def number(name: str, empty: int = 0) -> np.ndarray:
        if name not in parts:
            return np.full(len(texts), empty)
        digits = pc.if_else(pc.equal(parts[name].fill_null(""), ""), str(empty), parts[name])
        return digits.fill_null(str(empty)).cast(pa.int64()).to_numpy()

    year = number("year") if "year" in parts else number("short")
    if "short" in parts:
        year = year + np.where(year < PIVOT, 2000, 1900)
    good, hour = _hours(parts, number("hour"))
    fits &= good & (number("minute") < 60) & (number("second") < 60)
    clock = ((hour * 60 + number("minute")) * 60 + number("second")).astype("m8[s]")
    fits &= clock <= np.timedelta64(1, "D")  # 24:00 is the end of the day
    date = _weeks(year, parts, number) if "week" in parts else _dates(year, parts, number)
    fits &= _on_their_days(date, parts)
    wall = date.astype("M8[us]") + clock + _fraction(parts, len(texts))
    wall[~fits] = np.datetime64("NaT")
    return Times(wall, *_zones(parts, fits))


def _dates(year: np.ndarray, parts: dict[str, pa.Array], number) -> np.ndarray:
    month = number("month", 1)
    if "quarter" in parts:
        month = number("quarter", 1) * 3 - 2
    if "word" in parts:
        words = pc.utf8_lower(parts["word"].fill_null("")).to_pylist()
        month = np.array([MONTH_OF.get(word, 0) for word in words])
    columns = {"year": year, "month": month, "day": number("day", 1)}
    return pd.to_datetime(pd.DataFrame(columns), errors="coerce").to_numpy("M8[us]")


def _on_their_days(dates: np.ndarray, parts: dict[str, pa.Array]) -> np.ndarray | bool:
    """Whether the names of weekdays before the dates, where there are any, are right."""
    if "dayname" not in parts:
        return True
    names = pc.utf8_lower(parts["dayname"].fill_null("")).to_numpy(zero_copy_only=False)
    weekdays = pd.DatetimeIndex(dates).day_of_week.fillna(0).to_numpy(np.int64)
    return (names == "") | (names == np.array(DAYS)[weekdays])


def _weeks(year: np.ndarray, parts: dict[str, pa.Array], number) -> np.ndarray:
    days = zip(year, number("week", 1), number("weekday", 1), strict=True)
    texts = [f"{y:04}-{week}-{day}" for y, week, day in days]
    return pd.to_datetime(pd.Series(texts), format="%G-%V-%u", errors="coerce").to_numpy("M8[us]")


def _hours(parts: dict[str, pa.Array], hour: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which hours there are on a clock, and hours of 24."""
    if "half" not in parts:
        return hour <= 24, hour
    half = pc.utf8_lower(parts["half"].fill_null("")).to_numpy(zero_copy_only=False)
    twelve = half != ""
    good = np.where(twelve, (hour >= 1) & (hour <= 12), hour <= 24)
    return good, np.where(twelve, hour % 12 + 12 * (half == "p"), hour)


def _fraction(parts: dict[str, pa.Array], count: int) -> np.ndarray:
    if "fraction" not in parts:
        return np.zeros(count, "m8[us]")
    digits = pc.utf8_rpad(parts["fraction"].fill_null(""), 9, padding="0")
    return (digits.cast(pa.int64()).to_numpy() // 1000).astype("m8[us]")


def _zones(
    parts: dict[str, pa.Array], fits: np.ndarray
) -> tuple[np.ndarray | None, str | None, np.ndarray]:
    """Offsets in seconds, the name of the zone, and which texts have one of them."""
    nothing = np.zeros(len(fits), bool)
    if "zone" not in parts:
        return None, None, nothing
    texts = parts["zone"].fill_null("")
    if "name" in parts:
        texts = pc.if_else(pc.equal(texts, ""), parts["name"].fill_null(""), texts)
    codes = texts.dictionary_encode()
    seen = codes.dictionary.to_pylist()
    index = codes.indices.to_numpy()
    zoned = (np.array([bool(text) for text in seen], bool))[index] & fits
    if not zoned.any():
        return None, None, nothing
    seen = [seen[i] for i in np.unique(index[zoned])]
    names = {"UTC" if text.upper() in ("Z", "UTC", "GMT") else text for text in seen}
    if not any(text[0] in "+-" for text in names):
        return None, names.pop() if len(names) == 1 else "mixed", zoned
    if any(text[0] not in "+-" for text in names - {"UTC"}):
        return None, "mixed", zoned  # offsets, and names of zones whose offsets differ
    offsets = np.array([seconds_of(text) for text in codes.dictionary.to_pylist()])
    return offsets[index], None, zoned


def seconds_of(text: str) -> int:
    """An offset in seconds; 0 of anything else, as of Z."""
    if text[:1] not in ("+", "-"):
        return 0
    digits = text[1:].replace(":", "").ljust(6, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:6])
    return -seconds if text[0] == "-" else seconds
