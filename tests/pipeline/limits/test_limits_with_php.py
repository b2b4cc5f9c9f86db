"""Limits on a whole server with real PHP workers: what runs at once, and in which order, is read from their ledger."""

import json
import shutil
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from limited_server import LimitedServer, names
from server_process import ROOT, wait_until

from rrjobs.errors import RpcError

pytestmark = pytest.mark.skipif(shutil.which("php") is None, reason="php is not installed")

WORKERS = 4


@pytest.fixture
def serve(start_server, settings, tmp_path):
    """Starts a server with these pipelines on memory; `pool` are keys of the pool."""

    def start(pipelines: dict[str, Any], **pool: Any) -> LimitedServer:
        config = {
            "server": {"command": ["php", str(ROOT / "php" / "tests" / "workers" / "ledger.php")]},
            "rpc": settings["rpc"],
            "logs": {"mode": "production"},
            "jobs": {
                "pool": {"num_workers": WORKERS, "prefetch": 1, **pool},
                "consume": list(pipelines),
                "pipelines": {name: {"driver": "memory", **keys} for name, keys in pipelines.items()},
            },
        }
        ledger = tmp_path / "ledger"
        return LimitedServer(start_server(config, LEDGER=str(ledger)), ledger)

    return start


def test_a_pipeline_never_has_more_workers_than_it_may_and_others_have_the_rest(serve):
    server = serve({"few": {"max_workers": 2}, "all": {}})
    server.push("few", *names("few", 12), ms=100)
    server.push("all", *names("all", 12), ms=30)
    wait_until(lambda: "max_workers, 2 are running" in server.limits("few")["held_why"], "some are held")
    server.done(24)
    assert server.at_once("few") == 2
    assert server.at_once("all") >= 2
    assert sorted(server.started()) == sorted([*names("few", 12), *names("all", 12)])


def test_jobs_of_one_tenant_run_one_by_one_and_those_of_others_beside_them(serve):
    server = serve({"work": {"concurrency": 1, "concurrency_key": "tenant"}})
    for tenant in ("a", "b", "c"):
        server.push("work", *names(tenant, 5), ms=30, tenant=tenant)
    server.push("work", *names("none", 5), ms=30)
    server.done(20)
    assert [server.at_once(tenant) for tenant in ("a", "b", "c", "none")] == [1, 1, 1, 1]
    assert server.at_once("") > 1
    assert [one for one in server.started() if one.startswith("b")] == names("b", 5)


def test_no_more_begin_in_a_time_than_the_rate_allows(serve):
    server = serve({"calls": {"rate": {"limit": 3, "per_s": 0.6, "key": "tenant"}}})
    began = time.monotonic()
    server.push("calls", *names("a", 9), tenant="a")
    server.push("calls", *names("b", 3), tenant="b")
    wait_until(lambda: len(server.started()) >= 6, "the first of each tenant begin at once")
    server.done(12)
    assert time.monotonic() - began >= 1.2
    assert set(server.started()[:6]) == {*names("a", 3), *names("b", 3)}


def test_workers_stay_free_for_a_pipeline_and_for_urgent_jobs(serve):
    server = serve({"bulk": {}, "vip": {"reserve": 1}}, reserve={"workers": 1, "priority": 2})
    server.push("bulk", *names("bulk", 10), ms=300)
    wait_until(lambda: len(server.started()) == WORKERS - 2, "bulk has what is left")
    server.push("vip", "vip-1", ms=1)
    server.push("bulk", "urgent-1", ms=1, priority=2)
    server.done(12)
    assert server.at_once("bulk") == WORKERS - 2
    assert {"vip-1", "urgent-1"} <= set(server.started()[:4])


def test_a_worker_that_is_added_takes_what_a_reservation_holds_back_at_once(serve):
    server = serve({"bulk": {}, "vip": {"reserve": 1}}, num_workers=2)
    server.push("bulk", *names("bulk", 2), ms=6000)
    wait_until(lambda: server.limits("bulk")["held"] == 1, "the second one waits for a worker that is kept for others")
    server.call("informer.AddWorker", "jobs")
    wait_until(lambda: len(server.started()) == 2, "the second one starts")
    assert server.at_once("bulk") == 2


