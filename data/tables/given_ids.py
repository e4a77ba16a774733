"""Whether the columns that users named tell the series of a long table apart."""

import numpy as np
import pandas as pd

from data.tables import cells
from data.tables.choices import MANY, arguments, id_codes, refuse_twice
from data.tables.items import TableError, TableOptions
from data.tables.names import is_id_name
from data.tables.table import Table, short
from data.tables.times import Stamps


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
