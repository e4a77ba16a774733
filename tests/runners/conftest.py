"""Every test here runs in a folder of its own that holds a small corpus."""

import tempfile
from pathlib import Path

import pytest

from tests.processes import Ranks
from tests.small import OVERRIDES, SPLITS, TINY, hide_labels, make_corpus

FAULTS = ("die:1:2", "die:0:2", "raise:1:2", "stop:1:2", "loop:1:2", "inf:1:1", "empty:1:1")
STARTED = pytest.StashKey[dict[str, tuple[Ranks, Path]]]()


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
        arguments = ["-c", str(TINY), "--run-dir", name, *OVERRIDES, *overrides]
        script, environment = (
            ("tests/faulty_train.py", {"FAULT": fault}) if fault else ("train.py", {})
        )
        started[fault or name] = Ranks(script, arguments, **environment), folder / name

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
                timeout = f"TRAIN.PEER_TIMEOUT={10 if fault[:4] in ('stop', 'loop') else 120}"
                half = "TRAIN.DATA.BATCH_SIZE=4"
                start(folder, fault.replace(":", "_"), half, timeout, fault=fault)


def folder_with_corpus(config, patch) -> Path:
    """A new folder, entered, which goes with the session."""
    folder = tempfile.TemporaryDirectory()
    config.add_cleanup(folder.cleanup)
    patch.chdir(folder.name)
    make_corpus(Path(folder.name))
    return Path(folder.name)


def kill(started: dict[str, tuple[Ranks, Path]]) -> None:
    """Ends what is left of the runs."""
    for ranks, _ in started.values():
        ranks.kill()


@pytest.fixture
def faulty(request) -> dict[str, tuple[Ranks, Path]]:
    """`{fault: (process, folder)}` of runs in two processes, one of which fails."""
    return request.config.stash[STARTED]


@pytest.fixture
def split(request) -> dict[str, tuple[Ranks, Path]]:
    """`{name of SPLITS: (process, folder)}`, of runs on rows whose labels are hidden unevenly."""
    return request.config.stash[STARTED]
