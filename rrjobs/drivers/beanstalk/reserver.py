"""Takes jobs out of a tube, up to `prefetch` at once.

beanstalkd runs the commands of a connection one after the other, and a job belongs to the connection that reserved it:
one that waits for a job cannot delete another meanwhile. So a wire either waits, holding nothing, or it holds jobs and
asks only for what is there at once. When the tube is dry and every wire holds something, one more is opened to wait.
"""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rrjobs.drivers.beanstalk.wire import Reply, Wire


class Reserved(NamedTuple):
    """A job that is ours: the wire that holds it, its id, its priority in the tube, earlier deliveries of it that were
    not given back, and whether there were any at all.
    """

    wire: Wire
    number: int
    priority: int
    earlier: int
    again: bool


@dataclass(slots=True)
class _Learning:
    """A job whose history was asked for."""

    wire: Wire
    number: int
    body: bytes
    stats: Reply | None = None


Arrived = Callable[[Reserved, bytes], None]
OpenWire = Callable[[], Awaitable[Wire]]

_ASK = b"reserve-with-timeout 0\r\n"


class Reserver:
    """`open_wire` gives a wire that watches the tube alone; `run` is its task. `others` tells how many jobs are in the
    house that this one did not bring: `changed` is to be called when there are fewer.
    """

    def __init__(
        self, open_wire: OpenWire, prefetch: int, wait_s: int, arrived: Arrived, others: Callable[[], int]
    ) -> None:
        self._open_wire = open_wire
        self._prefetch = prefetch
        self._wait = b"reserve-with-timeout %d\r\n" % max(1, wait_s)
        self._arrived = arrived
        self._others = others
        self.wires: list[Wire] = []
        self._asker: Wire | None = None
        self._waiter: Wire | None = None
        self._dry = True
        self._asked = 0
        self._most = 1
        self._learning: deque[_Learning] = deque()
        self._held = 0
        self._stopping = False
        self._short = asyncio.Event()
        self._quiet = asyncio.Event()

    async def run(self) -> None:
        """Open wires as they are needed, until `stop`; raises ConnectionLost."""
        self.changed()
        while not self._stopping:
            await self._short.wait()
            self._short.clear()
            if self._wants_waiter:
                self.wires.append(await self._open_wire())
                self.changed()

    async def stop(self) -> None:
        """Once it returns nothing arrives any more."""
        self._stopping = True
        for wire in [wire for wire in self.wires if wire.waits]:
            self._drop(wire)
        self._short.set()
        while self._asked or self._learning:
            self._quiet.clear()
            await self._quiet.wait()

    def settled(self, jobs: Sequence[Reserved]) -> None:
        """They are no longer ours."""
        for job in jobs:
            job.wire.held -= 1
        self._held -= len(jobs)
        self.changed()

    def changed(self) -> None:
        """There may be room: ask for more, or wait for one."""
        if self._stopping:
            return
        if not self._dry:
            self._ask()
        elif self._wants_waiter:
            wire = next((wire for wire in self.wires if not wire.held), None)
            if wire is None:
                self._short.set()
                return
            self._waiter, wire.waits = wire, True
            wire.send(self._wait, self._waited)

    def close(self) -> None:
        """All wires; what they hold is ready again."""
        self._stopping = True
        for wire in list(self.wires):
            self._drop(wire)

    def lost(self) -> None:
        """A wire has ended by itself: nothing that was asked will be answered."""
        self._asked = 0
        self._learning.clear()
        self._stopping = True
        self._short.set()
        self._quiet.set()

    @property
    def _wants_waiter(self) -> bool:
        """Whether one is to wait for a job, and none does. One wire asks at a time: two would get jobs in an order
        that nobody knows.
        """
        return self._dry and not self._asked and self._waiter is None and self._room > 0

    @property
    def _room(self) -> int:
        return self._prefetch - self._held - self._others()

    def _waited(self, reply: Reply) -> None:
        wire, self._waiter = self._waiter, None
        assert wire is not None
        wire.waits = False
        if reply.word == b"RESERVED":
            self._asker, self._dry, self._most = wire, False, 1
            self._take(wire, reply)
        self.changed()

    def _ask(self) -> None:
        """For as many as there is room for, but few at first: one that came alone is mostly the only one."""
        wire = self._asker
        number = min(self._room, self._most) - self._asked
        if wire is None or number <= 0:
            return
        self._asked += number
        wire.send_all(_ASK * number, number, self._answered)

    def _answered(self, reply: Reply) -> None:
        self._asked -= 1
        if reply.word == b"RESERVED":
            assert self._asker is not None
            self._most = min(self._prefetch, self._most + 1)
            self._take(self._asker, reply)
        else:
            self._dry = True
        if not self._asked:
            self.changed()
            self._is_quiet()

    def _take(self, wire: Wire, reply: Reply) -> None:
        """Its history is asked for, and once all before it have arrived it has too, whatever the wires."""
        wire.held += 1
        self._held += 1
        learning = _Learning(wire, int(reply.args[0]), reply.body)
        self._learning.append(learning)

        def known(stats: Reply) -> None:
            learning.stats = stats
            while self._learning and (told := self._learning[0].stats) is not None:
                self._learned(self._learning.popleft(), told)
            self._is_quiet()

        wire.send(b"stats-job %d\r\n" % learning.number, known)

    def _learned(self, job: "_Learning", stats: Reply) -> None:
        if stats.word != b"OK":  # gone meanwhile: somebody deleted it
            self.settled((Reserved(job.wire, job.number, 0, 0, False),))
            return
        self._arrived(Reserved(job.wire, job.number, *history_of(stats.body)), job.body)

    def _is_quiet(self) -> None:
        if not self._asked and not self._learning:
            self._quiet.set()

    def _drop(self, wire: Wire) -> None:
        if wire in self.wires:
            self.wires.remove(wire)
        wire.abort() if wire.waits else wire.close()


_HISTORY = re.compile(rb"\npri: (\d+)\n(?:.*\n)*?reserves: (\d+)\n(?:.*\n)*?releases: (\d+)\n")


def history_of(stats: bytes) -> tuple[int, int, bool]:
    """A job's priority in the tube, how many earlier deliveries of it were not given back, and whether it had any."""
    found = _HISTORY.search(stats)
    if found is not None:
        priority, reserves, releases = map(int, found.groups())
    else:  # in another order than any beanstalkd has them
        facts = parse_stats(stats)
        priority, reserves, releases = (facts.get(name, 0) for name in ("pri", "reserves", "releases"))
    return priority, max(0, reserves - releases - 1), reserves > 1


def parse_stats(body: bytes) -> dict[str, int]:
    """The numbers in beanstalkd's YAML; what is no number is left out."""
    found: dict[str, int] = {}
    for line in body.split(b"\n"):
        name, colon, value = line.partition(b": ")
        if colon and value.isdigit():
            found[name.decode()] = int(value)
    return found
