"""Keep-alive, versions, pipelining, Expect, half-closed clients."""

import asyncio

import pytest
from http_doubles import Work, until


async def test_a_connection_serves_one_request_after_another(serve):
    site = await serve()
    client = await site.client()
    for number in range(5):
        assert (await client.get(f"/{number}")).body == f"http://test/{number}".encode()


@pytest.mark.parametrize(
    ("request_bytes", "version", "connection"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "HTTP/1.1", ["close"]),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n", "HTTP/1.1", ["close"]),
        (b"GET / HTTP/1.0\r\n\r\n", "HTTP/1.0", ["close"]),
        (b"GET / HTTP/1.0\r\nHost: h\r\nConnection: close\r\n\r\n", "HTTP/1.0", ["close"]),
    ],
)
async def test_the_last_request_of_a_connection_is_answered_and_closed(serve, request_bytes, version, connection):
    site = await serve()
    client = await site.client()
    client.send(request_bytes)
    response = await client.response()
    assert (response.version, response.all("Connection")) == (version, connection)
    assert await client.ended() == b""


async def test_http_1_0_is_kept_alive_on_request(serve):
    site = await serve()
    client = await site.client()
    for _ in range(2):
        client.send(b"GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n")
        response = await client.response()
        assert (response.version, response["Connection"]) == ("HTTP/1.0", "keep-alive")


async def test_pipelined_requests_are_answered_in_order(serve):
    site = await serve()
    client = await site.client()
    client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number for number in range(200)))
    for number in range(200):
        assert (await client.response()).body == b"http://h/%d" % number


async def test_a_pipelined_request_waits_for_the_answer_before_it(serve):
    site = await serve(None)
    client = await site.client()
    client.send(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab")
    first = await site.workers.next()
    assert site.workers.queue == []
    first.echo()
    second = await site.workers.next()
    assert second.body == b"ab"
    second.echo()
    assert [(await client.response()).body for _ in range(2)] == [b"http://h/1", b"http://h/2"]


async def test_only_so_many_requests_are_taken_ahead_of_their_answers(serve):
    site = await serve(None, limits={"max_pipelined": 2})
    client = await site.client()
    client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\nX: %s\r\n\r\n" % (n, b"x" * 4000) for n in range(2000)))
    await site.workers.next()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await client.writer.drain()
            while True:
                assert client.writer.transport.get_write_buffer_size() > 0, "the server takes everything"
                await asyncio.sleep(0.01)
    site.workers.taken[0].echo()
    site.workers.program = Work.echo
    for number in range(2000):
        assert (await client.response()).body == b"http://h/%d" % number
    assert len(site.workers.taken) == 2000


async def test_requests_in_any_split_are_the_same(serve):
    site = await serve()
    data = b"POST /a?b HTTP/1.1\r\nHost: h\r\nX-Y: z\r\nContent-Length: 3\r\n\r\nabcGET /c HTTP/1.1\r\nHost: h\r\n\r\n"
    for step in (1, 2, 5, 17, 50):
        client = await site.client()
        for start in range(0, len(data), step):
            client.send(data[start : start + step])
            await asyncio.sleep(0)
        assert [(await client.response()).body for _ in range(2)] == [b"http://h/a?b", b"http://h/c"]
    contexts = {work.context_bytes for work in site.workers.taken}
    assert len(contexts) == 2 and {work.body for work in site.workers.taken} == {b"abc", b""}


async def test_100_continue_is_sent_when_the_body_will_be_read(serve):
    site = await serve()
    client = await site.client()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n")
    assert (await client.response()).status == 100
    client.send(b"abc")
    assert (await client.response()).status == 200
    assert site.workers.taken[0].body == b"abc"


async def test_100_continue_waits_for_its_turn(serve):
    site = await serve(None)
    client = await site.client()
    client.send(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\n")
    client.send(b"POST /2 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    (await site.workers.next()).echo()
    assert (await client.response()).status == 200
    assert (await client.response()).status == 100
    client.send(b"abc")
    (await site.workers.next()).echo()
    assert (await client.response()).body == b"http://h/2"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        b"GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n",
    ],
)
async def test_100_continue_is_optional_where_it_is_of_no_use(serve, request_bytes):
    site = await serve()
    client = await site.client()
    client.send(request_bytes)
    response = await client.response()
    assert response.status in (200, 100)
    if response.status == 100:
        assert b"1.1" in request_bytes
        response = await client.response()
    assert response.status == 200


async def test_an_expecting_client_with_too_much_is_told_at_once(serve):
    site = await serve(max_request_size=1)
    client = await site.client()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1048577\r\n\r\n")
    assert (await client.response()).status == 413
    assert await client.ended() == b""


async def test_a_client_that_closed_its_side_gets_its_answer(serve):
    site = await serve(None)
    client = await site.client()
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    client.eof()
    (await site.workers.next()).echo()
    assert (await client.response()).status == 200
    assert await client.ended() == b""


async def test_a_client_that_closed_its_side_and_finds_no_worker_counts_as_gone_after_a_while(serve):
    site = await serve(None)
    client = await site.client()
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    client.eof()
    assert await client.ended() == b""
    assert site.workers.queue[0].cancelled and site.driver.active == 0


async def test_a_client_that_leaves_while_waiting_is_dropped_from_the_queue(serve):
    site = await serve(None)
    client = await site.client()
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await until(lambda: site.workers.queue, "the request waits")
    client.reset()
    await until(lambda: site.workers.queue[0].cancelled, "it is cancelled")
    assert site.driver.active == 0


async def test_the_answer_for_a_client_that_left_is_dropped_and_the_worker_kept(serve):
    site = await serve(None)
    client = await site.client()
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    work = await site.workers.next()
    client.reset()
    await until(lambda: work.delivery.gone, "the server notices")
    assert work.delivery.answer(0, 0, b'{"status":200}', b"") is True, "a whole answer is not stopped"
    assert site.driver.active == 0


async def test_a_request_returned_by_a_dead_worker_is_answered_by_the_next(serve):
    site = await serve(None)
    client = await site.client()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
    work = await site.workers.next()
    work.delivery.returned()
    again = await site.workers.next()
    assert again.delivery is work.delivery and again.body == b"abc"
    again.echo()
    assert (await client.response()).status == 200


async def test_a_request_returned_when_its_client_is_gone_is_dropped(serve):
    site = await serve(None)
    client = await site.client()
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    work = await site.workers.next()
    client.reset()
    await until(lambda: work.delivery.gone, "the server notices")
    work.delivery.returned()
    assert work.delivery.cancelled and site.workers.queue == [] and site.driver.active == 0


async def test_many_clients_at_once_each_get_their_own_answer(serve):
    site = await serve()

    async def visit(number: int) -> bytes:
        client = await site.client()
        return (await client.get(f"/{number}")).body

    answers = await asyncio.gather(*(visit(number) for number in range(100)))
    assert answers == [f"http://test/{number}".encode() for number in range(100)]


async def test_a_unix_socket_serves_as_well(serve, tmp_path):
    path = tmp_path / "http.sock"
    site = await serve(address=f"unix://{path}")
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert b"200 OK" in await reader.read()
    writer.close()
    assert site.workers.taken[0].context["remoteAddr"] == "@"
    await site.close()
    assert not path.exists()
