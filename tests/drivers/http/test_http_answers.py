"""Answers of workers as responses (spec/worker-and-http.md 5.6)."""

import pytest
from http_doubles import Work, head

from rrjobs.drivers.http import codec_protobuf
from rrjobs.protocol.frame import CODEC_PROTO


def replying(*arguments, **named):
    return lambda work: work.reply(*arguments, **named)


async def test_a_whole_answer_has_its_length_a_date_and_no_server_header(serve):
    site = await serve(replying(201, {"x-custom": ["a", "b"], "content-type": ["text/css"]}, b"body"))
    response = await (await site.client()).get("/")
    assert (response.version, response.status, response.reason) == ("HTTP/1.1", 201, "Created")
    assert response.all("X-Custom") == ["a", "b"]
    assert response["Content-Type"] == "text/css"
    assert response["Content-Length"] == "4"
    assert response["Date"].endswith(" GMT")
    assert "Server" not in response and "Connection" not in response
    assert response.body == b"body"


async def test_an_empty_answer_says_so(serve):
    site = await serve(replying(200))
    response = await (await site.client()).get("/")
    assert response["Content-Length"] == "0" and "Content-Type" not in response


async def test_header_values_cannot_split_the_response_and_bad_names_are_dropped(serve):
    site = await serve(replying(200, {"X-A": ["a\r\nX-Evil: 1\n\0b"], "bad name": ["x"], "": ["x"], "X\r\nY": ["x"]}))
    response = await (await site.client()).get("/")
    assert response["X-A"] == "a  X-Evil: 1  b"
    assert {name for name, _ in response.fields} == {"X-A", "Date", "Content-Length"}


@pytest.mark.parametrize("status", [0, 99, 600, 1000, -1])
async def test_a_status_that_is_none_becomes_500_with_a_text(serve, status):
    site = await serve(replying(status))
    response = await (await site.client()).get("/")
    assert response.status == 500
    assert response.body == f"unknown status code from worker: {status}\n".encode()
    assert "unknown status code" in site.emitted("http.failed")[0]["reason"]


async def test_a_missing_status_counts_as_0(serve):
    def program(work: Work) -> None:
        work.delivery.answer(0, 0, b"{}", b"")

    site = await serve(program)
    assert (await (await site.client()).get("/")).body == b"unknown status code from worker: 0\n"


@pytest.mark.parametrize(
    "context",
    [
        b"junk",
        b"[]",
        b'{"status":"200"}',
        b'{"status":true}',
        b'{"status":200,"headers":{"A":"b"}}',
        b'{"status":200,"headers":{"A":[1]}}',
        b'{"status":200,"headers":"x"}',
    ],
)
async def test_a_context_that_cannot_be_read_is_answered_with_the_error_code(serve, context):
    def program(work: Work) -> None:
        work.delivery.answer(0, 0, context, b"secret")
        work.delivery.finished()

    site = await serve(program, internal_error_code=502)
    response = await (await site.client()).get("/")
    assert (response.status, response.body) == (502, b"")
    assert "malformed answer" in site.emitted("http.failed")[0]["reason"]
    assert site.driver.active == 0


async def test_an_empty_list_of_headers_is_none(serve):
    def program(work: Work) -> None:
        work.delivery.answer(0, 0, b'{"status":204,"headers":[]}', b"")

    assert (await (await (await serve(program)).client()).get("/")).status == 204


async def test_the_codec_is_the_one_the_answer_names(serve):
    context = bytes.fromhex("08c801120a0a03582d4112030a0131")

    def program(work: Work) -> None:
        work.delivery.answer(CODEC_PROTO, 0, context, b"Hi")

    response = await (await (await serve(program)).client()).get("/")
    assert (response.status, response["X-A"], response.body) == (200, "1", b"Hi")
    assert codec_protobuf.decode_head(context) == (200, {"X-A": ["1"]})


async def test_an_answer_without_a_head_is_a_200(serve):
    def program(work: Work) -> None:
        work.delivery.answer(0, 0, b"", b"only a body")

    response = await (await (await serve(program)).client()).get("/")
    assert (response.status, response.body) == (200, b"only a body")


