"""The request reader: any split of the same bytes gives the same requests, or the same refusal."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.protocol.http1.known import KnownRequests
from rrjobs.protocol.http1.limits import Limits
from rrjobs.protocol.http1.reader import RequestReader
from rrjobs.protocol.http1.request import Refusal, Request


class Taken:
    def __init__(self) -> None:
        self.requests: list[tuple[object, ...]] = []

    def head_read(self, request: Request) -> None:
        assert request.has_body

    def body_read(self, request: Request, data: bytes) -> None:
        request.body += bytes(data)

    def request_read(self, request: Request) -> None:
        self.requests.append(
            (request.method, request.target, request.version, request.host, request.headers, bytes(request.body))
        )


def read(data: bytes, cuts: list[int], limits: Limits | None = None) -> tuple[list[tuple[object, ...]], int]:
    taken = Taken()
    reader = RequestReader(taken, limits or Limits(), KnownRequests(limits or Limits()))
    marks = sorted({0, len(data), *cuts})
    try:
        for start, end in itertools.pairwise(marks):
            reader.feed(data[start:end])
    except Refusal as refusal:
        return taken.requests, refusal.status
    return taken.requests, 0


names = st.sampled_from(["X-A", "x-b", "Accept", "X-A"])
values = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)


@st.composite
def messages(draw):
    target = "/" + draw(st.text("abc?=&%/", max_size=8))
    lines = [f"{draw(names)}:{draw(st.sampled_from(['', ' ', '  ']))}{draw(values)}{draw(st.sampled_from(['', ' ']))}"]
    body = draw(st.binary(max_size=30))
    framing = draw(st.sampled_from(["none", "length", "chunked", "upgrade"]))
    if framing == "none":
        body = b""
    elif framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    else:
        lines.append(f"Content-Length: {len(body)}")
        if framing == "upgrade":
            lines += ["Connection: Upgrade", "Upgrade: x"]
    head = "\r\n".join([f"POST {target} HTTP/1.1", "Host: h", *lines]) + "\r\n\r\n"
    sent = body
    if framing == "chunked":
        half = draw(st.integers(0, len(body)))
        pieces = [piece for piece in (body[:half], body[half:]) if piece]
        sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nX-T: 1\r\n\r\n"
    return head.encode() + sent, target, body


@given(st.lists(messages(), min_size=1, max_size=4), st.data())
def test_any_split_of_good_requests_gives_the_same_requests(sent, data):
    whole = b"".join(raw for raw, _, _ in sent)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=12))
    requests, status = read(whole, cuts)
    assert status == 0
    assert [(request[1], request[5]) for request in requests] == [(target, body) for _, target, body in sent]
    assert requests == read(whole, list(range(len(whole))))[0]


@given(st.lists(messages(), min_size=1, max_size=2), st.data())
def test_a_flipped_byte_is_judged_alike_in_every_split(sent, data):
    whole = bytearray(b"".join(raw for raw, _, _ in sent))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=8))
    assert read(bytes(whole), cuts) == read(bytes(whole), [])


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_junk_is_never_more_than_a_refusal(junk, cuts):
    read(junk, [cut for cut in cuts if cut < len(junk)])
    read(b"GET / HTTP/1.1\r\nHost: h\r\n" + junk, cuts)
    read(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + junk, cuts)


@given(st.integers(1, 60))
def test_sizes_are_counted_alike_in_every_split(step):
    limits = Limits(header_bytes=400, line_bytes=100, headers=8, body_bytes=50)
    for raw, status in [
        (b"GET /" + b"a" * 99 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 0),
        (b"GET /" + b"a" * 100 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: 1\r\n" * 7 + b"\r\n", 0),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: 1\r\n" * 8 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 500 + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\n" + b"a" * 50, 0),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 51\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n33\r\n" + b"a" * 51, 413),
    ]:
        assert read(raw, list(range(0, len(raw), step)), limits)[1] == status, raw


@pytest.mark.parametrize("value", ["a\u00e9", "a\udcff"])
def test_header_values_keep_their_bytes(value):
    raw = b"GET / HTTP/1.1\r\nHost: h\r\nX: " + value.encode("utf-8", "surrogateescape") + b"\r\n\r\n"
    ((*_, headers, _),), _ = read(raw, [])
    assert headers == {"X": [value]}
