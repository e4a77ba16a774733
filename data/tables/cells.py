"""What the cells of a column are: numbers, missing, flags, text; and the numbers in them."""

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.tables.items import TableError, TableOptions
from data.tables.table import Table, as_text, short

MISSING = (
    "",
    "na",
    "n/a",
    "nan",
    "null",
    "none",
    "<na>",
    "#n/a",
    "nat",
    "-nan",
    "+nan",
)  # in lower case
# As they are written most; pyarrow compares letter by letter. Others are found by `numbers`.
SPELLINGS = sorted({text for word in MISSING for text in (word, word.upper(), word.title())})
SPELLINGS += ["NaN", "NaT", "N/a", "n/A", "-NaN", "+NaN"]
WITH_POINT = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|(?i:[+-]?inf(inity)?)"
NUMBER = {".": WITH_POINT, ",": WITH_POINT.replace(r"\.", ",")}  # by the decimal mark
MARK = r"[^\pL\pN]{0,3}"
# $5, 20 %, 1_000, 20,037.72, 100,00-, <1, 5 kg, 0x10
THOUSANDS = r"'\x{2019}_\s\x{00A0}\x{2009}\x{202F}"  # and points, commas
MARKED = rf"^{MARK}(\d[\d.,{THOUSANDS}]*{MARK}\pL{{0,3}}{MARK}|0x[0-9a-fA-F]+)$"
LIKE_A_DATE = r"^[^\pL\pN]{0,3}\d"
FLAGS = ("true", "false", "t", "f", "yes", "no", "y", "n")
START = 24  # rows that are looked at first
EXACT = 2.0**53  # integers beyond it have no float64 of their own


def is_number(cell: str, decimal: str = ".") -> bool:
    """Whether a cell is a number or a missing value."""
    text = cell.strip()
    return text.lower() in MISSING or re.fullmatch(NUMBER[decimal], text) is not None


