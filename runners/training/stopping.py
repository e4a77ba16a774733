"""Stops a run early: stop signals and errors."""

import os
import signal
import threading
import time

SIGNALS = signal.SIGTERM, signal.SIGINT
FINISHING = b"\nfinishing the step in hand, then saving; a second signal ends at once\n"
# A launcher forwards signals that this process may have received directly too. A second signal
# within so many seconds counts as the same request.
SAME_REQUEST = 1.0
SIGNALS_FORWARDED = "UTP_SIGNALS_FORWARDED"  # environment variable, set by such a launcher


class TrainingError(Exception):
    """Training cannot continue; the message gives the place and the reason."""


class Stopped(Exception):
    """A signal has stopped the run, and the run has saved a checkpoint."""

    def __init__(self, signum: int):
        name = signal.Signals(signum).name
        super().__init__(f"stopped by {name}; the same command with --resume continues from here")
        self.status = 128 + signum


class StopRequest:
    """Context manager that records SIGTERM or SIGINT; a second signal ends the process at once.

    Attributes:
        signum: number of the received signal, or 0.
    """

    def __init__(self):
        self.signum = 0
        self._since = 0.0
        self._before = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # other threads cannot do this
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
                os.write(2, FINISHING)  # not print: the signal may have interrupted a print


def ignore_signals(*_) -> None:
    """Lets a loader worker ignore stop signals, which reach it too; the main process ends it."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
