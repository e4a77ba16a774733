"""Which columns of a long table name its series, and whether a table is long at all."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.tables import cells
from data.tables.choices import (
    MANY,
    NEARLY,
    Choices,
    arguments,
    check_smaller,
    id_codes,
    refuse_several,
    refuse_twice,
)
from data.tables.columns import may_be_times
from data.tables.items import TableError, TableOptions
from data.tables.names import argument, is_id_name, is_time_name, part_of_time
from data.tables.table import Table, listed, short
from data.tables.time_parts import check_ids
from data.tables.times import Stamps, stamps_of
from data.tables.turns import have_turns, refuse_turns


def find_ids(
    table: Table,
    options: TableOptions,
    time: int,
    stamps: Stamps,
    say: Callable[[str], None],
) -> list[int]:
    """The columns that name the series of a long table; none where the table is wide.

    In this order: one column of a usual name (item_id, unique_id, sku ...), all of such names,
    one column of text, all of text, one column of integers that repeat, alone or with text.
    Columns name the series where each series has each time once.

    Raises:
        TableError: columns could name series, and it is not clear whether, or which.
    """
    moments = stamps.moments
    times, distinct = pd.factorize(moments)
    named, found = _named(table, options, time), _texts(table, options, time)
    texts = [i for i in found if _num_empty(table, i) == 0]
    if len(distinct) == len(moments):
        return _each_time_once(table, options, time, stamps, named, texts)
    often = len(moments) >= MANY * len(distinct)
    choices = Choices(table, times, np.diff(moments), say)
    for usual, groups in (
        (True, [[i] for i in named]),
        (True, [named]),
        (False, [[i] for i in texts]),
        (False, [texts]),
    ):
        chosen = choices.one_of([group for group in groups if group])
        if chosen and not (usual or often):
            _refuse_few(table, chosen, time)
        if len(chosen) > 1 and not usual:
            check_smaller(choices, chosen)
        if chosen:
            return chosen
    integers = [i for i in _integers(table, options, time) if i not in named]
    if often:
        _refuse_split(table, options, time, choices, [*named, *texts])
        chosen = _with_integers(choices, time, stamps, named, texts, integers)
        if chosen:
            return chosen
    else:
        for i in integers:
            if choices.is_below_each_other(table.texts(i)[0]):
                _refuse_few(table, [i], time)
    for i in found:  # one that lacks few names is an id that has errors, if there is no other
        if often and 0 < _num_empty(table, i) <= (1 - NEARLY) * table.rows:
            id_codes(table, [i])
    if often or any(len(table.texts(i)[1]) <= len(moments) // 2 for i in named):
        tried = [*named, *texts, *integers]
        _refuse_repeats(table, options, time, stamps, choices, tried)
    return []


def _with_integers(
    choices: Choices,
    time: int,
    stamps: Stamps,
    named: list[int],
    texts: list[int],
    integers: list[int],
) -> list[int]:
    """One column of integers, or one beside all of text; none where no columns fit.

    Raises:
        TableError: several choices fit, or only columns of integers together.
    """
    groups = choices.smallest([*named, *texts, *integers])
    if not groups:  # nearly: the error names the duplicates
        return choices.one_of([[i] for i in integers]) or (
            choices.one_of([[*texts, i] for i in integers]) if texts else []
        )
    others = [i for i in groups[0] if i not in texts]
    if len(groups) > 1 or len(others) != 1:
        _refuse_groups(choices.table, time, stamps, groups)
    if len(groups[0]) == 1:
        return choices.one_of([[i] for i in integers])
    chosen = [*texts, *others]
    check_smaller(choices, chosen)
    return chosen


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


def _num_empty(table: Table, i: int) -> int:
    """How many cells of a column of text are empty."""
    codes, texts = table.texts(i)
    empty = pc.equal(pc.utf8_trim_whitespace(texts), "").to_numpy(zero_copy_only=False)
    return int(np.bincount(codes, minlength=len(texts))[empty].sum())


def _integers(table: Table, options: TableOptions, time: int) -> list[int]:
    """Columns of integers that are there twice at least, and are no part of the time."""
    return [
        i
        for i, name in enumerate(table.names)
        if i != time
        and name not in options.target
        and not is_time_name(name)
        and part_of_time(name) in (None, "day")  # a tag is a label, if no day
        and _repeats(table, i)
        and not may_be_times(table, i, options)
    ]


def _repeats(table: Table, i: int) -> bool:
    kind = table.types[i]
    if not (cells.is_texts(kind) or pa.types.is_integer(kind) or kind == pa.float64()):
        return False
    if not cells.is_texts(kind):
        column = table.column(i)
        if column.null_count or (kind == pa.float64() and not _are_whole(column.to_numpy())):
            return False
    codes, texts = table.texts(i)
    integers = pc.all(pc.match_substring_regex(texts, r"^\s*\d+\s*$")).as_py()
    return bool(integers and np.bincount(codes).min() > 1)


def _each_time_once(
    table: Table,
    options: TableOptions,
    time: int,
    stamps: Stamps,
    named: list[int],
    texts: list[int],
) -> list[int]:
    """No time is there twice: wide, unless a usual name says that a column holds ids."""
    moments = stamps.moments
    several = [i for i in named if len(id_codes(table, [i])[1]) <= max(1, len(moments) // 2)]
    if several:
        return several
    steps = np.diff(moments)
    in_order = (steps > 0).all() or (steps < 0).all()
    for i in texts:
        codes = id_codes(table, [i])[0]
        same = np.diff(codes) == 0
        if not in_order and 0 < (~same).sum() == codes.max() and (steps[same] > 0).all():
            raise TableError(
                f"{table.name}: column {short(table.names[i])} may name series below each other "
                f"(--id {argument(table.names[i])}), or be text beside one unsorted series "
                "(--layout wide); say which"
            )
    if stamps.counter is None and have_turns(moments):
        integers = _integers(table, options, time)
        numbers = [
            i
            for i in range(len(table.names))
            if i != time and cells.content_of(table, i, options) == "numbers"
        ]
        refuse_turns(table, moments, texts, integers, numbers)
    return []


def _refuse_few(table: Table, ids: list[int], time: int) -> None:
    names = arguments(table, ids)
    raise TableError(
        f"{table.name}: some times of column {short(table.names[time])} are there twice; this is a "
        f"long table (--id {names}), or a wide one (--layout wide, and keep one row for each time)"
    )


def _refuse_repeats(
    table: Table,
    options: TableOptions,
    time: int,
    stamps: Stamps,
    choices: Choices,
    tried: list[int],
) -> None:
    """Refuses times that repeat, where no columns that were tried tell the rows apart.

    Others may: another part of the time, flags, dates, numbers that are rarely there.
    """
    others = [
        i
        for i, name in enumerate(table.names)
        if i not in (time, *tried) and name not in options.target and _may_name(table, i)
    ]
    parts = [i for i in others if part_of_time(table.names[i]) or is_time_name(table.names[i])]
    groups = choices.smallest([*parts, *tried, *(i for i in others if i not in parts)])
    _refuse_parts(table, time, parts, groups)
    if groups:
        _refuse_groups(table, time, stamps, groups)
    if len(table.names) > 2:
        refuse_twice(table, time, choices.times)


def _refuse_groups(table: Table, time: int, stamps: Stamps, groups: list[tuple[int, ...]]) -> None:
    """Says which columns may name the series; a part of the time in all groups is named as one."""
    errors = []
    for group in groups:
        try:
            check_ids(table, time, stamps, list(group))
        except TableError as error:
            errors.append(error)
    if len(errors) == len(groups):
        raise errors[0]
    refuse_several(table, groups)


def _refuse_split(
    table: Table, options: TableOptions, time: int, choices: Choices, ids: list[int]
) -> None:
    """Refuses times that repeat, where the part that another column is named for tells them apart.

    Otherwise values that differ within each time would be taken for ids.
    """
    parts = [
        i
        for i, name in enumerate(table.names)
        if part_of_time(name) not in (None, "day")
        and i != time
        and name not in options.target
        and _may_name(table, i)
    ]
    if parts:
        _refuse_parts(table, time, parts, choices.smallest([*parts, *ids]))


def _refuse_parts(table: Table, time: int, parts: list[int], groups: list[tuple[int, ...]]) -> None:
    split = [i for i in parts if any(i in group for group in groups)]
    if split:
        names = listed([table.names[i] for i in (time, *split)])
        raise TableError(
            f"{table.name}: the time stands in several columns ({names}); join them into one, as "
            "2024-01-31 23:00"
        )


def _may_name(table: Table, i: int) -> bool:
    kind = table.types[i]
    if pa.types.is_floating(kind):
        return _are_whole(table.column(i).cast(pa.float64()).to_numpy())
    is_date = cells.by_type(kind) == "times"
    return is_date or cells.is_texts(kind) or pa.types.is_boolean(kind) or pa.types.is_integer(kind)


def _are_whole(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all() and (values % 1 == 0).all())


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