async def test_an_answer_with_neither_head_nor_body_is_none(serve):
    def program(work: Work) -> None:
        work.delivery.answer(0, 0, b"", b"")

    site = await serve(program)
    assert (await (await site.client()).get("/")).status == 500
    assert "neither status nor body" in site.emitted("http.failed")[0]["reason"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"plain", "text/plain; charset=utf-8"),
        (b'{"a":1}', "text/plain; charset=utf-8"),
        (b"  <!doctype html><p>", "text/html; charset=utf-8"),
        (b"<?xml version='1.0'?>", "text/xml; charset=utf-8"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\x00\x01\x02", "application/octet-stream"),
    ],
)
async def test_a_missing_content_type_is_sniffed(serve, body, kind):
    response = await (await (await serve(replying(200, {}, body))).client()).get("/")
    assert response["Content-Type"] == kind


async def test_an_encoded_body_is_not_sniffed(serve):
    response = await (await (await serve(replying(200, {"Content-Encoding": ["br"]}, b"\x01\x02"))).client()).get("/")
    assert "Content-Type" not in response


async def test_head_gets_the_headers_of_get_and_no_body(serve):
    site = await serve(replying(200, {}, b"12345"))
    client = await site.client()
    response = await client.get("/", method="HEAD")
    assert response["Content-Length"] == "5" and response["Content-Type"].startswith("text/plain")
    assert (await client.get("/")).body == b"12345", "the connection is still in step"


async def test_a_head_answer_keeps_the_length_the_program_told(serve):
    site = await serve(replying(200, {"Content-Length": ["1234"]}))
    client = await site.client()
    assert (await client.get("/", method="HEAD"))["Content-Length"] == "1234"
    assert (await client.get("/"))["Content-Length"] == "0", "a whole body knows better"


@pytest.mark.parametrize("status", [204, 304])
async def test_204_and_304_have_no_body_and_no_length(serve, status):
    headers = {"Content-Length": ["4"], "Content-Type": ["text/css"], "ETag": ['"x"']}
    site = await serve(replying(status, headers, b"body"))
    client = await site.client()
    for _ in range(2):
        response = await client.get("/")
        assert response.status == status and "Content-Length" not in response
        assert ("Content-Type" in response) == (status == 204)
        assert response["Etag"] == '"x"'


async def test_framing_headers_of_programs_are_ours_to_write(serve):
    headers = {"Transfer-Encoding": ["chunked"], "Content-Length": ["99"], "Connection": ["keep-alive"]}
    site = await serve(replying(200, headers, b"body"))
    client = await site.client()
    for _ in range(2):
        response = await client.get("/")
        assert (response["Content-Length"], response.body) == ("4", b"body")
        assert "Transfer-Encoding" not in response and "Connection" not in response


async def test_a_program_may_close_the_connection(serve):
    site = await serve(replying(200, {"connection": ["Close"]}, b"x"))
    client = await site.client()
    assert (await client.get("/"))["Connection"] == "close"
    assert await client.ended() == b""


async def test_a_program_may_tell_the_date(serve):
    site = await serve(replying(200, {"Date": ["Thu, 01 Jan 1970 00:00:00 GMT"]}))
    assert (await (await site.client()).get("/")).all("Date") == ["Thu, 01 Jan 1970 00:00:00 GMT"]


async def test_trailers_follow_the_body(serve):
    headers = {"Trailer": ["X-A, X-B", "X-C"], "X-A": ["1"], "X-B": ["2", "3"], "X-D": ["4"], "x-c": ["no"]}
    site = await serve(replying(200, headers, b"body"))
    client = await site.client()
    response = await client.get("/")
    assert response.body == b"body"
    assert response.trailers == [("X-A", "1"), ("X-B", "2"), ("X-B", "3")]
    assert "Trailer" not in response and response["X-D"] == "4" and response["X-C"] == "no"
    assert (await client.get("/")).trailers == response.trailers


async def test_two_answers_of_one_head_are_the_same(serve):
    site = await serve(replying(200, {"X": ["1"]}, b"a"))
    client = await site.client()
    first, second = await client.get("/"), await client.get("/")
    assert first.fields == second.fields or first["Date"] != second["Date"]


async def test_utf_8_in_headers_goes_out_as_it_is(serve):
    site = await serve(replying(200, {"X-Name": ["Zoë"]}))
    assert (await (await site.client()).get("/"))["X-Name"] == "Zoë"


async def test_an_unknown_status_has_a_reason_all_the_same(serve):
    response = await (await (await serve(replying(299))).client()).get("/")
    assert response.reason == "status code 299"


def test_the_head_double_is_what_programs_send():
    assert head(200) == b'{"status":200,"headers":{}}'
