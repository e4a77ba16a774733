"""Which windows a step gets: sample k and the seed decide them, and nothing else."""

from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from data.corpus import Corpus, write_corpus
from data.windows import WindowDataset, batch_ranges
from tests.data.memory import MemoryCorpus, assert_same, coded_rows, gappy_rows

NAN = np.nan


def join(batches):
    """One batch of several."""
    return [torch.cat(parts) for parts in zip(*batches, strict=True)]


@pytest.mark.parametrize(
    "batches",
    [
        [range(40)],
        [range(0, 8), range(8, 40)],
        [range(k, k + 1) for k in range(40)],
        [range(k, min(k + 7, 40)) for k in range(0, 40, 7)],
    ],
    ids=["whole", "uneven", "single", "sevens"],
)
def test_a_sample_does_not_depend_on_its_batch(batches):
    """Another batch size, rank or number of workers would train on other windows."""
    windows = WindowDataset(MemoryCorpus(gappy_rows()), 48, 16, seed=3)
    alone = join([windows.batch([k]) for k in range(40)])
    assert_same(join([windows.batch(samples) for samples in batches]), alone)


def test_samples_come_in_the_order_asked_for():
    """Samples out of order or asked for twice would be exchanged."""
    windows = WindowDataset(MemoryCorpus(gappy_rows()), 48, 16, seed=3)
    order = [*np.random.default_rng(0).permutation(40).tolist(), 5, 5, 0]
    ordered = windows.batch(range(40))
    assert_same(windows.batch(order), [part[order] for part in ordered])


def test_samples_may_lie_far_apart():
    """Random numbers would be drawn for all samples in between, more than memory holds."""
    windows = WindowDataset(MemoryCorpus(gappy_rows()), 48, 16, seed=3)
    samples = [10**12, 0, 7, 10**6, 10**12 + 1]
    alone = join([windows.batch([k]) for k in samples])
    assert_same(windows.batch(samples), alone)
    between = windows.batch(range(10**6 - 3, 10**6 + 1))
    assert_same([part[3] for part in between], [part[3] for part in alone])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_the_same_samples(tmp_path, workers):
    """Workers would bring their own random state, or another order."""
    with write_corpus(tmp_path / "c", 400) as writers:
        writers["train"].append(gappy_rows())
        writers["valid"].append(np.zeros((1, 400)))
    windows = WindowDataset(Corpus(tmp_path / "c", "train"), 48, 16, seed=3)
    loader = DataLoader(
        windows,
        batch_sampler=list(islice(batch_ranges(2, 4), 5)),
        num_workers=workers,
        collate_fn=lambda batch: batch,
    )
    batches = list(loader)
    assert len(batches) == 5
    assert_same(join(batches), windows.batch(range(8, 28)))


def test_another_seed_gives_other_windows(raw):
    """The seed would be ignored."""
    corpus = MemoryCorpus(coded_rows([2000] * 20, 2000))
    drawn = [WindowDataset(corpus, 48, 16, seed).batch(range(200)).context for seed in (0, 1)]
    assert (drawn[0] != drawn[1]).any(dim=1).float().mean() > 0.95


def test_neighbours_are_other_windows(raw):
    """A redrawn sample would repeat the first draw of another sample."""
    rows = coded_rows([2000] * 20, 2000)
    rows[::2] = NAN
    context = WindowDataset(MemoryCorpus(rows), 48, 16, seed=0).batch(range(400)).context
    assert len(torch.unique(context, dim=0)) > 380


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((0, 8), [range(0, 8), range(8, 16)]),
        ((0, 4, 0, 2), [range(0, 4), range(8, 12)]),
        ((0, 4, 1, 2), [range(4, 8), range(12, 16)]),
        ((5, 8, 0, 1), [range(40, 48), range(48, 56)]),
        ((3, 2, 1, 3), [range(20, 22), range(26, 28)]),
    ],
)
def test_batch_ranges_hold_these_samples(arguments, expected):
    """Ranks would overlap, or a resumed run would start at another sample."""
    assert list(islice(batch_ranges(*arguments), 2)) == expected


@pytest.mark.parametrize(("batch_size", "world_size"), [(1, 1), (3, 2), (4, 3), (1, 5)])
def test_ranks_share_out_the_samples(batch_size, world_size):
    """A sample would be seen twice or never."""
    ranges = [
        samples
        for rank in range(world_size)
        for samples in islice(batch_ranges(0, batch_size, rank, world_size), 6)
    ]
    assert sorted(k for samples in ranges for k in samples) == list(
        range(6 * batch_size * world_size)
    )


def test_one_global_batch_however_it_is_split():
    """The windows of a step would depend on how its batch is split."""
    windows = WindowDataset(MemoryCorpus(gappy_rows()), 48, 16, seed=3)
    ranks = [next(batch_ranges(1, 4, rank, 2)) for rank in (0, 1)]
    steps = list(islice(batch_ranges(2, 4), 2))
    whole = windows.batch(next(batch_ranges(1, 8)))
    for parts in (ranks, steps):
        assert_same(join([windows.batch(samples) for samples in parts]), whole)
