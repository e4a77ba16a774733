"""Which columns tell the series of a long table apart: each series has each time once."""

from collections.abc import Callable, Iterable
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from data.tables.items import TableError
from data.tables.names import argument
from data.tables.table import Table, listed, short

MANY = 1.5  # rows for each time: where times repeat so often, several series stand below each other
NEARLY = 0.95  # an id that gives so many rows a time of their own is one; the others are duplicates
TOGETHER = 6  # columns of which groups are tried


class Choices:
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
                refuse_several(self.table, fits)
            others = listed([self.table.names[i] for group in fits[1:] for i in group])
            name = " ".join(self.table.names[i] for i in fits[0])
            self.say(f"{self.table.name}: {name!r:.60} names the series; so does {others} (--id)")
        if not fits:
            fits = [group for group in codes if shares[group] >= NEARLY]
        return list(fits[0]) if fits else []

    def smallest(self, columns: list[int]) -> list[tuple[int, ...]]:
        """The smallest groups of three columns or fewer that give each series each time once.

        Groups that make the same series are there once. Where one has each series at each time,
        others of several columns are left out: numbers that differ within each time by chance.
        """
        codes = {i: self.table.texts(i)[0] for i in columns if self._may_tell(i)}
        most = np.bincount(self.times).max()  # rows of one time
        found: dict[tuple[int, ...], np.ndarray] = {}
        for size in (1, 2, 3):
            for group in combinations(list(codes)[: None if size == 1 else TOGETHER], size):
                if any(set(smaller) <= set(group) for smaller in found):
                    continue
                joined = codes[group[0]]
                for i in group[1:]:
                    joined = pd.factorize(joined.astype(np.int64) * len(self.times) + codes[i])[0]
                count = joined.max() + 1
                fits = most <= count <= len(joined) // 2 and self._share(joined) == 1
                if fits and not any((joined == other).all() for other in found.values()):
                    found[group] = joined
        full = [group for group in found if found[group].max() + 1 == most]
        kept = [group for group in found if not full or len(group) == 1 or group in full]
        return [tuple(sorted(group)) for group in kept]

    def _may_tell(self, i: int) -> bool:
        """Whether column i differs within a time, and names rows more often than once."""
        codes, texts = self.table.texts(i)
        pairs = len(pd.unique(self.times * np.int64(len(texts)) + codes))
        full = not pc.any(pc.equal(pc.utf8_trim_whitespace(texts), "")).as_py()
        return full and 1 < len(texts) <= len(codes) // 2 and pairs > self.times.max() + 1

    def is_below_each_other(self, codes: np.ndarray) -> bool:
        """Whether series stand below each other, each in order of time."""
        same = codes[1:] == codes[:-1]
        below = same.sum() == len(codes) - codes.max() - 1
        return bool(below and codes.max() and (self.steps[same] > 0).all())

    def _share(self, codes: np.ndarray) -> float:
        """How many rows have a time that their series has once; 0 where each row is a series."""
        if codes.max() + 1 == len(codes) and self.times.max() > 0:
            return 0.0
        if self.is_below_each_other(codes):
            return 1.0
        pairs = codes.astype(np.int64) * (int(self.times.max()) + 1) + self.times
        return len(pd.unique(pairs)) / len(pairs)


def check_smaller(choices: Choices, chosen: list[int]) -> None:
    """Looks whether some of the columns are enough, and make fewer series.

    Raises:
        TableError: they are; names both.
    """
    codes = id_codes(choices.table, chosen)[0]
    groups = choices.smallest(chosen)
    if any((id_codes(choices.table, list(group))[0] != codes).any() for group in groups):
        refuse_several(choices.table, [*groups, tuple(chosen)])


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


def refuse_several(table: Table, groups: list[tuple[int, ...]]) -> None:
    """Says which columns may name the series of a long table.

    Raises:
        TableError: always.
    """
    ways = " or ".join(f"--id {arguments(table, ids)}" for ids in groups[:4])
    why = "several columns may name its series"
    if len(groups) == 1:
        why = f"{arguments(table, groups[0])} may name its series"
        why = why if len(groups[0]) == 1 else "no column alone names its series"
    raise TableError(f"{table.name} is long, and {why}: say {ways}")


def arguments(table: Table, columns: Iterable[int]) -> str:
    """The names of columns as they can be typed behind an option."""
    return " ".join(argument(table.names[i]) for i in columns)


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
        f"{short(table.names[time])}: {table.cell(first, time)} is there twice, and so are many "
        "other times; name all columns that tell the series apart with --id; if the time goes on "
        "in another column, join the two; if rows are there twice, keep one of them"
    )
