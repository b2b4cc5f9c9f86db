"""Pools of real PHP processes behind the dispatcher; what a job does to its worker stands in its payload."""

import asyncio
import sys
from pathlib import Path

import pytest

from rrjobs.errors import SpawnError
from rrjobs.pipeline.delivery import JobDelivery
from rrjobs.pipeline.dispatcher import Dispatcher
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.judge import PolicyJudge
from rrjobs.pipeline.outcome import Action, Outcome
from rrjobs.runtime.events import Events
from rrjobs.worker.config import PoolConfig, ServerConfig
from rrjobs.worker.guard import Guard
from rrjobs.worker.launcher import Launch, Launcher
from rrjobs.worker.pool import Pool
from rrjobs.worker.relay_listener import RelayListener

WORKER = str(Path(__file__).with_name("bad_worker.php"))
DEADLINE_S = 20.0


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Table:
    """A pool, a lane on it, and the outcomes of what was pushed."""

    name = "memory"

    def __init__(self, command, depth: int, relay: str | None, listener: RelayListener | None, **settings) -> None:
        self.events = Events()
        self.failures: list[dict[str, object]] = []
        self.lines: list[object] = []
        self.events.subscribe("worker.failed", lambda _, fields: self.failures.append(dict(fields)))
        self.events.subscribe("worker.output", lambda _, fields: self.lines.append(fields["text"]))
        server = ServerConfig.model_validate({"command": command, "relay": relay})
        launcher = Launcher(server, Launch((), "jobs"), Guard(), listener)
        self.pool = Pool("jobs", PoolConfig.model_validate({"num_workers": 1, **settings}), launcher, self.events)
        self.outcomes: dict[str, Outcome] = {}
        self.order: list[str] = []
        self.judge = PolicyJudge()
        self._changed = asyncio.Event()
        self.dispatcher = Dispatcher(10_000, self.events)
        self.dispatcher.add_lane("jobs", self.pool, {"jobs": depth})

    async def start(self) -> "Table":
        await self.pool.start()
        return self

    def settle(self, delivery: JobDelivery, outcome: Outcome) -> None:
        assert delivery.ident not in self.outcomes, "settled twice"
        self.outcomes[delivery.ident] = outcome
        self.order.append(delivery.ident)
        self._changed.set()

    def take_back(self, delivery: JobDelivery, reason: str) -> None:
        raise AssertionError(reason)

    def push(self, *behaviours: str) -> None:
        for behaviour in behaviours:
            ident = str(self._pushed)
            self._pushed += 1
            self.dispatcher.sink("jobs").put(
                JobDelivery(Job(ident, behaviour, behaviour.encode(), "test", 10), self)  # type: ignore[arg-type]
            )

    _pushed = 0

    async def all_settled(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.outcomes) < self._pushed:
                self._changed.clear()
                await self._changed.wait()

    @property
    def failed(self) -> list[str]:
        return [ident for ident, outcome in self.outcomes.items() if outcome.action is not Action.ACK]


@pytest.fixture
async def table():
    made: list[Table] = []

    async def make(
        command=("php", WORKER), depth: int = 1, relay=None, listener=None, started=True, **settings
    ) -> Table:
        made.append(one := Table(list(command), depth, relay, listener, **settings))
        return await one.start() if started else one

    yield make
    for one in made:
        await one.pool.stop(1.0)


@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize(
    ("bad", "fault", "exit_code", "signal"),
    [
        ("crash", "crashed", 7, None),
        ("killed", "crashed", None, 9),
        ("twice", "doubled", None, 9),
        ("garbage", "malformed", None, 9),
    ],
)
async def test_a_bad_job_costs_its_own_delivery_and_a_worker_only(table, depth, bad, fault, exit_code, signal):
    one = await table(depth=depth)
    one.push(*["ok"] * 5, bad, *["ok"] * 15)
    await one.all_settled()
    assert one.failed == ["5"]
    assert one.order == [str(number) for number in range(21)]
    (failure,) = one.failures
    assert (failure["id"], failure["fault"]) == ("5", fault)
    assert (failure["exit_code"], failure["signal"]) == (exit_code, signal)
    assert ("last words" in str(failure["output"])) is (bad == "crash")


async def test_a_worker_that_ends_while_others_still_boot_at_the_start_is_replaced(table, tmp_path):
    first, held = tmp_path / "first", tmp_path / "held"
    second_waits = f"mkdir {first} || {{ mkdir {held} && while [ -d {held} ]; do sleep 0.01; done; }}"
    command = ["sh", "-c", f"{{ {second_waits}; }} 2>/dev/null; exec php {WORKER}"]
    one = await table(command, started=False, num_workers=2)
    one.push("killed", "ok")
    starting = asyncio.create_task(one.pool.start())
    await one.all_settled()
    assert not starting.done()
    held.rmdir()
    await starting
    assert (one.failed, one.pool.ready) == (["0"], 2)


