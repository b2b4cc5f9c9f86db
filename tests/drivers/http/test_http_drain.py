"""Stopping: what is under way is answered, what is new is sent away, what is idle is closed (P6)."""

import asyncio

import pytest
from http_doubles import Work, head, until

from rrjobs.errors import AlreadyInState


async def test_a_draining_server_answers_what_is_under_way_and_sends_new_requests_away(serve):
    site = await serve(None)
    busy, idle, partial = await site.client(), await site.client(), await site.client()
    site.workers.program = Work.echo
    assert (await idle.get("/")).status == 200
    site.workers.program = None
    busy.send(b"GET /busy HTTP/1.1\r\nHost: h\r\n\r\n")
    work = await site.workers.next()
    partial.send(b"POST /partial HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na")
    await until(lambda: len(site.driver._server._connections) == 3, "all are connected")
    partial.send(b"b")
    await asyncio.sleep(0.05)
    site.driver.stop_accepting()
    site.driver.draining(7)
    partial.send(b"c")
    sent_away = await partial.response()
    assert (sent_away.status, sent_away["Retry-After"], sent_away["Connection"]) == (503, "7", "close")
    work.echo()
    await site.driver.silence(0.2, 5.0)
    assert await idle.ended() == b""
    answered = await busy.response()
    assert (answered.status, answered["Connection"]) == (200, "close")
    assert await busy.ended() == b""
    with pytest.raises(ConnectionRefusedError):
        await site.client()


async def test_a_stream_under_way_goes_on_while_draining(serve):
    site = await serve(None)
    client = await site.client()
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    work = await site.workers.next()
    work.chunk(b"a", head(200))
    site.driver.stop_accepting()
    site.driver.draining(1)
    work.chunk(b"b")
    work.chunk(b"c", last=True)
    assert (await client.response()).body == b"abc"
    assert await client.ended() == b""


async def test_what_waits_for_a_worker_gets_503(serve):
    site = await serve(None)
    client = await site.client()
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await until(lambda: site.workers.queue, "it waits")
    site.driver.stop_accepting()
    site.driver.draining(3)
    site.workers.queue[0].dropped("stopping")
    response = await client.response()
    assert (response.status, response["Retry-After"]) == (503, "3")
    assert site.driver.active == 0


async def test_a_pipeline_that_is_closed_is_503(serve):
    site = await serve()
    site.workers.stopped = True
    assert (await (await site.client()).get("/")).status == 503
    assert site.driver.active == 0


async def test_an_idle_server_stops_at_once_and_answers_that_were_given_still_arrive(serve):
    site = await serve(lambda work: work.reply(body=bytes(3_000_000)))
    client = await site.client()
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    response = await client.head()
    site.driver.stop_accepting()
    site.driver.draining(1)
    closing = asyncio.ensure_future(site.driver.close())
    assert len(await client.reader.readexactly(int(response["Content-Length"]))) == 3_000_000
    await asyncio.wait_for(closing, 5)


async def test_close_cuts_what_is_not_answered_and_is_safe_twice(serve):
    site = await serve(None)
    client = await site.client()
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    work = await site.workers.next()
    await site.driver.close()
    assert await client.ended() == b""
    await site.driver.close()
    work.fail()
    assert site.driver.active == 0


async def test_run_returns_after_close(serve):
    site = await serve()
    running = asyncio.ensure_future(site.driver.run(site.workers))
    await asyncio.sleep(0)
    assert not running.done()
    await site.driver.close()
    await asyncio.wait_for(running, 5)


async def test_a_paused_driver_says_503_until_it_is_resumed(serve):
    site = await serve()
    client = await site.client()
    await site.driver.pause()
    with pytest.raises(AlreadyInState):
        await site.driver.pause()
    response = await client.get("/")
    assert (response.status, "Retry-After" in response, "Connection" in response) == (503, True, False)
    assert not (await site.driver.state()).ready
    await site.driver.resume()
    with pytest.raises(AlreadyInState):
        await site.driver.resume()
    assert (await client.get("/")).status == 200
    assert (await site.driver.state()).ready
