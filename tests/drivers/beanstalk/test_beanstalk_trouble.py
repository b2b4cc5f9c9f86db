"""What the commands and readiness say of a pipeline whose broker is gone, and once it is back."""

import json
from typing import Any

from server_process import wait_until
from servers.beanstalkd import Beanstalkd


def test_a_broker_that_is_gone_is_told_with_the_counts_and_by_readiness(start_broker, start_server, settings):
    broker = start_broker(Beanstalkd)
    jobs = {"consume": ["far"], "pipelines": {"far": {"driver": "beanstalk"}}}
    settings["status"]["liveness_s"] = 0.5
    server = start_server({**settings, "beanstalk": {"addr": broker.uri}, "jobs": jobs})

    def trouble() -> str:
        (row,) = json.loads(server.cli("jobs", "stat", "--json").stdout)
        return str(row["error"])

    def told() -> Any:
        status, body = server.get("/ready?plugin=jobs", int(settings["status"]["address"].rpartition(":")[2]))
        return status == 503 and json.loads(body)[0]["error_message"]

    assert trouble() == ""
    assert "in trouble" not in server.cli("jobs", "stat").stdout
    broker.stop()
    reason = wait_until(told, "readiness is red")
    assert reason.startswith("pipelines that should consume and do not: far (")
    assert broker.address in reason
    assert broker.address in trouble()
    stat = server.cli("jobs", "stat").stdout
    assert "far: beanstalk not ready" in stat and f"  in trouble: {trouble()[:20]}" in stat
    assert f"far:{''.join(trouble().split())[:15]}" in "".join(server.cli("workers").stdout.split())
    broker.start()
    wait_until(lambda: not told(), "readiness is green again")
    assert trouble() == ""
