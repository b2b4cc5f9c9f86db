"""The same answer again, with its fence, in one read: it is told by one look, and means what it means byte by byte."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rrjobs.protocol.frame import CODEC_JSON, CONTROL, ERROR, STREAM, data_frame, pid_request, plain_frame
from rrjobs.worker.load import Fault, FaultKind
from rrjobs.worker.session import Session

FENCE = plain_frame(b'{"pid":4242}', CONTROL)
PIECES = {
    "answer": data_frame(b"head", b"body", CODEC_JSON),
    "other": data_frame(b"head", b"another body", CODEC_JSON),
    "stop": data_frame(b'{"stop":true}', b""),
    "part": data_frame(b"head", b"body", CODEC_JSON, STREAM),
    "error": plain_frame(b"boom", ERROR),
    "fence": FENCE,
    "nul": b"\0",
}
USUAL = ("answer", "fence")
reads = st.lists(
    st.one_of(
        st.just(USUAL),
        st.sampled_from([("stop", "fence"), ("part", "fence"), ("other", "fence"), ("answer",), ("fence",), ("nul",)]),
        st.lists(st.sampled_from(sorted(PIECES)), min_size=1, max_size=4).map(tuple),
    ),
    max_size=12,
).map(lambda kinds: [read for number, read in enumerate(kinds) for _ in range(1 + number % 3)])


class Heard:
    """A session with loads, and all that was told to anybody, in order."""

    def __init__(self, loads: int, late_fences: bool) -> None:
        self.told: list[tuple[object, ...]] = []
        self.session = Session(self, self._written, pid_request(1000), 32768, False, clock=lambda: 1.0)
        self.session.knows_pid_answer(FENCE)
        self.session.late_fences = late_fences
        self._made = 0
        self.lend(loads)

    def lend(self, number: int) -> None:
        made = [(HeardLoad(self.told, self._made + at), b"frame") for at in range(number)]
        self._made += number
        if number == 1 and not self.session.loads:
            self.session.lend_one(*made[0])
        elif number:
            self.session.lend(made)

    def read(self, pieces: tuple[str, ...], whole: bool) -> None:
        data = b"".join(PIECES[piece] for piece in pieces)
        for part in [data] if whole else [data[at : at + 1] for at in range(len(data))]:
            self.session.received(part)

    @property
    def left(self) -> tuple[object, ...]:
        session = self.session
        return (session.stopped, session.fault, session.executions, session.unread_bytes, len(session.loads))

    def _written(self, data: bytes) -> None:
        self.told.append(("written", data))

    def progressed(self, finished: int, elapsed_s: float) -> None:
        pass  # how many reads it took is the one thing that may differ

    def broke(self, reason: str) -> None:
        self.told.append(("broke", reason))

    def asked_to_stop(self) -> None:
        self.told.append(("asked to stop",))

    def streams(self, load: object) -> None:
        self.told.append(("streams",))

    def abandoned(self) -> None:
        self.told.append(("abandoned",))

    def swallows(self, load: object) -> None:
        self.told.append(("swallows",))

    def lost_step(self, *, others: bool) -> None:
        self.told.append(("lost step", others))


class HeardLoad:
    kind = mode = "http"

    def __init__(self, told: list[tuple[object, ...]], number: int) -> None:
        self._told = told
        self.ident = str(number)

    def answer(self, flags: int, stream: int, context: bytes, body: bytes) -> bool:
        self._told.append((self.ident, "answer", flags, stream, context, body))
        return True

    def finished(self) -> None:
        self._told.append((self.ident, "finished"))

    def failed(self, fault: Fault) -> None:
        self._told.append((self.ident, "failed", fault))

    def refused(self) -> None:
        self._told.append((self.ident, "refused"))


@given(reads, st.lists(st.integers(1, 3), min_size=40, max_size=40), st.booleans())
@example([("nul",), USUAL], [3] * 40, False)
@example([("stop", "fence"), ("stop", "fence")], [3] * 40, False)
def test_reads_mean_the_same_whole_and_byte_by_byte(sequence, lent, late):
    whole, bytewise = Heard(lent[0], late), Heard(lent[0], late)
    for pieces, number in zip([USUAL, *sequence], lent, strict=False):
        for heard, at_once in ((whole, True), (bytewise, False)):
            heard.read(pieces, at_once)
            if not heard.session.stopped and not heard.session.loads:
                heard.lend(number)
        assert whole.told == bytewise.told
        assert whole.left == bytewise.left


@pytest.mark.parametrize("again", [USUAL, ("answer",), ("other", "fence"), ("error",)])
def test_a_second_usual_answer_reaches_nobody(again):
    heard = Heard(1, False)
    heard.read(USUAL, True)
    heard.lend(1)
    heard.read(USUAL, True)
    heard.read(again, True)
    assert [one[0] for one in heard.told if "answer" in one] == ["0", "1"]
    assert heard.session.fault is not None and heard.session.fault.kind is FaultKind.MALFORMED


@pytest.mark.parametrize("noise", [b"\0", b"\0" * 12, b"\0" * 64])
def test_nuls_are_no_answer(noise):
    heard = Heard(1, False)
    heard.session.received(noise)
    assert not [one for one in heard.told if "answer" in one]
    assert heard.session.stopped == (len(noise) >= 12)
