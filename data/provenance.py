"""What a model was trained on: the files of its corpora, and how they are known again.

A checkpoint carries `{"corpora": [names], "files": [{"name", "bytes", "crc32", "series"}], "more":
number of files that are not listed}`.
"""

import json
import zlib
from collections.abc import Iterable
from pathlib import Path

from data.corpus import PREPARED

BLOCK = 1 << 24  # bytes of a file that are read at a time for its checksum
MOST_FILES = 10_000  # about 1 MB of a checkpoint


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
    return {"corpora": [root.name], "files": files[:MOST_FILES], "more": len(files[MOST_FILES:])}


def join(earlier: dict | None, own: dict) -> dict:
    """What a model was trained on that goes on from another one's weights."""
    if not earlier:
        return own
    known = {(file["name"], file["crc32"]) for file in own["files"]}
    files = [f for f in earlier["files"] if (f["name"], f["crc32"]) not in known] + own["files"]
    return {
        "corpora": list(dict.fromkeys(earlier["corpora"] + own["corpora"])),
        "files": files[:MOST_FILES],
        "more": earlier["more"] + own["more"] + len(files[MOST_FILES:]),
    }


def trained_files(paths: Iterable[Path], corpus: dict | None) -> list[tuple[Path, str]]:
    """Which files a model was trained on.

    Args:
        paths: files to look for. One is read only where its size is that of a trained file.
        corpus: what the checkpoint says.

    Returns:
        Each such file and how it is known: by its content, or by its name alone.
    """
    files = (corpus or {}).get("files", [])
    sizes = {file["bytes"] for file in files}
    checksums = {(file["bytes"], file["crc32"]): file["name"] for file in files}
    names = {file["name"] for file in files}
    found = []
    for path in paths:
        if not path.is_file():
            continue
        facts = file_facts(path) if path.stat().st_size in sizes else {"bytes": -1, "crc32": ""}
        if (name := checksums.get((facts["bytes"], facts["crc32"]))) is not None:
            found.append((path, "the same content" + f" as {name}" * (name != path.name)))
        elif path.name in names:
            found.append((path, "a file of this name, with other content"))
    return found
