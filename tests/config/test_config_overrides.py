import pytest

from rrjobs.config.nodes import Source, plain
from rrjobs.config.overrides import apply_overrides, parse_override
from rrjobs.config.problems import Findings
from rrjobs.config.yaml_text import parse_yaml


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("http.address=:80", "http.address", ":80"),
        ("HTTP.Address=:80", "http.address", ":80"),
        ("a=b=c", "a", "b=c"),
        (" 'a=b", "a", "b"),
        ('a="b c"', "a", "b c"),
        ("a='b c'", "a", "b c"),
        ("a=`b c`", "a", "b c"),
        (r'a="say \"hi\""', "a", 'say "hi"'),
        ("a = b ", "a", "b"),
        ("a=it's", "a", "it's"),
    ],
)
def test_an_override_is_a_key_and_a_value(text, key, value):
    assert parse_override(text) == (key, value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("http.address", "invalid flag `http.address`"),
        ("", "invalid flag"),
        ("=x", "key should not be empty"),
        ("a..b=x", "key should not be empty"),
        (".a=x", "key should not be empty"),
        ("a=", "value should not be empty"),
        ("a=  ", "value should not be empty"),
    ],
)
def test_what_is_no_override_is_refused(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_override(text)


def apply(yaml, *overrides, environ=None):
    findings = Findings()
    root = parse_yaml(yaml, "f.yaml", Source.FILE, findings)
    apply_overrides(root, overrides, environ or {}, findings)
    return plain(root), [str(problem) for problem in findings.errors]


def test_overrides_set_and_make_what_they_name_and_the_last_wins():
    assert apply("http: {pool: {debug: true}}", "http.pool.num_workers=2", "rpc.listen=a", "rpc.listen=b") == (
        {"http": {"pool": {"debug": True, "num_workers": "2"}}, "rpc": {"listen": "b"}},
        [],
    )


def test_variables_in_overrides_are_replaced():
    assert apply("", "a=${X:-y}", "b=$Z", environ={"Z": "z"})[0] == {"a": "y", "b": "z"}


def test_an_empty_section_can_be_filled():
    assert apply("http:\n", "http.address=:80")[0] == {"http": {"address": ":80"}}


def test_an_override_below_a_list_of_one_entry_maps_adds_one():
    assert apply("env:\n  - a: 1\n", "env.b=2")[0] == {"env": [{"a": 1}, {"b": "2"}]}


def test_an_override_below_a_value_is_refused():
    assert apply("a: 1\n", "a.b=2")[1] == ["-o a.b: a.b: `a` is a value, not a section: override it as a whole"]
