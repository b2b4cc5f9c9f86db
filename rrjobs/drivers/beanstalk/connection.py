"""One live connection of a pipeline: a wire for pushes and questions, and those of the reserver."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

from rrjobs.drivers.beanstalk.config import BeanstalkConfig, BeanstalkSection
from rrjobs.drivers.beanstalk.item import decode_job, encode_job
from rrjobs.drivers.beanstalk.letters import TubeLetters
from rrjobs.drivers.beanstalk.puts import put_all, whole_seconds
from rrjobs.drivers.beanstalk.reserver import Reserved, Reserver, parse_stats
from rrjobs.drivers.beanstalk.wire import Wire, open_wire
from rrjobs.drivers.broker.attributes import DEDUCED
from rrjobs.drivers.broker.connection import Arrivals, Counts
from rrjobs.drivers.broker.delivery import BrokerDelivery
from rrjobs.drivers.broker.leases import Leases
from rrjobs.errors import BrokerRefused, BrokerUnreachable, ConnectionLost, PushRefused
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.outcome import Outcome
from rrjobs.runtime.address import parse_dsn
from rrjobs.runtime.os_errors import plain_reason
from rrjobs.runtime.tasks import Tasks, reason_of

PATIENCE_S = 10.0
"""How long a reply may be owed, beside the time that a request for a job may wait."""

_REFUSALS = frozenset({b"BAD_FORMAT", b"UNKNOWN_COMMAND", b"INTERNAL_ERROR", b"OUT_OF_MEMORY"})

LOOK_S = 3600
"""How long dead letters may be looked at in one go."""


class BeanstalkConnection:
    """See Connection. Made by `connect`."""

    def __init__(self, pipeline: str, config: BeanstalkConfig, section: BeanstalkSection, priority: int) -> None:
        """`priority` is for jobs without one."""
        self._priority_in_tube = config.tube_priority
        self._pipeline = pipeline
        self._config = config
        self._section = section
        self._priority = priority
        self._address = parse_dsn(section.addr)
        self._gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._wire: Wire | None = None
        self._max_bytes = 0
        self._arrivals: Arrivals | None = None
        self._reserver: Reserver | None = None
        self._ttr_s = max(1, round(section.timeout_s))
        self._leases: Leases[Reserved] = Leases(self._ttr_s)
        self._tasks = Tasks(lambda err: self._lost(reason_of(err)))
        self._dead_wire: Wire | None = None
        self._dead_opening = asyncio.Lock()
        self._dead_tube = f"{config.tube}.dead"
        self.letters = TubeLetters(self._dead_tube, pipeline, self._open, self._live, self._put_letters)

    async def connect(self) -> "BeanstalkConnection":
        """Raises BrokerUnreachable, BrokerRefused."""
        stats = await self._greeted()
        self._max_bytes = stats.get("max-job-size", 65535)
        self._tasks.start(self._leases.run(self._touch))
        self._tasks.start(self._listen())
        return self

    async def publish(self, jobs: Sequence[Job]) -> None:
        """See Connection."""
        bodies = [encode_job(job) for job in jobs]
        sizes = [number for number, body in enumerate(bodies) if len(body) > self._max_bytes]
        if sizes:
            job, size = jobs[sizes[0]], len(bodies[sizes[0]])
            raise PushRefused(f"job {job.id} has {size} bytes, beanstalkd takes {self._max_bytes} (its option -z)")
        await put_all(self._live(), self._priority_in_tube, self._ttr_s, bodies, [job.delay_s for job in jobs])

    async def consume(self, arrivals: Arrivals) -> None:
        """See Connection."""
        self._arrivals = arrivals
        wait_s = round(self._config.reserve_timeout_s)
        self._reserver = Reserver(self._watching, self._config.prefetch, wait_s, self._arrived, arrivals.strays)
        arrivals.when_fewer(self._reserver.changed)
        self._tasks.start(self._reserver.run())

    async def cease(self) -> None:
        """See Connection."""
        if self._reserver is not None:
            await self._reserver.stop()

    async def ack(self, deliveries: Sequence[BrokerDelivery]) -> None:
        """Delete them; one that is not ours any more has run for longer than it could be kept."""
        await self._settle(deliveries, lambda job: b"delete %d\r\n" % job.number)

    async def give_back(self, deliveries: Sequence[BrokerDelivery]) -> None:
        """Released, a job has its old place among those of its priority."""
        await self._settle(deliveries, lambda job: b"release %d %d 0\r\n" % (job.number, job.priority))

    async def reject(self, delivery: BrokerDelivery, outcome: Outcome) -> None:
        """Deleted, as by RoadRunner; or released, where RoadRunner puts a copy and forgets the original."""
        if outcome.redeliver:
            delay_s = whole_seconds(outcome.delay_s)
            await self._settle((delivery,), lambda job: b"release %d %d %d\r\n" % (job.number, job.priority, delay_s))
        else:
            await self.ack((delivery,))

    async def keep_copy(self, delivery: BrokerDelivery, copy: Job) -> None:
        """See Connection."""
        await self.publish((copy,))

    async def lost(self) -> str:
        """See Connection."""
        return await asyncio.shield(self._gone)

    async def counts(self) -> Counts:
        """A tube that nobody uses is empty."""
        reply = await self._live().ask(b"stats-tube %s\r\n" % self._config.tube.encode())
        found = parse_stats(reply.body)
        return Counts(
            found.get("current-jobs-ready", 0),
            found.get("current-jobs-delayed", 0),
            found.get("current-jobs-reserved", 0),
        )

    async def close(self) -> None:
        """See Connection."""
        self._tasks.cancel()
        if self._reserver is not None:
            self._reserver.close()
        for wire in (self._wire, self._dead_wire):
            if wire is not None:
                wire.close()
        self._lost("the connection was closed")
        await self._tasks.end()

    async def _greeted(self) -> dict[str, int]:
        """What the server says of itself, on a wire that uses the tube."""
        try:
            async with asyncio.timeout(self._section.timeout_s):
                self._wire = await self._using(self._config.tube)
                return parse_stats((await self._wire.ask(b"stats\r\n")).body)
        except TimeoutError as err:
            text = f"beanstalkd at {self._section.addr} did not answer within {self._section.timeout_s:g} s"
            raise BrokerUnreachable(text) from err
        except ConnectionLost as err:
            text = f"{self._section.addr} does not answer as beanstalkd does: {err}; is this its port?"
            raise BrokerUnreachable(text) from err

    async def _open(self) -> Wire:
        try:
            async with asyncio.timeout(self._section.timeout_s):
                return await open_wire(self._address, self._lost)
        except TimeoutError as err:
            raise BrokerUnreachable(f"beanstalkd at {self._section.addr} did not answer") from err
        except OSError as err:
            raise BrokerUnreachable(f"beanstalkd at {self._section.addr}: {plain_reason(err)}") from err

    async def _watching(self) -> Wire:
        wire = await self._open()
        tube = self._config.tube.encode()
        with _closed_unless_ready(wire):
            await wire.ask(b"watch %s\r\n" % tube)
            if tube != b"default":
                await wire.ask(b"ignore default\r\n")
        return wire

    async def _using(self, tube: str) -> Wire:
        wire = await self._open()
        with _closed_unless_ready(wire):
            reply = await wire.ask(b"use %b\r\n" % tube.encode())
            if reply.word in _REFUSALS:
                raise BrokerRefused(f"beanstalkd at {self._section.addr} refuses tube {tube}: {reply.word.decode()}")
            if reply.word != b"USING":
                raise ConnectionLost(f"{reply.word[:40].decode(errors='replace')!r} is no reply of beanstalkd's")
        return wire

    async def _put_letters(self, bodies: Sequence[bytes]) -> None:
        async with self._dead_opening:
            if self._dead_wire is None:
                self._live()
                self._dead_wire = await self._using(self._dead_tube)
        await put_all(self._dead_wire, 0, LOOK_S, bodies, [0.0] * len(bodies))

    def _arrived(self, job: Reserved, body: bytes) -> None:
        if self._arrivals is None:
            return
        self._leases.add(str(job.number), job)
        found = decode_job(body, self._pipeline, self._priority, f"{self._config.tube}/{job.number}")
        self._arrivals.arrived(
            BrokerDelivery(
                found,
                self._arrivals.settler,
                job,
                self,
                f"{job.number} {found.id}",  # a server that kept nothing counts from 1 again
                queue=self._config.tube,
                redelivered=job.earlier,
                repeats=job.again or found.name != DEDUCED,  # the same body may have had the same number before
                exact=True,
            )
        )

    async def _settle(self, deliveries: Sequence[BrokerDelivery], command: Callable[[Reserved], bytes]) -> None:
        jobs = []
        commands: dict[Wire, list[bytes]] = {}
        for delivery in deliveries:
            job = delivery.tag
            assert isinstance(job, Reserved)
            jobs.append(job)
            commands.setdefault(job.wire, []).append(command(job))
            self._leases.discard(str(job.number))
        replies = [wire.ask_all(those) for wire, those in commands.items()]
        if len(replies) == 1:
            await replies[0]
        else:
            await asyncio.gather(*replies)
        if self._reserver is not None:
            self._reserver.settled(jobs)

    async def _listen(self) -> None:
        """beanstalkd has no heartbeat: what owes a reply for too long is given up."""
        while True:
            await asyncio.sleep(1.0)
            for wire in self._wires():
                wire.give_up(PATIENCE_S + self._config.reserve_timeout_s)

    def _wires(self) -> list[Wire]:
        own = [wire for wire in (self._wire, self._dead_wire) if wire is not None]
        return own + (self._reserver.wires if self._reserver is not None else [])

    async def _touch(self, jobs: Sequence[Reserved]) -> None:
        for job in jobs:
            job.wire.send(b"touch %d\r\n" % job.number, lambda reply: None)

    def _live(self) -> Wire:
        if self._wire is None or self._gone.done():
            raise ConnectionLost(self._gone.result() if self._gone.done() else "there is no connection", sent=False)
        return self._wire

    def _lost(self, reason: str) -> None:
        if not self._gone.done():
            self._gone.set_result(reason)
        if self._reserver is not None:
            self._reserver.lost()


@contextlib.contextmanager
def _closed_unless_ready(wire: Wire) -> Iterator[None]:
    """A wire that is refused or cancelled before its owner has it is closed here: nobody else knows it."""
    try:
        yield
    except BaseException:
        wire.abort()
        raise
