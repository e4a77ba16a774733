"""Which files are meant, of which kind they are, and how their bytes are opened."""

import bz2
import glob
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from data.tables.items import TableError
from data.tables.table import short

TEXT = (".csv", ".tsv", ".txt")
PACKED = (".gz", ".zip", ".xz", ".zst", ".bz2")
KINDS = {".parquet": "parquet", ".pq": "parquet", ".feather": "arrow", ".arrow": "arrow"}
KINDS |= {".tsf": "tsf"} | dict.fromkeys(TEXT, "text")
KNOWN = ".csv, .tsv, .txt (also .gz, .zip, .xz, .zst, .bz2), .parquet, .pq, .feather, .arrow, .tsf"
IN_FOLDERS = (".csv", ".tsv", ".parquet", ".pq", ".feather", ".arrow", ".tsf")
AS_CSV = "save the table as CSV and give that file"
# How files begin that people give by mistake, or under a wrong name.
MARKS = (
    (b"\xff\xd8\xff", "a JPEG picture", AS_CSV),
    (b"\x89PNG", "a PNG picture", AS_CSV),
    (b"%PDF", "a PDF document", AS_CSV),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", AS_CSV),
    (b"PK\x03\x04", "an Excel workbook or another zip archive", f"{AS_CSV} (or name it .csv.zip)"),
    (b"\x1f\x8b", "packed by gzip", "name it .csv.gz"),
    (b"\xfd7zXZ", "packed by xz", "name it .csv.xz"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd", "name it .csv.zst"),
    (b"PAR1", "a Parquet file", "name it .parquet"),
    (b"ARROW1", "an Arrow file", "name it .arrow"),
    (b"\x89HDF", "an HDF5 file", AS_CSV),
    (b"SQLite format 3", "an SQLite database", AS_CSV),
)


def find_files(
    paths: Sequence[str | Path], say: Callable[[str], None] = lambda line: None
) -> list[Path]:
    """The files that are meant, each once, in order.

    Args:
        paths: files, globs such as data/*.csv, and folders, which are searched with all
            folders below for the endings that are known. Hidden files are passed over.
        say: gets a line where a folder holds other files.

    Raises:
        TableError: nothing is there, a folder holds no table, or a name is none for the system.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        try:
            is_there = path.exists()
        except OSError as error:  # the name is too long
            raise TableError(f"{short(path)} cannot be read: {error.strerror}") from None
        if path.is_dir():
            found |= dict.fromkeys(_in_folder(path, say))
        elif not is_there and not path.is_symlink() and glob.has_magic(str(path)):
            matches = sorted(map(Path, glob.glob(str(path), recursive=True)))
            if not matches:
                raise TableError(f"no file fits {path}")
            for match in matches:
                files = _in_folder(match, say) if match.is_dir() else [match]
                found |= dict.fromkeys(files)
        else:
            found[path] = None
    return list(found)


def _in_folder(folder: Path, say: Callable[[str], None]) -> list[Path]:
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    tables = [path for path in files if _endings(path)[0] in IN_FOLDERS]
    if not tables:
        raise TableError(f"the folder {folder} holds no table; {KNOWN} are read")
    others = [path.name for path in files if path not in set(tables)]
    if others:
        names = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        say(f"{folder}: {len(others)} other files are passed over ({names})")
    return tables


def groups_of(paths: Sequence[str | Path]) -> list[list[Path]]:
    """The files of each folder and glob, and those that are given one by one."""
    groups = [find_files([path]) for path in paths]
    return [*groups, [group[0] for group in groups if len(group) == 1]]


def check_order(groups: list[list[Path]], sources: Sequence[str]) -> None:
    """Refuses files that go on from each other in an order that is that of names alone.

    Args:
        groups: of `groups_of`.
        sources: the files of one series.

    Raises:
        TableError: part_10 comes before part_2.
    """
    for group in groups:
        files = [file for file in group if str(file) in set(sources)]
        in_order = sorted(files, key=_by_numbers)
        if files == sorted(files) and files != in_order:
            before, after = next(
                pair for pair in zip(files, in_order, strict=True) if pair[0] != pair[1]
            )
            raise TableError(
                f"{before} comes before {after} in the order of names, and no times or numbers in "
                "the rows say where each file goes on; give the files one by one in their order, "
                "or name them so (01, 02 ... 10)"
            )


def _by_numbers(path: Path) -> list[list[str | int]]:
    """The parts of a path, to be compared: their numbers as numbers."""
    return [
        [int(text) if text.isdecimal() else text for text in re.split(r"(\d+)", part)]
        for part in path.parts
    ]


def kind_of(path: Path) -> str:
    """'text', 'parquet', 'arrow' or 'tsf', by the ending.

    Raises:
        TableError: the ending is not known.
    """
    ending = _endings(path)[0]
    if ending in KINDS:
        return KINDS[ending]
    what = "an Excel workbook" if ending in (".xls", ".xlsx", ".xlsm", ".ods") else "of no kind"
    if what == "of no kind":
        raise TableError(f"{path} has an ending that is not known; {KNOWN} are read")
    raise TableError(f"{path} is {what}; {AS_CSV}")


def stem_of(path: Path) -> str:
    """The name of a file without its endings."""
    ending, packing = _endings(path)
    return path.name[: len(path.name) - len(ending) - len(packing)]


def is_tab_separated(path: Path) -> bool:
    """Whether the ending says that tabs stand between cells."""
    return _endings(path)[0] == ".tsv"


def _endings(path: Path) -> tuple[str, str]:
    """The ending that says the kind, and the one that says how it is packed; '.csv', '.gz'."""
    packing = path.suffix if path.suffix.lower() in PACKED else ""
    name = path.name[: len(path.name) - len(packing)]
    return Path(name).suffix.lower(), packing


def is_packed(path: Path) -> bool:
    """Whether a file must be unpacked to be read."""
    return bool(_endings(path)[1])


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file of bytes, unpacked where its ending says that it is packed.

    Raises:
        TableError: it cannot be opened or read, or an archive does not hold one file.
    """
    try:
        with _open(path) as file:
            yield file
    except (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise TableError(f"{path} cannot be read: {reason}") from None


def _open(path: Path) -> BinaryIO:
    packing = _endings(path)[1].lower()
    if packing == ".zip":
        return _open_zip(path)
    raw = open(path, "rb")  # noqa: SIM115
    if packing == ".gz":
        return gzip.GzipFile(fileobj=raw)
    if packing == ".xz":
        return lzma.LZMAFile(raw)
    if packing == ".bz2":
        return bz2.BZ2File(raw)
    if packing == ".zst":
        return io.BufferedReader(pa.CompressedInputStream(raw, "zstd"))
    return raw


def _open_zip(path: Path) -> BinaryIO:
    archive = zipfile.ZipFile(path)
    inner = [name for name in archive.namelist() if not name.endswith("/")]
    inner = [name for name in inner if not name.startswith("__MACOSX")]
    if len(inner) != 1:
        raise TableError(f"{path} holds {len(inner)} files; unpack it and give the folder")
    return archive.open(inner[0])


def check_is_text(path: Path, start: bytes, encoding: str | None) -> None:
    """Refuses what is no table in text, by its first bytes.

    Raises:
        TableError: one sentence that says what the file is, and what to do.
    """
    for mark, what, way in MARKS:
        if start.startswith(mark):
            raise TableError(f"{path} is {what}; {way}")
    if encoding is None and start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise TableError(f"{path} is UTF-16 text; say --encoding utf-16, or save it in UTF-8")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    # In UTF-16 zeros stand between the letters.
    excel = re.match(rb"\W*(sep=[^\r\n]{1,3}?)\"?[\r\n]", text.replace(b"\0", b""), re.IGNORECASE)
    if excel:
        line = excel[1].decode(errors="replace")
        raise TableError(f"{path}, row 1: {line!r} is a note for Excel, no header; remove the row")
    if encoding is None and b"\0" in text:
        raise TableError(f"{path} is not text (it holds bytes of zero); {AS_CSV}")
    if text.startswith((b"{", b"[")):
        raise TableError(f"{path} is JSON; save it as Parquet (start, target), or as CSV")
    if text[:1] == b"<" and not re.match(rb"<[\w ./-]{1,30}> *[,;\t|]", text):  # <DATE>,<CLOSE>
        raise TableError(f"{path} is HTML or XML; download the file behind the page, or {AS_CSV}")
