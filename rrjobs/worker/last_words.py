"""What is told of a worker that did not start, or came to a bad end."""

from collections.abc import Sequence

from rrjobs.errors import SpawnError
from rrjobs.runtime.events import Events
from rrjobs.worker.handshake import text_of
from rrjobs.worker.load import Fault, FaultKind, Load
from rrjobs.worker.process import Process

_OUTPUT_IN_ERROR = 4000


def spawn_error(
    command: Sequence[str], process: Process, reason: str, heard: bytes | bytearray, tail: str
) -> SpawnError:
    """`heard` came on its relay, which is its standard output with the relay `pipes`; `tail` is what it printed."""
    output = tail.strip()
    said = text_of(heard)
    printed = f", and {said!r} where its answer was due" if said and said not in reason else ""
    printed += f"; it printed:\n{output[-_OUTPUT_IN_ERROR:]}" if output else "" if said else "; it printed nothing"
    text = f"the worker `{' '.join(command)}` did not start: {reason}, {process.describe_end()}{printed}"
    return SpawnError(text, command=command, exit_code=process.exit_code, output=tail)


def report_failure(
    events: Events, pool: str, process: Process, cause: Fault | None, head: Load | None, tail: str
) -> None:
    """One event with all that the process left, the same to the load that it was executing, which fails.

    `cause`: why it was given up, None when it ended by itself.
    """
    cause = cause or Fault(FaultKind.CRASHED, f"the worker {process.describe_end()}")
    fault = Fault(
        cause.kind,
        cause.message,
        pid=process.pid,
        exit_code=process.exit_code,
        signal=process.signal,
        output=tail,
    )
    events.emit(
        "worker.failed",
        pid=fault.pid,
        pool=pool,
        id=head.ident if head else None,
        fault=str(fault.kind),
        reason=fault.message,
        exit_code=fault.exit_code,
        signal=fault.signal,
        output=fault.output,
    )
    if head is not None:
        head.failed(fault)
