"""Series of a long DataFrame, and the first columns of the DataFrame of their forecasts."""

import math
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import timedelta

import numpy as np
import pandas as pd
from pandas.tseries import offsets
from pandas.tseries.frequencies import to_offset

from data.calendar import CalendarError, offset_of
from data.calendar_kinds import DROP
from data.tables import TableError, TableOptions, items_of_frame
from data.tables.sentinels import KEEP_ALL, is_sentinel
from data.timelines import Series, series_of


def series_of_frame(
    df: pd.DataFrame,
    id_column: Hashable,
    timestamp_column: Hashable,
    target: Hashable,
    length: int,
    horizon: int,
    freq: str | pd.DateOffset | timedelta | None = None,
    say: Callable[[str], None] = lambda line: None,
    outputs: Sequence[str] = (),
) -> tuple[list[Series], pd.DataFrame]:
    """The last steps of each series, and those to forecast; see `series_of`.

    Args:
        df: one row per series and time, in any order; it is not changed.
        id_column: of any type of values.
        timestamp_column: times, texts that are times in one form, or numbers that count.
        target: numbers.
        length: steps to look back on.
        horizon: steps to forecast.
        freq: one step of time, if the user has said so.
        say: takes a line for each thing that the user must know, in words of Python.
        outputs: columns of the forecast, to stand beside those of ids and times.

    Returns:
        The series in the order of their first rows; and `horizon` rows for each, with the columns
        of ids and times, in the types of `df`.

    Raises:
        TableError: the DataFrame cannot be used; the message says why.
    """
    _check_columns(df, id_column, timestamp_column, target)
    freq = freq_name(freq)
    for column, what in ((id_column, "ids"), (timestamp_column, "times")):
        if column in outputs:
            raise TableError(
                f"the column {column!r} of {what} and the column {column!r} of the forecast would "
                "have one name; rename that of df"
            )
    try:
        numbers, ids = pd.factorize(df[id_column])  # in order of appearance; a missing id is -1
    except TypeError:
        raise TableError(f"column {id_column!r}: lists and dicts are no ids; give texts") from None
    names = [str(one) for one in ids]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TableError(
            f"column {id_column!r}: {twice!r:.60} is there as values of several types; convert the "
            "column to one"
        )
    frame = df[[timestamp_column, target]].reset_index(drop=True)
    frame.insert(0, id_column, pd.Categorical.from_codes(numbers, names))
    frame.columns = columns = [str(name) for name in frame.columns]
    try:
        freq, lines = _of_starts(freq, df[timestamp_column].dtype), []
        options = TableOptions(
            "long", columns[1], (columns[0],), (columns[2],), freq=freq, keep=KEEP_ALL
        )
        items = items_of_frame(frame, options, lines.append)
        series = series_of(items, length, horizon, freq, say=lines.append)
    except (CalendarError, TableError) as error:
        raise TableError(in_python(str(error))) from None
    for line in lines:
        say(in_python(line))
    say_sentinels(((one.name, one.values) for one in series), say)
    number_of = {name: number for number, name in enumerate(names)}
    order = np.repeat([number_of[one.name] for one in series], horizon)
    if series[0].timeline.has_times:
        future = _times(series, df[timestamp_column])
    else:
        future = _numbers(series, df[timestamp_column].dtype)
    future_ids = df[id_column].iloc[pd.Series(numbers).drop_duplicates().index[order]]
    out = pd.DataFrame({id_column: future_ids.array, timestamp_column: future})
    return series, out


def _check_columns(df: pd.DataFrame, *names: Hashable) -> None:
    if not isinstance(df, pd.DataFrame):
        raise TableError(f"df is of type {type(df).__name__}; it must be a pandas DataFrame")
    columns = list(df.columns)
    for name in names:
        count = columns.count(name)
        if name in df.index.names and not count:
            raise TableError(f"{name!r} is an index of the DataFrame; give df.reset_index()")
        if not count:
            have = ", ".join([*map(repr, columns[:9]), *["..."] * (len(columns) > 9)])
            raise TableError(f"there is no column {name!r}; the columns are: {have}")
        if count > 1 or names.count(name) > 1:
            what = "two columns are named" if count > 1 else "two arguments name the column"
            raise TableError(f"{what} {name!r}; ids, times and values need a column each")


def in_python(message: str) -> str:
    """A message that names options of commands, for users of Python."""
    message = re.sub(r",? or say --missing [^ )]+", "", message.replace("--freq", "freq"))
    message = message.replace(DROP, "put the numbers of steps in place of the times")
    if "--timezone" in message:
        way = ".dt.tz_localize(NAME, ambiguous='infer')"
        if "the offset changes" in message:
            way = "pandas.to_datetime(..., utc=True).dt.tz_convert(NAME)"
        return f"{message} (in Python: {way})"
    if "--date-format" in message:
        return message + " (in Python: pandas.to_datetime(..., format=...))"
    if re.search(r"--[a-z]", message):
        message += " (in Python: data.tables.items_of_frame(df, TableOptions(...)) takes them)"
    return message


