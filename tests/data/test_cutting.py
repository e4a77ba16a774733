"""Series cut into rows: every window inside exactly one."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.corpus import Corpus
from data.prepare import cut, main, prepare
from tests.data.files import write_m4


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


def test_rows_repeat_context_and_horizon_less_one(tmp_path):
    """The command would cut with another overlap than it is asked for."""
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


def test_rows_that_do_not_advance_are_refused(tmp_path):
    """Rows that repeat themselves whole would be written until the disk is full."""
    file = write_m4(tmp_path / "file.csv", range(20))
    with pytest.raises(ValueError, match="row_length 64 must be above overlap 64"):
        prepare([file], tmp_path / "c", row_length=64, overlap=64)
    assert not (tmp_path / "c").exists()
