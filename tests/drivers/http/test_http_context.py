"""Where the values PHP sees come from (spec/worker-and-http.md 5.1, 5.3, 6.6), and the access log (6.3)."""

import pytest
from test_http_codecs import REQUEST


async def context(serve, raw: bytes, **section):
    site = await serve(**section)
    client = await site.client()
    client.send(raw)
    response = await client.response()
    assert response.status == 200, response.body
    work = site.workers.taken[0]
    if work.flags == 0x80:
        return REQUEST.FromString(work.context_bytes)
    return work.context


def get(target: bytes = b"/", *lines: bytes, host: bytes = b"h") -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (target, host, b"".join(line + b"\r\n" for line in lines))


async def test_all_ten_values_are_there(serve):
    told = await context(serve, get(b"/a/b?c=d", b"x-foo: 1", b"X-Foo: 2", b"x-bar:  3 "))
    assert told == {
        "remoteAddr": "127.0.0.1",
        "protocol": "HTTP/1.1",
        "method": "GET",
        "uri": "http://h/a/b?c=d",
        "headers": {"X-Foo": ["1", "2"], "X-Bar": ["3"]},
        "cookies": {},
        "rawQuery": "c=d",
        "parsed": False,
        "uploads": None,
        "attributes": {},
    }


async def test_the_json_codec_says_so_in_the_frame(serve):
    site = await serve()
    await (await site.client()).get("/")
    assert site.workers.taken[0].flags == 0x08


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "PROPFIND", "PURGE", "M-SEARCH", "QUERY"])
async def test_methods_pass_as_they_are(serve, method):
    assert (await context(serve, get().replace(b"GET", method.encode())))["method"] == method


@pytest.mark.parametrize(
    ("target", "host", "uri", "query"),
    [
        (b"/", b"h", "http://h/", ""),
        (b"/", b"h:8080", "http://h:8080/", ""),
        (b"/", b"[::1]:80", "http://[::1]:80/", ""),
        (b"/a%20b%2Fc", b"h", "http://h/a%20b%2Fc", ""),
        (b'/a"b|c^d', b"h", "http://h/a%22b%7Cc%5Ed", ""),
        (b"/a#b?c", b"h", "http://h/a%23b?c", "c"),
        (b"/?", b"h", "http://h/?", ""),
        (b"/?a=%zz&b=;'\"", b"h", "http://h/?a=%zz&b=;'\"", "a=%zz&b=;'\""),
        (b"//x//y", b"h", "http://h//x//y", ""),
        (b"http://other/p?q", b"h", "http://other/p?q", "q"),
        (b"https://other:1/", b"h", "https://other:1/", ""),
        (b"http://other", b"h", "http://other", ""),
        (b"http://other?q", b"h", "http://other?q", "q"),
    ],
)
async def test_the_uri_is_absolute(serve, target, host, uri, query):
    told = await context(serve, get(target, host=host))
    assert (told["uri"], told["rawQuery"]) == (uri, query)


@pytest.mark.parametrize("raw", [b"GET /p HTTP/1.0\r\n\r\n", b"GET /p HTTP/1.1\r\nHost:\r\n\r\n"])
async def test_without_a_host_it_is_the_address_that_was_connected_to(serve, raw):
    site = await serve()
    client = await site.client()
    client.send(raw)
    await client.response()
    assert site.workers.taken[0].context["uri"] == f"http://127.0.0.1:{site.port}/p"


async def test_the_protocol_is_the_clients(serve):
    assert (await context(serve, b"GET / HTTP/1.0\r\n\r\n"))["protocol"] == "HTTP/1.0"


async def test_some_headers_are_not_passed_on_and_one_is_added(serve):
    told = await context(serve, get(b"/", b"Trailer: X", b"Pragma: no-cache", b"Connection: keep-alive"))
    assert told["headers"] == {
        "Pragma": ["no-cache"],
        "Cache-Control": ["no-cache"],
        "Connection": ["keep-alive"],
    }
    told = await context(serve, get(b"/", b"Pragma: no-cache", b"Cache-Control: max-age=1"))
    assert told["headers"]["Cache-Control"] == ["max-age=1"]


@pytest.mark.parametrize(
    ("line", "cookies"),
    [
        (b"a=1; b=2", {"a": "1", "b": "2"}),
        (b"a=1; a=2", {"a": "2"}),
        (b"a=x+y%20z", {"a": "x y z"}),
        (b"a=%zz; b=1", {"b": "1"}),
        (b'a="quoted"', {"a": "quoted"}),
        (b"a=b=c", {"a": "b=c"}),
        (b"novalue; =x; b a=1; c=", {"c": ""}),
        (b"a=%ff", {"a": "\ufffd"}),
        (b"a=\xc3\xa9", {"a": "é"}),
    ],
)
async def test_cookies_are_taken_apart(serve, line, cookies):
    told = await context(serve, get(b"/", b"Cookie: " + line))
    assert told["cookies"] == cookies
    assert told["headers"]["Cookie"] == [line.decode("utf-8", "replace")]


