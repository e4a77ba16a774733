"""A corpus that needs no files."""

from pathlib import Path

import numpy as np


class MemoryCorpus:
    """Rows [n, row length] as `data.windows` sees those of a corpus."""

    def __init__(self, rows):
        self.rows = np.asarray(rows, np.float32)
        self.read = self.rows.__getitem__
        self.folder = Path("the/corpus")
