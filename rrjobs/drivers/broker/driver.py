"""The driver of one pipeline on a broker: what is the same for all brokers, around a `Broker` and its connections.

made --open--> paused --resume--> consuming --pause--> paused          any --close--> closed
Beside that, its link is up or down: a connection that comes up consumes when the driver is to consume.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from rrjobs.drivers.broker.connection import Broker, Connection, Which
from rrjobs.drivers.broker.delivery import WITHDRAWN, BrokerDelivery
from rrjobs.drivers.broker.intake import Intake
from rrjobs.drivers.broker.letters import BrokerLetters, LetterStore
from rrjobs.drivers.broker.link import Link
from rrjobs.drivers.broker.pushing import Pushing
from rrjobs.drivers.broker.returns import Returns
from rrjobs.drivers.broker.settling import Settling
from rrjobs.drivers.broker.standing import Standing
from rrjobs.drivers.broker.steering import Steering
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.errors import AlreadyInState, ConnectionLost, DriverError, PushRefused
from rrjobs.pipeline.delivery import JobDelivery, Judge, Settler
from rrjobs.pipeline.driver import DelayedJob, Sink, SourceState
from rrjobs.pipeline.history import History
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.outcome import Outcome
from rrjobs.pipeline.policy import MAX_INTERRUPTIONS
from rrjobs.runtime.file_names import file_name
from rrjobs.runtime.tasks import reason_of
from rrjobs.worker.load import Fault, FaultKind

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
        self._steering = Steering(self._link, self._intake, self._return)
        self._pushing = Pushing(self._link, broker.place, surroundings.timeout_s)
        self._standing = Standing(broker, self._link, surroundings.liveness_s)
        self._closed = False

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
        await self._pushing.push(jobs)

    async def pause(self) -> None:
        """Nothing new; what was not started goes back. Raises AlreadyInState."""
        if not self._steering.wanted:
            raise AlreadyInState("no active listeners, nothing to pause")
        self._steering.wanted = False
        with contextlib.suppress(ConnectionLost):  # the next connection does not consume
            await self._steering.steer(self)

    async def resume(self) -> None:
        """Consume. Raises AlreadyInState, or DriverError when the broker refuses; it stays paused then."""
        if self._steering.wanted:
            raise AlreadyInState(f"{self.name} listener is already in the active state")
        self._steering.wanted = True
        try:
            await self._steering.steer(self)
        except ConnectionLost:
            return  # the next connection consumes
        except DriverError:
            self._steering.wanted = False
            raise

    async def state(self) -> SourceState:
        """Counts of the broker. While the link is down they are unknown, and after `liveness_s` it is not ready."""
        return await self._standing.state(consuming=self._steering.wanted, trouble=self._settling.trouble)

    async def delayed(self, limit: int) -> list[DelayedJob]:
        """No broker lists them."""
        return []

    async def close(self) -> None:
        """Outcomes that are known reach the broker, what was not started goes back, then the connection closes."""
        if self._closed:
            return
        self._closed = True
        self._steering.wanted = False
        with contextlib.suppress(DriverError, TimeoutError):
            async with asyncio.timeout(STILL_S):
                await self._steering.steer(self)
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
        times = delivery.redelivered
        if times >= MAX_INTERRUPTIONS:
            times = self._returns.unexplained(delivery.key, times)
        if times >= MAX_INTERRUPTIONS:
            self._intake.arrived(delivery, lambda: self._too_often(delivery, times))
        else:
            self._intake.arrived(delivery)

    def undecodable(self, delivery: BrokerDelivery, reason: str) -> None:
        """See Arrivals."""
        self._intake.arrived(delivery, lambda: self.judge.undecodable(delivery, reason))

    def drop(self, which: Which) -> list[BrokerDelivery]:
        """See Arrivals."""
        return self._intake.drop(which)

    def withdraw(self, which: Which) -> None:
        """See Arrivals."""
        self._intake.withdraw(which)

    def hindered(self, reason: str) -> None:
        """See Arrivals."""
        self._link.hindered(reason)

    def strays(self) -> int:
        """See Arrivals."""
        return self._intake.strays

    def when_fewer(self, tell: Callable[[], None]) -> None:
        """See Arrivals."""
        self._intake.when_fewer(tell)

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
                group.create_task(self._steering.until_lost(connection))
                group.create_task(self._settling.run(connection, self._intake))
                group.create_task(self._steering.steer(self))
        except* DriverError as lost:
            reason = reason_of(lost)
        finally:
            self._steering.lost()
            self._lost(connection)
        return reason

    def _is_alive(self, delivery: BrokerDelivery) -> bool:
        """Whether its receipt is of use, now or on the next connection."""
        if self._broker.lasting_receipts:
            return delivery.connection is not WITHDRAWN
        return delivery.connection is self._link.current

    def _lost(self, connection: Connection) -> None:
        lasting = self._broker.lasting_receipts
        if not lasting:
            self._intake.lost(connection)
        self._settling.lost(self._intake.unsettled(), lasting=lasting)

    def _return(self, delivery: BrokerDelivery) -> None:
        self._intake.goes_back(delivery)
        if self._is_alive(delivery) or delivery.acked:
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
