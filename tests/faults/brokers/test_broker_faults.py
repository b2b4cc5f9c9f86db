"""No job lost, none looped, whatever happens to workers, servers, brokers and links: by a ledger, with real PHP."""

import os
import random
import time
import urllib.request

import pytest
from ledger import WORKERS
from server_process import wait_until
from servers.link import Direction, Fault

ROUNDS = int(os.environ.get("SOAK_BROKER_ROUNDS", "1"))
pytestmark = [pytest.mark.soak, pytest.mark.timeout(240 + 240 * ROUNDS)]
SHARES = [0.0, 0.5, 1.0]
"""How much of the bytes that a trap waits for passes on: it cuts before, during and after them."""

MAX_CRASHES = 3
JUMPS_S = [-3600.0, 3600.0]
"""From the true time: the clock of the server is set back by two hours, and forward again."""


def check(book, extra: int) -> None:
    """Every accepted job has run to its end, and no more runs began than `extra` allows."""
    begun, ended = book.lines("start"), book.lines("end")
    lost = [ident for ident in book.accepted if not ended[ident]]
    assert not lost, f"{len(lost)} of {len(book.accepted)} jobs are lost: {lost[:5]}"
    again = sum(begun.values()) - len(begun)
    print(f"{len(book.accepted)} accepted, {again} extra runs, {extra} allowed")
    assert again <= extra, f"{again} extra runs, at most {extra} deliveries were in flight at the faults"


def some_have_run(book, number: int = 10) -> None:
    wait_until(lambda: book.lines("end").total() >= number, f"{number} have run", 30)


def test_kill_9_of_workers_and_of_the_server(ledger, stage):
    book = ledger()
    for _ in range(ROUNDS + 1):
        book.start()
        before = book.lines("end").total()
        book.push(60, ms=5)
        some_have_run(book, before + 10)
        book.kill_worker()
        book.push(20, ms=5)
        some_have_run(book, before + 30)
        book.kill_server()
    book.start()
    book.settle()
    check(book, book.kills * max(stage.prefetch, 2 * WORKERS))


def test_a_stop_under_load_doubles_nothing(ledger, stage):
    book = ledger()
    for _ in range(ROUNDS):
        book.start()
        book.push(150, ms=4)
        some_have_run(book)
        assert book.server.stop() == 0
    assert len(book.lines("end")) < len(book.accepted)
    book.start()
    book.settle()
    check(book, 0)


def test_the_broker_is_killed_and_comes_back(ledger, stage):
    if not stage.lasting:
        assert stage.driver == "sqs", "every other broker keeps what it accepted"
        return
    book = ledger()
    book.start()
    for _ in range(ROUNDS):
        before = book.lines("end").total()
        book.push(150, ms=4)
        some_have_run(book, before + 20)
        stage.server.restart(crash=True)
        book.push(10, ms=1)
    book.settle()
    check(book, ROUNDS * stage.prefetch)


def test_the_broker_is_frozen_for_a_while_and_readiness_tells(ledger, stage):
    book = ledger()
    book.start()
    book.push(150, ms=4)
    some_have_run(book)
    stage.server.freeze()
    try:
        wait_until(lambda: not ready(book), "readiness is red", 60)
    finally:
        stage.server.thaw()
    wait_until(lambda: ready(book), "readiness is green again", 60)
    book.settle()
    check(book, 2 * stage.prefetch)


@pytest.mark.parametrize("share", SHARES, ids=["before", "during", "after"])
@pytest.mark.parametrize("moment", ["publish", "confirm"])
def test_the_link_is_cut_around_a_push(ledger, stage, moment, share):
    book = ledger()
    book.start()
    book.push(5)
    some_have_run(book, 5)
    if moment == "publish":
        trap = stage.proxy.trap(Direction.UP, stage.publish_bytes, Fault.CUT, forward=share)
    else:  # on the link that carries the push: others may bring the same bytes for other reasons
        trap = stage.proxy.trap(
            Direction.DOWN, stage.confirm_bytes, Fault.CUT, forward=share, after=stage.publish_bytes
        )
    book.push(1)  # Kafka would spread several over partitions, and confirm them in other bytes
    trap.wait(20)
    book.push(5)
    assert len(book.accepted) >= 10
    book.settle()
    check(book, stage.prefetch)


@pytest.mark.parametrize("moment", ["delivery", "ack"])
def test_the_link_is_cut_around_a_delivery_and_around_an_ack(ledger, stage, moment):
    book = ledger()
    book.start()
    book.push(5)
    some_have_run(book, 5)
    way, pattern = (Direction.DOWN, stage.delivery_bytes) if moment == "delivery" else (Direction.UP, stage.ack_bytes)
    for share in SHARES * ROUNDS:
        book.push(20, ms=5)
        made = stage.proxy.made
        trap = stage.proxy.trap(way, pattern, Fault.CUT, forward=share)
        book.push(2)  # some of the others run still, but that is nowhere written
        trap.wait(20)
        stage.proxy.wait_for_made(made + 1, 30)  # now the next push knows that the link is gone
    assert len(book.accepted) >= 5 + 20 * len(SHARES) * ROUNDS
    book.settle()
    check(book, len(SHARES) * ROUNDS * stage.prefetch)


