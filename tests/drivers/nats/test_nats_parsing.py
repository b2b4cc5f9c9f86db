"""Our reader of messages beside the library's own, on the same bytes cut anywhere."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from rrjobs.drivers.nats.parsing import MOST_KEPT_BYTES, DirectParser, Message

OURS, THEIRS = 7, 8
Seen = tuple[int, bytes, bytes, bytes, bytes]


class Client:
    """What a parser needs of its client; `library` is what came through the library's parser."""

    def __init__(self) -> None:
        self.all: list[Seen | str] = []
        self.library: list[Seen] = []
        self.errors: list[str] = []

    def take(self, message: Message) -> bool:
        if message.sid != OURS:
            return False
        self.all.append((message.sid, message.subject, message.reply, message.head, message.data))
        if message.data == b"raise":
            raise ValueError("raised")
        return True

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, head: bytes | None) -> None:
        self.all.append((sid, bytes(subject), bytes(reply), head or b"", data))
        self.library.append((sid, bytes(subject), bytes(reply), head or b"", data))

    async def _process_ping(self) -> None:
        self.all.append("ping")

    async def _process_err(self, text: str) -> None:
        self.all.append(text)

    async def _error_cb(self, err: Exception) -> None:
        self.errors.append(str(err))


def message(sid: int, reply: bytes, head: bytes, data: bytes) -> bytes:
    words = [b"HMSG" if head else b"MSG", b"a.b", b"%d" % sid]
    words += [reply] if reply else []
    words += [b"%d" % len(head)] if head else []
    return b" ".join((*words, b"%d" % (len(head) + len(data)))) + b"\r\n" + head + data + b"\r\n"


MESSAGES = some.builds(
    message,
    some.sampled_from((OURS, OURS, THEIRS)),
    some.sampled_from((b"", b"re.ply")),
    some.sampled_from((b"", b"NATS/1.0\r\nA: b\r\n\r\n")),
    some.binary(max_size=40) | some.just(b"MSG a 7 2\r\nxx\r\n"),
)
STREAMS = some.lists(MESSAGES | some.sampled_from((b"PING\r\n", b"+OK\r\n", b"-ERR 'x'\r\n")), max_size=8).map(b"".join)


def read(make: Any, stream: bytes, cuts: list[int]) -> Client:
    async def reading() -> Client:
        client = Client()
        parser = make(client)
        for start, end in pairwise(sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})):
            await parser.parse(stream[start:end])
        return client

    return asyncio.run(reading())


@given(STREAMS, some.lists(some.integers(0, 2000), max_size=8))
def test_the_same_is_read_as_by_the_library(stream, cuts):
    mine = read(lambda client: DirectParser(client, client.take), stream, cuts)
    assert mine.all == read(Parser, stream, cuts).all


def test_what_is_ours_does_not_pass_through_the_library_however_it_is_cut():
    stream = message(OURS, b"r", b"", b"x" * 100) * 50
    mine = read(lambda client: DirectParser(client, client.take), stream, list(range(5, len(stream), 333)))
    assert len(mine.all) == 50 and not mine.library


def test_a_great_message_that_comes_in_pieces_is_left_to_the_library():
    stream = message(OURS, b"r", b"", b"x" * 4 * MOST_KEPT_BYTES) + message(OURS, b"", b"", b"next")
    mine = read(lambda client: DirectParser(client, client.take), stream, list(range(0, len(stream), 32768)))
    assert [len(one[4]) for one in mine.all] == [4 * MOST_KEPT_BYTES, 4] and len(mine.library) >= 1


def test_one_that_raises_is_told_and_the_next_ones_are_read():
    mine = read(
        lambda client: DirectParser(client, client.take),
        message(OURS, b"", b"", b"raise") + message(OURS, b"", b"", b"after"),
        [],
    )
    assert mine.errors == ["raised"] and [one[4] for one in mine.all] == [b"raise", b"after"]


@pytest.mark.parametrize(
    "line", [b"MSG a 7 x\r\n", b"MSG a b 3\r\n", b"HMSG a 7 9 3\r\n", b"HMSG a 7 -1 3\r\n", b"MSG a\r\n"]
)
def test_what_is_malformed_is_an_error_of_the_protocol(line):
    with pytest.raises(ProtocolError):
        read(lambda client: DirectParser(client, client.take), line + b"xyz\r\n", [])
