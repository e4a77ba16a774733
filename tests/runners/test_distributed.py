"""Launching several processes, and what they say when they fail."""

import atexit
import signal

import pytest
import torch.distributed as dist

from runners import distributed
from tests.processes import Ranks
from tests.small import OVERRIDES, TINY


@pytest.mark.parametrize(
    ("end", "status"), [("sys.exit(0)", 0), ("sys.exit(2)", 2), ("os.kill(os.getpid(), 9)", 137)]
)
def test_launcher_returns_the_status_of_a_failed_process(tmp_path, capfd, end, status):
    """A failed run that ends with status 0 looks finished to a scheduler."""
    script = tmp_path / "script.py"
    script.write_text(f"import os, sys\nif os.environ['RANK'] == sys.argv[1]:\n    {end}\n")
    assert distributed.launch(str(script), ["1"], 2) == status
    failed = "error: process 1 ended with status" in capfd.readouterr().err
    assert failed == (status != 0)


def test_processes_of_a_wrong_setting_end_with_its_status():
    """A launcher would take it for a crash; the status of one process is in test_train.py."""
    ranks = Ranks("train.py", ["-c", str(TINY), "DATASET.NAME=none"])
    _, stderr = ranks.communicate(timeout=60)
    statuses = {process.returncode for process in ranks.processes}
    assert 2 in statuses
    assert statuses <= {2, 128 + signal.SIGTERM}  # the launcher stops the one that is later
    assert "there is no corpus at datasets/none" in stderr


def test_failed_process_ends_gloo_before_python_ends(monkeypatch):
    """One process in twenty aborted at exit, so a wrong setting ended with status 134, not 2."""
    at_exit = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 0, "RANK": 0}
    for name, value in (place | {"WORLD_SIZE": 1}).items():
        monkeypatch.setenv(name, str(value))
    try:
        distributed.start(0, 30.0)
        for function in reversed(at_exit):
            function()
        assert not dist.is_initialized()
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


@pytest.mark.parametrize(
    ("fault", "environment", "reason", "given"),
    [
        # The name of a host stands for 127.0.1.1, which is another machine's own address too.
        ("apart:0:0", {}, "Connect timeout [127.0.1.1]:25222", "GLOO_SOCKET_IFNAME is not set"),
        ("none:0:-1", {"GLOO_SOCKET_IFNAME": "none7"}, "Unable to find address for: none7",
         "GLOO_SOCKET_IFNAME is 'none7'"),
    ],
)  # fmt: skip
def test_processes_that_cannot_meet_say_why(fault, environment, reason, given):
    """It ended in a traceback, or in `'NoneType' object has no attribute 'get'`."""
    arguments = ["-c", str(TINY), "--run-dir", "run", *OVERRIDES]
    ranks = Ranks("tests/faulty_train.py", arguments, FAULT=fault, **environment)
    _, stderr = ranks.communicate(timeout=60)
    assert ranks.returncode != 0
    lines = [line for line in stderr.splitlines() if line.startswith("error (process ")]
    assert lines  # one each, but the second process may be asked to stop before it
    assert all("the 2 processes could not meet at 127.0.0.1:" in line for line in lines)
    assert all(reason in line and given in line for line in lines)
    assert "Traceback" not in stderr
