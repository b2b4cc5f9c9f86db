"""The short cuts into the client library: headers both ways, messages at once, many commands in one write."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as some
from nats.errors import ConnectionClosedError

from rrjobs.drivers.nats.direct import DirectClient, Incoming, head_of, parse_headers, publication

PLAIN = some.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":")
NAMES = some.text(PLAIN, min_size=1, max_size=20)
VALUES = some.text(some.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), max_size=20)


@given(some.dictionaries(NAMES, some.lists(VALUES, min_size=1, max_size=3), max_size=5))
def test_headers_survive(headers):
    assert parse_headers(head_of(headers)) == headers


@given(some.dictionaries(NAMES, some.text(max_size=20), max_size=3))
def test_no_value_makes_a_header_of_its_own(headers):
    head = head_of({name: [value] for name, value in headers.items()})
    assert head.count(b"\n") == len(headers) + 2 and parse_headers(head).keys() == headers.keys()


@given(some.binary(max_size=100))
def test_any_bytes_are_headers_or_none(head):
    assert all(isinstance(value, str) for values in parse_headers(head).values() for value in values)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"NATS/1.0 503\r\n\r\n", {"Status": ["503"]}),
        (
            b"NATS/1.0 408 Request Timeout\r\nA: b\r\n\r\n",
            {"Status": ["408"], "Description": ["Request Timeout"], "A": ["b"]},
        ),
    ],
)
def test_an_inline_status_is_read(head, found):
    assert parse_headers(head) == found


async def test_what_is_heard_is_handed_over_in_order_and_what_raises_ends_nothing(nats, unique_name):
    subject, errors, heard = unique_name("direct"), [], []
    everything = asyncio.Event()

    def take(incoming: Incoming) -> None:
        heard.append((incoming.data, incoming.reply, incoming.headers()))
        if incoming.data == b"0":
            raise ValueError("the first one")
        if len(heard) == 100:
            everything.set()

    async def noted(err: Exception) -> None:
        errors.append(str(err))

    client = DirectClient()
    await client.connect(nats.uri, error_cb=noted)
    subscription = await client.listen(subject, take)
    head = head_of({"a": ["b", "c"]})
    await client.write(
        b"".join(publication(subject, b"r", b"%d" % one, head if one % 2 else b"") for one in range(100))
    )
    async with asyncio.timeout(10):
        await everything.wait()
    assert heard == [(b"%d" % one, "r", {"a": ["b", "c"]} if one % 2 else {}) for one in range(100)]
    assert errors == ["the first one"]
    await client.write(publication(subject, b"", b"last"))
    await client.unlisten(subscription)
    assert heard[-1][0] == b"last"
    await client.close()
    with pytest.raises(ConnectionClosedError):
        await client.write(publication(subject, b"", b"too late"))


async def test_more_than_the_socket_takes_is_written_in_order_with_what_comes_behind_it(nats, unique_name):
    subject, heard, everything = unique_name("direct"), [], asyncio.Event()
    body, number = b"x" * 100_000, 100

    def take(incoming: Incoming) -> None:
        heard.append(int(incoming.reply))
        if len(heard) == number:
            everything.set()

    client, other = DirectClient(), DirectClient()
    await client.connect(nats.uri)
    await other.connect(nats.uri)
    await other.listen(subject, take)
    await other.flush()
    for one in range(number):
        await client.write(publication(subject, b"%d" % one, body))
        if one % 10 == 0:
            await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await everything.wait()
    assert heard == list(range(number))
    await client.close()
    await other.close()
