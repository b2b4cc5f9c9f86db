"""From a file and a command line to checked models, in RoadRunner's order (spec/worker-and-http.md 7.2)."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from rrjobs.config.capacity_rules import check_reserves
from rrjobs.config.dotenv import read_dotenv
from rrjobs.config.files import read_text
from rrjobs.config.include import apply_includes
from rrjobs.config.nodes import Node, Origin, Source, plain
from rrjobs.config.overrides import apply_overrides
from rrjobs.config.problems import Findings, Problem, in_order
from rrjobs.config.root import VERSION, Root
from rrjobs.config.rr_variables import warn_of_overrides
from rrjobs.config.rules import check_rules, check_version
from rrjobs.config.shape import DRIVERS
from rrjobs.config.sift import sift
from rrjobs.config.variables import expand_tree
from rrjobs.config.yaml_text import parse_yaml
from rrjobs.errors import ConfigError
from rrjobs.runtime.section import FROM_FILE

DEFAULT_FILE = ".rr.yaml"


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line says about the configuration; see the flags of spec/worker-and-http.md 7.5."""

    path: Path | None = None
    workdir: Path | None = None
    overrides: Sequence[str] = ()
    dotenv: Path | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that holds.

    `directory` is to be the working directory: commands, includes and sockets are relative to it. `environment` holds
    variables from dotenv files, for this process and its workers. `tree` is the merged file as plain data.
    """

    root: Root
    tree: Mapping[str, object]
    nodes: Node
    warnings: tuple[Problem, ...]
    path: Path
    directory: Path
    environment: Mapping[str, str]


@dataclass(slots=True)
class Reading:
    """One attempt: everything that was found, and the result when there were no errors."""

    path: Path
    directory: Path
    findings: Findings = field(default_factory=Findings)
    loaded: Loaded | None = None

    @property
    def errors(self) -> list[Problem]:
        """All errors in reading order."""
        return in_order(self.findings.errors)


def load(
    path: Path | None = None,
    workdir: Path | None = None,
    overrides: Sequence[str] = (),
    dotenv: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Loaded:
    """The configuration; raises ConfigError with every error in it, each on a line of its own."""
    reading = examine(Request(path, workdir, overrides, dotenv), environ)
    if reading.loaded is None:
        raise ConfigError([str(problem) for problem in reading.errors])
    return reading.loaded


def examine(request: Request, environ: Mapping[str, str] = os.environ) -> Reading:
    """Read and check without raising; changes neither the working directory nor the environment."""
    start = Path.cwd() / request.workdir if request.workdir is not None else Path.cwd()
    path = start / (request.path or DEFAULT_FILE)
    reading = Reading(path, start if request.workdir is not None else path.parent)
    if request.workdir is not None and not start.is_dir():
        reading.findings.error(Origin(Source.OVERRIDE, f"-w {request.workdir}"), (), "there is no such directory")
        return reading
    environment = _dotenv(request, environ, reading)
    tree = _file(request, path, reading.findings)
    if tree is not None:
        _check(_merged(tree, request, environ, environment, reading), reading, environment)
    return reading


def _dotenv(request: Request, environ: Mapping[str, str], reading: Reading) -> dict[str, str]:
    named = environ.get("DOTENV_PATH") or request.dotenv
    if not named:
        return {}
    asked = Origin(Source.ENVIRONMENT, "DOTENV_PATH" if environ.get("DOTENV_PATH") else "--dotenv")
    path = reading.directory / named
    return read_dotenv(path if path.exists() else Path.cwd() / named, asked, (), environ, reading.findings)


def _file(request: Request, path: Path, findings: Findings) -> Node | None:
    if request.path is None and not path.exists():
        asked = Origin(Source.OVERRIDE, str(path.parent))
        findings.error(asked, (), f"there is no {DEFAULT_FILE} in this directory: name a configuration with -c")
        return None
    shown = _shown(path)
    text = read_text(path, Origin(Source.OVERRIDE, "-c"), (), findings)
    tree = parse_yaml(text, shown, Source.FILE, findings) if text is not None else None
    if tree is not None and not isinstance(tree.value, dict):
        findings.error(tree.origin, (), "a configuration is a map of sections: write `http:` and its keys below it")
        return None
    return tree


def _shown(path: Path) -> str:
    """The path as messages name it: relative when it lies below the current directory."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _merged(
    tree: Node, request: Request, environ: Mapping[str, str], environment: dict[str, str], reading: Reading
) -> Node:
    """Variables, overrides and includes, in this order; `environment` takes what `envfile` brings."""
    findings = reading.findings
    envfile = tree.get("envfile")
    if envfile is not None:
        path = reading.path.parent / str(envfile.value)
        known = {**environment, **environ}
        environment |= read_dotenv(path, envfile.origin, ("envfile",), known, findings)
    variables = {**environment, **environ}
    expand_tree(tree, variables, findings)
    warn_of_overrides(tree, variables, findings)
    apply_overrides(tree, request.overrides, variables, findings)
    check_version(tree, findings)
    apply_includes(tree, reading.directory, variables, findings)
    return tree


def _check(tree: Node, reading: Reading, environment: Mapping[str, str]) -> None:
    findings = reading.findings
    for key in [key for key in tree.entries() if key.startswith("x-")]:  # a place for anchors
        del tree.entries()[key]
    data = sift(Root, tree, (), findings)
    if isinstance(data, dict):
        data["version"] = tree.text("version") or VERSION  # what is wrong with it was told by its own check
    if not findings.about("include"):  # what lacks may stand in the file that could not be read
        check_rules(tree, findings)
    try:
        root = Root.model_validate(data, context={**FROM_FILE, "drivers": DRIVERS})
    except ValidationError as err:
        from rrjobs.config.complaints import complain  # imported here: only wrong configurations need it

        complain(err, Root, tree, findings)
        return
    check_reserves(root, tree, findings)
    if findings.errors:
        return
    merged = plain(tree)
    reading.loaded = Loaded(
        root,
        merged if isinstance(merged, dict) else {},
        tree,
        tuple(in_order(findings.warnings)),
        reading.path,
        reading.directory,
        environment,
    )
