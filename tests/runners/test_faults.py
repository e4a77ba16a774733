"""Several processes, one of which fails (tests/faulty_train.py)."""

import math
import time
from datetime import datetime
from pathlib import Path

import pytest
import torch

from data.windows import WindowDataset
from runners import utp_runner
from runners.checkpoint import load_checkpoint
from tests.processes import Ranks
from tests.small import run, scalars, weights_of


def wait_for(log: Path, words: str) -> None:
    """Until a log holds some words; the test fails after a minute and a half."""
    end = time.monotonic() + 90
    while not (log.exists() and words in log.read_text()):
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("fault", "words"),
    [("die:1:2", "died or were stopped"), ("raise:1:2", "died or were stopped")],
)
def test_process_that_ends_ends_the_run_and_the_log_names_it(faulty, fault, words):
    """The others would wait for it until somebody looks, on machines that cost money."""
    process, folder = faulty[fault]
    _, stderr = process.communicate(timeout=90)
    assert process.returncode != 0
    assert f"error (process 0): process(es) [1] of 2 {words}" in stderr
    assert f"iteration 2: process(es) [1] of 2 {words}" in (folder / "training.log").read_text()
    if fault.startswith("raise"):
        assert "error (process 1): a fault of this process alone" in stderr


def test_main_process_that_dies_is_named_by_the_others(faulty):
    """Its log cannot say it."""
    process, _ = faulty["die:0:2"]
    _, stderr = process.communicate(timeout=90)
    assert process.returncode != 0
    assert "error (process 1): process(es) [0] of 2 died" in stderr


@pytest.mark.parametrize(
    ("fault", "words"),
    [("stop:1:2", "died or were stopped"), ("loop:1:2", "hang; the others waited for them")],
)
def test_process_that_hangs_is_named_within_the_timeout(faulty, fault, words):
    """The launcher sees nothing wrong with it; it then needs 30 s to kill it (docs)."""
    _, folder = faulty[fault]
    log, named = folder / "training.log", f"iteration 2: process(es) [1] of 2 {words}"
    wait_for(log, named)
    times = {
        line[20:]: datetime.fromisoformat(line[:19])
        for line in log.read_text().splitlines()
        if line[20:].startswith(("iteration 2: loss", named))
    }
    before, after = times.values()
    assert (after - before).total_seconds() < 10 + 20  # PEER_TIMEOUT, on busy cores


def test_one_process_without_a_valid_label(faulty, monkeypatch):
    """N counts all processes: the empty one adds nothing, and nothing is NaN."""
    two = finished(faulty["empty:1:1"])
    windows = WindowDataset.batch

    def half_empty(self, samples):
        batch = windows(self, samples)
        if self.corpus.folder.name == "train" and samples[0] == 8:  # the second step
            batch.labels[4:], batch.mask[4:] = 0, 0
        return batch

    monkeypatch.setattr(WindowDataset, "batch", half_empty)
    run("one")
    compare("one", two)


def test_bad_step_of_one_process_is_skipped_by_all(faulty, monkeypatch):
    """Its gradients are finite: without agreement the others would take the step."""
    two = finished(faulty["inf:1:1"])
    losses, calls = utp_runner.byot_losses, iter(range(100))

    def second_is_infinite(*args):
        result = losses(*args)
        if next(calls) != 1:
            return result
        return result._replace(gt={head: loss + torch.inf for head, loss in result.gt.items()})

    monkeypatch.setattr(utp_runner, "byot_losses", second_is_infinite)
    run("one")
    assert load_checkpoint(two / "latest.pt")["guard"] == {"run": 0, "total": 1}
    assert scalars(two)["train/skipped_steps"] == {1: 0, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1}
    compare("one", two, but={2})


def finished(run: tuple[Ranks, Path]) -> Path:
    """The folder of a run that must end well."""
    process, folder = run
    output = "".join(process.communicate(timeout=90))
    assert process.returncode == 0, output
    return folder


def compare(one: str, other: Path, but: set[int] = frozenset()) -> None:
    """Losses, to rounding: gradients are averaged, so weights that differ would show in them."""
    runs = [scalars(folder) for folder in (one, other)]
    for name in ("loss_gt_teacher", "loss_soft_student_1", "grad_norm"):
        curves = [run[f"train/{name}"] for run in runs]
        for iteration in curves[0].keys() - but:
            values = [curve[iteration] for curve in curves]
            assert values[1] == pytest.approx(values[0], rel=2e-4), (name, iteration)
            assert math.isfinite(values[0])
    weights = (dict(weights_of(folder / "latest.pt")) for folder in (Path(one), other))
    torch.testing.assert_close(*weights, rtol=1e-3, atol=2e-5)