def test_the_link_is_cut_again_and_again_while_jobs_run(ledger, stage):
    book = ledger()
    book.start()
    cuts = 3 * ROUNDS
    for number in range(cuts):
        before = book.lines("end").total()
        if book.push(60, ms=3):  # else it met the link that was cut, and perhaps nothing is left to run
            some_have_run(book, before + random.randint(1, 40))
        stage.proxy.reset() if number % 2 else stage.proxy.cut()
    assert len(book.accepted) >= 60 * cuts // 3
    book.settle()
    check(book, cuts * stage.prefetch)


def test_retries_delays_and_poison_survive_links_that_are_cut_and_a_broker_that_is_killed(ledger, stage):
    book = ledger(max_crashes=MAX_CRASHES, retry={"max_attempts": 9, "initial_s": 0.3, "factor": 1, "jitter": 0})
    poison: set[str] = set()

    def some_have_failed(more: int = 5) -> None:
        enough = book.lines("failed").total() + more
        wait_until(
            lambda: book.lines("failed").total() >= enough or book.missing() <= len(poison), "some have failed", 30
        )

    book.start()
    runs = 0
    for _ in range(ROUNDS):
        runs += 60 * book.push(20, ms=3, fail=2) + 20 * book.push(20, delay_s=1)
        if book.push(1, die=9):
            poison.add(book.accepted[-1])
        for fault in faults_of(stage):
            some_have_failed()
            fault()
        book.all_run(len(poison), lambda: poison <= book.letters())
    book.settle(len(poison))
    # a copy of which nobody knows whether the broker has it is sent again: each may be a chain of three runs
    allowed = 3 * stage.prefetch * len(faults_of(stage)) * ROUNDS
    extra = book.lines("start").total() - runs - MAX_CRASHES * len(poison)
    print(f"{len(book.accepted)} accepted, {extra} extra runs, {allowed} allowed")
    assert extra <= allowed


def test_a_link_that_loses_all_bytes_is_found_out(ledger, stage):
    book = ledger()
    book.start()
    book.push(100, ms=4)
    some_have_run(book)
    made = stage.proxy.made
    stage.proxy.swallow()
    stage.proxy.wait_for_made(made + 1, 90)
    stage.proxy.cut()
    stage.proxy.restore()
    book.settle()
    check(book, 2 * stage.prefetch)


def test_poison_runs_three_times_and_all_others_once(ledger, stage):
    book = ledger(max_crashes=3)
    book.start()
    book.push(1, die=9)
    book.push(40, ms=1)
    book.settle(dead=1)
    runs = book.lines("start")
    assert runs["job-0"] == 3
    assert {runs[ident] for ident in book.accepted if ident != "job-0"} == {1}


def test_a_clock_that_is_set_forward_and_back_loses_nothing_and_doubles_nothing(ledger, stage):
    book = ledger()
    book.jump(JUMPS_S[-1])
    book.start()
    assert book.server.events("pipeline.declared")[0]["ts"] > time.time() + JUMPS_S[-1] / 2, "its clock is wrong"
    for offset_s in JUMPS_S * ROUNDS:
        book.push(60, ms=4)
        some_have_run(book)
        book.jump(offset_s)
        assert book.push(20, ms=1) and book.push(5, delay_s=1)
        wait_until(lambda: not book.missing(), "all have run, the delayed ones too", 30)
    assert "broker.lost" not in book.server.output
    book.settle()
    check(book, 0)


def test_servers_that_come_and_go_on_one_queue_double_nothing(ledger, stage):
    first, second = ledger(), ledger()
    first.start()
    for _ in range(1 + ROUNDS):
        before = first.lines("end").total()
        first.push(150, ms=4)
        second.start()
        some_have_run(first, before + 50)
        assert second.server.stop() == 0
    first.settle()
    check(first, 0)


def test_two_servers_on_one_queue_and_one_of_them_is_killed(ledger, stage):
    first, second = ledger(), ledger()
    first.start()
    second.start()
    first.push(200, ms=4)
    some_have_run(first, 40)
    second.kill_server()
    first.settle()
    check(first, stage.prefetch)


def faults_of(stage):
    """What may happen to jobs that wait for their time, and to those that are to."""
    kill = [lambda: stage.server.restart(crash=True)] if stage.keeps_delays else []
    return [stage.proxy.cut, stage.proxy.reset, *kill]


def ready(book) -> bool:
    """What the readiness probe says."""
    try:
        with urllib.request.urlopen(f"http://{book.status}/ready?plugin=jobs", timeout=20) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
