"""The clock of a training, on a clock that the test sets."""

import pytest
import torch

from runners.training.stopwatch import Stopwatch, estimate_step


@pytest.fixture
def clock(monkeypatch):
    """A list that holds the time; what is measured is worked out by hand."""
    now = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    return now


def test_pauses_do_not_count(clock):
    """Validating and saving would count as training, and slow the samples per second."""
    watch = Stopwatch(seconds=5.0)
    clock[0] += 2.0
    with watch.paused():
        clock[0] += 50.0
    clock[0] += 1.0
    assert watch.seconds == 8.0  # 5 before this start, 2 and 1
    assert watch.lap() == 3.0
    clock[0] += 4.0
    assert watch.lap() == 4.0  # since the last call


def test_a_pause_that_fails_does_not_count_either(clock):
    """A signal in a validation would leave its seconds in the cost of the training."""
    watch = Stopwatch()

    def validate():
        with watch.paused():
            clock[0] += 9.0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        validate()
    assert watch.seconds == 0.0


def test_the_first_step_is_not_timed(clock):
    """Compiling would count as a step, and a run of hours be taken for one of days."""
    watch, waits = Stopwatch(), []

    def wait():
        waits.append(clock[0])
        clock[0] += 1.0  # the device computes behind

    seconds = []
    for took in (60.0, 2.0, 3.0, 4.0):
        clock[0] += took
        seconds.append(watch.step(wait))
    # After the first step and its wait: 2, 3 and one more second of waiting, in two steps.
    assert seconds == [None, None, 3.0, None]
    assert len(waits) == 2


def test_a_step_is_estimated_before_it_is_taken(clock):
    """The first step of utp_base takes minutes on a laptop, and says nothing until it is done."""

    def model(context, horizon):
        assert (context.shape, horizon) == ((1, 64), 16)
        assert not torch.is_grad_enabled()
        clock[0] += passes.pop(0)

    train = {"DATA": {"BATCH_SIZE": 8}, "GRAD_ACCUMULATION_STEPS": 2}
    windows = {"PARAM": {"context_length": 64, "target_length": 16}}
    # 16 windows, each one forward pass and a backward pass that takes twice as long.
    passes = [4.0, 0.5]  # the first one loads kernels
    assert estimate_step(model, {"DATASET": windows, "TRAIN": train}, False) == 3 * 16 * 0.5
    passes = [6.0]  # a second one would take too long
    assert estimate_step(model, {"DATASET": windows, "TRAIN": train}, False) == 3 * 16 * 6.0
