"""Runs that end before their time."""

import os
import signal
import threading
import time

SIGNALS = signal.SIGTERM, signal.SIGINT
FINISHING = b"\nfinishing the step in hand, then saving; a second signal ends at once\n"
SAME_REQUEST = 1.0  # seconds in which a launcher may pass on what this process got itself
SIGNALS_FORWARDED = "UTP_SIGNALS_FORWARDED"  # in the environment: there is such a launcher


class TrainingError(Exception):
    """Training cannot go on; the message says where it stopped and why."""


class Stopped(Exception):
    """A signal asked the run to stop, and it has been saved."""

    def __init__(self, signum: int):
        name = signal.Signals(signum).name
        super().__init__(f"stopped by {name}; the same command with --resume goes on from here")
        self.status = 128 + signum


class StopRequest:
    """While entered, remembers SIGTERM or SIGINT for the training loop; a second one ends at once.

    Attributes:
        signum: the signal that came, or 0.
    """

    def __init__(self):
        self.signum = 0
        self._since = 0.0
        self._before = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # others may not set handlers
            self._before = {number: signal.signal(number, self._remember) for number in SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, signum: int, _frame) -> None:
        now = time.monotonic()
        launched = "WORLD_SIZE" in os.environ or SIGNALS_FORWARDED in os.environ
        if self.signum and not (launched and now - self._since < SAME_REQUEST):
            signal.signal(signum, signal.SIG_DFL)
            signal.raise_signal(signum)
        if not self.signum:
            self.signum, self._since = signum, now
            if os.environ.get("RANK", "0") == "0":
                os.write(2, FINISHING)  # print may have been what the signal interrupted


def ignore_signals(*_) -> None:
    """Leaves stopping to the process above: Ctrl-C and schedulers reach loader workers too."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
