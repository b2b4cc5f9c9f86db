"""rpc.*: the server's version and its configuration (spec/jobs-and-rpc.md 2.6)."""

from collections.abc import Callable, Mapping

import orjson

from rrjobs.rpc.method import AnyMethod, Method
from rrjobs.rpc.shapes import ANYTHING, BYTES


class RpcMethods:
    """The service `rpc`. `config` gives the whole merged configuration as a tree of plain values."""

    def __init__(self, version: str, config: Callable[[], Mapping[str, object]]) -> None:
        self._version = version
        self._config = config

    def methods(self) -> list[AnyMethod]:
        """All of it."""
        return [
            Method("rpc.Version", ANYTHING, ANYTHING, self._tell_version),
            Method("rpc.Config", ANYTHING, BYTES, self._tell_config),
        ]

    async def _tell_version(self, _: None) -> str:
        return self._version

    async def _tell_config(self, _: None) -> bytes:
        return orjson.dumps(self._config(), default=str)
