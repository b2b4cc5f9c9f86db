"""What bodies take in memory over all connections: bounded, refused beyond, and given back whatever happens."""

import pytest
from http_doubles import Client, Site, until

MIB = 1_048_576
BOUND = {"bodies_bytes": MIB}


async def half_sent(site: Site, size: int) -> Client:
    """A client that has sent so much of a body of unknown length."""
    client = await site.client()
    before = site.driver._server.bodies.held
    client.send(
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % size + bytes(size) + b"\r\n"
    )
    await until(lambda: site.driver._server.bodies.held == before + size, "the body is there")
    return client


@pytest.mark.parametrize("framing", ["Content-Length: 700000", "Transfer-Encoding: chunked"])
async def test_a_body_for_which_no_memory_is_left_is_503_and_may_come_again(serve, framing):
    site = await serve(limits=BOUND)
    other = await half_sent(site, 600_000)
    client = await site.client()
    client.send(f"POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n".encode())
    if "chunked" in framing:
        client.send(b"aae60\r\n" + bytes(700_000))
    response = await client.response()
    assert (response.status, response["Retry-After"], response["Connection"]) == (503, "1", "close")
    assert await client.ended() == b""
    other.send(b"0\r\n\r\n")
    assert (await other.response()).status == 200, "who was there first is served"
    assert (await (await site.client()).post(bytes(700_000))).status == 200, "and then there is room again"
    assert len(site.workers.taken) == 2


async def test_it_is_refused_before_it_is_sent_where_the_client_asks(serve):
    site = await serve(limits=BOUND)
    await half_sent(site, 600_000)
    client = await site.client()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 700000\r\n\r\n")
    assert (await client.response()).status == 503


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 1048577\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n100001\r\n"]
)
async def test_a_body_that_could_never_fit_is_413(serve, framing):
    site = await serve(limits=BOUND)
    client = await site.client()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\n" + framing + bytes(MIB + 1))
    response = await client.response()
    assert response.status == 413 and "Retry-After" not in response
    assert (await (await site.client()).post(bytes(MIB))).status == 200


async def test_small_bodies_still_find_room_up_to_an_eighth_more(serve):
    site = await serve(limits=BOUND)
    await half_sent(site, MIB)
    for _ in range(2):
        await half_sent(site, 65_000)
    assert (await (await site.client()).post(bytes(1000))).status == 200
    client = await site.client()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 65000\r\n\r\n" + bytes(65_000))
    assert (await client.response()).status == 503


async def test_a_body_counts_until_its_request_is_answered(serve):
    site = await serve(None, limits=BOUND)
    room = site.driver._server.bodies
    client = await site.client()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 600000\r\n\r\n" + bytes(600_000))
    work = await site.workers.next()
    assert room.held == 600_000
    work.echo()
    assert (await client.response()).status == 200
    assert room.held == 0


async def test_what_a_client_leaves_behind_is_forgotten_also_while_its_request_waits(serve):
    site = await serve(None, limits=BOUND)
    room = site.driver._server.bodies
    half = await half_sent(site, 300_000)
    whole = await site.client()
    whole.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n" + bytes(500_000))
    await until(lambda: bool(site.workers.queue), "one waits for a worker")
    assert room.held == 800_000
    half.writer.transport.abort()
    whole.writer.transport.abort()
    await until(lambda: room.held == 0, "both are forgotten")
    assert site.workers.queue[0].exchange.request.body == b"", "though the queue still has one"


async def test_bodies_that_came_before_their_turn_count_too(serve):
    site = await serve(None, limits=BOUND)
    client = await site.client()
    post = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 400000\r\n\r\n" + bytes(400_000)
    client.send(post + post + post)
    first = await site.workers.next()
    await until(lambda: site.emitted("http.refused"), "for the third there is no room")
    first.echo()
    assert (await client.response()).status == 200
    (await site.workers.next()).echo()
    assert (await client.response()).status == 200
    assert (await client.response()).status == 503


async def test_forms_count_and_uploaded_files_do_not(serve, tmp_path):
    held: list[int] = []
    site = await serve(lambda work: (held.append(site.driver._server.bodies.held), work.echo()), limits=BOUND)
    form = b"a=" + b"x" * 500_000
    assert (await (await site.client()).post(form, "application/x-www-form-urlencoded")).status == 200
    parts = b'--X\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n' + bytes(3 * MIB) + b"\r\n--X--\r\n"
    assert (await (await site.client()).post(parts, "multipart/form-data; boundary=X")).status == 200
    assert held == [len(form), 0]


async def test_fields_of_multipart_forms_count_until_the_request_is_over(serve):
    site = await serve(None, limits=BOUND)
    room = site.driver._server.bodies
    begin = b'--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + bytes(700_000)
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=X\r\nContent-Length: %d\r\n\r\n"
    first, second, third = await site.client(), await site.client(), await site.client()
    first.send(head % (len(begin) + 9) + begin + b"\r\n--X--\r\n")
    work = await site.workers.next()
    assert room.held == 700_000
    second.send(head % (len(begin) + 9) + begin + b"\r\n--X--\r\n")
    response = await second.response()
    assert (response.status, response["Retry-After"]) == (503, "1")
    work.echo()
    assert (await first.response()).status == 200
    await until(lambda: room.held == 0, "it is given back")
    third.send(head % 900_000 + begin)
    await until(lambda: room.held > 690_000, "half of a form is here")
    third.writer.transport.abort()
    await until(lambda: room.held == 0, "who leaves leaves nothing")
