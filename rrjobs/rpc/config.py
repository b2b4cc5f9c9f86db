"""The `rpc` section (spec/jobs-and-rpc.md 1.1)."""

from typing import Annotated

from pydantic import AfterValidator

from rrjobs.runtime.address import checked_dsn
from rrjobs.runtime.section import Section, setting

DEFAULT_LISTEN = "tcp://127.0.0.1:6001"


class RpcConfig(Section):
    """The socket by which PHP programs and the command line talk to the server."""

    listen: Annotated[str, AfterValidator(checked_dsn)] = setting(
        DEFAULT_LISTEN, "Where to listen: tcp://host:port or unix://path. Workers find it in RR_RPC."
    )
