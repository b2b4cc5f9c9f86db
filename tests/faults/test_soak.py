"""Load without end, with resets, crashes, slow and fast work: nothing fails that should not, and nothing grows.

SOAK_RESETS and SOAK_S make it long; the default is short enough for every day.
"""

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from server_process import ROOT, ServerProcess, descendants, wait_until
from traffic import Traffic, metrics

from rrjobs.rpc.client import RpcClient

RESETS = int(os.environ.get("SOAK_RESETS", "20"))
SOAK_S = float(os.environ.get("SOAK_S", "6"))
ROUNDS = 6
"""Of load, each followed by quiet in which is counted what is left. The first two are for warming up."""
WARM = 2
WORKERS = 3
MAX_CRASHES = 2
RSS_GROWTH = 1.15
RSS_SLACK_MB = 8
pytestmark = [pytest.mark.soak, pytest.mark.timeout(180 + 4 * SOAK_S + 4 * RESETS)]


class Sample(NamedTuple):
    """What the server holds when nothing is to be done."""

    rss_mb: float
    descriptors: int
    processes: int
    tasks: int


@pytest.fixture
def site(start_server, settings, free_port, tmp_path):
    settings["server"]["command"] = ["php", str(ROOT / "php/tests/workers/soak.php")]
    settings["any"]["pool"] = {"num_workers": WORKERS}
    settings["jobs"]["pipelines"]["mail"]["max_crashes"] = MAX_CRASHES
    settings["jobs"]["pipelines"]["mail"]["dead_letter"] = {"max_letters": 100}
    settings["metrics"] = {"address": f"127.0.0.1:{free_port()}"}
    return start_server(settings, LEDGER=str(tmp_path / "ledger"))


def reset(server: ServerProcess) -> None:
    with RpcClient(str(server.config["rpc"]["listen"]), 60) as client:
        client.json("resetter.Reset", "any")


def quiet(server: ServerProcess) -> Sample:
    """Once all workers are there and free."""

    def free() -> bool:
        now = metrics(server)
        return now["rr_any_workers_ready"] == now["rr_any_total_workers"] == WORKERS == len(server.workers())

    wait_until(free, "all workers are free", 30)
    now = metrics(server)
    return Sample(
        rss_mb=round(now["process_resident_memory_bytes"] / 2**20, 1),
        descriptors=_fewest(server),
        processes=len(descendants(server.pid)),
        tasks=int(now["rrjobs_event_loop_tasks"]),
    )


def _fewest(server: ServerProcess) -> int:
    """Of some moments: a connection of this test may be on its way out."""
    seen = []
    for _ in range(25):
        seen.append(len(list(Path(f"/proc/{server.pid}/fd").iterdir())))
        time.sleep(0.02)
    return min(seen)


def flat(samples: list[Sample]) -> None:
    """What is counted is the same after every round, and memory stays where it was."""
    first = samples[WARM - 1]
    for later in samples[WARM:]:
        assert later[1:] == first[1:], f"something is left behind: {samples}"
        assert later.rss_mb < first.rss_mb * RSS_GROWTH + RSS_SLACK_MB, f"memory grows: {samples}"


def test_no_request_and_no_job_notices_a_reset(site, tmp_path):
    traffic = Traffic(site, tmp_path / "ledger")
    before = site.workers()
    traffic.start()
    for _ in range(RESETS):
        reset(site)
    traffic.stop()
    assert not before & site.workers()
    assert not site.events("worker.failed")
    print(f"{RESETS} resets under {traffic.statuses.total()} requests and {len(traffic.good)} jobs")
    traffic.check(MAX_CRASHES)


def test_nothing_grows_under_resets_crashes_slow_and_fast_work(site, tmp_path):
    traffic = Traffic(site, tmp_path / "ledger", crash=0.01)
    samples: list[Sample] = []
    for number in range(ROUNDS):
        end = time.monotonic() + SOAK_S / ROUNDS
        traffic.start()
        while time.monotonic() < end:
            reset(site)
            traffic_goes_on(traffic, end)
        traffic.stop()
        samples.append(quiet(site))
        print(number, samples[-1], f"{traffic.statuses.total()} requests, {len(traffic.good)} jobs", flush=True)
    traffic.check(MAX_CRASHES)
    flat(samples)


def traffic_goes_on(traffic: Traffic, until: float) -> Any:
    """For some requests more, so that crashes fall between resets too."""
    enough = traffic.statuses.total() + 100
    wait_until(
        lambda: traffic.statuses.total() >= enough or time.monotonic() > until or traffic.wrong, "it goes on", 60
    )
