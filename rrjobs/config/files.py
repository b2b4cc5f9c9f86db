"""Reading the text of a configuration file, with an error that says what to do."""

from pathlib import Path

from rrjobs.config.nodes import Origin
from rrjobs.config.nodes import Path as KeyPath
from rrjobs.config.problems import Findings

MAX_FILE_BYTES = 16 * 1024 * 1024
_FOREIGN = frozenset({".toml", ".ini", ".hcl", ".properties", ".props", ".prop", ".php"})


def read_text(path: Path, asked_by: Origin, key: KeyPath, findings: Findings) -> str | None:
    """The file's text; None when it cannot be had, which is then an error at the place that asked for it."""
    if path.suffix.lower() in _FOREIGN:
        findings.error(asked_by, key, f"{path} is neither YAML nor JSON: convert it to YAML")
        return None
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            findings.error(asked_by, key, f"{path} is larger than {MAX_FILE_BYTES} bytes: it is no configuration")
            return None
        return path.read_text(encoding="utf-8-sig")
    except OSError as err:
        findings.error(asked_by, key, f"cannot read {path}: {_reason(err)}")
    except UnicodeDecodeError as err:
        findings.error(asked_by, key, f"{path} is not UTF-8 text (byte {err.start}): save it as UTF-8")
    return None


def _reason(err: OSError) -> str:
    if isinstance(err, FileNotFoundError):
        return "there is no such file, check the path"
    if isinstance(err, IsADirectoryError):
        return "it is a directory, name a file in it"
    if isinstance(err, PermissionError):
        return "not permitted, check its owner and mode"
    return err.strerror or str(err)
