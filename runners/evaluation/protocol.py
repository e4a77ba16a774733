"""Which windows of a file are forecast: how its rows are split, scaled, and cut into windows.

Shapes: C channels, B windows, L context, H horizon.
"""

from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from data.tables import read_table
from models.utp import row_scale
from runners import InputError
from runners.evaluation.baselines import seasonal_scale

MONTH = 30 * 24  # hours; ETT's months have 30 days
FRACTIONS = (0.7, 0.1, 0.2)
SEASONS = {"etth": 24, "ettm": 96, "ratio": 1}


class Split(NamedTuple):
    """Rows of a file: training [0, train), test [test, end)."""

    train: int
    test: int
    end: int


class Series(NamedTuple):
    """The channels of one file, ready for evaluation.

    Attributes:
        name: of the file.
        values: [C, rows] float32, z-scored by the training part; NaN where missing.
        scale: of MASE, [C] float64, in those units.
        split: of the rows.
    """

    name: str
    values: Tensor
    scale: Tensor
    split: Split


def open_series(path: Path, protocol: str, fractions: tuple[float, ...], season: int) -> Series:
    """Reads a file and scales each channel by its training part.

    Raises:
        TableError: it is no table.
        InputError: it has fewer rows than the protocol needs.
    """
    columns = read_table(path, "wide").series
    split = split_rows(path, len(columns[0]), protocol, fractions)
    values = torch.empty(len(columns), len(columns[0]))
    scale = torch.empty(len(columns), dtype=torch.float64)
    for channel, column in enumerate(columns):  # one by one: files may be large
        column = torch.from_numpy(column)[None]  # [1, rows] float64
        column = torch.where(column.isfinite(), column, torch.nan)
        mean, std = row_scale(column[:, : split.train])
        z = (column - mean) / std
        values[channel] = z
        scale[channel] = seasonal_scale(z[:, : split.train], season)
    if values[:, split.test : split.end].isnan().all():
        raise InputError(f"{path}: its test part, from row {split.test} on, holds no value")
    return Series(path.name, values, scale, split)


def split_rows(path: Path, rows: int, protocol: str, fractions: tuple[float, ...]) -> Split:
    """Where a protocol cuts a file of so many rows (docs/evaluation.md)."""
    if protocol == "ratio":
        split = Split(int(rows * fractions[0]), rows - int(rows * fractions[2]), rows)
        if split.train < 2 or split.test == rows:
            raise InputError(f"{path}: {rows} rows are too few to cut by {fractions}")
        return split
    month = MONTH * (4 if protocol == "ettm" else 1)
    if rows < 20 * month:
        raise InputError(f"{path}: {rows} rows; protocol {protocol} needs {20 * month}")
    return Split(12 * month, 16 * month, 20 * month)


def check_lengths(
    series: Series, path: Path, context: int, horizons: list[int], season: int
) -> None:
    """Refuses windows that a file does not hold."""
    train, test, end = series.split
    if context > test:
        raise InputError(f"{path}: {test} rows lie before its test part; --context {context}")
    if max(horizons) > end - test:
        raise InputError(f"{path}: its test part has {end - test} rows; --horizon {max(horizons)}")
    if season > context or season >= train:
        raise InputError(
            f"{path}: --season {season} is longer than the context ({context}) or not shorter "
            f"than the training part ({train})"
        )


def windows(
    series: Series, context: int, horizon: int, starts: range, batch_size: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches of contexts [B, L], targets [B, H] and scales [B], channel by channel.

    Args:
        series: of one file.
        context: L, rows before each start; they may lie before the test part.
        horizon: H.
        starts: first rows of the targets.
        batch_size: B.
    """
    cut = series.values.unfold(1, context + horizon, 1)  # [C, windows, L + H], a view
    places = product(range(len(series.values)), starts)
    while batch := list(islice(places, batch_size)):
        channels, rows = torch.tensor(batch).T
        window = cut[channels, rows - context]
        yield window[:, :context], window[:, context:], series.scale[channels]