def is_texts(kind: pa.DataType) -> bool:
    """Whether a column holds text."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view()


def is_numbers(kind: pa.DataType) -> bool:
    """Whether a column holds numbers by its type."""
    return (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    )


def content_of(table: Table, i: int, options: TableOptions) -> str:
    """What column i holds.

    Returns:
        'numbers' (or nothing but missing values), 'flags', 'text', 'times' or 'lists' by its type;
        'mixed' where some cells are numbers; 'marked' where none is, but most are numbers with
        marks or units. Where most cells are neither, it is 'text'.
    """
    kind = table.types[i]
    if is_numbers(kind):
        return "numbers"
    if not is_texts(kind):
        return "flags" if pa.types.is_boolean(kind) else by_type(kind)
    texts, missing, numbers = _looked_at(table, i, options)
    if pc.all(pc.or_(missing, numbers)).as_py():
        return "numbers"
    marked = pc.or_(numbers, pc.match_substring_regex(texts, MARKED))
    mostly = _are_most(table, i, marked, missing)
    if pc.any(numbers).as_py():
        return "mixed" if mostly else "text"
    if pc.all(pc.or_(missing, pc.is_in(pc.utf8_lower(texts), pa.array(FLAGS)))).as_py():
        return "flags"
    return "marked" if mostly else "text"


def _are_most(table: Table, i: int, wanted: pa.Array, missing: pa.Array) -> bool:
    """Whether at least half of the texts of column i are wanted: of its rows, or of different."""
    flags, others = (part.to_numpy(zero_copy_only=False) for part in (wanted, pc.invert(missing)))
    rows = np.bincount(table.texts(i)[0], minlength=len(flags))
    return any(2 * (flags & others) @ n >= others @ n > 0 for n in (rows, np.ones_like(rows)))


def begins_with_digits(table: Table, i: int, options: TableOptions) -> bool:
    """Whether at least half of the texts of column i begin as dates in numbers do."""
    texts, missing, _ = _looked_at(table, i, options)
    return _are_most(table, i, pc.match_substring_regex(texts, LIKE_A_DATE), missing)


def by_type(kind: pa.DataType) -> str:
    """What a column is that holds neither numbers nor text."""
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "times"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return "lists"
    return str(kind)


def numbers_of(
    table: Table, i: int, options: TableOptions, say: Callable[[str], None] | None = None
) -> np.ndarray:
    """The numbers of column i, float64 [rows]; NaN where a value is missing.

    Raises:
        TableError: a cell is no number; names it.
    """
    kind = table.types[i]
    if is_texts(kind):
        values = _to_numbers(table, i, options)
    elif is_numbers(kind) or pa.types.is_boolean(kind):
        values = np.array(table.column(i).cast(pa.float64(), safe=False).to_numpy())
    else:
        raise TableError(f"{table.where(None, i)} holds {by_type(kind)}, and no numbers")
    if say is not None:
        _say_lost_digits(table, i, values, say)
    for text in options.missing:
        try:
            values[values == float(text)] = np.nan
        except ValueError:  # a word; the cells were compared with it
            continue
    return values


def first_numbers(table: Table, i: int, options: TableOptions) -> np.ndarray:
    """The numbers of column i in the first 24 rows, float64; most columns are told by them.

    No more of a column that holds numbers by its type is read, and it is read once. Numbers that
    stand for missing values are still there.
    """
    if not is_numbers(table.types[i]):
        return numbers_of(table, i, options)[:START]
    if i not in table.starts:
        first = next((piece for piece in table.pieces if piece.rows), table)
        start = first.column(i).slice(0, START).cast(pa.float64(), safe=False)
        table.starts[i] = np.array(start.to_numpy())  # a view would keep the whole column
    return table.starts[i]


def _looked_at(table: Table, i: int, options: TableOptions) -> tuple[pa.Array, pa.Array, pa.Array]:
    """The different texts of column i; of each, whether it is missing, and whether a number."""
    texts = pc.utf8_trim_whitespace(table.texts(i)[1])
    words = [*MISSING, *(text.strip().lower() for text in options.missing)]
    missing = pc.is_in(pc.utf8_lower(texts), pa.array(words))
    decimal = table.decimal or options.decimal or "."
    numbers = pc.match_substring_regex(texts, f"^(?:{NUMBER[decimal]})$")
    texts = pc.replace_substring(texts, ",", ".") if decimal == "," else texts
    return texts, missing, numbers


def is_mostly_numbers(table: Table, i: int, options: TableOptions) -> bool:
    """Whether at least half of the different texts of column i are numbers."""
    _, missing, numbers = _looked_at(table, i, options)
    return 2 * pc.sum(numbers).as_py() >= len(numbers) - pc.sum(missing).as_py()


def first_text(table: Table, i: int, options: TableOptions) -> int:
    """The first row of column i whose cell is neither a number nor missing; -1 where all are."""
    _, missing, numbers = _looked_at(table, i, options)
    bad = ~pc.or_(missing, numbers).to_numpy(zero_copy_only=False)
    # Texts are in order of appearance: the first bad one is that of the first row.
    return int(np.argmax(table.texts(i)[0] == np.argmax(bad))) if bad.any() else -1


def _to_numbers(table: Table, i: int, options: TableOptions) -> np.ndarray:
    row = first_text(table, i, options)
    if row >= 0:
        refuse_cell(table, i, row)
    texts, missing, _ = _looked_at(table, i, options)
    numbers = pc.if_else(missing, pa.scalar(None, pa.string()), texts).cast(pa.float64())
    return numbers.to_numpy(zero_copy_only=False)[table.texts(i)[0]]


def refuse_cell(table: Table, i: int, row: int, hint: str = "") -> None:
    """Says that a cell is no number.

    Args:
        table: with the cell.
        i: its column.
        row: its row.
        hint: the end of the message.

    Raises:
        TableError: always.
    """
    cell = table.cell(row, i)
    way = "missing values are empty cells or NA"
    if re.fullmatch(r"[^\w\s]{1,3}|[A-Za-z]{1,8}", cell.strip()):
        way = f"{way}, or say --missing {cell.strip()}"
    elif re.fullmatch(r"[+-]?[1-9]\d{0,2}([,.'\u2019_\s]\d{3})+([.,]\d+)?", cell.strip()):
        way = "remove the marks between thousands"
    elif re.fullmatch(NUMBER["."], cell.strip()):
        way = "the comma is the decimal mark here; write it, or say --decimal ."
    elif re.fullmatch(NUMBER[","], cell.strip()):
        way = "the point is the decimal mark here; write it, or say --decimal ,"
    elif cell.strip().endswith("%"):
        way = "remove the percent signs"
    elif re.fullmatch(r"[^\w\s]{0,3}\s?\d[\d.,\s]*[^\w\s]?\s?\w{0,3}", cell.strip()):
        way = "write the number alone, without marks and units"
    raise TableError(f"{table.where(row, i)}: {short(cell)} is not a number ({way}){hint}")


def _say_lost_digits(
    table: Table,
    i: int,
    values: np.ndarray,
    say: Callable[[str], None],
) -> None:
    """Integers beyond 2^53 are rounded: 9007199254740993 becomes ...992. Said once of a column."""
    if i in table.said:
        return
    large = np.flatnonzero(np.abs(values) >= EXACT)
    large = large[np.isfinite(values[large])]
    if not len(large):
        return
    if table.as_text is None and not pa.types.is_integer(table.types[i]):
        return
    exact = table.column(i) if table.as_text is None else table.as_text(i)
    texts = [text.strip() for text in as_text(exact.take(large)).to_pylist()]
    for text, value in zip(texts, values[large].tolist(), strict=True):
        if re.fullmatch(r"[+-]?\d+", text) and int(text) != int(value):
            table.said.add(i)
            say(
                f"{table.where(None, i)}: integers beyond 2^53 are rounded to float64, such as "
                f"{short(text)}"
            )
            return
