"""Puts: all commands of a push at once, one reply for each."""

from collections.abc import Sequence

from rrjobs.drivers.beanstalk.wire import Wire
from rrjobs.errors import PushRefused

MAX_DELAY_S = 2**32 - 1

_REASONS = {
    b"JOB_TOO_BIG": "a job is larger than beanstalkd takes (its option -z)",
    b"DRAINING": "beanstalkd is draining and takes no jobs",
    b"OUT_OF_MEMORY": "beanstalkd has no room: its memory is full, or the disk of its log (its option -b)",
    b"BURIED": "beanstalkd ran out of memory and buried the job",
}


def whole_seconds(delay_s: float) -> int:
    """beanstalkd's delays are whole seconds: rounded up, so that nothing comes too early."""
    return max(0, min(MAX_DELAY_S, -int(-delay_s // 1)))


async def put_all(wire: Wire, priority: int, ttr_s: int, bodies: Sequence[bytes], delays_s: Sequence[float]) -> None:
    """The jobs, in their order, into the tube that the wire uses.

    Raises PushRefused with the number that was accepted, ConnectionLost.
    """
    puts = [
        b"put %d %d %d %d\r\n%b\r\n" % (priority, whole_seconds(delay_s), ttr_s, len(body), body)
        for body, delay_s in zip(bodies, delays_s, strict=True)
    ]
    words = [reply.word for reply in await wire.ask_all(puts)] if puts else []
    refused = [word for word in words if word != b"INSERTED"]
    if refused:
        reason = _REASONS.get(refused[0], f"beanstalkd answered {refused[0].decode(errors='replace')}")
        raise PushRefused(reason, accepted=len(words) - len(refused))
