"""Where a window lies in its row, and which windows are never drawn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.corpus import CorpusError
from data.windows import WindowDataset
from tests.data.memory import MemoryCorpus, assert_same, coded_rows, gappy_rows

NAN, INF = np.nan, np.inf


def places(batch, context_length):
    """Row and context end of each window of `coded_rows`, from any finite context value."""
    context = batch.context.numpy()
    column = np.isfinite(context).argmax(axis=1)
    row, position = np.divmod(context[np.arange(len(context)), column], 1e4)
    return row.astype(int), position.astype(int) + context_length - column


def assert_uniform(counts):
    """Chi-square within five standard deviations of its mean."""
    expected, freedom = counts.sum() / len(counts), len(counts) - 1
    assert np.square(counts - expected).sum() / expected < freedom + 5 * np.sqrt(2 * freedom)


# Where a window lies


def test_a_window_is_a_stretch_of_its_row(raw):
    """Windows would be shifted, hold another row's values, or pass padding off as data."""
    lengths, context_length, horizon = [64, 65, 120, 200, 300], 100, 32
    rows = coded_rows(lengths, 300)
    rows[2, 60:80] = NAN
    rows[3, 200] = INF  # behind the last finite value: not of the series
    corpus = MemoryCorpus(rows)
    batch = WindowDataset(corpus, context_length, horizon, seed=0).batch(range(1000))
    row, end = places(batch, context_length)
    expected = np.full((1000, context_length + horizon), NAN)
    for i in range(1000):
        for j in range(context_length + horizon):
            position = end[i] - context_length + j
            if 0 <= position < lengths[row[i]]:
                expected[i, j] = rows[row[i], position]
    np.testing.assert_array_equal(batch.context, expected[:, :context_length])
    labels = expected[:, context_length:]
    np.testing.assert_array_equal(batch.mask, np.isfinite(labels))
    np.testing.assert_array_equal(batch.labels, np.nan_to_num(labels))
    assert (end >= 48).all()
    assert (np.array(lengths)[row] - end >= 16).all()


def test_rows_and_context_ends_are_uniform(raw):
    """Some rows or places would be drawn more often, or the extremes never."""
    lengths = [64, 84, 200, 300]
    windows = WindowDataset(MemoryCorpus(coded_rows(lengths, 320)), 100, 32, seed=0)
    row, end = places(windows.batch(range(12_000)), 100)
    assert_uniform(np.bincount(row, minlength=4))
    assert set(end[row == 0]) == {48}
    for r in (1, 2, 3):
        counts = np.bincount(end[row == r] - 48)
        assert len(counts) == lengths[r] - 16 - 48 + 1
        assert counts[0] > 0
        assert_uniform(counts)


@pytest.mark.parametrize(
    ("context_length", "horizon", "first", "last"),
    [(100, 32, 48, 64), (48, 16, 48, 64), (20, 32, 20, 64), (100, 5, 48, 75), (1, 1, 1, 79)],
)
def test_a_shorter_model_needs_fewer_positions(raw, context_length, horizon, first, last):
    """Short models would never see the ends of a series, or long ones lose their minimum."""
    windows = WindowDataset(MemoryCorpus(coded_rows([80], 100)), context_length, horizon, seed=0)
    _, end = places(windows.batch(range(1500)), context_length)
    assert (end.min(), end.max()) == (first, last)


def test_a_series_below_the_minimum_is_never_drawn(raw):
    """A series of 63 would give windows with fewer than 48 + 16 positions."""
    windows = WindowDataset(MemoryCorpus(coded_rows([63, 64], 100)), 100, 32, seed=0)
    row, _ = places(windows.batch(range(100)), 100)
    assert set(row) == {1}


def test_a_batch_has_these_types():
    """The model expects float32 tensors of fixed shape."""
    batch = WindowDataset(MemoryCorpus(gappy_rows()), 50, 7, seed=0).batch(range(3))
    assert [part.shape for part in batch] == [(3, 50), (3, 7), (3, 7)]
    assert {part.dtype for part in batch} == {torch.float32}


@pytest.mark.parametrize(
    ("context_length", "horizon", "first_label", "first", "last"),
    [
        (100, 32, 0, 48, 284),
        (100, 32, 30, 48, 284),
        (100, 32, 130, 130, 284),
        (100, 32, 284, 284, 284),
        (5, 3, 130, 130, 297),
    ],
)
def test_labels_begin_where_the_row_says(raw, context_length, horizon, first_label, first, last):
    """Validation would be of values that lie before the cut, or contexts not reach back."""
    corpus = MemoryCorpus(coded_rows([300, 300], 320), [first_label, 0])
    windows = WindowDataset(corpus, context_length, horizon, seed=0)
    batch = windows.batch(range(8000))
    row, end = places(batch, context_length)
    assert (end[row == 0].min(), end[row == 0].max()) == (first, last)
    assert_uniform(np.bincount(row, minlength=2))
    unbound = WindowDataset(MemoryCorpus(corpus.rows), context_length, horizon, seed=0)
    before = unbound.batch(range(8000))
    assert_same([part[row == 1] for part in batch], [part[row == 1] for part in before])


