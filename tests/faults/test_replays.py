"""Dead letters, replays and far delays through kill -9: every job is there once, as a letter or as a job."""

import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from ledger import Ledger
from server_process import ServerProcess, wait_until

from rrjobs.errors import RRJobsError
from rrjobs.rpc.client import RpcClient

JOURNAL = {"config": {"journal": {"sync": "always"}}}
POISON = 15
YEARS_S = 30 * 365 * 24 * 3600


@pytest.fixture
def ledger(tmp_path):
    made: list[Ledger] = []

    def make(pipeline) -> Ledger:
        made.append(Ledger(tmp_path, pipeline))
        return made[-1]

    yield make
    for one in made:
        one.close()


def letters(book: Ledger) -> list[dict[str, Any]]:
    with RpcClient(book._rpc) as client:
        return client.json("dead.List", {"limit": 1000})["letters"]


def replay_all(book: Ledger) -> None:
    with suppress(RRJobsError), RpcClient(book._rpc) as client:
        client.json("dead.Replay", {"all": True})


def test_kill_9_in_the_middle_of_replays_loses_no_letter_and_doubles_no_job(ledger):
    book = ledger(JOURNAL | {"max_crashes": 1})
    book.start()
    book.push(POISON, die=9)
    wait_until(lambda: len(letters(book)) == POISON, "all are dead", 60)
    for turn in range(3):
        asking = threading.Thread(target=replay_all, args=(book,))
        asking.start()
        time.sleep(0.003 * turn)  # another moment of the replay each time
        book.kill_server()
        asking.join()
        book.start()
        wait_until(lambda: book.left() == 0, f"all have run again, in turn {turn}", 60)
        assert Counter(one["id"] for one in letters(book)) == Counter(book.accepted)
    assert max(book.runs().values()) <= 4  # of the first attempt: the push and three replays
    assert book.server.stop() == 0


def test_a_delay_of_years_is_shown_and_outlives_kill_9_and_a_stop(ledger):
    book = ledger(JOURNAL)
    book.start()
    with RpcClient(book._rpc) as client:
        client.json("jobs.Push", {"job": {"id": "far", "job": "x", "options": {"pipeline": "work", "delay": YEARS_S}}})
    for end in (book.kill_server, lambda: book.server.stop()):
        end()
        book.start()
        assert book.left() == 1
        shown = book.server.cli("jobs", "delayed", "work").stdout
        assert shown.startswith("far: x attempt=1 runs in "), shown
    assert not book.lines("start")
    assert book.server.stop() == 0


def refusal(book: Ledger) -> str:
    """What a server that does not start says: one line, and no traceback."""
    server = ServerProcess(book.folder, book.config)
    book._servers.append(server)
    assert server.wait() == 1
    assert "Traceback" not in server.output
    assert server.output.count("jobs.pipelines.work: ") == 1, server.output
    return server.output


def test_a_journal_that_cannot_be_is_one_clear_error_at_the_start(ledger, tmp_path):
    place = tmp_path / "place"
    book = ledger({"config": {"journal": {"path": str(place)}}})
    place.write_text("mine")
    assert f"{place}: not a folder" in refusal(book)
    place.unlink()
    place.mkdir()
    (place / "notes.txt").write_text("mine")
    assert "holds other files and no journal" in refusal(book)
    (place / "notes.txt").rename(place / "0000000000000001.segment")
    assert f"rrjobs journal repair {place}" in refusal(book)
    assert (place / "0000000000000001.segment").read_text() == "mine"


def test_a_journal_in_use_is_refused_with_the_pid_of_its_server(ledger, tmp_path):
    place = {"config": {"journal": {"path": str(tmp_path / "journal")}}}
    first = ledger(place)
    first.start()
    other = ledger(place)
    other.folder = tmp_path / "other"
    other.folder.mkdir()
    assert f"in use by process {first.server.pid}" in refusal(other)
    first.push(3)
    first.settle()