def freq_name(freq: str | pd.DateOffset | timedelta | None) -> str | None:
    """The name of a frequency that is given as text, as an offset of pandas, or as a duration.

    Raises:
        TableError: it is something else, or its name does not say all of it.
    """
    if freq is None or isinstance(freq, str):
        return freq
    if isinstance(freq, timedelta) and not freq % timedelta(days=1):
        return f"{freq // timedelta(days=1)}D"  # to pandas it is 24 hours, also where clocks change
    try:
        offset = to_offset(freq)
        name = offset.freqstr
        if to_offset(name) != offset:  # other holidays or weekdays
            raise ValueError(name)
    except (TypeError, ValueError):
        raise TableError(
            f"freq {freq!r} has no name that says all of it; give one: h, 15min, D, MS, B, W-MON, "
            "or weekdays: 'Mon Tue Wed Thu Fri Sat'"
        ) from None
    return name


def _of_starts(freq: str | None, dtype: np.dtype) -> str | None:
    """A frequency; that of a column of periods becomes the frequency of their starts."""
    if freq is None or not isinstance(dtype, pd.PeriodDtype) or offset_of(freq) != dtype.freq:
        return freq
    if isinstance(dtype.freq, offsets.Week):
        return f"{7 * dtype.freq.n}D"
    return dtype.name.removeprefix("period[").removesuffix("]")  # M, Q and Y may be starts


def say_sentinels(
    series: Iterable[tuple[str, np.ndarray]], say: Callable[[str], None], table: str = ""
) -> None:
    """Numbers of a DataFrame are taken as they are, but one that looks like a mark is named.

    Args:
        series: names and values.
        say: takes a line, if there is one.
        table: what the line begins with.
    """
    found = [(name, mark) for name, values in series if (mark := is_sentinel(values, ()))]
    if found:
        name, (value, count) = found[0]
        others = f" ({len(found)} series are like this)" if len(found) > 1 else ""
        say(
            f"{table}{': ' * bool(table)}series {name!r:.60}: {value:g} is there {count} times, "
            f"far outside the other values; replace it by NaN if it stands for missing values"
            f"{others}"
        )


def _numbers(series: list[Series], dtype: np.dtype) -> pd.Series:
    """The steps to forecast, in the type of a column of numbers where that can hold them."""
    future = np.concatenate([one.timeline.future for one in series])
    if future.dtype.kind == "f":  # 0.1, 0.2, 0.3 and no 0.30000000000000004
        step = min(one.timeline.future[0] - one.timeline.past[-1] for one in series)
        digits = 9 - math.floor(math.log10(step))
        future = np.array([round(one, digits) for one in future.tolist()])
    future = pd.Series(future)
    if not pd.api.types.is_numeric_dtype(dtype):
        return future
    with np.errstate(over="ignore"):
        try:
            found = future.astype(dtype)
        except TypeError:  # it is too small a type of whole numbers
            return future
    return found if np.allclose(found.astype(float), future.astype(float), atol=0) else future


def _times(series: list[Series], column: pd.Series) -> pd.Index:
    """The steps to forecast, in the type of a column of times."""
    first, *others = (one.timeline.future for one in series)
    if len({str(one.timeline.future.tz) for one in series}) > 1:  # a column has one zone
        first, *others = (one.timeline.future.tz_convert("UTC") for one in series)
    future, dtype = first.append(others), column.dtype
    if isinstance(dtype, pd.PeriodDtype):
        periods = future.to_period(dtype.freq)
        return periods if (periods.to_timestamp() == future).all() else future
    if dtype.kind != "M" or not isinstance(future, pd.DatetimeIndex):
        return future
    is_arrow = isinstance(dtype, pd.ArrowDtype)
    if is_arrow and not hasattr(dtype.pyarrow_dtype, "unit"):
        return future  # days become times, as those of Python do
    unit = dtype.pyarrow_dtype.unit if is_arrow else pd.DatetimeIndex([], dtype=dtype).unit
    try:
        future = future.as_unit(unit)
    except pd.errors.OutOfBoundsDatetime:
        raise TableError(
            f"column {column.name!r} holds nanoseconds, which end at 2262-04-11, and the forecast "
            "goes beyond; convert it with .dt.as_unit('us'), or forecast fewer steps"
        ) from None
    return future.astype(dtype) if is_arrow else future
