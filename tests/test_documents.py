"""The documents: links that lead somewhere, and no command, method or event that none of them tells of."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from rrjobs.cli.main import cli
from rrjobs.rpc.assembly import build_server
from rrjobs.rpc.config import RpcConfig
from rrjobs.runtime.events import EVENTS, Events

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Those that GitHub makes of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page):
    for target in _LINK.findall(page.read_text()):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.is_file(), target
        assert not anchor or anchor in anchors(there), target


def test_the_readme_leads_to_every_page():
    linked = {target.partition("#")[0] for target in _LINK.findall((ROOT / "README.md").read_text())}
    assert {f"docs/{page.name}" for page in PAGES if page.parent.name == "docs"} <= linked


def commands(group: click.Group, context: click.Context) -> Iterator[tuple[str, str]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        below = command.list_commands(context) if isinstance(command, click.Group) else [""]
        yield from ((name, each) for each in below)


def test_every_command_is_in_its_page():
    text = (ROOT / "docs" / "cli.md").read_text()
    rows = {row.partition(" ")[0].strip("`,"): row for row in re.findall(r"^\| (`.*?`[^|]*)\|", text, re.MULTILINE)}
    told = {name: row for row in rows.values() for name in re.findall(r"\w+", row)}
    for name, below in commands(cli, click.Context(cli)):
        assert name in told, name
        assert not below or re.search(rf"`{name} [^`]*\b{below}\b", text), (name, below)


def test_every_rpc_method_is_in_its_page():
    text = (ROOT / "docs" / "rpc.md").read_text()
    anything: Any = SimpleNamespace(limits=None)
    server = build_server(RpcConfig(), Events(), anything, anything, anything, "", {}, anything)
    names = [name.decode() for name in server._methods.by_name]
    assert len(names) > 40
    for name in names:
        service, method = name.split(".")
        row = rf"`{service}\.[^|]*\b{method.removesuffix('WithContext')}\b"
        assert re.search(row, text), name


def test_every_event_is_in_its_page():
    text = (ROOT / "docs" / "events.md").read_text()
    assert [name for name in EVENTS if f"`{name}`" not in text] == []


def test_every_family_of_metrics_is_in_its_page():
    text = (ROOT / "docs" / "metrics.md").read_text()
    sources = "".join(path.read_text() for path in (ROOT / "rrjobs" / "services").glob("*_metrics.py"))
    names = set(re.findall(r'"(rr(?:jobs)?_(?:http|jobs|lane)_\w+)"', sources))
    names |= {f"_{name}" for name in re.findall(r'f"\{prefix\}_(\w+)"', sources)}
    assert len(names) > 20
    assert [name for name in sorted(names) if name not in text] == []
