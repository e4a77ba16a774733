"""What the names of columns say: times, ids, counters, parts of a time."""

import re

# fmt: off
TIME_NAMES = frozenset((
    "timestamp", "timestamps", "date", "datetime", "dates", "ds", "time", "times", "year", "month",
    "week", "quarter", "period", "day", "ts", "epoch", "unix", "datum", "zeit", "fecha", "jahr",
    "monat", "yearmonth", "yyyymm", "yyyymmdd",
))
# time_utc, utc_timestamp, unix_time, start_date: a name of a time with one more word.
TIME_WORDS = frozenset((
    "timestamp", "date", "datetime", "time", "ts", "epoch", "utc", "local", "unix", "start", "end",
    "begin", "from", "stamp", "index", "event", "obs", "observation", "valid", "cet", "gmt", "s",
    "ms", "us", "ns", "seconds",
))
ID_NAMES = frozenset((
    "id", "item", "series", "sku", "store", "symbol", "ticker", "uid", "itemid", "seriesid",
    "uniqueid",
))
INDEX_NAMES = frozenset(("no", "nr", "index", "idx", "row", "rownum", "step", "steps", "#", "n"))
# fmt: on
PART_NAMES = {
    "year": "year",
    "quarter": "quarter",
    "month": "month",
    "day": "day",
    "hour": "hour",
    "minute": "minute",
    "second": "second",
    "dayofweek": "dayofweek",
    "weekday": "dayofweek",
    "dayofyear": "dayofyear",
    "yday": "dayofyear",
    "week": "week",
    "weekofyear": "week",
}


def is_time_name(name: str) -> bool:
    """Whether numbers under this name may be times: timestamp, date, ds, unix_time ..."""
    words = _words(name)
    if not words:
        return False
    if len(words) == 1 or "".join(words) in TIME_NAMES:
        return "".join(words) in TIME_NAMES
    return all(word in TIME_WORDS for word in words) and any(word in TIME_NAMES for word in words)


def is_id_name(name: str) -> bool:
    """Whether this is a usual name for what names a series: unique_id, item_id, sku ..."""
    words = _words(name)
    return bool(words) and (words[-1] == "id" or "".join(words) in ID_NAMES)


def is_nameless(name: str) -> bool:
    """Whether a column has no name; pandas writes 'Unnamed: 0' for none."""
    return re.fullmatch(r"\s*|Unnamed: \d+(_level_\d+)?|__index_level_\d+__", name) is not None


def is_index_name(name: str) -> bool:
    """Whether a counter under this name is an index: none, step, No, index ..."""
    return is_nameless(name) or name.strip().lower() in INDEX_NAMES


def part_of_time(name: str) -> str | None:
    """The part of a time that a name means, as pandas calls it: 'month', 'hour', 'dayofweek' ..."""
    return PART_NAMES.get("".join(_words(name)))


def are_numbered(names: list[str]) -> bool:
    """Whether names count up: V1, V2, V3 or d_1, d_2 or 1900, 1901; two at least."""
    parts = [re.fullmatch(r"(.*?)(\d+)", name.strip()) for name in names]
    if len(parts) < 2 or not all(parts):
        return False
    if len({part[1] for part in parts}) != 1:
        return False
    first = int(parts[0][2])
    return all(int(part[2]) == first + i for i, part in enumerate(parts))


def _words(name: str) -> list[str]:
    """The words of a name in lower case: 'Local Time (UTC)' -> local, time, utc."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return re.findall(r"[a-z]+", spaced.lower())
