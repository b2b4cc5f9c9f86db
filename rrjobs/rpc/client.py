"""A small blocking client of the RPC socket, for the command line."""

import socket
import time
from typing import Self

import orjson

from rrjobs.errors import ProtocolError, RpcError, ServerUnreachable
from rrjobs.protocol.frame import ERROR, Frame, FrameParser, rpc_frame
from rrjobs.rpc.codec import Codec
from rrjobs.runtime.address import TcpAddress, parse_dsn

CONNECT_S = 5.0
CALL_S = 90.0
"""Longer than the 60 s that an operation on a pipeline may take by default."""


class RpcClient:
    """One connection, made at the first call and kept for the next ones.

    Raises ServerUnreachable when nobody answers at the address, RpcError with the server's text when it refuses.
    """

    def __init__(self, dsn: str, timeout_s: float = CALL_S) -> None:
        self._dsn = dsn
        self._address = parse_dsn(dsn)
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back; a later call makes a new one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def json(self, method: str, argument: object = True) -> object:
        """Call with JSON both ways; protobuf methods take and give objects with their field names."""
        return orjson.loads(self.call(method, orjson.dumps(argument), Codec.JSON))

    def call(self, method: str, payload: bytes = b"", codec: Codec = Codec.JSON) -> bytes:
        """The reply's body."""
        self._sequence += 1
        connection = self._connected()
        try:
            connection.sendall(rpc_frame(self._sequence, method.encode(), payload, codec))
            reply = self._receive(connection)
        except TimeoutError as err:
            self.close()
            raise RpcError(f"{method} was not answered by {self._dsn} within {self._timeout_s:g} s") from err
        except OSError as err:
            self.close()
            raise ServerUnreachable(f"the server at {self._dsn} closed the connection during {method}") from err
        except ProtocolError as err:
            self.close()
            raise RpcError(f"what listens at {self._dsn} is no RPC server: {err}") from err
        body = reply.payload[reply.options[1] :]
        if reply.flags & ERROR:
            raise RpcError(body.decode("utf-8", "replace"))
        return body

    def _receive(self, connection: socket.socket) -> Frame:
        parser = FrameParser()
        deadline = time.monotonic() + self._timeout_s
        while True:
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            data = connection.recv(65536)
            if not data:
                raise ConnectionResetError("closed by the server")
            for frame in parser.feed(data):
                if len(frame.options) != 2 or frame.options[1] > len(frame.payload):
                    raise ProtocolError("the answer is no RPC frame")
                if frame.options[0] == self._sequence:
                    return frame

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = self._connect()
        self._socket.settimeout(self._timeout_s)
        return self._socket

    def _connect(self) -> socket.socket:
        address = self._address
        try:
            if isinstance(address, TcpAddress):
                made = socket.create_connection((address.host or "127.0.0.1", address.port), timeout=CONNECT_S)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return made
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.settimeout(CONNECT_S)
            try:
                made.connect(address.path)
            except OSError:
                made.close()
                raise
            return made
        except OSError as err:
            raise ServerUnreachable(
                f"no server answers at {self._dsn}: start it with `rrjobs run`, or check rpc.listen"
            ) from err
