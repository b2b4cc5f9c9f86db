"""Many clients at once, each with one push under way: a closed loop over as many connections."""

import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

from rrjobs.protocol.frame import CODEC_PROTO, ERROR, FrameParser, rpc_frame
from tests.bench.pushing import PAYLOAD, push_request

PATIENCE_S = 30.0


def push_together(port: int, pushers: int, each: int) -> float:
    """Pushes per second. Raises RuntimeError when one is refused."""
    frames = [_frames(each) for _ in range(pushers)]
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for mine in frames:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection, selectors.EVENT_READ, (mine, FrameParser()))
        began = time.perf_counter()
        for key in selector.get_map().values():
            key.fileobj.sendall(next(key.data[0]))  # type: ignore[union-attr]
        _answer_all(selector)
        return pushers * each / (time.perf_counter() - began)


def _answer_all(selector: selectors.BaseSelector) -> None:
    while selector.get_map():
        ready = selector.select(PATIENCE_S)
        if not ready:
            raise TimeoutError("pushes were not answered")
        for key, _ in ready:
            connection, (mine, parser) = key.fileobj, key.data
            assert isinstance(connection, socket.socket)
            for frame in parser.feed(connection.recv(65536)):
                if frame.flags & ERROR:
                    raise RuntimeError(frame.payload.decode("utf-8", "replace"))
                following = next(mine, None)
                if following is None:
                    selector.unregister(connection)
                else:
                    connection.sendall(following)


def _frames(count: int) -> Iterator[bytes]:
    made = [rpc_frame(number + 1, b"jobs.Push", push_request(PAYLOAD), CODEC_PROTO) for number in range(count)]
    return iter(made)
