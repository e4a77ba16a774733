"""Tests that need a GPU: `python -m pytest -m gpu`. Each runs in a folder with a small corpus."""

import os
from pathlib import Path

import pytest

# cuBLAS reads it once, when it starts; torch's deterministic algorithms need it.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test of this folder, and skips it where torch sees no GPU."""
    import torch  # after tests/conftest.py has hidden the GPUs, or not

    no_gpu = pytest.mark.skipif(
        not torch.cuda.is_available(), reason="needs a GPU: python -m pytest -m gpu"
    )
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.gpu)
            item.add_marker(no_gpu)


@pytest.fixture(autouse=True)
def _in_folder_with_corpus(tmp_path, monkeypatch):
    from tests.small import make_corpus

    monkeypatch.chdir(tmp_path)
    make_corpus(tmp_path)


@pytest.fixture
def say(capsys):
    """A print that pytest does not keep for itself."""

    def write(line: str) -> None:
        with capsys.disabled():
            print(f"\n  {line}", flush=True)

    return write
