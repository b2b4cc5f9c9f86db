"""systemd's notification protocol: one datagram per change of state (sd_notify(3))."""

import asyncio
import os
import socket
import time
from collections.abc import Callable

MICROSECONDS = 1_000_000


def notify(*lines: str) -> None:
    """Send `READY=1` and the like if systemd asked for it; a listener that is gone is no error."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        try:
            connection.sendto("\n".join(lines).encode(), address)
        except OSError:
            return


def reloading() -> tuple[str, str]:
    """The lines that tell of a reload: `Type=notify-reload` wants the moment, too."""
    return "RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}"


def keep_alive_s() -> float:
    """How often systemd wants a sign of life (`WatchdogSec=`) from this process; 0 when it wants none."""
    owner, interval = os.environ.get("WATCHDOG_PID", ""), os.environ.get("WATCHDOG_USEC", "")
    if owner not in ("", str(os.getpid())) or not interval.isdecimal():
        return 0.0
    return int(interval) / MICROSECONDS


class SignsOfLife:
    """Sends them from the event loop twice in each interval while all is well; a blocked loop sends none."""

    def __init__(self, interval_s: float, is_well: Callable[[], bool]) -> None:
        """An interval of 0 sends none."""
        self._interval_s = interval_s
        self._is_well = is_well
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """The first one is sent now."""
        if self._interval_s:
            self._send()

    def stop(self) -> None:
        """Safe twice, and before `start`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self) -> None:
        if self._is_well():
            notify("WATCHDOG=1")
        self._timer = asyncio.get_running_loop().call_later(self._interval_s / 2, self._send)
