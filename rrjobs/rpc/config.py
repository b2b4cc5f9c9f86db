"""The `rpc` section (spec/jobs-and-rpc.md 1.1)."""

from typing import Annotated

from pydantic import AfterValidator

from rrjobs.runtime.address import checked_dsn
from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import Int

DEFAULT_LISTEN = "tcp://127.0.0.1:6001"

MAX_CONNECTIONS = 1024
"""More than all workers of the largest pools; each costs a descriptor and some KiB."""


class RpcConfig(Section):
    """The socket by which PHP programs and the command line talk to the server."""

    listen: Annotated[str, AfterValidator(checked_dsn)] = setting(
        DEFAULT_LISTEN, "Where to listen: tcp://host:port or unix://path. Workers find it in RR_RPC."
    )
    max_connections: Int = setting(
        MAX_CONNECTIONS,
        "Clients connected at once; further ones are closed. A worker that pushes jobs keeps one.",
        unit="connections",
        ge=1,
        differs="no limit there",
    )
