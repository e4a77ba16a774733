"""data.prepare ended from outside: never half a corpus, no traceback."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.corpus import Corpus, CorpusError
from data.prepare import main, prepare
from tests.data.files import write_m4

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "data.prepare"]
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}


def ends(group, seconds=30):
    """Whether all processes of a group end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def stop(tmp_path):
    """Sends the command a signal between its two files; returns status, stderr and what is left."""

    def stop(number, *options):
        write_m4(tmp_path / "first.csv", range(20))
        os.mkfifo(tmp_path / "second.csv")  # nobody writes: the command waits
        process = subprocess.Popen(
            [*COMMAND, "first.csv", "second.csv", "--out", "c", *options],
            cwd=tmp_path,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a group of its own, in which no process may be left
            # A shell's background job ignores Ctrl-C, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            assert "20 series" in process.stdout.readline()
            assert list(tmp_path.glob(".c.*"))
            assert not (tmp_path / "c").exists()
            if number == signal.SIGINT:  # a terminal's Ctrl-C reaches the whole group
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            _, error = process.communicate(timeout=60)
            assert ends(process.pid)
        finally:
            process.kill()
        left = {path.name for path in tmp_path.iterdir()} - {"first.csv", "second.csv"}
        return process.returncode, error, left

    return stop


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one", "workers"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stop_leaves_nothing(stop, number, status, options):
    """A cluster's job or Ctrl-C would leave half a corpus, a hidden folder, a process that reads,
    or a traceback."""
    found, error, left = stop(number, *options)
    assert found == status
    assert len(error.splitlines()) == (number == signal.SIGINT)
    assert "Traceback" not in error
    assert left == set()


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one", "workers"])
def test_a_kill_leaves_no_corpus(tmp_path, stop, options):
    """Half a corpus would be taken for a whole one, or stand in the way of the next run; or the
    processes that read would go on for ever."""
    found, _, left = stop(signal.SIGKILL, *options)
    assert found == -signal.SIGKILL
    assert "c" not in left
    assert main([str(tmp_path / "first.csv"), "--out", str(tmp_path / "c")]) == 0
    assert len(Corpus(tmp_path / "c", "train").rows) == 18


def test_readers_leave_ctrl_c_to_their_parent(tmp_path):
    """One that still loads its modules would answer with a traceback."""
    files = [write_m4(tmp_path / name, [number]) for number, name in enumerate(("a.csv", "b.csv"))]
    others = set(multiprocessing.active_children())  # of other tests
    blocked = []

    def look(line):
        for child in set(multiprocessing.active_children()) - others:
            status = Path(f"/proc/{child.pid}/status").read_text()
            mask = int(status.partition("SigBlk:")[2].split()[0], 16)
            blocked.append(bool(mask & 1 << (signal.SIGINT - 1)))

    prepare(files, tmp_path / "c", workers=2, say=look)
    assert blocked
    assert all(blocked)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())


def test_a_killed_reader_is_one_line(tmp_path):
    """The kernel kills what takes too much memory; the command would wait for ever."""
    files = [write_m4(tmp_path / "first.csv", range(3)), tmp_path / "second.csv"]
    os.mkfifo(files[1])
    others = set(multiprocessing.active_children())  # of other tests

    def kill_a_child(line):
        (set(multiprocessing.active_children()) - others).pop().kill()

    with pytest.raises(CorpusError, match="was killed, perhaps for want of memory; give fewer"):
        prepare(files, tmp_path / "c", workers=2, say=kill_a_child)
    assert sorted(tmp_path.iterdir()) == files
    assert set(multiprocessing.active_children()) <= others


def test_a_reader_that_leaves_is_no_error(tmp_path):
    """`| head -1` would be blamed on the corpus, and cost it."""
    write_m4(tmp_path / "file.csv", range(20))
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "file.csv", "--out", "c"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(Corpus(tmp_path / "c", "train").rows) == 18


def test_the_command_does_not_load_torch():
    """A command about CSV files would take seconds to start, or to say what is wrong."""
    code = "import sys, data.prepare; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT).returncode == 0
