"""Answers requests at listening sockets while the event loop, whose they are, is blocked."""

import contextlib
import select
import socket
from collections.abc import Callable, Sequence
from http import HTTPStatus

CLIENT_S = 1.0
"""How long one client may take; another one waits meanwhile."""

LOOK_S = 0.05
"""How soon it gives way to the loop."""

_MAX_REQUEST_BYTES = 16384


class StandIn:
    """`sockets` tells which listen now; `page` makes status and JSON body from the reason. Used in another thread."""

    def __init__(
        self, sockets: Callable[[], Sequence[socket.socket]], page: Callable[[str], tuple[int, bytes]]
    ) -> None:
        self._sockets = sockets
        self._page = page

    def serve(self, reason: Callable[[], str]) -> None:
        """See Substitute: everybody who connects meanwhile gets the page."""
        with contextlib.ExitStack() as stack:
            mine = [stack.enter_context(one.dup()) for one in self._sockets()]
            while reason():
                for one in select.select(mine, [], [], LOOK_S)[0]:
                    why = reason()
                    if why:
                        with contextlib.suppress(OSError):  # the client left
                            self._answer(one.accept()[0], why)

    def _answer(self, client: socket.socket, reason: str) -> None:
        with client:
            client.settimeout(CLIENT_S)
            got = b""
            while b"\r\n\r\n" not in got and len(got) < _MAX_REQUEST_BYTES:
                piece = client.recv(4096)
                if not piece:
                    break
                got += piece
            status, body = self._page(reason)
            head = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            client.sendall(head.encode() + body)