def test_a_flood_starves_an_unimportant_job_unless_its_waiting_counts(serve):
    pipelines: dict[str, Any] = {"flood": {}, "old": {"aging_s": 0.01}, "never": {}}
    server = serve(pipelines, num_workers=1)
    server.push("flood", *names("flood", 20), ms=20, priority=1)
    server.push("old", "old", priority=100)
    server.push("never", "never", priority=100)
    stop = threading.Event()

    def keep_coming() -> None:
        number = 0
        while not stop.is_set():
            number += 5
            server.push("flood", *names(f"more{number}", 5), ms=20, priority=1)
            stop.wait(0.09)

    feeding = threading.Thread(target=keep_coming)
    feeding.start()
    try:
        wait_until(lambda: "old" in server.started(), "the one whose waiting counts runs during the flood", 30)
        assert "never" not in server.started()
    finally:
        stop.set()
        feeding.join()
    server.call("jobs.SetLimits", {"pipeline": "never", "set": {"aging_s": 0.001}})
    wait_until(lambda: "never" in server.started(), "the other one runs too, once its waiting counts", 30)


def test_limits_change_while_jobs_run(serve):
    server = serve({"work": {}})
    server.push("work", *names("long", 2), ms=6000)
    wait_until(lambda: len(server.started()) == 2, "two run")
    assert server.limits("work")["running"] is None
    server.call("jobs.SetLimits", {"pipeline": "work", "set": {"max_workers": 2}})
    server.push("work", *names("next", 4), ms=20)
    assert server.limits("work") | {"running": 2, "held": 4, "max_workers": 2} == server.limits("work")
    assert sorted(server.started()) == names("long", 2)
    server.call("jobs.SetLimits", {"pipeline": "work", "set": {"max_workers": None}})
    wait_until(lambda: len(server.started()) == 6, "all go on at once")
    server.done(6)
    assert Counter(server.started()) == Counter([*names("long", 2), *names("next", 4)])


def test_held_jobs_outlive_a_clean_stop_and_are_not_lost_by_pause_or_destroy(serve):
    server = serve({"work": {"rate": {"limit": 1, "per_s": 3600}}, "other": {}})
    server.push("work", *names("job", 5))
    wait_until(lambda: len(server.started()) == 1, "one begins")
    server.call("jobs.Pause", {"pipelines": ["work"]})
    assert "paused" in server.limits("work")["held_why"]
    server.call("jobs.SetLimits", {"pipeline": "work", "set": {"rate": None}})
    server.call("jobs.Stat", {})
    assert len(server.started()) == 1
    server.call("jobs.Resume", {"pipelines": ["work"]})
    server.done(5)
    server.call("jobs.SetLimits", {"pipeline": "work", "set": {"rate": {"limit": 1, "per_s": 3600}}})
    server.push("work", *names("late", 4))
    wait_until(lambda: server.limits("work")["held"] == 3, "three are held")
    assert server.process.stop() == 0
    parked = next(event for event in server.process.events("pipeline.parked") if event["pipeline"] == "work")
    assert parked["jobs"] == 3


def test_the_command_line_shows_and_changes_limits(serve):
    server = serve({"work": {"max_workers": 1}, "vip": {"reserve": 1}})
    server.push("work", *names("job", 3), ms=5000)
    wait_until(lambda: server.limits("work")["held"] == 2, "two are held")
    stat = server.process.cli("jobs", "stat").stdout
    assert "held back: 2 wait: max_workers, 1 are running" in stat
    assert "HELD" in server.process.cli("workers").stdout
    changed = server.process.cli("jobs", "limits", "set", "work", "max_workers=3", "rate=100/60", "rate.key=tenant")
    assert changed.stdout.startswith("work: max_workers=3 rate=100/60 rate.key=tenant"), changed.stderr
    shown = json.loads(server.process.cli("jobs", "limits", "show", "work", "--json").stdout)
    assert shown["pipelines"][0]["rate"] == {"limit": 100, "per_s": 60.0, "key": "tenant"}
    assert "1 of 4 workers" in server.process.cli("jobs", "limits", "reserve", "jobs", "1", "--priority", "5").stdout
    assert "priorities up to 5" in server.process.cli("jobs", "limits", "show").stdout
    off = server.process.cli("jobs", "limits", "set", "work", "max_workers=off", "rate=off")
    assert off.stdout.startswith("work: no limits")
    server.done(3)


