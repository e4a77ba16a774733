"""Fixtures of the tests that prepare tables, and of those that draw windows."""

import numpy as np
import pytest

from data import staging, windows
from data.prepare import main
from tests.data.files import write_m4


@pytest.fixture
def unscaled(monkeypatch):
    """Rows hold the values of the files, so that values tell series."""
    monkeypatch.setattr(staging, "standardise", lambda values: values.astype(np.float32))


@pytest.fixture
def file(tmp_path):
    """An m4 file of 20 series of 70 values."""
    return write_m4(tmp_path / "file.csv", range(20))


@pytest.fixture
def refused(tmp_path, capsys):
    """Asserts that the command fails with one line and leaves nothing new."""

    def refused(*args, words):
        before = sorted(tmp_path.rglob("*"))
        assert main([str(arg) for arg in args]) == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("error: ")
        assert words in lines[0]
        assert sorted(tmp_path.rglob("*")) == before

    return refused


@pytest.fixture
def raw(monkeypatch):
    """Windows come as they lie in the rows, so that values tell positions."""
    monkeypatch.setattr(windows, "zscore", lambda window, context_length: window)
