"""Which windows of a series are forecast: how its rows are split and cut. docs/evaluation.md."""

from dataclasses import dataclass
from typing import NamedTuple

from data.calendar import Calendar
from runners import InputError

MONTH = 30 * 24  # hours; ETT's months have 30 days
FRACTIONS = (0.7, 0.1, 0.2)
SEASONS = {"etth": 24, "ettm": 96, "ratio": None}  # None: the season of the calendar


class Split(NamedTuple):
    """Rows of a series: training [0, train), test [test, end)."""

    train: int
    test: int
    end: int


class Season(NamedTuple):
    """A season in steps, and in words where it is from."""

    steps: int
    text: str


@dataclass(frozen=True)
class Protocol:
    """What is forecast, and from what.

    Attributes:
        name: one of SEASONS.
        fractions: training, validation and test shares of protocol 'ratio'.
        context: L, rows before each start; they may lie before the test part.
        horizons: each H.
        stride: rows between two windows.
        season: in steps, as the user has given it; None for that of the protocol or calendar.
    """

    name: str
    fractions: tuple[float, ...]
    context: int
    horizons: tuple[int, ...]
    stride: int = 1
    season: int | None = None

    def split(self, rows: int) -> Split:
        """Where a series of so many rows is cut.

        Raises:
            InputError: it has too few rows for the protocol or for its windows.
        """
        split = self._cut(rows)
        if self.context > split.test:
            raise InputError(
                f"{split.test} rows lie before its test part; --context {self.context}"
            )
        longest = max(self.horizons)
        if longest > split.end - split.test:
            raise InputError(
                f"its test part has {split.end - split.test} rows; --horizon {longest}"
            )
        season = self.season or SEASONS[self.name]
        if season and (season > self.context or season >= split.train):
            raise InputError(
                f"--season {season} is longer than the context ({self.context}) or not shorter "
                f"than the training part ({split.train})"
            )
        return split

    def _cut(self, rows: int) -> Split:
        if self.name == "ratio":
            train, _, test = self.fractions
            split = Split(int(rows * train), rows - int(rows * test), rows)
            if split.train < 2 or split.test == rows:
                raise InputError(f"{rows} rows are too few to cut by {self.fractions}")
            return split
        month = MONTH * (4 if self.name == "ettm" else 1)
        if rows < 20 * month:
            raise InputError(f"{rows} rows; protocol {self.name} needs {20 * month}")
        return Split(12 * month, 16 * month, 20 * month)

    def targets(self, split: Split, horizon: int) -> range:
        """The first row of the targets of each window."""
        return range(split.test, split.end - horizon + 1, self.stride)

    def choose_season(self, calendar: Calendar | None) -> Season:
        """The season of series on a calendar; None is no calendar."""
        if fixed := self.season or SEASONS[self.name]:
            return Season(fixed, f"season {fixed}")
        if calendar is None:
            reason = "no regular times"
        elif calendar.season > self.context:
            reason = f"the {calendar.season} steps of a season are longer than the context"
        elif calendar.season == 1:
            reason = f"none is known for one step every {calendar.frequency}"
        else:
            text = f"season {calendar.season} (one step every {calendar.frequency})"
            return Season(calendar.season, text)
        return Season(1, f"season 1 ({reason}: seasonal naive is the last value)")
