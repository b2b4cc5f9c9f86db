"""Behaviour of the driver on real servers, current and old, seen by the plain client."""

import asyncio
import sys
from pathlib import Path

import nats as client
import pytest
from servers.link import Direction, Fault
from servers.nats import Nats

sys.path.insert(0, str(Path(__file__).parents[2] / "conformance"))

from harness_nats import NatsHarness
from house import House, answer, crash, eventually

from rrjobs.drivers.nats.config import NatsConfig, NatsSection
from rrjobs.drivers.nats.driver import NatsDriver
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.errors import BrokerRefused, BrokerUnreachable, PushRefused
from rrjobs.pipeline.dead_letter import ALL
from rrjobs.pipeline.job import Job
from rrjobs.runtime.events import Events


class Configured(NatsHarness):
    """With keys of a test's own."""

    keys: dict = {}

    def config(self, pipeline, prefetch):
        return {**super().config(pipeline, prefetch), **self.keys}


@pytest.fixture
def harness(nats, link_proxy, unique_name):
    return Configured(nats, link_proxy, unique_name)


@pytest.fixture
async def js(harness):
    nc = await client.connect(harness.server.uri)
    yield nc.jetstream()
    await nc.close()


async def test_an_old_server_passes_the_same_road(old_nats, link_proxy, unique_name, tmp_path):
    async with House(NatsHarness(old_nats, link_proxy, unique_name), tmp_path) as one:
        await one.push(one.job("now"), one.job("later", delay_s=1.0), one.job("poison"))
        seen = []
        while len(seen) < 5:
            delivery = await one.sink.take()
            seen.append(delivery.job.id)
            crash(delivery) if delivery.job.id == "poison" else answer(delivery)
        assert sorted(seen) == ["later", "now", "poison", "poison", "poison"]
        await one.idle()
        assert [letter.id for letter in await one.dead.letters(ALL, 10)] == ["poison"]


async def test_a_restart_goes_on_where_the_last_run_ended(harness, tmp_path):
    async with House(harness, tmp_path) as one:
        await one.push(one.job("done"))
        answer(await one.sink.take())
        await one.idle()
    async with House(harness, tmp_path) as other:
        assert await other.sink.quiet()


async def test_done_jobs_leave_the_stream_where_that_is_wanted(harness, tmp_path, js):
    harness.keys = {"delete_after_ack": True}
    async with House(harness, tmp_path) as one:
        await one.push(one.job("a"), one.job("b"))
        for delivery in await one.sink.takes(2):
            answer(delivery)
        await one.idle()

        async def is_empty():
            return (await js.stream_info(harness.prefix)).state.messages == 0

        await eventually(is_empty, "the stream is empty")


async def test_a_stream_of_somebody_else_is_widened_and_keeps_its_subjects(harness, tmp_path, js):
    await js.add_stream(name=harness.prefix, subjects=["theirs", f"{harness.prefix}.*"], max_msgs=1000)
    async with House(harness, tmp_path) as one:
        await one.push(one.job("a"))
        answer(await one.sink.take())
        await one.idle()
    config = (await js.stream_info(harness.prefix)).config
    assert config.subjects[:2] == ["theirs", f"{harness.prefix}.*"] and config.max_msgs == 1000


async def test_a_retry_of_a_job_with_a_message_id_is_no_duplicate_of_it(harness, tmp_path, js):
    async with House(harness, tmp_path) as one:
        await one.push(one.job("a", headers={"Nats-Msg-Id": ["once"], "h": ["v", "w"]}))
        crash(await one.sink.take())
        again = await one.sink.take()
        assert (again.job.id, again.attempt, again.job.headers["h"]) == ("a", 2, ["v", "w"])
        answer(again)
        await one.idle()
    first = await js.get_msg(harness.prefix, seq=1)
    assert first.headers["Nats-Msg-Id"] == "once"


