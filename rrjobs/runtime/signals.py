"""Signals of the process: the first stop drains, the second aborts, SIGHUP resets."""

import asyncio
import signal
from collections.abc import Callable

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Signals:
    """Installed for the running loop by `install`; `stopping` is set by the first stop signal."""

    def __init__(self, abort: Callable[[], None], reset: Callable[[], None]) -> None:
        self.stopping = asyncio.Event()
        self._abort = abort
        self._reset = reset

    def install(self) -> None:
        """Take over the stop signals and SIGHUP."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._reset)

    def remove(self) -> None:
        """Give them back."""
        loop = asyncio.get_running_loop()
        for number in (*STOP_SIGNALS, signal.SIGHUP):
            loop.remove_signal_handler(number)

    def _stop(self) -> None:
        if self.stopping.is_set():
            self._abort()
        self.stopping.set()
