"""Requests under load: sent away by how long others have waited, politely, and told once."""

import asyncio

import pytest
from http_doubles import Work, until
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.drivers.http.shedding import Shedder
from rrjobs.runtime.events import Events


async def test_who_waits_out_max_wait_is_told_when_to_come_back(serve):
    site = await serve(None, max_wait="100ms", pool={"debug": True})
    client = await site.client()
    response = await client.get("/")
    assert (response.status, response["Retry-After"]) == (503, "1")
    assert "No-Workers" not in response and b"http.max_wait" in response.body
    assert site.workers.queue[0].cancelled and site.driver.active == 0
    assert (site.driver.shed, site.driver.turned_away) == (1, 0)
    site.workers.program = Work.echo
    assert (await client.get("/")).status == 200, "the connection stays and serves on"


async def test_max_wait_takes_the_place_of_allocate_timeout(serve):
    site = await serve(None, max_wait="300ms", pool={"allocate_timeout": "20ms"})
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await (await site.client()).get("/")).status == 503
    assert loop.time() - began >= 0.29


async def test_while_the_oldest_waits_long_new_ones_are_sent_away_at_once_and_those_inside_are_served(serve):
    site = await serve(None, max_wait="1s")
    oldest_s = site.driver._gate._waiting.oldest_s
    first, second, third = [await site.client() for _ in range(3)]
    first.send(b"GET /first HTTP/1.1\r\nHost: h\r\n\r\n")
    await until(lambda: oldest_s() > 0.6, "the first waits long")
    second.send(b"GET /second HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (await first.response()).status == 503, "it waited out its time, while the second is still inside"
    await until(lambda: oldest_s() > 0.52, "the second waits long")
    refused = await third.get("/third")
    assert (refused.status, refused["Retry-After"]) == (503, "1")
    assert site.driver.active == 1, "it did not wait for as long as the second"
    site.workers.program = Work.echo
    site.workers.lend()
    assert (await second.response()).body == b"http://h/second"
    assert (await third.get("/third")).status == 200, "nobody waits: all are taken again"
    assert site.driver.shed == 2 and site.driver.active == 0


async def test_a_full_house_is_503_where_max_wait_is_set(serve):
    site = await serve(None, max_wait="10s", pool={"max_queue_size": 1, "debug": True})
    inside, outside = await site.client(), await site.client()
    inside.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await until(lambda: site.driver.active == 1, "one is inside")
    refused = await outside.get("/")
    assert (refused.status, refused["Retry-After"]) == (503, "1") and b"max_queue_size" in refused.body
    assert site.emitted("http.failed") == []
    site.workers.program = Work.echo
    site.workers.lend()
    assert (await inside.response()).status == 200
    assert (await outside.get("/")).status == 200
    assert site.driver.active == 0


async def test_a_flood_is_two_events_and_a_line_of_the_access_log_each(serve):
    site = await serve(None, max_wait="10s", pool={"max_queue_size": 1})
    inside, outside = await site.client(), await site.client()
    inside.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await until(lambda: site.driver.active == 1, "one is inside")
    for _ in range(50):
        assert (await outside.get("/")).status == 503
    assert len(site.emitted("http.overloaded")) == 1
    assert len(site.emitted("http.request")) == 50
    assert site.driver.shed == 50


class Clock:
    """A shedder of 4 s on a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[tuple[str, object]] = []
        events = Events()
        for name in ("http.overloaded", "http.relieved"):
            events.subscribe(name, lambda name, fields: self.told.append((name, fields.get("shed"))))
        self.shedder = Shedder(4.0, events, lambda: self.now)


def test_it_begins_with_one_who_waited_out_and_ends_below_half():
    one = Clock()
    assert not one.shedder.refuses(3.9), "waiting long is no reason yet"
    one.shedder.waited_out()
    assert one.shedder.refuses(3.0) and one.shedder.refuses(2.0)
    assert not one.shedder.refuses(1.9)
    assert not one.shedder.refuses(3.9), "and it does not begin again by itself"


@pytest.mark.parametrize(("oldest_s", "retry_after_s"), [(0.0, 1), (0.2, 1), (1.0, 1), (1.1, 2), (29.5, 30)])
def test_retry_after_is_what_others_wait(oldest_s, retry_after_s):
    assert Clock().shedder.send_away("full", oldest_s) == retry_after_s


def test_relief_is_told_once_with_the_number_when_it_was_quiet_for_a_while():
    one = Clock()
    for _ in range(3):
        one.shedder.send_away("full", 0.0)
    assert not one.shedder.refuses(0.0)
    assert one.told == [("http.overloaded", None)], "too early to call it over"
    one.now += 2.0
    one.shedder.refuses(0.0)
    one.shedder.refuses(0.0)
    assert one.told == [("http.overloaded", None), ("http.relieved", 3)]
    one.shedder.send_away("full", 0.0)
    assert one.told[2:] == [("http.overloaded", None)]
    assert one.shedder.shed == 4


@given(st.lists(st.tuples(st.sampled_from(["arrives", "waited", "full"]), st.floats(0, 4), st.floats(0, 3))))
def test_every_overload_is_told_before_its_relief_and_counts_add_up(steps):
    one = Clock()
    sent = 0
    for step, oldest_s, pause_s in steps:
        one.now += pause_s
        if step == "waited":
            one.shedder.send_away(one.shedder.waited_out(), oldest_s)
            sent += 1
        elif step == "full":
            one.shedder.send_away("full", oldest_s)
            sent += 1
        elif one.shedder.refuses(oldest_s):
            assert oldest_s >= 2.0
            one.shedder.send_away("others wait", oldest_s)
            sent += 1
    names = [name for name, _ in one.told]
    assert names == ["http.overloaded", "http.relieved"] * (len(names) // 2) + ["http.overloaded"] * (len(names) % 2)
    relieved = sum(number for name, number in one.told if name == "http.relieved")
    assert relieved <= sent and (names[-1:] == ["http.overloaded"] or relieved == sent)
    assert one.shedder.shed == sent
