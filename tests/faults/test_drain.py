"""The end of a server under load: what runs is finished, what waits goes back, and the closing line has the numbers."""

import re
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from server_process import wait_until
from shop import Customers, Shop

CLOSING = re.compile(r"stopped: (\d+) finished, (\d+) returned, (\d+) cut off, (\d+) requests sent away")


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    yield made
    made.close()


def closing(shop: Shop) -> tuple[int, ...]:
    """The numbers of the last line."""
    found = CLOSING.search(shop.server.logged("stopped: "))
    assert found, shop.server.output
    return tuple(map(int, found.groups()))


def queue_of(shop: Shop) -> int:
    """Requests that wait or run."""
    port = int(shop.config["metrics"]["address"].rpartition(":")[2])
    text = shop.server.get("/metrics", port)[1].decode()
    return int(float(text.partition("\nrr_http_requests_queue ")[2].split()[0]))


def burden(shop: Shop, pool: ThreadPoolExecutor) -> list[Future[tuple[int, bytes]]]:
    """Two requests on the two workers that last until `shop.end`, three behind them, and three jobs behind those."""
    answers = [pool.submit(shop.server.get, f"/?until={shop.end}") for _ in range(5)]
    wait_until(lambda: queue_of(shop) == 5, "all are there")
    shop.push(*(f"job-{number}" for number in range(3)))
    return answers


def test_the_closing_line_tells_what_was_finished_and_returned(shop):
    shop.start().ready()
    with ThreadPoolExecutor(5) as pool:
        answers = burden(shop, pool)
        shop.server.signal()
        shop.server.logged("stop signal received")
        shop.end.touch()
        assert shop.server.wait() == 0
        statuses = sorted(answer.result(20)[0] for answer in answers)
    assert statuses == [200, 200, 503, 503, 503]
    assert closing(shop) == (2, 6, 0, 0)
    shop.start().ready()
    shop.settle()
    assert shop.runs() == {"job-0": 1, "job-1": 1, "job-2": 1}


def test_the_closing_line_tells_what_was_cut_off(shop):
    shop.config["endure"]["grace_period"] = "1s"
    shop.start().ready()
    with ThreadPoolExecutor(5) as pool:
        answers = burden(shop, pool)
        assert shop.server.stop() == 0
        failed = [answer.exception(20) or answer.result()[0] for answer in answers]
    assert 200 not in failed
    assert closing(shop) == (0, 6, 2, 0)
    shop.config["endure"]["grace_period"] = "10s"
    shop.start().ready()
    shop.settle()
    assert shop.runs() == {"job-0": 1, "job-1": 1, "job-2": 1}


def test_a_stop_under_load_answers_whoever_was_let_in_and_runs_each_job_once(shop):
    shop.start().ready()
    with Customers(shop.port, number=6) as customers:
        customers.wait_for(100)
        assert shop.server.stop() == 0
        closing(shop)
        wait_until(lambda: any("refused" in one for one in customers.failures), "the port is closed")
    broken = [one for one in customers.failures if "refused" not in one and ": 503 " not in one]
    assert not broken, broken[:5]
    shop.start().ready()
    shop.settle()
    runs = shop.runs()
    assert [ident for ident in customers.pushed if runs[ident] != 1] == []
