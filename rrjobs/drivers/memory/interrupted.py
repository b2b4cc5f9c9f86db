"""What workers had when the server was killed: each such job comes back in its old place, as a run more."""

from collections.abc import Collection, Iterator, Sequence

from rrjobs.drivers.memory.letters import MemoryLetters
from rrjobs.drivers.memory.store import Store
from rrjobs.pipeline.delivery import JobDelivery, Settler
from rrjobs.pipeline.job import Job
from rrjobs.worker.load import Fault, FaultKind

KILLED = Fault(FaultKind.INTERRUPTED, "the server was killed while a worker had it")


def come_back(
    jobs: Sequence[Job], interrupted: Collection[Job], settler: Settler, store: Store, dead: MemoryLetters
) -> Iterator[Job]:
    """The jobs in their order, of which the interrupted ones are judged: again, or a dead letter."""
    for job in jobs:
        if job not in interrupted:
            yield job
            continue
        outcome = settler.judge.failed(JobDelivery(job, settler), KILLED)
        if outcome.letter is not None:
            dead.bury(job, outcome.letter)
        else:
            copy = job.again(outcome.delay_s, outcome.headers)
            store.renew(job, copy)
            yield copy
