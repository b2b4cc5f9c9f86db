"""beanstalkd: the driver beside a bare socket, on a server of the run's own."""

import select
import socket
import sys
import tempfile
import time
import uuid
from pathlib import Path

from tests.bench.brokers import road

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from servers.beanstalkd import Beanstalkd

JOBS = 20_000
GOALS = road.Goals(
    push_ratio=None,
    push_rate=10_800,
    consume_ratio=None,
    consume_rate=9_600,
    both_rate=6_600,
    single_rate=2_800,
    alone_rate=2_800,
)


def measure(folder: Path) -> None:
    """One table. The server keeps its jobs in memory: with a log that is synced, the disk would be measured."""
    with tempfile.TemporaryDirectory() as place:
        server = Beanstalkd(Path(place), durable=False).start()
        try:
            road.measure(BeanstalkPeer(server), folder, GOALS, JOBS)
        finally:
            server.stop()


class BeanstalkPeer:
    """A Peer: commands written together, as many as fit a batch, then their replies read. No client is faster."""

    def __init__(self, server: Beanstalkd) -> None:
        self._server = server
        self._tube = f"bare-{uuid.uuid4().hex[:8]}"

    def setting(self) -> road.Setting:
        config = {"tube": f"bench-{uuid.uuid4().hex[:8]}"}
        return road.Setting("beanstalk", {"beanstalk": {"addr": self._server.uri}}, config)

    def push(self, count: int) -> float:
        with _Pipe(self._server.port, self._tube) as pipe:
            put = _put(b"x" * 64)
            began = time.perf_counter()
            for _ in range(count // road.BATCH):
                pipe.said(put * road.BATCH, road.BATCH)
            return count / (time.perf_counter() - began)

    def consume(self, count: int) -> float:
        with _Pipe(self._server.port, self._tube) as pipe:
            began = time.perf_counter()
            for _ in range(count // road.BATCH):
                lines = pipe.said(b"reserve-with-timeout 0\r\n" * road.BATCH, 2 * road.BATCH)
                numbers = [line.split()[1] for line in lines[::2]]
                pipe.said(b"".join(b"delete %b\r\n" % number for number in numbers), road.BATCH)
            return count / (time.perf_counter() - began)

    def single(self, seconds: float) -> float:
        with _Pipe(self._server.port, f"{self._tube}-single") as pipe:
            put, count, began = _put(b"x" * 64), 0, time.perf_counter()
            while (spent := time.perf_counter() - began) < seconds:
                pipe.said(put, 1)
                count += 1
            return count / spent

    def latency(self, rate: float, seconds: float) -> list[float]:
        count, spans = int(rate * seconds), list[float]()
        tube = f"{self._tube}-latency"
        with _Pipe(self._server.port, tube) as putting, _Pipe(self._server.port, tube) as taking:
            taking.send(b"reserve\r\n")
            start = time.perf_counter()
            for number in range(count):
                while (left := start + number / rate - time.perf_counter()) > 0:
                    if select.select([taking.socket], [], [], left)[0]:
                        spans.append(_taken(taking, more=True))
                putting.said(_put(b"%020d" % time.perf_counter_ns() + b"x" * 44), 1)
            while len(spans) < count:
                spans.append(_taken(taking, more=len(spans) + 1 < count))
        return spans


class _Pipe:
    """A connection that uses and watches one tube."""

    def __init__(self, port: int, tube: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self.socket.makefile("rb")
        self.said(f"use {tube}\r\nwatch {tube}\r\nignore default\r\n".encode(), 3)

    def __enter__(self) -> "_Pipe":
        return self

    def __exit__(self, *problem: object) -> None:
        self._lines.close()
        self.socket.close()

    def send(self, commands: bytes) -> None:
        self.socket.sendall(commands)

    def said(self, commands: bytes, lines: int) -> list[bytes]:
        """Lines that answer; the bodies of these jobs are lines too."""
        self.send(commands)
        return self.lines(lines)

    def lines(self, count: int) -> list[bytes]:
        found = [self._lines.readline() for _ in range(count)]
        if not all(line.endswith(b"\r\n") for line in found):
            raise ConnectionError("beanstalkd closed the connection")
        return found


def _put(body: bytes) -> bytes:
    return b"put 1 0 30 %d\r\n%b\r\n" % (len(body), body)


def _taken(pipe: _Pipe, *, more: bool) -> float:
    """Milliseconds from the put of the job that comes next; it is deleted, and another asked for."""
    line, body = pipe.lines(2)
    span = (time.perf_counter_ns() - int(body[:20])) / 1e6
    pipe.said(b"delete %b\r\n" % line.split()[1], 1)
    if more:
        pipe.send(b"reserve\r\n")
    return span
