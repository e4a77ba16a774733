"""Every test here runs in a folder of its own that holds a small corpus."""

import pytest

from tests.small import make_corpus


@pytest.fixture(autouse=True)
def _in_folder_with_corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_corpus(tmp_path)
