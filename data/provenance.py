"""What a model was trained on: the files of its corpora, and how they are known again.

A checkpoint carries `{"corpora": [names], "files": [{"name", "bytes", "crc32", "series"}],
"others": keys}`. The first MOST_FILES files are listed in full. Of the others only the keys are
kept, 16 hex digits each: such a file is known by its content, but not by its name.
"""

import json
import zlib
from collections.abc import Iterable
from pathlib import Path

from data.corpus import PREPARED

BLOCK = 1 << 24  # bytes of a file that are read at a time for its checksum
MOST_FILES = 10_000  # listed in full: about 1 MB of a checkpoint
SIZE, KEY = 8, 16  # hex digits of a file's size, and of its size and checksum


def file_facts(file: Path) -> dict:
    """Path, size and checksum of a file, by which it is known again; for corpus.json."""
    size = checksum = 0
    with file.open("rb") as opened:
        while block := opened.read(BLOCK):
            size, checksum = size + len(block), zlib.crc32(block, checksum)
    return {"path": str(file), "bytes": size, "crc32": f"{checksum:08x}"}


def made_of(root: Path) -> dict:
    """What a corpus was made of, for a checkpoint.

    Args:
        root: folder of the corpus. One that data.prepare did not make names no files.
    """
    try:
        files = json.loads((root / PREPARED).read_text())["files"]
        files = [
            {"name": Path(one["path"]).name} | {key: one[key] for key in ("bytes", "crc32")}
            | {"series": one.get("series")}
            for one in files
        ]  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        files = []  # a damaged corpus.json is refused where windows are checked
    return _limited([root.name], files, "")


def join(earlier: dict | None, own: dict) -> dict:
    """What a model was trained on that goes on from another one's weights."""
    if not earlier:
        return own
    known = {(file["name"], file["crc32"]) for file in own["files"]}
    files = [f for f in earlier["files"] if (f["name"], f["crc32"]) not in known] + own["files"]
    names = list(dict.fromkeys(earlier["corpora"] + own["corpora"]))
    return _limited(names, files, earlier.get("others", "") + own["others"])


def trained_files(paths: Iterable[Path], corpus: dict | None) -> list[tuple[Path, str]]:
    """Which files a model was trained on.

    Args:
        paths: files to look for. One is read only where its size is that of a trained file.
        corpus: what the checkpoint says.

    Returns:
        Each such file and how it is known: by its content, or by its name alone.
    """
    files, others = ((corpus or {}).get(part, "") for part in ("files", "others"))
    contents = {others[i : i + KEY]: "" for i in range(0, len(others), KEY)}
    contents |= {_key(file): file["name"] for file in files}
    sizes = {key[:SIZE] for key in contents}
    names = {file["name"] for file in files}
    found = []
    for path in paths:
        if not path.is_file():
            continue
        has_size = _key({"bytes": path.stat().st_size, "crc32": ""}) in sizes
        name = contents.get(_key(file_facts(path))) if has_size else None
        if name is not None:
            found.append((path, "the same content" + f" as {name}" * (name not in ("", path.name))))
        elif path.name in names:
            found.append((path, "a file of this name, with other content"))
    return found


def _key(file: dict) -> str:
    """Size, modulo 2^32, and checksum of a file: what it is known by, in KEY hex digits."""
    return f"{file['bytes'] % (1 << 4 * SIZE):0{SIZE}x}{file['crc32']}"


def _limited(corpora: list[str], files: list[dict], others: str) -> dict:
    """What a checkpoint carries, with MOST_FILES files in full."""
    others += "".join(map(_key, files[MOST_FILES:]))
    return {"corpora": corpora, "files": files[:MOST_FILES], "others": others}
