"""What only happens to Kafka: a disk without room for another record, and rights that are taken away."""

import pytest
from server_process import wait_until
from servers.kafka import Kafka
from servers.process import ServerMissing
from servers.small_disk import SmallDisk
from stage_kafka import KafkaStage
from test_broker_faults import check, ready, some_have_run

from rrjobs.errors import RpcError
from rrjobs.rpc.client import RpcClient

DISK_BYTES = 64 << 20
USER, PASSWORD = "worker", "of-the-test"


@pytest.fixture
def stage(request) -> KafkaStage:
    """The one that a test names."""
    made: KafkaStage = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def disk(tmp_path):
    try:
        with SmallDisk(tmp_path / "disk", DISK_BYTES) as made:
            yield made
    except ServerMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def roomless(start_broker, link_proxy, unique_name, disk) -> KafkaStage:
    return KafkaStage(start_broker(Kafka, disk=disk), link_proxy, unique_name)


class GuardedStage(KafkaStage):
    """Its user may do what a pipeline does, no more."""

    def sections(self):
        sasl = {"mechanism": "SCRAM-SHA-256", "username": USER, "password": PASSWORD}
        return {"kafka": {**super().sections()["kafka"], "sasl": sasl}}


@pytest.fixture
def guarded(shared_server, link_proxy, unique_name) -> KafkaStage:
    stage = GuardedStage(shared_server(Kafka, guarded=True), link_proxy, unique_name)
    for operation, resource in (("read", "topic"), ("write", "topic"), ("read", "group")):
        stage.server.rights.give(USER, operation, resource, stage.topic)
    stage.server.rights.add_user(USER, PASSWORD)
    return stage


def refusal(book) -> str:
    """What a push says now; "" when it is taken."""
    job = {"job": "ledger", "id": f"probe-{len(book.accepted)}", "payload": "e30=", "options": {"pipeline": "work"}}
    try:
        with RpcClient(book._rpc) as client:
            client.json("jobs.Push", {"job": job})
    except RpcError as err:
        return str(err)
    return ""


@pytest.mark.parametrize("stage", ["roomless"], indirect=True)
def test_a_full_disk_fails_pushes_loses_nothing_and_is_over_when_there_is_room(ledger, stage, disk):
    book = ledger()
    book.config["jobs"]["timeout"] = 3
    book.start()
    book.push(100, ms=5)
    some_have_run(book)
    disk.fill()
    wait_until(lambda: not book.push(20, ms=1, pad="x" * 4000), "a push is not taken", 60)
    wait_until(lambda: not stage.server.running, "Kafka ends, as it does without room", 60)
    wait_until(lambda: not ready(book), "readiness is red", 60)
    text = refusal(book)
    assert "not accepted" in text or "unknown whether it was accepted" in text, text
    assert stage.proxy.address in text and "Traceback" not in text, text
    disk.empty()
    stage.server.revive()
    wait_until(lambda: book.push(20, ms=1), "pushes are taken again", 60)
    wait_until(lambda: ready(book), "readiness is green again", 60)
    book.settle()
    check(book, stage.prefetch)


@pytest.mark.parametrize("stage", ["guarded"], indirect=True)
@pytest.mark.parametrize("resource", ["topic", "group"])
def test_a_right_to_read_that_is_taken_away_while_jobs_run_is_told_and_loses_nothing(ledger, stage, resource):
    book = ledger()
    book.start()
    book.push(200, ms=4)
    some_have_run(book)
    stage.server.rights.take(USER, "read", resource, stage.topic)
    wait_until(lambda: not ready(book), "readiness is red", 60)
    error = book.stat()["ErrorMessage"]
    assert f"permissions refused: user {USER} may not read {resource} {stage.topic}" in error, error
    assert book.push(20, ms=1), "pushes go on"
    stage.server.rights.give(USER, "read", resource, stage.topic)
    wait_until(lambda: ready(book), "readiness is green again", 60)
    book.settle()
    check(book, stage.prefetch)
