"""The lock of a run's folder, on a file system that has none."""

import errno
import fcntl
from pathlib import Path

import pytest

from tests.small import run


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_costs_a_warning(monkeypatch, code):
    """No run could be started on some network and container file systems."""

    def no_locks(*_):
        raise OSError(code, "no locks here")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    run("run", "TRAIN.NUM_ITERATIONS=1")
    assert Path("run/latest.pt").exists()
    said = Path("run/training.log").read_text()
    assert "run: this file system cannot lock files (no locks here)" in said


def test_another_fault_of_the_lock_is_not_passed_over(monkeypatch):
    """A disk that fails would look like a file system without locks."""

    def fails(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fails)
    with pytest.raises(OSError, match="Input/output error"):
        run("run", "TRAIN.NUM_ITERATIONS=1")
