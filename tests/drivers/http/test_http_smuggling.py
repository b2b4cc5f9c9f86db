"""What smugglers send, byte for byte, against a live listener: 400 and a close, and nothing reaches a worker."""

import pytest

HEAD = b"GET / HTTP/1.1\r\nHost: h\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"

REFUSED = {
    "two different lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "two equal lengths": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "a list of lengths": POST + b"Content-Length: 1, 1\r\n\r\na",
    "length and chunked": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "plus in the length": POST + b"Content-Length: +5\r\n\r\nabcde",
    "minus in the length": POST + b"Content-Length: -5\r\n\r\nabcde",
    "hexadecimal length": POST + b"Content-Length: 0x5\r\n\r\nabcde",
    "blank in the length": POST + b"Content-Length: 5 5\r\n\r\nabcde",
    "empty length": POST + b"Content-Length: \r\n\r\nabcde",
    "endless length": POST + b"Content-Length: 99999999999999999999999\r\n\r\nabcde",
    "bare LF behind the request line": b"GET / HTTP/1.1\nHost: h\r\n\r\n",
    "bare LF behind a header": b"GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n",
    "bare LF as the empty line": HEAD + b"\n",
    "two bare LF": HEAD + b"A: b\n\n",
    "lone CR in a value": HEAD + b"A: a\rb\r\n\r\n",
    "lone CR as a line end": b"GET / HTTP/1.1\rHost: h\r\n\r\n",
    "lone CR as the empty line": HEAD + b"\rX",
    "CR CR LF": HEAD + b"A: b\r\r\n\r\n",
    "folded header": HEAD + b"A: b\r\n c\r\n\r\n",
    "header folded by a tab": HEAD + b"A: b\r\n\tc\r\n\r\n",
    "folded empty header": HEAD + b"A:\r\n b\r\n\r\n",
    "first header folded": b"GET / HTTP/1.1\r\n Host: h\r\n\r\n",
    "chunk size that is none": CHUNKED + b"zz\r\n\r\n",
    "chunk size with 0x": CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
    "chunk size with plus": CHUNKED + b"+1\r\na\r\n0\r\n\r\n",
    "chunk size with a blank": CHUNKED + b"1 \r\na\r\n0\r\n\r\n",
    "empty chunk size": CHUNKED + b"\r\na\r\n0\r\n\r\n",
    "chunk size beyond 64 bit": CHUNKED + b"10000000000000001\r\na\r\n0\r\n\r\n",
    "chunk size ended by LF": CHUNKED + b"1\na\r\n0\r\n\r\n",
    "chunk ended by LF": CHUNKED + b"1\r\na\n0\r\n\r\n",
    "chunk longer than its size": CHUNKED + b"1\r\nabc\r\n0\r\n\r\n",
    "chunk extension with LF": CHUNKED + b"1;a\nb\r\na\r\n0\r\n\r\n",
    "chunk extension with CR": CHUNKED + b"1;a\rb\r\na\r\n0\r\n\r\n",
    "chunk extension with NUL": CHUNKED + b"1;\0\r\na\r\n0\r\n\r\n",
    "endless chunk extension": CHUNKED + b"1;" + b"a" * 100_000 + b"\r\na\r\n0\r\n\r\n",
    "more chunk framing than data": CHUNKED + b"1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\na\r\n" * 4000 + b"0\r\n\r\n",
    "endless trailers": CHUNKED + b"0\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    "length in a trailer": CHUNKED + b"1\r\na\r\n0\r\nContent-Length: 5\r\n\r\n",
    "last chunk ended by LF": CHUNKED + b"0\n\n",
    "missing host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": HEAD + b"Host: h\r\n\r\n",
    "two different hosts": HEAD + b"Host: i\r\n\r\n",
    "host with a path": b"GET / HTTP/1.1\r\nHost: h/x\r\n\r\n",
    "host with a user": b"GET / HTTP/1.1\r\nHost: u@h\r\n\r\n",
    "host with a blank": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "NUL in a value": HEAD + b"A: a\0b\r\n\r\n",
    "NUL in a name": HEAD + b"A\0: b\r\n\r\n",
    "NUL in the target": b"GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n",
    "control character in a value": HEAD + b"A: a\x01b\r\n\r\n",
    "blank before the colon": b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
    "tab before the colon": b"GET / HTTP/1.1\r\nHost\t: h\r\n\r\n",
    "blank in a name": HEAD + b"A b: c\r\n\r\n",
    "no colon": HEAD + b"Ab\r\n\r\n",
    "no name": HEAD + b": x\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked, identity": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "vertical tab before chunked": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "quoted chunked": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "empty coding": POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "identity, then chunked": POST + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "blank in the target": b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
    "version 1.2": b"GET / HTTP/1.2\r\nHost: h\r\n\r\n",
    "version 1.10": b"GET / HTTP/1.10\r\nHost: h\r\n\r\n",
    "lower-case http": b"GET / http/1.1\r\nHost: h\r\n\r\n",
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "target that is no path": b"GET foo HTTP/1.1\r\nHost: h\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
async def test_this_is_answered_with_400_and_a_close(serve, name):
    site = await serve()
    client = await site.client()
    client.send(REFUSED[name] + SMUGGLED)
    response = await client.response()
    assert (response.status, response["Connection"]) == (400, "close"), response
    assert await client.ended() == b""
    assert site.workers.taken == []
    assert len(site.emitted("http.refused")) == 1


@pytest.mark.parametrize("name", [name for name in REFUSED if len(REFUSED[name]) < 1000])
async def test_byte_by_byte_it_is_refused_as_well(serve, name):
    site = await serve()
    client = await site.client()
    for position in range(len(REFUSED[name])):
        client.send(REFUSED[name][position : position + 1])
        if position % 8 == 0:
            await client.writer.drain()
    client.send(SMUGGLED)
    assert (await client.response()).status == 400
    assert await client.ended() == b""
    assert site.workers.taken == []


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /\r\n\r\n", 505),
        (b"GET / HTTP/0.9\r\n\r\n", 505),
        (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        (b"FOO / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
        (b"get / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 501),
        (b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 501),
        (POST + b"Expect: something\r\nContent-Length: 1\r\n\r\n", 417),
    ],
)
async def test_other_things_have_other_statuses_and_a_close(serve, request_bytes, status):
    site = await serve()
    client = await site.client()
    client.send(request_bytes)
    assert (await client.response()).status == status
    assert await client.ended() == b""


async def test_what_came_before_a_bad_request_is_answered_first(serve):
    site = await serve()
    client = await site.client()
    client.send(
        b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\nGET /3 HTTP/1.1\r\n\r\n" + SMUGGLED
    )
    assert [(await client.response()).body for _ in range(2)] == [b"http://h/1", b"http://h/2"]
    assert (await client.response()).status == 400
    assert await client.ended() == b""
    assert len(site.workers.taken) == 2


async def test_nothing_behind_the_last_request_is_looked_at(serve):
    site = await serve()
    client = await site.client()
    client.send(b"GET /1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + SMUGGLED)
    assert (await client.response()).body == b"http://h/1"
    assert await client.ended() == b""
    assert len(site.workers.taken) == 1 and site.emitted("http.refused") == []


@pytest.mark.parametrize(
    "body", [b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"]
)
async def test_nobody_is_upgraded_and_bodies_of_upgrade_requests_are_read(serve, body):
    site = await serve()
    client = await site.client()
    client.send(b"POST /1 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" + body)
    client.send(b"GET /2 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    client.send(b"GET /3 HTTP/1.1\r\nHost: h\r\n\r\n")
    assert [(await client.response()).body for _ in range(3)] == [b"http://h/1", b"http://h/2", b"http://h/3"]
    assert [work.body for work in site.workers.taken] == [b"abc", b"", b""]
