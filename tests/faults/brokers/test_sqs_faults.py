"""What only happens to SQS: a queue that is deleted underneath, a server that sleeps too long."""

import asyncio
import signal

import pytest
from aiobotocore.session import get_session
from server_process import wait_until
from servers.sqs import CREDENTIALS, REGION
from stage_sqs import FifoStage, SqsStage
from test_broker_faults import ROUNDS, check, some_have_run


@pytest.fixture
def stage(start_broker, link_proxy, unique_name):
    return SqsStage(start_broker, link_proxy, unique_name)


@pytest.fixture(params=["ministack", "elasticmq"])
def fifo(request, link_proxy, unique_name):
    return FifoStage(request.getfixturevalue(request.param), link_proxy, unique_name)


async def delete_queue(endpoint, name):
    made = get_session().create_client("sqs", endpoint_url=endpoint, region_name=REGION, verify=False, **CREDENTIALS)
    async with made as client:
        await client.delete_queue(QueueUrl=(await client.get_queue_url(QueueName=name))["QueueUrl"])


def test_a_queue_that_is_deleted_is_made_again_and_what_is_pushed_then_runs_once(ledger, stage):
    book = ledger()
    book.start()
    book.push(10, ms=5)
    some_have_run(book)
    asyncio.run(delete_queue(stage.server.endpoint, "work"))
    book.push(40, ms=2)
    assert len(book.accepted) == 50, "the push waits for the queue"
    book.settle()
    check(book, 0)


def test_a_server_that_sleeps_through_its_visibility_timeouts_doubles_no_more_than_it_held(ledger, stage):
    first, second = ledger(), ledger()
    first.start()
    first.push(60, ms=30)
    some_have_run(first, 5)
    first.server.signal(signal.SIGSTOP)
    try:
        second.start()  # it gets what the other had, once its 6 s are over
        wait_until(lambda: second.missing() == 0 or len(second.lines("end")) >= 60, "the other has run all", 60)
    finally:
        first.server.signal(signal.SIGCONT)
    first.settle()
    check(first, stage.prefetch)


@pytest.mark.soak
class TestFifo:
    """One group of a FIFO queue, on both servers."""

    @pytest.fixture
    def stage(self, fifo):
        return fifo

    def test_kill_9_loses_nothing_and_a_stop_doubles_nothing(self, ledger, stage):
        book = ledger()
        for _ in range(ROUNDS):
            before = book.lines("end").total()
            book.start()
            book.push(40, ms=4)
            some_have_run(book, before + 10)
            book.kill_server()
            book.start()
            some_have_run(book, before + 20)
            assert book.server.stop() == 0
        book.start()
        book.settle()
        check(book, book.kills * stage.prefetch)

    def test_a_link_that_is_cut_loses_nothing_and_keeps_the_order(self, ledger, stage):
        book = ledger()
        book.start()
        for number in range(ROUNDS):
            before = book.lines("end").total()
            book.push(30, ms=3)
            some_have_run(book, before + 10)
            stage.proxy.reset() if number % 2 else stage.proxy.cut()
        book.settle()
        check(book, ROUNDS * stage.prefetch)
        begun = list(dict.fromkeys(book.order("start")))
        places = [begun.index(ident) for ident in book.accepted]
        late = max(place - min(places[at:]) for at, place in enumerate(places))
        assert late < stage.prefetch, f"a job began {late} places late: more than those that are held together"
