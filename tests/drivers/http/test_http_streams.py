"""Streamed answers, interim heads, slow readers (spec/worker-and-http.md 5.6, 5.7)."""

import asyncio

import pytest
from http_doubles import Work, head, until

from rrjobs.protocol.http1.exchange import MAX_STALLED_BYTES

HEAD = head(200, {"Content-Type": ["text/x"]})


async def streaming(serve, *headers: str, version: str = "1.1", method: str = "GET", **section):
    """A client that has sent one request, and the work of it."""
    site = await serve(None, **section)
    client = await site.client()
    lines = "".join(f"{line}\r\n" for line in ("Host: h", *headers))
    client.send(f"{method} / HTTP/{version}\r\n{lines}\r\n".encode())
    return site, client, await site.workers.next()


@pytest.mark.parametrize("repeats", [False, True], ids=["head only in the first chunk", "head in every chunk"])
async def test_chunks_go_out_one_by_one(serve, repeats):
    site, client, work = await streaming(serve)
    again = HEAD if repeats else b""
    assert work.chunk(b"one", HEAD)
    response = await client.head()
    assert (response.status, response["Transfer-Encoding"]) == (200, "chunked")
    assert "Content-Length" not in response
    assert await client.chunk() == b"one"
    assert work.chunk(b"two", again)
    assert await client.chunk() == b"two"
    work.chunk(b"end", again, last=True)
    assert await client.chunk() == b"end"
    assert await client.chunk() == b""
    assert site.driver.active == 0


async def test_empty_chunks_do_not_end_the_body(serve):
    _, client, work = await streaming(serve)
    for data in (b"", b"a", b"", b"b"):
        work.chunk(data, HEAD)
    work.chunk(b"", last=True)
    response = await client.response()
    assert response.chunks == [b"a", b"b"]


async def test_a_head_in_mid_stream_changes_nothing(serve):
    _, client, work = await streaming(serve)
    work.chunk(b"a", HEAD)
    work.chunk(b"b", head(500, {"X": ["1"]}))
    work.chunk(b"c", b"junk", last=True)
    response = await client.response()
    assert (response.status, response.body) == (200, b"abc")


async def test_a_stream_without_a_head_is_a_200(serve):
    _, client, work = await streaming(serve)
    work.chunk(b"a")
    work.chunk(b"b", last=True)
    assert (await client.response()).body == b"ab"


async def test_the_connection_serves_on_after_a_stream(serve):
    site, client, work = await streaming(serve)
    work.chunk(b"a", HEAD)
    work.chunk(b"", last=True)
    await client.response()
    site.workers.program = Work.echo
    assert (await client.get("/next")).body == b"http://test/next"


async def test_a_stream_with_a_length_is_counted(serve):
    _, client, work = await streaming(serve)
    work.chunk(b"12", head(200, {"Content-Length": ["5"]}))
    work.chunk(b"345678", last=True)
    response = await client.response()
    assert (response["Content-Length"], response.body) == ("5", b"12345")
    assert "Transfer-Encoding" not in response


async def test_a_stream_that_ends_before_its_length_breaks_the_connection(serve):
    _, client, work = await streaming(serve)
    work.chunk(b"12", head(200, {"Content-Length": ["5"]}))
    work.chunk(b"3", last=True)
    await client.head()
    assert await client.ended() == b"123"


async def test_a_stream_to_http_1_0_ends_with_the_connection(serve):
    _, client, work = await streaming(serve, "Connection: keep-alive", version="1.0")
    work.chunk(b"a", HEAD)
    work.chunk(b"b", last=True)
    response = await client.response()
    assert (response.version, response["Connection"], response.body) == ("HTTP/1.0", "close", b"ab")


@pytest.mark.parametrize("method", ["HEAD"])
async def test_a_stream_to_head_is_its_head(serve, method):
    site, client, work = await streaming(serve, method=method)
    work.chunk(b"a", HEAD)
    work.chunk(b"b", last=True)
    response = await client.response(bodyless=True)
    assert "Transfer-Encoding" not in response
    site.workers.program = Work.echo
    assert (await client.get("/")).status == 200, "the connection is still in step"


async def test_trailers_of_a_stream_may_come_with_a_later_head(serve):
    _, client, work = await streaming(serve)
    work.chunk(b"a", HEAD)
    work.chunk(b"b", head(200, {"Trailer": ["X-Sum"], "X-Sum": ["42"]}), last=True)
    response = await client.response()
    assert (response.body, response.trailers) == (b"ab", [("X-Sum", "42")])


@pytest.mark.parametrize("status", [100, 102, 103])
async def test_interim_heads_come_first_and_leave_nothing_in_the_final_one(serve, status):
    _, client, work = await streaming(serve)
    assert work.chunk(b"", head(status, {"Link": ["</a.css>"]}))
    assert work.chunk(b"", head(status, {"Link": ["</b.css>"]}))
    first, second = await client.response(), await client.response()
    assert [first.status, second.status] == [status, status]
    assert (first["Link"], second["Link"]) == ("</a.css>", "</b.css>")
    assert "Content-Length" not in first and "Transfer-Encoding" not in first
    work.reply(200, {}, b"final")
    final = await client.response()
    assert (final.status, final.body) == (200, b"final")
    assert "Link" not in final


