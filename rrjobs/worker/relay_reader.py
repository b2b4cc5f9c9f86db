"""Reads what a worker says on its relay, each time after what it printed before, so that lines belong to their job."""

import asyncio
import os
from collections.abc import Callable

from rrjobs.protocol.relay import QuickAck
from rrjobs.worker.output import OutputReader
from rrjobs.worker.process import Pipes

_READ_BYTES = 64 * 1024  # what a pipe holds; more costs a memory mapping for each read


class RelayReader:
    """Reads from `start` on, not while it is held, and not after `stop`; then `rest` finds nothing either.

    `received` gets bytes cut anywhere, `closed` is called once when the worker ended its relay.
    """

    def __init__(
        self,
        pipes: Pipes,
        output: OutputReader,
        received: Callable[[bytes], None],
        closed: Callable[[], None],
        quick_ack: QuickAck | None,
    ) -> None:
        self.held = False
        self._pipes = pipes
        self._output = output
        self._received = received
        self._closed = closed
        self._quick_ack = quick_ack
        self._loop = asyncio.get_running_loop()
        self._reading = False

    def start(self) -> None:
        """Read from now on."""
        self._reading = True
        self._loop.add_reader(self._pipes.from_worker, self._readable)

    def hold(self) -> bool:
        """Leave it in the pipe for now; whether that is new."""
        if self.held or not self._reading:
            return False
        self.held = True
        self._loop.remove_reader(self._pipes.from_worker)
        return True

    def go_on(self) -> bool:
        """Read again; whether it was held."""
        if not self.held:
            return False
        self.held = False
        if self._reading:
            self._loop.add_reader(self._pipes.from_worker, self._readable)
        return True

    def rest(self) -> None:
        """The process is gone: what it still said, then stop."""
        while self._reading:
            try:
                data = os.read(self._pipes.from_worker, _READ_BYTES)
            except OSError:
                break
            if not data:
                break
            self._received(data)
        self.stop()

    def stop(self) -> None:
        """Read no more; safe twice."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._pipes.from_worker)

    def _readable(self) -> None:
        if self._output.pending(0):
            self._output.drain()
        try:
            data = os.read(self._pipes.from_worker, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            if self._quick_ack is not None:
                self._quick_ack.renew()
            self._received(data)
        else:
            self.stop()
            self._closed()
