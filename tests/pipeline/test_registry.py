"""The registry: which pipelines exist, and every way into them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import pytest

from rrjobs.drivers.memory.config import MemoryConfig
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.drivers.table import DriverTable
from rrjobs.errors import (
    AlreadyInState,
    ConfigError,
    DriverError,
    PipelineExists,
    PipelineNotFound,
    PushRefused,
    RRJobsError,
)
from rrjobs.pipeline.config import JobsConfig, PipelineConfig
from rrjobs.pipeline.dead_letter import ALL, Limits
from rrjobs.pipeline.delivery import Delivery, JobDelivery, Judge
from rrjobs.pipeline.driver import DelayedJob, Queue, Sink, SourceState
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.registry import Registry
from rrjobs.runtime.events import Events
from rrjobs.runtime.section import Section
from rrjobs.worker.config import PoolConfig


class ListSink:
    """Keeps what it is offered."""

    def __init__(self) -> None:
        self.taken: list[Delivery] = []

    def put(self, delivery: Delivery) -> None:
        self.taken.append(delivery)

    def offer(self, delivery: Delivery) -> bool:
        self.taken.append(delivery)
        return True

    def when_room(self, wake: Callable[[], None]) -> None: ...

    def remove(self, pipeline: str) -> list[Delivery]:
        gone = [one for one in self.taken if one.pipeline == pipeline]
        self.taken = [one for one in self.taken if one.pipeline != pipeline]
        return gone


class BrokenDriver:
    """A driver whose every operation does what the test says: raises, hangs, or takes a few jobs."""

    name = "broken"
    judge: Judge
    limits: Limits

    def __init__(self) -> None:
        self.dead = self
        self.runs = 0
        self.errors: list[Exception] = []
        self.refuse_after = 10**9
        self.hangs: set[str] = set()
        self.pushed: list[Sequence[Job]] = []
        self.consuming = False
        self.closed = asyncio.Event()

    async def open(self) -> None:
        await self._maybe_hang("open")

    async def run(self, sink: Sink) -> None:
        self.runs += 1
        if self.errors:
            raise self.errors.pop(0)
        await self.closed.wait()

    async def push(self, jobs: Sequence[Job]) -> None:
        await self._maybe_hang("push")
        self.pushed.append(jobs)
        if len(jobs) > self.refuse_after:
            raise PushRefused("the broker said no", accepted=self.refuse_after)

    async def pause(self) -> None:
        await self._maybe_hang("pause")
        self.consuming = False

    async def resume(self) -> None:
        await self._maybe_hang("resume")
        self.consuming = True

    async def delayed(self, limit: int) -> list[DelayedJob]:
        await self._maybe_hang("delayed")
        return []

    async def state(self) -> SourceState:
        await self._maybe_hang("state")
        return SourceState(self.name, "q", ready=self.consuming)

    async def close(self) -> None:
        self.closed.set()
        await self._maybe_hang("close")

    async def _maybe_hang(self, operation: str) -> None:
        if operation in self.hangs:
            await asyncio.get_running_loop().create_future()


class Drivers(DriverTable):
    """The real table, and `broken`."""

    def __init__(self) -> None:
        super().__init__(Surroundings(Events()))
        self.broken = BrokenDriver()

    def configured(self, driver: str, pipeline: str, config: Section, priority: int) -> Queue:
        return self.broken if driver == "broken" else super().configured(driver, pipeline, config, priority)

    def declared(self, driver: str, pipeline: str, spec: Mapping[str, str], priority: int) -> Queue:
        return self.broken if driver == "broken" else super().declared(driver, pipeline, spec, priority)


class House:
    """A registry with what it stands on."""

    def __init__(self, config: JobsConfig) -> None:
        self.lanes: dict[str | None, ListSink] = {None: ListSink()}
        if config.pools:
            self.lanes = {name: ListSink() for name in config.pools}
        self.drivers = Drivers()
        self.events = Events()
        self.seen: list[tuple[str, Mapping[str, object]]] = []
        for name in ("declared", "paused", "resumed", "destroyed", "failed"):
            self.events.subscribe(f"pipeline.{name}", lambda name, fields: self.seen.append((name, fields)))
        self.dead: list[object] = []
        self.events.subscribe("delivery.dead", lambda name, fields: self.dead.append(fields["id"]))
        self.measured: list[tuple[object, ...]] = []
        self.registry = Registry(
            self.lanes.__getitem__, self.events, config, self.drivers, lambda *push: self.measured.append(push[:5])
        )

    @property
    def taken(self) -> list[str]:
        return [delivery.ident for delivery in self.lanes[None].taken]


def memory(**more: object) -> PipelineConfig:
    return PipelineConfig.model_validate({"driver": "memory", "config": MemoryConfig(), **more})


def broken() -> PipelineConfig:
    return PipelineConfig.model_validate({"driver": "broken", "config": MemoryConfig()})


def job(ident: object, pipeline: str = "test", **more: object) -> Job:
    return Job(str(ident), "ping", b"", pipeline, **more)  # type: ignore[arg-type]


@pytest.fixture
async def house():
    """Makes houses, and closes their registries."""
    made: list[House] = []

    async def make(start: bool = True, **sections: object) -> House:
        made.append(House(JobsConfig.model_validate(sections)))
        if start:
            await made[-1].registry.start()
        return made[-1]

    yield make
    for one in made:
        await one.registry.close()
        await one.registry.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the condition is anything
            await asyncio.sleep(0.001)


async def state_of(house: House, name: str):
    return next(state for state in await house.registry.stat() if state.pipeline == name)


async def test_configured_pipelines_are_open_and_those_in_consume_run(house):
    here = await house(pipelines={"test": memory(), "idle": memory(priority=3)}, consume=["test", "unknown"])
    assert sorted(here.registry.names()) == ["idle", "test"]
    await here.registry.push([job(1), job(2, "idle")])
    assert here.taken == ["1"]
    test, idle = await state_of(here, "test"), await state_of(here, "idle")
    assert (test.driver, test.queue, test.priority, test.ready, test.active) == ("memory", "test", 10, True, 1)
    assert (idle.priority, idle.ready, idle.active) == (3, False, 1)


async def test_a_driver_that_does_not_exist_refuses_the_start_and_leaves_nothing_open(house):
    lost = PipelineConfig.model_validate({"driver": "nope", "config": MemoryConfig()})
    here = await house(start=False, pipelines={"test": memory(), "lost": lost})
    with pytest.raises(ConfigError) as refusal:
        await here.registry.start()
    text = "jobs.pipelines.lost: no constructor registered for driver: nope, pipeline: lost"
    assert refusal.value.problems == (text,)
    assert here.registry.names() == []


async def test_priority_zero_becomes_the_pipelines(house):
    here = await house(pipelines={"test": memory(priority=7)}, consume=["test"])
    await here.registry.push([job(1), job(2, priority=2), job(3, priority=-1)])
    assert sorted(delivery.priority for delivery in here.lanes[None].taken) == [-1, 2, 7]


async def test_a_push_to_a_pipeline_that_does_not_exist_names_it(house):
    here = await house(pipelines={"test": memory()})
    with pytest.raises(PipelineNotFound, match=r"^no such pipeline, requested: nope$"):
        await here.registry.push([job(1, "nope")])


async def test_a_batch_over_several_pipelines_goes_in_order_neighbours_together(house):
    here = await house(pipelines={"a": memory(), "b": memory(), "broken": broken()}, consume=["a", "b"])
    names = ["a", "a", "b", "broken", "broken", "a"]
    await here.registry.push([job(number, name) for number, name in enumerate(names)])
    assert here.taken == ["0", "1", "2", "5"]
    assert [[one.id for one in group] for group in here.drivers.broken.pushed] == [["3", "4"]]


async def test_a_batch_stops_at_the_first_failure_and_says_how_many_were_taken(house):
    here = await house(pipelines={"test": memory(), "broken": broken()}, consume=["test"])
    with pytest.raises(PushRefused, match="no such pipeline, requested: nope") as refusal:
        await here.registry.push([job(1), job(2), job(3, "nope"), job(4)])
    assert refusal.value.accepted == 2
    here.drivers.broken.refuse_after = 1
    with pytest.raises(PushRefused, match="the broker said no") as refusal:
        await here.registry.push([job(5), job(6, "broken"), job(7, "broken")])
    assert refusal.value.accepted == 2
    assert here.taken == ["1", "2", "5"]


async def test_an_empty_batch_is_taken(house):
    here = await house(pipelines={"test": memory()})
    await here.registry.push([])


async def test_a_push_that_takes_too_long_is_refused(house):
    here = await house(pipelines={"broken": broken()}, timeout=1)
    here.registry._routes["broken"]._timeout_s = 0.01
    here.drivers.broken.hangs.add("push")
    with pytest.raises(DriverError, match=r"the driver of pipeline broken did not take the push within 0.01 s"):
        await here.registry.push([job(1, "broken")])


async def test_every_push_is_measured_once_for_its_neighbours(house):
    here = await house(pipelines={"test": memory(), "broken": broken()})
    here.drivers.broken.refuse_after = 1
    await here.registry.push([job(1)])
    with pytest.raises(PushRefused):
        await here.registry.push([job(2), job(3), job(4, "broken"), job(5, "broken")])
    assert here.measured == [
        ("test", "memory", False, 1, 0),
        ("test", "memory", True, 2, 0),
        ("broken", "broken", True, 1, 1),
    ]


async def test_a_declared_pipeline_is_paused_unless_it_is_in_consume(house):
    here = await house(consume=["wanted"])
    await here.registry.declare({"name": "wanted", "driver": "memory", "prefetch": "10"})
    await here.registry.declare({"name": "other", "driver": "memory", "priority": "3"})
    await here.registry.push([job(1, "wanted"), job(2, "other")])
    await until(lambda: here.taken == ["1"])
    await here.registry.resume(["other"])
    assert here.taken == ["1", "2"]
    assert (await state_of(here, "other")).priority == 3
    assert [name for name, _ in here.seen] == [
        "pipeline.declared",
        "pipeline.declared",
        "pipeline.resumed",
    ]


@pytest.mark.parametrize("priority", ["", "high", "1.5", str(2**63), None])
async def test_a_declared_priority_that_is_no_number_is_ten(house, priority):
    here = await house()
    await here.registry.declare(
        {"name": "a", "driver": "memory"} | ({} if priority is None else {"priority": priority})
    )
    assert (await state_of(here, "a")).priority == 10


@pytest.mark.parametrize(
    ("spec", "error", "text"),
    [
        ({"name": "a"}, DriverError, "no associated driver with the pipeline, pipeline name: a"),
        ({"name": "a", "driver": ""}, DriverError, "no associated driver with the pipeline, pipeline name: a"),
        ({"name": "a", "driver": "x"}, DriverError, "no constructor registered for driver: x, pipeline: a"),
        (
            {"name": "a", "driver": "boltdb"},
            DriverError,
            "no constructor registered for driver: boltdb, pipeline: a (not available yet)",
        ),
        ({"driver": "memory"}, DriverError, "the pipeline has no name, driver: memory"),
        ({"name": "test", "driver": "amqp"}, PipelineExists, "pipeline already exists, name: test, driver: amqp"),
        ({"queue": "test", "driver": "memory"}, PipelineExists, "pipeline already exists, name: test, driver: memory"),
        ({"name": "a", "driver": "memory", "pool": "x"}, DriverError, "there is no pool 'x' in jobs.pools"),
    ],
)
async def test_a_declaration_that_cannot_be_is_refused_in_roadrunners_words(house, spec, error, text):
    here = await house(pipelines={"test": memory()})
    with pytest.raises(error) as refusal:
        await here.registry.declare(spec)
    assert str(refusal.value) == text
    assert here.registry.names() == ["test"]


async def test_two_declarations_of_one_name_at_once_make_one_pipeline(house):
    here = await house(consume=["a"])

    async def declare() -> bool:
        try:
            await here.registry.declare({"name": "a", "driver": "broken"})
        except PipelineExists:
            return False
        return True

    assert sorted(await asyncio.gather(declare(), declare(), declare())) == [False, False, True]


async def test_a_declared_pipeline_that_cannot_be_started_does_not_exist(house):
    here = await house(consume=["a"])
    here.drivers.broken.hangs.add("resume")
    here.registry._config = here.registry._config.model_copy(update={"timeout_s": 0.01})
    with pytest.raises(DriverError, match="did not start within"):
        await here.registry.declare({"name": "a", "driver": "broken"})
    assert here.registry.names() == []
    assert here.drivers.broken.closed.is_set()


async def test_pause_and_resume_go_in_order_up_to_the_first_failure(house):
    here = await house(pipelines={"a": memory(), "b": memory()}, consume=["a", "b"])
    with pytest.raises(PipelineNotFound, match="no such pipeline, requested: x"):
        await here.registry.pause(["a", "x", "b"])
    assert [state.ready for state in await here.registry.stat()] == [False, True]
    with pytest.raises(AlreadyInState, match="no active listeners, nothing to pause"):
        await here.registry.pause(["a"])
    with pytest.raises(AlreadyInState, match="memory listener is already in the active state"):
        await here.registry.resume(["a", "b"])


async def test_destroy_drops_the_pipeline_and_its_jobs_and_the_name_is_free_again(house):
    here = await house(pipelines={"test": memory(), "other": memory()}, consume=["test", "other"])
    await here.registry.push([job(1), job(2, "other"), job(3, delay_s=60)])
    assert await here.registry.destroy(["test"]) == ["test"]
    assert here.registry.names() == ["other"]
    assert here.taken == ["2"]
    with pytest.raises(PipelineNotFound):
        await here.registry.push([job(4)])
    await here.registry.declare({"name": "test", "driver": "memory"})
    assert (await state_of(here, "test")).active == 0


async def test_one_failure_of_destroy_does_not_keep_the_others(house):
    here = await house(pipelines={"a": memory(), "b": memory()})
    with pytest.raises(RRJobsError, match="no such pipeline, requested: x"):
        await here.registry.destroy(["a", "x", "b", "a"])
    assert here.registry.names() == []


async def test_a_driver_that_fails_is_shown_run_again_and_stops_nobody_else(house, monkeypatch):
    monkeypatch.setattr("rrjobs.pipeline.route.FIRST_BACKOFF_S", 0.3)
    here = await house(start=False, pipelines={"broken": broken(), "test": memory()}, consume=["broken", "test"])
    here.drivers.broken.errors = [DriverError("the broker is gone"), ZeroDivisionError("a bug")]
    await here.registry.start()
    await until(lambda: here.registry._routes["broken"].trouble)
    failed = await state_of(here, "broken")
    assert (failed.ready, failed.error) == (False, "the broker is gone")
    await here.registry.push([job(1)])
    assert here.taken == ["1"]
    await until(lambda: here.drivers.broken.runs == 3)
    healed = await state_of(here, "broken")
    assert (healed.ready, healed.error) == (True, "")
    reasons = [fields["error"] for name, fields in here.seen if name == "pipeline.failed"]
    assert reasons == ["the broker is gone", "a bug"]


async def test_a_driver_that_cannot_tell_its_state_is_one_entry_with_an_error(house):
    here = await house(pipelines={"broken": broken(), "test": memory()}, consume=["test"])
    here.drivers.broken.hangs.add("state")
    here.registry._routes["broken"]._timeout_s = 0.01
    states = {state.pipeline: state for state in await here.registry.stat()}
    assert "did not tell its state within 0.01 s" in states["broken"].error
    assert states["test"].ready


async def test_hold_pauses_what_runs_and_leaves_what_is_paused(house):
    here = await house(pipelines={"a": memory(), "b": memory()}, consume=["a"])
    await here.registry.hold()
    assert [state.ready for state in await here.registry.stat()] == [False, False]


async def test_close_ends_every_task_also_of_a_driver_that_hangs(house):
    here = await house(pipelines={"broken": broken(), "test": memory()})
    here.drivers.broken.hangs.add("close")
    here.registry._routes["broken"]._timeout_s = 0.01
    before = asyncio.all_tasks()
    assert any(task.get_name() == "pipeline broken" for task in before)
    await here.registry.close()
    assert {task.get_name() for task in asyncio.all_tasks()}.isdisjoint({"pipeline broken", "pipeline test"})
    assert [fields["pipeline"] for name, fields in here.seen if name == "pipeline.failed"] == ["broken"]


async def test_named_pools_have_lanes_of_their_own_and_a_header_chooses(house):
    pools = {"fast": PoolConfig(), "slow": PoolConfig()}
    pipelines = {"test": memory(pool="fast"), "free": memory()}
    here = await house(pools=pools, pipelines=pipelines, consume=["test", "free"])
    slow = {"pool": ["slow"]}
    await here.registry.push([job(1), job(2, headers=slow), job(3, headers={"a": ["1"]}), job(4, "free", headers=slow)])
    assert [one.ident for one in here.lanes["fast"].taken] == ["1", "3"]
    assert [one.ident for one in here.lanes["slow"].taken] == ["2", "4"]
    await here.registry.destroy(["test"])
    assert [one.ident for one in here.lanes["slow"].taken] == ["4"]
    assert here.lanes["fast"].taken == []


async def test_a_job_for_a_pool_that_does_not_exist_is_a_dead_letter_after_some_attempts(house):
    here = await house(pools={"fast": PoolConfig()}, pipelines={"free": memory()}, consume=["free"])
    await here.registry.push([job(1, "free", headers={"pool": ["x"]}), job(2, "free")])
    await until(lambda: here.dead == ["1", "2"])
    assert here.lanes["fast"].taken == []
    assert (await state_of(here, "free")).active == 0
    letters = await here.registry.dead()["free"].letters(ALL, 10)
    assert [(one.id, one.attempts, one.reason, one.error) for one in letters] == [
        ("1", 3, "attempts", "error: there is no pool 'x' of jobs.pools"),
        ("2", 3, "attempts", "error: the pipeline names no pool of jobs.pools"),
    ]


async def test_a_pipeline_on_a_pool_that_does_not_exist_refuses_the_start(house):
    here = await house(start=False, pools={"fast": PoolConfig()}, pipelines={"test": memory(pool="x")})
    with pytest.raises(ConfigError, match=r"jobs.pipelines.test: there is no pool 'x' in jobs.pools"):
        await here.registry.start()


async def test_a_settled_delivery_makes_room_for_the_next(house):
    config = PipelineConfig.model_validate({"driver": "memory", "config": MemoryConfig(prefetch=1)})
    here = await house(pipelines={"test": config}, consume=["test"])
    await here.registry.push([job(1), job(2)])
    (first,) = here.lanes[None].taken
    assert isinstance(first, JobDelivery)
    assert first.encode()
    first.answer(0, 0, b"", b'{"type":0,"data":[]}')
    first.finished()
    assert here.taken == ["1", "2"]
