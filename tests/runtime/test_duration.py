import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.runtime.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("300ms", 0.3),
        ("1h3m", 3780.0),
        ("2.5h", 9000.0),
        ("30s", 30.0),
        ("0", 0.0),
        ("0s", 0.0),
        ("+5s", 5.0),
        (" 5s ", 5.0),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("100us", 1e-4),
        ("100µs", 1e-4),
        ("1ns", 1e-9),
        ("1h1m1s1ms", 3661.001),
    ],
)
def test_a_duration_text_means_its_seconds(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("30", "write 30s"),
        ("2.5", "write 2.5s"),
        ("", "empty"),
        ("s", "such as 30s"),
        ("5x", "such as 30s"),
        ("5 s", "such as 30s"),
        ("1h-3m", "such as 30s"),
        ("-5s", "must not be negative"),
        ("٣s", "such as 30s"),
        ("99999999h", "292 years"),
    ],
)
def test_what_is_no_duration_is_refused_with_what_would_be_right(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**15))
def test_a_formatted_duration_reads_back_as_itself(nanoseconds):
    text = format_duration(nanoseconds / 1e9)
    assert round(parse_duration(text) * 1e9) == pytest.approx(nanoseconds, rel=1e-12)


@given(st.text(alphabet="0123456789.hmsnuµ+- ", max_size=12))
def test_the_parser_answers_every_text_with_seconds_or_a_complaint(text):
    try:
        assert parse_duration(text) >= 0
    except ValueError as err:
        assert str(err)