async def test_a_letter_of_a_job_with_a_message_id_is_replayed(harness, tmp_path):
    async with House(harness, tmp_path) as one:
        await one.push(one.job("a", headers={"Nats-Msg-Id": ["twice"]}))
        for _ in range(3):
            crash(await one.sink.take())
        await one.idle()
        (letter,) = await one.dead.letters(ALL, 10)
        assert await one.dead.replay([letter.key]) == [""]
        answer(await one.sink.take())
        await one.idle()


async def test_deliver_new_passes_over_what_the_stream_holds(harness, tmp_path, js):
    harness.keys = {"deliver_new": True}
    await js.add_stream(name=harness.prefix, subjects=[f"{harness.prefix}.p"])
    await js.publish(f"{harness.prefix}.p", b"old")
    async with House(harness, tmp_path) as one:
        await one.push(one.job("new"))
        delivery = await one.sink.take()
        assert delivery.job.id == "new"
        answer(delivery)


@pytest.mark.parametrize("first", [False, True])
async def test_deliver_new_can_be_changed_and_the_work_goes_on_where_it_was(harness, tmp_path, first):
    harness.keys = {"deliver_new": first}
    async with House(harness, tmp_path) as one:
        await one.push(one.job("a"))
        answer(await one.sink.take())
        await one.idle()
        await one.registry.pause(["p"])
        await one.push(one.job("b"))
    harness.keys = {"deliver_new": not first, "ack_wait": 20}
    async with House(harness, tmp_path) as one:
        delivery = await one.sink.take()
        assert delivery.job.id == "b"
        answer(delivery)


async def test_a_stream_is_deleted_at_the_stop_only_when_nothing_is_left(harness, tmp_path, js):
    harness.keys = {"delete_stream_on_stop": True, "ack_wait": 2}
    async with House(harness, tmp_path) as one:
        await one.push(one.job("a"))
        answer(await one.sink.take())
        await one.registry.pause(["p"])
        await one.push(one.job("left"))
    assert (await js.stream_info(harness.prefix)).state.messages == 2
    async with House(harness, tmp_path) as other:
        answer(await other.sink.take())
        await other.idle()
    with pytest.raises(client.js.errors.NotFoundError):
        await js.stream_info(harness.prefix)


async def test_a_job_that_runs_longer_than_ack_wait_stays_ours(harness, tmp_path):
    harness.keys = {"ack_wait": 1}
    async with House(harness, tmp_path) as one:
        await one.push(one.job("long"))
        delivery = await one.sink.take()
        assert await one.sink.quiet(2.5)
        answer(delivery)
        await one.idle()


async def test_a_consumer_that_somebody_deletes_is_made_again(harness, tmp_path, js):
    async with House(harness, tmp_path) as one:
        await one.push(one.job("a"))
        answer(await one.sink.take())
        await one.idle()
        lost = asyncio.Event()
        one.events.subscribe("broker.connected", lambda *_: lost.set())
        await js.delete_consumer(harness.prefix, f"rrjobs_{harness.prefix}_p")
        await asyncio.wait_for(lost.wait(), 20)
        await one.push(one.job("b"))
        seen = set()
        while "b" not in seen:
            delivery = await one.sink.take()
            seen.add(delivery.job.id)
            answer(delivery)


async def test_a_push_that_is_too_big_says_both_sizes(harness, tmp_path):
    async with House(harness, tmp_path) as one:
        with pytest.raises(PushRefused, match=r"message has \d+ bytes, NATS takes 1048576"):
            await one.push(one.job("big", b"x" * 1_000_000))


async def test_a_full_stream_refuses_pushes(harness, tmp_path, js):
    await js.add_stream(name=harness.prefix, subjects=[f"{harness.prefix}.p"], max_msgs=2, discard="new")
    async with House(harness, tmp_path) as one:
        await one.registry.pause(["p"])
        await one.push(one.job("a"), one.job("b"))
        with pytest.raises(PushRefused, match="maximum messages exceeded"):
            await one.push(one.job("c"))


