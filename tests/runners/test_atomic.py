"""Files that are complete on disk at any time."""

import errno
import json
import os
import stat
from pathlib import Path

from runners.atomic import write_json


def test_a_folder_that_cannot_be_flushed_is_no_failed_save(monkeypatch):
    """Some file systems refuse it: the run would call the new file the unchanged old one."""
    fsync = os.fsync

    def refuse_folders(number: int) -> None:
        if stat.S_ISDIR(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(number)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    write_json(Path("file.json"), {"a": 1})
    assert json.loads(Path("file.json").read_text()) == {"a": 1}
