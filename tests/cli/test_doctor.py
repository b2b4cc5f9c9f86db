"""`rrjobs doctor`: what it finds on this machine for a configuration, and when it fails."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from server_process import ROOT, rrjobs

from rrjobs.cli.checks.finding import State
from rrjobs.cli.checks.machine import check_machine, wanted_files
from rrjobs.config.load import load

WORKER = str(ROOT / "php" / "examples" / "any.php")


@pytest.fixture
def doctor(tmp_path):
    def run(config: dict[str, Any], directory: Path = tmp_path) -> tuple[int, dict[str, tuple[str, str]]]:
        """Exit code, and state and text by subject."""
        (directory / ".rr.yaml").write_text(yaml.safe_dump({"version": "3", **config}))
        ended = rrjobs("doctor", "--json", cwd=directory)
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended.returncode, {row["subject"]: (row["state"], row["text"]) for row in json.loads(ended.stdout)}

    return run


def test_a_sound_configuration_on_this_machine_passes(doctor, settings):
    code, found = doctor(settings)
    assert code == 0, found
    assert {state for state, _ in found.values()} <= {"ok", "hint"}
    assert found["http"][1].endswith("is free")
    assert {"php", "ext-json", "ext-sockets", "ext-mbstring", "open files", "pipes"} <= set(found)


def test_a_port_of_a_stranger_is_an_error_and_of_the_own_server_is_none(doctor, settings, start_server):
    server = start_server(settings)
    ended = server.cli("doctor", "--json")
    assert ended.returncode == 0, ended.stdout
    rows = {row["subject"]: row["text"] for row in json.loads(ended.stdout) if "taken" in row["text"]}
    assert set(rows) == {"http", "rpc", "status"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, found = doctor({"server": {"command": ["php", WORKER]}, "http": {"address": address}})
    assert code == 1
    assert found["http"][0] == "error"
    assert "another program has this port" in found["http"][1]


@pytest.mark.parametrize(
    ("command", "subject", "text"),
    [
        (["php-of-yesterday", WORKER], "php", "php-of-yesterday is not there"),
        (["php", "no-such-worker.php"], "worker", "no file of `php no-such-worker.php`"),
    ],
)
def test_a_command_that_cannot_run_is_an_error(doctor, command, subject, text):
    code, found = doctor({"server": {"command": command}, "http": {"address": "127.0.0.1:0"}})
    assert code == 1
    assert found[subject][0] == "error"
    assert text in found[subject][1]


@pytest.mark.parametrize("listed", ["composer.lock", "vendor/composer/installed.json"])
def test_composer_packages_beside_the_worker_are_judged(doctor, tmp_path, listed):
    versions = {
        "spiral/goridge": "4.2.0",
        "spiral/roadrunner-worker": "v3.5.0",
        "spiral/roadrunner-http": "9.0.0",
        "spiral/roadrunner-kv": "4.3.0",
        "spiral/roadrunner-jobs": "dev-master",
        "symfony/console": "7.0.0",
    }
    path = tmp_path / listed
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"packages": [{"name": name, "version": one} for name, one in versions.items()]}))
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "worker.php").write_text("<?php")
    command = ["php", "-d", "memory_limit=1G", "public/worker.php"]
    code, found = doctor({"server": {"command": command}, "http": {"address": "127.0.0.1:0"}})
    assert code == 0, found
    assert {name: found[name][0] for name in versions if name in found} == {
        "spiral/goridge": "ok",
        "spiral/roadrunner-worker": "ok",
        "spiral/roadrunner-http": "warning",
        "spiral/roadrunner-kv": "warning",
        "spiral/roadrunner-jobs": "hint",
    }


@pytest.mark.parametrize("text", ["{", "[]", '{"packages": 3}', '{"packages": [{}]}'])
def test_an_unreadable_list_of_packages_is_told_and_stops_nothing(doctor, tmp_path, text):
    (tmp_path / "composer.lock").write_text(text)
    (tmp_path / "worker.php").write_text("<?php")
    code, found = doctor({"server": {"command": ["php", "worker.php"]}, "http": {"address": "127.0.0.1:0"}})
    assert code == 0
    assert "open files" in found


def test_rpc_that_is_reached_from_outside_is_a_warning_with_the_reason(tmp_path, free_port):
    config = {"version": "3", "rpc": {"listen": f"tcp://0.0.0.0:{free_port()}"}}
    (tmp_path / ".rr.yaml").write_text(yaml.safe_dump(config))
    ended = rrjobs("doctor", cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout
    (line,) = [line for line in ended.stdout.splitlines() if line.startswith("warning")]
    assert "anybody who reaches this port can push jobs" in line
    assert any(line.startswith("different  rpc") for line in ended.stdout.splitlines())


def test_sections_that_do_not_exist_yet_fail_the_report_by_name(doctor):
    code, found = doctor({"kv": {"a": {"driver": "redis"}}, "server": {"command": ["php", WORKER]}})
    assert code == 1
    assert found["kv"][0] == "not yet"


def test_keys_and_drivers_that_do_not_exist_yet_are_told_apart_from_mistakes(doctor):
    http = {"address": ":0", "ssl": {"address": ":443"}, "adress": "x"}
    jobs = {"pipelines": {"mail": {"driver": "boltdb", "config": {}}}}
    _, found = doctor({"http": http, "jobs": jobs, "server": {"command": ["php", WORKER]}})
    assert found["http.ssl"][0] == found["jobs.pipelines.mail.driver"][0] == "not yet"
    assert found["config"][0] == "error"
    assert "did you mean `address`" in found["config"][1]


def test_limits_are_held_against_what_the_configuration_may_use(tmp_path, monkeypatch):
    path, pages = tmp_path / ".rr.yaml", tmp_path / "pipe-user-pages-soft"
    path.write_text(
        'version: "3"\nserver: {command: php x.php}\n'
        'http: {address: ":0", pool: {num_workers: 200}, limits: {max_connections: 2000000}}\n'
    )
    pages.write_text("1024\n")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("resource.getrlimit", lambda kind: (1024, 65536))
    root = load(path).root
    assert wanted_files(root, 200) > 2_000_000
    found = {one.subject: one for one in check_machine(root, pages)}
    assert found["open files"].state is State.WARNING
    assert found["pipes"].state is State.WARNING
    pages.write_text("0\n")
    assert {one.subject: one.state for one in check_machine(root, pages)}["pipes"] is State.OK


def test_it_says_which_memory_pipelines_a_kill_would_cost_their_jobs(doctor, settings):
    kinds: dict[str, Any] = {"plain": {}, "safe": {"journal": {"sync": "interval"}}, "bare": {"journal": "off"}}
    pipelines = {name: {"driver": "memory", "config": config} for name, config in kinds.items()}
    code, found = doctor({**settings, "jobs": {"pipelines": pipelines}})
    assert code == 0, found
    assert found["pipeline plain"][0] == "hint"
    assert "lost by kill -9" in found["pipeline plain"][1]
    assert found["pipeline safe"] == (
        "ok",
        "memory with a journal, sync: interval, a crash of the machine loses the last 100 ms",
    )
    assert found["pipeline bare"][0] == "warning"
    assert "lost at every end" in found["pipeline bare"][1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_it_says_where_no_journal_can_be_kept(doctor, settings, tmp_path):
    places = {name: tmp_path / name for name in ("file", "foreign", "stranger", "below")}
    places["file"].write_text("mine")
    places["foreign"].mkdir()
    (places["foreign"] / "letters.txt").write_text("mine")
    places["stranger"].mkdir()
    os.chown(places["stranger"], 12345, 12345)
    places["below"] = places["file"] / "journal"
    configs = {name: {"journal": {"path": str(place)}} for name, place in places.items()}
    pipelines = {name: {"driver": "memory", "config": config} for name, config in configs.items()}
    code, found = doctor(
        {
            **settings,
            "jobs": {"pipelines": {**pipelines, "plain": {"driver": "memory"}}},
            "state_dir": str(places["file"]),
        }
    )
    assert code == 1
    for name, text in (
        ("file", "not a folder"),
        ("foreign", "holds other files"),
        ("stranger", "belongs to uid 12345"),
        ("below", "not a folder"),
    ):
        assert found[f"pipeline {name}"][0] == "error"
        assert text in found[f"pipeline {name}"][1]
    assert found["pipeline plain"] == (
        "warning",
        f"memory without a journal: lost at every end of the server, for {places['file']} cannot be written",
    )
