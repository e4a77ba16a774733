"""Times and time spans as texts."""

import numpy as np
import pandas as pd

SIZES = {
    "day": 86_400_000_000,
    "hour": 3_600_000_000,
    "minute": 60_000_000,
    "second": 1_000_000,
    "millisecond": 1_000,
    "microsecond": 1,
}  # in microseconds


def time_texts(times: pd.DatetimeIndex, like: pd.DatetimeIndex | None = None) -> list[str]:
    """ISO 8601 texts: dates alone where all are midnights without an offset, which is kept.

    Args:
        times: to be written; no NaT.
        like: other times of the same column, so that all its texts have one form.
    """
    columns = [times] if like is None else [times, like]
    if times.tz is None and all((column == column.normalize()).all() for column in columns):
        return [time.date().isoformat() for time in times]
    spec = "seconds"
    for column in columns:
        fractions = column.as_unit("us").asi8 % SIZES["second"]
        if (fractions % SIZES["millisecond"]).any():
            spec = "microseconds"
        elif fractions.any() and spec == "seconds":
            spec = "milliseconds"
    return [time.isoformat(sep=" ", timespec=spec) for time in times]


def duration(delta: pd.Timedelta | np.timedelta64) -> str:
    """A time span in words, in the largest unit that divides it: '90 minutes', '1 day'."""
    delta = pd.Timedelta(delta) // pd.Timedelta(1, "us")
    name, size = next((name, size) for name, size in SIZES.items() if delta % size == 0)
    count = delta // size
    return f"{count} {name}" + "s" * (count != 1)
