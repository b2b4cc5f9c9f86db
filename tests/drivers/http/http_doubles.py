"""A worker made of a function, on our own seam, and a client that sees every byte of what comes back."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from rrjobs.drivers.http.delivery import HttpDelivery
from rrjobs.drivers.http.driver import HttpDriver
from rrjobs.errors import PoolStopped
from rrjobs.pipeline.delivery import Delivery
from rrjobs.protocol.frame import STREAM, FrameParser
from rrjobs.runtime.address import TcpAddress
from rrjobs.worker.load import Fault, FaultKind

DEADLINE_S = 10.0


class Work:
    """One request as a worker got it, and the ways to answer."""

    def __init__(self, delivery: HttpDelivery) -> None:
        self.delivery = delivery
        self.flags, self.context_bytes, self.body = _unframed(delivery.encode())

    @property
    def context(self) -> dict[str, Any]:
        return orjson.loads(self.context_bytes)

    @property
    def form(self) -> Any:
        return orjson.loads(self.body)

    def reply(
        self, status: int = 200, headers: Mapping[str, list[str]] | None = None, body: bytes = b"", *, flags: int = 0
    ) -> None:
        self.delivery.answer(flags, 0, head(status, headers), body)
        self.delivery.finished()

    def echo(self) -> None:
        self.reply(headers={"Content-Type": ["text/plain"]}, body=self.delivery.target.uri.encode())

    def chunk(self, body: bytes, context: bytes = b"", *, last: bool = False, flags: int = 0) -> bool:
        more = self.delivery.answer(flags, 0 if last else STREAM, context, body)
        if last:
            self.delivery.finished()
        return more

    def fail(self, kind: FaultKind = FaultKind.CRASHED, message: str = "it died") -> None:
        self.delivery.failed(Fault(kind, message))


def head(status: int = 200, headers: Mapping[str, list[str]] | None = None) -> bytes:
    return orjson.dumps({"status": status, "headers": headers or {}})


def _unframed(frame: bytes) -> tuple[int, bytes, bytes]:
    (whole,) = FrameParser().feed(frame)
    return whole.flags, *whole.split()


Program = Callable[[Work], None]


class Workers:
    """A sink whose deliveries are lent on the next turn of the loop, as long as there is a program."""

    def __init__(self, program: Program | None) -> None:
        self.program = program
        self.queue: list[HttpDelivery] = []
        self.taken: list[Work] = []
        self.stopped = False
        self.arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def put(self, delivery: Delivery) -> None:
        assert isinstance(delivery, HttpDelivery)
        if self.stopped:
            raise PoolStopped("stopping")
        delivery.lane = self
        self.queue.append(delivery)
        self.arrived.set()
        self._loop.call_soon(self.lend)

    def give_back(self, delivery: Delivery) -> None:
        assert isinstance(delivery, HttpDelivery)
        self.queue.insert(0, delivery)
        self.arrived.set()

    def offer(self, delivery: Delivery) -> bool:
        self.put(delivery)
        return True

    def when_room(self, wake: Callable[[], None]) -> None:
        wake()

    def remove(self, pipeline: str) -> list[Delivery]:
        raise NotImplementedError

    def lend(self) -> None:
        while self.program is not None and self.queue:
            delivery = self.queue.pop(0)
            if not delivery.cancelled:
                work = Work(delivery)
                self.taken.append(work)
                self.program(work)

    def take(self) -> Work:
        """Lend the first delivery by hand."""
        work = Work(self.queue.pop(0))
        self.taken.append(work)
        return work

    async def next(self) -> Work:
        """Wait for a delivery and lend it by hand."""
        await until(lambda: bool(self.queue), "a delivery arrives")
        return self.take()


async def until(condition: Callable[[], Any], what: str) -> None:
    """Wait for a condition, turn by turn of the loop."""
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"did not happen: {what}")
        await asyncio.sleep(0.002)


@dataclass
class Response:
    version: str
    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    def __getitem__(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def get(self, target: str = "/", *headers: str, method: str = "GET") -> Response:
        lines = "".join(f"{line}\r\n" for line in headers)
        self.send(f"{method} {target} HTTP/1.1\r\nHost: test\r\n{lines}\r\n".encode())
        return await self.response(bodyless=method == "HEAD")

    async def post(
        self, body: bytes, kind: str = "", *headers: str, target: str = "/", method: str = "POST"
    ) -> Response:
        lines = "".join(f"{line}\r\n" for line in ([f"Content-Type: {kind}"] if kind else []) + list(headers))
        start = f"{method} {target} HTTP/1.1\r\nHost: test\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        self.send(start.encode() + body)
        return await self.response(bodyless=method == "HEAD")

    async def response(self, *, bodyless: bool = False) -> Response:
        async with asyncio.timeout(DEADLINE_S):
            response = await self.head()
            if bodyless or response.status < 200 or response.status in (204, 304):
                return response
            if "Transfer-Encoding" in response:
                assert response["Transfer-Encoding"] == "chunked"
                await self._chunked(response)
            elif "Content-Length" in response:
                response.body = await self.reader.readexactly(int(response["Content-Length"]))
            else:
                response.body = await self.reader.read()
        return response

    async def head(self) -> Response:
        async with asyncio.timeout(DEADLINE_S):
            raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = raw[:-4].decode("utf-8", "surrogateescape").split("\r\n")
        version, status, reason = first.split(" ", 2)
        fields = []
        for line in lines:
            name, separator, value = line.partition(": ")
            assert separator, line
            fields.append((name, value))
        return Response(version, int(status), reason, fields)

    async def chunk(self) -> bytes:
        async with asyncio.timeout(DEADLINE_S):
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            data = await self.reader.readexactly(size) if size else b""
            if size:
                assert await self.reader.readexactly(2) == b"\r\n"
            return data

    async def _chunked(self, response: Response) -> None:
        while data := await self.chunk():
            response.chunks.append(data)
        response.body = b"".join(response.chunks)
        while (line := await self.reader.readuntil(b"\r\n")) != b"\r\n":
            name, _, value = line[:-2].decode().partition(": ")
            response.trailers.append((name, value))

    async def ended(self) -> bytes:
        """What still comes until the server closes; fails if it does not."""
        async with asyncio.timeout(DEADLINE_S):
            with contextlib.suppress(ConnectionResetError):
                return await self.reader.read()
            return b""

    def eof(self) -> None:
        self.writer.write_eof()

    def reset(self) -> None:
        """Leave at once, as a process that is killed with bytes unread."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class Site:
    """A driver that listens, its workers, and clients for it."""

    def __init__(self, driver: HttpDriver, workers: Workers, events: list[tuple[str, dict[str, Any]]]) -> None:
        self.driver = driver
        self.workers = workers
        self.events = events
        self.clients: list[Client] = []

    @property
    def port(self) -> int:
        assert isinstance(self.driver.address, TcpAddress)
        return self.driver.address.port

    async def client(self, *, receive_buffer: int = 0) -> Client:
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        except OSError:
            sock.close()
            raise
        client = Client(*await asyncio.open_connection(sock=sock))
        self.clients.append(client)
        return client

    def emitted(self, name: str) -> list[dict[str, Any]]:
        return [fields for event, fields in self.events if event == name]

    async def close(self) -> None:
        for client in self.clients:
            await client.close()
        await self.driver.close()
