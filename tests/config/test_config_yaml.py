import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.config.nodes import Source, plain
from rrjobs.config.problems import Findings
from rrjobs.config.scalars import resolve_plain
from rrjobs.config.yaml_text import parse_yaml


def parse(text):
    findings = Findings()
    node = parse_yaml(text, "f.yaml", Source.FILE, findings)
    return (None if node is None else plain(node)), [str(problem) for problem in findings.errors]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("No", "No"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("42", 42),
        ("-7", -7),
        ("+7", 7),
        ("1_000_000", 1_000_000),
        ("0x1F", 31),
        ("0o17", 15),
        ("0755", 0o755),
        ("0b101", 5),
        ("08", 8.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("22:22", "22:22"),
        ("2020-01-01", "2020-01-01"),
        ("1.2.3", "1.2.3"),
        ("30s", "30s"),
        ("-", "-"),
        ("0x", "0x"),
        ("9" * 100, "9" * 100),
    ],
)
def test_a_plain_scalar_is_read_by_yaml_1_2(text, value):
    assert resolve_plain(text) == value
    assert type(resolve_plain(text)) is type(value)


def test_quoted_scalars_are_texts_and_tags_decide():
    assert parse("""a: '4'\nb: "true"\nc: !!str 4\nd: !!int "4"\n""") == (
        {"a": "4", "b": "true", "c": "4", "d": 4},
        [],
    )


def test_an_unknown_tag_is_refused():
    assert parse("a: !php x")[1] == ["f.yaml:1:4: a: has the unknown tag !php: write the plain value"]


def test_keys_are_in_lower_case_and_dots_separate_levels():
    assert parse("HTTP:\n  pool.Debug: true\nhttp.pool.num_workers: 2\n") == (
        {"http": {"pool": {"debug": True, "num_workers": 2}}},
        [],
    )


def test_a_dotted_key_joins_the_section_it_belongs_to_in_either_order():
    assert parse("pool: {a: 1}\npool.b: 2")[0] == {"pool": {"a": 1, "b": 2}}
    assert parse("pool.b: 2\npool: {a: 1}")[0] == {"pool": {"a": 1, "b": 2}}


def test_dots_in_keys_within_lists_separate_nothing():
    assert parse("objectives:\n  - 0.5: 0.05\n  - App.Name: x\n")[0] == {
        "objectives": [{"0.5": 0.05}, {"app.name": "x"}]
    }


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: 1\nb: 2\nA: 3", "f.yaml:3:1: a: given twice, first at line 1: remove one of them"),
        ("p: {a: 1}\np: {b: 1}", "f.yaml:2:1: p: given twice, first at line 1: remove one of them"),
        ("p: {a: 1}\np.a: 2", "f.yaml:2:1: p.a: given twice, first at line 1: remove one of them"),
        ("p: 1\np.a: 2", "f.yaml:2:1: p.a: given twice, first at line 1: remove one of them"),
        ("? [a]\n: 1", "f.yaml:1:3: a key must be a text, not a list or a map"),
        ("<<: 3", "f.yaml:1:5: <<: a merge takes a map: write <<: *name of a map"),
    ],
)
def test_a_key_that_cannot_be_is_an_error_at_its_place(text, error):
    assert parse(text)[1] == [error]


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("a: b: c", "f.yaml:1:5:", "quote the value"),
        ("a: 'x", "f.yaml:1:6:", "close the quote"),
        ("a:\n\t- b", "f.yaml:2:1:", "indent with spaces"),
        ("a: {b: ${X:-1}}", "f.yaml:1:", "quote ${NAME} inside of braces"),
        ("a:\n  b: 1\n c: 2", "f.yaml:3:2:", "check the indentation"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1:", "remove the `---`"),
        ("a: *x", "f.yaml:1:4:", "define it with &"),
        ("a: @x", "f.yaml:1:4:", "quote values that begin with @"),
        ("a: \x00", "f.yaml:1:1:", "not YAML"),
    ],
)
def test_a_yaml_error_has_its_place_and_a_way_out(text, place, hint):
    value, errors = parse(text)
    assert value is None
    assert len(errors) == 1
    assert errors[0].startswith(place)
    assert hint in errors[0]


def test_merged_maps_give_way_to_what_is_written_beside_them():
    text = "x: &a {p: 1, q: 2}\ny: &b {q: 3, r: 4}\nz:\n  q: 5\n  <<: [*a, *b]\n"
    assert parse(text)[0]["z"] == {"p": 1, "q": 5, "r": 4}


def test_aliases_that_multiply_are_cut_off_with_one_error():
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    _, errors = parse("\n".join(lines))
    assert len(errors) == 1
    assert "aliases that repeat too much" in errors[0]


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: " + "{b: " * 200 + "1" + "}" * 200, "[" * 5000])
def test_endless_nesting_is_an_error(text):
    assert len(parse(text)[1]) == 1


def test_json_is_read_too():
    assert parse('{\n\t"http": {"address": ":80", "pool": null},\n\t"n": [1, 2.5, true, "x\\/y\\u00e9"]\n}\n') == (
        {"http": {"address": ":80", "pool": None}, "n": [1, 2.5, True, "x/yé"]},
        [],
    )


@given(st.text(alphabet="ab:-[]{}#&*!|>'\"%@`, \n\t.1?<", max_size=60))
def test_every_text_is_a_tree_or_errors_with_places(text):
    findings = Findings()
    node = parse_yaml(text, "f.yaml", Source.FILE, findings)
    assert node is not None or findings.errors
    assert all(str(problem).startswith("f.yaml:") for problem in findings.errors)


def test_an_empty_file_is_an_empty_section():
    assert parse("") == ({}, [])
    assert parse("# only a comment\n") == ({}, [])
