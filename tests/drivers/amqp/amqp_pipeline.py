"""A registry with one pipeline on RabbitMQ, of which the test is the worker."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from house import HandSink, answer, eventually

from rrjobs.config.shape import DRIVERS
from rrjobs.drivers.amqp.section import AmqpSection
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.drivers.table import DriverTable
from rrjobs.pipeline.config import JobsConfig
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.registry import Registry
from rrjobs.pipeline.state import PipelineState
from rrjobs.runtime.events import Events


class AmqpPipeline:
    """`options`: `consume` false leaves it paused, `timeout_s`; all else goes to the pipeline."""

    def __init__(
        self, name: str, section: dict[str, Any], config: dict[str, Any], options: dict[str, Any], folder: Path
    ) -> None:
        self.name = name
        self.sink = HandSink()
        self.events = Events()
        timeout_s = options.pop("timeout_s", 10.0)
        consume = [name] if options.pop("consume", True) else []
        jobs = {"pipelines": {name: {"driver": "amqp", "config": config, **options}}, "consume": consume}
        surroundings = Surroundings(
            self.events, state_dir=folder, timeout_s=timeout_s, startup_timeout_s=0.5, liveness_s=5.0
        )
        table = DriverTable(surroundings, {"amqp": AmqpSection.model_validate(section)})
        settings = JobsConfig.model_validate({**jobs, "timeout": timeout_s}, context={"drivers": DRIVERS})
        self.registry = Registry(lambda pool: self.sink, self.events, settings, table)

    async def __aenter__(self) -> "AmqpPipeline":
        await self.registry.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.registry.close()

    async def push(self, *jobs: Job) -> None:
        await self.registry.push(jobs)

    async def state(self) -> PipelineState:
        return (await self.registry.stat())[0]

    @property
    def driver(self) -> Any:
        return self.registry._routes[self.name].driver

    @property
    def dead(self) -> Any:
        return self.registry.dead()[self.name]

    def job(self, ident: str = "", payload: bytes = b"payload", **options: Any) -> Job:
        return Job(ident or str(uuid4()), "Job", payload, self.name, **options)

    async def done(self, ident: str) -> None:
        """The next job is this one, and is done."""
        delivery = await self.sink.take()
        assert delivery.job.id == ident
        answer(delivery)

    async def idle(self) -> None:
        async def settled() -> bool:
            state = await self.state()
            return not (state.active or state.reserved or state.delayed)

        await eventually(settled, "everything is settled")
