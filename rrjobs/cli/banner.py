"""What the server says of itself once it is up."""

from collections.abc import Sequence

from rrjobs import __version__
from rrjobs.app.app import Ending
from rrjobs.app.rooms import Rooms
from rrjobs.pipeline.state import PipelineState
from rrjobs.runtime.address import Address, UnixAddress


def banner(rooms: Rooms, pipelines: Sequence[PipelineState]) -> str:
    """Addresses, pools, pipelines, and how to stop, ready to be printed."""
    lines = [f"[INFO] rrjobs server started; version: {__version__}"]
    if rooms.http is not None:
        lines.append(f"  http      {url(rooms.http.address)}")
    if rooms.rpc is not None:
        lines.append(f"  rpc       {_dsn(str(rooms.rpc.address))}")
    if rooms.status is not None:
        lines.append(f"  status    {url(rooms.status.address, '/ready')}")
    if rooms.metrics is not None:
        lines.append(f"  metrics   {url(rooms.metrics.address, '/metrics')}")
    for lane, pool in rooms.lanes:
        depth = ", ".join(f"{mode} {value}" for mode, value in lane.prefetch.items())
        lines.append(f"  pool      {lane.name}: {_counted(pool.size)}, relay {pool.relay}, prefetch {depth}")
    for state in pipelines:
        consumed = "consuming" if state.ready else "paused"
        lines.append(f"  pipeline  {state.pipeline}: {state.driver}, {consumed}")
    lines.append("  Ctrl+C drains and stops, a second one aborts; `rrjobs workers -i` shows what goes on")
    return "\n".join(lines)


def url(address: Address, path: str = "") -> str:
    """For a browser or curl; a unix socket has no URL, and where every interface listens the loopback is named."""
    if isinstance(address, UnixAddress):
        return f"{address} {path}".strip()
    if address.host in ("", "0.0.0.0", "::"):
        return f"http://127.0.0.1:{address.port}{path} (every interface)"
    return f"http://{address}{path}"


def _dsn(address: str) -> str:
    return address if "://" in address else f"tcp://{address}"


def _counted(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


def closing_line(ending: Ending) -> str:
    """What became of the work that was there."""
    both = (ending.http, ending.jobs)
    finished, returned, cut_off = (
        sum(getattr(one, name) for one in both) for name in ("finished", "returned", "cut_off")
    )
    numbers = f"{finished + ending.farewells} finished, {returned} returned, {cut_off} cut off"
    return f"stopped: {numbers}, {ending.sent_away} requests sent away"
