"""Workers kept free in a pool that grows, and gates that come late."""

import pytest
from limits_doubles import Clock, HandDriver, HandLane, HandPool

from rrjobs.pipeline.limits.control import Control
from rrjobs.pipeline.limits.entrance import Entrance
from rrjobs.pipeline.limits.floor import Floor
from rrjobs.pipeline.limits.limits import Limits, LimitsError, Rate
from rrjobs.pipeline.limits.line import Group
from rrjobs.pipeline.limits.places import Places
from rrjobs.runtime.events import Events
from rrjobs.worker.scaler import Backlog


class Stage:
    def __init__(self, workers: int, scales: bool = False, **config) -> None:
        self.pool = HandPool(workers, scales, **config)
        self.lane = HandLane(self.pool)
        self.floor = Floor()
        self.floor.add(self.lane)
        self.control = Control(self.floor, Events())
        self.clock = Clock()

    def pipeline(self, name: str, **limits) -> tuple[Entrance, HandDriver]:
        entrance = Entrance(name, None, self.lane, self.floor, self.clock)
        self.control._entrances[name] = entrance
        if entrance.limit(Limits(**limits)):
            self.control._renew()
        return entrance, HandDriver(name)


def test_what_is_held_for_a_reservation_waits_for_the_pool_although_workers_idle():
    stage = Stage(3, scales=True, reserve={"workers": 2})
    jobs, driver = stage.pipeline("jobs")
    for _ in range(5):
        assert jobs.sink.offer(driver.delivery())
    assert len(stage.lane.queue) == 1
    assert stage.pool.demands and stage.pool.demands[-1] >= 1
    backlog = stage.pool.borrower.backlog()
    assert (backlog.waiting, backlog.kept) == (4, True)
    stage.pool.resize(5)
    assert len(stage.lane.queue) == 3
    stage.pool.resize(9)
    assert len(stage.lane.queue) == 5
    assert stage.pool.borrower.backlog() == Backlog(0, 0.0, 0)


def test_urgent_jobs_and_the_pipeline_with_a_reservation_are_not_held():
    stage = Stage(4, reserve={"workers": 1, "priority": 3})
    bulk, bulk_jobs = stage.pipeline("bulk")
    vip, vip_jobs = stage.pipeline("vip", reserve=1)
    for _ in range(6):
        bulk.sink.offer(bulk_jobs.delivery(10))
    assert len(stage.lane.queue) == 2
    bulk.sink.offer(bulk_jobs.delivery(3))
    vip.sink.offer(vip_jobs.delivery(50))
    assert len(stage.lane.queue) == 4
    assert bulk.standing().held == 4
    assert "kept for others" in bulk.standing().why


def test_who_is_held_by_two_pipelines_goes_on_by_priority():
    stage = Stage(2, reserve={"workers": 1, "priority": 0})
    first, first_jobs = stage.pipeline("first")
    second, second_jobs = stage.pipeline("second")
    running = first_jobs.delivery(5)
    first.sink.offer(running)
    stage.lane.start()
    late, soon = first_jobs.delivery(9), second_jobs.delivery(7)
    first.sink.offer(late)
    second.sink.offer(soon)
    stage.lane.finish(running)
    assert stage.lane.start() is soon
    stage.lane.finish(soon)
    assert stage.lane.start() is late


def test_a_gate_that_comes_late_counts_what_runs_and_holds_what_is_queued():
    stage = Stage(8)
    work, driver = stage.pipeline("work")
    jobs = [driver.delivery() for _ in range(6)]
    for one in jobs:
        work.sink.offer(one)
    stage.lane.start()
    stage.lane.start()
    work.limit(Limits(max_workers=3))
    assert (work.standing().running, work.standing().held) == (3, 3)
    stage.lane.finish(jobs[0])
    stage.lane.finish(jobs[1])
    assert driver.settled == jobs[:2]
    assert [stage.lane.start() for _ in range(3)] == jobs[2:5]
    assert work.standing().held == 1