async def test_foreign_bytes_are_replaced_for_json_and_kept_for_protobuf(serve):
    raw = get(b"/", b"X: a\xff\xfeb")
    assert (await context(serve, raw))["headers"]["X"] == ["a\ufffd\ufffdb"]
    assert list((await context(serve, raw, codec="protobuf")).header["X"].value) == [b"a\xff\xfeb"]


async def test_protobuf_workers_are_told_the_same(serve):
    message = await context(serve, get(b"/a?b=c", b"Cookie: d=e"), codec="protobuf")
    assert (message.remote_addr, message.protocol, message.method) == ("127.0.0.1", "HTTP/1.1", "GET")
    assert (message.uri, message.raw_query, message.parsed) == ("http://h/a?b=c", "b=c", False)
    assert list(message.cookies["d"].value) == [b"e"]


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ([], "127.0.0.1"),
        ([b'Forwarded: for="203.0.113.1";proto=https, for=198.51.100.1', b"X-Forwarded-For: 9.9.9.9"], "203.0.113.1"),
        ([b'Forwarded: for="[2001:db8::1]:4711"'], "2001:db8::1"),
        ([b"Forwarded: proto=https", b"X-Forwarded-For: 9.9.9.9"], "9.9.9.9"),
        ([b"X-Forwarded-For: 203.0.113.1, 198.51.100.1"], "203.0.113.1"),
        ([b"X-Forwarded-For: 203.0.113.1:8080"], "203.0.113.1"),
        ([b"X-Forwarded-For: 2001:db8::1"], "2001:db8::1"),
        ([b"X-Forwarded-For: unknown"], "unknown"),
        ([b"X-Forwarded-For: a:b:c"], ""),
        ([b"X-Real-Ip: 203.0.113.2"], "203.0.113.2"),
        ([b"True-Client-Ip: 203.0.113.3"], "203.0.113.3"),
        ([b"Cf-Connecting-Ip: 203.0.113.4"], "203.0.113.4"),
        ([b"X-Real-Ip: 1.1.1.1", b"X-Forwarded-For: 2.2.2.2"], "2.2.2.2"),
    ],
)
async def test_a_trusted_proxy_is_believed(serve, lines, address):
    told = await context(serve, get(b"/", *lines), trusted_subnets=["127.0.0.0/8"])
    assert told["remoteAddr"] == address


@pytest.mark.parametrize("subnets", [[], ["10.0.0.0/8"]])
async def test_nobody_else_is(serve, subnets):
    told = await context(serve, get(b"/", b"X-Forwarded-For: 9.9.9.9"), trusted_subnets=subnets)
    assert told["remoteAddr"] == "127.0.0.1"


async def test_the_headers_that_are_believed_can_be_chosen(serve):
    lines = [b"X-Forwarded-For: 1.1.1.1", b"X-My-Proxy: 2.2.2.2"]
    section = {"trusted_subnets": ["127.0.0.1"], "trusted_headers": [" x-my-proxy ", ""]}
    assert (await context(serve, get(b"/", *lines), **section))["remoteAddr"] == "2.2.2.2"


async def test_each_request_leaves_a_record_with_its_id(serve):
    site = await serve(lambda work: work.reply(404, {}, b"nope"))
    await (await site.client()).post(b"12345", target="/a?b=c")
    (record,) = site.emitted("http.request")
    assert record.pop("elapsed_ms") >= 0 and record.pop("start") > 0
    assert record == {
        "id": site.workers.taken[0].delivery.ident,
        "status": 404,
        "method": "POST",
        "URI": "/a?b=c",
        "URL": "/a?b=c",
        "remote_address": "127.0.0.1",
        "read_bytes": 5,
        "write_bytes": 4,
    }


async def test_the_long_record_has_the_fields_of_an_access_log(serve):
    site = await serve(access_logs=True)
    await (await site.client()).get("/a?b=c", "User-Agent: me", "Referer: http://x/")
    (record,) = site.emitted("http.request")
    assert (record["query"], record["host"], record["user_agent"]) == ("b=c", "test", "me")
    assert (record["referer"], record["content_len"]) == ("http://x/", 0)
    assert record["time_local"] and record["request_time"]


async def test_an_answer_nobody_waited_for_is_recorded_as_499(serve):
    from http_doubles import until

    site = await serve(None)
    client = await site.client()
    client.send(get())
    work = await site.workers.next()
    client.reset()
    await until(lambda: work.delivery.gone, "the server notices")
    work.echo()
    assert site.emitted("http.request")[0]["status"] == 499


async def test_deliveries_have_a_priority_and_a_kind(serve):
    site = await serve(priority=7)
    await (await site.client()).get("/a/b?c")
    delivery = site.workers.taken[0].delivery
    assert (delivery.priority, delivery.kind, delivery.mode, delivery.attempt) == (7, "GET /a/b", "http", 1)