async def test_101_is_not_sent_and_bodies_of_interim_heads_are_dropped(serve):
    site, client, work = await streaming(serve)
    work.chunk(b"", head(101))
    work.chunk(b"body", head(103))
    work.reply(200, {}, b"final")
    assert (await client.response()).status == 103
    assert (await client.response()).body == b"final"
    assert ["101" in site.emitted("http.warning")[0]["reason"], len(site.emitted("http.warning"))] == [True, 2]


async def test_http_1_0_gets_no_interim_heads(serve):
    _, client, work = await streaming(serve, version="1.0")
    work.chunk(b"", head(103))
    work.reply(200, {}, b"final")
    assert (await client.response()).status == 200


async def test_an_answer_that_ends_with_an_interim_head_is_none(serve):
    site, client, work = await streaming(serve)
    work.chunk(b"", head(103))
    work.reply(103)
    assert (await client.response()).status == 103
    assert (await client.response()).status == 500
    assert "interim" in site.emitted("http.failed")[0]["reason"]


async def test_a_worker_that_dies_in_mid_stream_breaks_the_connection_before_the_last_chunk(serve):
    site, client, work = await streaming(serve)
    work.chunk(b"a", HEAD)
    await client.head()
    assert await client.chunk() == b"a"
    work.fail()
    assert await client.ended() == b""
    assert site.driver.active == 0


async def test_a_worker_that_dies_in_mid_stream_resets_where_a_close_would_look_like_the_end(serve):
    _, client, work = await streaming(serve, version="1.0")
    work.chunk(b"a", HEAD)
    await client.head()
    assert await client.reader.readexactly(1) == b"a"
    work.fail()
    with pytest.raises(ConnectionResetError):
        await client.reader.read()


async def test_an_error_frame_before_the_head_of_a_stream_is_an_error_page(serve):
    _, client, work = await streaming(serve)
    work.fail()
    assert (await client.response()).status == 500


async def test_a_stream_whose_client_left_is_stopped(serve):
    site, client, work = await streaming(serve)
    assert work.chunk(b"a", HEAD)
    client.reset()
    await until(lambda: work.delivery.gone, "the server notices")
    assert not work.chunk(b"b")
    assert site.driver.active == 1, "the worker still has it"
    work.chunk(b"", last=True)
    assert site.driver.active == 0


async def test_a_stream_that_never_began_is_stopped_too(serve):
    _, client, work = await streaming(serve)
    client.reset()
    await until(lambda: work.delivery.gone, "the server notices")
    assert not work.chunk(b"a", HEAD)


class RecordedFlow:
    def __init__(self, calls: list[str]) -> None:
        self._calls = calls

    def pause_stream(self) -> None:
        self._calls.append("pause")

    def resume_stream(self) -> None:
        self._calls.append("resume")

    def stop_stream(self) -> None:
        self._calls.append("stop")


async def stalled(serve, **section):
    """A stream whose client does not read, filled until the server notices; with what was asked of the worker."""
    site = await serve(None, **section)
    client = await site.client(receive_buffer=4096)
    client.writer.transport.pause_reading()
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    work = await site.workers.next()
    calls: list[str] = []
    work.delivery.streams(RecordedFlow(calls))
    work.chunk(b"", HEAD)
    while "pause" not in calls:
        assert work.chunk(bytes(65536))
        await asyncio.sleep(0)
    return site, client, work, calls


async def test_a_client_that_does_not_read_makes_the_worker_wait_until_it_does(serve):
    _, client, work, calls = await stalled(serve)
    assert calls == ["pause"]
    client.writer.transport.resume_reading()
    await client.head()
    reading = asyncio.ensure_future(client.reader.read(-1))
    await until(lambda: calls == ["pause", "resume"], "the worker is let on")
    work.chunk(b"", last=True)
    client.eof()
    await asyncio.wait_for(reading, 10)


async def test_a_stream_that_does_not_wait_is_cut_before_it_fills_the_memory(serve):
    _, _, work, _ = await stalled(serve)
    sent = 0
    while work.chunk(bytes(65536)):
        sent += 65536
        assert sent <= MAX_STALLED_BYTES + 65536
    assert sent >= MAX_STALLED_BYTES - 65536


async def test_a_client_that_takes_nothing_for_too_long_is_cut_off(serve):
    _, _, work, calls = await stalled(serve, limits={"write_timeout": "200ms"})
    await until(lambda: work.delivery.gone, "the connection is cut")
    assert calls[-1] == "stop", "the worker is not left waiting"
    assert not work.chunk(b"more")


async def test_a_slow_client_that_takes_something_now_and_then_is_not_cut_off(serve):
    """Each read comes well within the limit, all of them together take several times as long."""
    site = await serve(lambda work: work.reply(body=bytes(3_000_000)), limits={"write_timeout": "300ms"})
    client = await site.client(receive_buffer=4096)
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    response = await client.head()
    left = int(response["Content-Length"])
    loop = asyncio.get_running_loop()
    began = loop.time()
    while left:
        took = await client.reader.read(65536)
        assert took
        left -= len(took)
        if loop.time() - began < 1.2:
            await asyncio.sleep(0.05)  # a client this slow is the subject
