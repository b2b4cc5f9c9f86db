"""A server on a free port with collaborators that record, and a client that speaks bytes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
import uvloop

from rrjobs.errors import PipelineNotFound, PushRefused
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.state import PipelineState
from rrjobs.protocol.frame import Frame, FrameParser, rpc_frame
from rrjobs.rpc.method import MethodTable
from rrjobs.rpc.methods.app import AppMethods
from rrjobs.rpc.methods.informer import InformerMethods
from rrjobs.rpc.methods.jobs import JobsMethods
from rrjobs.rpc.methods.resetter import ResetterMethods
from rrjobs.rpc.methods.rpc import RpcMethods
from rrjobs.rpc.methods.status import StatusMethods
from rrjobs.rpc.server import RpcServer
from rrjobs.runtime.address import TcpAddress
from rrjobs.runtime.events import Events
from rrjobs.services.statuses import Verdict


class RecordingRegistry:
    """Pipelines `test` and `other` that keep what is pushed; `gate` holds pushes to `slow` until it is set."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.calls: list[tuple[str, object]] = []
        self.gate = asyncio.Event()
        self.waiting = 0

    def names(self) -> list[str]:
        return ["test", "other"]

    async def push(self, jobs: Sequence[Job]) -> None:
        for done, job in enumerate(jobs):
            if job.pipeline == "slow":
                self.waiting += 1
                await self.gate.wait()
                self.waiting -= 1
            elif job.pipeline not in self.names():
                if done:
                    raise PushRefused(str(PipelineNotFound(job.pipeline)), accepted=done)
                raise PipelineNotFound(job.pipeline)
            self.jobs.append(job)

    async def declare(self, spec: Mapping[str, str]) -> None:
        self.calls.append(("declare", dict(spec)))

    async def destroy(self, names: Sequence[str]) -> list[str]:
        self._known(names)
        return list(names)

    async def pause(self, names: Sequence[str]) -> None:
        self._known(names)
        self.calls.append(("pause", list(names)))

    async def resume(self, names: Sequence[str]) -> None:
        self._known(names)
        self.calls.append(("resume", list(names)))

    async def stat(self) -> list[PipelineState]:
        return [PipelineState("test", "memory", "test", 10, True, 3, 2, 0, "")]

    def _known(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in self.names():
                raise PipelineNotFound(name)


@dataclass(frozen=True)
class RecordedWorker:
    pid: int = 7
    status: int = 1
    status_text: str = "ready"
    execs: int = 12
    created_ns: int = 1_700_000_000_000_000_000
    memory_bytes: int = 1024
    cpu_percent: float = 0.5
    command: str = ""


@dataclass(frozen=True)
class RecordedPool:
    name: str
    reason: str = ""
    longest_id: str = ""
    longest_pid: int = 0
    longest_s: float = 0.0
    workers: int = 3
    min: int = 2
    max: int = 9
    changed_at: float = 12.5
    waiting: int = 20

    @property
    def plugin(self) -> str:
        return self.name


@dataclass
class RecordingPools:
    calls: list[tuple[str, str]] = field(default_factory=list)

    def names(self) -> list[str]:
        return ["http", "jobs"]

    def has(self, name: str) -> bool:
        return name in self.names()

    def workers(self, name: str) -> list[RecordedWorker]:
        return [RecordedWorker()] if self.has(name) else []

    def pools(self) -> list[RecordedPool]:
        return [RecordedPool("http"), RecordedPool("jobs", "20 waiting", "job-7", 42, 1.5)]

    async def add_worker(self, name: str) -> None:
        self.calls.append(("add", name))

    async def remove_worker(self, name: str) -> None:
        self.calls.append(("remove", name))

    async def reset(self, name: str) -> None:
        await asyncio.sleep(0)
        self.calls.append(("reset", name))


class FixedStatuses:
    def health(self, plugin: str) -> Verdict | None:
        return Verdict(200) if plugin == "http" else None

    async def ready(self, plugin: str) -> Verdict | None:
        return Verdict(503, "nobody works") if plugin == "http" else None


class RpcStub:
    """The server under test and what its methods reached."""

    def __init__(self) -> None:
        self.registry = RecordingRegistry()
        self.pools = RecordingPools()
        self.events = Events()
        self.seen: list[tuple[str, Mapping[str, object]]] = []
        self.written: list[str] = []
        for name in ("rpc.refused", "rpc.failed", "app.message"):
            self.events.subscribe(name, lambda name, fields: self.seen.append((name, fields)))

    def table(self) -> MethodTable:
        return MethodTable(
            [
                *JobsMethods(self.registry).methods(),
                *InformerMethods(self.pools, self.registry).methods(),
                *ResetterMethods(self.pools).methods(),
                *StatusMethods(FixedStatuses()).methods(),
                *RpcMethods("2025.1.0", lambda: {"version": "3"}).methods(),
                *AppMethods(self.events, self.written.append).methods(),
            ]
        )

    def named(self, name: str) -> list[Mapping[str, object]]:
        return [fields for seen, fields in self.seen if seen == name]


class Caller:
    """A client that sends what it is told, byte by byte if need be."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._parser = FrameParser()
        self._frames: list[Frame] = []

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def frame(self) -> Frame:
        """The next reply."""
        async with asyncio.timeout(10):
            while not self._frames:
                data = await self.reader.read(65536)
                if not data:
                    raise EOFError
                self._frames += self._parser.feed(data)
        return self._frames.pop(0)

    async def call(self, method: str, body: bytes, flags: int, sequence: int = 1) -> tuple[int, bytes]:
        """Flags and body of the reply to one call."""
        self.send(rpc_frame(sequence, method.encode(), body, flags))
        reply = await self.frame()
        assert reply.options == (sequence, len(method))
        assert reply.payload[: len(method)] == method.encode()
        return reply.flags, reply.payload[len(method) :]

    async def closed(self) -> bool:
        """Whether the server closed the connection, after everything it sent was read."""
        async with asyncio.timeout(10):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                pass
            return True

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The transports of the two loops differ in when they pause and report: everything here runs on both."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


async def until(condition: Callable[[], object]) -> None:
    """Give the loop turns until it is so."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - any condition of the server's, which sets no event for it
            await asyncio.sleep(0.001)


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], Awaitable[None]]:
    return until


@pytest.fixture
async def stub() -> RpcStub:
    return RpcStub()


@pytest.fixture
async def server(stub: RpcStub) -> AsyncIterator[RpcServer]:
    running = RpcServer(TcpAddress("127.0.0.1", 0), stub.table(), stub.events, stall_s=0.2)
    await running.start()
    yield running
    stub.registry.gate.set()
    await running.stop()


@pytest.fixture
async def connect(server: RpcServer) -> AsyncIterator[Callable[[], "asyncio.Future[Caller]"]]:
    callers: list[Caller] = []

    async def make() -> Caller:
        address = server.address
        assert isinstance(address, TcpAddress)
        callers.append(Caller(*await asyncio.open_connection("127.0.0.1", address.port)))
        return callers[-1]

    yield make
    for caller in callers:
        await caller.close()


@pytest.fixture
async def caller(connect: Callable[[], "asyncio.Future[Caller]"]) -> Caller:
    return await connect()
