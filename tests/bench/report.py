"""The printed result: a Markdown table for each family of measurements."""

import platform
import re
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

HEADER = "| what | ours | peer | ratio (lowest-highest) | goal | |\n|---|---|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure must reach; a ratio unless the row says otherwise."""

    limit: float
    at_least: bool
    unit: str = ""

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}{self.unit}"

    def verdict(self, figure: float) -> str:
        """In the words of the table."""
        good = figure >= self.limit if self.at_least else figure <= self.limit
        return "reached" if good else "**SHORT**"


def heading(title: str) -> None:
    """Begin a table."""
    print(f"\n### {title}\n\n{HEADER}", flush=True)


def ratio_row(
    what: str, ours: Sequence[float], peer: Sequence[float], name: str, unit: str = "", goal: Goal | None = None
) -> None:
    """Figures of the same rounds: their medians, and the median of their ratios, which the goal is for."""
    ratios = [one / other for one, other in zip(ours, peer, strict=True) if other]
    middle = statistics.median(ratios)
    shown = f"{middle:.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
    _print(what, f"{_median(ours)}{unit}", f"{name} {_median(peer)}{unit}", shown, goal, middle)


def plain_row(what: str, ours: Sequence[float], unit: str = "", goal: Goal | None = None) -> None:
    """Figures without a peer: their median, which the goal is for, and their span."""
    span = f" ({show(min(ours))}-{show(max(ours))})" if len(ours) > 1 else ""
    _print(what, f"{_median(ours)}{unit}{span}", "", "", goal, statistics.median(ours))


def show(figure: float) -> str:
    """Three digits that count."""
    if abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.3g}"


def machine() -> str:
    """What it was measured on."""
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    cores = Path("/proc/cpuinfo").read_text().count("processor\t")
    php = subprocess.run(["php", "-r", "echo PHP_VERSION;"], capture_output=True, text=True, check=True).stdout
    return (
        f"{date.today()}, {platform.machine()} ({model.group(1) if model else 'unknown'}), {cores} cores, "
        f"Linux {platform.release()}, Python {platform.python_version()}, uvloop {version('uvloop')}, PHP {php}"
    )


def _median(figures: Sequence[float]) -> str:
    return show(statistics.median(figures))


def _print(what: str, ours: str, peer: str, ratio: str, goal: Goal | None, figure: float) -> None:
    verdict = goal.verdict(figure) if goal else ""
    print(f"| {what} | {ours} | {peer} | {ratio} | {goal or ''} | {verdict} |", flush=True)
