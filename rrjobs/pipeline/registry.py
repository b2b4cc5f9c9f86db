"""Which pipelines exist, and the way into them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Protocol

from rrjobs.errors import ConfigError, DriverError, PipelineExists, PipelineNotFound, PushRefused, RRJobsError
from rrjobs.pipeline.config import DEFAULT_PRIORITY, JobsConfig, PipelineConfig
from rrjobs.pipeline.dead_letter import DeadLetters
from rrjobs.pipeline.driver import Aging, DelayedJob, Queue, Sink
from rrjobs.pipeline.expected import Expected, Holder
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.judge import PolicyJudge
from rrjobs.pipeline.lanes import LanedSink, Sinks
from rrjobs.pipeline.limits.config import declared_limits
from rrjobs.pipeline.limits.control import Control
from rrjobs.pipeline.limits.floor import Floor
from rrjobs.pipeline.limits.limits import Limits
from rrjobs.pipeline.retry_config import Failing, declared_failing
from rrjobs.pipeline.route import FIRST_BACKOFF_S, MAX_BACKOFF_S, PushListener, Route
from rrjobs.pipeline.state import PipelineState
from rrjobs.runtime.events import Events
from rrjobs.runtime.section import Section
from rrjobs.runtime.values import MAX_INTEGER


class Drivers(Protocol):
    """How drivers are made, all of them paused; raises DriverError for a driver that does not exist."""

    def configured(self, driver: str, pipeline: str, config: Section, priority: int) -> Queue:
        """From the driver's section of the configuration file."""
        ...

    def declared(self, driver: str, pipeline: str, spec: Mapping[str, str], priority: int) -> Queue:
        """From the texts of a declaration at run time."""
        ...

    def is_local(self, driver: str) -> bool:
        """Whether it keeps what only one server at a time can have."""
        ...


