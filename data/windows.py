"""Maps sample number k to a window of a corpus, and makes batches of samples.

Shapes: B batch, L context, H horizon. Sample k depends only on (corpus, seed, k): its random
numbers are block k of a counter-based generator (Philox; Salmon et al., 2011). So workers, ranks
and resumed runs need no saved generator state.
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
BLOCK = 16  # samples drawn at a time: their intermediate arrays fit into the CPU cache
VALIDATION_SEED = 0  # the same for all runs, so runs with different seeds can be compared


class Batch(NamedTuple):
    """Windows, z-scored with the mean and std of their contexts.

    Attributes:
        context: [B, L] float32, NaN = missing.
        labels: [B, H] float32, 0 where the mask is 0.
        mask: [B, H] float32, 1 where a label is valid.
    """

    context: Tensor
    labels: Tensor
    mask: Tensor


class WindowDataset(Dataset):
    """An endless numbered sequence of random windows of a corpus.

    Sample k is drawn in these steps:

    1. Draw a row, uniformly.
    2. Draw the end of the context, uniformly over the positions for which at least 48 context
       and 16 label steps lie inside the series (min(48, L) and min(16, H)), and no label before
       the row's `first_label`. Steps outside the series are NaN.
    3. Z-score the window by the finite context values, and mask |z| > 4.
    4. If no context value or no label is left, draw again.

    Args:
        corpus: source of the rows.
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
        """Calls `batch`; torch's DataLoader calls this method."""
        return self.batch(samples)

    def batch(self, samples: Sequence[int]) -> Batch:
        """The batch of the given samples, in the given order.

        Raises:
            CorpusError: 100 attempts gave no usable window for a sample.
        """
        samples = np.asarray(samples)
        values = np.empty((len(samples), self.context_length + self.target_length), np.float32)
        for start in range(0, len(samples), BLOCK):
            self._fill(values[start : start + BLOCK], samples[start : start + BLOCK])
        return self._to_batch(values)

    def _fill(self, values: np.ndarray, samples: np.ndarray) -> None:
        """Writes a usable window for each sample into `values`, [n, L + H]."""
        pending = np.arange(len(samples))
        for attempt in range(MAX_ATTEMPTS):
            drawn, usable = self._draw(samples[pending], attempt)
            values[pending[usable]] = drawn[usable]
            pending = pending[~usable]
            if not len(pending):
                return
        raise CorpusError(
            f"{self.corpus.folder}: sample {samples[pending[0]]} found no usable window in "
            f"{MAX_ATTEMPTS} attempts; the corpus needs series with at least "
            f"{self._min_steps[0]} context and {self._min_steps[1]} label steps that have "
            "finite values; shorter series need a shorter DATASET.PARAM.context_length and "
            "target_length, and --context and --horizon of data.prepare"
        )

    @property
    def _min_steps(self) -> tuple[int, int]:
        return min(MIN_CONTEXT, self.context_length), min(MIN_TARGET, self.target_length)

    def _draw(self, samples: np.ndarray, attempt: int) -> tuple[np.ndarray, np.ndarray]:
        """One window for each sample, [n, L + H] in z-scores, and whether it is usable, [n]."""
        words = self._random_words(samples, attempt)
        drawn = (words[:, 0] % len(self.corpus.rows)).astype(np.intp)
        rows = self.corpus.read(drawn)  # [n, W]
        n, width = rows.shape
        length = width - np.isfinite(rows)[:, ::-1].argmax(axis=1)  # without the NaN padding
        first_end, min_target = self._min_steps
        if self.corpus.first_label is not None:  # the labels begin where the context ends
            first_end = np.maximum(first_end, self.corpus.first_label[drawn])
        num_ends = length - (first_end + min_target) + 1  # possible ends of the context
        offset = words[:, 1] % np.maximum(num_ends, 1).astype(np.uint64)
        end = first_end + offset.astype(np.intp)
        end = np.minimum(end, width)  # stay in bounds; too short series are not usable, see below

        padded = np.full((n, self.context_length + width + self.target_length), np.nan, np.float32)
        padded[:, self.context_length : self.context_length + width] = rows
        window = np.lib.stride_tricks.sliding_window_view(
            padded, self.context_length + self.target_length, axis=1
        )[np.arange(n), end]  # L values of padding come first, so the window starts at `end`
        z = zscore(window, self.context_length)
        finite = np.isfinite(z)
        usable = finite[:, : self.context_length].any(axis=1)
        usable &= finite[:, self.context_length :].any(axis=1)
        return z, usable & (num_ends > 0)

    def _random_words(self, samples: np.ndarray, attempt: int) -> np.ndarray:
        """Four random uint64 for each sample, [n, 4]."""
        first, last = int(samples.min()), int(samples.max())
        if last - first > 4 * len(samples):  # samples are far apart: one call for each
            return np.concatenate([self._random_words(k, attempt) for k in samples[:, None]])
        # Samples of a batch have neighbouring numbers: one call draws for their whole range.
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
    """Z-scores windows by the finite values of their contexts.

    Mean and population std are computed in float64. A context is constant only where all its
    finite values are equal: then these, and the labels equal to them, become 0; others are NaN.

    Args:
        window: [n, L + H].
        context_length: L.

    Returns:
        [n, L + H] float32; non-finite values and |z| > 4 are NaN.
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
    # The rounded mean of equal values may leave a tiny std: only a reason to compare the values.
    suspects = np.flatnonzero(std <= 1e-9 * np.abs(mean))
    std[std == 0.0] = 1.0
    with np.errstate(over="ignore"):  # values beyond float32 are masked below
        z = (values / std).astype(np.float32)
    z[~finite | (np.abs(z) > MAX_ABS_Z)] = np.nan
    if len(suspects):
        context = window[suspects, :context_length]
        low = np.where(inside[suspects], context, np.inf).min(axis=1)
        high = np.where(inside[suspects], context, -np.inf).max(axis=1)
        constant = suspects[low >= high]  # without a finite value too: it has no z-scores
        equal = finite[constant] & (window[constant] == low[low >= high, None])
        z[constant] = np.where(equal, np.float32(0.0), np.float32(np.nan))
    return z


def batch_ranges(first_batch: int, batch_size: int, rank: int = 0, world_size: int = 1):
    """Yields the sample numbers of each batch of one rank, without end.

    Batch i of rank r is range number i * world_size + r.

    Args:
        first_batch: i of the first batch.
        batch_size: samples per batch of one rank.
        rank: r.
        world_size: number of ranks.
    """
    step = batch_size * world_size
    start = first_batch * step + rank * batch_size
    while True:
        yield range(start, start + batch_size)
        start += step
