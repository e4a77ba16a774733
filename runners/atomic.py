"""Files that are complete on disk at any time, whatever stops the program."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO


def atomic_write(path: Path, write: Callable[[BinaryIO], Any], keep_as: Path | None = None) -> None:
    """Writes a temporary file, flushes it to disk, and renames it to `path`.

    Args:
        path: path of the final file.
        write: function that writes the content to an open file.
        keep_as: new name for an existing file at `path`; None replaces that file.

    Raises:
        OSError: the file cannot be written; existing files are unchanged.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if keep_as is not None and path.exists():
            path.replace(keep_as)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # the file is there; some file systems cannot flush a folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # flush the renames to disk
        finally:
            os.close(folder)


def write_json(path: Path, content: dict) -> None:
    """Writes a JSON file atomically."""
    text = json.dumps(content, indent=2) + "\n"
    atomic_write(path, lambda file: file.write(text.encode()))
