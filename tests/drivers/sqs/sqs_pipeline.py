"""A registry with one pipeline on SQS, of which the test is the worker."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from house import HandSink, answer, eventually
from servers.sqs import REGION

from rrjobs.config.shape import DRIVERS
from rrjobs.drivers.sqs.config import SqsSection
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.drivers.table import DriverTable
from rrjobs.pipeline.config import JobsConfig
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.registry import Registry
from rrjobs.pipeline.state import PipelineState
from rrjobs.runtime.events import Events


class SqsPipeline:
    """`options` go to the pipeline, `section` to the driver's own; `timeout_s` and `startup_s` are limits."""

    name = "p"

    def __init__(self, endpoint: str, config: dict[str, Any], folder: Path) -> None:
        section = {"key": "x", "secret": "x", "region": REGION, "endpoint": endpoint} | config.pop("section", {})
        options = config.pop("options", {})
        timeout_s, startup_s = config.pop("timeout_s", 10.0), config.pop("startup_s", 5.0)
        config = {"prefetch": 10, "wait_time_seconds": 1, **config}
        self.queue = str(config["queue"])
        self.sink = HandSink()
        self.events = Events()
        self.superseded: list[object] = []
        self.differing: list[dict[str, Any]] = []
        self.events.subscribe("broker.differs", lambda _, fields: self.differing.append(dict(fields)))
        self.events.subscribe("delivery.superseded", lambda _, fields: self.superseded.append(fields["id"]))
        pipeline = {"driver": "sqs", "config": config, **options}
        settings = JobsConfig.model_validate(
            {"pipelines": {"p": pipeline}, "consume": ["p"], "timeout": timeout_s}, context={"drivers": DRIVERS}
        )
        surroundings = Surroundings(
            self.events, state_dir=folder, timeout_s=timeout_s, startup_timeout_s=startup_s, liveness_s=5.0
        )
        table = DriverTable(surroundings, {"sqs": SqsSection.model_validate(section)})
        self.registry = Registry(lambda pool: self.sink, self.events, settings, table)

    async def __aenter__(self) -> "SqsPipeline":
        await self.registry.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.registry.close()

    async def push(self, *jobs: Job) -> None:
        await self.registry.push(jobs)

    async def state(self) -> PipelineState:
        return (await self.registry.stat())[0]

    @property
    def dead(self) -> Any:
        return self.registry.dead()["p"]

    @property
    def link(self) -> Any:
        return self.registry._routes["p"].driver._link

    def driver_returns(self) -> int:
        """Messages that are known to have gone back unstarted."""
        return len(self.registry._routes["p"].driver._returns._times)

    def job(self, ident: str = "", payload: bytes = b"payload", **options: Any) -> Job:
        return Job(ident or str(uuid4()), "Job", payload, "p", **options)

    async def done(self, *idents: str) -> None:
        """The next jobs are these, in this order, and are done."""
        for ident in idents:
            delivery = await self.sink.take()
            assert delivery.job.id == ident
            answer(delivery)

    async def idle(self) -> None:
        async def settled() -> bool:
            state = await self.state()
            return not (state.active or state.reserved or state.delayed or state.error)

        await eventually(settled, "everything is settled")
