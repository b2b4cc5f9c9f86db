"""What is written in `logs` and would have no effect."""

from rrjobs.config.nodes import Node, Path
from rrjobs.config.problems import Findings, did_you_mean
from rrjobs.runtime.events import EVENTS

CHANNELS = frozenset(kind.channel for kind in EVENTS.values())


def logs_have_effect(root: Node, findings: Findings) -> None:
    """Warnings: RoadRunner's files name channels of parts that do not exist here, and both kinds of output."""
    channels = root.get("logs", "channels")
    for name, channel in channels.entries().items() if channels else ():
        path = ("logs", "channels", name)
        if name not in CHANNELS:
            findings.warn(channel.named_at, path, f"nothing is logged on this channel, {did_you_mean(name, CHANNELS)}")
        _one_output(root, path, findings)
    _one_output(root, ("logs",), findings)


def _one_output(root: Node, section: Path, findings: Findings) -> None:
    path = tuple(str(part) for part in section)
    if root.get(*path, "file_logger_options") and root.get(*path, "output"):
        findings.warn_at(root, (*path, "output"), "no effect beside `file_logger_options`, which take its place")
