"""resetter.*: new workers for a plugin (spec/jobs-and-rpc.md 2.6)."""

from collections.abc import Sequence
from typing import Protocol

from rrjobs.errors import RpcError
from rrjobs.rpc.method import AnyMethod, Method
from rrjobs.rpc.shapes import ANYTHING, TEXT


class Pools(Protocol):
    """Plugins whose workers can be replaced."""

    def names(self) -> Sequence[str]: ...

    def has(self, name: str) -> bool:
        """Also for a name whose pool is listed under another one: `jobs` where one pool serves all."""
        ...

    async def reset(self, name: str) -> None:
        """Returns once every old worker has been replaced."""
        ...


class ResetterMethods:
    """The service `resetter`."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    def methods(self) -> list[AnyMethod]:
        """All of it."""
        return [
            Method("resetter.List", ANYTHING, ANYTHING, self._list),
            Method("resetter.Reset", TEXT, ANYTHING, self._reset, waits=True),
        ]

    async def _list(self, _: None) -> list[str]:
        return list(self._pools.names())

    async def _reset(self, plugin: str) -> bool:
        if not self._pools.has(plugin):
            raise RpcError(f"no such plugin: {plugin}")
        await self._pools.reset(plugin)
        return True
