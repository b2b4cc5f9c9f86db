"""Carries outcomes out on the live connection: acks and returns together, everything that needs a copy on its own.

A copy or a letter that the broker does not take is tried again, later and later, as long as the connection lives: the
original stays unsettled, and holds its place in the prefetch, until its outcome is safe (P5).
"""

import asyncio
from collections.abc import Sequence

from rrjobs.drivers.broker.backoff import Backoff
from rrjobs.drivers.broker.connection import Connection
from rrjobs.drivers.broker.delivery import WITHDRAWN, BrokerDelivery
from rrjobs.drivers.broker.intake import Intake
from rrjobs.drivers.broker.letters import BrokerLetters
from rrjobs.errors import ConnectionLost, DriverError, ReceiptsLost
from rrjobs.pipeline.outcome import Action, Outcome
from rrjobs.runtime.events import Events


class Settling:
    """Filled by calls that never wait; emptied by `run`, which serves one connection."""

    def __init__(self, pipeline: str, events: Events, dead: BrokerLetters) -> None:
        self.trouble = ""
        self._pipeline = pipeline
        self._events = events
        self._dead = dead
        self._acks: list[BrokerDelivery] = []
        self._early: list[BrokerDelivery] = []
        self._returns: list[BrokerDelivery] = []
        self._others: list[BrokerDelivery] = []
        self._wake = asyncio.Event()

    def add(self, delivery: BrokerDelivery) -> None:
        """Its outcome is to be carried out."""
        outcome = delivery.outcome
        ack = outcome is not None and outcome.action is Action.ACK
        (self._acks if ack else self._others).append(delivery)
        self._wake.set()

    def add_early(self, delivery: BrokerDelivery) -> None:
        """It begins, and is acked although its outcome is not known."""
        self._early.append(delivery)
        self._wake.set()

    def add_return(self, delivery: BrokerDelivery) -> None:
        """It goes back unstarted."""
        self._returns.append(delivery)
        self._wake.set()

    async def run(self, connection: Connection, intake: Intake) -> None:
        """Until cancelled; raises ConnectionLost. What is unfinished then belongs to the lost connection."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wake.wait()
                self._wake.clear()
                others, self._others = self._others, []
                for delivery in others:
                    group.create_task(self._patiently(connection, intake, delivery))
                await self._together(connection, intake)

    def again(self, deliveries: Sequence[BrokerDelivery]) -> None:
        """The connection is lost, and these have receipts that outlive it: they are settled on the next one."""
        self.forget()
        self._acks.clear()
        self._others.clear()
        for delivery in deliveries:
            self.add_return(delivery) if delivery.going_back else self.add(delivery)

    def forget(self) -> None:
        """The connection is lost, and with it every receipt."""
        self._early.clear()
        self._returns.clear()
        self._acks = [one for one in self._acks if one.acked]
        self._others = [one for one in self._others if one.acked]
        if self._acks or self._others:
            self._wake.set()

    async def _together(self, connection: Connection, intake: Intake) -> None:
        early, self._early = self._early, []
        acks, self._acks = [one for one in self._acks if _is_ours(one)], []
        returns, self._returns = [one for one in self._returns if _is_ours(one)], []
        to_ack = [one for one in acks if not one.acked] + early
        others: tuple[object, ...] = ()
        if to_ack:
            try:
                await connection.ack(to_ack)
            except ReceiptsLost as err:
                others = err.deliveries
                self._superseded(err)
        for delivery in acks:
            intake.superseded(delivery) if delivery in others else intake.carried(delivery)
        if returns:
            await connection.give_back([one for one in returns if not one.acked])
            lent = [one.job for one in returns if one.acked]
            if lent:
                await connection.publish(lent)
            for delivery in returns:
                intake.gone(delivery)

    async def _patiently(self, connection: Connection, intake: Intake, delivery: BrokerDelivery) -> None:
        backoff = Backoff(first_s=0.5)
        outcome = delivery.outcome
        assert outcome is not None
        while _is_ours(delivery):
            try:
                await self._carry_out(connection, delivery, outcome)
                break
            except ConnectionLost:
                raise
            except ReceiptsLost as err:
                self._superseded(err)
                intake.superseded(delivery)
                return
            except DriverError as err:
                self._unsettled(delivery.ident, err)
                await asyncio.sleep(backoff.next_s())
        else:
            return  # withdrawn meanwhile
        self.trouble = ""
        intake.carried(delivery)

    async def _carry_out(self, connection: Connection, delivery: BrokerDelivery, outcome: Outcome) -> None:
        if outcome.letter is not None:
            await self._dead.bury(connection.letters, outcome.letter)
            if not delivery.acked:
                await connection.ack((delivery,))
        elif outcome.action is Action.REJECT and not delivery.acked:
            await connection.reject(delivery, outcome)
        elif outcome.redeliver:
            copy = delivery.job.again(outcome.delay_s, outcome.headers)
            if delivery.acked:
                await connection.publish((copy,))
            else:
                await connection.again(delivery, copy)
        elif not delivery.acked:
            await connection.ack((delivery,))

    def _superseded(self, lost: ReceiptsLost) -> None:
        for one in lost.deliveries:
            if isinstance(one, BrokerDelivery):
                self._events.emit("delivery.superseded", id=one.ident, pipeline=self._pipeline, reason=str(lost))

    def _unsettled(self, ident: str, err: DriverError) -> None:
        self.trouble = str(err)
        self._events.emit("delivery.unsettled", id=ident, pipeline=self._pipeline, error=str(err))


def _is_ours(delivery: BrokerDelivery) -> bool:
    """Whether its receipt is still of use."""
    return delivery.acked or delivery.connection is not WITHDRAWN
