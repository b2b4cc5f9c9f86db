"""The multipart parser: parts, damage, and every split of the bytes."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.drivers.http.forms import FormError
from rrjobs.drivers.http.multipart import MAX_HEAD_BYTES, MAX_PARTS, MultipartParser, TooManyParts
from rrjobs.drivers.http.part_head import PartHead, read_boundary, read_part_head

NEARLY = [b"\r\n--Y\r\n--", b"-X", b" --X", b"\r\n--", b"\r\n--Xy", b"\r\n--X-y", b"\r\n\r\n"]
FIELD = b'Content-Disposition: form-data; name="a"'


class Parts:
    def __init__(self) -> None:
        self.done: list[tuple[PartHead, bytes]] = []
        self._head = PartHead(None, "", "")
        self._data = b""

    def part_begins(self, head: PartHead) -> None:
        self._head, self._data = head, b""

    def part_data(self, data: bytes) -> None:
        assert data
        self._data += data

    def part_ends(self) -> None:
        self.done.append((self._head, self._data))


def parse(
    body: bytes, boundary: bytes = b"X", step: int = 0, cuts: list[int] | None = None
) -> list[tuple[PartHead, bytes]]:
    parts = Parts()
    parser = MultipartParser(boundary, parts)
    marks = sorted({0, len(body), *(cuts or range(0, len(body), step) if step or cuts else ())})
    for start, end in itertools.pairwise(marks):
        parser.feed(body[start:end])
    parser.finish()
    return parts.done


def body_of(contents: list[bytes], boundary: bytes = b"X") -> bytes:
    parts = [b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, FIELD, content) for content in contents]
    return b"".join(parts) + b"--%b--\r\n" % boundary


def contents(body: bytes, **how: object) -> list[bytes]:
    return [data for _, data in parse(body, **how)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (body_of([]), []),
        (body_of([b"1", b"2"]), [b"1", b"2"]),
        (body_of([b""]), [b""]),
        (b"preamble\r\n" + body_of([b"1"]) + b"epilogue --X\r\n", [b"1"]),
        (b"--X\r\n\r\nno head\r\n--X--", [b"no head"]),
        (b"--X \t\r\n" + FIELD + b"\r\n\r\n1\r\n--X--", [b"1"]),
        (b"--X\r\n" + FIELD + b"\r\n\r\n--X--", [b""]),
        (
            body_of([b"\r\n--Y\r\n--", b"-X", b" --X", b"\r\n--", b"\r\n--Xy", b"\r\n--X-y", b"\r\n\r\n"]),
            [b"\r\n--Y\r\n--", b"-X", b" --X", b"\r\n--", b"\r\n--Xy", b"\r\n--X-y", b"\r\n\r\n"],
        ),
    ],
)
def test_parts_are_what_lies_between_boundaries_whatever_the_split(body, found):
    assert contents(body) == found
    for step in (1, 2, 3, 5, 7, 64):
        assert contents(body, step=step) == found, step


@pytest.mark.parametrize(
    "body", [b"", b"--X", b"--X\r\n", body_of([b"1"])[:-4], b"--Y\r\n\r\n\r\n--Y--", b"junk", b"\n--X\n\n1\n--X--\n"]
)
def test_a_body_without_its_end_is_refused(body):
    with pytest.raises(FormError):
        parse(body)


@given(st.data())
def test_any_content_survives_any_split(data):
    alphabet = st.sampled_from([b"\r", b"\n", b"-", b"X", b"a", b"--X", b"\r\n--", b"\x00"])
    pieces = data.draw(st.lists(st.lists(alphabet, max_size=12).map(b"".join), max_size=4))
    pieces = [piece for piece in pieces if b"\r\n--X" not in b"\r\n" + piece + b"\r\n-"]
    body = body_of(pieces)
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=8))
    assert contents(body, cuts=cuts) == pieces


@given(st.binary(max_size=200), st.integers(1, 9))
def test_junk_raises_nothing_but_form_errors(junk, step):
    for body in (junk, b"--X\r\n" + junk, body_of([junk])[:-3]):
        try:
            whole = parse(body)
        except FormError:
            whole = None
        try:
            split = parse(body, step=step)
        except FormError:
            split = None
        assert whole == split


def test_there_is_a_limit_to_parts_and_to_heads():
    assert len(contents(body_of([b""] * MAX_PARTS))) == MAX_PARTS
    with pytest.raises(TooManyParts):
        parse(body_of([b""] * (MAX_PARTS + 1)))
    with pytest.raises(FormError, match="too long"):
        parse(b"--X\r\nA: " + b"b" * MAX_HEAD_BYTES * 2)


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b'Content-Disposition: form-data; name="a"', PartHead("a", "", "")),
        (b"content-disposition:form-data;name=a", PartHead("a", "", "")),
        (
            b'Content-Disposition: form-data; name="a"; filename="b.txt"\r\nContent-Type: text/x',
            PartHead("a", "b.txt", "text/x"),
        ),
        (b'Content-Disposition: form-data; name="a"; filename=""', PartHead("a", "", "")),
        (b'Content-Disposition: form-data; filename="b;c=d.txt"; name="a"', PartHead("a", "b;c=d.txt", "")),
        (b'Content-Disposition: form-data; name="a\\"b"; filename="c\\\\d"', PartHead('a"b', "d", "")),
        (b'Content-Disposition: form-data; name="a"; filename="/etc/pass wd"', PartHead("a", "pass wd", "")),
        (b'Content-Disposition: form-data; name="a"; filename="C:\\dir\\x.png"', PartHead("a", "x.png", "")),
        (
            b"Content-Disposition: form-data; name=\"a\"; filename*=UTF-8''na%C3%AFve.txt",
            PartHead("a", "naïve.txt", ""),
        ),
        ('Content-Disposition: form-data; name="é"; filename="ü"'.encode(), PartHead("é", "ü", "")),
        (b'Content-Disposition: form-data; name="\xff"', PartHead("\ufffd", "", "")),
        (b'Content-Disposition: attachment; name="a"', PartHead(None, "", "")),
        (b"Content-Type: text/plain", PartHead(None, "", "text/plain")),
        (b"", PartHead(None, "", "")),
    ],
)
def test_a_part_is_described_by_its_head(head, part):
    assert read_part_head(head) == part


@pytest.mark.parametrize(
    ("kind", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('multipart/form-data; charset=utf-8; boundary="a b;c"', b"a b;c"),
        ("multipart/form-data; BOUNDARY=abc", b"abc"),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data; boundary=" + "x" * 300, None),
    ],
)
def test_the_boundary_is_a_parameter_of_the_content_type(kind, boundary):
    assert read_boundary(kind) == boundary
