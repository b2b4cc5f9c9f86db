"""Whether the PHP of the workers is new enough and has what their sections need."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rrjobs.cli.checks.commands import commands, interpreter, program
from rrjobs.cli.checks.finding import Finding, State
from rrjobs.config.root import Root

OLDEST = (8, 1)
_RUN_S = 30.0
_SCRIPT = (
    'echo json_encode([PHP_VERSION, array_map("strtolower", get_loaded_extensions()), '
    '(bool) filter_var(ini_get("opcache.enable_cli"), FILTER_VALIDATE_BOOLEAN)]);'
)


@dataclass(frozen=True, slots=True)
class Php:
    """What one interpreter says of itself."""

    path: str
    version: str
    extensions: frozenset[str]
    opcache_cli: bool


def check_php(root: Root | None, directory: Path) -> Iterator[Finding]:
    """Of every interpreter in the commands; of `php` on the PATH when there is no configuration."""
    names = list(dict.fromkeys(interpreter(one) for one in commands(root))) if root else ["php"]
    for name in names or ["php"]:
        if name is None:
            yield Finding("php", State.HINT, "the command starts PHP through another program: its PHP is not checked")
            continue
        found = _asked(name, directory)
        if isinstance(found, Finding):
            yield found
        else:
            yield from _judged(found, root)
    if root is not None:
        yield from _programs(root, directory)


def _asked(name: str, directory: Path) -> Php | Finding:
    path = str(directory / name) if os.sep in name else shutil.which(name)
    if path is None or not Path(path).exists():
        return Finding("php", State.ERROR, f"{name} is not there: install php-cli, or correct server.command")
    try:
        done = subprocess.run([path, "-r", _SCRIPT], capture_output=True, text=True, timeout=_RUN_S, check=False)
        version, extensions, opcache_cli = json.loads(done.stdout[done.stdout.index("[") :])
    except (OSError, ValueError, subprocess.TimeoutExpired) as err:
        return Finding("php", State.ERROR, f"{path} does not run as PHP: {str(err)[:200]}")
    return Php(path, version, frozenset(extensions), opcache_cli)


def _judged(php: Php, root: Root | None) -> Iterator[Finding]:
    numbers = tuple(int(part) for part in php.version.split(".")[:2])
    if numbers < OLDEST:
        yield Finding("php", State.ERROR, f"{php.version} at {php.path}: {OLDEST[0]}.{OLDEST[1]} or later is needed")
    else:
        yield Finding("php", State.OK, f"{php.version} at {php.path}")
    for name, (state, why) in _wanted(root).items():
        if name in php.extensions:
            yield Finding(f"ext-{name}", State.OK, "loaded")
        else:
            yield Finding(f"ext-{name}", state, f"missing: {why}")
    if not php.opcache_cli:
        text = "opcache.enable_cli is off: workers live long, and run optimised code with it (zend_extension=opcache)"
        yield Finding("opcache", State.HINT, text)


def _wanted(root: Root | None) -> Mapping[str, tuple[State, str]]:
    """Extensions by what is configured, and how bad it is to lack them."""
    wanted = {"json": (State.ERROR, "every worker needs it")}
    if root is None:
        return wanted
    relay = (root.server.relay if root.server else None) or ""
    if relay.startswith(("tcp://", "unix://")):
        wanted["sockets"] = (State.WARNING, f"published packages need it for the relay {relay}")
    elif root.rpc is not None:
        wanted["sockets"] = (State.WARNING, "published packages need it for RPC, pushing jobs included; php/ does not")
    if root.http is not None:
        wanted["mbstring"] = (State.WARNING, "PSR-7 packages need it")
        if root.http.codec == "protobuf":
            wanted["protobuf"] = (State.HINT, "http.codec is protobuf: google/protobuf is slow without it")
    return wanted


def _programs(root: Root, directory: Path) -> Iterator[Finding]:
    for command in commands(root):
        if interpreter(command) and len(command) > 1 and program(command, directory) is None:
            text = f"no file of `{' '.join(command)}` is in {directory}: correct server.command"
            yield Finding("worker", State.ERROR, text)
