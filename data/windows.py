"""Which window of a corpus is sample k, and the batch of given samples.

Shapes: B batch, L context, H horizon. Sample k is a function of (corpus, seed, k) alone: its
random numbers are block k of a counter-based generator (Philox; Salmon et al., 2011), so that no
worker, rank or resumed run holds a state.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from data.corpus import MIN_CONTEXT, MIN_TARGET, Corpus, CorpusError

MAX_ABS_Z = 4.0
MAX_ATTEMPTS = 100
BLOCK = 16  # samples drawn at a time, so that what they need on the way stays in the cache
VALIDATION_SEED = 0  # of every run, so that runs of different seeds can be compared


class Batch(NamedTuple):
    """Windows in z-score units of their contexts.

    Attributes:
        context: [B, L] float32, NaN = missing.
        labels: [B, H] float32, 0 where the mask is 0.
        mask: [B, H] float32, 1 where a label counts.
    """

    context: Tensor
    labels: Tensor
    mask: Tensor


class WindowDataset(Dataset):
    """Random windows of a corpus, numbered without end.

    Sample k: a row, uniform; then the end of its context, uniform over the places that leave at
    least 48 context and 16 label positions inside the series (fewer where L or H is shorter); what
    lies outside is NaN. Both parts are z-scored by the context's finite values, and |z| > 4 is
    masked. A window left without a context value or a label is drawn again.

    Args:
        corpus: where the rows come from.
        context_length: L.
        target_length: H.
        seed: any int >= 0; another seed gives other windows.
    """

    def __init__(self, corpus: Corpus, context_length: int, target_length: int, seed: int):
        self.corpus = corpus
        self.context_length = context_length
        self.target_length = target_length
        self.key = np.random.SeedSequence(seed).generate_state(2, np.uint64)

    def __getitems__(self, samples: Sequence[int]) -> Batch:
        """What torch's DataLoader calls: `batch`."""
        return self.batch(samples)

    def batch(self, samples: Sequence[int]) -> Batch:
        """The batch of the given samples, in their order.

        Raises:
            CorpusError: a sample found no usable window in 100 attempts.
        """
        samples = np.asarray(samples)
        values = np.empty((len(samples), self.context_length + self.target_length), np.float32)
        for start in range(0, len(samples), BLOCK):
            self._fill(values[start : start + BLOCK], samples[start : start + BLOCK])
        return self._to_batch(values)

    def _fill(self, values: np.ndarray, samples: np.ndarray) -> None:
        """Draws each sample into its row of values until it can be used."""
        pending = np.arange(len(samples))
        for attempt in range(MAX_ATTEMPTS):
            drawn, usable = self._draw(samples[pending], attempt)
            values[pending[usable]] = drawn[usable]
            pending = pending[~usable]
            if not len(pending):
                return
        raise CorpusError(
            f"{self.corpus.folder}: sample {samples[pending[0]]} found no usable window in "
            f"{MAX_ATTEMPTS} attempts; the corpus needs series with finite values on at least "
            f"{self._least[0]} context and {self._least[1]} label positions"
        )

    @property
    def _least(self) -> tuple[int, int]:
        return min(MIN_CONTEXT, self.context_length), min(MIN_TARGET, self.target_length)

    def _draw(self, samples: np.ndarray, attempt: int) -> tuple[np.ndarray, np.ndarray]:
        """One window for each sample, [n, L + H] in z-scores, and whether it can be used, [n]."""
        words = self._random_words(samples, attempt)
        rows = self.corpus.read((words[:, 0] % len(self.corpus.rows)).astype(np.intp))  # [n, W]
        n, width = rows.shape
        length = width - np.isfinite(rows)[:, ::-1].argmax(axis=1)  # of the series; padding is NaN
        min_context, min_target = self._least
        places = length - (min_context + min_target) + 1
        end = min_context + (words[:, 1] % np.maximum(places, 1).astype(np.uint64)).astype(np.intp)
        end = np.minimum(end, width)  # rows shorter than a window have no place; refused below

        padded = np.full((n, self.context_length + width + self.target_length), np.nan, np.float32)
        padded[:, self.context_length : self.context_length + width] = rows
        window = np.lib.stride_tricks.sliding_window_view(
            padded, self.context_length + self.target_length, axis=1
        )[np.arange(n), end]  # starts L before `end` in the row, which is `end` in the padded one
        z = zscore(window, self.context_length)
        seen = np.isfinite(z)
        usable = seen[:, : self.context_length].any(axis=1)
        usable &= seen[:, self.context_length :].any(axis=1)
        return z, usable & (places > 0)

    def _random_words(self, samples: np.ndarray, attempt: int) -> np.ndarray:
        """Four random uint64 for each sample, [n, 4]."""
        first, last = int(samples.min()), int(samples.max())
        if last - first > 4 * len(samples):  # far apart: one by one
            return np.concatenate([self._random_words(k, attempt) for k in samples[:, None]])
        # The samples of a batch lie side by side: one call draws the range that holds them.
        generator = np.random.Philox(key=self.key, counter=[first, attempt, 0, 0])
        words = generator.random_raw(4 * (last - first + 1)).reshape(-1, 4)
        return words[samples - first]

    def _to_batch(self, values: np.ndarray) -> Batch:
        context, labels = np.split(values, [self.context_length], axis=1)
        mask = np.isfinite(labels)
        return Batch(
            torch.from_numpy(np.ascontiguousarray(context)),
            torch.from_numpy(np.where(mask, labels, np.float32(0.0))),
            torch.from_numpy(mask.astype(np.float32)),
        )


def zscore(window: np.ndarray, context_length: int) -> np.ndarray:
    """Z-scores windows [n, L + H] by the finite values of their first L; NaN where masked.

    Mean and population std in float64. A context is constant where std <= 1e-6 max(1, |mean|);
    its std is 1. Non-finite values and |z| > 4 become NaN. float32.
    """
    values = window.astype(np.float64)
    finite = np.isfinite(values)
    values[~finite] = 0.0
    inside = finite[:, :context_length]
    count = np.maximum(inside.sum(axis=1, keepdims=True), 1)
    mean = values[:, :context_length].sum(axis=1, keepdims=True) / count
    values -= mean
    variance = np.square(values[:, :context_length], where=inside, out=np.zeros(inside.shape))
    std = np.sqrt(variance.sum(axis=1, keepdims=True) / count)
    std[std <= 1e-6 * np.maximum(1.0, np.abs(mean))] = 1.0
    with np.errstate(over="ignore"):  # what is beyond float32 is masked below
        z = (values / std).astype(np.float32)
    z[~finite | (np.abs(z) > MAX_ABS_Z)] = np.nan
    return z


def batch_ranges(first_batch: int, batch_size: int, rank: int = 0, world_size: int = 1):
    """Endless sample ranges of one rank: batch i of rank r is range number i * world_size + r."""
    step = batch_size * world_size
    start = first_batch * step + rank * batch_size
    while True:
        yield range(start, start + batch_size)
        start += step
