"""The series of a table, ready for evaluation: on their calendar, split, and scaled.

Shapes: C channels.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from data.calendar import Calendar, CalendarError, fill_gaps, find_calendar
from data.tables import Item
from models.utp import row_scale
from runners import InputError
from runners.evaluation.baselines import seasonal_scale
from runners.evaluation.protocol import Protocol, Season, Split

MOST_STEPS = 10  # calendar steps for each row; more is probably a wrong date
MOST_NAMES = 5  # of series in one message
TOO_SHORT = "too short"


class Series(NamedTuple):
    """The channels of one table, ready for evaluation.

    Attributes:
        values: float32 [rows of all channels], channel after channel, each z-scored by its
            training part; NaN where missing.
        starts: where in `values` each channel starts, [C].
        splits: of the rows of each channel, [C].
        scale: of MASE in z-scores, float64 [C].
        season: of all channels.
        sources: the files that the items name.
    """

    values: Tensor
    starts: list[int]
    splits: list[Split]
    scale: Tensor
    season: Season
    sources: list[str]


class Rows:
    """The rows of series that share their times, put on their calendar.

    Args:
        item: the first of these series.
        freq: one step of time, if the user has said so.

    Attributes:
        calendar: None where there are no times, or irregular ones.
        missing: number of rows that the calendar has and the table has not.
        irregular: why there is no calendar; empty where there is one, or where there are no times.

    Raises:
        InputError: most rows are missing.
    """

    def __init__(self, item: Item, freq: str | None):
        self.times: pd.DatetimeIndex | None = item.times
        self.calendar: Calendar | None = None
        self.missing, self.irregular = 0, ""
        if item.times is None:
            return
        try:
            self.calendar = find_calendar(item.times, freq, first_row=item.first_row)
        except CalendarError as error:
            self.irregular = str(error)
            return
        steps = int(self.calendar.steps[-1]) + 1
        self.missing = steps - len(item.times)
        if steps > MOST_STEPS * len(item.times):  # before so many values are allocated
            raise InputError(
                f"{item.source}, series {item.id!r:.60}: its {len(item.times)} rows are spread "
                f"over {steps} steps (one every {self.calendar.frequency}); cut the table where "
                "its times jump"
            )

    def fill(self, values: np.ndarray) -> np.ndarray:
        """The values on every step of the calendar, NaN where one is missing; a copy."""
        if self.calendar is not None:
            values = fill_gaps(self.times, values, self.calendar)
        return np.where(np.isfinite(values), values, np.nan)


class Notes:
    """What is said about the series of a table, in few lines however many series it has."""

    def __init__(self, source: str, training: str):
        self.source = source
        self.training = training  # what series are scaled by, in words
        self.left_out: dict[str, list[str]] = defaultdict(list)  # series by reason
        self.too_short = ""  # why the first such series is
        self.gaps: list[tuple[int, str, str]] = []  # missing rows, series, one step
        self.irregular: list[tuple[str, str]] = []  # series, error

    def of_rows(self, item: Item, rows: Rows) -> None:
        """Remembers what must be said of rows."""
        if rows.missing:
            self.gaps.append((rows.missing, item.id, rows.calendar.frequency))
        if rows.irregular:
            self.irregular.append((item.id, rows.irregular))

    def lines(self) -> Iterator[str]:
        """The lines."""
        if self.gaps:
            missing, series, step = max(self.gaps)
            what = f"{missing} rows are" if missing > 1 else "1 row is"
            where = ""
            if len(self.gaps) > 1:
                where = f"{len(self.gaps)} series have missing rows; of {series!r:.60} "
            yield (
                f"{self.source}: {where}{what} missing (one every {step}), taken as missing values"
            )
        if self.irregular:
            series, error = self.irregular[0]
            where = ""
            if len(self.irregular) > 1:
                where = f"{len(self.irregular)} series are irregular; of {series!r:.60} "
            yield f"{self.source}: {where}{error}; here rows are taken as they come"
        for reason, names in self.left_out.items():
            shown = ", ".join([*names[:MOST_NAMES], *["..."] * (len(names) > MOST_NAMES)])
            why = f"{reason} ({self.too_short})" if reason == TOO_SHORT else reason
            yield f"{self.source}: {len(names)} series left out, {why}: {shown}"

    def no_series(self) -> str:
        """Why no series is left."""
        if not self.left_out:
            return "it holds no series"
        if self.too_short:
            return self.too_short
        reason, names = next(iter(self.left_out.items()))
        return f"no series can be scaled: {names[0]!r:.60} is {reason}"


def open_series(
    source: str,
    items: Iterable[Item],
    protocol: Protocol,
    freq: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Series:
    """Puts the series of a table on their calendars, and scales each by its training part.

    A series that is too short, or that has no unit (no value in its training part, or a constant
    one), is left out. The training part of a backtest is what lies before the first window. Series
    are read one by one, since tables may be large.

    Args:
        source: the file, for messages.
        items: its series.
        protocol: which windows are needed; its context is given.
        freq: one step of time, if the user has said so.
        say: takes a line for each thing that the user must know.

    Raises:
        TableError: it is no table.
        InputError: no series can be evaluated, or they cannot be evaluated together.
    """
    notes = Notes(source, protocol.training)
    values, scales, splits, sources = [], [], [], {}
    rows = season = first = None
    tested = False
    for item in items:
        first = first or item
        sources[item.source] = None
        if protocol.needs_same_times and not _same_rows(item, first):
            raise InputError(
                f"{source}: series {item.id!r:.60} and {first.id!r:.60} have different times; "
                f"protocol {protocol.name} cuts all at the same rows: use --protocol ratio"
            )
        if rows is None or item.times is not rows.times:  # columns of a table share their times
            rows = Rows(item, freq)
            notes.of_rows(item, rows)
            found = protocol.choose_season(rows.calendar)
            season = season or found
            if found.steps != season.steps:
                raise InputError(
                    f"{source}: {season.text} for series {first.id!r:.60} but {found.text} for "
                    f"{item.id!r:.60}; give --season, or evaluate them in two tables"
                )
        column = rows.fill(item.values)
        try:
            split = protocol.split(len(column))
        except InputError as error:
            notes.too_short = notes.too_short or str(error)
            notes.left_out[TOO_SHORT].append(item.id)
            continue
        column = torch.from_numpy(column)
        training = column[: split.train]
        if not training.isfinite().any():
            notes.left_out[f"without a value in the {notes.training}"].append(item.id)
            continue
        mean, std = row_scale(training[None])
        if not std:
            notes.left_out[f"constant in the {notes.training}"].append(item.id)
            continue
        z = (column - mean[0]) / std[0]
        scales.append(seasonal_scale(z[None, : split.train], season.steps))
        values.append(z.float())
        splits.append(split)
        tested = tested or bool(z[split.test : split.end].isfinite().any())
    if not values:
        raise InputError(f"{source}: {notes.no_series()}")
    if not tested:
        raise InputError(f"{source}: its test part, from row {splits[0].test} on, holds no value")
    for line in notes.lines():
        say(line)
    starts = np.cumsum([0, *map(len, values[:-1])]).tolist()
    return Series(
        torch.cat(values),
        starts,
        splits,
        torch.cat(scales),
        season,
        [one for one in sources if one],
    )


def _same_rows(item: Item, other: Item) -> bool:
    if item.times is None or other.times is None:
        return item.times is other.times and len(item.values) == len(other.values)
    return item.times is other.times or item.times.equals(other.times)
