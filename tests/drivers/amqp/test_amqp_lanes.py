"""Lanes and the tap under them, with the test as the broker: acks, confirms, returns, frames cut anywhere."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from pamqp import frame as pamqp_frame
from pamqp.header import ContentHeader

from rrjobs.drivers.amqp.consuming import ConsumeLane
from rrjobs.drivers.amqp.frames import Content, ack_frame, content_frames
from rrjobs.drivers.amqp.lane import ChannelClosed
from rrjobs.drivers.amqp.message import encode_job
from rrjobs.drivers.amqp.publishing import Outgoing, PublishLane
from rrjobs.drivers.amqp.tap import Tap
from rrjobs.errors import ConnectionLost, PushRefused
from rrjobs.pipeline.job import Job


class Wire:
    """Remembers what was written."""

    place = "broker:5672"
    frame_max = 4096

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def methods(self):
        """All methods that were written, and forget them."""
        found, data = [], self.written
        while data:
            size, _, method = pamqp_frame.unmarshal(data)
            data = data[size:]
            found.append(method)
        self.written = b""
        return [one for one in found if hasattr(one, "name") and "." in one.name]


def payload(method) -> bytes:
    return pamqp_frame.marshal(method, 1)[7:-1]


def deliver(lane, tag, body=b"x", redelivered=False):
    lane.received(1, payload(commands.Basic.Deliver("c", tag, redelivered, "e", "k")))
    header = ContentHeader(body_size=len(body), properties=commands.Basic.Properties())
    lane.received(2, pamqp_frame.marshal(header, 1)[7:-1])
    for at in range(0, len(body), 3):
        lane.received(3, body[at : at + 3])


def message(ident="1", queue="q"):
    return Outgoing("", queue, encode_job(Job(ident, "J", b"body", "p", 1), b"rrjobs-1", now=1.0), ident)


@given(st.lists(st.lists(st.integers(1, 12), max_size=6), max_size=12))
def test_an_ack_never_covers_a_delivery_that_is_not_in_it(batches):
    wire = Wire()
    lane = ConsumeLane(wire, 1)
    for tag in range(1, 13):
        deliver(lane, tag)
    broker, wanted = set(range(1, 13)), set()
    for batch in batches:
        wanted |= set(batch)
        lane.ack(batch)
        for method in wire.methods():
            covered = (
                {tag for tag in broker if tag <= method.delivery_tag} if method.multiple else {method.delivery_tag}
            )
            assert covered <= broker, "an unknown tag closes the channel"
            broker -= covered
        assert broker == set(range(1, 13)) - wanted == set(lane.unsettled)


def test_the_oldest_that_are_done_are_acked_by_one_frame():
    wire = Wire()
    lane = ConsumeLane(wire, 1)
    for tag in range(1, 8):
        deliver(lane, tag)
    lane.ack([3, 1, 2, 6])
    assert [(method.delivery_tag, method.multiple) for method in wire.methods()] == [(3, True), (6, False)]


def test_what_goes_back_goes_back_last_first_and_never_twice():
    wire = Wire()
    lane = ConsumeLane(wire, 1)
    for tag in range(1, 5):
        deliver(lane, tag)
    lane.nack([2, 4, 3], requeue=True, last_first=True)
    lane.nack([3, 1], requeue=True)
    assert [(one.delivery_tag, one.requeue, one.multiple) for one in wire.methods()] == [
        (4, True, False), (3, True, False), (2, True, False), (1, True, False)
    ]  # fmt: skip


@given(st.binary(max_size=20), st.booleans())
def test_a_body_in_any_number_of_frames_arrives_whole(body, redelivered):
    got = []
    lane = ConsumeLane(Wire(), 1)
    lane._receive = lambda tag, again, content: got.append((tag, again, content.body))
    deliver(lane, 7, body, redelivered)
    assert got == [(7, redelivered, body)]


async def published(lane, *messages):
    task = asyncio.create_task(lane.publish(messages))
    await asyncio.sleep(0)
    return task


async def test_a_batch_is_done_once_each_message_is_confirmed_in_whatever_order():
    lane = PublishLane(Wire(), 1)
    first = await published(lane, message("1"), message("2"), message("3"))
    second = await published(lane, message("4"))
    for method in (commands.Basic.Ack(2), commands.Basic.Ack(4)):
        lane.received(1, payload(method))
    assert not (await second).failed and not first.done()
    lane.received(1, payload(commands.Basic.Ack(3, multiple=True)))
    assert not (await first).failed


async def test_what_the_broker_refuses_and_what_nobody_takes_is_told_by_position():
    lane = PublishLane(Wire(), 1)
    other = await published(lane, message("same", "elsewhere"))
    task = await published(lane, message("1"), message("same"), message("3"))
    lane.received(1, payload(commands.Basic.Nack(2)))
    lane.received(1, payload(commands.Basic.Return(312, "NO_ROUTE", "", "q")))
    back = message("same").content
    lane.received(2, back.header)
    lane.received(3, back.body)
    for number in (3, 4, 1):
        lane.received(1, payload(commands.Basic.Ack(number)))
    batch = await task
    assert (batch.refused, batch.unroutable, batch.failed) == ([0], [1], [0, 1])
    assert not (await other).failed


async def test_a_nack_of_several_refuses_all_up_to_it():
    lane = PublishLane(Wire(), 1)
    task = await published(lane, message("1"), message("2"), message("3"))
    lane.received(1, payload(commands.Basic.Nack(2, multiple=True)))
    lane.received(1, payload(commands.Basic.Ack(3)))
    assert (await task).failed == [0, 1]


async def test_a_channel_that_the_broker_closes_tells_whoever_waits():
    wire = Wire()
    lane = PublishLane(wire, 1)
    task = await published(lane, message())
    wire.methods()
    lane.received(1, payload(commands.Channel.Close(404, "NOT_FOUND - no exchange", 60, 40)))
    with pytest.raises(ChannelClosed) as caught:
        await task
    assert (caught.value.code, lane.was_alone) == (404, True)
    assert [method.name for method in wire.methods()] == ["Channel.CloseOk"]
    with pytest.raises(ChannelClosed):
        await lane.publish([message()])
    with pytest.raises(ChannelClosed):
        await lane.call(commands.Channel.Open())


async def test_a_call_is_answered_in_its_turn_and_broken_off_with_the_connection():
    lane = ConsumeLane(Wire(), 1)
    first = asyncio.create_task(lane.call(commands.Basic.Qos(prefetch_count=1)))
    second = asyncio.create_task(lane.call(commands.Basic.Cancel("c")))
    await asyncio.sleep(0)
    lane.received(1, payload(commands.Basic.QosOk()))
    assert (await first).name == "Basic.QosOk"
    lane.end(ConnectionLost("gone"))
    with pytest.raises(ConnectionLost, match="gone"):
        await second


async def test_a_consumer_that_the_broker_cancels_ends_the_lane_with_the_reason():
    lane = ConsumeLane(Wire(), 1)
    reasons = []
    lane.on_closed = reasons.append
    lane._queue = "orders"
    lane.received(1, payload(commands.Basic.Cancel("c", True)))
    assert "cancelled the consumer of queue 'orders'" in str(reasons[0])


async def test_a_publish_that_is_given_up_disturbs_no_other():
    lane = PublishLane(Wire(), 1)
    given_up = await published(lane, message("1"))
    waiting = await published(lane, message("2"))
    given_up.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await given_up
    lane.received(1, payload(commands.Basic.Ack(2, multiple=True)))
    assert not (await waiting).failed


async def test_one_message_that_cannot_be_written_keeps_the_whole_batch_here():
    wire = Wire()
    lane = PublishLane(wire, 1)
    with pytest.raises(PushRefused, match="the headers of job big"):
        await lane.publish([message(), Outgoing("", "q", Content(b"h" * 5000, b""), "big")])
    assert wire.written == b"" and not lane._pending


class Seen:
    def __init__(self) -> None:
        self.frames = []

    def received(self, kind, data) -> None:
        self.frames.append((kind, data))


@given(st.lists(st.integers(1, 60), max_size=30), st.binary(max_size=200))
def test_frames_are_split_wherever_the_reads_end(cuts, body):
    async def run() -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        tap = Tap(reader, loop)
        seen = tap.lanes[5] = Seen()
        beat = pamqp_frame.marshal(commands.Connection.Blocked("low on disk"), 0)
        words = []
        tap.on_word = words.append
        data = (
            ack_frame(5, 1) + beat + content_frames(5, Content(b"h" * 14, body), 64) + ack_frame(6, 9) + ack_frame(5, 2)
        )
        at = 0
        for cut in [*cuts, len(data)]:
            tap.data_received(data[at : at + cut])
            at += cut
            if at >= len(data):
                break
        assert b"".join(part for kind, part in seen.frames if kind == 3) == body
        assert [kind for kind, _ in seen.frames if kind == 1] == [1, 1]
        assert [word.reason for word in words] == ["low on disk"]
        fed = await reader.readexactly(len(beat) + 8)
        assert beat in fed and b"\x08\0\0\0\0\0\0\xce" in fed, "aiormq gets its own frames, and signs of life"

    asyncio.run(run())


async def test_garbage_in_place_of_a_frame_is_no_lane():
    loop = asyncio.get_running_loop()
    tap = Tap(asyncio.StreamReader(loop=loop), loop)
    tap.lanes[5] = Seen()
    broken = bytearray(ack_frame(5, 1))
    broken[-1] = 0
    with pytest.raises(ConnectionError, match="does not end as a frame ends"):
        tap.data_received(bytes(broken))
