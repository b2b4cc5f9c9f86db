"""Files of environment variables: `--dotenv`, `DOTENV_PATH` and `envfile` (spec/worker-and-http.md 7.4)."""

import io
from pathlib import Path

from rrjobs.config.files import read_text
from rrjobs.config.nodes import Environ, Origin, Source
from rrjobs.config.nodes import Path as KeyPath
from rrjobs.config.problems import Findings
from rrjobs.config.variables import expand


def read_dotenv(path: Path, asked_by: Origin, key: KeyPath, environ: Environ, findings: Findings) -> dict[str, str]:
    """The variables of a file that are not set yet. `${NAME}` in unquoted and double-quoted values is replaced."""
    text = read_text(path, asked_by, key, findings)
    if text is None:
        return {}
    from dotenv.parser import parse_stream  # imported here: most configurations have no such file

    found: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        line = binding.original.line
        if binding.error:
            findings.error(Origin(Source.FILE, str(path), line, 1), (), "cannot be read: write NAME=value")
        elif binding.key is not None:
            literal = binding.original.string.partition("=")[2].lstrip().startswith("'")
            value = binding.value or ""
            known = {**found, **environ}
            found[binding.key] = value if literal else expand(value, known).text
    return {name: value for name, value in found.items() if name not in environ}
