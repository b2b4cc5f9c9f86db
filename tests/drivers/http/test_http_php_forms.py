"""Forms as PHP itself would decode them: where the two agree, and the whole list of where they do not."""

import contextlib
import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server_process import wait_until

from rrjobs.drivers.http.form import Form, FormBody
from rrjobs.drivers.http.forms import FormError, Node, field_tree
from rrjobs.drivers.http.uploads import Upload
from rrjobs.drivers.http.urlencoded import read_urlencoded
from rrjobs.protocol.http1.body_room import BodyRoom

pytestmark = pytest.mark.skipif(shutil.which("php") is None, reason="php is not installed")

SCRIPT = str(Path(__file__).with_name("parse_str.php"))


class Verdict(NamedTuple):
    """`equal`: our tree, decoded by PHP, is PHP's own array, order included. `parsed`: PHP's own."""

    equal: bool
    parsed: Any


Ask = Callable[[str, object], Verdict]


@pytest.fixture(scope="module")
def php() -> Iterator[Ask]:
    command = ["php", "-d", "max_input_nesting_level=127", SCRIPT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None

        def ask(body: str, decoded: object) -> Verdict:
            process.stdin.write(json.dumps([body, decoded]) + "\n")
            process.stdin.flush()
            return Verdict(*json.loads(process.stdout.readline()))

        yield ask
        process.stdin.close()


def ours(body: str) -> Node | str:
    """The tree, or why there is none."""
    try:
        return field_tree(read_urlencoded(body.encode()))
    except FormError as err:
        return str(err)


keys = st.text("abc12_", min_size=1, max_size=2)
plain_names = st.builds(
    lambda first, rest, tail: first + "".join(f"[{key}]" for key in rest) + tail,
    st.text("abc_", min_size=1, max_size=2),
    st.lists(keys, max_size=4),
    st.sampled_from(["", "", "[]"]),
)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=6)


def encoded(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)


some = values.filter(bool)


groups = st.lists(
    st.tuples(plain_names, st.lists(some, min_size=1, max_size=3)), max_size=6, unique_by=lambda one: one[0]
)
"""Values of one name stand together: those that come again later take the place of the first, as in RoadRunner."""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=groups)
def test_what_is_not_refused_of_plain_names_is_what_php_makes_of_it(php, groups):
    body = encoded([(name, value) for name, values in groups for value in values])
    tree = ours(body)
    if not isinstance(tree, str):
        assert php(body, tree).equal, (body, tree, php(body, tree).parsed)


DEEP = "a" + "[x]" * 126 + "=1"
TOO_DEEP = "a" + "[x]" * 128 + "=1"
CONFLICT = "invalid multiple values to key 'a' in tree"


@pytest.mark.parametrize(
    "body",
    [
        *("a=1&a=2", "a[]=1&a[]=2", "a[b][]=1&a[b][]=2", "a[0]=x&a[1]=y", "options=&options[0][id]=7", "a=&a[]=1"),
        *("a=b=c", "&&a=1&", "key%5Ba%5D=1", "a[b.c]=1", "a[-1]=x", "a[01]=x", "0=x", " a=1", "a[b][=1"),
        *("a[x]=1&a[x]=2", "a=1&a[]=2", DEEP, TOO_DEEP),
    ],
)
def test_names_that_php_decodes_alike(php, body):
    assert php(body, ours(body)).equal


