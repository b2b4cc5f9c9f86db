"""The metrics endpoint of a real server, and the calls that move an application's metrics."""

import re
from typing import Any

import pytest
from server_process import ROOT, wait_until

from rrjobs.errors import RpcError
from rrjobs.rpc.client import RpcClient
from rrjobs.services.exposition import CONTENT_TYPE

RUDE = ROOT / "php" / "tests" / "workers" / "rude.php"


@pytest.fixture
def measured(settings: dict[str, Any], free_port: Any) -> dict[str, Any]:
    """Sections of a server that counts, and whose workers do as they are told."""
    collect = {"orders": {"type": "counter", "namespace": "shop", "labels": ["country"]}}
    metrics = {"address": f"127.0.0.1:{free_port()}", "collect": collect}
    return {**settings, "server": {"command": ["php", str(RUDE)]}, "metrics": metrics}


def scraped(server: Any) -> dict[str, float]:
    """Every sample by its name and labels."""
    port = int(server.config["metrics"]["address"].rpartition(":")[2])
    status, body = server.get("/metrics", port)
    assert status == 200
    lines = [line.rpartition(" ") for line in body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_requests_jobs_and_workers_are_counted_under_roadrunners_names(start_server, measured):
    server = start_server(measured)
    assert server.get("/ok")[0] == 200
    assert server.get("/status?status=404")[0] == 404
    for order in ('{"do":"ok"}', '{"do":"error"}', '{"do":"settle","how":"requeue","once":"%s"}'):
        pushed = server.cli("jobs", "push", "mail", "job", order.replace("%s", str(server.directory / "once")))
        assert pushed.returncode == 0, pushed.stderr
    expected = {
        'rr_http_request_total{status="200"}': 1,
        'rr_http_request_total{status="404"}': 1,
        'rr_http_request_duration_seconds_count{status="200"}': 1,
        "rr_http_requests_queue": 0,
        "rr_http_no_free_workers_total": 0,
        "rrjobs_http_body_bytes": 0,
        "rr_jobs_jobs_ok": 2,
        "rr_jobs_jobs_err": 3,
        "rr_jobs_jobs_requeue": 1,
        "rr_jobs_push_ok": 3,
        "rr_jobs_push_err": 0,
        'rr_jobs_requests_total{job="mail",driver="memory",source="single"}': 3,
        'rr_jobs_push_latency_count{job="mail",driver="memory",source="single"}': 3,
        "rr_any_total_workers": 2,
        "rr_any_workers_ready": 2,
        "rr_any_workers_working": 0,
        "rr_any_workers_invalid": 0,
        'rrjobs_lane_waiting{lane="any"}': 0,
        'rrjobs_lane_executed_total{lane="any"}': 8,
    }
    wait_until(lambda: {name: scraped(server).get(name) for name in expected} == expected, f"{expected}")
    now = scraped(server)
    states = {name for name in now if name.startswith("rr_any_worker_state")}
    assert {int(re.findall(r'pid="(\d+)"', name)[0]) for name in states} == server.workers()
    assert now["rr_any_workers_memory_bytes"] > 1e6
    assert now["process_resident_memory_bytes"] > 1e6
    assert now["rr_http_uptime_seconds"] > 0


def test_an_application_declares_moves_and_forgets_its_metrics(start_server, measured):
    server = start_server(measured)
    with RpcClient(measured["rpc"]["listen"]) as client:
        assert client.json("metrics.Add", {"name": "orders", "value": 2, "labels": ["de"]}) is True
        gauge = {"namespace": "", "subsystem": "", "type": "gauge", "help": "h", "labels": [], "buckets": []}
        assert client.json("metrics.Declare", {"name": "load", "collector": gauge}) is True
        assert client.json("metrics.Set", {"name": "load", "value": 0.5}) is True
        assert client.json("metrics.Sub", {"name": "load", "value": 0.25}) is True
        wait_until(lambda: scraped(server).get("load") == 0.25, "the gauge is shown")
        assert scraped(server)['shop_orders{country="de"}'] == 2
        assert client.json("metrics.Unregister", "load") is True
        wait_until(lambda: "load" not in scraped(server), "the gauge is gone")
        for call, argument, said in (
            ("Add", {"name": "load", "value": 1}, "undefined collector: load"),
            ("Unregister", "load", "undefined collector: load"),
            ("Add", {"name": "orders", "value": "1"}, "json: value is a string, not a number"),
            ("Add", {"name": "orders", "value": 1, "labels": "de"}, "json: name is a text, labels are a list of texts"),
            (
                "Declare",
                {"name": "x", "collector": {"type": "meter"}},
                "metrics_rpc_declare: unknown collector type: meter",
            ),
        ):
            with pytest.raises(RpcError, match=f"^{re.escape(said)}$"):
                client.json(f"metrics.{call}", argument)


def test_every_path_is_answered_with_the_same_text(start_server, measured):
    server = start_server(measured)
    port = int(measured["metrics"]["address"].rpartition(":")[2])
    assert server.get("/", port)[0] == server.get("/whatever?x=1", port)[0] == 200
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")


def test_without_the_section_there_are_no_metrics_to_move(start_server, settings):
    start_server(settings)
    with RpcClient(settings["rpc"]["listen"]) as client, pytest.raises(RpcError, match=r"can't find service"):
        client.json("metrics.Add", {"name": "a", "value": 1})
