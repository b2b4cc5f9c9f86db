"""What only happens to NATS: a login that is changed, a full store, streams and consumers deleted underneath."""

import asyncio

import nats
import pytest
from server_process import wait_until
from servers.nats import Nats
from stage_nats import NatsStage
from test_broker_faults import check, ready, some_have_run

STORE_BYTES = 400_000
PAD = "x" * 4_000


@pytest.fixture
def stage(start_broker, link_proxy, unique_name):
    return NatsStage(start_broker, link_proxy, unique_name)


@pytest.fixture
def tidy(stage):
    """A pipeline whose jobs leave the stream when they are done."""
    return {"config": {**stage.pipeline()["config"], "delete_after_ack": True}}


def ask(stage, call):
    """What JetStream answers to a call of the library."""

    async def asked():
        client = await nats.connect(stage.server.uri)
        try:
            return await call(client.jetstream())
        finally:
            await client.close()

    return asyncio.run(asked())


def test_a_login_that_is_changed_while_jobs_run_is_told_and_goes_on_when_it_is_changed_back(
    start_broker, link_proxy, ledger, stage
):
    stage.server = start_broker(Nats, user="rr", password="secret")
    stage.proxy = link_proxy(stage.server.port)
    book = ledger()
    book.start()
    book.push(300, ms=4)
    some_have_run(book)
    stage.server.change_login("rr", "other")
    wait_until(lambda: not ready(book), "readiness is red", 60)
    error = book.stat()["ErrorMessage"]
    assert "refuses the login rr" in error and "secret" not in error, error
    stage.server.change_login("rr", "secret")
    wait_until(lambda: ready(book), "readiness is green again", 60)
    book.settle()
    check(book, stage.prefetch)


def test_a_full_store_refuses_pushes_while_jobs_run_and_takes_them_when_there_is_room(
    start_broker, link_proxy, ledger, stage, tidy
):
    stage.server = start_broker(Nats, max_store_bytes=STORE_BYTES)
    stage.proxy = link_proxy(stage.server.port)
    book = ledger(**tidy)
    book.start()
    wait_until(lambda: not book.push(20, ms=20, pad=PAD), "the store is full", 60)
    wait_until(lambda: book.push(20, ms=1, pad=PAD), "there is room again", 60)
    book.settle()
    check(book, 0)


def test_a_stream_that_is_deleted_is_made_again_and_what_is_pushed_then_runs_once(ledger, stage):
    book = ledger()
    book.start()
    book.push(10, ms=5)
    wait_until(lambda: not book.missing() and not book.left(), "all have run", 30)
    ask(stage, lambda js: js.delete_stream("work"))
    wait_until(lambda: book.push(40, ms=2), "the push finds the new stream", 60)
    book.settle()
    check(book, 0)


def test_a_consumer_that_is_deleted_is_made_again_and_loses_nothing(ledger, stage, tidy):
    book = ledger(**tidy)
    book.start()
    book.push(200, ms=4)
    some_have_run(book)
    ask(stage, lambda js: js.delete_consumer("work", "rrjobs_work"))
    book.push(20)
    book.settle()
    check(book, stage.prefetch)
