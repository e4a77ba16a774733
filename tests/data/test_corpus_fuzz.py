"""Any corpus, however bad, gives clean windows and finite losses, or one clear error."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import event, given
from hypothesis import strategies as st

from data.corpus import CorpusError
from data.windows import WindowDataset, zscore
from losses.byot import byot_losses
from models.byot import BYOTWrapper
from models.utp import UTP
from tests.data.memory import MemoryCorpus

NAN, INF = np.nan, np.inf
QUANTILES = (0.1, 0.5, 0.9)


@st.composite
def bad_rows(draw):
    """Rows [1-6, 1-120] of any size: noise, constants, spikes, gaps, infinities, nothing."""
    count, width = draw(st.integers(1, 6)), draw(st.integers(1, 120))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = np.empty((count, width))
    for row in rows:
        kind = draw(st.sampled_from(["noise", "noise", "constant", "two values", "spikes"]))
        row[:] = {
            "noise": rng.normal(size=width),
            "constant": 1.0,
            "two values": rng.choice([-1.0, 1.0], width),
            "spikes": rng.standard_t(0.3, width),
        }[kind]
        row += draw(st.sampled_from([0.0, 0.0, 1.0, 1e6]))
        row *= 10.0 ** draw(st.integers(-46, 38))
        row[rng.random(width) < draw(st.sampled_from([0.0, 0.0, 0.0, 0.2, 0.9, 1.0]))] = NAN
        row[rng.random(width) < draw(st.sampled_from([0.0, 0.0, 0.0, 0.0, 0.1, 1.0]))] = INF
        row[rng.random(width) < draw(st.sampled_from([0.0, 0.0, 0.1]))] = -INF
        start, size = draw(st.integers(0, width)), draw(st.sampled_from([0, 0, 1, 40]))
        row[start : start + size] = NAN
        row[draw(st.integers(0, 2 * width)) :] = NAN
    with np.errstate(over="ignore"):
        return rows.astype(np.float32)


def all_windows(rows, context_length, horizon):
    """The z-scores of every window that may be drawn, and the share of draws that can be used."""
    min_context, min_target = min(48, context_length), min(16, horizon)
    windows, share = [], 0.0
    for row in rows:
        series = row[: np.flatnonzero(np.isfinite(row)).max(initial=-1) + 1]
        padded = np.concatenate([np.full(context_length, NAN), row, np.full(horizon, NAN)])
        of_row = [
            padded[end : end + context_length + horizon]
            for end in range(min_context, len(series) - min_target + 1)
        ]
        if of_row:
            z = zscore(np.float32(of_row), context_length)
            windows.extend(z)
            seen = np.isfinite(z)
            usable = seen[:, :context_length].any(axis=1) & seen[:, context_length:].any(axis=1)
            share += usable.mean() / len(rows)
    return np.array(windows), share


@cache
def small_model():
    """A UTP with a student, as small as it gets."""
    torch.manual_seed(0)
    utp = UTP(8, 2, 8, 2, use_reg_token=True, asinh_transform=True, quantiles=QUANTILES)
    return BYOTWrapper(utp, [0])


@pytest.mark.filterwarnings("error::RuntimeWarning")
@given(
    rows=bad_rows(),
    context_length=st.integers(1, 4) | st.integers(1, 64),
    horizon=st.integers(1, 2) | st.integers(1, 32),
    samples=st.lists(st.integers(0, 2**40), min_size=1, max_size=6),
    seed=st.integers(0, 2**32),
)
def test_any_corpus_gives_clean_batches_or_an_error(rows, context_length, horizon, samples, seed):
    """Bad data would reach a loss, move a window, hang the training, or end in a traceback."""
    possible, usable_share = all_windows(rows, context_length, horizon)
    corpus = MemoryCorpus(rows)
    windows = WindowDataset(corpus, context_length, horizon, seed)
    try:
        batch = windows.batch(samples)
    except CorpusError:
        assert usable_share < 0.3  # else 100 attempts would have found one
        event("error")
        return
    event("batch")
    context, labels, mask = (part.numpy() for part in batch)
    assert {part.dtype for part in batch} == {torch.float32}

    assert np.isin(mask, (0, 1)).all()
    assert not np.isinf(context).any()
    assert np.isfinite(labels).all()
    assert (labels[mask == 0] == 0).all()
    assert (np.abs(labels) <= 4).all()
    assert (np.abs(context[np.isfinite(context)]) <= 4).all()
    assert np.isfinite(context).any(axis=1).all()
    assert mask.any(axis=1).all()

    found = np.concatenate([context, np.where(mask, labels, NAN)], axis=1)
    for window in found:
        assert any(np.array_equal(window, other, equal_nan=True) for other in possible)
    for i, sample in enumerate(samples):
        for part, alone in zip(batch, windows.batch([sample]), strict=True):
            assert part[i].numpy().tobytes() == alone[0].numpy().tobytes()

    model = small_model()
    model.zero_grad()
    losses = byot_losses(model(batch.context, horizon), batch.labels, batch.mask, QUANTILES)
    losses.total(1.0, 0.2).backward()
    assert all(loss.isfinite() for loss in (*losses.gt.values(), *losses.soft.values()))
    assert all(weight.grad.isfinite().all() for weight in model.parameters())
