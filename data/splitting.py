"""Cuts series into the rows of a corpus, and decides what is held out for validation.

Two splits are known. `series` holds out whole series. `time` holds out the end of each series:
training rows end at the cut, and a validation row starts before it, for contexts reach back; so
each validation row says where its labels may begin.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from data.corpus import MIN_CONTEXT, MIN_TARGET

SPLIT_KINDS = ("series", "time")


class Lengths(NamedTuple):
    """The longest window that a corpus is prepared for, and its rows.

    Attributes:
        context: values that a model looks back on.
        horizon: values that it forecasts.
        row: values per row of the corpus.
    """

    context: int = 1024
    horizon: int = 64
    row: int = 4096

    @property
    def overlap(self) -> int:
        """Values that two rows of one series share, so that each window lies inside a row."""
        return self.context + self.horizon - 1

    @property
    def min_context(self) -> int:
        """Context values that a window needs at least."""
        return min(MIN_CONTEXT, self.context)

    @property
    def min_target(self) -> int:
        """Labels that a window needs at least."""
        return min(MIN_TARGET, self.horizon)

    @property
    def min_series(self) -> int:
        """Values that a series needs at least."""
        return self.min_context + self.min_target


def trim(values: np.ndarray) -> np.ndarray:
    """The series without the missing values before its first and after its last."""
    finite = np.isfinite(values)
    if not finite.any():
        return values[:0]
    return values[finite.argmax() : len(values) - finite[::-1].argmax()]


def cut(values: np.ndarray, row_length: int, overlap: int) -> Iterator[np.ndarray]:
    """Rows of at most row_length values, each repeating the last `overlap` of the one before."""
    start = 0
    while True:
        yield values[start : start + row_length]
        if start + row_length >= len(values):
            return
        start += row_length - overlap


def choose_held_out(counts: Sequence[int], fraction: float, seed: int) -> np.ndarray:
    """Which series are held out: max(1, round(fraction n)) of two or more.

    Each file gives its share, so that chance does not leave out a kind of series. Files of few
    series give theirs together: else rounding alone, and no chance, would choose.

    Args:
        counts: series of each file.
        fraction: share to hold out, in (0, 1).
        seed: of the choice.

    Returns:
        bool [n], the files' series one after another.
    """
    pools: list[int] = []
    for count in counts:
        if pools and pools[-1] * fraction < 1:
            pools[-1] += count
        else:
            pools.append(count)
    rng = np.random.default_rng(seed)
    held_out = np.zeros(sum(counts), bool)
    start = 0
    for count in pools:
        # Rounding the running total holds out the right number over many small files.
        wanted = round((start + count) * fraction) - held_out.sum()
        chosen = rng.choice(count, min(wanted, count), replace=False)
        held_out[start + chosen] = True
        start += count
    if len(held_out) > 1 and not held_out.any():
        held_out[rng.integers(len(held_out))] = True
    return held_out


def time_cut(num_values: int, fraction: float, lengths: Lengths) -> int | None:
    """Where the held-out end of a series begins; None where the series is too short to divide.

    The end is `fraction` of the series, and at least 16 values; fewer, down to the labels that a
    window needs, where training would be left without a window.
    """
    spare = num_values - lengths.min_series  # what training can do without
    held_out = max(round(num_values * fraction), min(MIN_TARGET, spare))
    return num_values - held_out if lengths.min_target <= held_out <= spare else None


def rows_of(values: np.ndarray, cut_at: int, lengths: Lengths) -> Iterator[tuple]:
    """The rows of a series, each with the position in it before which no label may lie.

    Args:
        values: the whole series.
        cut_at: position of its first label; rows begin `context` values before. 0: anywhere.
        lengths: context, horizon and row length.

    Yields:
        (row, first label). Rows without a value are left out.
    """
    start = max(0, cut_at - lengths.context)
    first_label = cut_at - start
    for row in cut(values[start:], lengths.row, lengths.overlap):
        if np.isfinite(row).any():
            yield row, first_label
        # Windows that begin before this row, and so end in its first values, are in the row above.
        first_label = lengths.context if cut_at else 0
