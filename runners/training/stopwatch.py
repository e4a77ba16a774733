"""Measures the time of a training without the time for validating and saving."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

TIMED_STEPS = 2  # after the first step, which is slow because it compiles
COLD_PASS = 5.0  # seconds; the first pass also loads kernels, so a shorter one is timed again


@torch.no_grad()
def estimate_step(model: torch.nn.Module, config: dict, bfloat16: bool) -> float:
    """Seconds of a step on the CPU, by one or two forward passes of one window.

    A backward pass takes about twice as long as a forward pass.

    Args:
        model: takes contexts [B, L] and the horizon.
        config: configuration of the run.
        bfloat16: whether to run under autocast, as in training.
    """
    windows, train = config["DATASET"]["PARAM"], config["TRAIN"]
    context = torch.zeros(1, windows["context_length"])
    seconds = 0.0
    for _ in range(2):
        if seconds > COLD_PASS:
            break
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            model(context, windows["target_length"])
        seconds = time.perf_counter() - start
    return 3 * seconds * train["DATA"]["BATCH_SIZE"] * train["GRAD_ACCUMULATION_STEPS"]


class Stopwatch:
    """Counts the training seconds of a run, including those before a resumption.

    Args:
        seconds: training seconds before this start.
    """

    def __init__(self, seconds: float = 0.0):
        now = time.perf_counter()
        self._start = now - seconds
        self._lap = now
        self._steps = 0
        self._first_step = 0.0

    @property
    def seconds(self) -> float:
        """Training seconds so far."""
        return time.perf_counter() - self._start

    def lap(self) -> float:
        """Training seconds since the last call."""
        before, self._lap = self._lap, time.perf_counter()
        return self._lap - before

    def step(self, wait: Callable[[], object]) -> float | None:
        """Counts a step.

        Args:
            wait: function that waits until the device has computed the step; called twice.

        Returns:
            After the third step the mean seconds of a step, otherwise None.
        """
        self._steps += 1
        if self._steps == 1:
            wait()
            self._first_step = self.seconds
        elif self._steps == 1 + TIMED_STEPS:
            wait()
            return (self.seconds - self._first_step) / TIMED_STEPS
        return None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Does not count the seconds of the block."""
        began = time.perf_counter()
        try:
            yield
        finally:
            pause = time.perf_counter() - began
            self._start += pause
            self._lap += pause
