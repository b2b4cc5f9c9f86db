"""A delivery: one received copy of a message on its way through the pipeline.

States, and who moves them:

    new --Sink.put--> queued --dispatcher--> lent --worker--> settled (finished | failed)
                        ^                      |
                        +------ returned ------+
    queued --cancel()--> cancelled: the queue drops it when its turn comes
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Protocol

import orjson

from rrjobs.pipeline.history import ATTEMPT, history_of
from rrjobs.pipeline.job import NO_HEADERS, Job
from rrjobs.pipeline.outcome import DONE, SUCCESS_BODY, Outcome
from rrjobs.protocol.frame import CODEC_RAW, STREAM, data_frame
from rrjobs.worker.load import Fault, FaultKind, Flow

MAX_REFUSALS = 20
"""Programs in turn that may answer a delivery with the request to be stopped, before it fails."""


class Lender(Protocol):
    """Where a returned delivery goes: the lane of the queue it came from.

    `before_next` is called, and emptied, before the next frames are written to a worker. None: they may be written as
    soon as a delivery was encoded.
    """

    before_next: list[Callable[[], None]] | None

    def give_back(self, delivery: "Delivery") -> None:
        """Put it before its equals again, attempt unchanged."""
        ...


class Delivery(ABC):
    """Base of everything that travels the pipeline; a `Load` for the worker room.

    `priority`: lower is served earlier. `mode`: `http`, `jobs`, ... `kind`: what the prefetch statistics are kept by.
    `attempt` counts executions from 1, `crashes` those that killed their worker.
    """

    __slots__ = ("attempt", "cancelled", "crashes", "kind", "lane", "pipeline", "priority", "refusals", "since")

    since: float
    """When it began to wait, by the monotonic clock; set only where that counts."""

    mode: ClassVar[str] = ""

    def __init__(self, pipeline: str, priority: int, kind: str) -> None:
        self.pipeline = pipeline
        self.priority = priority
        self.kind = kind
        self.attempt = 1
        self.crashes = 0
        self.cancelled = False
        self.refusals = 0
        self.lane: Lender | None = None

    @property
    @abstractmethod
    def ident(self) -> str:
        """The id that log lines carry."""

    @abstractmethod
    def encode(self) -> bytes:
        """The request frame for the worker."""

    @abstractmethod
    def answer(self, flags: int, stream: int, context: bytes, body: bytes) -> bool:
        """One data frame of the answer."""

    @abstractmethod
    def finished(self) -> None:
        """The answer is whole."""

    @abstractmethod
    def failed(self, fault: Fault) -> None:
        """The execution failed."""

    @abstractmethod
    def streams(self, flow: Flow) -> None:
        """The answer is a stream."""

    @abstractmethod
    def dropped(self, reason: str) -> None:
        """The pipeline is closing and this delivery was never lent: give it back to where it came from."""

    def waits_since(self, clock: Callable[[], float]) -> float:
        """When somebody asked this first."""
        try:
            return self.since
        except AttributeError:
            self.since = clock()
            return self.since

    def cancel(self) -> None:
        """Nobody wants it any more; it is dropped unseen if it was not lent yet."""
        self.cancelled = True

    def returned(self) -> None:
        """Unstarted on a worker that is gone: back to the front of its lane."""
        if self.lane is not None:
            self.lane.give_back(self)

    def not_lent(self) -> None:  # noqa: B027 - most have nothing to do
        """Encoded, but there was no room for it after all: it is in the queue as if nothing had been."""

    def in_doubt(self, fault: Fault) -> None:
        """Perhaps begun on a worker that was given up: an attempt, whoever can bear two may take it back instead."""
        self.failed(fault)

    def refused(self) -> None:
        """Given back by a program that asked to be stopped: what every program refuses must not go round for ever."""
        self.refusals += 1
        if self.refusals < MAX_REFUSALS:
            self.returned()
        else:
            self.failed(Fault(FaultKind.REFUSED, f"{self.refusals} workers asked to be stopped instead of answering"))


class Judge(Protocol):
    """Decides what becomes of a delivery that did not simply succeed; the same for all drivers."""

    def answered(self, delivery: "JobDelivery", body: bytes) -> Outcome:
        """The outcome of an answer."""
        ...

    def failed(self, delivery: "JobDelivery", fault: Fault) -> Outcome:
        """The outcome of an execution without one."""
        ...

    def undecodable(self, delivery: "JobDelivery", reason: str) -> Outcome:
        """The outcome of a message that cannot be read as a job, and is not executed."""
        ...


class Settler(Protocol):
    """The driver's half of a job delivery. `judge` is its pipeline's."""

    name: str

    @property
    def judge(self) -> Judge: ...

    def settle(self, delivery: "JobDelivery", outcome: Outcome) -> None:
        """Carry the outcome to the broker; called exactly once, must not block or raise."""
        ...

    def take_back(self, delivery: "JobDelivery", reason: str) -> None:
        """Never executed, and the pipeline is closing: make it available again, attempt unchanged."""
        ...


class JobDelivery(Delivery):
    """A job received from a queue driver. `tag` is the driver's own handle; `queue` None leaves the key out.

    `attempt` and `crashes` are read from the job's headers; a driver whose broker counts by itself sets them.
    """

    __slots__ = ("_body", "job", "queue", "settler", "tag")

    mode: ClassVar[str] = "jobs"

    def __init__(self, job: Job, settler: Settler, tag: object = None, queue: str | None = None) -> None:
        self.pipeline = job.pipeline
        self.priority = job.priority
        self.kind = job.name
        headers = job.headers
        if headers is NO_HEADERS or ATTEMPT not in headers:
            self.attempt = 1
            self.crashes = 0
        else:
            past = history_of(headers)
            self.attempt = past.attempt
            self.crashes = past.crashes
        self.cancelled = False
        self.refusals = 0
        self.lane = None
        self.job = job
        self.settler = settler
        self.tag = tag
        self.queue = queue
        self._body: bytes | None = None

    @property
    def ident(self) -> str:
        """The job's id."""
        return self.job.id

    def encode(self) -> bytes:
        """Context JSON and payload, codec flag raw (spec/jobs-and-rpc.md 3.2)."""
        job = self.job
        context = {
            "id": job.id,
            "job": job.name,
            "driver": self.settler.name,
            "headers": dict(job.headers),
            "pipeline": job.pipeline,
        }
        if self.queue is not None:
            context["queue"] = self.queue
        return data_frame(orjson.dumps(context), job.payload, CODEC_RAW)

    def streams(self, flow: Flow) -> None:
        """No answer to a job: see `answer`."""

    def answer(self, flags: int, stream: int, context: bytes, body: bytes) -> bool:
        """Keep the body until the fence proves that it was the only answer; a streamed answer is none."""
        if stream & STREAM:
            self._body = None
            return False
        self._body = body
        return True

    def finished(self) -> None:
        """Settle with the outcome of the one answer."""
        body = self._body
        if body == SUCCESS_BODY:
            self.settler.settle(self, DONE)
        elif body is None:
            self.failed(Fault(FaultKind.MALFORMED, "a job cannot be answered with a stream"))
        else:
            settler = self.settler
            settler.settle(self, settler.judge.answered(self, body))

    def failed(self, fault: Fault) -> None:
        """Settle with the outcome of the fault."""
        if fault.is_crash:
            self.crashes += 1
        settler = self.settler
        settler.settle(self, settler.judge.failed(self, fault))

    def dropped(self, reason: str) -> None:
        """Hand it back to its driver."""
        self.settler.take_back(self, reason)