def test_a_row_with_too_few_labels_after_its_first_is_never_drawn(raw):
    """Fewer than 16 labels would be asked for, or places behind the end of the series."""
    corpus = MemoryCorpus(coded_rows([300, 300, 64], 300), [285, 284, 300])
    row, end = places(WindowDataset(corpus, 100, 32, seed=0).batch(range(50)), 100)
    assert set(row) == {1}
    assert set(end) == {284}


# Windows of no use


def test_windows_of_no_use_are_drawn_again():
    """A step would see contexts without a value or forecasts without a label."""
    rows = np.full((1, 2000), NAN)
    rows[0, :100] = rows[0, 1900:] = np.sin(np.arange(100))
    batch = WindowDataset(MemoryCorpus(rows), 48, 16, seed=0).batch(range(300))
    assert batch.context.isfinite().any(dim=1).all()
    assert (batch.mask.sum(dim=1) > 0).all()


def test_a_window_with_all_labels_masked_is_drawn_again():
    """Labels that are finite but all beyond 4 would count as usable."""
    rows = np.tile([-1.0, 1.0], 60)[None].repeat(2, axis=0)
    rows[0, 48:] = 100.0
    batch = WindowDataset(MemoryCorpus(rows[:, :64]), 48, 16, seed=0).batch(range(100))
    assert (batch.mask.sum(dim=1) == 16).all()


def test_after_100_attempts_an_error_names_corpus_and_sample(monkeypatch):
    """A corpus without a usable window would hang, or fail without a name."""
    attempts, draw = [], WindowDataset._draw

    def counted(self, samples, attempt):
        attempts.append(attempt)
        return draw(self, samples, attempt)

    monkeypatch.setattr(WindowDataset, "_draw", counted)
    windows = WindowDataset(MemoryCorpus(np.full((3, 100), NAN)), 64, 16, seed=0)
    with pytest.raises(CorpusError, match=r"the/corpus: sample 7 .* 100 attempts.* 48 .* 16 "):
        windows.batch([7, 8])
    assert attempts == list(range(100))


@pytest.mark.parametrize(
    "rows",
    [
        np.full((2, 100), NAN),
        np.full((2, 100), INF),
        np.zeros((2, 63)),
        np.zeros((2, 1)),
        np.where(np.arange(100) < 63, 0.0, NAN)[None],
        np.where(np.arange(64) < 48, [0.0, 1.0] * 32, 1e38)[None],
    ],
    ids=["missing", "infinite", "narrow", "of one value", "short", "labels masked"],
)
def test_a_corpus_without_a_usable_row_is_refused(rows):
    """Training would hang, learn from nothing, or end in a traceback from numpy."""
    with pytest.raises(CorpusError, match="the/corpus: sample 0 found no usable window"):
        WindowDataset(MemoryCorpus(rows), 64, 16, seed=0).batch(range(3))


def test_one_usable_row_among_many_is_enough(raw):
    """Rows of no use would end the training although others are good."""
    rows = coded_rows([0, 63, 47, 1, 0, 200, 10, 63], 200)
    rows[4] = INF
    row, _ = places(WindowDataset(MemoryCorpus(rows), 64, 16, seed=0).batch(range(200)), 64)
    assert set(row) == {5}


@settings(max_examples=60, deadline=None)
@given(
    context_length=st.integers(2, 80),  # one value is constant, and no other label is like it
    horizon=st.integers(1, 24),
    spare=st.integers(0, 60),
    bad_rows=st.integers(0, 4),
    missing=st.floats(0, 1),
    infinite=st.floats(0, 0.3),
    exponent=st.integers(-42, 38),
    seed=st.integers(0, 2**32),
)
def test_any_corpus_gives_clean_batches(
    context_length, horizon, spare, bad_rows, missing, infinite, exponent, seed
):
    """Some NaN pattern, size or magnitude would bring NaN or infinity into a loss."""
    rng = np.random.default_rng(seed)
    width = min(48, context_length) + min(16, horizon) + spare
    rows = rng.uniform(-1, 1, (1 + bad_rows, width))
    bad = rows[1:]
    bad *= 10.0**exponent
    bad[rng.random(bad.shape) < missing] = NAN
    bad[rng.random(bad.shape) < infinite] = INF
    bad[np.arange(width) >= rng.integers(0, width + 1, (bad_rows, 1))] = NAN
    context, labels, mask = WindowDataset(MemoryCorpus(rows), context_length, horizon, seed).batch(
        range(seed, seed + 20)
    )
    seen = context.isfinite()
    assert (seen | context.isnan()).all()
    assert seen.any(dim=1).all()
    assert (context[seen].abs() <= 4).all()
    assert (labels.abs() <= 4).all()
    assert ((mask == 0) | (mask == 1)).all()
    assert (mask.sum(dim=1) >= 1).all()
    assert (labels[mask == 0] == 0).all()
