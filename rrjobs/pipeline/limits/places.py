"""What the deliveries of one pipeline count against: values of a header, windows of a rate, shares of pools."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from rrjobs.pipeline.delivery import JobDelivery
from rrjobs.pipeline.job import NO_HEADERS
from rrjobs.pipeline.limits.limits import Limits
from rrjobs.pipeline.limits.line import Group, GroupKey, Line, Member, OrderedGroup, Value
from rrjobs.pipeline.limits.share import Share, Waiter
from rrjobs.pipeline.limits.timers import Timers
from rrjobs.pipeline.limits.window import Cancellable, Window

MAX_VALUES = 100_000
"""Values of a header whose rates are counted apart; further ones share one count."""

SWEEP_S = 1.0
VALUE, RATE, SHARE = "concurrency", "rate", "reserve"

_REST = ""
_NOBODY: Member = ("", "")


class Shares(Protocol):
    """The pools behind the sink."""

    def pool_of(self, delivery: JobDelivery) -> str | None:
        """The one that will serve this job; None when it is not known or keeps nothing free."""
        ...

    def share(self, pool: str) -> Share: ...


class Places:
    """Groups by what they count against; those that have to wait are parked here, and `ready` is told when they may
    be tried again. Nothing is kept of values that nobody uses.
    """

    def __init__(self, limits: Limits, shares: Shares, timers: Timers, ready: Callable[[list[Group]], None]) -> None:
        self._limits = limits
        self._shares = shares
        self._timers = timers
        self._ready = ready
        self._groups: dict[GroupKey, Group] = {}
        self._values: dict[str, Value] = {}
        self._windows: dict[str, Window] = {}
        self._waiting: dict[str, Line] = {}
        self._sweeper: Cancellable | None = None
        self._keyed = bool(limits.concurrency or limits.ordering_key or (limits.rate and limits.rate.key))
        self._most = 1 if limits.ordering_key else limits.concurrency

    @property
    def groups(self) -> Iterable[Group]:
        """All that have deliveries here or under way."""
        return self._groups.values()

    @property
    def kept(self) -> int:
        """How much is kept of values."""
        return len(self._groups) + len(self._values) + len(self._windows)

    def group_of(self, delivery: JobDelivery) -> Group:
        """What this one counts against."""
        value = self._value_of(delivery)
        window = self._window_key(delivery)
        pool = self._shares.pool_of(delivery)
        member = self._shares.share(pool).member(delivery) if pool is not None else _NOBODY
        key = (value, window, pool, member)
        return self._groups.get(key) or self._new_group(key)

    def blocked(self, group: Group) -> str:
        """What one more of this group has to wait for; "" for nothing."""
        value = group.value
        if value is not None and value.running >= self._most:
            return VALUE
        if self._limits.ordering_key and value is not None and group.held and value.earliest() is not group:
            return VALUE
        if group.pool is not None and not self._shares.share(group.pool).free(group.member):
            return SHARE
        if group.window is not None and not group.window.free(self._timers.time()):
            return RATE
        return ""

    def take(self, group: Group) -> None:
        """One of this group was let go on."""
        group.running += 1
        if group.value is not None:
            group.value.running += 1
        if group.pool is not None:
            self._shares.share(group.pool).take(group.member)

    def give(self, group: Group) -> None:
        """It has ended. Who waits for a share still has to be woken."""
        group.running -= 1
        value = group.value
        if value is not None:
            value.running -= 1
            if value.waiting.groups:
                self._next_of(value)
        if group.pool is not None:
            self._shares.share(group.pool).give(group.member)
        if self._keyed:
            self.drop_unused(group)

    def wake(self, pools: Iterable[str | None]) -> None:
        """Let others have what was given back in these pools."""
        for pool in pools:
            if pool is not None:
                self._shares.share(pool).wake()

    def drop_unused(self, group: Group) -> None:
        """Forget a group without deliveries, and its value if it was the last one's."""
        if group.running or group.held or self._groups.get(group.key) is not group:
            return
        del self._groups[group.key]
        value = group.value
        if value is not None:
            value.groups.discard(group)
            if not value.groups:
                del self._values[value.name]

    def park(self, group: Group, why: str, waiter: Waiter) -> None:
        """It waits for this; `ready` gets it, or its share lets it go on. Others may have what it cannot use."""
        group.waits_for = why
        if why == VALUE and group.value is not None:
            group.value.waiting.add(group)
        elif why == RATE:
            self._waiting.setdefault(group.key[1], Line()).add(group)
            self._arm(group.key[1], group.window)
        elif group.pool is not None:
            share = self._shares.share(group.pool)
            share.line(group.member, waiter).add(group)
            share.waits()
        self.tried(group, why)

    def tried(self, group: Group, why: str = "") -> None:
        """The first of it was let go on, or not: those that wait for the same, one by one, have their turn too."""
        if group.value is not None and group.value.waiting.groups and why != VALUE:
            self._next_of(group.value)
        if group.key[1] in self._waiting and group.window is not None and why != RATE:
            self._next_in(group.key[1], group.window)

    def moved_up(self, group: Group, waiter: Waiter) -> None:
        """Its first delivery is another one now."""
        if group.waits_for == SHARE and group.pool is not None:
            self._shares.share(group.pool).line(group.member, waiter).add(group)
        elif group.waits_for == VALUE and group.value is not None:
            group.value.waiting.add(group)
            self._next_of(group.value)
        elif group.waits_for == RATE and group.window is not None:
            self._waiting[group.key[1]].add(group)
            self._next_in(group.key[1], group.window)

    def begun(self, group: Group) -> None:
        """One that was let go on has begun."""
        if group.window is not None:
            group.window.unstarted -= 1
            group.window.begun(self._timers.time())
            self._arm(group.key[1], group.window)

    def never_begun(self, group: Group) -> None:
        """One that was let go on never begins."""
        if group.window is not None:
            group.window.unstarted -= 1
            self._opens(group.key[1], group.window)

    def nobody_waits(self, waiter: Waiter) -> None:
        """What was held is gone: empty every place where a group is parked."""
        for value in self._values.values():
            value.waiting = Line()
            value.heads.clear()
        self._waiting.clear()
        for window in self._windows.values():
            window.disarm()
        for pool in {group.pool for group in self._groups.values()}:
            if pool is not None:
                self._shares.share(pool).leave(waiter)
        for group in list(self._groups.values()):
            self.drop_unused(group)

    def next_in_s(self) -> float:
        """When the next window opens; 0 when that is not known."""
        now = self._timers.time()
        times = [window.opens_at() for window in self._windows.values() if window.timer is not None]
        return max(0.0, min((at for at in times if at is not None), default=now) - now)

    def close(self) -> None:
        """No timer is left."""
        for window in self._windows.values():
            window.disarm()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def inherit(self, old: "Places") -> None:
        """Go on with the counts of a rate by the same key."""
        rate, before = self._limits.rate, old._limits.rate
        if rate is None or before is None or rate.key != before.key:
            return
        now = self._timers.time()
        for key, window in old._windows.items():
            window.free(now)  # forgets what was too old for the rate before
            window.limit, window.per_s, window.unstarted = rate.limit, rate.per_s, 0
            self._windows[key] = window
        if rate.key and self._windows:
            self._sweep()

    def _new_group(self, key: GroupKey) -> Group:
        name, window = key[0], self._window(key[1])
        if name is None:
            group = self._groups[key] = Group(key, None, window)
            return group
        value = self._values.setdefault(name, Value(name))
        kind = OrderedGroup if self._limits.ordering_key else Group
        group = self._groups[key] = kind(key, value, window)
        value.groups.add(group)
        return group

    def _value_of(self, delivery: JobDelivery) -> str | None:
        """None for one that counts with no other: jobs without a key have no order among them."""
        limits = self._limits
        if limits.ordering_key:
            return _header(delivery, limits.ordering_key) or None
        return _header(delivery, limits.concurrency_key) if limits.concurrency else None

    def _window_key(self, delivery: JobDelivery) -> str:
        """Values begin with a sign of their own: one of them may be empty."""
        rate = self._limits.rate
        if rate is None or not rate.key:
            return _REST
        key = "=" + _header(delivery, rate.key)
        return key if key in self._windows or len(self._windows) < MAX_VALUES else _REST

    def _window(self, key: str) -> Window | None:
        rate = self._limits.rate
        if rate is None:
            return None
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window(rate.limit, rate.per_s)
            if self._sweeper is None and rate.key:
                self._sweeper = self._timers.call_at(self._timers.time() + max(SWEEP_S, rate.per_s), self._sweep)
        return window

    def _sweep(self) -> None:
        """Forget the windows of values that have not been seen for long enough."""
        self._sweeper = None
        rate, now = self._limits.rate, self._timers.time()
        used = {group.key[1] for group in self._groups.values()}
        self._windows = {key: one for key, one in self._windows.items() if key in used or not one.idle(now)}
        if self._windows and rate is not None:
            self._sweeper = self._timers.call_at(now + max(SWEEP_S, rate.per_s), self._sweep)

    def _arm(self, key: str, window: Window | None) -> None:
        if window is None or window.timer is not None or key not in self._waiting:
            return
        at = window.opens_at()
        if at is not None:
            window.timer = self._timers.call_at(at, partial(self._opens, key, window))

    def _opens(self, key: str, window: Window) -> None:
        window.disarm()
        if key in self._waiting:
            self._next_in(key, window)
            self._arm(key, window)

    def _next_of(self, value: Value) -> None:
        """Whose turn it is may be tried, if one more of this value may run."""
        if value.running < self._most and (group := value.next()) is not None:
            self._ready([group])

    def _next_in(self, key: str, window: Window) -> None:
        """Whose turn it is may be tried, if one more may begin."""
        if not window.free(self._timers.time()):
            return
        waiting = self._waiting[key]
        group = waiting.pop()
        if not waiting:
            del self._waiting[key]
        self._ready([group])


def _header(delivery: JobDelivery, name: str) -> str:
    """Its first value; jobs without the header have an empty one in common."""
    headers = delivery.job.headers
    if headers is NO_HEADERS:
        return ""
    values = headers.get(name)
    return values[0] if values else ""
