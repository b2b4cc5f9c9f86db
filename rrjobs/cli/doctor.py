"""`rrjobs doctor`: what this machine and this configuration have, miss, or do differently."""

import json
import resource
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click

from rrjobs.cli.options import options_of
from rrjobs.config.load import Loaded, examine
from rrjobs.config.root import Root
from rrjobs.runtime.address import Address, TcpAddress, parse_address, parse_dsn

EXTENSIONS = ("json", "mbstring", "sockets")
_WHY = {
    "json": "every worker needs it",
    "mbstring": "PSR-7 packages need it",
    "sockets": "tcp:// and unix:// relays and RPC of the published packages need it",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `state` is ok, warning, error, different or not yet."""

    subject: str
    state: str
    text: str


@click.command(help="Check this machine against a configuration.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Exit code 1 when something is wrong."""
    reading = examine(options_of(context).request)
    findings = [Finding("config", "error", str(problem)) for problem in reading.errors]
    findings += [Finding("config", "different", str(problem)) for problem in reading.findings.warnings]
    if reading.loaded is not None:
        findings.append(Finding("config", "ok", str(reading.path)))
        findings += _sections(reading.loaded)
        findings += _addresses(reading.loaded.root)
    findings += [*_php(), *_limits()]
    if as_json:
        click.echo(json.dumps([asdict(one) for one in findings], indent=2))
    else:
        for one in findings:
            click.echo(f"{one.state:9}  {one.subject:12}  {one.text}")
    context.exit(1 if any(one.state == "error" for one in findings) else 0)


def _sections(loaded: Loaded) -> Iterator[Finding]:
    for name in Root.not_yet:
        if name in loaded.tree:
            yield Finding(name, "not yet", "this section is not available yet")
    for name in ("server", "http", "jobs", "rpc", "logs", "status"):
        if name in loaded.tree:
            yield Finding(name, "ok", "supported")


def _addresses(root: Root) -> Iterator[Finding]:
    wanted: dict[str, Address] = {}
    if root.http is not None:
        wanted["http"] = parse_address(root.http.address)
    if root.rpc is not None:
        wanted["rpc"] = parse_dsn(root.rpc.listen)
    if root.status is not None:
        wanted["status"] = parse_address(root.status.address)
    for name, address in wanted.items():
        if isinstance(address, TcpAddress) and address.port and _taken(address):
            yield Finding(name, "warning", f"{address} is taken: by this server if it runs, else choose another port")
        else:
            yield Finding(name, "ok", f"{address} is free")


def _taken(address: TcpAddress) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        host = "127.0.0.1" if address.host in ("", "localhost") else address.host
        try:
            return probe.connect_ex((host, address.port)) == 0
        except OSError:
            return False


def _php() -> Iterator[Finding]:
    path = shutil.which("php")
    if path is None:
        yield Finding("php", "error", "php is not on the PATH: install php-cli")
        return
    script = 'echo json_encode([PHP_VERSION, array_map("strtolower", get_loaded_extensions())]);'
    done = subprocess.run([path, "-r", script], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        yield Finding("php", "error", f"{path} does not run: {done.stderr.strip()[:200] or done.stdout.strip()[:200]}")
        return
    version, extensions = json.loads(done.stdout)
    old = tuple(int(part) for part in version.split(".")[:2]) < (8, 1)
    yield Finding("php", "error" if old else "ok", f"{version} at {path}" + (": 8.1 or later is needed" if old else ""))
    for name in EXTENSIONS:
        found = name in extensions
        yield Finding(f"ext-{name}", "ok" if found else "warning", "loaded" if found else f"missing: {_WHY[name]}")


def _limits() -> Iterator[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard < 0 or hard >= 4096
    text = f"{hard} open files allowed" + ("" if enough else ": raise it (ulimit -n) for many connections")
    yield Finding("limits", "ok" if enough else "warning", text)
