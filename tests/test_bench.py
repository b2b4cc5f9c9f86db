"""The benches understand what they measure with: checked without measuring."""

import sys

import pytest
from ports import free_port

from rrjobs.rpc.messages import parse
from tests.bench import http
from tests.bench.pacing import push_steadily
from tests.bench.pushing import BATCH, PAYLOAD, PIPELINE, batch_of
from tests.bench.report import Goal
from tests.bench.servers import running

WRK = """Running 2s test @ http://127.0.0.1:8080/
  Latency Distribution
     50%    1.10ms
     99%  812.00us
  40000 requests in 2.00s, 6.10MB read
Requests/sec:  20000.50
"""


def test_what_wrk_prints_becomes_figures() -> None:
    assert http.parse(WRK) == http.Seen(20000.5, 0.812, 40000)


@pytest.mark.parametrize(
    "line", ["  Non-2xx or 3xx responses: 3", "  Socket errors: connect 0, read 1, write 0, timeout 0"]
)
def test_a_load_with_failed_requests_is_no_figure(line: str) -> None:
    with pytest.raises(RuntimeError, match="requests in"):
        http.parse(f"{WRK}{line}\n")


def test_a_batch_is_what_the_server_reads() -> None:
    jobs = parse("PushBatchRequest", batch_of(BATCH)).jobs
    assert len({one.id for one in jobs}) == BATCH
    assert {(one.payload, one.options.pipeline) for one in jobs} == {(PAYLOAD, PIPELINE)}


def test_goals_judge_in_both_directions() -> None:
    assert [Goal(1.3, True).verdict(figure) for figure in (1.3, 1.2)] == ["reached", "**SHORT**"]
    assert [Goal(0.7, False).verdict(figure) for figure in (0.7, 0.8)] == ["reached", "**SHORT**"]


@pytest.mark.parametrize("loop", [(), ("uvloop",)])
def test_every_paced_push_comes_back_from_the_echo(loop: tuple[str, ...]) -> None:
    port = free_port()
    answered: list[int] = []
    with running([sys.executable, "-m", "tests.bench.echo", str(port), *loop], port):
        push_steadily(port, 2000, 0.1, lambda frame: answered.append(frame.options[0]))
    assert answered == list(range(1, 201))