@pytest.mark.parametrize(
    ("body", "here", "there"),
    [
        ("a[][x]=1&a[][y]=2", {"a": {"": {"x": "1", "y": "2"}}}, {"a": [{"x": "1"}, {"y": "2"}]}),
        ("options[0][id]=7&options=", {"options": {"0": {"id": "7"}}}, {"options": ""}),
        ("a=1&a[b]=", {"a": "1"}, {"a": {"b": ""}}),
        ("a=1&=d", {"a": "1", "": "d"}, {"a": "1"}),
        ("first name=1&a.b=2", {"firstname": "1", "a.b": "2"}, {"first_name": "1", "a_b": "2"}),
        ("a[ b ]=1", {"a": {"b": "1"}}, {"a": {" b ": "1"}}),
        ("a[b]c[d]=1", {"a": {"b": {"c": {"d": "1"}}}}, {"a": {"b": "1"}}),
        ("a[b]]=1", {"a": {"b": ["1"]}}, {"a": {"b": "1"}}),
        ("a[b=1", {"a": {"b": "1"}}, {"a_b": "1"}),
        ("a[=1", {"a": "1"}, {"a_": "1"}),
        ("[a]=1", {"": {"a": "1"}}, []),
        ("a]b=1", {"a": {"b": "1"}}, {"a]b": "1"}),
        ("a[[b]]=1", {"a": {"b": ["1"]}}, {"a": {"[b": "1"}}),
        ("a[b[c]]=1", {"a": {"b": {"c": ["1"]}}}, {"a": {"b[c": "1"}}),
        ("a%00b=1", {"a\0b": "1"}, {"a": "1"}),
        ("a=1&a[]=2&a=3", {"a": ["2"]}, {"a": "3"}),
        ("a[0]=x&a[]=y", CONFLICT, {"a": ["x", "y"]}),
        ("a[]=x&a[0]=y", CONFLICT, {"a": ["y"]}),
        ("a[b]=1&a[]=2", CONFLICT, {"a": {"b": "1", "0": "2"}}),
        ("a=1&a[b]=2", CONFLICT, {"a": {"b": "2"}}),
        ("a[b]=2&a=1", CONFLICT, {"a": "1"}),
    ],
)
def test_names_that_roadrunner_and_so_we_decode_otherwise_than_php(php, body, here, there):
    tree = ours(body)
    assert tree == here
    assert php(body, tree) == (False, there)


@pytest.fixture(scope="module")
def php_server(tmp_path_factory) -> Iterator[str]:
    """PHP's own web server, which decodes multipart bodies as php-fpm does."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("php") / "log").open("wb")
    command = ["php", "-S", f"127.0.0.1:{port}", SCRIPT]
    with log, subprocess.Popen(command, stdout=log, stderr=log) as process:

        def answers() -> bool:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            return False

        wait_until(answers, "php -S listens")
        yield f"http://127.0.0.1:{port}/"
        process.terminate()


class Files:
    """Takes the files of a form in place of a Spool."""

    def begin(self, upload: Upload) -> None: ...

    def add(self, upload: Upload, data: bytes | None) -> None: ...

    def discard(self) -> None: ...

    def finish(self, done: Callable[[], None]) -> None:
        done()


def part(name: str, value: str, filename: str = "") -> str:
    shown = f'; filename="{filename}"' if filename else ""
    return f'--X\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n\r\n{value}\r\n'


MULTIPART = [
    part("a", "1") + part("a", "2"),
    part("a[]", "1") + part("a[]", "2"),
    part("a[b][c]", "1") + part("a[b][d]", "") + part("z", "x\r\ny"),
    part("a[0]", "x") + part("a[1]", "y"),
    part('quoted\\"name', "1"),
    part("é", "ü"),
    part("f", "content", "one.txt") + part("a", "1"),
    part("f[]", "1", "one.txt") + part("f[]", "2", "two.txt"),
    part("f[x][y]", "1", "o n e.txt"),
    part("dir", "1", "../../etc/passwd"),
]


@pytest.mark.parametrize("parts", MULTIPART)
def test_multipart_fields_and_names_of_files_are_what_php_makes_of_them(php_server, parts):
    body = f"{parts}--X--\r\n".encode()
    request = urllib.request.Request(php_server, body, {"Content-Type": "multipart/form-data; boundary=X"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        posted, files = json.load(answer)
    taken = FormBody(b"X", Files(), lambda name: False, BodyRoom(2**20))  # type: ignore[arg-type]
    taken.feed(body)
    forms: list[Form] = []
    taken.finish(forms.append)
    fields, uploads = json.loads(forms[0].fields), json.loads(forms[0].uploads)
    assert listed(fields) == listed(posted)
    assert listed(names_of(uploads)) == listed(files)


def names_of(tree: Any) -> Any:
    """The file names in a tree of uploads."""
    if isinstance(tree, list):
        return [names_of(one) for one in tree]
    return tree["name"] if "tmpName" in tree else {key: names_of(below) for key, below in tree.items()}


def listed(tree: Any) -> Any:
    """PHP's JSON shows an array with the keys 0, 1, ... as a list; order counts."""
    if isinstance(tree, list):
        tree = {str(place): one for place, one in enumerate(tree)}
    return [(key, listed(below)) for key, below in tree.items()] if isinstance(tree, dict) else tree
