"""What servers need and no Debian package brings: jars by Maven, ministack in an environment of its own; fetched once.

The folder is $RRJOBS_CACHE, else ~/.cache/rrjobs: outside of every checkout. `python -m servers.cache` fills it.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from servers.binaries import program
from servers.process import ServerMissing

HERE = Path(__file__).parent
KAFKA_JARS = ("org.apache.kafka:kafka_2.13:4.4.0", "org.slf4j:slf4j-simple:1.7.36")
ELASTICMQ_JARS = ("org.elasticmq:elasticmq-server_2.13:1.6.14",)
MINISTACK_LOCK = HERE / "ministack.txt"

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>rrjobs</groupId><artifactId>servers</artifactId><version>1</version>
  <dependencies>{dependencies}</dependencies>
</project>
"""
DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


def cache_directory() -> Path:
    """Made when it is missing."""
    directory = Path(os.environ.get("RRJOBS_CACHE") or Path.home() / ".cache" / "rrjobs")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def unfetched() -> list[str]:
    """What `fill` would still fetch."""
    wanted = {"kafka": _name("kafka", KAFKA_JARS), "elasticmq": _name("elasticmq", ELASTICMQ_JARS)}
    wanted["ministack"] = _ministack_name()
    return [part for part, name in wanted.items() if not (cache_directory() / name / ".finished").exists()]


def jars(name: str, coordinates: tuple[str, ...]) -> Path:
    """The folder with these jars and all they need."""
    return _once(_name(name, coordinates), lambda target: _copy_jars(target, coordinates))


def ministack() -> Path:
    """The program, in an environment of its own: it pins other versions of the AWS library than we use."""
    return _once(_ministack_name(), _install_ministack) / "bin" / "ministack"


def fill() -> None:
    """Fetch whatever is missing."""
    jars("kafka", KAFKA_JARS)
    jars("elasticmq", ELASTICMQ_JARS)
    ministack()


def _once(name: str, make: Callable[[Path], None]) -> Path:
    """The finished folder; made under a lock, so that two processes do not both fetch, and complete or not there."""
    place = cache_directory() / name
    finished = place / ".finished"
    if finished.exists():
        return place
    with _lock(cache_directory() / f".{name}.lock"):
        if not finished.exists():
            shutil.rmtree(place, ignore_errors=True)
            make(place)
            finished.touch()
    return place


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _name(part: str, coordinates: tuple[str, ...]) -> str:
    return f"{part}-{_digest(' '.join(coordinates).encode())}"


def _ministack_name() -> str:
    return f"ministack-{_digest(MINISTACK_LOCK.read_bytes())}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _copy_jars(target: Path, coordinates: tuple[str, ...]) -> None:
    dependencies = "".join(DEPENDENCY.format(*one.split(":")) for one in coordinates)
    maven = program("mvn", "maven")
    with tempfile.TemporaryDirectory(prefix="rrjobs-maven-") as directory:
        (Path(directory) / "pom.xml").write_text(POM.format(dependencies=dependencies))
        copy = ["dependency:copy-dependencies", f"-DoutputDirectory={target}", "-DincludeScope=runtime"]
        _run([maven, "-q", "-B", *copy], Path(directory), f"Maven could not fetch {', '.join(coordinates)}")


def _install_ministack(target: Path) -> None:
    _run([sys.executable, "-m", "venv", str(target)], HERE, "no environment for ministack")
    pip = [str(target / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    _run([*pip, "--require-hashes", "-r", str(MINISTACK_LOCK)], HERE, "pip could not install ministack")


def _run(command: list[str], directory: Path, failure: str) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerMissing(f"{failure}: {(done.stdout + done.stderr).strip()[-2000:]}")


if __name__ == "__main__":
    try:
        fill()
    except ServerMissing as missing:
        sys.exit(str(missing))
