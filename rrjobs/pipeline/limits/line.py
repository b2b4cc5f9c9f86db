"""Groups of held deliveries, and the order in which groups get their turn: by the first delivery of each."""

from bisect import insort
from heapq import heapify, heappop, heappush

from rrjobs.pipeline.delivery import JobDelivery
from rrjobs.pipeline.limits.window import Window

Held = tuple[float, int, JobDelivery]
"""Order (priority, or a moment where waiting counts), number in order of arrival, the delivery."""

Member = tuple[str, str]
"""Whom a delivery counts with in its pool; see `share`."""

_SPARE = 16
"""Entries of a line that may be out of date before it is made anew, beside as many as there are groups."""

GroupKey = tuple[str | None, str, str | None, Member]


class Value:
    """One value of the header that `concurrency` or `ordering` goes by: its groups, how many of its deliveries run, and
    the groups that wait for one to end. `heads`: what came first of each ordered group, now or before.
    """

    __slots__ = ("groups", "heads", "name", "running", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.groups: set[Group] = set()
        self.running = 0
        self.waiting = Line()
        self.heads: list[tuple[int, OrderedGroup]] = []

    def earliest(self) -> "OrderedGroup | None":
        """The ordered group that holds what came first of all."""
        while self.heads:
            number, group = self.heads[0]
            if group.held and group.held[0][1] == number:
                return group
            heappop(self.heads)
        return None

    def next(self) -> "Group | None":
        """Take out the one whose turn it is, of those that wait here."""
        first = self.earliest() if self.heads else None
        if first is None:
            return self.waiting.pop() if self.waiting.groups else None
        return first if self.waiting.discard(first) else None


class Group:
    """Deliveries that count against the same things, so that only the first of them can be the next.

    `running` of them were let go on. `waits_for`: why it is in no line of those that may be tried; "" otherwise.
    """

    __slots__ = ("held", "key", "member", "pool", "running", "value", "waits_for", "window")

    def __init__(self, key: GroupKey, value: Value | None, window: Window | None) -> None:
        self.key = key
        self.pool, self.member = key[2], key[3]
        self.value = value
        self.window = window
        self.held: list[Held] = []
        self.running = 0
        self.waits_for = ""

    @property
    def first(self) -> tuple[float, int]:
        """The place of its first delivery."""
        return self.held[0][:2]

    def __lt__(self, other: "Group") -> bool:
        """Two entries of one group with one place are equal."""
        return False

    def add(self, held: Held) -> bool:
        """Whether it is the first now."""
        heappush(self.held, held)
        return self.held[0] is held

    def pop(self) -> Held:
        """The first."""
        return heappop(self.held)


class OrderedGroup(Group):
    """The first is the one that came first, whatever the priorities. Its value knows which that is."""

    __slots__ = ("_heads",)

    def __init__(self, key: GroupKey, value: Value, window: Window | None) -> None:
        super().__init__(key, value, window)
        self._heads = value.heads

    def add(self, held: Held) -> bool:
        """See Group."""
        insort(self.held, held, key=_number)
        if self.held[0] is not held:
            return False
        heappush(self._heads, (held[1], self))
        return True

    def pop(self) -> Held:
        """See Group."""
        first = self.held.pop(0)
        if self.held:
            heappush(self._heads, (self.held[0][1], self))
        return first


def _number(held: Held) -> int:
    return held[1]


class Line:
    """Groups in order; `groups` are those that are in it. One whose first delivery has changed has further
    entries; only the true one counts.
    """

    __slots__ = ("_entries", "groups")

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Group]] = []
        self.groups: set[Group] = set()

    def __bool__(self) -> bool:
        return bool(self.groups)

    @property
    def deliveries(self) -> int:
        """How many wait in it."""
        return sum(len(group.held) for group in self.groups)

    def add(self, group: Group) -> None:
        """Also for one that is there and has another first delivery now."""
        self.groups.add(group)
        heappush(self._entries, (*group.first, group))

    def discard(self, group: Group) -> bool:
        """Take this one out; whether it was there."""
        if group not in self.groups:
            return False
        self.groups.discard(group)
        if not self.groups:
            self._entries.clear()
        elif len(self._entries) > 2 * len(self.groups) + _SPARE:  # what was taken out is looked over by nobody
            self._entries = [(*other.first, other) for other in self.groups]
            heapify(self._entries)
        return True

    def first(self) -> Group:
        """The one whose turn it is; raises IndexError when there is none."""
        entries = self._entries
        while True:
            order, number, group = entries[0]
            if group in self.groups and group.first == (order, number):
                return group
            heappop(entries)

    def pop(self) -> Group:
        """Take it out."""
        if len(self.groups) == 1:
            self._entries.clear()
            return self.groups.pop()
        group = self.first()
        heappop(self._entries)
        self.groups.discard(group)
        return group
