"""What a fault needs of a broker: how a pipeline is put on it, how it is harmed, what it promises."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from servers.link_proxy import LinkProxy
from servers.process import Server


class Stage(ABC):
    """One broker of the test's own, and a proxy in front of it. The pipeline is called `work`."""

    driver: ClassVar[str]
    fixtures: ClassVar[tuple[str, ...]] = ("start_broker", "link_proxy", "unique_name")
    lasting: ClassVar[bool] = True
    """What it has accepted outlives its SIGKILL."""
    keeps_delays: ClassVar[bool] = True
    """So does what waits there for its time."""
    prefetch: ClassVar[int] = 8
    """Messages that one server holds at once."""
    publish_bytes: ClassVar[bytes]
    """Bytes that pass on their way up with a push."""
    confirm_bytes: ClassVar[bytes]
    """Bytes that pass on their way down with its confirmation."""
    delivery_bytes: ClassVar[bytes]
    """Bytes that pass on their way down with a job."""
    ack_bytes: ClassVar[bytes]
    """Bytes that pass on their way up with an ack."""

    server: Server
    proxy: LinkProxy

    @abstractmethod
    def sections(self) -> Mapping[str, Any]:
        """The driver's own section, with the address of the proxy."""

    @abstractmethod
    def pipeline(self) -> dict[str, Any]:
        """`jobs.pipelines.work`: driver and config."""
