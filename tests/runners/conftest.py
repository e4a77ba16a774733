"""Every test here runs in a folder of its own that holds a small corpus."""

import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from tests.benchmarks.crash import descendants
from tests.small import SPLITS, hide_labels, make_corpus, start_torchrun

FAULTS = ("die:1:2", "die:0:2", "raise:1:2", "stop:1:2", "loop:1:2", "inf:1:1", "empty:1:1")
STARTED = pytest.StashKey[dict[str, tuple[subprocess.Popen, Path]]]()


@pytest.fixture(autouse=True)
def _in_folder_with_corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_corpus(tmp_path)


def pytest_collection_finish(session):
    """Starts the runs in several processes before the first test: they wait most of their time."""
    config = session.config
    wanted = {name for item in session.items for name in item.fixturenames}
    if config.option.collectonly or not wanted & {"faulty", "split"}:
        return
    started = config.stash[STARTED] = {}
    config.add_cleanup(lambda: kill(started))

    def start(folder: Path, name: str, *overrides: str, fault: str | None = None) -> None:
        process = start_torchrun(name, *overrides, fault=fault)
        started[fault or name] = process, folder / name

    with pytest.MonkeyPatch.context() as patch:
        if "split" in wanted:
            folder = folder_with_corpus(config, patch)
            hide_labels()
            for name, overrides in SPLITS.items():
                start(folder, name, *overrides)
        if "faulty" in wanted:
            folder = folder_with_corpus(config, patch)
            for fault in FAULTS:
                # Those that do not hang may start far apart, beside the first tests.
                timeout = f"TRAIN.PEER_TIMEOUT={20 if fault[:4] in ('stop', 'loop') else 120}"
                half = "TRAIN.DATA.BATCH_SIZE=4"
                start(folder, fault.replace(":", "_"), half, timeout, fault=fault)


def folder_with_corpus(config, patch) -> Path:
    """A new folder, entered, which goes with the session."""
    folder = tempfile.TemporaryDirectory()
    config.add_cleanup(folder.cleanup)
    patch.chdir(folder.name)
    make_corpus(Path(folder.name))
    return Path(folder.name)


def kill(started: dict[str, tuple[subprocess.Popen, Path]]) -> None:
    """Ends what is left of the runs."""
    for process, _ in started.values():
        if process.poll() is not None:
            continue  # its number may be another's by now
        for pid in (*descendants(process.pid), process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def faulty(request) -> dict[str, tuple[subprocess.Popen, Path]]:
    """`{fault: (process, folder)}` of runs in two processes, one of which fails."""
    return request.config.stash[STARTED]


@pytest.fixture
def split(request) -> dict[str, tuple[subprocess.Popen, Path]]:
    """`{name of SPLITS: (process, folder)}`, of runs on rows whose labels are hidden unevenly."""
    return request.config.stash[STARTED]
