"""What tests of tables share: files from text, and what is expected of their items."""

import numpy as np
import pandas as pd
import pytest

from data.tables import TableError, TableOptions, read_items

LONG = "unique_id,ds,y\nA,2024-01-01,1\nA,2024-01-02,2\nB,2024-01-01,3\nB,2024-01-02,4\n"


class Reader:
    """Reads text or bytes as a file of a folder; `said` holds what was said last."""

    def __init__(self, folder):
        self.file = folder / "table.csv"
        self.said = []

    def __call__(self, content, **options):
        self.file.write_bytes(content.encode() if isinstance(content, str) else content)
        self.said.clear()
        return list(read_items([self.file], TableOptions(**options), self.said.append))

    def refuses(self, content, *words, **options):
        """Asserts one line that begins with the file and holds the words."""
        with pytest.raises(TableError) as error:
            self(content, **options)
        message = str(error.value)
        assert message.startswith(str(self.file))
        assert "\n" not in message
        for word in words:
            assert word in message, message


def assert_series(items, **series):
    """Asserts ids and values."""
    assert [item.id for item in items] == list(series)
    for item, expected in zip(items, series.values(), strict=True):
        assert item.values.dtype == np.float64
        np.testing.assert_array_equal(item.values, expected)


def days(*texts):
    """Times of days, in the unit of items."""
    return pd.DatetimeIndex(texts).as_unit("us")
