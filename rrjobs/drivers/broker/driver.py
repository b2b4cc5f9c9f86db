"""The driver of one pipeline on a broker: what is the same for all brokers, around a `Broker` and its connections.

made --open--> paused --resume--> consuming --pause--> paused          any --close--> closed
Beside that, its link is up or down: a connection that comes up consumes when the driver is to consume.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from rrjobs.drivers.broker.connection import Broker, Connection, Which
from rrjobs.drivers.broker.delivery import BrokerDelivery
from rrjobs.drivers.broker.intake import Intake
from rrjobs.drivers.broker.letters import BrokerLetters, LetterStore
from rrjobs.drivers.broker.link import Link
from rrjobs.drivers.broker.returns import Returns
from rrjobs.drivers.broker.settling import Settling
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.errors import AlreadyInState, BrokerUnreachable, ConnectionLost, DriverError, PushRefused, PushUnknown
from rrjobs.pipeline.delivery import JobDelivery, Judge, Settler
from rrjobs.pipeline.driver import DelayedJob, Sink, SourceState
from rrjobs.pipeline.history import History
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.outcome import Outcome
from rrjobs.pipeline.policy import MAX_INTERRUPTIONS
from rrjobs.runtime.eager import into_task
from rrjobs.runtime.file_names import file_name
from rrjobs.worker.load import Fault, FaultKind

COUNTS_S = 5.0
"""What a broker may take to tell its counts."""

STILL_S = 10.0
"""How long a pipeline that closes waits for a broker that takes no outcome any more."""


class BrokerDriver:
    """A `Queue`. Made paused; its judge is set before it runs."""

    judge: Judge

    def __init__(self, pipeline: str, broker: Broker, surroundings: Surroundings) -> None:
        self.name = broker.name
        self._pipeline = pipeline
        self._broker = broker
        self._surroundings = surroundings
        self._link = Link(pipeline, broker, surroundings.events)
        self.dead = BrokerLetters(self._letter_store, self._publish)
        self._settling = Settling(pipeline, surroundings.events, self.dead)
        folder = surroundings.state_dir
        self._returns = Returns(folder / "returned" / file_name(pipeline) if folder else None)
        self._intake = Intake(pipeline, self._returns, self._settling.add, self._settling.add_early)
        self._paused = True
        self._closed = False
        self._consuming: Connection | None = None
        self._steering = asyncio.Lock()
        self._mute_since = 0.0

    async def open(self) -> None:
        """Connect and declare. Raises BrokerRefused, or BrokerUnreachable after the patience of the start."""
        await self._link.open(self._surroundings.startup_timeout_s)
        self._returns.load()

    async def run(self, sink: Sink) -> None:
        """See Source."""
        self._intake.begin(sink)
        await self._link.run(self._serve)

    async def push(self, jobs: Sequence[Job]) -> None:
        """See Queue. Raises PushRefused when nothing was accepted, or PushUnknown when nobody can tell."""
        if self._closed:
            raise PushRefused(f"the pipeline {self._pipeline} is closed")
        await into_task()
        deadline = asyncio.get_running_loop().time() + self._surroundings.timeout_s
        while not await self._pushed(jobs, deadline):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await self._link.down()

    async def _pushed(self, jobs: Sequence[Job], deadline: float) -> bool:
        """False when the connection was lost before anything was sent: the next one is tried."""
        try:
            connection = await self._link.up(max(0.0, deadline - asyncio.get_running_loop().time()))
        except BrokerUnreachable as err:
            raise PushRefused(f"not accepted: {err}") from err
        try:
            async with asyncio.timeout_at(deadline):
                await connection.publish(jobs)
        except ConnectionLost as err:
            if not err.sent:
                return False
            raise PushUnknown(f"unknown whether it was accepted: {err}") from err
        except TimeoutError as err:
            text = f"{self._broker.place} confirmed nothing within {self._surroundings.timeout_s:g} s"
            raise PushUnknown(f"unknown whether it was accepted: {text}") from err
        return True

    async def pause(self) -> None:
        """Nothing new; what was not started goes back. Raises AlreadyInState."""
        if self._paused:
            raise AlreadyInState("no active listeners, nothing to pause")
        self._paused = True
        await self._steer()

    async def resume(self) -> None:
        """Consume. Raises AlreadyInState, or DriverError when the broker refuses; it stays paused then."""
        if not self._paused:
            raise AlreadyInState(f"{self.name} listener is already in the active state")
        self._paused = False
        try:
            await self._steer()
        except ConnectionLost:
            return  # the next connection consumes
        except DriverError:
            self._paused = True
            raise

    async def state(self) -> SourceState:
        """Counts of the broker. While the link is down they are unknown, and after `liveness_s` it is not ready."""
        connection, error = self._link.current, self._settling.trouble
        active = delayed = reserved = 0
        if connection is None:
            error = self._link.trouble or f"no connection to {self._broker.place}"
        else:
            try:
                async with asyncio.timeout(COUNTS_S):
                    active, delayed, reserved = await connection.counts()
                self._mute_since = 0.0
            except (TimeoutError, DriverError) as err:
                error = str(err) or f"{self._broker.place} does not answer"
                self._mute_since = self._mute_since or asyncio.get_running_loop().time() - COUNTS_S
        alive = max(self._link.down_s, self._mute_s) < self._surroundings.liveness_s
        ready = not self._paused and alive
        shown = error if ready or not alive else ""
        return SourceState(self.name, self._broker.queue, ready, active, delayed, reserved, shown)

    @property
    def _mute_s(self) -> float:
        """For how long the broker has not told its counts."""
        return asyncio.get_running_loop().time() - self._mute_since if self._mute_since else 0.0

    async def delayed(self, limit: int) -> list[DelayedJob]:
        """No broker lists them."""
        return []

    async def close(self) -> None:
        """Outcomes that are known reach the broker, what was not started goes back, then the connection closes."""
        if self._closed:
            return
        self._closed = True
        self._paused = True
        with contextlib.suppress(DriverError, TimeoutError):
            async with asyncio.timeout(STILL_S):
                await self._steer()
        try:
            await self._last_settles()
            if (connection := self._link.current) is not None:
                await self._last_act(connection)
        finally:
            await self._link.close()
            self._returns.save()  # what came late goes back while the connection closes

    def settle(self, delivery: JobDelivery, outcome: Outcome) -> None:
        """See Settler."""
        assert isinstance(delivery, BrokerDelivery)
        self._intake.decided(delivery, outcome, alive=self._is_alive(delivery))

    def take_back(self, delivery: JobDelivery, reason: str) -> None:
        """See Settler."""
        assert isinstance(delivery, BrokerDelivery)
        self._return(delivery)

    @property
    def settler(self) -> Settler:
        """See Arrivals."""
        return self

    def arrived(self, delivery: BrokerDelivery) -> None:
        """See Arrivals. What took down one server after the other is not run once more."""
        if delivery.redelivered >= MAX_INTERRUPTIONS:
            times = self._returns.unexplained(delivery.key, delivery.redelivered)
            if times >= MAX_INTERRUPTIONS:
                self._intake.judged(delivery, self._too_often(delivery, times))
                return
        self._intake.arrived(delivery)

    def undecodable(self, delivery: BrokerDelivery, reason: str) -> None:
        """See Arrivals."""
        self._intake.judged(delivery, self.judge.undecodable(delivery, reason))

    def drop(self, which: Which) -> list[BrokerDelivery]:
        """See Arrivals."""
        return self._intake.drop(which)

    def withdraw(self, which: Which) -> None:
        """See Arrivals."""
        self._intake.withdraw(which)

    def returned(self, identity: str) -> None:
        """See Arrivals."""
        self._returns.note(identity)

    def _too_often(self, delivery: BrokerDelivery, times: int) -> Outcome:
        headers = {**delivery.job.headers, **History(delivery.attempt, interruptions=times).headers()}
        delivery.job = delivery.job.again(0.0, headers)
        fault = Fault(
            FaultKind.INTERRUPTED, f"{self._broker.name} delivered it {times + 1} times, and heard no outcome"
        )
        return self.judge.failed(delivery, fault)

    async def _serve(self, connection: Connection) -> str:
        """Consume and settle until the connection is lost; the reason."""
        reason = ""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_until_lost(connection))
                group.create_task(self._settling.run(connection, self._intake))
                group.create_task(self._steer())
        except* DriverError as lost:
            reason = _reason(lost)
        finally:
            self._consuming = None
            self._lost(connection)
        return reason

    async def _steer(self) -> None:
        """Bring the live connection to what is wanted: consuming or not."""
        async with self._steering:
            connection = self._link.current
            if connection is None:
                return
            if not self._paused and self._consuming is not connection:
                await connection.consume(self)
                self._consuming = connection
            elif self._paused and self._consuming is connection:
                self._consuming = None
                await connection.cease()
                for delivery in self._intake.recall():
                    self._return(delivery)

    def _is_alive(self, delivery: BrokerDelivery) -> bool:
        return self._broker.lasting_receipts or delivery.connection is self._link.current

    def _lost(self, connection: Connection) -> None:
        if self._broker.lasting_receipts:
            self._settling.again(self._intake.unsettled())
        else:
            self._settling.forget()
            self._intake.lost(connection)

    def _return(self, delivery: BrokerDelivery) -> None:
        if self._is_alive(delivery) or delivery.acked:
            self._intake.goes_back(delivery)
            self._settling.add_return(delivery)
        else:
            self._intake.gone(delivery)

    async def _last_settles(self) -> None:
        """Running jobs may go on as long as an operation may take; what is not settled then is delivered again."""
        deadline = asyncio.get_running_loop().time() + self._surroundings.timeout_s * 0.9
        while (left := len(self._intake)) and self._link.current is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STILL_S):
                    await self._intake.empty()
            stuck = len(self._intake) == left and not self._intake.running
            if left and (stuck or asyncio.get_running_loop().time() > deadline):
                break
        if left := len(self._intake):
            self._surroundings.events.emit("pipeline.unsettled", pipeline=self._pipeline, deliveries=left)

    async def _last_act(self, connection: Connection) -> None:
        """For drivers that leave nothing behind when they are told so: everything is settled, or cannot be."""

    async def _letter_store(self) -> LetterStore:
        return (await self._link.up(self._surroundings.timeout_s)).letters

    async def _publish(self, jobs: Sequence[Job]) -> None:
        await (await self._link.up(self._surroundings.timeout_s)).publish(jobs)


async def _until_lost(connection: Connection) -> None:
    raise ConnectionLost(await connection.lost())


def _reason(group: BaseExceptionGroup[BaseException]) -> str:
    """The first reason in it."""
    for err in group.exceptions:
        if isinstance(err, BaseExceptionGroup):
            return _reason(err)
        return str(err)
    return ""
