"""Memory pipelines that are declared while the server runs: what they hold is kept through kill, destroy and stop."""

import base64
import json

import pytest
from ledger import Ledger
from server_process import wait_until

from rrjobs.errors import RpcError
from rrjobs.rpc.client import RpcClient


def client_of(book: Ledger) -> RpcClient:
    return RpcClient(book._rpc)


def declare(client: RpcClient, **keys: str) -> None:
    client.json("jobs.Declare", {"pipeline": {"driver": "memory", "name": "late", **keys}})


def push(client: RpcClient, ident: str) -> None:
    payload = base64.b64encode(b"{}").decode()
    job = {"id": ident, "job": "ledger", "payload": payload, "options": {"pipeline": "late"}}
    client.json("jobs.Push", {"job": job})


def counts(client: RpcClient) -> dict[str, int]:
    return {row["pipeline"]: int(row.get("active", 0)) for row in client.json("jobs.Stat", {})["stats"]}


@pytest.fixture
def book(tmp_path):
    one = Ledger(tmp_path, {})
    one.start()
    yield one
    one.close()


def test_a_declared_journal_and_limit_hold_and_what_was_pushed_outlives_kill_9(book, tmp_path):
    keys = {"journal": json.dumps({"path": str(tmp_path / "journal")}), "max_jobs": "1"}
    with client_of(book) as client:
        declare(client, **keys)
        push(client, "one")
        with pytest.raises(RpcError, match="holds 1 of at most 1 jobs"):
            push(client, "two")
        with pytest.raises(RpcError, match="in use by another pipeline of this process"):
            declare(client, **keys | {"name": "other"})
    book.kill_server()
    book.start()
    with client_of(book) as client:
        assert "late" not in counts(client)
        declare(client, **keys)
        assert counts(client)["late"] == 1
        client.json("jobs.Resume", {"pipelines": ["late"]})
        wait_until(lambda: book.lines("end")["one"] == 1, "what was kept has run")


@pytest.mark.parametrize("keys", [{}, {"journal": "{}"}, {"journal": "off"}])
def test_a_destroyed_pipeline_keeps_what_waits_for_the_next_of_its_name_unless_that_is_off(book, keys):
    kept = 0 if keys.get("journal") == "off" else 2
    with client_of(book) as client:
        declare(client, **keys)
        push(client, "one")
        push(client, "two")
        client.json("jobs.Destroy", {"pipelines": ["late"]})
        assert "late" not in counts(client)
        with pytest.raises(RpcError, match="no such pipeline"):
            push(client, "three")
        declare(client, **keys)
        assert counts(client)["late"] == kept
        client.json("jobs.Destroy", {"pipelines": ["late"]})
    assert book.server.stop() == 0
    book.start()
    with client_of(book) as client:
        declare(client, **keys)
        client.json("jobs.Resume", {"pipelines": ["late"]})
        wait_until(lambda: counts(client)["late"] == 0, "all have run")
    assert sorted(book.lines("end").values()) == [1] * kept
