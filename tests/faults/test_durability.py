"""No job lost, none looped: memory pipelines with and without a journal, through kills and stops, by a ledger."""

import os
import random

import pytest
from ledger import PREFETCH, WORKERS, Ledger
from server_process import wait_until

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "2"))
"""For each kind of victim."""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(120 + 20 * ROUNDS)]
JOURNAL = {"config": {"journal": {"sync": "always"}}}


@pytest.fixture
def ledger(tmp_path):
    made: list[Ledger] = []

    def make(pipeline, **settings) -> Ledger:
        made.append(Ledger(tmp_path, pipeline, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def check(book: Ledger, extra: int) -> None:
    """Every accepted job has run to its end, and no more runs began than `extra` allows."""
    begun, ended = book.lines("start"), book.lines("end")
    lost = [ident for ident in book.accepted if not ended[ident]]
    assert not lost, f"{len(lost)} of {len(book.accepted)} jobs are lost: {lost[:5]}"
    doubled = [run for run, times in book.runs().items() if times > 1]
    assert not doubled, f"ran twice as the same attempt: {doubled[:5]}"
    again = sum(begun.values()) - len(begun)
    print(f"{len(book.accepted)} jobs, {book.kills} kills: 0 lost, {again} runs more than jobs, {extra} were in flight")
    assert again <= extra, f"{again} extra runs, at most {extra} deliveries were in flight at the kills"


@pytest.mark.parametrize("victims", ["workers", "the server", "both"])
def test_kill_9_loses_nothing_of_a_journal(ledger, victims):
    book = ledger(JOURNAL)
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    book.start()
    for _ in range(ROUNDS):
        before = book.lines("end").total()
        for _ in range(chance.randint(1, 6)):
            book.push(chance.randint(1, 60), ms=chance.randint(0, 4))
            if victims != "the server" and chance.random() < 0.5:
                book.kill_worker()
        wait_until(lambda before=before: book.lines("end").total() > before, "some have run")
        if victims != "the server":
            book.kill_worker()
        if victims != "workers":
            book.kill_server()
            book.start()
    book.settle()
    assert book.accepted
    check(book, book.kills * WORKERS * PREFETCH)


def test_what_a_worker_had_when_the_server_was_killed_comes_back_with_an_attempt_more(ledger):
    book = ledger(JOURNAL, prefetch=1)
    book.start()
    book.push(2, ms=60_000)
    book.push(1, ms=1)
    for attempt in (1, 2, 3):
        wait_until(
            lambda n=attempt: book.runs().keys() == {(f"job-{j}", a) for j in (0, 1) for a in range(1, n + 1)},
            "two run",
        )
        book.kill_server()
        book.start()
    wait_until(lambda: len(book.runs()) == 8, "they run for the fourth time")
    assert book.runs().total() == 8
    assert "job-2" not in book.lines("start")
    book.kill_server()


@pytest.mark.parametrize("pipeline", [JOURNAL, {}])
def test_a_stop_under_load_loses_and_doubles_nothing(ledger, pipeline):
    book = ledger(pipeline)
    for _ in range(2):
        book.start()
        book.push(300, ms=2)
        wait_until(lambda: book.lines("end").total() > 20, "some have run")
        assert book.server.stop() == 0
    assert len(book.lines("end")) < len(book.accepted) == 600
    book.start()
    book.settle()
    check(book, 0)


def test_delayed_jobs_and_dead_letters_are_there_after_a_crash_and_after_a_stop(ledger):
    for number, pipeline in enumerate([JOURNAL, {}]):
        book = ledger(pipeline | {"max_crashes": 1})
        book.start()
        book.push(1, die=9)
        wait_until(
            lambda book=book: (
                '"dead": 1' in book.server.cli("dead", "list", "--json").stdout
                or "crashes" in book.server.cli("dead", "list").stdout
            ),
            "the poison is dead",
        )
        if number:
            book.server.stop()
        else:
            book.kill_server()
        book.start()
        assert "crashes" in book.server.cli("dead", "list").stdout
        assert book.server.cli("dead", "drop", "--all", "--yes").returncode == 0
        assert book.server.stop() == 0
