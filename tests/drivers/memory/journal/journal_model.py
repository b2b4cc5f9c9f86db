"""What a journal must hold: every group that was handed over, in order, with what became of it."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

from rrjobs.drivers.memory.journal.batch import Group
from rrjobs.drivers.memory.journal.journal import Journal
from rrjobs.errors import JournalError

State = dict[int, tuple[int, bytes]]


class Down(Exception):
    """The machine crashed: nobody was told anything."""


@dataclass
class Fate:
    """`safe`: True once acknowledged, False once refused, None while unknown or never awaited."""

    puts: State
    removed: list[int]
    safe: bool | None = None

    def apply(self, state: State) -> None:
        state.update(self.puts)
        for number in self.removed:
            state.pop(number, None)


class Ledger:
    """Drives a journal and notes what it promised. `state` is what must be live if all that is unknown succeeds."""

    def __init__(self, journal: Journal, before: State, down: Callable[[], bool] = lambda: False) -> None:
        self.journal = journal
        self.down = down
        self.before = dict(before)
        self.state = dict(before)
        self.fates: list[Fate] = []

    def group(self, add: list[tuple[int, bytes]], replace: State | None = None, remove: tuple[int, ...] = ()) -> Group:
        group = self.journal.group()
        for kind, payload in add:
            group.add(kind, payload)
        for number, (kind, payload) in (replace or {}).items():
            group.replace(number, kind, payload)
        group.remove(*remove)
        return group

    def keep(self, group: Group) -> None:
        self.journal.keep(group)
        self._note(group)

    def remove(self, *numbers: int) -> None:
        self.journal.remove(*numbers)
        fate = Fate({}, list(numbers))
        self.fates.append(fate)
        fate.apply(self.state)

    async def submit(self, group: Group) -> bool:
        done = self.journal.submit(group)
        fate = self._note(group)
        return await self._awaited(done, fate)

    async def sync(self) -> bool:
        fate = Fate({}, [])
        self.fates.append(fate)
        return await self._awaited(asyncio.ensure_future(self.journal.sync()), fate)

    def possible(self) -> Iterator[State]:
        """Every state that may be recovered: the groups up to some point behind the last acknowledged one, whole and
        in order, and of those refused since then any, because nothing has proven them gone yet."""
        acked = max((at for at, fate in enumerate(self.fates) if fate.safe), default=-1)
        for stop in range(acked + 1, len(self.fates) + 1):
            refused = [at for at in range(acked + 1, stop) if self.fates[at].safe is False]
            for count in range(len(refused) + 1):
                for chosen in combinations(refused, count):
                    yield self._state(stop, set(chosen))

    def allows(self, found: State) -> bool:
        """Whether it is among the possible ones, which may be too many to look at one by one: what a refused group
        added is in nobody else's hands, so what is there of it tells that it came through."""
        acked = max((at for at, fate in enumerate(self.fates) if fate.safe), default=-1)
        came = {at for at, fate in enumerate(self.fates) if fate.safe is False and fate.puts.keys() & found.keys()}
        first = max((acked, *came)) + 1
        return min(came, default=first) > acked and any(
            self._state(stop, came) == found for stop in range(first, len(self.fates) + 1)
        )

    def any_end(self) -> Iterator[State]:
        """As `possible`, for a machine that crashed under `sync: interval`: acknowledged groups may be lost too, from
        the end; and the refused ones may not have been proven gone."""
        for fate in self.fates:
            fate.safe = None if fate.safe else fate.safe
        return self.possible()

    def settled(self) -> State:
        """The one state that a journal closed in good health holds."""
        return self._state(len(self.fates), set())

    def _state(self, stop: int, although_refused: set[int]) -> State:
        state = dict(self.before)
        for at, fate in enumerate(self.fates[:stop]):
            if fate.safe is not False or at in although_refused:
                fate.apply(state)
        return state

    def _note(self, group: Group) -> Fate:
        puts = {n: (k, p) for n, k, p in zip(group.numbers, group.kinds, group.payloads, strict=True)}
        fate = Fate(puts, list(group.removed))
        self.fates.append(fate)
        fate.apply(self.state)
        return fate

    async def _awaited(self, done: "asyncio.Future[None]", fate: Fate) -> bool:
        try:
            await done
        except JournalError:
            if self.down():
                raise Down from None
            fate.safe = False
            self.state = self.settled()
            return False
        fate.safe = True
        return True
