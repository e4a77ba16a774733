"""Whether the columns that users named tell the series of a long table apart."""

import numpy as np
import pandas as pd

from data.tables import cells
from data.tables.choices import arguments, id_codes
from data.tables.items import TableError, TableOptions
from data.tables.names import is_id_name
from data.tables.table import Table, short
from data.tables.times import Stamps

MANY = 1.5  # rows for each time: where times repeat so often, several series stand below each other


def check_given(table: Table, ids: list[int], time: int, stamps: Stamps) -> None:
    """Refuses ids that users gave, and that leave most times of a series there twice.

    Raises:
        TableError: they do.
    """
    times, _ = pd.factorize(stamps.moments)
    keys = id_codes(table, ids)[0].astype(np.int64) * len(times) + times
    if len(pd.unique(keys)) * MANY <= len(keys):
        refuse_twice(table, time, keys)


def check_without_times(table: Table, options: TableOptions, ids: list[int]) -> None:
    """Refuses ids of a table without times that leave out another column of a usual name.

    Raises:
        TableError: the series that they name have several ids.
    """
    codes = id_codes(table, ids)[0].astype(np.int64)
    for i, name in enumerate(table.names):
        kind = table.types[i]
        if i in ids or not is_id_name(name) or name in options.target:
            continue
        if not (cells.is_texts(kind) or cells.is_numbers(kind)):
            continue
        own, texts = table.texts(i)
        if len(texts) < table.rows and len(np.unique(codes * len(texts) + own)) > codes.max() + 1:
            raise TableError(
                f"{table.name}: the series that {arguments(table, ids)} names have several "
                f"{short(name)}; say --id {arguments(table, [*ids, i])}, or remove that column"
            )


def refuse_twice(table: Table, time: int, keys: np.ndarray) -> None:
    """Refuses rows that have the same time.

    Args:
        table: for the message.
        time: the column of times.
        keys: of each row a number for its series and time; one is there twice at least.

    Raises:
        TableError: always.
    """
    second = int(np.argmax(pd.Series(keys).duplicated()))
    first = int(np.argmax(keys == keys[second]))
    raise TableError(
        f"{table.name}, rows {table.line(first)} and {table.line(second)}, column "
        f"{short(table.names[time])}: {table.cell(first, time)} is there twice, as many times are; "
        "name all columns that tell the series apart with --id; if the time goes on in another "
        "column, join the two; if rows are there twice, keep one of them"
    )
