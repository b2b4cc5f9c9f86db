"""What only happens to SQS: a queue that is deleted underneath, a server that sleeps too long."""

import asyncio
import signal

import pytest
from aiobotocore.session import get_session
from server_process import wait_until
from servers.sqs import CREDENTIALS, REGION
from stage_sqs import SqsStage
from test_broker_faults import check, some_have_run


@pytest.fixture
def stage(start_broker, link_proxy, unique_name):
    return SqsStage(start_broker, link_proxy, unique_name)


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
