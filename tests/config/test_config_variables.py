import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.config.variables import expand

ENVIRON = {"SET": "val", "PORT": "9000", "EMPTY": "", "A": "a"}

TABLE = [
    # RoadRunner's own table
    ("$SET", "val"),
    ("$SET/x", "val/x"),
    ("a $SET b", "a val b"),
    ("${SET}", "val"),
    ("${SET}x", "valx"),
    ("plain value", "plain value"),
    ("cost 5$", "cost 5$"),
    ("$ x", "$ x"),
    ("${}", ""),
    ("${SET", "SET"),
    ("${*}", ""),
    ("$1", ""),
    ("$MISSING", ""),
    ("${MISSING:-def}", "def"),
    ("${SET:-def}", "val"),
    ("tcp://h:${PORT:-1}", "tcp://h:9000"),
    ("${SCHEME:-tcp}://127.0.0.1:${RPC_PORT:-36643}", "tcp://127.0.0.1:36643"),
    ("${SCHEME:-tcp}://127.0.0.1:${PORT:-36643}", "tcp://127.0.0.1:9000"),
    ("${SET:val}", ""),
    ("${A:-B:-C}", ""),
    ("x${SET}y ${MISSING:-d}", ""),
    # the rest of the specification's rows
    ("${EMPTY:-def}", "def"),
    ("${MISSING:-}", ""),
    ("$SET and ${MISSING:-d}", ""),
    ("$$", ""),
    ("$*", ""),
    ("a$1b", "ab"),
    ("$", "$"),
    ("${", ""),
    ("x:-y", "x:-y"),
    ("x:-y $SET", ""),
    ("$SET$PORT", "val9000"),
    ("$-", ""),
    ("é$SET", "éval"),
]


@pytest.mark.parametrize(("text", "result"), TABLE)
def test_a_value_expands_as_in_roadrunner(text, result):
    assert expand(text, ENVIRON).text == result


def test_what_a_variable_holds_is_not_expanded_again():
    assert expand("$A", {"A": "$B ${B:-c}", "B": "b"}).text == "$B ${B:-c}"


def test_the_names_that_were_referred_to_are_told():
    assert expand("${SCHEME:-tcp}://$PORT", ENVIRON).emptied
    assert expand("$SET:$PORT", ENVIRON).names == ("SET", "PORT")
    assert expand("none", ENVIRON).names == ()


names = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True)
values = st.text(max_size=12)
plain_text = st.text(max_size=12).filter(lambda text: "$" not in text and ":-" not in text and not text.endswith(":"))


@given(st.lists(st.tuples(plain_text.filter(lambda text: not text.startswith("-")), names, values), max_size=5))
def test_every_braced_reference_is_replaced_by_its_value(parts):
    environ = {name: value for _, name, value in parts}
    text = "".join(f"{before}${{{name}}}" for before, name, _ in parts)
    assert expand(text, environ).text == "".join(before + environ[name] for before, name, _ in parts)


@given(st.lists(st.tuples(plain_text, names, plain_text.filter(lambda text: "}" not in text)), min_size=1, max_size=5))
def test_every_default_is_used_when_nothing_is_set(parts):
    text = "".join(f"{before}${{{name}:-{default}}}" for before, name, default in parts)
    assert expand(text, {}).text == "".join(before + default for before, _, default in parts)


@given(st.text(alphabet="${}:-AB1* x", max_size=40))
def test_no_text_breaks_the_expansion_and_no_reference_to_a_set_name_survives(text):
    result = expand(text, {"A": "1", "B": "2", "AB": "3"})
    assert "$A" not in result.text
    assert "$B" not in result.text


@given(st.text().filter(lambda text: "$" not in text))
def test_a_text_without_dollar_stays_as_it_is(text):
    assert expand(text, ENVIRON).text == text


def test_a_variable_that_overrides_a_key_in_roadrunner_is_told_and_changes_nothing(read):
    text = "http: {address: ':80', pool: {num_workers: 2}}\nrpc: {}\n"
    environ = {"RR_HTTP_POOL_NUM_WORKERS": "7", "RR_HTTP_ADDRESS": ":80", "RR_MODE": "jobs", "RR_RPC": "tcp://a:1"}
    found = read(text, environ=environ)
    (warning,) = found.warnings
    assert "http.pool.num_workers: the variable RR_HTTP_POOL_NUM_WORKERS overrides this key in RoadRunner" in warning
    assert found.loaded.root.http.pool.num_workers == 2
    assert read(text.replace("2}", "'${RR_HTTP_POOL_NUM_WORKERS}'}"), environ=environ).warnings == []
