"""Configurations written into a temporary directory, and what reading them finds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from rrjobs.config.load import Loaded, Reading, Request, examine

HEAD = 'version: "3"\nserver: {command: php worker.php}\n'
"""The least that a configuration with workers needs; sections of a test begin on line 3."""


@dataclass(frozen=True)
class Found:
    """What a reading found, as the lines a user sees."""

    reading: Reading

    @property
    def errors(self) -> list[str]:
        return [str(problem) for problem in self.reading.errors]

    @property
    def warnings(self) -> list[str]:
        return [str(problem) for problem in self.reading.findings.warnings]

    @property
    def loaded(self) -> Loaded:
        assert self.reading.loaded is not None, self.errors
        return self.reading.loaded


Read = Callable[..., Found]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Write `.rr.yaml` and other files into the current directory, and examine."""
    monkeypatch.chdir(tmp_path)

    def run(
        text: str | None,
        *overrides: str,
        files: Mapping[str, str] = {},
        environ: Mapping[str, str] = {},
        head: str = HEAD,
        request: Request | None = None,
    ) -> Found:
        if text is not None:
            Path(".rr.yaml").write_text(head + text)
        for name, content in files.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(content)
        return Found(examine(request or Request(overrides=overrides), environ))

    return run
