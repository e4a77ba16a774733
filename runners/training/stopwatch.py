"""The clock of a training: its seconds, without those of validating and saving."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TIMED_STEPS = 2  # the first step, which compiles, is not one of them


class Stopwatch:
    """Counts the seconds of a run, over all its resumptions.

    Args:
        seconds: of training before this start.
    """

    def __init__(self, seconds: float = 0.0):
        now = time.perf_counter()
        self._start = now - seconds
        self._lap = now
        self._steps = 0
        self._first_step = 0.0

    @property
    def seconds(self) -> float:
        """Of training until now."""
        return time.perf_counter() - self._start

    def lap(self) -> float:
        """Seconds of training since the last call."""
        before, self._lap = self._lap, time.perf_counter()
        return self._lap - before

    def step(self, wait: Callable[[], object]) -> float | None:
        """Counts a step; after the third one it returns the seconds of a step, else None.

        Args:
            wait: waits until the device has computed the step; called twice in a run.
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
        """Leaves out the seconds of the block."""
        began = time.perf_counter()
        try:
            yield
        finally:
            pause = time.perf_counter() - began
            self._start += pause
            self._lap += pause
