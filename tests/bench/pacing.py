"""Frames sent at a steady rate over one connection, whatever the answers do: an open-loop load."""

import gc
import select
import socket
import time
from collections.abc import Callable

from rrjobs.protocol.frame import CODEC_PROTO, Frame, FrameParser, rpc_frame
from tests.bench.pushing import push_request

STAMP_BYTES = 20
LAST_ANSWERS_S = 10.0
_PADDING = b"x" * (64 - STAMP_BYTES)


def push_steadily(port: int, rate: float, seconds: float, answered: Callable[[Frame], object]) -> None:
    """Single pushes, each with its moment of sending (CLOCK_MONOTONIC ns, 20 digits) at the head of the payload.

    Only the sending is timed: an answer that is late delays no later push.
    """
    count = int(rate * seconds)
    parser = FrameParser()
    waiting = count
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        gc.collect()
        gc.disable()
        try:
            start = time.monotonic_ns() + 1_000_000
            for number in range(count):
                waiting -= _until(connection, parser, start + int(number * 1e9 / rate), answered)
                connection.sendall(_frame(number))
            deadline = time.monotonic_ns() + int(LAST_ANSWERS_S * 1e9)
            while waiting and time.monotonic_ns() < deadline:
                waiting -= _take(connection, parser, 0.1, answered)
        finally:
            gc.enable()
    if waiting:
        raise TimeoutError(f"{waiting} pushes were not answered")


def _until(connection: socket.socket, parser: FrameParser, due_ns: int, answered: Callable[[Frame], object]) -> int:
    """Read answers until it is time; how many came."""
    taken = 0
    while (left := due_ns - time.monotonic_ns()) > 0:
        taken += _take(connection, parser, left / 1e9, answered)
    return taken


def _take(connection: socket.socket, parser: FrameParser, seconds: float, answered: Callable[[Frame], object]) -> int:
    if not select.select([connection], [], [], seconds)[0]:
        return 0
    frames = parser.feed(connection.recv(65536))
    for frame in frames:
        answered(frame)
    return len(frames)


def _frame(number: int) -> bytes:
    # The stamp is the last thing that is made: it goes into a message that is finished but for it.
    frame = rpc_frame(number + 1, b"jobs.Push", push_request(b"%020d" % 0 + _PADDING), CODEC_PROTO)
    return frame.replace(b"%020d" % 0, b"%020d" % time.monotonic_ns(), 1)
