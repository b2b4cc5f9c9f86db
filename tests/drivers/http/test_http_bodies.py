"""Which body reaches PHP how: the table of spec/worker-and-http.md 5.4 over a live listener."""

import pytest
from http_doubles import Work

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=X"
FORM = b'--X\r\nContent-Disposition: form-data; name="a[b]"\r\n\r\n1\r\n--X--\r\n'


async def sent(serve, method, body, kind, *, target="/", **section) -> Work:
    site = await serve(**section)
    response = await (await site.client()).post(body, kind, method=method, target=target)
    assert response.status == 200, response.body
    return site.workers.taken[0]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
@pytest.mark.parametrize("kind", ["", URLENCODED, MULTIPART])
async def test_bodies_of_head_and_options_are_not_read(serve, method, kind):
    work = await sent(serve, method, b"a=1", kind)
    assert (work.body, work.context["parsed"], work.context["uploads"]) == (b"", False, None)


@pytest.mark.parametrize("kind", ["", "application/json", "text/plain", "Application/X-WWW-Form-Urlencoded"])
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_other_bodies_pass_as_they_are(serve, method, kind):
    work = await sent(serve, method, b'{"a":\xff}', kind)
    assert (work.body, work.context["parsed"], work.context["uploads"]) == (b'{"a":\xff}', False, None)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("kind", [URLENCODED, f"{URLENCODED}; charset=utf-8"])
async def test_urlencoded_forms_are_decoded(serve, method, kind):
    work = await sent(serve, method, b"a[b]=1&c=2", kind)
    assert (work.form, work.context["parsed"], work.context["uploads"]) == ({"a": {"b": "1"}, "c": "2"}, True, None)


@pytest.mark.parametrize("method", ["DELETE", "GET"])
async def test_urlencoded_fields_of_other_methods_are_lost(serve, method):
    work = await sent(serve, method, b"a=1", URLENCODED)
    assert (work.body, work.context["parsed"]) == (b"{}", True)


async def test_a_form_without_fields_is_an_empty_object(serve):
    work = await sent(serve, "POST", b"", URLENCODED)
    assert (work.body, work.context["parsed"]) == (b"{}", True)


async def test_multipart_forms_are_decoded_and_have_an_upload_tree(serve):
    work = await sent(serve, "POST", FORM, MULTIPART)
    assert (work.form, work.context["parsed"], work.context["uploads"]) == ({"a": {"b": "1"}}, True, {})


@pytest.mark.parametrize("kind", [URLENCODED, MULTIPART])
async def test_raw_body_leaves_forms_alone(serve, kind):
    work = await sent(serve, "POST", FORM, kind, raw_body=True)
    assert (work.body, work.context["parsed"], work.context["uploads"]) == (FORM, False, None)


async def test_a_long_form_is_decoded_like_a_short_one(serve):
    value = "x" * 1000
    body = "&".join(f"f[{number}]={value}" for number in range(400)).encode()
    work = await sent(serve, "POST", body, URLENCODED)
    assert work.form == {"f": {str(number): value for number in range(400)}}


@pytest.mark.parametrize(
    ("body", "kind", "target", "text"),
    [
        (b"a=%zz", URLENCODED, "/", 'invalid URL escape "%zz"'),
        (b"a=1;b=2", URLENCODED, "/", "invalid semicolon separator in query"),
        (b"a=1", URLENCODED, "/?x=1;y=2", "invalid semicolon separator in query"),
        (b"a=1", URLENCODED, "/?x=%", 'invalid URL escape "%"'),
        (FORM, MULTIPART, "/?x=%", 'invalid URL escape "%"'),
        (b"a=1&a[b]=2", URLENCODED, "/", "invalid multiple values to key 'a' in tree"),
        (FORM[:-4], MULTIPART, "/", "multipart: NextPart: unexpected EOF"),
        (b"", MULTIPART, "/", "multipart: NextPart: EOF"),
        (b"x", "multipart/form-data", "/", "no multipart boundary param in Content-Type"),
        (b"a=%zz" + b"&a=1" * 100_000, URLENCODED, "/", 'invalid URL escape "%zz"'),
    ],
)
async def test_a_bad_form_is_answered_with_400_and_the_reason(serve, body, kind, target, text):
    site = await serve()
    response = await (await site.client()).post(body, kind, target=target)
    assert response.status == 400
    assert response.body == f"serve_http: {text}\n".encode()
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert site.workers.taken == [] and site.driver.active == 0


async def test_a_query_that_is_no_form_does_not_matter_to_other_requests(serve):
    site = await serve()
    response = await (await site.client()).get("/?a=%zz;b")
    assert response.status == 200
    assert site.workers.taken[0].context["rawQuery"] == "a=%zz;b"


async def test_too_many_parts_are_413(serve):
    part = FORM[: FORM.index(b"--X--")]
    site = await serve()
    response = await (await site.client()).post(part * 1001 + b"--X--\r\n", MULTIPART)
    assert (response.status, response.body) == (413, b"serve_http: multipart: message too large\n")


@pytest.mark.parametrize("pieces", [[b"5\r\nhello\r\n", b"6;ext=1\r\n world\r\n", b"0\r\nX-Trailer: 1\r\n\r\n"]])
async def test_chunked_bodies_arrive_joined_and_their_trailers_are_dropped(serve, pieces):
    site = await serve()
    client = await site.client()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    for piece in pieces:
        client.send(piece)
    assert (await client.response()).status == 200
    work = site.workers.taken[0]
    assert work.body == b"hello world"
    assert "X-Trailer" not in work.context["headers"] and "Transfer-Encoding" not in work.context["headers"]


async def test_a_large_body_arrives_whole(serve):
    body = bytes(range(256)) * 8192
    site = await serve(lambda work: work.reply(body=str(len(work.body)).encode()))
    client = await site.client()
    for _ in range(2):
        assert (await client.post(body)).body == str(len(body)).encode()
    assert site.workers.taken[0].body == body


async def test_protobuf_workers_get_forms_too(serve):
    from test_http_codecs import REQUEST

    work = await sent(serve, "POST", FORM, MULTIPART, codec="protobuf")
    message = REQUEST.FromString(work.context_bytes)
    assert (work.flags, message.parsed, message.uploads, work.form) == (0x80, True, b"{}", {"a": {"b": "1"}})
