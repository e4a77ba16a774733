"""What the names of columns say: times, ids, counters, parts of a time."""

import re
import unicodedata

# fmt: off
TIME_NAMES = frozenset((
    "timestamp", "timestamps", "date", "datetime", "dates", "ds", "time", "times", "ts", "epoch",
    "unix", "datum", "zeit", "zeitpunkt", "zeitstempel", "horodatage", "dateheure", "fecha",
    "fechahora", "datahora", "dataora", "tijd", "tijdstip", "日時", "日付", "日期", "时间",
    "时间戳", "年月日",
))
# Numbers below them may be times; but not of the table where another column has a name above.
OTHER_TIME_NAMES = frozenset((
    "period", "yearmonth", "yyyymm", "yyyymmdd", "timeperiod", "jahrmonat", "anomes", "mesano",
    "anneemois", "annomese", "年月", "periode", "periodo", "createdat", "updatedat", "opentime",
    "closetime", "calday", "calmonth", "budat", "yearmonthday",
))
# time_utc, utc_timestamp, unix_time, start_date: a name of a time with one more word.
TIME_WORDS = frozenset((
    "timestamp", "date", "datetime", "time", "ts", "epoch", "utc", "local", "unix", "start", "end",
    "begin", "from", "stamp", "index", "event", "obs", "observation", "valid", "cet", "gmt", "s",
    "ms", "us", "ns", "seconds", "datum", "zeit", "uhrzeit", "fecha", "hora",
))
ID_NAMES = frozenset((
    "id", "item", "series", "sku", "store", "symbol", "ticker", "uid", "itemid", "seriesid",
    "uniqueid",
))
INDEX_NAMES = frozenset((
    "no", "nr", "index", "idx", "row", "rownum", "rownumber", "step", "steps", "#", "n", "lfdnr",
    "laufendenummer", "sno", "srno", "slno", "番号", "序号",
))
# fmt: on
VALUE_NAMES = {"y", "value", "values", "val", "target", "wert", "valeur", "valor", "valore"}
COUNTER_WORDS = {"idx", "index", "step", "timestep", "no", "nr", "num", "number", "trend", "t"}
PARTS = {
    "year": "year jahr ano annee anno jaar 年 年份",
    "quarter": "quarter quartal trimestre kwartaal 季度 四半期",
    "month": "month mnth monat mes mois mese maand 月 月份",
    "week": "week weekofyear woche semana semaine settimana 周 週",
    "day": "day tag dia jour giorno dag 日",
    "hour": "hour stunde hora heure ora uur 時 时 時間 小时",
    "minute": "minute minuto minuut 分",
    "second": "second",
    "dayofweek": "dayofweek weekday dow wday wochentag diasemana",
    "dayofyear": "dayofyear yday doy",
}
PART_NAMES = {name: part for part, names in PARTS.items() for name in names.split()}
DATES = ("year", "quarter", "month", "week", "day")  # parts that may be all of a time
# A tag is a label too, and dia a blood pressure.
DATE_NAMES = {name for part in DATES for name in PARTS[part].split()} - {"weekofyear", "tag", "dia"}


def is_time_name(name: str) -> bool:
    """Whether numbers under this name may be times: timestamp, year, mes, created_at ..."""
    if _is_numbered(name):
        return False
    joined = "".join(_words(name))
    return joined in OTHER_TIME_NAMES or joined in DATE_NAMES or is_whole_time_name(name)


def is_whole_time_name(name: str) -> bool:
    """Whether a name is that of the times of a table, not of a part or of another time."""
    words = _words(name)
    if len(words) < 2 or "".join(words) in TIME_NAMES:
        return "".join(words) in TIME_NAMES
    return all(word in TIME_WORDS for word in words) and any(word in TIME_NAMES for word in words)


def is_id_name(name: str) -> bool:
    """Whether this is a usual name for what names a series: unique_id, item_id, sku ..."""
    words = _words(name)
    named = bool(words) and (words[-1] == "id" or "".join(words) in ID_NAMES)
    return named and not _is_numbered(name)


def is_nameless(name: str) -> bool:
    """Whether a column has no name; pandas writes 'Unnamed: 0' for none."""
    return re.fullmatch(r"\s*|Unnamed: \d+(_level_\d+)?|__index_level_\d+__", name) is not None


def is_index_name(name: str) -> bool:
    """Whether a counter under this name is an index: none, step, No., Lfd. Nr., index ..."""
    return is_nameless(name) or re.sub(r"[\s._-]+", "", _plain(name).lower()) in INDEX_NAMES


def is_value_name(name: str) -> bool:
    """Whether a column of this name holds the values of series: y, value, target ..."""
    return "".join(_words(name)) in VALUE_NAMES


def may_count(name: str) -> bool:
    """Whether a counter beside times may have this name: time_idx, day number, WeekNo, t ..."""
    words = _words(name)
    return is_index_name(name) or (bool(words) and words[-1] in COUNTER_WORDS)


def counts_seconds(name: str) -> bool:
    """Whether a unit in a name says that numbers are no years: time_s, t [ms]."""
    units = {"s", "sec", "secs", "second", "seconds", "ms", "us", "ns", "min", "minutes"}
    return not units.isdisjoint(_words(name))


def part_of_time(name: str) -> str | None:
    """The part of a time that a name means, as pandas calls it: 'month', 'hour', 'dayofweek' ..."""
    return PART_NAMES.get("".join(_words(name)))


def holds_part(name: str) -> bool:
    """Whether one word of a name is a part of a time: CalMonth, Epi Week."""
    return any(word in PART_NAMES for word in _words(name)) or part_of_time(name) is not None


def are_numbered(names: list[str]) -> bool:
    """Whether names count up: V1, V2, V3 or d_1, d_2 or 1900, 1901; two at least."""
    numbers = numbers_in(names) if len(names) > 1 else None
    return numbers is not None and all(n == numbers[0] + i for i, n in enumerate(numbers))


def numbers_in(names: list[str]) -> list[int] | None:
    """The numbers of names that differ in them alone: V1, V2 or 2021年, 2022年; None of others."""
    parts = [re.fullmatch(r"(.*?)(\d+)(\D*)", name.strip()) for name in names]
    if not all(parts) or len({(part[1], part[3]) for part in parts}) != 1:
        return None
    return [int(part[2]) for part in parts]


def argument(name: str) -> str:
    """A name as it can be typed behind an option."""
    return repr(name) if not name.isidentifier() else name


def _is_numbered(name: str) -> bool:
    """Whether a name ends in a number, as those of series do: store_1, item 20, year_2019."""
    return re.search(r"[^\W\d][\s_.]?\d+\s*$", name) is not None


def _words(name: str) -> list[str]:
    """The words of a name in lower case: 'Local Time (UTC)' -> local, time, utc; 'Año' -> ano."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", _plain(name)).lower()
    # 2024年 is the values of a year, and no name of times.
    whole = re.fullmatch(r"\s*([\u3041-\u9fff]+)\s*", spaced)
    return [whole[1]] if whole else re.findall(r"[a-z]+", spaced)


def _plain(name: str) -> str:
    """A name without its accents."""
    parts = unicodedata.normalize("NFKD", name)
    return "".join(part for part in parts if not unicodedata.combining(part))
