"""Imports between rooms point one way, those under TYPE_CHECKING included."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "rrjobs"
# `config` knows the section models of all rooms, so it stands above them; only `cli` and `app` read it.
HEIGHTS = {
    "cli": 10,
    "app": 9,
    "config": 8,
    "rpc": 7,
    "dashboard": 7,
    "drivers": 6,
    "services": 6,
    "pipeline": 5,
    "worker": 4,
    "protocol": 3,
    "runtime": 2,
    "errors": 1,
}
FREE = {"__init__", "__main__"}
"""The package's version, which everybody may read, and the entry point, which nobody imports."""


def _files() -> Iterator[Path]:
    yield from sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            yield node.lineno, node.module or ""
            if node.module == "rrjobs":
                yield from ((node.lineno, f"rrjobs.{alias.name}") for alias in node.names)


def complaints(source: str, room: str) -> list[str]:
    """Imports in `source` that a file of `room` must not have."""
    found = []
    for line, module in _imports(ast.parse(source)):
        parts = module.split(".")
        target = parts[1] if parts[0] == "rrjobs" and len(parts) > 1 else room
        if target == room or target not in HEIGHTS:
            continue
        if HEIGHTS[target] >= HEIGHTS[room]:
            found.append(f"line {line}: {room} imports {module}")
    return found


def test_every_room_has_its_place_in_the_order():
    assert {_room(path) for path in _files()} - FREE <= set(HEIGHTS)


@pytest.mark.parametrize(
    "path", [path for path in _files() if _room(path) not in FREE], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_a_file_imports_only_from_rooms_below_its_own(path: Path):
    assert complaints(path.read_text(), _room(path)) == []


def test_an_import_upwards_is_found_where_only_the_type_checker_looks():
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from rrjobs.cli.run import run\n"
    assert complaints(source, "worker") == ["line 3: worker imports rrjobs.cli.run"]


def test_an_import_upwards_is_found_inside_a_function():
    assert complaints("def f():\n    from rrjobs import app\n", "pipeline") == ["line 2: pipeline imports rrjobs.app"]


def test_every_test_file_has_a_name_of_its_own():
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []
