"""The windows of series, cut into batches; one roll of the model serves several horizons.

Shapes: B windows, L context, H horizon.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from runners.evaluation.protocol import Protocol, Split
from runners.evaluation.series import Series


class Roll(NamedTuple):
    """Forecasts that start at the same rows, made at once.

    Attributes:
        horizon: H, the longest of them.
        serves: all of them; the shorter ones are the first passes of the longest.
    """

    horizon: int
    serves: tuple[int, ...]


class Batch(NamedTuple):
    """Windows of one roll.

    Attributes:
        roll: how they are forecast.
        past: z-scores, float32 [B, L]; NaN where missing.
        target: likewise, [B, H].
        scale: of MASE, float64 [B].
    """

    roll: Roll
    past: Tensor
    target: Tensor
    scale: Tensor


def plan_rolls(protocol: Protocol, split: Split, pass_steps: int) -> dict[Roll, list[int]]:
    """The rows at which a series is forecast, by how far.

    Where several horizons start at one row, those that are whole passes are the first passes of the
    longest one. The others end inside a pass; the model, which reads its query tokens together,
    forecasts such a pass differently, so each is a roll of its own.

    Args:
        protocol: which windows are needed.
        split: of the series.
        pass_steps: steps of one pass of the model.
    """
    horizons: dict[int, list[int]] = defaultdict(list)  # by row
    for horizon in sorted(protocol.horizons):
        for row in protocol.targets(split, horizon):
            horizons[row].append(horizon)
    rolls: dict[Roll, list[int]] = defaultdict(list)
    for row in sorted(horizons):
        *shorter, longest = horizons[row]
        whole = [horizon for horizon in shorter if horizon % pass_steps == 0]
        rolls[Roll(longest, (*whole, longest))].append(row)
        for horizon in shorter:
            if horizon not in whole:
                rolls[Roll(horizon, (horizon,))].append(row)
    return rolls


class EvaluationWindows:
    """The windows of a table, in batches.

    Args:
        series: of the table.
        protocol: which windows are needed.
        pass_steps: steps of one pass of the model.
        batch_size: most windows of a batch.

    Attributes:
        counts: `{horizon: number of windows of each channel}`.
        num_batches: of all rolls.
    """

    def __init__(self, series: Series, protocol: Protocol, pass_steps: int, batch_size: int):
        self.series = series
        self.context = protocol.context
        self.batch_size = batch_size
        self._plans = {
            split: plan_rolls(protocol, split, pass_steps) for split in set(series.splits)
        }
        self._rolls = sorted({roll for plan in self._plans.values() for roll in plan})
        self.counts = {
            horizon: [len(protocol.targets(split, horizon)) for split in series.splits]
            for horizon in protocol.horizons
        }
        sizes = [
            sum(len(self._plans[split].get(roll, ())) for split in series.splits)
            for roll in self._rolls
        ]
        self.num_batches = sum(-(-size // batch_size) for size in sizes)

    def __iter__(self) -> Iterator[Batch]:
        """The batches, roll after roll, channel after channel."""
        for roll in self._rolls:
            cut = self.series.values.unfold(0, self.context + roll.horizon, 1)  # a view
            starts = self._window_starts(roll)
            while batch := list(islice(starts, self.batch_size)):
                channels, firsts = torch.tensor(batch).T
                window = cut[firsts]
                past, target = window[:, : self.context], window[:, self.context :]
                yield Batch(roll, past, target, self.series.scale[channels])

    def _window_starts(self, roll: Roll) -> Iterator[tuple[int, int]]:
        """Channel and first row of each window of a roll."""
        channels = zip(self.series.starts, self.series.splits, strict=True)
        for channel, (start, split) in enumerate(channels):
            for row in self._plans[split].get(roll, ()):
                yield channel, start + row - self.context
