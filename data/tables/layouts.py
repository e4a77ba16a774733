"""The layout of a table: wide or long, and whether its columns of values are series.

A short list of rules, in the order of docs/data.md. Where two readings remain, the error shows
both, and names the option that chooses.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from data.tables import cells
from data.tables.choices import arguments, id_codes
from data.tables.columns import value_columns
from data.tables.given_ids import check_given, check_without_times
from data.tables.ids import find_ids, ids_of_long
from data.tables.items import TableError, TableOptions
from data.tables.names import argument, is_id_name, is_nameless
from data.tables.table import Table, listed, short
from data.tables.time_column import find_time
from data.tables.time_parts import check_header_parts, check_ids
from data.tables.times import Stamps, no_interval
from data.tables.words import LOOK, are_mostly_times, look_like_times


class Layout(NamedTuple):
    """How a table is read.

    Attributes:
        name: 'wide' or 'long'.
        time: the column of times, and `stamps` its times; None where there is none.
        ids: columns that name series, of a long table.
        values: columns of values.
    """

    name: str
    time: int | None
    stamps: Stamps | None
    ids: list[int]
    values: list[int]


def find_layout(table: Table, options: TableOptions, say: Callable[[str], None]) -> Layout:
    """Decides between wide and long.

    Raises:
        TableError: two readings remain, or none.
    """
    ids = [table.find(name, "--id") for name in options.id]
    values = [table.find(name.strip(), "--target") for name in options.target]
    # As the header writes them, perhaps with spaces around.
    id_names, targets = (tuple(table.names[i] for i in columns) for columns in (ids, values))
    options = replace(options, id=id_names, target=targets)
    time, stamps = find_time(table, options)
    if options.layout == "long" or ids:
        if ids and stamps is not None:
            check_given(table, ids, time, stamps)
        if ids and stamps is None:
            check_without_times(table, options, ids)
        ids = ids or ids_of_long(table, options, time, stamps, say)
        name = "long"
    elif options.layout == "wide" or stamps is None:
        if options.layout is None:
            _check_first_text(table, options)
        ids, name = [], "wide"
    else:
        ids = find_ids(table, options, time, stamps, say)
        name = "long" if ids else "wide"
    if stamps is not None and not options.id:
        check_ids(table, time, stamps, ids)
    values = value_columns(table, options, time, stamps, ids, say)
    if not options.target:
        _check_values(table, options, Layout(name, time, stamps, ids, values))
    return Layout(name, time, stamps, ids, values)


def _check_values(table: Table, options: TableOptions, layout: Layout) -> None:
    """Looks at columns of values that no user named: times or parts of them may be among them.

    Raises:
        TableError: there may be, or a series may stand in each row.
    """
    names = [table.names[i] for i in layout.values]
    if layout.ids and len(names) > 1 and len(id_codes(table, layout.ids)[1]) == table.rows > 1:
        rows = "say --layout rows if each row is a series, or " if layout.stamps is None else ""
        raise TableError(
            f"{table.name}: each of its {table.rows} rows would be {len(names)} series of one "
            f"value ({listed(names, 3)}); {rows}name the column of values with --target"
        )
    if layout.stamps is not None:
        if options.layout is None:
            check_header_parts(table, layout.name, layout.time, layout.stamps, layout.values)
        return
    _check_texts(table, options)
    if layout.name == "long":
        _check_counts(table, options, layout.ids, layout.values)
    elif options.layout is None and are_mostly_times(names):
        raise TableError(
            f"{table.name}: the columns {listed(names, 3)} may be times: say --layout rows if each "
            "row is a series, --layout wide if each of these columns is one"
        )


def _check_texts(table: Table, options: TableOptions) -> None:
    """Asks about text that looks like times, where no column is known as the times."""
    for i in range(len(table.names)):
        if not cells.is_texts(table.types[i]) or table.names[i] in options.id:
            continue
        if cells.content_of(table, i, options) == "numbers":
            continue
        texts = table.texts(i)[1][:LOOK].to_pylist()
        if look_like_times(texts):
            name = argument(table.names[i])
            raise TableError(
                f"{table.where(0, i)}: {short(texts[0])} may be a time of a form that is not known "
                f"(--timestamp {name} --date-format FORMAT), or text (name the columns of values "
                "with --target); say which"
            )


def _check_counts(table: Table, options: TableOptions, ids: list[int], values: list[int]) -> None:
    """Asks about a column that counts in each series of a long table without times."""
    codes = id_codes(table, ids)[0]
    same = np.diff(codes) == 0
    for i in values:
        steps = np.diff(cells.numbers_of(table, i, options))[same]
        if len(steps) > 1 and steps[0] and (steps == steps[0]).all():
            raise TableError(
                f"{table.where(None, i)} counts in even steps within each series: it may be the "
                f"times (--timestamp {argument(table.names[i])}), or a series (name the columns of "
                "values with --target); say which"
            )


def _check_first_text(table: Table, options: TableOptions) -> None:
    """Without times, a first column of text may be names of rows, ids, or times unknown."""
    content = cells.content_of(table, 0, options)
    if options.target or content not in ("text", "marked", "mixed"):
        return
    if content == "mixed" and cells.is_mostly_numbers(table, 0, options):
        cells.refuse_cell(table, 0, cells.first_text(table, 0, options))
    if error := no_interval(table, 0):
        raise error
    usual = [i for i, name in enumerate(table.names) if is_id_name(name)]
    name = argument(table.names[0].strip()) if not is_nameless(table.names[0]) else "NAME"
    ids = arguments(table, usual) if 0 in usual else name
    cell = short(table.cell(0, 0))
    raise TableError(
        f"{table.where(0, 0)}: {cell} may name a series that stands in this row (--layout rows) or "
        f"one that stands below others (--layout long --id {ids}), or be a time of a form that is "
        f"not known (--timestamp {name} --date-format FORMAT); say which"
    )
