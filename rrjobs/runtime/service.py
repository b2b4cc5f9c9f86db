"""The contract by which every long-lived part is started and stopped."""

from typing import Protocol


class Service(Protocol):
    """A part with a life: `start` returns when it is ready or raises; `stop` is safe twice and before `start`."""

    async def start(self) -> None:
        """Become ready for use; on an error nothing is left behind."""
        ...

    async def stop(self) -> None:
        """Give back everything that `start` took; never raises for a part that is already gone."""
        ...
