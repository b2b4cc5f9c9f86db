"""Includes, dotenv files, and where files are looked for."""

import os
from pathlib import Path

import pytest

from rrjobs.config.load import Request, load
from rrjobs.errors import ConfigError

HTTP = "http: {address: ':80'}\n"


def test_an_included_section_replaces_the_root_s_as_a_whole(read):
    found = read(
        "http: {address: ':80', raw_body: true}\nrpc: {}\ninclude: [a.yaml, b.yaml]\n",
        files={
            "a.yaml": "version: '3'\nhttp: {address: ':81', access_logs: true}\nlogs: {level: warn}\n",
            "b.yaml": "version: '3'\nlogs: {mode: raw}\n",
        },
    )
    root = found.loaded.root
    assert (root.http.address, root.http.raw_body, root.http.access_logs) == (":81", False, True)
    assert (root.logs.mode, root.logs.level) == ("raw", "info")
    assert root.rpc is not None


def test_an_include_wins_over_an_override_and_that_is_told(read):
    found = read(
        f"{HTTP}include: a.yaml\n",
        "http.address=:99",
        files={"a.yaml": "version: '3'\nhttp: {address: ':81'}\n"},
    )
    assert found.loaded.root.http.address == ":81"
    assert found.warnings == [
        f"-o http.address: has no effect: the section `http` comes from the included {Path.cwd() / 'a.yaml'}:2:1"
    ]


def test_includes_can_come_from_an_override_separated_by_blanks(read):
    found = read(
        HTTP,
        'include="a.yaml b.yaml"',
        files={
            "a.yaml": "version: '3'\nrpc: {}\n",
            "b.yaml": "version: '3'\nlogs: {level: $LEVEL}\n",
        },
        environ={"LEVEL": "error"},
    )
    assert found.loaded.root.rpc is not None
    assert found.loaded.root.logs.level == "error"


def test_an_included_file_has_the_same_version(read):
    found = read(f"{HTTP}include: [a.yaml]\n", files={"a.yaml": "version: '2.7'\nrpc: {}\n"})
    assert found.errors == [
        f"{Path.cwd() / 'a.yaml'}:1:10: version: version in included file must be the same as in root: "
        'write version: "3"'
    ]


