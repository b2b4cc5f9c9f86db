"""Whatever is wrong with a command's input or its server: one message that a person understands, and an exit code."""

import socket
import threading
from pathlib import Path

import pytest
from server_process import EXAMPLES, rrjobs

HEAD = f'version: "3"\nserver: {{command: "php {EXAMPLES / "any.php"}"}}\n'


def told(directory: Path, *arguments: str, code: int = 1) -> str:
    """What a command that fails says on stderr."""
    ended = rrjobs(*arguments, cwd=directory)
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout
    assert "please report it" not in ended.stderr
    return ended.stderr.strip()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http: [", "not YAML"),
        ("- a\n- b\n", "a configuration is a map of sections"),
        (f"{HEAD}http: {{address: ':0', pool: {{num_workers: -1}}}}\n", "http.pool.num_workers: must be 0"),
        (f"{HEAD}http: {{address: ':0', pol: {{}}}}\n", "http.pol: unknown key, did you mean `pool`?"),
        ('version: "3"\ninclude: [no.yaml]\nhttp: {address: ":0"}\n', "cannot read"),
        (f"{HEAD}http: {{address: '127.0.0.1:99999'}}\n", "must be a number from 0 to 65535"),
        (f"{HEAD}http: {{address: ':0'}}\nlogs: {{output: [/no/dir/log]}}\n", "logs: cannot write to /no/dir/log"),
        ('version: "3"\nserver: {command: no-such-php w.php}\nhttp: {address: ":0"}\n', "no program 'no-such-php'"),
        ('version: "3"\nserver: {command: php no.php}\nhttp: {address: ":0"}\n', "Could not open input file: no.php"),
    ],
)
def test_a_start_that_cannot_be_says_why_once(tmp_path, text, said):
    (tmp_path / ".rr.yaml").write_text(text)
    message = told(tmp_path, "run")
    assert message.count(said) == 1, message
    assert len(message.splitlines()) <= 2, message


@pytest.mark.parametrize("arguments", [("run",), ("workers",), ("jobs", "list"), ("reset",), ("stop",)])
def test_a_missing_configuration_or_server_is_one_line(tmp_path, arguments):
    assert len(told(tmp_path, *arguments).splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [("frobnicate",), ("run", "--nope"), ("jobs",), ("jobs", "push", "mail"), ("jobs", "pause")],
)
def test_a_wrong_command_line_has_exit_code_2(tmp_path, arguments):
    told(tmp_path, *arguments, code=2)


@pytest.mark.parametrize("argument", ["--priority=99999999999999999999", "--delay=-1", "--header=x", "--delay=1e3"])
def test_a_push_with_a_wrong_option_is_refused_before_it_is_sent(tmp_path, argument):
    (tmp_path / ".rr.yaml").write_text('version: "3"\nrpc: {}\n')
    assert argument.partition("=")[0] in told(tmp_path, "jobs", "push", "mail", "job", argument, code=2)


@pytest.fixture
def server(start_server, settings):
    return start_server(settings)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("jobs", "push", "nobody", "job"), "no such pipeline, requested: nobody"),
        (("jobs", "destroy", "nobody"), "nobody: no such pipeline, requested: nobody"),
        (("jobs", "resume", "mail"), "mail: memory listener is already in the active state"),
        (("reset", "nobody"), "nobody: no such plugin: nobody"),
        (("workers", "nobody"), "no such plugin: nobody"),
    ],
)
def test_what_the_server_refuses_is_one_line_of_plain_words(server, arguments, said):
    assert told(server.directory, *arguments) == said


def test_of_several_names_the_good_ones_are_done_and_the_bad_ones_told(server):
    ended = server.cli("jobs", "pause", "nobody", "mail")
    assert (ended.returncode, ended.stdout) == (1, "mail: pause\n")
    assert ended.stderr.startswith("nobody: ")


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\nwhatever it is\r\n", b"\x00" * 64, b"\x15\x08", b""]
)
def test_something_else_that_listens_at_the_rpc_address_is_named(tmp_path, answer):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_answer_once, args=(listening, answer))
        thread.start()
        address = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        (tmp_path / ".rr.yaml").write_text(f'version: "3"\nrpc: {{listen: "{address}"}}\n')
        message = told(tmp_path, "jobs", "list")
        thread.join(20)
    assert address in message
    assert len(message.splitlines()) == 1


def _answer_once(listening: socket.socket, answer: bytes) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(answer)
