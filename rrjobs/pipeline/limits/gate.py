"""The gate of one pipeline: where its deliveries wait that may not run now, before they reach the shared queue.

held --a place is free--> let go on: queued or with a worker --settled, taken back--> gone, and the place is free

A delivery that was let go on counts as running until its end, also while it is still in the shared queue or written
ahead to a worker. How many are held is bounded by the driver, which counts all that it has handed over.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, cast

from rrjobs.errors import PoolStopped
from rrjobs.pipeline.delivery import Delivery, JobDelivery, Judge, Settler
from rrjobs.pipeline.driver import Sink
from rrjobs.pipeline.limits.limits import Limits
from rrjobs.pipeline.limits.line import Group, Line
from rrjobs.pipeline.limits.places import Places, Shares
from rrjobs.pipeline.limits.started import told_of_start
from rrjobs.pipeline.limits.timers import LoopTimers, Timers
from rrjobs.pipeline.outcome import Outcome

MAX, ROOM, PAUSED = "max_workers", "room", "paused"
_ANY_NUMBER = 2**63


class Lent(NamedTuple):
    """A delivery that was let go on: what it counts against, who settles it for its driver, its place among equals."""

    group: Group
    settler: Settler
    number: int


class Gate:
    """A sink before a sink, for the deliveries of one pipeline."""

    def __init__(self, limits: Limits, sink: Sink, shares: Shares, timers: Timers | None = None) -> None:
        self.limits = limits
        self._sink = sink
        self._shares = shares
        self._timers = timers or LoopTimers()
        self._places = Places(limits, shares, self._timers, self._try_again)
        self._most = limits.max_workers or _ANY_NUMBER
        self._lent: dict[JobDelivery, Lent] = {}
        self._unstarted: set[JobDelivery] = set()
        self._ready = Line()
        self._held = 0
        self._number = 0
        self._paused = self._stopped = self._closed = self._awaits_room = self._going = False
        self._settlers: dict[int, _GateSettler] = {}
        self._kinds: dict[type[JobDelivery], type[JobDelivery]] = {}

    # what the driver calls

    def put(self, delivery: Delivery) -> None:
        """See Sink."""
        if self._closed:
            raise PoolStopped("the server is stopping")
        self._hold(cast(JobDelivery, delivery), self._next_number())
        self._go_on()

    def offer(self, delivery: Delivery) -> bool:
        """See Sink. What is held was taken; False when it may run, but there is no room for it."""
        if self._closed:
            return False
        job = cast(JobDelivery, delivery)
        number = self._next_number()
        if not self._held and not self._paused and not self._stopped and len(self._lent) < self._most:
            group = self._places.group_of(job)
            if not self._places.blocked(group):
                return self._let_go(job, group, number)
        self._hold(job, number)
        self._go_on()
        return True

    def when_room(self, wake: Callable[[], None]) -> None:
        """See Sink."""
        self._sink.when_room(wake)

    def remove(self, pipeline: str) -> list[Delivery]:
        """See Sink; what is held too, by priority, or as it came where keys are in order."""
        stopped, self._stopped = self._stopped, True
        pools = {one.group.pool for one in self._lent.values()}
        taken = self._recall(pipeline)
        taken += self._forget_held()
        taken.sort(key=self._turn)
        self._stopped = stopped
        self._places.wake(pools)
        return [one[1] for one in taken]

    # what the server calls

    def adopt(self, running: Sequence[JobDelivery], queued: Sequence[JobDelivery]) -> None:
        """Take over deliveries that came past before there was a gate; those that are queued may have to wait now."""
        for delivery in running:
            self._lend(delivery, self._places.group_of(delivery), self._next_number())
        for delivery in queued:
            self._hold(delivery, self._next_number())

    def stop(self) -> None:
        """Nothing goes on until `go`: limits or reservations change."""
        self._stopped = True

    def change(self, limits: Limits, pipeline: str) -> None:
        """Other limits from now on, also for what is queued; or the same ones, when pools keep other workers free."""
        queued = self._recall(pipeline)
        queued += self._forget_held()
        before, lent = self._places, self._lent
        for one in lent.values():
            before.give(one.group)
        before.close()
        self.limits = limits
        self._most = limits.max_workers or _ANY_NUMBER
        self._places = Places(limits, self._shares, self._timers, self._try_again)
        self._places.inherit(before)
        self._unstarted.clear()
        self._lent = {}
        for delivery, one in lent.items():
            group = self._places.group_of(delivery)
            self._lent[delivery] = Lent(group, one.settler, one.number)
            self._places.take(group)
        for number, delivery in queued:
            self._hold(delivery, number)

    def go(self) -> None:
        """After a change."""
        self._stopped = False
        self._go_on()

    def pause(self) -> None:
        """Hold what is held."""
        self._paused = True

    def resume(self) -> None:
        """Let it go on."""
        self._paused = False
        self._go_on()

    def drop_all(self, reason: str) -> Counter[str]:
        """The server stops: give what is held back, last first; how many there were of each mode."""
        self._closed = True
        held = self._forget_held()
        for _, delivery in reversed(held):
            delivery.dropped(reason)
        return Counter(delivery.mode for _, delivery in held)

    def close(self) -> None:
        """No timer is left; safe twice."""
        self._closed = True
        self._forget_held()
        self._places.close()

    # what is told of it

    @property
    def held(self) -> int:
        """Deliveries that wait here."""
        return self._held

    @property
    def running(self) -> int:
        """Deliveries that were let go on and have not ended."""
        return len(self._lent)

    @property
    def kept(self) -> int:
        """How much is kept of values of headers."""
        return self._places.kept

    def waiting(self) -> Mapping[str, tuple[int, int]]:
        """What is waited for: by how many deliveries, of how many groups."""
        found: dict[str, tuple[int, int]] = {}
        for group in self._places.groups:
            if group.held:
                why = self._stopper() if self._paused or not group.waits_for else group.waits_for
                number, groups = found.get(why, (0, 0))
                found[why] = number + len(group.held), groups + 1
        return found

    def next_in_s(self) -> float:
        """When the next may begin by the rate; 0 when that is not known."""
        return self._places.next_in_s()

    # what shares and deliveries call

    def effective(self, line: Line) -> float:
        """See Waiter."""
        order, aging_s = line.first().first[0], self.limits.aging_s
        return (order - self._timers.time()) / aging_s if aging_s else order

    def let_first(self, line: Line) -> None:
        """See Waiter."""
        self._try_again([line.pop()])
        self._go_on()

    def begun(self, delivery: JobDelivery) -> None:
        """It is written to a worker."""
        if delivery in self._unstarted:
            self._unstarted.discard(delivery)
            self._places.begun(self._lent[delivery].group)

    def not_begun(self, delivery: JobDelivery) -> None:
        """It was not written, after all, just after it was to be."""
        lent = self._lent.get(delivery)
        if lent is not None and lent.group.window is not None and delivery not in self._unstarted:
            self._unstarted.add(delivery)
            lent.group.window.not_begun()

    def ended(self, delivery: JobDelivery) -> None:
        """It was settled or taken back, and needs its place no more."""
        lent = self._release(delivery)
        if lent is None:
            return
        if lent.group.pool is not None:
            self._places.wake((lent.group.pool,))
        if self._held:
            self._go_on()

    # inside

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _hold(self, delivery: JobDelivery, number: int) -> None:
        group = self._places.group_of(delivery)
        self._held += 1
        if not group.add((self._order(delivery), number, delivery)):
            return
        if len(group.held) == 1 or not group.waits_for:
            self._ready.add(group)
        else:
            self._places.moved_up(group, self)

    def _order(self, delivery: JobDelivery) -> float:
        aging_s = self.limits.aging_s
        return delivery.waits_since(self._timers.time) + delivery.priority * aging_s if aging_s else delivery.priority

    def _try_again(self, groups: list[Group]) -> None:
        for group in groups:
            group.waits_for = ""
            self._ready.add(group)
        if not self._going:
            self._go_on()

    def _go_on(self) -> None:
        """Let go on whoever may."""
        if self._going or self._paused or self._stopped or self._closed or self._awaits_room:
            return
        self._going = True
        try:
            while self._ready and len(self._lent) < self._most:
                if not self._next(self._ready.pop()):
                    return
        finally:
            self._going = False

    def _next(self, group: Group) -> bool:
        """Let the first of this group go on, or park the group; False when there is no room for anybody."""
        why = self._places.blocked(group)
        if why:
            self._places.park(group, why, self)
            return True
        first = group.pop()
        self._held -= 1
        group.running += 1  # keeps it known while it may have nothing
        there_is_room = self._let_go(first[2], group, first[1])
        if not there_is_room:
            group.add(first)
            self._held += 1
            self._awaits_room = True
            self._sink.when_room(self._room)
        group.running -= 1
        if there_is_room:
            self._places.tried(group)
        if group.held:
            self._ready.add(group)
        else:
            self._places.drop_unused(group)
        return there_is_room

    def _room(self) -> None:
        self._awaits_room = False
        self._go_on()

    def _let_go(self, delivery: JobDelivery, group: Group, number: int) -> bool:
        self._lend(delivery, group, number)
        if group.window is not None:
            self._unstarted.add(delivery)
            group.window.unstarted += 1
            delivery.__class__ = self._telling(type(delivery))
        if self._sink.offer(delivery):
            return True
        self._release(delivery)
        return False

    def _lend(self, delivery: JobDelivery, group: Group, number: int) -> None:
        settler = delivery.settler
        mine = self._settlers.get(id(settler))
        if mine is None or mine.settler is not settler:
            mine = self._settlers[id(settler)] = _GateSettler(settler, self)
        self._lent[delivery] = Lent(group, settler, number)
        delivery.settler = mine
        self._places.take(group)

    def _release(self, delivery: JobDelivery) -> Lent | None:
        """Its place is free again; who waits for a share still has to be woken."""
        lent = self._lent.pop(delivery, None)
        if lent is None:
            return None
        if delivery in self._unstarted:
            self._unstarted.discard(delivery)
            self._places.never_begun(lent.group)
        self._places.give(lent.group)
        delivery.settler = lent.settler
        return lent

    def _recall(self, pipeline: str) -> list[tuple[int, JobDelivery]]:
        """Out of the shared queue, with their numbers. Who waits for a share still has to be woken."""
        queued = [one for one in self._sink.remove(pipeline) if isinstance(one, JobDelivery)]
        lent = [self._release(one) for one in queued]
        return [(one.number if one else 0, delivery) for one, delivery in zip(lent, queued, strict=True)]

    def _forget_held(self) -> list[tuple[int, JobDelivery]]:
        """All that is held, in order."""
        held = sorted(one for group in self._places.groups for one in group.held)
        if self.limits.ordering_key:
            held.sort(key=lambda one: one[1])
        for group in list(self._places.groups):
            group.held.clear()
            group.waits_for = ""
        self._held = 0
        self._ready = Line()
        self._places.nobody_waits(self)
        return [one[1:] for one in held]

    def _turn(self, one: tuple[int, JobDelivery]) -> tuple[int, int]:
        number, delivery = one
        return (0 if self.limits.ordering_key else delivery.priority), number

    def _stopper(self) -> str:
        if self._paused:
            return PAUSED
        return MAX if len(self._lent) >= self._most else ROOM

    def _telling(self, kind: type[JobDelivery]) -> type[JobDelivery]:
        found = self._kinds.get(kind)
        if found is None:
            found = told_of_start(kind, self)
            self._kinds[kind] = self._kinds[found] = found
        return found


class _GateSettler:
    """A driver's settler; the gate hears of every end."""

    def __init__(self, settler: Settler, gate: Gate) -> None:
        self.name = settler.name
        self.settler = settler
        self._gate = gate

    @property
    def judge(self) -> Judge:
        """See Settler."""
        return self.settler.judge

    def settle(self, delivery: JobDelivery, outcome: Outcome) -> None:
        """See Settler."""
        self.settler.settle(delivery, outcome)
        self._gate.ended(delivery)

    def take_back(self, delivery: JobDelivery, reason: str) -> None:
        """See Settler."""
        self.settler.take_back(delivery, reason)
        self._gate.ended(delivery)
