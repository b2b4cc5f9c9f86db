"""What the suite asks of a driver under test: how it is configured, how others reach its broker, what it can do."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from rrjobs.runtime.section import Section


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a broker can do. What it cannot is asserted as well: nothing here is a reason to skip."""

    ordered: bool = True  # deliveries come in the order of the pushes
    lasting: bool = True  # jobs outlive the server by themselves
    decodes_anything: bool = False  # every message is a job: what is none in its own format is a foreign one
    foreign: bool = True  # others can write messages of their own
    shared: bool = True  # two servers can work on one queue
    tells_active: bool = True  # `stat` counts what waits
    tells_delayed: bool = True  # `stat` counts what waits for its time, or for another run
    tells_reserved: bool = True  # `stat` tells what is held apart from what waits
    most_bytes: int = 0  # the broker refuses larger payloads; 0: there is no such limit in reach of a test
    returns_in_order: bool = True  # what goes back unstarted comes again in its old order
    delay_grain_s: float = 0.0  # a delay may be so much longer


class Harness(ABC):
    """One driver on its real server. Made once per test, with names of its own; `up` and `down` surround the test."""

    driver: ClassVar[str]
    abilities: ClassVar[Abilities] = Abilities()
    copy_bytes: ClassVar[bytes] = b""  # pass when a copy that waits is published,
    confirmed_bytes: ClassVar[bytes] = b""  # and end its confirmation
    lease_s: int = 30  # where the broker lends a message for a while

    async def up(self) -> None:  # noqa: B027  most need nothing
        """Get ready: the server runs already."""

    async def down(self) -> None:  # noqa: B027  most need nothing
        """Close the clients of the test, remove what it made."""

    def section(self) -> Section | None:
        """The driver's own section of the configuration, through the link that `cut` cuts, if there is one."""
        return None

    @abstractmethod
    def config(self, pipeline: str, prefetch: int) -> Mapping[str, Any]:
        """The `config` of a pipeline; the same name is the same queue."""

    @abstractmethod
    def declaration(self, pipeline: str) -> dict[str, str]:
        """The texts of a declaration at run time, without `name` and `driver`."""

    async def write_foreign(self, pipeline: str, payload: bytes, headers: Mapping[str, str]) -> None:
        """A message of somebody else's, by the broker's plain client."""
        raise NotImplementedError

    async def write_undecodable(self, pipeline: str, payload: bytes) -> bytes | None:
        """A message that says it is a job, and is none (for instance headers that are no JSON).

        Its whole body, where that is more than the payload.
        """
        raise NotImplementedError

    def cut(self) -> None:
        """Every connection breaks, and none can be made until `mend`."""
        raise NotImplementedError

    def mend(self) -> None:
        """Connections can be made again."""
        raise NotImplementedError

    @property
    def has_link(self) -> bool:
        """Whether there is a connection to lose."""
        return type(self).cut is not Harness.cut
