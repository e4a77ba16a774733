"""A corpus that needs no files, and rows for it."""

from pathlib import Path

import numpy as np


class MemoryCorpus:
    """Rows [n, row length], and their first labels, as `data.windows` sees those of a corpus."""

    def __init__(self, rows, first_label=None):
        self.first_label = None if first_label is None else np.asarray(first_label)
        self.rows = np.asarray(rows, np.float32)
        self.read = self.rows.__getitem__
        self.folder = Path("the/corpus")


def coded_rows(lengths, width):
    """Row r holds r * 10,000 + position; NaN behind the end of the series."""
    rows = 1e4 * np.arange(len(lengths))[:, None] + np.arange(width)
    return np.where(np.arange(width) < np.array(lengths)[:, None], rows, np.nan)


def gappy_rows():
    """Rows in which about half of the windows of 48 + 16 must be drawn again."""
    rows = np.random.default_rng(1).normal(size=(6, 400)).cumsum(axis=1)
    rows[::2, 40:330] = np.nan
    return rows


def assert_same(found, expected):
    """Asserts equal bits, NaN included."""
    for part, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(part.numpy(), other.numpy())
