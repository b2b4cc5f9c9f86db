"""Bounds on what one client can make the server hold or wait for."""

import asyncio

import pytest
from http_doubles import Work, until

FAST = {"header_timeout": "150ms", "body_timeout": "150ms", "idle_timeout": "150ms", "write_timeout": "150ms"}


async def test_a_line_that_is_too_long_is_414(serve):
    site = await serve(limits={"line_bytes": 300})
    client = await site.client()
    assert (await client.get("/" + "a" * 299)).status == 200
    client.send(b"GET /" + b"a" * 300 + b" HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (await client.response()).status == 414
    assert await client.ended() == b""


async def test_an_endless_line_is_414_before_it_ends(serve):
    site = await serve(limits={"line_bytes": 300})
    client = await site.client()
    client.send(b"GET /" + b"a" * 100_000)
    assert (await client.response()).status == 414


async def test_a_head_that_is_too_large_is_431(serve):
    site = await serve(limits={"header_bytes": 1000})
    client = await site.client()
    assert (await client.get("/", "X: " + "a" * 900)).status == 200
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 1000 + b"\r\n\r\n")
    assert (await client.response()).status == 431
    assert await client.ended() == b""


@pytest.mark.parametrize("line", [b"X: " + b"a" * 1000, b"X: 1\r\n" * 100])
async def test_an_endless_head_is_431_before_it_ends(serve, line):
    site = await serve(limits={"header_bytes": 1000})
    client = await site.client()
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n")
    with pytest.raises(ConnectionError):
        while True:
            client.send(line)
            await client.writer.drain()
            if client.reader._buffer:  # the answer is there
                break
        assert (await client.response()).status == 431
        raise ConnectionResetError


async def test_too_many_headers_are_431(serve):
    site = await serve(limits={"headers": 10})
    client = await site.client()
    assert (await client.get("/", *(f"X-{number}: 1" for number in range(9)))).status == 200
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: 1\r\n" * 10 + b"\r\n")
    assert (await client.response()).status == 431


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 1048577\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n100001\r\n"]
)
async def test_a_body_that_is_too_large_is_413(serve, framing):
    site = await serve(max_request_size=1)
    client = await site.client()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\n" + framing + bytes(1_048_577))
    response = await client.response()
    assert (response.status, response["Connection"]) == (413, "close")
    assert response.body == b"serve_http: http: request body too large\n"
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert await client.ended() == b""
    assert site.workers.taken == []


async def test_a_body_of_just_the_limit_is_taken(serve):
    site = await serve(max_request_size=1)
    assert (await (await site.client()).post(bytes(1_048_576))).status == 200


async def test_multipart_bodies_have_the_same_limit(serve, tmp_path):
    site = await serve(max_request_size=1, uploads={"dir": str(tmp_path)})
    client = await site.client()
    client.send(
        b"POST / HTTP/1.1\r\nHost: h\r\n"
        b"Content-Type: multipart/form-data; boundary=X\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'200000\r\n--X\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n' + bytes(1_200_000)
    )
    assert (await client.response()).status == 413
    await until(lambda: not [path for path in tmp_path.iterdir() if path.suffix != ".lock"], "the file is removed")


async def test_a_refused_client_can_read_its_answer_while_it_still_sends(serve):
    """Closing with unread bytes would be a reset, which takes the answer away."""
    site = await serve(max_request_size=1)
    client = await site.client()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 30000000\r\n\r\n")
    for _ in range(40):
        client.send(bytes(100_000))
        await asyncio.sleep(0)
    assert (await client.response()).status == 413


async def test_a_client_that_sends_nothing_is_closed_without_a_word(serve):
    site = await serve(limits=FAST)
    client = await site.client()
    assert await client.ended() == b""


async def test_an_idle_connection_is_closed_without_a_word(serve):
    site = await serve(limits=FAST)
    client = await site.client()
    assert (await client.get("/")).status == 200
    assert await client.ended() == b""


async def drip(client, data: bytes, pause_s: float = 0.02) -> None:
    for position in range(len(data)):
        if client.reader._buffer or client.reader.at_eof():
            return
        client.send(data[position : position + 1])
        await asyncio.sleep(pause_s)  # a client this slow is the subject


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"], ids=["first request", "later request"])
async def test_a_head_that_drips_is_408(serve, first):
    site = await serve(limits={"header_timeout": "150ms"})
    client = await site.client()
    if first:
        client.send(first)
        await client.response()
    await drip(client, b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 1000)
    response = await client.response()
    assert (response.status, response["Connection"]) == (408, "close")
    assert await client.ended() == b""


async def test_a_slow_head_within_the_limit_is_served_after_a_long_pause(serve):
    """The time counts from the first byte, not from the answer before it."""
    site = await serve(limits={"header_timeout": "400ms"})
    client = await site.client()
    await client.get("/")
    await asyncio.sleep(0.6)  # longer than the limit for a head
    client.send(b"GET /slow HTTP/1.1\r\n")
    await asyncio.sleep(0.1)
    client.send(b"Host: h\r\n\r\n")
    assert (await client.response()).body == b"http://h/slow"


@pytest.mark.parametrize("framing", [b"Content-Length: 2000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n"])
async def test_a_body_that_drips_or_stops_is_408(serve, framing):
    site = await serve(limits={"body_timeout": "150ms"})
    client = await site.client()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\n" + framing + b"begin")
    await drip(client, b"a" * 1000)
    assert (await client.response()).status == 408
    assert await client.ended() == b""
    assert site.workers.taken == []


async def test_a_slow_body_that_makes_progress_is_served(serve):
    site = await serve(limits={"body_timeout": "200ms"})
    client = await site.client()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 80000\r\n\r\n")
    for _ in range(8):
        client.send(bytes(10_000))
        await asyncio.sleep(0.1)  # all of it takes several times the limit
    assert (await client.response()).status == 200


async def test_a_request_on_a_worker_has_all_the_time_it_needs(serve):
    site = await serve(None, limits=FAST)
    client = await site.client()
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    work = await site.workers.next()
    await asyncio.sleep(0.6)  # several times every limit
    work.echo()
    assert (await client.response()).status == 200


async def test_connections_beyond_the_limit_wait_until_one_closes(serve):
    site = await serve(limits={"max_connections": 2})
    first, second = await site.client(), await site.client()
    for client in (first, second):
        assert (await client.get("/")).status == 200
    others = [await site.client() for _ in range(3)]
    for client in others:
        client.send(b"GET /other HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await others[0].reader.read(1)
    assert (await first.get("/")).status == 200, "those inside are served on"
    await first.close()
    for client in others:
        assert (await client.response()).body == b"http://h/other"
    assert len(site.workers.taken) == 6


async def test_a_full_queue_is_told_at_once_and_counts_running_requests(serve):
    site = await serve(None, pool={"max_queue_size": 2, "debug": True})
    clients = [await site.client() for _ in range(3)]
    for client in clients[:2]:
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    running = await site.workers.next()
    await until(lambda: site.driver.active == 2, "one runs, one waits")
    refused = await clients[2].get("/")
    assert refused.status == 500 and b"max_queue_size" in refused.body
    assert "max_queue_size" in site.emitted("http.failed")[0]["reason"]
    running.echo()
    site.workers.program = Work.echo
    assert (await clients[2].get("/")).status == 200
    assert site.driver.active == 0
