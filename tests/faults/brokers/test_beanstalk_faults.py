"""What only happens to beanstalkd: a log that cannot grow, a server that is told to take no more jobs."""

import os
import signal

import pytest
from server_process import wait_until
from stage_beanstalk import BeanstalkStage
from test_broker_faults import check, some_have_run

PAD = "x" * 30_000
FILE_BYTES = 10_485_760
"""Of the log; a job is written to the next file when this one is full."""


@pytest.fixture
def stage(start_broker, link_proxy, unique_name):
    return BeanstalkStage(start_broker, link_proxy, unique_name)


def test_a_log_that_cannot_grow_refuses_pushes_while_jobs_run_and_takes_them_when_it_can(ledger, stage):
    book = ledger()
    book.start()
    barrier = stage.block_log()
    pushed = 0
    while book.push(50, ms=2, pad=PAD):
        pushed += 50
        assert pushed * len(PAD) < 3 * FILE_BYTES, "the log has grown"
    some_have_run(book)
    wait_until(lambda: not book.missing(), "what was accepted runs", 60)
    barrier.rmdir()
    wait_until(lambda: book.push(50, ms=1), "pushes are taken again", 60)
    book.settle()
    check(book, 0)


def test_a_draining_server_gives_all_it_has_and_the_next_one_takes_pushes_again(ledger, stage):
    book = ledger()
    book.start()
    book.push(100, ms=4)
    os.kill(stage.server.pid, signal.SIGUSR1)
    wait_until(lambda: not book.push(1), "a push is refused", 30)
    wait_until(lambda: not book.missing(), "what was accepted runs", 60)
    stage.server.restart()
    wait_until(lambda: book.push(20), "pushes are taken again", 60)
    book.settle()
    check(book, 0)
