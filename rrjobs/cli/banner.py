"""What the server says of itself once it is up."""

from collections.abc import Sequence

from rrjobs import __version__
from rrjobs.app import App
from rrjobs.pipeline.state import PipelineState


def banner(app: App, pipelines: Sequence[PipelineState]) -> str:
    """Addresses, pools, pipelines, and how to stop, ready to be printed."""
    lines = [f"[INFO] rrjobs server started; version: {__version__}"]
    if app.http is not None:
        lines.append(f"  http      http://{app.http.address}")
    if app.rpc is not None:
        lines.append(f"  rpc       {_dsn(str(app.rpc.address))}")
    if app.status is not None:
        lines.append(f"  status    http://{app.status.address}/ready")
    if app.metrics is not None:
        lines.append(f"  metrics   http://{app.metrics.address}/metrics")
    for lane, pool in app.lanes:
        depth = ", ".join(f"{mode} {value}" for mode, value in lane.prefetch.items())
        lines.append(f"  pool      {lane.name}: {pool.size} workers, relay {pool.relay}, prefetch {depth}")
    for state in pipelines:
        consumed = "consuming" if state.ready else "paused"
        lines.append(f"  pipeline  {state.pipeline}: {state.driver}, {consumed}")
    lines.append("  Ctrl+C drains and stops, a second one aborts; `rrjobs workers -i` shows what goes on")
    return "\n".join(lines)


def _dsn(address: str) -> str:
    return address if "://" in address else f"tcp://{address}"
