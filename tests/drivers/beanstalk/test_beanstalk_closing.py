"""A connection that ends while one of its wires is being made leaves none open."""

import asyncio
import contextlib

import pytest

from rrjobs.drivers.beanstalk.config import BeanstalkConfig, BeanstalkSection
from rrjobs.drivers.beanstalk.driver import BeanstalkBroker
from rrjobs.errors import BrokerRefused, BrokerUnreachable

DEADLINE_S = 10.0


class Half:
    """A server that answers what it is told to, and no more; `ends` counts the connections that clients closed."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers = answers
        self.unanswered = asyncio.Event()
        self.ends = asyncio.Semaphore(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                answer = self._answers.get(line.split()[0])
                if answer is None:
                    self.unanswered.set()
                else:
                    writer.write(answer)
        self.ends.release()
        writer.close()


class Nobody:
    """Arrivals where nothing arrives."""

    def strays(self) -> int:
        return 0

    def when_fewer(self, tell) -> None:
        pass


@contextlib.asynccontextmanager
async def half_a_server(timeout_s: float = 30.0, **answers: bytes):
    """The server, and a broker that connects to it."""
    half = Half({word.encode(): answer for word, answer in answers.items()})
    listening = await asyncio.start_server(half.serve, "127.0.0.1", 0)
    address = f"tcp://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield (
                half,
                BeanstalkBroker(
                    "p", BeanstalkConfig(tube="t"), BeanstalkSection(addr=address, timeout_s=timeout_s), 10
                ),
            )
    finally:
        listening.close()
        await listening.wait_closed()


async def test_a_connection_that_closes_before_its_tube_is_watched_leaves_no_wire():
    async with half_a_server(use=b"USING t\r\n", stats=b"OK 4\r\n---\n\r\n") as (half, broker):
        connection = await broker.connect()
        await connection.consume(Nobody())
        await half.unanswered.wait()
        await connection.close()
        for _ in range(2):
            await half.ends.acquire()


async def test_an_attempt_to_connect_that_is_given_up_leaves_no_wire():
    async with half_a_server() as (half, broker):
        attempt = asyncio.create_task(broker.connect())
        await half.unanswered.wait()
        attempt.cancel()
        await asyncio.wait([attempt])
        await half.ends.acquire()


async def test_a_tube_that_is_refused_leaves_no_wire():
    async with half_a_server(use=b"BAD_FORMAT\r\n") as (half, broker):
        with pytest.raises(BrokerRefused, match="refuses tube t"):
            await broker.connect()
        await half.ends.acquire()


async def test_a_server_of_another_kind_is_told():
    async with half_a_server(use=b"INFO {}\r\nINFO {}\r\n") as (half, broker):
        with pytest.raises(
            BrokerUnreachable, match=r"tcp://\S+ does not answer as beanstalkd does: .*is this its port"
        ):
            await broker.connect()
        await half.ends.acquire()


async def test_a_server_that_says_nothing_is_told():
    async with half_a_server(timeout_s=0.2) as (half, broker):
        with pytest.raises(BrokerUnreachable, match=r"beanstalkd at tcp://\S+ did not answer within 0.2 s"):
            await broker.connect()
        await half.ends.acquire()
