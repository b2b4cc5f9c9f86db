"""The end of a server under load: what runs is finished, what waits goes back, and the closing line has the numbers."""

import re
from collections import Counter
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


REQUESTS, JOBS = 30, 200


def closing(shop: Shop) -> tuple[int, ...]:
    """The numbers of the one closing line."""
    (found,) = CLOSING.findall(shop.server.output)
    return tuple(map(int, found))


def queue_of(shop: Shop) -> int:
    """Requests that wait or run."""
    port = int(shop.config["metrics"]["address"].rpartition(":")[2])
    text = shop.server.get("/metrics", port)[1].decode()
    return int(float(text.partition("\nrr_http_requests_queue ")[2].split()[0]))


def burden(shop: Shop, pool: ThreadPoolExecutor) -> list[Future[tuple[int, bytes]]]:
    """A job and a request on the two workers that last until `shop.end`, many of both behind them."""
    shop.push("job-0", until=str(shop.end))
    answers = [pool.submit(shop.server.get, f"/?until={shop.end}") for _ in range(REQUESTS)]
    wait_until(lambda: queue_of(shop) == REQUESTS, "all requests are there")
    shop.push(*(f"job-{number}" for number in range(1, JOBS)))
    return answers


@pytest.mark.parametrize("cut_off", [False, True], ids=["released", "cut off"])
def test_the_numbers_of_a_drain_under_load_of_both_kinds_add_up(shop, cut_off):
    shop.config["endure"]["grace_period"] = "1s" if cut_off else "20s"
    shop.start().ready()
    with ThreadPoolExecutor(REQUESTS) as pool:
        answers = burden(shop, pool)
        shop.server.signal()
        shop.server.logged("stop signal received")
        if not cut_off:
            shop.end.touch()
        assert shop.server.wait() == 0
        statuses = Counter(answer.result(20)[0] for answer in answers)
    assert statuses == ({500: 1, 503: REQUESTS - 1} if cut_off else {200: 1, 503: REQUESTS - 1})
    waited = REQUESTS - 1 + JOBS - 1
    assert closing(shop) == ((0, waited, 2, 0) if cut_off else (2, waited, 0, 0))
    assert shop.runs() == ({} if cut_off else {"job-0": 1})
    shop.end.touch()
    shop.start().ready()
    shop.settle()
    assert shop.runs() == {f"job-{number}": 1 for number in range(JOBS)}


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
