"""Heads that were read before: what is known of them is what the parser would say, and it stays bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.protocol.http1.known import MAX_BYTES, MAX_KNOWN, KnownRequests
from rrjobs.protocol.http1.limits import Limits
from rrjobs.protocol.http1.reader import RequestReader
from rrjobs.protocol.http1.request import Refusal, Request

HELLO = b"GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\n"


class Client:
    """A connection that notes what is read, or with which status it ended."""

    def __init__(self, known: KnownRequests, limits: Limits) -> None:
        self.seen: list[object] = []
        self.found = 0
        self._reader = RequestReader(self, limits, known)

    def send(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
        except Refusal as refusal:
            self.seen.append((refusal.status, str(refusal)))
            self._reader.finished = True

    def head_read(self, request: Request) -> None:
        assert request.has_body

    def body_read(self, request: Request, data: bytes) -> None:
        request.body += bytes(data)

    def request_read(self, request: Request) -> None:
        self.found += request.repeats
        head = (request.method, request.target, request.version, request.host, request.headers)
        flags = (request.keep_alive, request.plain, request.upgrade, request.expects, request.length)
        self.seen.append((*head, *flags, bytes(request.body)))


def sent_twice_and_again(data: bytes, again: bytes) -> Client:
    limits = Limits()
    known = KnownRequests(limits)
    for _ in range(2):
        Client(known, limits).send(data)
    client = Client(known, limits)
    client.send(again)
    return client


LINES = [
    b"GET / HTTP/1.1",
    b"GET /a%2Fb?c=d HTTP/1.1",
    b"HEAD /a HTTP/1.1",
    b"DELETE /a HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"POST /a HTTP/1.1",
    b"CONNECT /a HTTP/1.1",
    b"GET /a HTTP/1.0",
    b"GET /a#b HTTP/1.1",
    b"GET /a\xff HTTP/1.1",
    b"GET http://h/a HTTP/1.1",
    b"GET  / HTTP/1.1",
    b"get / HTTP/1.1",
    b"GET /a HTTP/1.1 ",
    b"",
]
FIELDS = [
    b"Host: h",
    b"host:other",
    b"X-A: 1",
    b"X-A: \xff",
    b"Cookie: a=b",
    b"Connection: close",
    b"Connection: Upgrade",
    b"Upgrade: x",
    b"Expect: 100-continue",
    b"Content-Length: 0",
    b"Content-Length: 1",
    b"Transfer-Encoding: chunked",
    b"Pragma: no-cache",
    b" folded",
    b"",
]
heads = st.builds(
    lambda line, fields, end: b"\r\n".join([line, *fields]) + end,
    st.sampled_from(LINES),
    st.lists(st.sampled_from(FIELDS), max_size=4).map(lambda fields: [b"Host: h", *fields]) | st.just([b"X-A: 1"]),
    st.sampled_from([b"\r\n\r\n"] * 5 + [b"\n\n", b"\r\n", b"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", b"\r\n\r\nx"]),
)
sizes = st.sampled_from([Limits(), Limits(header_bytes=30), Limits(headers=2), Limits(line_bytes=3)])


@given(st.lists(heads, min_size=1, max_size=3), st.lists(st.integers(0, 2), max_size=8), sizes)
def test_a_known_head_is_read_as_the_parser_reads_it(sent, order, limits):
    known = KnownRequests(limits)
    for data in [sent[number % len(sent)] for number in (*range(len(sent)), *range(len(sent)), *order)]:
        knows, fresh = Client(known, limits), Client(KnownRequests(limits), limits)
        knows.send(data)
        fresh.send(data)
        assert knows.seen == fresh.seen


@given(st.lists(st.tuples(heads, st.lists(st.integers(1, 80), max_size=2)), min_size=1, max_size=6))
def test_one_connection_reads_alike_whether_heads_are_known_or_not(sent):
    limits = Limits()
    known = KnownRequests(limits)
    for data, _ in sent * 2:
        Client(known, limits).send(data)
    knows, fresh = Client(known, limits), Client(_Nothing(limits), limits)
    for data, cuts in sent:
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
            for client in (knows, fresh):
                if not client._reader.finished and start < end:
                    client.send(data[start:end])
    assert knows.seen == fresh.seen


class _Nothing(KnownRequests):
    def find(self, data: bytes) -> Request | None:
        return None


def test_the_same_head_is_known_when_it_comes_for_the_third_time():
    assert sent_twice_and_again(HELLO, HELLO).found == 1


def test_another_path_with_the_same_header_lines_is_known_too():
    client = sent_twice_and_again(HELLO, HELLO.replace(b"/a?b=c", b"/z"))
    assert (client.found, client.seen[0][1]) == (1, "/z")


@pytest.mark.parametrize(
    "field",
    [b"Connection: close", b"Content-Length: 1", b"Transfer-Encoding: chunked", b"Connection: Upgrade\r\nUpgrade: x"],
)
def test_a_head_that_asks_for_more_than_an_answer_is_parsed_each_time(field):
    data = HELLO.replace(b"X-A: 1", field)
    assert sent_twice_and_again(data, data).found == 0


def test_a_long_head_is_parsed_each_time():
    data = HELLO.replace(b"X-A: 1", b"X-A: " + b"1" * MAX_BYTES)
    client = sent_twice_and_again(data, data)
    assert (client.found, len(client.seen)) == (0, 1)


def test_what_clients_make_it_know_is_bounded():
    limits = Limits()
    known = KnownRequests(limits)
    client = Client(known, limits)
    for number in range(2 * MAX_KNOWN + 5):
        for _ in range(3):
            client.send(b"GET /%d HTTP/1.1\r\nHost: h\r\nX-A: %d\r\n\r\n" % (number, number))
    assert client.found == 2 * MAX_KNOWN + 5
    assert len(known._fields) <= MAX_KNOWN
    assert len(known.whole) <= MAX_KNOWN
