"""What a worker carries: the interface between a worker's session and the delivery that travels on it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class FaultKind(StrEnum):
    """Why a load ended without one proper answer."""

    ERROR = "error"  # the program answered with an error frame; the worker is fine
    CRASHED = "crashed"  # the process ended while it had the load
    TIMED_OUT = "timed_out"  # exec_ttl ran out; the process was killed
    MALFORMED = "malformed"  # bytes that are no frame, or a frame that is no answer
    DOUBLED = "doubled"  # a second answer to one load
    UNANSWERED = "unanswered"  # the program asked for more work without answering
    CUT_OFF = "cut_off"  # the grace period ended before the answer, or the worker was given up
    INTERRUPTED = "interrupted"  # the server was killed while a worker had it
    REFUSED = "refused"  # one program after the other asked to be stopped instead of answering


@dataclass(frozen=True, slots=True)
class Fault:
    """One failed execution. `message` is for people; the other fields are facts, None where they do not apply.

    `output` is the tail (64 KiB at most) of what the process printed.
    """

    kind: FaultKind
    message: str
    pid: int = 0
    exit_code: int | None = None
    signal: int | None = None
    output: str = ""

    @property
    def is_crash(self) -> bool:
        """Whether it counts as a crash of the delivery (P4, P12); an error frame is an attempt, not a crash."""
        return self.kind not in _NO_CRASHES


_NO_CRASHES = frozenset({FaultKind.ERROR, FaultKind.CUT_OFF, FaultKind.INTERRUPTED, FaultKind.REFUSED})


class Flow(Protocol):
    """The worker that sends a stream, as the load sees it. Not to be used after the load's end."""

    def pause_stream(self) -> None:
        """Read no more of it: the program waits in its next write once the pipe is full. Safe twice."""
        ...

    def resume_stream(self) -> None:
        """Read on; safe when it was not paused."""
        ...

    def stop_stream(self) -> None:
        """Nobody listens any more: ask for the end; a worker that does not end it in stream_timeout is killed."""
        ...


class Load(Protocol):
    """One message on its way through a worker.

    Calls come in this order: `encode`, then any number of `answer`, before the first part of a stream `streams`, then
    exactly one of `finished`, `failed`, `returned`, `refused`, `in_doubt`. After the last three the load may be encoded
    again for another worker; the others are final.
    All are called on the event loop and must neither block nor raise.
    """

    @property
    def ident(self) -> str:
        """The id that log lines and crash reports carry."""
        ...

    @property
    def kind(self) -> str:
        """What sort of work this is (a job name, a route): executions of one kind are expected to take alike."""
        ...

    @property
    def mode(self) -> str:
        """What the program takes it for: http, jobs."""
        ...

    def encode(self) -> bytes:
        """The whole request frame. Raises ValueError when this load cannot be put into a frame."""
        ...

    def answer(self, flags: int, stream: int, context: bytes, body: bytes) -> bool:
        """Take one data frame; more follow while `stream` has the STREAM bit. False: nobody listens, stop."""
        ...

    def streams(self, flow: Flow) -> None:
        """The answer is a stream; `flow` controls it until the load's end."""
        ...

    def finished(self) -> None:
        """The answer was whole and nothing else came before the fence."""
        ...

    def failed(self, fault: Fault) -> None:
        """This execution failed; what was answered before must not be taken for an outcome."""
        ...

    def returned(self) -> None:
        """The worker is gone or refused, and never started this load: it counts as never lent."""
        ...

    def in_doubt(self, fault: Fault) -> None:
        """The worker was given up, and may have begun this load: `failed`, or `returned` if twice is no harm."""
        ...

    def refused(self) -> None:
        """The program asked to be stopped instead of executing it: another worker may."""
        ...
