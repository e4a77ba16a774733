"""What is evaluated: files, DataFrames or items, each table under a name."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from data.frames import in_python, say_sentinels
from data.tables import Item, TableError, TableOptions, find_files, items_of_frame, read_items
from data.tables.sentinels import KEEP_ALL
from runners import InputError

LONG_COLUMNS = ("item_id", "timestamp", "target")
Items = Iterable[Item] | pd.DataFrame
Data = Items | Mapping[str, Items] | Iterable["Table"]


class Table(NamedTuple):
    """Series that are evaluated together, one row of the results.

    Attributes:
        name: what the results call it.
        items: its series, or a long DataFrame with LONG_COLUMNS.
        source: what messages call it; empty: the name.
        paths: the files that hold it; empty: those that the items name.
    """

    name: str
    items: Items
    source: str = ""
    paths: Sequence[Path] = ()


class Dataset(NamedTuple):
    """Files that make one table.

    Attributes:
        source: the file, or the folder or pattern whose files are parts of one table.
        paths: of the files.
    """

    source: str
    paths: list[Path]

    @property
    def name(self) -> str:
        """What the results call it."""
        return Path(self.source).name

    def table(self, options: TableOptions, say: Callable[[str], None]) -> Table:
        """The table; its items are read one by one, when they are asked for."""
        return Table(self.name, read_items(self.paths, options, say), self.source, self.paths)


def find_datasets(
    data: Sequence[str], options: TableOptions, say: Callable[[str], None]
) -> list[Dataset]:
    """What `--data` names: each file for itself, or with `--files join` each argument as a whole.

    Raises:
        TableError: there is no such file.
    """
    if options.files:
        return [Dataset(one, find_files([one], say)) for one in data]
    return [Dataset(str(path), [path]) for path in find_files(data, say)]


def as_tables(data: Data, freq: str | None, say: Callable[[str], None]) -> Iterator[Table]:
    """One table after the other, so that one is in memory.

    Args:
        data: items of one table; a long DataFrame; or named ones: `{name: items or DataFrame}`,
            `Table`s, or pairs.
        freq: one step of time of DataFrames, if the user has said so.
        say: takes a line for each thing that the user must know.

    Raises:
        InputError: it is something else, or a DataFrame cannot be read.
    """
    if isinstance(data, pd.DataFrame):
        data = [Table("DataFrame", data)]
    elif isinstance(data, Mapping):
        data = data.items()
    rest = iter(data)
    for first in rest:
        if isinstance(first, Item):
            yield Table(Path(first.source).name or "items", chain([first], rest), first.source)
            return
        if not (isinstance(first, tuple) and len(first) > 1 and isinstance(first[0], str)):
            raise InputError(
                f"data holds a {type(first).__name__}; it must hold items, or tables with a name, "
                "or be a DataFrame"
            )
        table = Table(*first)
        if isinstance(table.items, pd.DataFrame):
            table = table._replace(items=_items_of(table, freq, say))
        yield table


def _items_of(table: Table, freq: str | None, say: Callable[[str], None]) -> list[Item]:
    # Numbers of a DataFrame are taken as they are, as in `Forecaster.predict_df`.
    options = TableOptions(freq=freq, keep=KEEP_ALL)
    if {*LONG_COLUMNS} <= {*table.items.columns}:
        name, timestamp, target = LONG_COLUMNS
        options = replace(options, layout="long", timestamp=timestamp, id=(name,), target=(target,))
    try:
        items = items_of_frame(table.items, options, say)
    except TableError as error:
        raise InputError(f"{table.name}: {in_python(str(error))}") from None
    say_sentinels(((item.id, item.values) for item in items), say, table.name)
    return items
