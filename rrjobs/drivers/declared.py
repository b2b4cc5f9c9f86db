"""Values of a declaration at run time, where PHP sends everything as text (spec/jobs-and-rpc.md 2.1)."""

from collections.abc import Mapping


def integer(spec: Mapping[str, str], key: str, default: int) -> int:
    """A decimal number; the default when there is none or it is something else."""
    try:
        return int(spec.get(key, ""))
    except ValueError:
        return default


def positive(spec: Mapping[str, str], key: str, default: int) -> int:
    """The same, where zero and less stand for the default too."""
    value = integer(spec, key, default)
    return value if value > 0 else default


def flag(spec: Mapping[str, str], key: str, default: bool = False) -> bool:
    """`true` is true, any other text is false."""
    return spec[key] == "true" if key in spec else default