def section_driver(section: NatsSection, patience_s: float = 0.2) -> NatsDriver:
    around = Surroundings(Events(), section=section, startup_timeout_s=patience_s, timeout_s=5)
    return NatsDriver.made("p", NatsConfig(), around)


async def test_a_login_that_is_refused_is_said_in_these_words(start_broker):
    server = await asyncio.to_thread(start_broker, Nats, user="rr", password="right")
    wrong = NatsSection(addr=server.address, user="rr", password="wrong")
    driver = section_driver(wrong, patience_s=10.0)  # a reset may overtake the words of one refusal
    with pytest.raises(BrokerRefused, match=rf"NATS at {server.address} refuses the login rr") as refused:
        await driver.open()
    assert "wrong" not in str(refused.value)
    await driver.close()
    good = section_driver(NatsSection(addr=server.address, user="rr", password="right"))
    await good.open()
    await good.close()


async def test_tls_is_checked_against_the_authorities_that_are_named(start_broker, certificates):
    server = await asyncio.to_thread(start_broker, Nats, certificates=certificates)
    addr = f"tls://localhost:{server.port}"
    stranger = section_driver(NatsSection(addr=addr))
    with pytest.raises(BrokerUnreachable, match="certificate"):
        await stranger.open()
    await stranger.close()
    tls = {"root_ca": str(certificates.ca), "cert": str(certificates.client_cert), "key": str(certificates.client_key)}
    good = section_driver(NatsSection.model_validate({"addr": addr, "tls": tls}))
    await good.open()
    await good.push([Job("a", "Job", b"x", "p", 10)])
    await good.close()


@pytest.mark.parametrize("keys", [{"addr": "tls://{}"}, {"addr": "nats://{}", "tls": {}}, {"addr": "{}", "tls": {}}])
async def test_a_login_is_never_sent_in_clear_where_tls_is_asked_for(nats, link_proxy, keys):
    proxy = link_proxy(nats.port)
    sent = proxy.trap(Direction.UP, b"CONNECT", Fault.CUT, forward=0)
    addr = keys["addr"].format(f"rr:secret@127.0.0.1:{proxy.port}")
    driver = section_driver(NatsSection.model_validate({**keys, "addr": addr}))
    with pytest.raises(BrokerUnreachable, match=rf"NATS at 127.0.0.1:{proxy.port}: it has no TLS") as told:
        await driver.open()
    assert "secret" not in str(told.value) and not sent.sprung.is_set()
    await driver.close()


async def test_a_server_that_leaves_tls_to_its_clients_is_asked_for_it(start_broker, link_proxy, certificates):
    server = await asyncio.to_thread(start_broker, Nats, certificates=certificates, optional_tls=True)
    tls = {"root_ca": str(certificates.ca), "cert": str(certificates.client_cert), "key": str(certificates.client_key)}
    proxy = link_proxy(server.port)
    sent = proxy.trap(Direction.UP, b"CONNECT", Fault.CUT, forward=0)
    driver = section_driver(NatsSection.model_validate({"addr": f"tls://localhost:{proxy.port}", "tls": tls}))
    await driver.open()
    await driver.close()
    assert not sent.sprung.is_set()


async def test_credentials_that_cannot_be_read_are_told(nats):
    driver = section_driver(NatsSection(addr=nats.address, credentials="/nowhere/rr.creds"))
    with pytest.raises(BrokerRefused, match=r"nats.credentials: cannot read /nowhere/rr.creds"):
        await driver.open()
    await driver.close()


async def test_a_server_without_jetstream_is_told(free_port):
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "nats-server"),
        "-a", "127.0.0.1", "-p", str(port := free_port()),
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        driver = section_driver(NatsSection(addr=f"127.0.0.1:{port}"))
        with pytest.raises((BrokerRefused, BrokerUnreachable), match=r"stream default-stream|jetstream"):
            await driver.open()
        await driver.close()
    finally:
        process.terminate()
        await process.wait()
