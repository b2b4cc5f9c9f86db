"""`rrjobs config` as a user runs it, apart from the flags of the whole program."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rrjobs.cli.config import config
from rrjobs.config.load import Request

GOOD = 'version: "3"\nserver: {command: x, env: {PASSWORD: hunter2}}\nhttp: {address: ":80", pool: {num_workers: 2}}\n'
BAD = 'version: "3"\nserver: {command: x}\nhttp: {address: ":80", pool: {num_worker: 2}}\nkv: {a: 1}\n'


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(text, *arguments, overrides=()):
        Path("rr.yaml").write_text(text)
        return CliRunner().invoke(config, arguments, obj=Request(Path("rr.yaml"), overrides=overrides))

    return invoke


def test_check_says_that_a_good_configuration_holds(run):
    result = run(GOOD, "check")
    assert result.exit_code == 0
    assert "rr.yaml: the configuration holds\n" in result.stdout
    assert result.stderr == ""


def test_check_tells_warnings_and_still_succeeds(run):
    result = run(GOOD + "jobs: {num_pollers: 3}\n", "check")
    assert result.exit_code == 0
    assert "with 1 warning" in result.stdout
    assert result.stderr.startswith("warning: rr.yaml:4:8: jobs.num_pollers: ignored: ")


def test_check_tells_every_error_on_a_line_of_its_own_and_fails(run):
    result = run(BAD, "check")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "error: rr.yaml:3:31: http.pool.num_worker: unknown key, did you mean `num_workers`?",
        "error: rr.yaml:4:1: kv: not available yet: there is no key-value store; remove it",
    ]


def test_check_reports_as_json(run):
    result = run(BAD, "check", "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["ok"] is False
    assert report["errors"][0] == {
        "file": "rr.yaml",
        "line": 3,
        "column": 31,
        "key": "http.pool.num_worker",
        "message": "unknown key, did you mean `num_workers`?",
    }


def test_show_lists_values_with_their_sources_and_hides_secrets(run):
    result = run(GOOD, "show", overrides=["http.pool.max_jobs=7"])
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["http.pool.num_workers", "2", "rr.yaml:3:44"] in lines
    assert ["http.pool.max_jobs", "7", "-o", "http.pool.max_jobs"] in lines
    assert ["endure.grace_period", '"30s"', "default"] in lines
    assert "hunter2" not in result.stdout
    assert result.exit_code == 0


def test_show_of_a_key_lists_what_is_below_it(run):
    rows = json.loads(run(GOOD, "show", "http.pool.supervisor", "--json").stdout)
    assert [row["key"] for row in rows][:2] == [
        "http.pool.supervisor.watch_tick",
        "http.pool.supervisor.ttl",
    ]
    assert rows[0] == {"key": "http.pool.supervisor.watch_tick", "value": "5s", "source": "default"}


def test_show_of_an_unknown_key_fails_with_a_way_out(run):
    result = run(GOOD, "show", "htpp")
    assert result.exit_code == 1
    assert "no value at 'htpp'" in result.stderr


def test_show_of_a_bad_configuration_tells_its_errors(run):
    result = run(BAD, "show")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 2


def test_schema_prints_the_shipped_schema(run):
    shipped = (Path(__file__).parents[2] / "config" / "schema.json").read_text()
    assert run(GOOD, "schema").stdout == shipped
