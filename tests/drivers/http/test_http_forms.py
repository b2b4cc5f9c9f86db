"""Field names to nested keys: every row of spec/worker-and-http.md 5.4, and a model beside them."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.drivers.http.forms import MAX_DEPTH, FormError, field_tree, file_tree, split_name
from rrjobs.drivers.http.urlencoded import check_urlencoded, read_urlencoded


def tree(body: str) -> object:
    return field_tree(read_urlencoded(body.encode()))


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("key", ["key"]),
        ("key [ a ]", ["key", "a"]),
        ("first name", ["firstname"]),
        ("a.b", ["a.b"]),
        ("a[b]c[d]", ["a", "b", "c", "d"]),
        ("a[]", ["a", ""]),
        ("a[b][]", ["a", "b", ""]),
        ("a[][x]", ["a", "", "x"]),
        ("a[b]]", ["a", "b", ""]),
        ("a[b", ["a", "b"]),
        ("a[", ["a"]),
        ("[a]", ["", "a"]),
        ("", [""]),
    ],
)
def test_a_name_is_split_at_its_brackets(name, keys):
    assert split_name(name) == keys


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ("", {}),
        ("a=1&a=2", {"a": "2"}),
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("a[]=1", {"a": ["1"]}),
        ("a[b][]=1&a[b][]=2", {"a": {"b": ["1", "2"]}}),
        ("a[][x]=1&a[][y]=2", {"a": {"": {"x": "1", "y": "2"}}}),
        ("a[][x]=1&a[][x]=2", {"a": {"": {"x": "2"}}}),
        ("a[0]=x&a[1]=y", {"a": {"0": "x", "1": "y"}}),
        ("options=&options[0][id]=7", {"options": {"0": {"id": "7"}}}),
        ("options[0][id]=7&options=", {"options": {"0": {"id": "7"}}}),
        ("a=1&a[b]=", {"a": "1"}),
        ("a[b]=&a=1", {"a": "1"}),
        ("a[]=&a[0]=1", {"a": {"0": "1"}}),
        ("a[b]=&a=", {"a": {"b": ""}}),
        ("a=&a[]=1", {"a": ["1"]}),
        ("a=1&b&c=&=d", {"a": "1", "b": "", "c": "", "": "d"}),
        ("a+b=1+2&c%20d=%2B%26%3D", {"ab": "1 2", "cd": "+&="}),
        ("key%5Ba%5D=1", {"key": {"a": "1"}}),
        ("a.b=1", {"a.b": "1"}),
        ("a=%ff%fe&b=%C3%A9", {"a": "\ufffd\ufffd", "b": "é"}),
        ("&&a=1&", {"a": "1"}),
        ("a=b=c", {"a": "b=c"}),
    ],
)
def test_a_form_becomes_this_tree(body, result):
    assert tree(body) == result


@pytest.mark.parametrize(
    ("body", "key"),
    [("a=1&a[b]=2", "a"), ("a[b]=2&a=1", "a"), ("a[]=1&a[0]=2", "a"), ("a[0]=2&a[]=1", "a"), ("x[a]=1&x[a][b]=2", "a")],
)
def test_a_scalar_and_a_nested_value_in_one_place_are_refused(body, key):
    with pytest.raises(FormError, match=f"^invalid multiple values to key '{key}' in tree$"):
        tree(body)


def test_fields_keep_the_order_of_their_first_arrival():
    assert orjson.dumps(tree("z=1&a=2&m[2]=x&m[10]=y&z=3")) == b'{"z":"3","a":"2","m":{"2":"x","10":"y"}}'


def test_a_field_nested_too_deep_is_dropped():
    def name(depth: int) -> str:
        return "a" + "[a]" * (depth - 1)

    assert tree(f"{name(MAX_DEPTH)}=1") != {}
    assert tree(f"{name(MAX_DEPTH + 1)}=1&b=2") == {"b": "2"}


def test_of_files_with_one_plain_name_the_first_counts():
    assert file_tree([("a", 1), ("a", 2), ("b[]", 3), ("b[]", 4), ("c[x]", 5)]) == {"a": 1, "b": [3, 4], "c": {"x": 5}}


@pytest.mark.parametrize("body", ["a=%", "a=%1", "a=%zz", "%GG=1", "a=1;b=2", "a;b"])
def test_a_bad_escape_or_a_raw_semicolon_is_refused(body):
    with pytest.raises(FormError):
        read_urlencoded(body.encode())
    with pytest.raises(FormError):
        check_urlencoded(body.encode())


keys = st.text(st.characters(exclude_characters="[] ", exclude_categories=["Cs"]), max_size=4)
paths = st.lists(keys, min_size=1, max_size=4)


@given(st.lists(st.tuples(paths, st.text(min_size=1, max_size=5)), max_size=12))
def test_trees_of_non_empty_scalars_are_those_of_a_simple_model(fields):
    """The model: a dict of paths. A conflict is one path that begins another, or a list beside either."""
    fields = [(path, value) for path, value in fields if path[-1] or len(path) == 1]
    names = {tuple(path): path[0] + "".join(f"[{key}]" for key in path[1:]) for path, _ in fields}
    last: dict[tuple[str, ...], str] = {tuple(path): value for path, value in fields}
    clash = any(a != b and b[: len(a)] == a for a in last for b in last)
    pairs = [(names[tuple(path)], value) for path, value in fields]
    if clash:
        with pytest.raises(FormError):
            field_tree(pairs)
        return
    result = field_tree(pairs)
    assert dict(_flat(result)) == last


def _flat(node, path=()):
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flat(value, (*path, key))
        else:
            yield (*path, key), value


@given(st.text(max_size=30), st.text(max_size=10))
def test_any_name_and_value_survive(name, value):
    """Nothing raises but FormError, and the tree can be told as JSON."""
    cleaned = [text.encode("utf-8", "replace").decode() for text in (name, value)]
    orjson.dumps(field_tree([(cleaned[0], cleaned[1])]))
