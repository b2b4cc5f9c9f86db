"""Pipelines that open later, because a server that is about to end has what they keep; who needs one waits for it."""

import asyncio
from typing import Protocol

from rrjobs.errors import DriverError
from rrjobs.pipeline.state import PipelineState
from rrjobs.runtime.eager import within


class Holder(Protocol):
    """Those who ran before."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    async def wait(self) -> None:
        """Until they have let go of everything."""
        ...


class Expected:
    """By name. `holder` are those it is waited for."""

    def __init__(self, holder: Holder, timeout_s: float) -> None:
        self.holder = holder
        self._timeout_s = timeout_s
        self._coming: dict[str, tuple[str, asyncio.Event]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._coming

    def expect(self, name: str, driver: str) -> None:
        """From now on."""
        self._coming[name] = (driver, asyncio.Event())

    def came(self, name: str) -> None:
        """It is open, or is expected no more."""
        self._coming.pop(name)[1].set()

    async def wait(self, name: str) -> None:
        """Until it is open; raises DriverError when that takes too long."""
        try:
            await within(self._coming[name][1].wait(), self._timeout_s)
        except TimeoutError as err:
            raise DriverError(f"the pipeline {name} {self._why()}, for more than {self._timeout_s:g} s now") from err

    def states(self) -> list[PipelineState]:
        """They take pushes, which wait: for a balancer of load this server is as ready as it can be."""
        return [
            PipelineState(name, driver, name, 0, ready=True, error=self._why())
            for name, (driver, _) in self._coming.items()
        ]

    def _why(self) -> str:
        return f"waits for {self.holder.name or 'what ran before'} to let go of what it keeps"
