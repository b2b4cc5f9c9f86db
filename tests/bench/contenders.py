"""The servers that take part: rrjobs, and the peers that this machine has."""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from tests.bench import settings
from tests.bench.servers import Program, free_port, running

Section = dict[str, object]


class Server(NamedTuple):
    """One that runs: where it answers, and the processes it consists of."""

    port: int
    roots: tuple[int, ...]


def rrjobs_run(config: Section, port: int, folder: Path) -> AbstractContextManager[Program]:
    """`rrjobs run` with this configuration."""
    path = _write(config, "warn", port, folder)
    command = [sys.executable, "-m", "rrjobs", "run", "-s", "-c", str(path)]
    return running(command, port, {"PYTHONPATH": str(settings.REPOSITORY)})


def roadrunner_serve(config: Section, port: int, folder: Path) -> AbstractContextManager[Program]:
    """`rr serve` with this configuration."""
    path = _write({**config, "endure": {"grace_period": "1s"}}, "error", port, folder)
    return running([settings.ROADRUNNER, "serve", "-c", str(path)], port)


@contextlib.contextmanager
def rrjobs_http(worker: str, prefetch: str, folder: Path) -> Iterator[Server]:
    """HTTP in front of this PHP program."""
    port = free_port()
    pool = {"num_workers": settings.WORKERS, "prefetch": prefetch}
    config: Section = {"server": {"command": worker}, "http": {"address": f"127.0.0.1:{port}", "pool": pool}}
    with rrjobs_run(config, port, folder) as process:
        yield Server(port, (process.pid,))


@contextlib.contextmanager
def roadrunner_http(worker: str, folder: Path) -> Iterator[Server]:
    """RoadRunner's HTTP in front of the same program."""
    port = free_port()
    pool = {"num_workers": settings.WORKERS}
    config: Section = {
        "server": {"command": worker, "relay": "pipes"},
        "http": {"address": f"127.0.0.1:{port}", "pool": pool},
    }
    with roadrunner_serve(config, port, folder) as process:
        yield Server(port, (process.pid,))


@contextlib.contextmanager
def prototype_http(worker: str) -> Iterator[Server]:
    """The bare prototype, one request at a time for each worker."""
    port = free_port()
    command = [sys.executable, f"{settings.PROTOTYPES}/http_ingress.py", "1", str(settings.WORKERS), str(port)]
    with running(command, port, {"WORKER": worker}) as process:
        yield Server(port, (process.pid,))


def fpm_binary() -> str | None:
    """php-fpm of the same version as the command-line PHP, where both it and nginx are installed."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    names = [f"php-fpm8.{minor}" for minor in range(9)] + ["php-fpm"]
    found = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    return found if shutil.which("nginx", path=path) else None


@contextlib.contextmanager
def nginx_fpm(folder: Path) -> Iterator[Server]:
    """nginx with php-fpm: as many static children as the others have workers."""
    fpm = fpm_binary()
    assert fpm is not None
    port, inner = free_port(), free_port()
    as_root = ["-R"] if os.geteuid() == 0 else []
    site, pool = folder / "nginx.conf", folder / "fpm.conf"
    pool.write_text(_template("fpm.conf", FOLDER=folder, PORT=inner, CHILDREN=settings.WORKERS))
    site.write_text(
        _template("nginx.conf", FOLDER=folder, PORT=port, FPM=inner, SCRIPT=settings.PROGRAMS / "fpm_hello.php")
    )
    php = [fpm, "-F", *as_root, *settings.PHP_FLAGS, "-d", "opcache.enable=1", "-y", str(pool)]
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    assert nginx is not None
    with running(php, inner) as children, running([nginx, "-p", str(folder), "-c", str(site)], port) as front:
        yield Server(port, (front.pid, children.pid))


def _template(name: str, **values: object) -> str:
    text = (Path(__file__).resolve().parent / "peers" / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def _write(config: Section, level: str, port: int, folder: Path) -> Path:
    path = folder / f"bench-{port}.yaml"
    path.write_text(json.dumps({"version": "3", "logs": {"level": level}, **config}))
    return path
