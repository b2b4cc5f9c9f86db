"""`.pid` and `rrjobs stop`: a server is stopped, and never another process that has its number."""

import os
import signal
import subprocess
import sys

import pytest
from server_process import ROOT, rrjobs, running

RUDE = ROOT / "php" / "tests" / "workers" / "rude.php"


@pytest.fixture
def stranger():
    """A process that is no server."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.communicate(b"\n", timeout=20)


def pid_file(server):
    return server.directory / ".pid"


def test_a_number_that_belongs_to_another_process_by_now_is_not_signalled(tmp_path, stranger):
    (tmp_path / ".pid").write_text(str(stranger.pid))
    ended = rrjobs("stop", "-f", cwd=tmp_path)
    assert ended.returncode == 1
    assert "no server runs here" in ended.stderr
    assert str(stranger.pid) in ended.stderr
    assert stranger.poll() is None


@pytest.mark.parametrize("text", ["", "no number", "-1", "0"])
def test_a_file_without_a_pid_is_told_and_signals_nobody(tmp_path, text):
    (tmp_path / ".pid").write_text(text)
    ended = rrjobs("stop", cwd=tmp_path)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1), ended.stderr


def test_without_a_file_stop_says_how_a_server_is_started_for_it(tmp_path):
    ended = rrjobs("stop", cwd=tmp_path)
    assert ended.returncode == 1
    assert "rrjobs run -p" in ended.stderr


def test_the_file_of_a_killed_server_is_stale_and_the_next_start_replaces_it(start_server, settings):
    server = start_server(settings, "-p")
    os.kill(server.pid, signal.SIGKILL)
    server.wait(20)
    assert pid_file(server).read_text() == str(server.pid)
    ended = rrjobs("stop", cwd=server.directory)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "stale" in ended.stderr
    with running(server.directory, settings, "-p") as again:
        assert f".pid was left behind by process {server.pid}: replaced" in again.output
        assert pid_file(again).read_text() == str(again.pid)


def test_a_second_server_of_the_same_directory_is_refused_and_the_first_goes_on(start_server, settings):
    server = start_server(settings, "-p")
    second = rrjobs("run", "-p", cwd=server.directory)
    assert second.returncode == 1
    assert f"runs already, process {server.pid}" in second.stderr
    assert pid_file(server).read_text() == str(server.pid)
    assert server.cli("stop").returncode == 0
    assert server.wait(20) == 0


def test_stop_works_when_the_configuration_was_broken_meanwhile(start_server, settings):
    server = start_server(settings, "-p")
    server.path.write_text("version: 3\nhttp: [")
    assert server.cli("stop").stdout == f"asked process {server.pid} to stop\n"
    assert server.wait(20) == 0
    assert not pid_file(server).exists()


def test_a_forced_stop_aborts_and_leaves_no_file(start_server, settings):
    server = start_server({**settings, "server": {"command": ["php", str(RUDE)]}}, "-p")
    assert server.cli("jobs", "push", "mail", "job", '{"do":"hang"}').returncode == 0
    assert server.cli("stop", "-f").returncode == 0
    assert server.wait(20) == 1
    assert not pid_file(server).exists()


def test_a_start_that_fails_leaves_no_file(tmp_path):
    (tmp_path / ".rr.yaml").write_text(
        'version: "3"\nserver: {command: no-such-program}\nhttp: {address: "127.0.0.1:0"}\n'
    )
    assert rrjobs("run", "-p", cwd=tmp_path).returncode == 1
    assert not (tmp_path / ".pid").exists()
