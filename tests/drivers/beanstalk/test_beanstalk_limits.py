"""Limits hold on a pipeline of a broker: seen on beanstalkd, with real PHP workers."""

import time

import pytest
from limited_server import LimitedServer, names
from server_process import ROOT, wait_until

WORKERS = 4


@pytest.fixture
def serve(beanstalkd, start_server, settings, unique_name, tmp_path):
    """Starts a server with one pipeline `work` that has these limits."""

    def start(**limits) -> LimitedServer:
        work = {"driver": "beanstalk", "config": {"tube": unique_name("limits")}, **limits}
        config = {
            "server": {"command": ["php", str(ROOT / "php" / "tests" / "workers" / "ledger.php")]},
            "rpc": settings["rpc"],
            "beanstalk": {"addr": beanstalkd.uri},
            "jobs": {
                "pool": {"num_workers": WORKERS, "prefetch": 1},
                "consume": ["work"],
                "pipelines": {"work": work},
            },
        }
        ledger = tmp_path / "ledger"
        return LimitedServer(start_server(config, LEDGER=str(ledger)), ledger)

    return start


def test_a_pipeline_never_has_more_workers_than_it_may(serve):
    server = serve(max_workers=2)
    server.push("work", *names("job", 10), ms=100)
    wait_until(lambda: "max_workers, 2 are running" in server.limits("work")["held_why"], "some are held")
    server.done(10)
    assert server.at_once("job") == 2 and sorted(server.started()) == names("job", 10)


def test_jobs_of_one_tenant_run_one_by_one_in_order_and_those_of_others_beside_them(serve):
    server = serve(concurrency=1, concurrency_key="tenant")
    for tenant in ("a", "b", "c"):
        server.push("work", *names(tenant, 4), ms=100, tenant=tenant)
    server.done(12)
    assert [server.at_once(tenant) for tenant in ("a", "b", "c")] == [1, 1, 1]
    assert server.at_once("") > 1
    assert [one for one in server.started() if one.startswith("b")] == names("b", 4)


def test_no_more_begin_in_a_time_than_the_rate_allows(serve):
    server = serve(rate={"limit": 4, "per_s": 0.8})
    began = time.monotonic()
    server.push("work", *names("job", 12))
    server.done(12)
    assert time.monotonic() - began >= 1.6
    assert set(server.started()[:4]) == set(names("job", 4))
