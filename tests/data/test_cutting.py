"""Series cut into rows: every window inside exactly one."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data import staging
from data.corpus import Corpus
from data.prepare import main, prepare
from data.splitting import Lengths, choose_held_out, cut, rows_of, time_cut
from data.windows import WindowDataset
from tests.data.files import write_m4, write_wide

NAN = np.nan


@given(
    length=st.integers(1, 300),
    context=st.integers(1, 20),
    horizon=st.integers(1, 10),
    spare=st.integers(0, 40),
)
@example(length=40, context=6, horizon=4, spare=30)
@example(length=41, context=6, horizon=4, spare=30)
@example(length=71, context=6, horizon=4, spare=30)
@example(length=72, context=6, horizon=4, spare=30)
def test_every_window_is_inside_exactly_one_row(length, context, horizon, spare):
    """Windows across a cut would be lost, or be drawn twice as often as others."""
    size = context + horizon
    row_length = size + spare
    rows = list(cut(np.arange(length), row_length, size - 1))
    for row in rows:
        assert 1 <= len(row) <= row_length
        np.testing.assert_array_equal(row, np.arange(row[0], row[0] + len(row)))
    assert {int(value) for row in rows for value in row} == set(range(length))
    starts = Counter(int(start) for row in rows for start in row[: max(len(row) - size + 1, 0)])
    assert starts == Counter(range(length - size + 1))


def test_rows_repeat_context_and_horizon_less_one(tmp_path, monkeypatch):
    """The command would cut with another overlap than it is asked for."""
    monkeypatch.setattr(staging, "standardise", lambda values: values.astype(np.float32))
    file = write_m4(tmp_path / "file.csv", range(2), length=25)
    options = ["--row-length", "12", "--context", "5", "--horizon", "3", "--valid-fraction", "0.5"]
    assert main([str(file), "--out", str(tmp_path / "c"), *options]) == 0
    # 12 - (5 + 3 - 1) = 5 values further each time, until the end is reached
    expected = np.array([[start, min(start + 11, 24)] for start in (0, 5, 10, 15)])
    for split in ("train", "valid"):
        rows = Corpus(tmp_path / "c", split).rows
        assert rows.shape == (4, 12)
        ends = np.array([[row[0], row[np.isfinite(row)][-1]] for row in rows]) % 1000
        np.testing.assert_array_equal(ends, expected)


def test_a_row_may_hold_exactly_one_window(tmp_path):
    """The smallest row length would be refused, or cut without end."""
    file = write_m4(tmp_path / "file.csv", range(20))
    options = ["--row-length", "12", "--context", "9", "--horizon", "3"]
    assert main([str(file), "--out", str(tmp_path / "c"), *options]) == 0
    assert len(Corpus(tmp_path / "c", "train").rows) == 18 * (70 - 12 + 1)


def test_a_row_without_a_value_is_left_out():
    """A gap of years would fill the corpus with rows that give no window."""
    values = np.concatenate([np.arange(5.0), np.full(40, NAN), np.arange(5.0)])
    rows = [row for row, _ in rows_of(values, 0, Lengths(2, 2, 10))]
    assert len(list(cut(values, 10, 3))) == 7
    assert [np.isfinite(row).sum() for row in rows] == [5, 5]


# What is held out


@pytest.mark.parametrize("counts", [[1000], [10] * 100, [1] * 1000, [0, 999, 0, 1]])
@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.0001])
def test_the_share_is_held_out_and_any_series_may_be(counts, fraction):
    """Another number would be held out, or always the same series."""
    held_out = [choose_held_out(counts, fraction, seed) for seed in range(20)]
    assert {int(chosen.sum()) for chosen in held_out} == {max(1, round(1000 * fraction))}
    assert (held_out[0] == choose_held_out(counts, fraction, 0)).all()
    assert np.sum(held_out, axis=0).max() < 20


@pytest.mark.parametrize(
    ("num_values", "fraction", "lengths", "expected"),
    [
        (3000, 0.1, Lengths(), 2700),
        (100, 0.1, Lengths(), 84),  # at least 16
        (80, 0.1, Lengths(), 64),  # 64 are left for a window of 48 + 16
        (79, 0.1, Lengths(), None),
        (100, 0.5, Lengths(), None),  # 50 do not hold one
        (24, 0.1, Lengths(12, 6), 18),  # 16 would leave 8 for a window of 12 + 6
        (23, 0.1, Lengths(12, 6), None),
        (3, 0.1, Lengths(1, 1), 2),
    ],
)
def test_where_the_end_begins(num_values, fraction, lengths, expected):
    """Too little would be held out to validate, or too much to train."""
    assert time_cut(num_values, fraction, lengths) == expected


def test_rows_of_an_end_by_hand():
    """Contexts would not reach back, labels lie before the cut, or a later row begin too early."""
    rows = list(rows_of(np.arange(30.0), 13, Lengths(4, 2, 8)))
    # from 13 - 4 = 9 on, each row 8 - (4 + 2 - 1) = 3 values further
    spans = [(row[0], row[-1], first_label) for row, first_label in rows]
    assert spans == [(9, 16, 4), (12, 19, 4), (15, 22, 4), (18, 25, 4), (21, 28, 4), (24, 29, 4)]
    # nothing stands before the start: the context of the first row is shorter
    ((row, first_label),) = rows_of(np.arange(10.0), 3, Lengths(4, 2, 20))
    assert (row[0], row[-1], first_label) == (0, 9, 3)
    # the context before 7 begins in the second row, but that before 6 is whole in the first alone
    spans = [
        (row[0], row[-1], label) for row, label in rows_of(np.arange(10.0), 3, Lengths(4, 2, 8))
    ]
    assert spans == [(0, 7, 3), (3, 9, 4)]


def every_window(root, split, context, horizon):
    """Spans (first context value, first label, last label) of all windows that can be drawn."""
    corpus = Corpus(root, split)
    windows = WindowDataset(corpus, context, horizon, seed=0)
    spans = set()
    words = np.zeros((len(corpus.rows), 4), np.uint64)
    words[:, 0] = np.arange(len(corpus.rows))
    for end in range(corpus.rows.shape[1]):
        words[:, 1] = end  # it is taken modulo the number of places: each is reached
        windows._random_words = lambda samples, attempt: words
        values, usable = windows._draw(words[:, 0], 0)
        for window in values[usable]:
            seen = np.flatnonzero(np.isfinite(window))
            labels = seen[seen >= context]
            spans.add((window[seen[0]], window[labels[0]], window[labels[-1]]))
    return spans


@pytest.mark.parametrize("row_length", [60, 75, 4096])
@pytest.mark.parametrize(("context", "horizon"), [(40, 20), (16, 4), (7, 20), (40, 1), (1, 1)])
def test_no_label_of_validation_lies_before_the_cut_and_none_of_training_after(
    tmp_path, monkeypatch, row_length, context, horizon
):
    """Validation would be of values that were trained on. Every window of the corpus is looked at:
    the values of the series are the positions."""
    monkeypatch.setattr(staging, "standardise", lambda values: values.astype(np.float32))
    monkeypatch.setattr("data.windows.zscore", lambda window, context_length: window)
    file = write_wide(tmp_path / "file.csv", [0], length=300)
    prepare([file], tmp_path / "c", lengths=Lengths(40, 20, row_length))
    cut_at = 270
    train = every_window(tmp_path / "c", "train", context, horizon)
    valid = every_window(tmp_path / "c", "valid", context, horizon)
    assert max(last for _, _, last in train) == cut_at - 1
    assert {label for _, label, _ in valid} == {*range(cut_at, 300 - min(16, horizon) + 1)}
    assert all(label - first == context for first, label, _ in valid)  # contexts are whole
    # With the lengths that it was prepared for, no whole window is lost or there twice.
    whole = {span for span in train if span[2] - span[0] == context + horizon - 1}
    assert len(whole) == cut_at - context - horizon + 1
    whole = {span for span in valid if span[2] - span[0] == context + horizon - 1}
    assert len(whole) == 300 - cut_at - horizon + 1


def test_every_series_gives_its_end_if_asked(tmp_path, monkeypatch, capsys):
    """--split time would hold out whole series all the same, or lose short ones without a word."""
    monkeypatch.setattr(staging, "standardise", lambda values: values.astype(np.float32))
    long = write_wide(tmp_path / "long.csv", range(3), length=200)
    short = write_wide(tmp_path / "short.csv", range(3, 5), length=79)
    options = ["--split", "time", "--valid-fraction", "0.25"]
    assert main([str(long), str(short), "--out", str(tmp_path / "c"), *options]) == 0
    out = capsys.readouterr().out
    assert "2 series left out: too short for 64 values to train on and 16 to validate" in out
    assert "train 3 series in 3 rows, valid the ends of 3 series in 3 rows" in out
    train, valid = (Corpus(tmp_path / "c", split) for split in ("train", "valid"))
    positions = np.arange(4096.0)
    series = 1000 * np.arange(3)[:, None]
    expected = np.where(positions < 150, series + positions, NAN)
    np.testing.assert_array_equal(train.rows, expected)
    assert train.first_label is None
    expected = np.where(positions < 200, series + positions, NAN)
    np.testing.assert_array_equal(valid.rows, expected)
    assert valid.first_label.tolist() == [150] * 3


def test_a_single_short_series_says_which_lengths_fit(tmp_path, capsys):
    """One series of 70 values would end in an empty split, without a way out."""
    file = write_wide(tmp_path / "file.csv", [0], length=70)
    assert main([str(file), "--out", str(tmp_path / "c")]) == 1
    err = capsys.readouterr().err
    assert "no series leaves 64 values to train on and 16 to validate, the longest has 70" in err
    assert "--context 28 --horizon 14" in err
    assert not (tmp_path / "c").exists()
    options = ["--context", "28", "--horizon", "14"]
    assert main([str(file), "--out", str(tmp_path / "c"), *options]) == 0
