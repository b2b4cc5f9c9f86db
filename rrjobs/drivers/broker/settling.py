"""Carries outcomes out on the live connection: acks and returns together, everything that needs a copy on its own.

A copy or a letter that the broker does not take is tried again, later and later, as long as the connection lives: the
original stays unsettled, and holds its place in the prefetch, until its outcome is safe (P5).
"""

import asyncio
from collections.abc import Sequence

from rrjobs.drivers.broker.backoff import Backoff
from rrjobs.drivers.broker.connection import Connection
from rrjobs.drivers.broker.copying import is_to_be_acked, replace_by
from rrjobs.drivers.broker.delivery import WITHDRAWN, BrokerDelivery
from rrjobs.drivers.broker.intake import Intake
from rrjobs.drivers.broker.letters import BrokerLetters
from rrjobs.errors import ConnectionLost, DriverError, ReceiptsLost
from rrjobs.pipeline.outcome import Action
from rrjobs.runtime.events import Events


class Settling:
    """Filled by calls that never wait; emptied by `run`, which serves one connection."""

    def __init__(self, pipeline: str, events: Events, dead: BrokerLetters) -> None:
        self.trouble = ""
        self._pipeline = pipeline
        self._events = events
        self._dead = dead
        self._acks: list[BrokerDelivery] = []
        self._early: dict[BrokerDelivery, None] = {}
        self._returns: list[BrokerDelivery] = []
        self._others: list[BrokerDelivery] = []
        self._wake = asyncio.Event()

    def add(self, delivery: BrokerDelivery) -> None:
        """Its outcome is to be carried out."""
        (self._acks if is_to_be_acked(delivery.outcome) else self._others).append(delivery)
        self._wake.set()

    def add_early(self, delivery: BrokerDelivery) -> None:
        """It begins, and is acked although its outcome is not known."""
        self._early[delivery] = None
        self._wake.set()

    def add_return(self, delivery: BrokerDelivery) -> None:
        """It goes back unstarted; what is acked already as a copy."""
        (self._others if delivery.acked else self._returns).append(delivery)
        self._wake.set()

    async def run(self, connection: Connection, intake: Intake) -> None:
        """Until cancelled; raises ConnectionLost. What is unfinished then is for `lost`."""
        self.trouble = ""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wake.wait()
                self._wake.clear()
                others, self._others = self._others, []
                for delivery in others:
                    group.create_task(self._patiently(connection, intake, delivery))
                await self._together(connection, intake)

    def lost(self, unsettled: Sequence[BrokerDelivery], *, lasting: bool) -> None:
        """The connection is lost; these can be settled on the next one. `lasting`: receipts of early acks too."""
        if not lasting:
            self._early.clear()
        self._acks, self._others, self._returns = [], [], []
        for delivery in unsettled:
            self.add_return(delivery) if delivery.outcome is None else self.add(delivery)
        if self._early:
            self._wake.set()

    async def _together(self, connection: Connection, intake: Intake) -> None:
        acks, self._acks = [one for one in self._acks if _is_ours(one)], []
        early = list(self._early)
        if acks or early:
            await self._ack(connection, intake, acks, early)
        returns, self._returns = [one for one in self._returns if _is_ours(one)], []
        if returns:
            await connection.give_back(returns)
            for delivery in returns:
                intake.gone(delivery)

    async def _ack(
        self, connection: Connection, intake: Intake, acks: list[BrokerDelivery], early: list[BrokerDelivery]
    ) -> None:
        receipts = {one: one.tag for one in (*acks, *early)}
        lost: tuple[object, ...] = ()
        if to_ack := [one for one in acks if not one.acked] + early:
            try:
                await connection.ack(to_ack)
            except ReceiptsLost as err:
                lost = err.deliveries
                self._superseded(err)
        for delivery in early:
            if delivery not in lost or delivery.tag is receipts[delivery]:
                self._early.pop(delivery, None)
        for delivery in acks:
            if not delivery.acked and delivery.tag is not receipts[delivery]:
                self.add(delivery)  # it came again meanwhile, with a newer receipt
            elif delivery in lost and not delivery.acked:
                intake.superseded(delivery)
            else:
                intake.carried(delivery)
        if self._early:
            self._wake.set()

    async def _patiently(self, connection: Connection, intake: Intake, delivery: BrokerDelivery) -> None:
        if not _is_ours(delivery):
            return
        delivery.under_way = True
        try:
            await self._until_settled(connection, intake, delivery)
        finally:
            delivery.under_way = False
            if not _is_ours(delivery):
                intake.superseded(delivery)

    async def _until_settled(self, connection: Connection, intake: Intake, delivery: BrokerDelivery) -> None:
        """Or until it is withdrawn."""
        backoff = Backoff(first_s=0.5)
        while _is_ours(delivery):
            receipt = delivery.tag
            try:
                await self._carry_out(connection, delivery)
                self._settled(intake, delivery)
                return
            except (ConnectionLost, asyncio.CancelledError) as err:
                if delivery.outcome is None and getattr(err, "sent", True):
                    intake.gone(delivery)  # perhaps it went back: what is acked before its end runs at most once
                raise
            except ReceiptsLost as err:
                self._superseded(err)
                if delivery.tag is receipt:
                    intake.superseded(delivery)
                    return
            except DriverError as err:
                self._unsettled(delivery.ident, err)
                await asyncio.sleep(backoff.next_s())

    def _settled(self, intake: Intake, delivery: BrokerDelivery) -> None:
        self.trouble = ""
        if delivery.outcome is None:
            intake.gone(delivery)
        elif is_to_be_acked(delivery.outcome) and _is_ours(delivery):
            self.add(delivery)  # what takes its place is safe: its ack is one like others
        else:
            intake.carried(delivery)

    async def _carry_out(self, connection: Connection, delivery: BrokerDelivery) -> None:
        outcome = delivery.outcome
        if outcome is None:
            await connection.publish((delivery.job,))
        elif outcome.letter is not None:
            await replace_by(delivery, self._dead.bury(connection.letters, outcome.letter))
        elif outcome.action is Action.REJECT and not delivery.acked:
            delivery.going_back = outcome.redeliver  # what comes from now on is the redelivery
            await connection.reject(delivery, outcome)
        elif outcome.redeliver:
            copy = delivery.job.again(outcome.delay_s, outcome.headers)
            kept = connection.publish((copy,)) if delivery.acked else connection.keep_copy(delivery, copy)
            await replace_by(delivery, kept)
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
