"""Names, heads and types of responses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.protocol.http1 import names
from rrjobs.protocol.http1.date import date_line
from rrjobs.protocol.http1.head import ResponseHead
from rrjobs.protocol.http1.limits import Limits
from rrjobs.protocol.http1.names import canonical_name, canonical_text
from rrjobs.protocol.http1.sniff import sniff


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("x-foo", "X-Foo"),
        ("CONTENT-TYPE", "Content-Type"),
        ("dnt", "Dnt"),
        ("x--y", "X--Y"),
        ("-", "-"),
        ("a_b", "A_b"),
        ("x-1a", "X-1a"),
        ("bad name", "bad name"),
        ("", ""),
    ],
)
def test_names_have_one_spelling(name, canonical):
    assert canonical_text(name) == canonical


def test_remembered_names_are_bounded():
    for number in range(names._MAX_KNOWN * 2):
        canonical_name(b"x-%d" % number)
    assert len(names.KNOWN) <= names._MAX_KNOWN
    canonical_name(b"x" * 1000)
    assert b"x" * 1000 not in names.KNOWN


@given(st.dictionaries(st.text(max_size=8), st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12))))
def test_no_header_can_break_out_of_its_line(headers):
    lines = ResponseHead(200, headers).lines
    assert lines.endswith(b"\r\n") and b"\r\n\r\n" not in lines and b"\0" not in lines
    for line in lines[:-2].split(b"\r\n"):
        assert b"\r" not in line and b"\n" not in line


@pytest.mark.parametrize("values", ["text", [1], [b"x"], None, {"a": "b"}])
def test_values_that_are_no_list_of_texts_are_refused(values):
    with pytest.raises(TypeError):
        ResponseHead(200, {"A": values})
    with pytest.raises(TypeError):
        ResponseHead(200, {"Trailer": values})


def test_the_date_is_one_of_http():
    line = date_line()
    assert line.startswith(b"Date: ") and line.endswith(b" GMT\r\n") and len(line) == 37


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\n \t<html>", "text/html; charset=utf-8"),
        (b"<!-- x", "text/html; charset=utf-8"),
        (b"<bogus>", "text/plain; charset=utf-8"),
        (b"<br", "text/plain; charset=utf-8"),
        (b"%PDF-1.7", "application/pdf"),
        (b"\xef\xbb\xbftext", "text/plain; charset=utf-8"),
        (b"\xff\xfea\0", "text/plain; charset=utf-16le"),
        (b"GIF89a..", "image/gif"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF1234WEBPVP8 ", "image/webp"),
        (b"RIFF1234WAVE", "audio/wave"),
        (b"PK\x03\x04", "application/zip"),
        (b"\x1f\x8b\x08\0", "application/x-gzip"),
        (b"wOF2", "font/woff2"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "video/mp4"),
        (b"\0\0\0\x18ftypavc1\0\0\0\0mp42isom", "video/mp4"),
        (b"BMW is text to us as to Go: image", "image/bmp"),
        (bytes(34) + b"LP", "application/vnd.ms-fontobject"),
        ("täxt".encode(), "text/plain; charset=utf-8"),
        (b"a\x0bb", "application/octet-stream"),
        (b"a\x1bb", "text/plain; charset=utf-8"),
        (b"x" * 600 + b"\0", "text/plain; charset=utf-8"),
    ],
)
def test_types_are_sniffed_from_the_first_bytes(body, kind):
    assert sniff(body) == kind.encode()


def test_the_clock_looks_often_enough_for_the_shortest_limit():
    assert Limits(idle_timeout_s=0.2).tick_s == pytest.approx(0.05)
    assert Limits().tick_s == 1.0
    assert Limits(idle_timeout_s=0.0).tick_s == 0.01


@pytest.mark.parametrize("name", ["Content-Length", "content-length", "Transfer-Encoding", "Connection"])
def test_what_frames_a_message_never_stands_behind_its_body(name):
    head = ResponseHead(200, {"Trailer": [f"X-T, {name}"], "X-T": ["v"], name: ["3"]})
    assert head.trailers == [("X-T", "v")]
    assert name.lower().encode() not in head.lines.lower()
