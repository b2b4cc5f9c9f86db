"""`ordering: key` on a FIFO queue, with a whole server, PHP workers, and a stop in between."""

import shutil
from collections import Counter

import pytest
from limited_server import LimitedServer, names
from server_process import ROOT, wait_until
from servers.sqs import CREDENTIALS, REGION

pytestmark = pytest.mark.skipif(shutil.which("php") is None, reason="php is not installed")

GROUPS = ("a", "b", "c")
JOBS = 6


@pytest.fixture
def config(both, settings, unique_name):
    credentials = {"key": CREDENTIALS["aws_access_key_id"], "secret": CREDENTIALS["aws_secret_access_key"]}
    queue = {"queue": f"{unique_name('q')}.fifo", "message_group_id": "rest", "wait_time_seconds": 1}
    queue |= {"prefetch": 10, "max_messages_in_flight": 40}
    pipeline = {"driver": "sqs", "ordering": "key", "ordering_key": "MessageGroupId", "config": queue}
    return {
        "server": {"command": ["php", str(ROOT / "php" / "tests" / "workers" / "ledger.php")]},
        "sqs": {**credentials, "region": REGION, "endpoint": both.endpoint},
        "rpc": settings["rpc"],
        "logs": {"mode": "production"},
        "jobs": {"pool": {"num_workers": 4}, "consume": ["work"], "pipelines": {"work": pipeline}},
    }


def test_the_groups_of_a_fifo_queue_run_side_by_side_each_in_order_also_across_a_stop(start_server, config, tmp_path):
    ledger = tmp_path / "ledger"
    server = LimitedServer(start_server(config, LEDGER=str(ledger)), ledger)
    for number in range(JOBS):
        for group in GROUPS:
            server.push("work", f"{group}-{number}", ms=150, priority=JOBS - number, MessageGroupId=group)
    wait_until(lambda: len(server.started()) >= len(GROUPS) + 2, "some are under way")
    assert server.process.stop() == 0
    assert len(server.started()) < JOBS * len(GROUPS), "the stop came in between"
    server = LimitedServer(start_server(config, LEDGER=str(ledger)), ledger)
    wait_until(lambda: len(server.lines()) == 2 * JOBS * len(GROUPS), "all have run", 60)
    assert set(Counter(server.started()).values()) == {1}
    for group in GROUPS:
        assert server.at_once(f"{group}-") == 1
        assert [one for one in server.started() if one.startswith(f"{group}-")] == names(group, JOBS)
    assert server.at_once("") > 1
