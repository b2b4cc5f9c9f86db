"""Deliveries of one pipeline from their arrival until their outcome was carried out at the broker.

A message that is delivered once more while its first delivery still runs here, or after its outcome was decided but
could not be carried out, is not run again: the delivery that is known takes over the new receipt.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import count

from rrjobs.drivers.broker.delivery import WITHDRAWN, BrokerDelivery
from rrjobs.drivers.broker.memory import Memory
from rrjobs.drivers.broker.returns import Returns
from rrjobs.pipeline.driver import Sink
from rrjobs.pipeline.outcome import Action, Outcome

Carry = Callable[[BrokerDelivery], None]
"""Carry its outcome out on the live connection."""


class Intake:
    """Owns what arrived. `carry` is called for a delivery whose outcome is known and whose connection lives."""

    def __init__(self, pipeline: str, returns: Returns, carry: Carry, ack_early: Carry) -> None:
        self._sink: Sink | None = None
        self._pipeline = pipeline
        self._returns = returns
        self._carry = carry
        self._ack_early = ack_early
        self._held: dict[str, BrokerDelivery] = {}
        self._memory = Memory()
        self._waiting: deque[BrokerDelivery] = deque()
        self._awaits_room = False
        self._strays: set[BrokerDelivery] = set()
        self._fewer: Callable[[], None] | None = None
        self._serial = count()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        """Deliveries that are not settled."""
        return len(self._held)

    @property
    def running(self) -> bool:
        """Whether a delivery has no outcome yet."""
        return any(one.outcome is None and not one.going_back for one in self._held.values())

    def begin(self, sink: Sink) -> None:
        """Where deliveries go from now on."""
        self._sink = sink
        self._move()

    @property
    def strays(self) -> int:
        """Deliveries of lost connections that run on, and were not delivered again."""
        return len(self._strays)

    def when_fewer(self, tell: Callable[[], None]) -> None:
        """Called whenever one of these is gone, or delivered again."""
        self._fewer = tell

    async def empty(self) -> None:
        """Wait until every delivery is settled at the broker."""
        await self._empty.wait()

    def arrived(self, delivery: BrokerDelivery, judge: Callable[[], Outcome] | None = None) -> None:
        """From the broker, in its order. With `judge` it is not run: that tells its outcome, unless it is known."""
        if self._is_known(delivery):
            return
        self._hold(delivery)
        outcome = self._memory.take(delivery.identity) if delivery.repeats else None
        if outcome is None and judge is not None:
            outcome = judge()
        if outcome is not None:
            delivery.outcome = outcome
            self._carry(delivery)
            return
        self._waiting.append(delivery)
        self._move()

    def begun(self, delivery: BrokerDelivery) -> None:
        """See Beginner."""
        delivery.acked = True
        self._ack_early(delivery)

    def decided(self, delivery: BrokerDelivery, outcome: Outcome, *, alive: bool) -> None:
        """The outcome is known; `alive`: its receipt is of use."""
        delivery.outcome = outcome
        if alive or delivery.acked:
            self._carry(delivery)
        else:
            self._orphan(delivery)

    def carried(self, delivery: BrokerDelivery) -> None:
        """The broker knows: it is gone from here."""
        self._returns.forget(delivery.key)
        outcome = delivery.outcome
        comes_again = outcome is not None and outcome.action is Action.REJECT and outcome.redeliver
        forgettable = delivery.acked or delivery.exact or delivery.connection is WITHDRAWN
        if forgettable and not comes_again:
            self._memory.done(delivery.identity, outcome)
        self._forget(delivery)

    def superseded(self, delivery: BrokerDelivery) -> None:
        """The broker gave it to somebody else: should it come here again, it meets its outcome."""
        self._orphan(delivery)

    def goes_back(self, delivery: BrokerDelivery) -> None:
        """It is on its way to the broker, unstarted."""
        delivery.going_back = True
        self._returns.note(delivery.key)

    def gone(self, delivery: BrokerDelivery) -> None:
        """Unstarted, and the broker has it again; what was acked before it went back is another message now."""
        if delivery.acked:
            self._memory.done(delivery.identity, None)
        self._forget(delivery)

    def recall(self) -> list[BrokerDelivery]:
        """What was not lent to a worker yet, in order; it stays held until it is given back or dropped."""
        queued = self._sink.remove(self._pipeline) if self._sink is not None else []
        found = [one for one in queued if isinstance(one, BrokerDelivery)]
        found += self._waiting
        self._waiting.clear()
        return found

    def unsettled(self) -> list[BrokerDelivery]:
        """What is decided, or goes back, and is not carried out."""
        return [one for one in self._held.values() if one.outcome is not None or one.going_back]

    def drop(self, which: Callable[[BrokerDelivery], bool]) -> list[BrokerDelivery]:
        """Unstarted ones that the broker is about to take back; they are gone from here."""
        gone = []
        for delivery in self.recall():
            if which(delivery) and not delivery.acked:
                self._forget(delivery)
                gone.append(delivery)
            else:
                self._waiting.append(delivery)
        self._move()
        return gone

    def withdraw(self, which: Callable[[BrokerDelivery], bool]) -> None:
        """The broker has taken them back: decided ones are remembered, others run on.

        One whose copy is being made stays known until that ends: should it come again meanwhile, that is its receipt.
        """
        self.drop(which)
        for delivery in list(self._held.values()):
            if not delivery.acked and which(delivery):
                delivery.connection = WITHDRAWN
                if delivery.outcome is not None and not delivery.under_way:
                    self._orphan(delivery)
                elif delivery.outcome is None and delivery.going_back:
                    self._forget(delivery)

    def lost(self, connection: object) -> None:
        """Unstarted deliveries of a lost connection are the broker's; decided ones are remembered, others run on."""
        for delivery in self.recall():
            if delivery.connection is connection and not delivery.acked:
                self._returns.note(delivery.key)
                self._forget(delivery)
            else:
                self._waiting.append(delivery)
        for delivery in list(self._held.values()):
            if delivery.connection is not connection or delivery.acked:
                continue
            if delivery.outcome is not None:
                self._orphan(delivery)
            elif delivery.going_back:
                self._forget(delivery)
            else:
                self._strays.add(delivery)
        self._move()

    def _hold(self, delivery: BrokerDelivery) -> None:
        self._held[delivery.key] = delivery
        self._empty.clear()
        delivery.beginner = self
        delivery.attempt += self._returns.unexplained(delivery.key, delivery.redelivered)

    def _is_known(self, delivery: BrokerDelivery) -> bool:
        known = self._held.get(delivery.key)
        if known is None or (known.going_back and not known.acked):
            return False
        if not delivery.repeats:
            delivery.key = f"{delivery.identity}#{next(self._serial)}"  # another message with the same id
            return False
        if known.connection is delivery.connection and not known.acked and not delivery.exact:
            # it has its receipt: this is its namesake
            sibling = self._stale(delivery)
            if sibling is None:
                delivery.key = f"{delivery.identity}#{next(self._serial)}"
                return False
            known = sibling
        known.tag, known.connection = delivery.tag, delivery.connection
        if self._strays:
            self._settled_down(known)
        if known.acked:
            self._ack_early(known)
        return True  # if it is decided, its outcome is on the way already

    def _stale(self, delivery: BrokerDelivery) -> BrokerDelivery | None:
        """Another one of its identity that still has the receipt of a lost connection."""
        for one in self._held.values():
            if one.identity == delivery.identity and one.connection is not delivery.connection and not one.going_back:
                return one
        return None

    def _orphan(self, delivery: BrokerDelivery) -> None:
        if delivery.outcome is not None and self._held.get(delivery.key) is delivery:
            self._memory.keep(delivery.identity, delivery.outcome, only=delivery.exact)
        self._forget(delivery)

    def _forget(self, delivery: BrokerDelivery) -> None:
        if self._held.get(delivery.key) is delivery:
            del self._held[delivery.key]
        if self._strays:
            self._settled_down(delivery)
        if not self._held:
            self._empty.set()

    def _settled_down(self, delivery: BrokerDelivery) -> None:
        if delivery in self._strays:
            self._strays.discard(delivery)
            if self._fewer is not None:
                self._fewer()

    def _move(self) -> None:
        """Into the shared queue, as far as there is room."""
        if self._awaits_room or self._sink is None:
            return
        while self._waiting:
            if not self._sink.offer(self._waiting[0]):
                self._awaits_room = True
                self._sink.when_room(self._room)
                return
            self._waiting.popleft()

    def _room(self) -> None:
        self._awaits_room = False
        self._move()