class Registry:
    """Pipelines by name. Started once by `start`, ended by `close`; every other call is for the time in between."""

    def __init__(
        self,
        sinks: Sinks,
        events: Events,
        config: JobsConfig,
        drivers: Drivers,
        on_push: PushListener | None = None,
        floor: Floor | None = None,
    ) -> None:
        self._sinks = sinks
        self._events = events
        self._config = config
        self._drivers = drivers
        self._on_push = on_push
        self._consume = frozenset(config.consume)
        self._routes: dict[str, Route] = {}
        self._opening: set[str] = set()
        self._expected: Expected | None = None
        self._late: set[asyncio.Task[None]] = set()
        self.limits = Control(floor or Floor(), events)

    async def start(self, holder: Holder | None = None) -> None:
        """Open the configured pipelines; when one cannot be opened none is left open and ConfigError tells all.

        With a `holder`, those that keep something on this machine are opened when it has let go; pushes wait till then.
        """
        now = dict(self._config.pipelines)
        if holder is not None:
            self._expected = Expected(holder, self._config.timeout_s)
            for name, config in self._config.pipelines.items():
                if self._drivers.is_local(config.driver):
                    del now[name]
                    self._open_late(self._expected, name, config.driver, partial(self._open_configured, name))
        failed = await self._each(now, self._open_configured)
        if failed:
            await self.close()
            raise ConfigError([f"jobs.pipelines.{name}: {err}" for name, err in failed.items()])

    def _open_late(self, expected: Expected, name: str, driver: str, opening: Callable[[], Awaitable[None]]) -> None:
        expected.expect(name, driver)
        task = asyncio.get_running_loop().create_task(self._open_freed(expected, name, opening), name=f"opening {name}")
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _open_freed(self, expected: Expected, name: str, opening: Callable[[], Awaitable[None]]) -> None:
        """It is late for a refusal: what cannot be opened is tried again."""
        await expected.holder.wait()
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                await opening()
            except RRJobsError as err:
                self._events.emit("pipeline.failed", pipeline=name, error=str(err), again_in_s=backoff_s)
            else:
                expected.came(name)
                return
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)

    async def close(self) -> None:
        """Close every driver; what fails is reported and does not keep the others from closing."""
        for task in tuple(self._late):
            task.cancel()
        if self._late:
            await asyncio.wait(self._late)
        routes, self._routes = self._routes, {}
        failed = await self._each(routes, lambda name: routes[name].close())
        for name in routes:
            self.limits.leave(name)
        for name, err in failed.items():
            self._events.emit("pipeline.failed", pipeline=name, error=str(err))

    async def hold(self) -> None:
        """Fetch nothing new in any pipeline, nor in one that opens later: the first step of a drain."""
        self._consume = frozenset()
        failed = await self._each(self._routes, lambda name: self._routes[name].hold())
        for name, err in failed.items():
            self._events.emit("pipeline.failed", pipeline=name, error=str(err))

    def names(self) -> list[str]:
        """Every pipeline that takes pushes."""
        return list(self._routes)

    async def stat(self) -> list[PipelineState]:
        """The state of every pipeline; a driver in trouble is one entry with an error."""
        states: dict[str, PipelineState] = {}

        async def ask(name: str) -> None:
            states[name] = await routes[name].state()

        routes = dict(self._routes)
        await self._each(routes, ask)
        return [states[name] for name in routes] + (self._expected.states() if self._expected else [])

    def dead(self) -> Mapping[str, DeadLetters]:
        """The dead letters of every pipeline."""
        return {name: route.dead for name, route in self._routes.items()}

    async def delayed(self, name: str, limit: int) -> Sequence[DelayedJob]:
        """The first jobs of a pipeline to come due; raises PipelineNotFound, DriverError."""
        return await (await self._found(name)).delayed(limit)

    async def declare(self, spec: Mapping[str, str]) -> None:
        """Open a pipeline from texts, paused unless it is in `consume`.

        Raises PipelineExists, or DriverError for a driver that is unknown or cannot be opened, or an absurd policy.
        """
        name = spec.get("name") or spec.get("queue") or ""
        driver = spec.get("driver") or ""
        if not driver:
            raise DriverError(f"no associated driver with the pipeline, pipeline name: {name}")
        if not name:
            raise DriverError(f"the pipeline has no name, driver: {driver}")
        if name in self._routes or name in self._opening or (self._expected is not None and name in self._expected):
            raise PipelineExists(f"pipeline already exists, name: {name}, driver: {driver}")
        failing, limits = declared_failing(spec), declared_limits(spec)
        pool = spec.get("pool") or None
        self._sink(pool)  # refused now, however late it is opened

        async def open_declared() -> None:
            made = self._drivers.declared(driver, name, spec, _priority(spec))
            await self._open(name, _priority(spec), made, pool, failing, limits)

        if self._expected is not None and self._expected.holder.name and self._drivers.is_local(driver):
            self._open_late(self._expected, name, driver, open_declared)
        else:
            await open_declared()

    async def destroy(self, names: Sequence[str]) -> list[str]:
        """Close pipelines and forget them; all are tried, then the first failure is raised."""
        failed = await self._each(dict.fromkeys(names), self._destroy)
        for err in failed.values():
            raise err
        return list(dict.fromkeys(names))

    async def pause(self, names: Sequence[str]) -> None:
        """Pause one after another, up to the first failure: PipelineNotFound, AlreadyInState, DriverError."""
        for name in names:
            await (await self._found(name)).pause()

    async def resume(self, names: Sequence[str]) -> None:
        """Resume one after another, up to the first failure: PipelineNotFound, AlreadyInState, DriverError."""
        for name in names:
            await (await self._found(name)).resume()

    async def push(self, jobs: Sequence[Job]) -> None:
        """Push in order, neighbours of one pipeline together; returns once the drivers have them all.

        Raises PipelineNotFound when nothing was taken, else PushRefused with the number of jobs that were.
        """
        accepted = 0
        for group in _neighbours(jobs):
            try:
                name = group[0].pipeline
                route = self._routes.get(name) or await self._found(name)
                await route.push(group, len(jobs) > 1)
            except PushRefused as err:
                err.accepted += accepted
                raise
            except (PipelineNotFound, DriverError) as err:
                if not accepted:
                    raise
                raise PushRefused(str(err), accepted=accepted) from err
            accepted += len(group)

    async def _found(self, name: str) -> Route:
        """Waits for one that opens later; raises PipelineNotFound, DriverError."""
        if self._expected is not None and name in self._expected:
            await self._expected.wait(name)
        route = self._routes.get(name)
        if route is None:
            raise PipelineNotFound(name)
        return route

    async def _open_configured(self, name: str) -> None:
        config: PipelineConfig = self._config.pipelines[name]
        made = self._drivers.configured(config.driver, name, config.config, config.priority)
        await self._open(name, config.priority, made, config.pool, config.failing(), config.limits())

    async def _open(
        self, name: str, priority: int, driver: Queue, pool: str | None, failing: Failing, limits: Limits
    ) -> None:
        """Run a driver; it takes pushes only once it consumes, where it should."""
        driver.judge = PolicyJudge(failing.policy, self._events)
        driver.dead.limits = failing.limits
        aging = driver if isinstance(driver, Aging) else None
        entrance = self.limits.enter(name, pool, self._sink(pool), limits, aging)
        route = Route(name, priority, driver, entrance, self._events, self._config.timeout_s, self._on_push)
        self._opening.add(name)
        try:
            await route.open(name in self._consume, self._config.startup_timeout_s)
        except BaseException:
            try:
                await route.close()
            finally:
                self.limits.leave(name)
            raise
        finally:
            self._opening.discard(name)
        self._routes[name] = route
        self._events.emit("pipeline.declared", pipeline=name, driver=driver.name, consumed=name in self._consume)

    async def _destroy(self, name: str) -> None:
        route = await self._found(name)
        if self._routes.pop(name, None) is None:
            raise PipelineNotFound(name)
        try:
            await route.close()
        finally:
            self.limits.leave(name)
        self._events.emit("pipeline.destroyed", pipeline=name)

    def _sink(self, pool: str | None) -> Sink:
        """The sink of a named pool, or the default one; with several pools, each job may name its own."""
        if not self._config.pools and pool is None:
            return self._sinks(None)
        try:
            return LanedSink(None if pool is None else self._sinks(pool), self._sinks)
        except KeyError:
            raise DriverError(f"there is no pool {pool!r} in jobs.pools") from None

    async def _each(
        self, names: Mapping[str, object], action: Callable[[str], Awaitable[None]]
    ) -> dict[str, RRJobsError]:
        """Do it for all names, `parallelism` at once; what failed, by name."""
        failed: dict[str, RRJobsError] = {}
        gate = asyncio.Semaphore(self._config.options.parallelism)

        async def one(name: str) -> None:
            async with gate:
                try:
                    await action(name)
                except RRJobsError as err:
                    failed[name] = err

        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(one(name))
        return failed


def _priority(spec: Mapping[str, str]) -> int:
    try:
        value = int(spec.get("priority", ""))
    except ValueError:
        return DEFAULT_PRIORITY
    return value if abs(value) <= MAX_INTEGER else DEFAULT_PRIORITY


def _neighbours(jobs: Sequence[Job]) -> Iterator[Sequence[Job]]:
    """The batch cut where the pipeline changes; in most batches it never does."""
    first = 0
    for index, job in enumerate(jobs):
        if job.pipeline != jobs[first].pipeline:
            yield jobs[first:index]
            first = index
    if jobs:
        yield jobs if not first else jobs[first:]
