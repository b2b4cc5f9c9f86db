"""Ports for servers under test: each is given once, also among test processes that run side by side."""

import contextlib
import fcntl
import os
import random
import socket

FIRST, LAST = 10000, 32000
"""Below the range from which the kernel gives ports to clients."""

_dice = random.Random()  # of its own: a test that seeds `random` does not get the same ports again
_taken = os.open(f"/tmp/rrjobs-tests-ports-{os.getuid()}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
"""One byte for each port, locked by the process that was given it until that process ends."""


def free_port() -> int:
    """A port on which nobody listens and which no other test process was given."""
    while True:
        port = _dice.randint(FIRST, LAST)
        with contextlib.suppress(OSError), socket.socket() as probe:
            fcntl.lockf(_taken, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
