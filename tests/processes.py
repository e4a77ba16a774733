"""Processes of tests, forked from one that has imported the project.

A new interpreter imports torch for two seconds of CPU. These are forked instead, and then run the
same script, with its own arguments, folder, environment and output. What matters of a launcher,
torchrun, is played by `Ranks`; tests of the launcher itself start it (tests/runners/training).
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import chdir, suppress
from multiprocessing import forkserver
from pathlib import Path

import torch
from torch.distributed import TCPStore

from tests.benchmarks.forked import ForkingPopen

ROOT = Path(__file__).parents[1]
KILL_AFTER = 30.0  # seconds that torchrun gives the others after it has asked them to stop
CONTEXT = multiprocessing.get_context("forkserver")
# AdamW and DDP import torch._dynamo when they are first used; the last one is what a fork runs.
CONTEXT.set_forkserver_preload(["train", "runners.ablate", "torch._dynamo", "tests.processes"])


def start_forkserver() -> None:
    """Starts the process that imports the project, unless it runs; the imports take seconds."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)  # or Python 3.11 leaves out, in silence, what it must load
    try:
        with chdir(ROOT):  # the folder of a test may hold a train.py of its own
            forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


class Forked:
    """A command of the project in a process and session of its own; used like a Popen.

    Args:
        script: a file of the project, or the name of a module (`python -m`).
        arguments: of the command.
        cwd: the folder in which it runs.
        forks: what it starts with `python ...` is forked from it, too.
        environment: what differs from this process's.
    """

    def __init__(
        self,
        script: str,
        arguments: list[str],
        cwd: str | Path = ".",
        forks: bool = False,
        **environment,
    ):
        start_forkserver()
        self._folder = tempfile.TemporaryDirectory()
        self._output = [Path(self._folder.name, name) for name in ("stdout", "stderr")]
        given = {"OMP_NUM_THREADS": "1"} | environment
        self._process = CONTEXT.Process(
            target=_run,
            args=(script, arguments, str(Path(cwd).resolve()), forks, given, self._output),
        )
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit status; minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("a forked command", timeout)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Waits for its end; returns what it wrote to stdout and stderr."""
        self.wait(timeout)
        return self.stdout, self.stderr

    @property
    def stdout(self) -> str:
        """What it has written until now."""
        return self._output[0].read_text() if self._output[0].exists() else ""

    @property
    def stderr(self) -> str:
        """What it has written until now."""
        return self._output[1].read_text() if self._output[1].exists() else ""

    def send_signal(self, number: int) -> None:
        """Sends a signal to it alone."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it and what it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


class Ranks:
    """Two processes of one training on the CPU, as torchrun would start them.

    Args:
        script: a file of the project.
        arguments: of the command.
        folders: the folder in which each of them runs.
        environment: what differs from this process's.

    This process holds the store through which they meet. When one fails, the other is asked to
    stop and killed half a minute later.
    """

    def __init__(
        self,
        script: str,
        arguments: list[str],
        folders: tuple[str, str] = (".", "."),
        **environment,
    ):
        self._store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        given = {
            "WORLD_SIZE": "2",
            "LOCAL_WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(self._store.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
        }
        given |= environment
        own = given["LOCAL_WORLD_SIZE"] == "1"  # hosts of one process each
        self.processes = [
            Forked(script, arguments, folder, **given, RANK=str(i), LOCAL_RANK=str(i * (not own)))
            for i, folder in enumerate(folders)
        ]

    @property
    def returncode(self) -> int | None:
        """The status of the first that failed; 0 where none did; None while one runs."""
        statuses = [process.returncode for process in self.processes]
        return None if None in statuses else next(filter(None, statuses), 0)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Waits for the end of both; returns what they wrote to stdout and stderr."""
        end, stop = time.monotonic() + timeout, None
        while self.returncode is None:
            if stop is None and any(process.returncode for process in self.processes):
                stop = time.monotonic() + KILL_AFTER
                for process in self.processes:
                    if process.returncode is None:
                        process.send_signal(signal.SIGTERM)
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("two ranks", timeout)
            if stop is not None and time.monotonic() > stop:
                self.kill()
            time.sleep(0.02)
        outputs, errors = zip(*(process.communicate() for process in self.processes), strict=True)
        return "".join(outputs), "".join(errors)

    def kill(self) -> None:
        """Ends both."""
        for process in self.processes:
            process.kill()


def _run(
    script: str,
    arguments: list[str],
    cwd: str,
    forks: bool,
    environment: dict[str, str],
    output: list[Path],
) -> None:
    """What the new process does."""
    os.setsid()
    os.chdir(cwd)
    os.environ.update(environment)
    for number, path in enumerate(output, start=1):
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
    multiprocessing.set_start_method("fork", force=True)  # as in a process that was not forked
    if forks:
        subprocess.Popen = ForkingPopen
    sys.argv = [script, *arguments]
    if script.endswith(".py"):
        runpy.run_path(str(ROOT / script), run_name="__main__")
    else:
        runpy.run_module(script, run_name="__main__", alter_sys=True)
