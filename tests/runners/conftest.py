"""Every test here runs in a folder of its own that holds a small corpus."""

from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest
from tensorboard.summary.writer import event_file_writer

from tests.processes import Ranks
from tests.small import OVERRIDES, SPLITS, TINY, hide_labels, make_corpus

FAULTS = ("die:1:2", "die:0:2", "raise:1:2", "stop:1:2", "loop:1:2", "inf:1:1", "empty:1:1")


@pytest.fixture(autouse=True)
def _in_folder_with_corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_corpus(tmp_path)
    # Names of event files end with this counter and are sorted as text, where 10 is before 9.
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(0))


@pytest.fixture(scope="session")
def faulty(tmp_path_factory) -> Iterator[dict[str, tuple[Ranks, Path]]]:
    """`{fault: (ranks, folder)}` of runs in two processes, one of which fails; all run at once."""
    folder = tmp_path_factory.mktemp("faulty")
    with chdir(folder):
        make_corpus(folder)
        started = {}
        for fault in FAULTS:
            name = fault.replace(":", "_")
            timeout = f"TRAIN.PEER_TIMEOUT={10 if fault[:4] in ('stop', 'loop') else 120}"
            arguments = ["-c", str(TINY), "--run-dir", name, *OVERRIDES]
            arguments += ["TRAIN.DATA.BATCH_SIZE=4", timeout]
            ranks = Ranks("tests/faulty_train.py", arguments, FAULT=fault)
            started[fault] = ranks, folder / name
    yield started
    for ranks, _ in started.values():
        ranks.kill()


@pytest.fixture
def split(tmp_path_factory) -> Iterator[dict[str, tuple[Ranks, Path]]]:
    """`{name of SPLITS: (ranks, folder)}`, of runs on rows whose labels are hidden unevenly."""
    folder = tmp_path_factory.mktemp("split")
    with chdir(folder):
        make_corpus(folder)
        hide_labels()
        started = {}
        for name, overrides in SPLITS.items():
            arguments = ["-c", str(TINY), "--run-dir", name, *OVERRIDES, *overrides]
            started[name] = Ranks("train.py", arguments), folder / name
    yield started
    for ranks, _ in started.values():
        ranks.kill()