def test_jobs_of_one_key_run_in_order_whatever_their_priorities_also_when_that_is_set_at_run_time(serve):
    server = serve({"work": {}})
    changed = server.process.cli("jobs", "limits", "set", "work", "ordering=key", "ordering_key=tenant")
    assert changed.stdout.startswith("work: ordering=key ordering_key=tenant"), changed.stderr
    for number, priority in enumerate((30, 20, 10)):
        for tenant in ("a", "b"):
            server.push("work", f"{tenant}-{number}", ms=300, priority=priority, tenant=tenant)
    wait_until(lambda: "ordering, one that came before them runs" in server.limits("work")["held_why"], "some are held")
    server.done(6)
    assert [server.at_once(tenant) for tenant in ("a", "b")] == [1, 1]
    for tenant in ("a", "b"):
        assert [one for one in server.started() if one.startswith(tenant)] == names(tenant, 3)
    off = server.process.cli("jobs", "limits", "set", "work", "ordering=off", "ordering_key=off")
    assert off.stdout.startswith("work: no limits")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("set", "nope", "max_workers=1"), "no such pipeline, requested: nope"),
        (("set", "work", "max_workers=-1"), "max_workers must be between 0 and 500, got -1"),
        (("set", "work", "max_workers=many"), "max_workers: must be a whole number, got 'many'"),
        (("set", "work", "speed=1"), "speed is no limit of a pipeline: there are reserve, max_workers, aging_s"),
        (("set", "work", "concurrency=2"), "concurrency needs a concurrency_key"),
        (("set", "work", "rate.key=tenant"), "rate.limit"),
        (("set", "work", "rate=0/60"), "rate.limit must be between 1 and 1000000, got 0"),
        (("set", "work", "reserve=4"), "reserve keeps 4 workers of pool jobs free, which has 4"),
        (("reserve", "nope", "1"), "there is no pool 'nope' of jobs: there are jobs"),
        (("reserve", "jobs", "4"), "reserve keeps 4 workers of pool jobs free"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_in_one_line_and_changes_nothing(shared, arguments, error):
    ended = shared.process.cli("jobs", "limits", *arguments)
    assert ended.returncode == 1
    assert error in ended.stderr and len(ended.stderr.strip().splitlines()) == 1
    assert shared.limits("work") | {"max_workers": None, "rate": None, "reserve": None} == shared.limits("work")


@pytest.fixture
def shared(serve):
    return serve({"work": {}})


def test_a_declaration_brings_limits_as_texts(serve):
    server = serve({"work": {}})
    declared = {"name": "late", "driver": "memory", "max_workers": "2", "aging_s": "1.5"}
    declared |= {"rate": '{"limit":5,"per_s":60}', "concurrency": "1", "concurrency_key": "tenant"}
    server.call("jobs.Declare", {"pipeline": declared})
    assert server.limits("late") | {"max_workers": 2, "aging_s": 1.5, "concurrency": 1} == server.limits("late")
    assert server.limits("late")["rate"] == {"limit": 5, "per_s": 60.0, "key": ""}
    for wrong, error in (
        ({"max_workers": "-2"}, "max_workers must be between 0 and 500, got -2"),
        ({"rate": '{"per_s":1}'}, "rate.limit"),
        ({"rate": "fast"}, "rate"),
        ({"reserve": "9"}, "reserve keeps 9 workers"),
    ):
        with pytest.raises(RpcError, match=error):
            server.call("jobs.Declare", {"pipeline": {"name": "wrong", "driver": "memory", **wrong}})
    assert "wrong" not in server.call("jobs.List", {})["pipelines"]


def test_a_flood_of_slow_jobs_leaves_workers_of_a_shared_pool_to_requests(start_server, settings):
    config = {
        **settings,
        "server": {"command": ["php", str(ROOT / "php" / "tests" / "workers" / "any_slow.php")]},
        "any": {"pool": {"num_workers": 3, "reserve": {"workers": 1}}},
    }
    process = start_server(config)
    server = LimitedServer(process, Path("none"))
    server.push("mail", *names("slow", 20), ms=4000)
    wait_until(lambda: server.limits("mail")["held"] == 18, "two run and the others are held")
    assert [process.get("/")[0] for _ in range(20)] == [200] * 20
    assert server.limits("mail")["running"] == 2
    server.call("jobs.Destroy", {"pipelines": ["mail"]})
