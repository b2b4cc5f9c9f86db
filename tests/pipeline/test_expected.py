"""Pipelines of a server that was started before its predecessor had let go of them."""

import asyncio

import pytest
from test_registry import House, broken, job, memory

from rrjobs.errors import DriverError, PipelineExists, PipelineNotFound, PushRefused
from rrjobs.pipeline.config import JobsConfig

FOR_EVER_S = 30.0


class Holder:
    """One that ran before."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    @property
    def name(self) -> str:
        return "" if self.gone.is_set() else "process 7"

    async def wait(self) -> None:
        await self.gone.wait()


def house_of(timeout_s: float = FOR_EVER_S) -> House:
    config = {"pipelines": {"a": memory(), "b": broken()}, "consume": ["a", "b"], "timeout": timeout_s}
    return House(JobsConfig.model_validate(config))


async def test_pushes_wait_for_the_predecessor_and_brokers_do_not():
    house, holder = house_of(), Holder()
    await house.registry.start(holder)
    assert house.registry.names() == ["b"]
    await house.registry.push([job(1, "b")])
    assert house.drivers.broken.pushed
    waiting = asyncio.ensure_future(house.registry.push([job(1, "a")]))
    (state,) = [one for one in await house.registry.stat() if one.pipeline == "a"]
    assert (state.ready, state.error) == (True, "waits for process 7 to let go of what it keeps")
    assert not waiting.done()
    holder.gone.set()
    await asyncio.wait_for(waiting, 10)
    assert len(house.taken) == 1
    assert [one.error for one in await house.registry.stat()] == ["", ""]
    await house.registry.close()


async def test_a_push_that_waited_too_long_names_who_is_in_the_way():
    house, holder = house_of(timeout_s=0.05), Holder()
    await house.registry.start(holder)
    with pytest.raises(DriverError, match="the pipeline a waits for process 7 to let go"):
        await house.registry.push([job(1, "a")])
    await house.registry.close()


async def test_a_declared_pipeline_waits_too_and_exists_at_once():
    house, holder = house_of(), Holder()
    await house.registry.start(holder)
    await house.registry.declare({"name": "late", "driver": "memory"})
    with pytest.raises(PipelineExists):
        await house.registry.declare({"name": "late", "driver": "memory"})
    with pytest.raises(PipelineNotFound):
        await house.registry.push([job(1, "nowhere")])
    holder.gone.set()
    await asyncio.wait_for(house.registry.push([job(1, "late")]), 10)
    await house.registry.close()


async def test_a_server_that_stops_before_its_predecessor_opens_nothing_and_consumes_nothing():
    house, holder = house_of(), Holder()
    await house.registry.start(holder)
    waiting = asyncio.ensure_future(house.registry.push([job(1, "a")]))
    await asyncio.sleep(0)
    await house.registry.hold()
    holder.gone.set()
    await asyncio.wait_for(waiting, 10)
    assert house.taken == []
    await house.registry.close()
    with pytest.raises((PipelineNotFound, PushRefused)):
        await house.registry.push([job(1, "a")])