def test_a_missing_include_is_an_error_where_it_is_asked_for(read):
    found = read(f"{HTTP}include: [a.yaml]\n")
    assert found.errors == [
        f".rr.yaml:4:11: include: cannot read {Path.cwd() / 'a.yaml'}: there is no such file, check the path"
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_include_without_permission_is_an_error(read):
    Path("a.yaml").write_text("version: '3'\n")
    Path("a.yaml").chmod(0)
    assert "not permitted" in read(f"{HTTP}include: [a.yaml]\n").errors[0]


def test_an_include_that_is_a_directory_is_an_error(read):
    Path("a.yaml").mkdir()
    assert "it is a directory" in read(f"{HTTP}include: [a.yaml]\n").errors[0]


def test_errors_in_included_files_have_their_own_places(read):
    found = read(f"{HTTP}include: [sub/a.yaml]\n", files={"sub/a.yaml": "version: '3'\nrpc:\n  lisen: x\n"})
    place = f"{Path.cwd() / 'sub/a.yaml'}:3:3"
    assert found.errors == [f"{place}: rpc.lisen: unknown key, did you mean `listen`?"]


def test_nested_includes_are_not_followed_and_that_is_told(read):
    found = read(
        f"{HTTP}include: [a.yaml]\n",
        files={"a.yaml": "version: '3'\ninclude: [b.yaml]\nrpc: {}\n"},
    )
    assert found.loaded.root.rpc is not None
    assert "cannot include others" in found.warnings[0]


def test_an_envfile_brings_variables_that_are_not_set(read):
    found = read(
        "http: {address: '$HOST:$PORT'}\nenvfile: my.env\n",
        files={"my.env": "# hosts\nexport HOST=localhost\nPORT='81'\n"},
        environ={"PORT": "82"},
    )
    assert found.loaded.root.http.address == "localhost:82"
    assert found.loaded.environment == {"HOST": "localhost"}


def test_a_dotenv_file_is_read_before_the_configuration(read):
    found = read(
        "http: {address: 'localhost:$PORT'}\n",
        files={"my.env": "BASE=80\nPORT=\"${BASE}90\"\nRAW='$BASE'\n"},
        request=Request(dotenv=Path("my.env")),
    )
    assert found.loaded.root.http.address == "localhost:8090"
    assert found.loaded.environment == {"BASE": "80", "PORT": "8090", "RAW": "$BASE"}


def test_the_variable_dotenv_path_wins_over_the_flag(read):
    found = read(
        HTTP,
        files={"a.env": "X=a\n", "b.env": "X=b\n"},
        request=Request(dotenv=Path("a.env")),
        environ={"DOTENV_PATH": "b.env"},
    )
    assert found.loaded.environment == {"X": "b"}


def test_a_missing_dotenv_file_is_an_error(read):
    found = read(HTTP, request=Request(dotenv=Path("no.env")))
    assert found.errors == [f"--dotenv: cannot read {Path.cwd() / 'no.env'}: there is no such file, check the path"]


def test_a_dotenv_line_that_cannot_be_read_is_an_error_with_its_line(read):
    found = read(HTTP, files={"my.env": "A=1\n'''\nB=2\n"}, request=Request(dotenv=Path("my.env")))
    assert found.errors == [f"{Path.cwd() / 'my.env'}:2:1: cannot be read: write NAME=value"]


def test_without_a_flag_the_file_is_in_the_current_directory(read):
    loaded = read(HTTP).loaded
    assert loaded.path == Path.cwd() / ".rr.yaml"
    assert loaded.directory == Path.cwd()


def test_without_a_file_the_error_says_where_it_was_looked_for(read):
    errors = read(None).errors
    assert errors == [f"{Path.cwd()}: there is no .rr.yaml in this directory: name a configuration with -c"]


def test_the_working_directory_is_that_of_the_file(read, tmp_path):
    files = {
        "conf/my.yaml": f'version: "3"\nserver.command: x\n{HTTP}include: [b.yaml]\n',
        "conf/b.yaml": 'version: "3"',
    }
    found = read(None, files=files, request=Request(path=Path("conf/my.yaml")))
    assert found.loaded.directory == tmp_path / "conf"
    assert found.loaded.path == tmp_path / "conf" / "my.yaml"


def test_with_a_working_directory_the_file_and_includes_are_relative_to_it(read, tmp_path):
    files = {
        "work/conf/my.yaml": f'version: "3"\nserver.command: x\n{HTTP}include: [b.yaml]\nenvfile: e.env\n',
        "work/b.yaml": 'version: "3"\nrpc: {}\n',
        "work/conf/e.env": "A=1\n",
    }
    found = read(None, files=files, request=Request(path=Path("conf/my.yaml"), workdir=Path("work")))
    assert found.loaded.directory == tmp_path / "work"
    assert found.loaded.root.rpc is not None
    assert found.loaded.environment == {"A": "1"}


def test_a_working_directory_that_does_not_exist_is_an_error(read):
    assert read(None, request=Request(workdir=Path("no"))).errors == ["-w no: there is no such directory"]


def test_a_json_file_is_a_configuration_too(read):
    text = '{"version": "3", "server": {"command": "x"}, "http": {"address": ":80"}}'
    found = read(None, files={"rr.json": text}, request=Request(path=Path("rr.json")))
    assert found.loaded.root.http.address == ":80"


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("rr.toml", b"a = 1", "neither YAML nor JSON: convert it to YAML"),
        ("rr.yaml", b"a: \xff\xfe", "is not UTF-8 text (byte 3): save it as UTF-8"),
        ("rr.yaml", b"- a", "a configuration is a map of sections"),
        ("rr.yaml", b"", "a configuration has a version"),
        ("rr.yaml", b"\xef\xbb\xbfversion: 3", "version should be a string"),
    ],
)
def test_a_file_that_is_no_configuration_is_one_error(read, name, content, complaint):
    Path(name).write_bytes(content)
    errors = read(None, request=Request(path=Path(name))).errors
    assert len(errors) == 1
    assert complaint in errors[0]


def test_load_raises_all_errors_at_once(tmp_path):
    path = tmp_path / "rr.yaml"
    path.write_text("http: {a: 1}\nrpc: {b: 1}\n")
    with pytest.raises(ConfigError) as caught:
        load(path, overrides=["nonsense"])
    assert len(caught.value.problems) == 6
    assert str(caught.value).count("\n") == 5


def test_reading_changes_neither_directory_nor_environment(read):
    before = (Path.cwd(), dict(os.environ))
    assert read(HTTP, files={"my.env": "RRJOBS_SECRET=1\n"}, request=Request(dotenv=Path("my.env"))).loaded is not None
    assert (Path.cwd(), dict(os.environ)) == before
