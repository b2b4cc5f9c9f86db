"""Included files: their sections replace the root's (spec/worker-and-http.md 7.4)."""

from pathlib import Path

from rrjobs.config.files import read_text
from rrjobs.config.nodes import Environ, Node, Source
from rrjobs.config.problems import Findings
from rrjobs.config.variables import expand_tree
from rrjobs.config.yaml_text import parse_yaml

_OWN_KEYS = ("version", "include", "envfile")


def apply_includes(root: Node, directory: Path, environ: Environ, findings: Findings) -> None:
    """Put the sections of every included file in place of the root's; later files win, and all win over `-o`."""
    version = root.text("version")
    for name, asked in _included(root):
        path = directory / name
        text = read_text(path, asked.origin, ("include",), findings)
        if text is None:
            continue
        included = parse_yaml(text, str(path), Source.INCLUDE, findings)
        if included is None:
            continue
        expand_tree(included, environ, findings)
        _replace_sections(root, included, version, findings)


def _included(root: Node) -> list[tuple[str, Node]]:
    """File names in order; one text holds several, separated by white space."""
    node = root.get("include")
    if node is not None and isinstance(node.value, str):
        return [(name, node) for name in node.value.split()]
    return root.names("include")


def _replace_sections(root: Node, included: Node, version: str, findings: Findings) -> None:
    if not isinstance(included.value, dict):
        findings.error(included.origin, (), "an included file holds a map of sections: write `name:` before values")
        return
    if included.text("version") != version:
        findings.error(
            included.entries().get("version", included).origin,
            ("version",),
            f'version in included file must be the same as in root: write version: "{version}"',
        )
    if included.get("include") is not None:
        findings.warn_at(included, ("include",), "ignored: an included file cannot include others")
    for section, node in included.entries().items():
        if section not in _OWN_KEYS:
            _warn_of_lost_overrides(root, section, node, findings)
            root.entries()[section] = node


def _warn_of_lost_overrides(root: Node, section: str, node: Node, findings: Findings) -> None:
    present = root.entries().get(section)
    for lost in _overridden(present) if present is not None else []:
        findings.warn(
            lost.origin, (), f"has no effect: the section `{section}` comes from the included {node.named_at.place}"
        )


def _overridden(node: Node) -> list[Node]:
    if isinstance(node.value, dict):
        return [lost for held in node.value.values() for lost in _overridden(held)]
    return [node] if node.origin.source is Source.OVERRIDE else []