def test_a_destroyed_pipeline_leaves_its_reservation_to_the_others():
    stage = Stage(3)
    vip, _ = stage.pipeline("vip", reserve=2)
    bulk, driver = stage.pipeline("bulk")
    for _ in range(3):
        bulk.sink.offer(driver.delivery())
    assert len(stage.lane.queue) == 1
    stage.control.leave("vip")
    assert len(stage.lane.queue) == 3
    assert vip.gate is None
    with pytest.raises(LimitsError, match="must be left for everybody"):
        bulk.limit(Limits(reserve=3))


def test_a_drain_gives_back_what_is_held_last_first():
    stage = Stage(4)
    work, driver = stage.pipeline("work", max_workers=1)
    jobs = [driver.delivery() for _ in range(4)]
    for one in jobs:
        work.sink.offer(one)
    assert stage.floor.drop_all("the server is stopping") == {"jobs": 3}
    assert driver.back == jobs[:0:-1]
    assert not work.sink.offer(driver.delivery())


def test_a_window_forgets_a_begin_that_was_taken_back():
    stage = Stage(4)
    work, driver = stage.pipeline("work", rate=Rate(1, 5.0))
    job = driver.delivery()
    work.sink.offer(job)
    job.encode()
    job.not_lent()
    stage.clock.advance(6.0)
    other = driver.delivery()
    work.sink.offer(other)
    assert work.standing().held == 1, "the first has its place until it begins"
    stage.lane.start()
    stage.clock.advance(4.0)
    assert work.standing().held == 1
    stage.clock.advance(1.1)
    assert work.standing().held == 0


def test_a_drain_gives_back_jobs_of_a_key_in_their_order_whatever_their_priorities():
    stage = Stage(4)
    work, driver = stage.pipeline("work", ordering_key="tenant")
    jobs = [driver.delivery(priority, tenant=tenant) for priority in (30, 20, 10) for tenant in ("a", "b")]
    for one in jobs:
        work.sink.offer(one)
    stage.floor.drop_all("the server is stopping")
    assert driver.back == jobs[:1:-1], "the first of each key was let go on, the others come back last first"


def test_what_is_recalled_comes_again_in_the_order_of_its_keys():
    stage = Stage(4)
    work, driver = stage.pipeline("work", ordering_key="tenant")
    jobs = [driver.delivery(priority, tenant="a") for priority in (30, 20, 10)]
    for one in jobs:
        work.sink.offer(one)
    recalled = work.sink.remove("work")
    assert recalled == jobs
    for one in recalled:
        work.sink.offer(one)
    ran = []
    while (delivery := stage.lane.start()) is not None:
        ran.append(delivery)
        stage.lane.finish(delivery)
    assert ran == jobs


@pytest.mark.parametrize(
    "keys",
    [
        {"ordering_key": "tenant", "rate": Rate(1000, 1.0, "user")},
        {"concurrency": 2, "concurrency_key": "tenant", "rate": Rate(1000, 1.0, "user")},
        {"ordering_key": "user", "rate": Rate(10, 1.0)},
    ],
    ids=["ordering", "concurrency", "one rate for all"],
)
def test_an_end_tries_no_more_groups_than_may_go_on(keys, monkeypatch):
    """Each user is a group of its own, and all wait for the same."""
    stage = Stage(4)
    work, driver = stage.pipeline("work", **keys)
    jobs = [driver.delivery(10, tenant="a", user=str(number)) for number in range(300)]
    for one in jobs:
        work.sink.offer(one)
    tried = 0
    blocked = Places.blocked

    def counted(places: Places, group: Group) -> str:
        nonlocal tried
        tried += 1
        return blocked(places, group)

    monkeypatch.setattr(Places, "blocked", counted)
    ran = []
    while len(ran) < len(jobs):
        while (delivery := stage.lane.start()) is not None:
            ran.append(delivery)
            stage.lane.finish(delivery)
        stage.clock.advance(0.05)
    assert ran == jobs
    assert tried < 5 * len(jobs)
    assert not work.standing().held