async def test_a_hanging_job_is_killed_at_exec_ttl_and_the_next_is_served(table):
    one = await table(supervisor={"exec_ttl": "200ms"})
    one.push("ok", "hang", "ok")
    await one.all_settled()
    assert one.failed == ["1"]
    assert one.failures[0]["fault"] == "timed_out"


async def test_workers_are_replaced_after_max_jobs_without_a_failure(table):
    one = await table(max_jobs=5)
    first = one.pool.alive[0].pid
    one.push(*["ok"] * 20)
    await one.all_settled()
    assert one.failed == []
    assert first not in [worker.pid for worker in one.pool.alive if worker.state.text in ("ready", "working")]


async def test_a_worker_that_leaves_after_its_answer_fails_nothing(table):
    one = await table()
    one.push("leave", "ok", "leave", "ok")
    await one.all_settled()
    assert one.failed == []


async def test_resets_under_load_fail_nothing(table):
    one = await table(num_workers=2, depth=4)
    before = {worker.pid for worker in one.pool.alive}
    one.push(*["slow"] * 200)
    for _ in range(3):
        await one.pool.reset()
    await one.all_settled()
    assert one.failed == []
    assert one.failures == []
    assert not before & {worker.pid for worker in one.pool.alive}


async def test_what_a_job_prints_is_told_line_by_line(table):
    one = await table()
    one.push("print", "ok")
    await one.all_settled()
    await one.pool.stop(5.0)
    assert "hello from the job" in one.lines


@pytest.mark.parametrize("relay", ["private", "pipes", "unix", "tcp"])
async def test_jobs_travel_over_every_relay(table, relay, tmp_path, unused_tcp_port):
    address = {"unix": f"unix://{tmp_path}/r.sock", "tcp": f"tcp://127.0.0.1:{unused_tcp_port}"}.get(relay, relay)
    listener = RelayListener(address) if relay in ("unix", "tcp") else None
    if listener is not None:
        await listener.start()
    try:
        one = await table(relay=address, listener=listener, num_workers=2, depth=4)
        one.push(*["ok"] * 50)
        await one.all_settled()
        assert one.failed == []
        await one.pool.stop(5.0)
    finally:
        if listener is not None:
            await listener.stop()


async def test_children_are_gone_after_the_stop(table):
    one = await table(num_workers=3)
    pids = [worker.pid for worker in one.pool.alive]
    await one.pool.stop(5.0)
    assert one.pool.size == 0
    assert [pid for pid in pids if alive(pid)] == []


async def test_a_command_that_cannot_be_executed_is_a_spawn_error(table):
    with pytest.raises(SpawnError, match="/no/such/php"):
        await table(command=("/no/such/php", "x"))


async def test_a_command_that_may_not_be_executed_is_a_spawn_error_with_the_mend(table, tmp_path):
    with pytest.raises(SpawnError, match="make it executable, or correct"):
        await table(command=(str(tmp_path),))


async def test_a_missing_script_on_the_relay_pipes_is_told_in_the_words_of_php(table):
    with pytest.raises(SpawnError, match="Could not open input file: no-such-worker"):
        await table(relay="pipes", command=("php", "no-such-worker.php"))


async def test_a_worker_that_exits_at_boot_is_a_spawn_error_with_its_words(table):
    script = "import sys; print('no database', file=sys.stderr); sys.exit(3)"
    with pytest.raises(SpawnError, match="no database") as raised:
        await table(command=(sys.executable, "-c", script))
    assert raised.value.exit_code == 3


@pytest.mark.parametrize("then", ["sleep(60);", "exit(4);"])
async def test_a_few_words_on_the_relay_pipes_and_no_answer_are_told(table, then):
    command = ("php", "-r", f'echo "Hello"; {then}')
    with pytest.raises(SpawnError, match="and 'Hello' where its answer was due") as raised:
        await table(relay="pipes", command=command, allocate_timeout="1s")
    assert "printed nothing" not in str(raised.value)


async def test_a_worker_that_says_nothing_at_all_is_told_as_that(table):
    with pytest.raises(SpawnError, match=r"within 0.2 s .*; it printed nothing"):
        await table(command=("php", "-r", "sleep(60);"), allocate_timeout="200ms")


async def test_the_log_says_in_plain_words_why_a_worker_was_replaced(table):
    one = await table(num_workers=1, max_jobs=1)
    told = asyncio.get_running_loop().create_future()
    one.events.subscribe("worker.retired", lambda _, fields: told.set_result(fields["reason"]))
    one.push("ok")
    async with asyncio.timeout(DEADLINE_S):
        assert await told == "it has done its max_jobs"
    await one.pool.stop(5.0)


async def test_a_pool_keeps_no_descriptor_after_its_stop(table):
    before = descriptors()
    one = await table(num_workers=2)
    one.push("ok", "crash", "ok")
    await one.all_settled()
    await one.pool.stop(5.0)
    assert descriptors() == before
