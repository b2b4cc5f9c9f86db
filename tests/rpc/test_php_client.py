"""Our PHP library against the real server, registry and memory driver."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rrjobs.drivers.memory.config import MemoryConfig
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.drivers.table import DriverTable
from rrjobs.pipeline.config import JobsConfig, PipelineConfig
from rrjobs.pipeline.delivery import JobDelivery
from rrjobs.pipeline.priority_queue import PriorityQueue
from rrjobs.pipeline.registry import Registry
from rrjobs.rpc.method import MethodTable
from rrjobs.rpc.methods.jobs import JobsMethods
from rrjobs.rpc.methods.rpc import RpcMethods
from rrjobs.rpc.server import RpcServer
from rrjobs.runtime.address import parse_dsn
from rrjobs.runtime.events import Events

PRODUCER = Path(__file__).parent / "producer.php"


class QueueSink:
    """The shared queue without its workers."""

    def __init__(self) -> None:
        self.queue: PriorityQueue[JobDelivery] = PriorityQueue()

    def put(self, delivery: JobDelivery) -> None:
        self.queue.push(delivery.priority, delivery)

    def offer(self, delivery: JobDelivery) -> bool:
        self.put(delivery)
        return True

    def when_room(self, wake: Callable[[], None]) -> None:
        raise AssertionError("there is always room")

    def remove(self, pipeline: str) -> list[JobDelivery]:
        return self.queue.take(lambda delivery: delivery.pipeline == pipeline)


async def run_producer(address: str) -> dict[str, object]:
    process = await asyncio.create_subprocess_exec("php", str(PRODUCER), address, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert process.returncode == 0, output
    return json.loads(output)


@pytest.mark.skipif(shutil.which("php") is None, reason="php is not installed")
@pytest.mark.parametrize("listen", ["tcp://127.0.0.1:0", "unix://rpc.sock"])
async def test_php_pushes_five_hundred_jobs_and_looks_after_pipelines(listen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sink, events = QueueSink(), Events()
    pipeline = PipelineConfig.model_validate({"driver": "memory", "config": MemoryConfig()})
    config = JobsConfig.model_validate({"pipelines": {"test": pipeline}, "consume": ["test"]})
    registry = Registry(lambda pool: sink, events, config, DriverTable(Surroundings(events)))
    table = MethodTable([*JobsMethods(registry).methods(), *RpcMethods("1.2.3", dict).methods()])
    server = RpcServer(parse_dsn(listen), table, events)
    await registry.start()
    await server.start()
    try:
        address = str(server.address)
        seen = await run_producer(address if "://" in address else f"tcp://{address}")
        order = [sink.queue.pop() for _ in range(len(sink.queue))]
    finally:
        await server.stop()
        await registry.close()
    assert "rpc_push:\n\tjobs_plugin_push: no such pipeline, requested: nope" in str(seen.pop("error"))
    assert seen == {
        "pushed": 500,
        "list": ["test", "made"],
        "active": 500,
        "delayed": 1,
        "ready": False,
        "resumed": True,
        "destroyed": ["made"],
        "version": "1.2.3",
    }
    assert [one.ident for one in order] == [f"id-{i}" for start in range(3) for i in range(start, 500, 3)]
    assert all(one.job.payload == f"payload {one.ident[3:]} ".encode() + b"\xff" for one in order)
    assert all(one.job.headers == {"n": [one.ident[3:]]} for one in order)
