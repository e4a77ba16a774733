"""Several processes, one of which fails (tests/faulty_train.py)."""

import math
import time
from pathlib import Path

import pytest
import torch

from data.windows import Windows
from runners import utp_runner
from runners.checkpoint import load_checkpoint
from tests.small import run, scalars, torchrun, weights_of

HALF = "TRAIN.DATA.BATCH_SIZE=4"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("die:1:2", "process(es) [1] of 2 died or were stopped"),
        ("stop:1:2", "process(es) [1] of 2 died or were stopped"),
        ("loop:1:2", "process(es) [1] of 2 hang; the others waited for them"),
    ],
)
def test_lost_process_ends_the_run_and_the_log_names_it(fault, words):
    """The others would wait for it until somebody looks, on machines that cost money."""
    started = time.monotonic()
    done = torchrun("run", HALF, "TRAIN.PEER_TIMEOUT=3", fault=fault)
    assert done.returncode != 0
    assert time.monotonic() - started < 60
    text = Path("run/training.log").read_text()
    assert f"iteration 2: {words}" in text
    assert f"error (process 0): {words}" in done.stderr
    assert "Traceback" not in done.stderr.partition("Sending process")[0]


def test_main_process_that_dies_is_named_by_the_others():
    """Its log cannot say it."""
    done = torchrun("run", HALF, fault="die:0:2")
    assert done.returncode != 0
    assert "error (process 1): process(es) [0] of 2 died" in done.stderr


def test_error_of_one_process_ends_all():
    """The one error line that matters must not drown, and none may go on alone."""
    done = torchrun("run", HALF, fault="raise:1:2")
    assert done.returncode != 0
    assert "error (process 1): a fault of this process alone" in done.stderr
    assert "process(es) [1] of 2 died" in Path("run/training.log").read_text()


def test_one_process_without_a_valid_label(monkeypatch):
    """N counts all processes: the empty one adds nothing, and nothing is NaN."""
    torchrun("two", HALF, fault="empty:1:1")
    windows = Windows.__getitems__

    def half_empty(self, samples):
        batch = windows(self, samples)
        if self.corpus.folder.name == "train" and samples[0] == 8:  # the second step
            batch.labels[4:], batch.mask[4:] = 0, 0
        return batch

    monkeypatch.setattr(Windows, "__getitems__", half_empty)
    run("one")
    compare("one", "two")


def test_bad_step_of_one_process_is_skipped_by_all(monkeypatch):
    """Weights that differ between the processes from then on."""
    torchrun("two", HALF, fault="nan:1:1")
    losses, calls = utp_runner.byot_losses, iter(range(100))

    def second_is_nan(*args):
        result = losses(*args)
        if next(calls) != 1:
            return result
        return result._replace(gt={head: loss * torch.nan for head, loss in result.gt.items()})

    monkeypatch.setattr(utp_runner, "byot_losses", second_is_nan)
    run("one")
    assert load_checkpoint("two/latest.pt")["guard"] == {"run": 0, "total": 1}
    assert scalars("two")["train/skipped_steps"] == {1: 0, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1}
    compare("one", "two", but={2})


def compare(one: str, other: str, but: set[int] = frozenset()) -> None:
    """Losses, to rounding: gradients are averaged, so weights that differ would show in them."""
    for name in ("loss_gt_teacher", "loss_soft_student_1", "grad_norm"):
        curves = [scalars(folder)[f"train/{name}"] for folder in (one, other)]
        for iteration in curves[0].keys() - but:
            values = [curve[iteration] for curve in curves]
            assert values[1] == pytest.approx(values[0], rel=2e-4), (name, iteration)
            assert math.isfinite(values[0])
    for name, value in weights_of(f"{one}/latest.pt").items():
        torch.testing.assert_close(
            weights_of(f"{other}/latest.pt")[name], value, rtol=1e-3, atol=2e-5
        )
