"""Several series that were measured by turns: no time is there twice, and yet a table is long."""

import numpy as np

from data.tables.choices import id_codes
from data.tables.columns import argument
from data.tables.items import TableError
from data.tables.table import Table, short

DAY = 86_400_000_000  # microseconds
FEW = 3  # rows of each series at least
USUAL = 0.9  # of the rows hold one text: it is a flag, and no device
MOST = 0.95  # of the steps are multiples of one; of the rows come again in each round


def are_irregular(moments: np.ndarray) -> bool:
    """Whether times, in microseconds, are neither days nor multiples of one step."""
    steps = np.diff(np.sort(moments))
    if len(steps) < FEW or (steps % DAY == 0).all():
        return False
    return (steps % np.median(steps) == 0).mean() <= MOST


def refuse_turns(table: Table, moments: np.ndarray, texts: list[int], integers: list[int]) -> None:
    """Asks about a column that may say which device was measured at each irregular time.

    Text that changes often may do so, and text or integers that go round.

    Args:
        table: in which no time is there twice.
        moments: its times, in microseconds, `are_irregular`.
        texts: columns of text.
        integers: columns of integers, each there twice at least.

    Raises:
        TableError: there is such a column.
    """
    order = np.argsort(moments, kind="stable")
    for i in [*texts, *integers]:
        codes = id_codes(table, [i])[0][order]
        shares = np.bincount(codes) / len(codes)
        count = len(shares)
        if count < 2 or len(codes) < FEW * count:
            continue
        goes_round = (codes[count:] == codes[:-count]).mean() > MOST
        # In a random order, so many rows would differ from the one before.
        changes = (codes[1:] != codes[:-1]).mean() > (1 - (shares**2).sum()) / 2
        if goes_round or (i in texts and changes and shares.max() < USUAL):
            raise TableError(
                f"{table.name}: column {short(table.names[i])} may name series that were measured "
                f"by turns (--id {argument(table.names[i])}), or stand beside one series (--layout "
                "wide); say which"
            )
