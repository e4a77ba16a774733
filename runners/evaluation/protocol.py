"""Which windows of a series are forecast: how its rows are split and cut. docs/evaluation.md."""

from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

from data.calendar import Calendar
from runners import InputError, at_least_one

MONTH = 30 * 24  # hours; ETT's months have 30 days
FRACTIONS = (0.7, 0.1, 0.2)
RATIO, BACKTEST = "ratio", "backtest"
# None: the season of the calendar. The other protocols cut all series of a table at the same rows.
SEASONS = {"etth": 24, "ettm": 96, RATIO: None, BACKTEST: None}


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
        name: 'etth', 'ettm', 'ratio' or 'backtest'.
        fractions: training, validation and test shares of protocol 'ratio'.
        context: L, rows before each start; they may lie before the test part. None: as many as the
            forecaster looks back on.
        horizons: each H.
        stride: rows between two windows, but of protocol 'backtest'.
        season: in steps, as the user has given it; None for that of the protocol or calendar.
        num_windows: of protocol 'backtest': windows of each series and horizon.
        step: of protocol 'backtest': rows between two windows; None for the horizon.

    Raises:
        InputError: a value can never be right; the message names it and says what is allowed.
    """

    name: str = RATIO
    fractions: tuple[float, ...] = FRACTIONS
    context: int | None = None
    horizons: tuple[int, ...] = (96,)
    stride: int = 1
    season: int | None = None
    num_windows: int | None = None
    step: int | None = None

    def __post_init__(self):
        if self.name not in SEASONS:
            raise InputError(f"protocol {self.name!r}: it is one of {', '.join(SEASONS)}")
        object.__setattr__(self, "horizons", tuple(self.horizons))  # a list would do as well
        if not self.horizons:
            raise InputError("horizon: give at least one")
        for horizon in self.horizons:
            at_least_one("horizon", horizon)
            if self.horizons.count(horizon) > 1:
                raise InputError(f"horizon {horizon}: give each once")
        for name in ("context", "stride", "season", "num_windows", "step"):
            if getattr(self, name) is not None:
                at_least_one(name, getattr(self, name))
        if self.is_backtest != (self.num_windows is not None):
            raise InputError("num_windows goes with protocol backtest, which needs it")
        if self.step is not None and not self.is_backtest:
            raise InputError(f"step {self.step}: it goes with protocol backtest; others: stride")
        if self.stride != 1 and self.is_backtest:
            raise InputError(f"stride {self.stride}: protocol backtest has step instead")
        if self.name == RATIO:
            self._check_fractions()

    def _check_fractions(self) -> None:
        shares = tuple(self.fractions)
        if len(shares) != 3 or min(shares) < 0 or shares[0] == 0 or sum(shares) > 1 + 1e-9:
            raise InputError(
                f"fractions {list(shares)}: training, validation and test shares, none below 0, "
                "of at most 1 together"
            )

    @property
    def is_backtest(self) -> bool:
        """Whether the windows are counted from the end of each series."""
        return self.name == BACKTEST

    @property
    def needs_same_times(self) -> bool:
        """Whether all series of a table are cut at the same rows."""
        return SEASONS[self.name] is not None

    def with_context(self, context: int) -> "Protocol":
        """The same, with this context where none is given."""
        return self if self.context is not None else replace(self, context=context)

    @property
    def training(self) -> str:
        """What a series is scaled by, in words."""
        return "rows before the first window" if self.is_backtest else "training part"

    def settings(self) -> dict:
        """Its fields as plain values; what it does not use is left out."""
        settings = {"protocol": self.name, "horizon": self.horizons} | asdict(self)
        unused = ["name", "horizons"]
        unused += ["stride"] if self.is_backtest else ["num_windows", "step"]
        unused += [] if self.name == RATIO else ["fractions"]
        settings = {name: value for name, value in settings.items() if name not in unused}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in settings.items()
        }

    def __str__(self) -> str:
        if self.is_backtest:
            step = self.step or "of the horizon"
            windows = f"{self.num_windows} windows at the end of each series, step {step}"
        else:
            windows = f"stride {self.stride}"
        return f"protocol {self.name}, context {self.context}, {windows}"

    def split(self, rows: int) -> Split:
        """Where a series of so many rows is cut.

        Raises:
            InputError: it has too few rows for the protocol or for its windows.
        """
        split = self._cut(rows)
        if self.context > split.test:
            where = "first window" if self.is_backtest else "test part"
            raise InputError(f"{split.test} rows lie before its {where}; --context {self.context}")
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
        if self.is_backtest:
            needed = max(rows - self._starts(rows, horizon).start for horizon in self.horizons)
            if needed >= rows:
                raise InputError(f"{rows} rows; its windows need {needed}, and a context before")
            # What lies before the first window of all horizons: one unit for all of them.
            return Split(rows - needed, rows - needed, rows)
        if self.name == RATIO:
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
        if self.is_backtest:
            return self._starts(split.end, horizon)
        return range(split.test, split.end - horizon + 1, self.stride)

    def _starts(self, end: int, horizon: int) -> range:
        """Of a backtest: the target of the last window ends where the series does."""
        step, last = self.step or horizon, end - horizon
        return range(last - (self.num_windows - 1) * step, last + 1, step)

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
