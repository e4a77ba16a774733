"""Which columns of a long table name its series, and whether a table is long at all."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.tables import cells
from data.tables.items import TableError, TableOptions
from data.tables.names import is_id_name, is_time_name, part_of_time
from data.tables.table import Table, listed, short
from data.tables.times import Stamps, stamps_of

MANY = 1.5  # rows for each time: where times repeat so often, several series stand below each other
NEARLY = 0.95  # an id that gives so many rows a time of their own is one; the others are duplicates


def find_ids(
    table: Table,
    options: TableOptions,
    time: int,
    stamps: Stamps,
    say: Callable[[str], None],
) -> list[int]:
    """The columns that name the series of a long table; none where the table is wide.

    In this order: one column of a usual name (item_id, unique_id, sku ...), all of such names,
    one column of text, all of text, one column of integers that repeat. Columns name the series
    where each series has each time once.

    Raises:
        TableError: columns could name series, and it is not clear whether, or which.
    """
    moments = _moments(stamps)
    times, distinct = pd.factorize(moments)
    texts = _texts(table, options, time)
    named = _named(table, options, time)
    if len(distinct) == len(moments):
        return _each_time_once(table, named, texts, moments)
    often = len(moments) >= MANY * len(distinct)
    choices = _Choices(table, times, np.diff(moments), say)
    for usual, groups in (
        (True, [[i] for i in named]),
        (True, [named]),
        (False, [[i] for i in texts]),
        (False, [texts]),
    ):
        chosen = choices.one_of([group for group in groups if group])
        if chosen and not (usual or often):
            _refuse_few(table, chosen, time)
        if chosen:
            return chosen
    if not often:
        return []
    integers = [i for i in _integers(table, options, time) if i not in named]
    chosen = choices.one_of([[i] for i in integers])
    if not chosen and texts:
        chosen = choices.one_of([[*texts, i] for i in integers])
    # Where a usual name has no time of its own in each row, the error names the duplicates.
    return chosen or [i for i in named if len(id_codes(table, [i])[1]) < len(moments)]


class _Choices:
    """Chooses between columns that may name the series.

    Args:
        table: for the columns.
        times: of each row the number of its time.
        steps: from each row to the next, in time.
        say: gets a line where two columns name the same series.
    """

    def __init__(
        self, table: Table, times: np.ndarray, steps: np.ndarray, say: Callable[[str], None]
    ):
        self.table, self.times, self.steps, self.say = table, times, steps, say

    def one_of(self, groups: list[list[int]]) -> list[int]:
        """The group of columns that gives each series each time once; nearly, if none does.

        Raises:
            TableError: several groups do, and they make different series.
        """
        codes = {tuple(group): id_codes(self.table, group)[0] for group in groups}
        shares = {group: self._share(codes[group]) for group in codes}
        fits = [group for group in codes if shares[group] == 1]
        if len(fits) > 1:
            if any((codes[a] != codes[b]).any() for a, b in pairwise(fits)):
                _refuse_several(self.table, fits)
            others = listed([self.table.names[i] for group in fits[1:] for i in group])
            name = " ".join(self.table.names[i] for i in fits[0])
            self.say(f"{self.table.name}: {name!r:.60} names the series; so does {others} (--id)")
        if not fits:
            fits = [group for group in codes if shares[group] >= NEARLY]
        return list(fits[0]) if fits else []

    def _share(self, codes: np.ndarray) -> float:
        """How many rows have a time that their series has once; 0 where each row is a series."""
        if codes.max() + 1 == len(codes) and self.times.max() > 0:
            return 0.0
        same = codes[1:] == codes[:-1]
        if (same.sum() == len(codes) - codes.max() - 1) and (self.steps[same] > 0).all():
            return 1.0  # series below each other, each in order of time
        pairs = codes.astype(np.int64) * (int(self.times.max()) + 1) + self.times
        return len(pd.unique(pairs)) / len(pairs)


def _moments(stamps: Stamps) -> np.ndarray:
    if stamps.counter is not None:
        return stamps.counter
    wall = stamps.wall.view(np.int64)
    return wall if stamps.offsets is None else wall - stamps.offsets * 1_000_000


def _texts(table: Table, options: TableOptions, time: int) -> list[int]:
    """Columns of text."""
    return [
        i
        for i, name in enumerate(table.names)
        if i != time
        and name not in options.target
        and cells.is_texts(table.types[i])
        and cells.content_of(table, i, options) == "text"
        and stamps_of(table, i, options) is None
    ]


def _named(table: Table, options: TableOptions, time: int) -> list[int]:
    """Columns of text or integers under a usual name of ids; NA is a name there, of Namibia."""
    return [
        i
        for i, name in enumerate(table.names)
        if i != time
        and name not in options.target
        and is_id_name(name)
        and (cells.is_texts(table.types[i]) or pa.types.is_integer(table.types[i]))
        and not pc.all(pc.equal(table.texts(i)[1], "")).as_py()
    ]


def _integers(table: Table, options: TableOptions, time: int) -> list[int]:
    """Columns of integers that are there twice at least, and are no part of the time."""
    return [
        i
        for i, name in enumerate(table.names)
        if i != time
        and name not in options.target
        and not (part_of_time(name) or is_time_name(name))
        and _repeats(table, i)
    ]


def _repeats(table: Table, i: int) -> bool:
    kind = table.types[i]
    if not (cells.is_texts(kind) or pa.types.is_integer(kind) or kind == pa.float64()):
        return False
    if not cells.is_texts(kind):
        column = table.column(i)
        if column.null_count or (kind == pa.float64() and (column.to_numpy() % 1 != 0).any()):
            return False
    codes, texts = table.texts(i)
    integers = pc.all(pc.match_substring_regex(texts, r"^\s*\d+\s*$")).as_py()
    return bool(integers and np.bincount(codes).min() > 1)


def id_codes(table: Table, ids: list[int]) -> tuple[np.ndarray, list[str]]:
    """Of each row the number of its series, and the series' names; in order of appearance.

    Raises:
        TableError: a cell of an id is empty.
    """
    codes, names = None, None
    for i in ids:
        own, texts = table.texts(i)
        empty = pc.equal(pc.utf8_trim_whitespace(texts), "").to_numpy(zero_copy_only=False)
        if empty.any():
            row = int(np.argmax(empty[own]))
            raise TableError(f"{table.where(row, i)}: the cell is empty; it names the series")
        if codes is None:
            codes, names = own, texts.to_pylist()
            continue
        joined, found = pd.factorize(codes.astype(np.int64) * len(texts) + own)
        pairs = zip(*(part.tolist() for part in np.divmod(found, len(texts))), strict=True)
        names = [f"{names[a]}/{texts[b].as_py()}" for a, b in pairs]
        codes = joined
    return codes, names


def _each_time_once(
    table: Table, named: list[int], texts: list[int], moments: np.ndarray
) -> list[int]:
    """No time is there twice: wide, unless a usual name says that a column holds ids."""
    several = [i for i in named if len(id_codes(table, [i])[1]) <= max(1, len(moments) // 2)]
    if several:
        return several
    steps = np.diff(moments)
    if (steps > 0).all() or (steps < 0).all():
        return []
    for i in texts:
        codes = id_codes(table, [i])[0]
        same = np.diff(codes) == 0
        if 0 < (~same).sum() == codes.max() and (steps[same] > 0).all():
            raise TableError(
                f"{table.name}: column {short(table.names[i])} may name series below each other "
                f"(--id {table.names[i]}), or be text beside one unsorted series (--layout wide); "
                "say which"
            )
    return []


def _refuse_several(table: Table, fits: list[tuple[int, ...]]) -> None:
    names = [" ".join(table.names[i] for i in ids) for ids in fits]
    ways = " or ".join(f"--id {name}" for name in names[:4])
    raise TableError(f"{table.name} is long, and several columns may name its series: say {ways}")


def _refuse_few(table: Table, ids: list[int], time: int) -> None:
    names = " ".join(table.names[i] for i in ids)
    raise TableError(
        f"{table.name}: some times of column {short(table.names[time])} are there twice; this is a "
        f"long table (--id {names}), or a wide one (--layout wide, and keep one row for each time)"
    )


def ids_of_long(
    table: Table,
    options: TableOptions,
    time: int | None,
    stamps: Stamps | None,
    say: Callable[[str], None],
) -> list[int]:
    """The ids of a table that the user says is long.

    Raises:
        TableError: no column can name the series.
    """
    if stamps is not None:
        ids = find_ids(table, options, time, stamps, say) or _texts(table, options, time)
    else:
        ids = [i for i, name in enumerate(table.names) if is_id_name(name)]
    if not ids:
        raise TableError(f"{table.name}: no column names the series; say --id NAME")
    return ids
