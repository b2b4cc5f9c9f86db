"""The shipped examples, the JSON Schema and the reference: valid and current."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from json_schema_check import violations

from rrjobs.config.drivers import MODELS
from rrjobs.config.load import Request, examine
from rrjobs.config.nodes import Source, plain
from rrjobs.config.problems import Findings
from rrjobs.config.reference import reference
from rrjobs.config.root import Root
from rrjobs.config.schema import build_schema, schema_text, sections
from rrjobs.config.shape import keys
from rrjobs.config.yaml_text import parse_yaml
from rrjobs.drivers.table import DRIVERS, NOT_YET

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "config").glob("*.yaml"))
EXAMPLES = [path for path in SHIPPED if path.stem not in NOT_YET]
AHEAD = [path for path in SHIPPED if path.stem in NOT_YET]
"""Examples of drivers that are still to come: refused for that alone."""


def data(text):
    findings = Findings()
    node = parse_yaml(text, "f.yaml", Source.FILE, findings)
    assert not findings.errors
    return plain(node)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_a_shipped_example_holds_without_warnings(path):
    reading = examine(Request(path), {})
    assert [str(problem) for problem in (*reading.errors, *reading.findings.warnings)] == []
    assert reading.loaded is not None


def _shown() -> Iterator[tuple[str, str]]:
    """Of every page the examples of whole sections."""
    for page in sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))):
        for text in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
            if set(yaml.safe_load(text)) <= {key for _, key, _ in keys(Root)}:
                yield page.name, text


@pytest.mark.parametrize(("page", "text"), list(_shown()))
def test_what_a_page_shows_holds_without_warnings(page, text, tmp_path):
    head = "" if "version:" in text else 'version: "3"\n'
    head += "" if re.search("^server:", text, re.MULTILINE) else "server: {command: php worker.php}\n"
    (tmp_path / page).write_text(head + text)
    reading = examine(Request(tmp_path / page), {"KAFKA_PASSWORD": "secret"})
    assert [str(problem) for problem in (*reading.errors, *reading.findings.warnings)] == []


@pytest.mark.parametrize("path", AHEAD, ids=lambda path: path.name)
def test_an_example_of_a_driver_to_come_is_refused_for_the_driver_alone(path):
    errors = {str(problem).split(": ", 1)[1] for problem in examine(Request(path), {}).errors}
    assert all("not available yet" in error for error in errors)
    assert {error.split(":")[0] for error in errors} <= {path.stem, "jobs.pipelines.mail.driver"}
    assert errors


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_a_shipped_example_is_valid_by_the_schema(path):
    assert violations(data(path.read_text()), build_schema()) == []


def test_the_full_example_has_every_key_there_is():
    text = (ROOT / "config" / "full.yaml").read_text() + (ROOT / "config" / "any.yaml").read_text()
    written = {line.split(":")[0].strip(" -#{") for line in text.splitlines() if ":" in line}
    every = {key for model in sections(Root) for _, key, _ in keys(model)}
    alternatives = {"include", "envfile"}
    assert every - written - alternatives == set()


def test_every_driver_there_is_has_a_model_for_its_keys():
    assert set(MODELS) == set(DRIVERS)


def test_the_shipped_schema_is_current():
    assert (ROOT / "config" / "schema.json").read_text() == schema_text(), "run: rrjobs config schema"


def test_the_reference_is_current():
    written = (ROOT / "docs" / "configuration.md").read_text()
    assert written == reference(), "run: python -m rrjobs.config.reference > docs/configuration.md"


def test_the_reference_names_every_key_and_its_meaning():
    rows = [line.split(" | ") for line in reference().splitlines() if line.startswith("| `")]
    named = {row[0].strip("| `") for row in rows if len(row) == 6}
    every = {key for model in sections(Root) for _, key, _ in keys(model)}
    assert every <= named
    assert all(row[4].strip() for row in rows if len(row) == 6)


@pytest.mark.parametrize(
    "text",
    [
        'version: "3"\nhttp: {address: ":80", pool.debug: true}',
        'version: "3"\nhttp: {address: ":80", pool: {num_workers: "${N:-4}", allocate_timeout: 5s}}',
        'version: "3"\nx-a: 1\nserver: {command: [php, a.php], env: [{A: 1}], relay_timeout: 5s}',
        'version: "3"\njobs: {consume: mail, pipelines: {mail: {driver: memory}}}',
        'version: "3"\nlogs: {mode: "${MODE:-raw}"}',
    ],
)
def test_the_schema_accepts_what_the_loader_accepts(text):
    assert violations(data_as_written(text), build_schema()) == []


def data_as_written(text):
    """As an editor's validator sees it: dotted keys stay one key."""
    import yaml

    return yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("http: {}", "['version']"),
        ('version: "3"\nhtpp: {}', "htpp"),
        ('version: "3"\nhttp: {pool: {num_worker: 1}}', "num_worker"),
        ('version: "3"\nhttp: {pool: {num_workers: -1}}', "num_workers"),
        ('version: "3"\nhttp: {pool: {num_workers: many}}', "num_workers"),
        ('version: "3"\nhttp: {pool: {allocate_timeout: soon}}', "allocate_timeout"),
        ('version: "3"\nhttp: {ssl: {}}', "ssl"),
        ('version: "3"\nlogs: {mode: loud}', "mode"),
        ('version: "3"\njobs: {pipelines: {a: {driver: memory, config: {x: 1}}}}', "config"),
        ('version: "3"\njobs: {pipelines: {a: {}}}', "driver"),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(text, where):
    found = violations(data_as_written(text), build_schema())
    assert found
    assert where in str(found)


def test_the_schema_refers_to_nothing_that_is_missing():
    schema = build_schema()
    refs = {part.split('"')[0] for part in json.dumps(schema).split('"$ref": "#/$defs/')[1:]}
    assert refs <= set(schema["$defs"])
    assert set(schema["$defs"]) - refs == set()
