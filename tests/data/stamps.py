"""Timestamps for tests of calendars, and what is made of them."""

import numpy as np
import pandas as pd
import pytest

from data.calendar import CalendarError, find_calendar, time_texts


def times(*texts):
    """Timestamps of a file."""
    return pd.DatetimeIndex(texts)


def regular(start, step, count, tz=None):
    """Steps of a pandas frequency from a start."""
    return pd.date_range(start, periods=count, freq=step, tz=tz)


def following(stamps, count=3, freq=None):
    """The next timestamps as text, and the frequency in words."""
    calendar = find_calendar(stamps, freq)
    future = calendar.at(calendar.steps[-1] + 1 + np.arange(count))
    assert calendar.steps.dtype == np.int64
    if freq is None:
        assert calendar.at(calendar.steps).equals(stamps)
    return time_texts(future, stamps), calendar.frequency


def refusal(stamps, freq=None, first_row=2):
    """The error."""
    with pytest.raises(CalendarError) as error:
        find_calendar(stamps, freq, first_row)
    assert "\n" not in str(error.value)
    return str(error.value)
