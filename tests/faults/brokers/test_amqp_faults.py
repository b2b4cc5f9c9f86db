"""What only happens to RabbitMQ: users that go, alarms, a queue that is deleted underneath, all by a ledger."""

import pytest
from server_process import wait_until
from stage_amqp import AmqpStage
from test_broker_faults import check, ready, some_have_run

PASSWORD = "word"
PUSH_TIMEOUT_S = 2
"""How long a push waits for a broker that takes nothing."""


@pytest.fixture
def stage(rabbitmq, link_proxy, unique_name):
    return AmqpStage(rabbitmq, link_proxy, unique_name)


@pytest.fixture
def user(stage, unique_name):
    """Whom the pipeline logs in as."""
    name = unique_name("user")
    stage.login = f"{name}:{PASSWORD}"
    stage.server.add_user(name, PASSWORD)
    stage.server.set_permissions(name)
    yield name
    stage.server.delete_user(name)


def test_a_user_that_loses_its_rights_while_jobs_run_is_named_and_goes_on_when_it_has_them_again(ledger, stage, user):
    book = ledger()
    book.start()
    book.push(300, ms=4)
    some_have_run(book)
    stage.server.set_permissions(user, configure="", write="", read="")
    stage.server.close_connections()
    wait_until(lambda: not ready(book), "readiness is red", 60)
    error = book.stat()["ErrorMessage"]
    assert f"user '{user}'" in error and "refused" in error, error
    stage.server.set_permissions(user)
    wait_until(lambda: ready(book), "readiness is green again", 60)
    book.settle()
    check(book, stage.prefetch)


def test_under_a_disk_alarm_jobs_run_and_pushes_are_refused_until_it_is_over(ledger, stage):
    book = ledger()
    book.config["jobs"]["timeout"] = PUSH_TIMEOUT_S
    book.start()
    assert book.push(100, ms=4)
    stage.server.set_disk_limit("900000GB")
    try:
        wait_until(lambda: not book.push(1), "the broker takes nothing", 60)
        wait_until(lambda: not book.missing(), "what was accepted runs", 60)
    finally:
        stage.server.set_disk_limit()
    wait_until(lambda: book.push(50, ms=1), "pushes are taken again", 60)
    book.settle()
    check(book, 0)


def test_a_queue_that_is_deleted_is_made_again_and_what_is_pushed_then_runs_once(ledger, stage):
    book = ledger()
    book.start()
    book.push(10, ms=5)
    wait_until(lambda: not book.missing() and not book.left(), "all have run", 30)
    stage.server.ctl("delete_queue", stage.queue)
    assert book.push(40, ms=2), "the push waits for the queue"
    book.settle()
    check(book, 0)
