"""`rrjobs journal`: look at the journal of a memory pipeline while no server uses it, and repair it."""

import base64
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from rrjobs.drivers.memory.journal.disk import OsDisk
from rrjobs.drivers.memory.journal.lock import check_folder, claim_for_reading
from rrjobs.drivers.memory.journal.repair import repair as repair_folder
from rrjobs.drivers.memory.journal.survey import Finding, Survey, survey
from rrjobs.errors import JournalError

_PATH = click.argument("path", type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("journal", help="Check, repair and print the journal of a memory pipeline (its folder is PATH).")
def journal() -> None:
    """All of them refuse a journal that a server has open."""


@journal.command("verify", help="Read all of it; exit code 1 when something is wrong.")
@_PATH
@_JSON
def verify(path: Path, as_json: bool) -> None:
    """Changes nothing."""
    with _held(path):
        found = _survey(path)
    if as_json:
        click.echo(json.dumps({**_counts(found), "findings": [_fields(one) for one in found.findings]}, indent=2))
    else:
        counts = _counts(found)
        click.echo(f"{path}: {', '.join(f'{count} {name}' for name, count in counts.items())}")
        _tell(path, found)
        if any(not one.torn for one in found.findings):
            click.echo(f"`rrjobs journal repair {path}` salvages what is left")
    sys.exit(1 if found.findings else 0)


@journal.command("repair", help="Write what can be read into a new segment; the damaged ones are kept aside.")
@_PATH
def repair(path: Path) -> None:
    """Destroys nothing."""
    check_folder(path, missing_is_fine=False)
    with _held(path):
        found = _survey(path)
        if not found.findings:
            click.echo(f"{path}: nothing is damaged, nothing was changed")
            return
        try:
            done = repair_folder(OsDisk(), path, found)
        except OSError as err:
            raise JournalError(f"{path}: cannot be repaired: {err}; nothing was lost", path=str(path)) from err
    _tell(path, found)
    lost = sum(one.bytes for one in found.findings)
    click.echo(f"lost: {lost} bytes in {len(found.findings)} places; entries that began there are gone,")
    click.echo("and entries whose end was recorded there are back: such jobs run again")
    click.echo(f"salvaged: {len(found.entries)} entries, in {done.segment.name}")
    click.echo(f"kept: the damaged segments, in {done.aside}")


@journal.command("dump", help="Print every live entry as a JSON line, in order.")
@_PATH
def dump(path: Path) -> None:
    """What is damaged is told on standard error; exit code 1 then."""
    with _held(path):
        found = _survey(path)
    for number, kind, payload in found:
        click.echo(json.dumps({"number": number, "kind": kind, "bytes": len(payload), **_content(payload)}))
    _tell(path, found, err=True)
    sys.exit(1 if found.findings else 0)


@contextmanager
def _held(path: Path) -> Iterator[None]:
    release: Callable[[], None] = claim_for_reading(path)
    try:
        yield
    finally:
        release()


def _survey(path: Path) -> Survey:
    try:
        return survey(OsDisk(), path)
    except OSError as err:
        raise JournalError(f"{path}: cannot be read: {err}", path=str(path)) from err


def _counts(found: Survey) -> dict[str, int]:
    return {
        "entries": len(found.entries),
        "records": found.records,
        "segments": found.segments,
        "bytes": found.bytes,
    }


def _fields(one: Finding) -> dict[str, object]:
    return {"file": one.file, "offset": one.offset, "bytes": one.bytes, "what": one.text, "torn": one.torn}


def _tell(path: Path, found: Survey, err: bool = False) -> None:
    for one in found.findings:
        end = " (the end of a crash; the next start cuts it off)" if one.torn else ""
        click.echo(f"{path / one.file}: byte {one.offset}, {one.bytes} bytes: {one.text}{end}", err=err)


def _content(payload: bytes) -> dict[str, str]:
    try:
        return {"text": payload.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(payload).decode()}
