"""Measures the time of a training without the time for validating and saving."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TIMED_STEPS = 2  # after the first step, which is slow because it compiles


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
        self._has_forward = False
        self._first_step = 0.0

    @property
    def seconds(self) -> float:
        """Training seconds so far."""
        return time.perf_counter() - self._start

    def lap(self) -> float:
        """Training seconds since the last call."""
        before, self._lap = self._lap, time.perf_counter()
        return self._lap - before

    def first_forward(self) -> float | None:
        """Called after each forward pass.

        Returns:
            After the first one the seconds since the start, otherwise None. A GPU is not waited
            for, so there they are only the time until the pass was begun.
        """
        first, self._has_forward = not self._has_forward, True
        return time.perf_counter() - self._lap if first else None

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
