"""Whether the Composer packages beside the worker program are versions that this server was made for."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rrjobs.cli.checks.commands import commands, program
from rrjobs.cli.checks.finding import Finding, State
from rrjobs.config.root import Root

_LEVELS_UP = 4
"""Programs lie in the project's root, or some directories below it (public/, app/bin/)."""

_LISTS = ("vendor/composer/installed.json", "composer.lock")
"""What is installed counts; the lock file says what should be."""

KNOWN: Mapping[str, tuple[tuple[int, ...], str]] = {
    "spiral/goridge": ((3, 4), "frames and RPC"),
    "spiral/roadrunner-worker": ((2, 3), "the worker loop"),
    "spiral/roadrunner-http": ((2, 3), "requests"),
    "spiral/roadrunner-jobs": ((2, 3, 4), "jobs"),
    "spiral/roadrunner-metrics": ((2, 3), "metrics of the application"),
    "spiral/roadrunner-services": ((2,), ""),
    "spiral/roadrunner-kv": ((4,), ""),
    "spiral/roadrunner-lock": ((1,), ""),
    "spiral/roadrunner-grpc": ((3,), ""),
    "spiral/roadrunner-tcp": ((4,), ""),
    "temporal/sdk": ((2,), ""),
}
"""Major versions whose wire format is the one that is spoken here; without a purpose there is no server part yet."""

_IGNORED = ("spiral/roadrunner", "spiral/roadrunner-cli", "spiral/roadrunner-bridge", "spiral/roadrunner-app-logger")


def check_packages(root: Root, directory: Path) -> Iterator[Finding]:
    """Of each worker program; nothing where Composer is not used."""
    lists = {_beside(path) for path in (program(one, directory) for one in commands(root)) if path}
    for path in sorted(one for one in lists if one):
        try:
            versions = _read(path)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as err:
            yield Finding("packages", State.WARNING, f"cannot read {path}: {str(err)[:200]}")
            continue
        yield from (_judged(name, version) for name, version in sorted(versions.items()) if _concerns(name))


def _beside(worker: Path) -> Path | None:
    for directory in list(worker.resolve().parents)[:_LEVELS_UP]:
        for name in _LISTS:
            if (directory / name).is_file():
                return directory / name
    return None


def _read(path: Path) -> dict[str, str]:
    held: Any = json.loads(path.read_text(encoding="utf-8"))
    packages = held["packages"] if isinstance(held, dict) else held  # a bare list in Composer 1
    return {str(one["name"]): str(one["version"]) for one in packages}


def _concerns(name: str) -> bool:
    return name in KNOWN or (name.startswith("spiral/roadrunner-") and name not in _IGNORED)


def _judged(name: str, version: str) -> Finding:
    known = KNOWN.get(name)
    if known is None:
        return Finding(name, State.HINT, f"{version}: not known here; it works if it only uses frames and RPC")
    majors, purpose = known
    if not purpose:
        return Finding(name, State.WARNING, f"{version}: its part of the server does not exist yet")
    major = re.match(r"v?(\d+)", version)
    if major is None:
        return Finding(name, State.HINT, f"{version}: no released version, cannot be judged")
    if int(major[1]) in majors:
        return Finding(name, State.OK, f"{version}: {purpose}")
    known_text = ", ".join(f"{one}.x" for one in majors)
    return Finding(name, State.WARNING, f"{version}: not tried with this server, which knows {known_text}")
