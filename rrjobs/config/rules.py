"""What must hold between keys of different sections."""

from collections.abc import Callable

from rrjobs.config.drivers import MODELS
from rrjobs.config.log_rules import logs_have_effect
from rrjobs.config.nodes import Node
from rrjobs.config.problems import Findings, closest
from rrjobs.config.root import VERSION, Root
from rrjobs.errors import AddressError
from rrjobs.runtime.address import TcpAddress, UnixAddress, parse_dsn

_POOLS = (("http", "pool"), ("jobs", "pool"), ("jobs", "pools"))


def check_version(root: Node, findings: Findings) -> None:
    """The version must be there, and a text; 3 is what we know."""
    node = root.get("version")
    if node is None:
        findings.error_at(root, ("version",), f'a configuration has a version: write version: "{VERSION}"')
    elif not isinstance(node.value, str):
        kind = {int: "a number", float: "a number", bool: "a truth value"}.get(type(node.value), "a section")
        findings.error(
            node.origin, ("version",), f'version should be a string, it is {kind}: write version: "{VERSION}"'
        )
    elif node.value != VERSION:
        findings.warn(node.origin, ("version",), f'read as version "{VERSION}", which it should say')


def check_rules(root: Node, findings: Findings) -> None:
    """Every rule, on the tree: it holds what was written, whatever of it is valid."""
    for rule in _RULES:
        rule(root, findings)


def _one_kind_of_pool(root: Node, findings: Findings) -> None:
    if root.get("jobs", "pool") and root.get("jobs", "pools"):
        text = "both pool and pools options cannot be set at the same time: remove `jobs.pool` or `jobs.pools`"
        findings.error_at(root, ("jobs", "pools"), text)
    if _section(root, "any"):
        for path in _POOLS:
            if root.get(*path):
                text = f"`{'.'.join(path)}` cannot stand beside `any.pool`, which serves it: remove one of them"
                findings.error_at(root, path, text)


def _any_serves_something(root: Node, findings: Findings) -> None:
    if _section(root, "any") and not (_section(root, "http") or _section(root, "jobs")):
        findings.error_at(root, ("any",), "its pool has nothing to serve: add a section `http` or `jobs`")


def _http_listens(root: Node, findings: Findings) -> None:
    http = root.get("http")
    if http is None or not isinstance(http.value, dict) or any(http.get(other) for other in ("ssl", "fcgi")):
        return  # of those, that they are not available yet is all there is to say
    address = http.get("address")
    if address is None or address.value == "":
        text = "unable to run http service, no method has been specified: write address: 127.0.0.1:8080"
        findings.error_at(root, ("http", "address"), text)


def _workers_have_a_command(root: Node, findings: Findings) -> None:
    lacking = [name for name, pools in _pools_in_use(root).items() if not all(pools)]
    if lacking and not _has_command(root, "server"):
        need = "needs" if len(lacking) == 1 else "need"
        text = f"command should not be empty, `{'` and `'.join(lacking)}` {need} workers: write command: php worker.php"
        findings.error_at(root, ("server", "command") if root.get("server") else (lacking[0],), text)


def _pools_in_use(root: Node) -> dict[str, list[bool]]:
    """Of each section that has workers, whether each of its pools has a command of its own."""
    if _section(root, "any"):
        return {"any": [_has_command(root, "any", "pool")]}
    uses: dict[str, list[bool]] = {}
    if _section(root, "http"):
        uses["http"] = [_has_command(root, "http", "pool")]
    if _section(root, "jobs"):
        named = root.get("jobs", "pools")
        pools = [_has_command(one) for one in named.entries().values()] if named else []
        uses["jobs"] = pools or [_has_command(root, "jobs", "pool")]
    return uses


def _has_command(node: Node, *path: str) -> bool:
    held = node.get(*path, "command")
    return held is not None and held.value not in ("", [])


def _pipelines_fit(root: Node, findings: Findings) -> None:
    pipelines = root.get("jobs", "pipelines")
    known = _names_of(pipelines)
    for name, node in root.names("jobs", "consume"):
        if name not in known:
            close = closest(name, known)
            hint = f", did you mean `{close}`?" if close else ": declare it, or remove it here"
            findings.warn(node.origin, ("jobs", "consume"), f"no pipeline {name!r} in `jobs.pipelines`{hint}")
    pools = _names_of(root.get("jobs", "pools"))
    for name, pipeline in pipelines.entries().items() if pipelines else ():
        path = ("jobs", "pipelines", name, "pool")
        pool = pipeline.get("pool")
        if pool is not None and str(pool.value) not in pools:
            names = f"known are {', '.join(sorted(pools))}" if pools else "there is no `jobs.pools`"
            findings.error(pool.origin, path, f"no pool {pool.value!r}: {names}")
        elif pool is None and pools:
            text = "has no pool: its jobs fail unless they name one in a header `pool`"
            findings.warn(pipeline.named_at, path, f"{text}; write pool: {sorted(pools)[0]}")


def _drivers_have_their_sections(root: Node, findings: Findings) -> None:
    """A pipeline of a broker says nothing about where the broker is."""
    own = {name for name in Root.model_fields if name in MODELS}
    pipelines = root.get("jobs", "pipelines")
    for name, pipeline in pipelines.entries().items() if pipelines else ():
        driver = pipeline.text("driver")
        if driver in own and root.get(driver) is None:
            text = f"there is no section `{driver}`, which says where the broker is: write {driver}: {{...}} at the top"
            findings.error(pipeline.named_at, ("jobs", "pipelines", name, "driver"), text)


def _names_of(node: Node | None) -> set[str]:
    if node is None:
        return set()
    if isinstance(node.value, list):
        return {name for item in node.value for name in item.entries()}
    return set(node.entries())


def _trusted_headers_need_subnets(root: Node, findings: Findings) -> None:
    if root.get("http", "trusted_headers") and not root.get("http", "trusted_subnets"):
        findings.warn_at(root, ("http", "trusted_headers"), "no effect without `http.trusted_subnets`")


def _workers_can_connect(root: Node, findings: Findings) -> None:
    """PHP takes the addresses of relay and RPC as they are written, and understands fewer than we do."""
    for path in (("server", "relay"), ("rpc", "listen")):
        node = root.get(*path)
        try:
            address = parse_dsn(str(node.value)) if node is not None else None
        except AddressError:
            continue
        if isinstance(address, TcpAddress) and (not address.host or ":" in address.host):
            text = f"PHP workers cannot connect to {address}: write tcp://127.0.0.1:{address.port}"
            findings.warn_at(root, path, text)
        elif isinstance(address, UnixAddress) and ":" in address.path:
            findings.warn_at(root, path, "PHP workers cannot connect to a path with a colon in it: choose another")


def _rpc_is_private(root: Node, findings: Findings) -> None:
    try:
        address = parse_dsn(root.text("rpc", "listen"))
    except AddressError:
        return
    if isinstance(address, TcpAddress) and not address.is_loopback:
        text = "anybody who reaches this port can push jobs and reset workers: listen on 127.0.0.1 or a unix socket"
        findings.warn_at(root, ("rpc", "listen"), text)


def _section(root: Node, name: str) -> bool:
    return root.get(name) is not None


_RULES: tuple[Callable[[Node, Findings], None], ...] = (
    _one_kind_of_pool,
    _any_serves_something,
    _http_listens,
    _workers_have_a_command,
    _pipelines_fit,
    _drivers_have_their_sections,
    _trusted_headers_need_subnets,
    _workers_can_connect,
    _rpc_is_private,
    logs_have_effect,
)
