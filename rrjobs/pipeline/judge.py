"""Judges what failed in one pipeline: gathers the facts, lets `fate` decide, writes the letter, tells of it."""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

from rrjobs.pipeline.answer import Answer, Unreadable, read_answer
from rrjobs.pipeline.dead_letter import DeadLetter, Death
from rrjobs.pipeline.delivery import JobDelivery
from rrjobs.pipeline.fate import Case, Verdict, decide
from rrjobs.pipeline.history import History, history_of, without_history
from rrjobs.pipeline.job import Job
from rrjobs.pipeline.outcome import Action, Counter, Outcome
from rrjobs.pipeline.policy import PLAIN, RETRY, Changes, Policy, PolicyError, parse_changes, written
from rrjobs.runtime.events import Events
from rrjobs.worker.load import Fault, FaultKind

MAX_ERROR_CHARS = 8 * 1024
MAX_OUTPUT_CHARS = 16 * 1024


class PolicyJudge:
    """See `delivery.Judge`. `now` is unix time, `chance` gives numbers from 0 to 1."""

    def __init__(
        self,
        policy: Policy = PLAIN,
        events: Events | None = None,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.policy = policy
        self._events = events or Events()
        self._now = now
        self._chance = chance

    def answered(self, delivery: JobDelivery, body: bytes) -> Outcome:
        """The outcome of one well-framed answer."""
        answer = read_answer(body)
        if isinstance(answer, Unreadable):
            self._events.emit(
                "job.malformed_answer", id=delivery.ident, pipeline=delivery.pipeline, reason=answer.reason
            )
        return self._judged(delivery, answer)

    def failed(self, delivery: JobDelivery, fault: Fault) -> Outcome:
        """The outcome of a fault."""
        return self._judged(delivery, fault)

    def undecodable(self, delivery: JobDelivery, reason: str) -> Outcome:
        """A letter, whatever the policy: another run would find the same."""
        job = delivery.job
        history = History(delivery.attempt, delivery.crashes, job.pushed_at)
        letter = _letter(job, history, Death.UNDECODABLE, None, reason, self._now())
        self._tell_dead(letter)
        return Outcome(Action.DEAD, Counter.ERROR, reason=reason, failed=True, death=Death.UNDECODABLE, letter=letter)

    def _judged(self, delivery: JobDelivery, verdict: Verdict) -> Outcome:
        job, now = delivery.job, self._now()
        history = _history(delivery, verdict)
        policy, changes = self._policy_for(job, verdict)
        outcome = decide(verdict, Case(history, policy, now, self._chance(), job.auto_ack))
        if outcome.action is Action.DEAD and outcome.death is not None:
            letter = _letter(job, history, outcome.death, verdict, outcome.reason, now)
            self._tell_dead(letter)
            return replace(outcome, letter=letter)
        if outcome.redeliver and changes:
            outcome = replace(outcome, headers={**outcome.headers, RETRY: [written(changes)]})
        if outcome.redeliver and outcome.failed:
            self._tell_retry(delivery, outcome)
        return outcome

    def _policy_for(self, job: Job, verdict: Verdict) -> tuple[Policy, Changes]:
        """The pipeline's policy as the job's header and the answer change it; what is new of these changes travels."""
        asked = verdict.retry if isinstance(verdict, Answer) else {}
        header = job.headers.get(RETRY)
        if not header and not asked:
            return self.policy, asked
        try:
            changes = {**parse_changes(header[0]), **asked} if header else asked
        except PolicyError:  # a foreign message, or headers of an answer: pushes with such a header are refused
            changes = asked
        return self.policy.changed(changes), changes if asked else {}

    def _tell_dead(self, letter: DeadLetter) -> None:
        self._events.emit(
            "delivery.dead",
            id=letter.id,
            pipeline=letter.pipeline,
            job=letter.name,
            letter=letter.key,
            reason=letter.reason,
            error=letter.error[:500],
            attempts=letter.attempts,
            crashes=letter.crashes,
        )

    def _tell_retry(self, delivery: JobDelivery, outcome: Outcome) -> None:
        self._events.emit(
            "delivery.retried",
            id=delivery.ident,
            pipeline=delivery.pipeline,
            attempt=delivery.attempt,
            crashes=delivery.crashes,
            again_in_s=round(outcome.delay_s, 3),
            reason=outcome.reason[:500],
        )


def _history(delivery: JobDelivery, verdict: Verdict) -> History:
    """With the execution that is judged."""
    past = history_of(delivery.job.headers)
    interrupted = isinstance(verdict, Fault) and verdict.kind is FaultKind.INTERRUPTED
    pushed_at = past.pushed_at or delivery.job.pushed_at
    return History(delivery.attempt, delivery.crashes, pushed_at, past.interruptions + interrupted)


def _letter(job: Job, history: History, death: Death, verdict: Verdict | None, reason: str, now: float) -> DeadLetter:
    fault = verdict if isinstance(verdict, Fault) else None
    return DeadLetter(
        key=uuid4().hex[:16],
        id=job.id,
        pipeline=job.pipeline,
        name=job.name,
        payload=job.payload,
        headers=without_history(job.headers),
        attempts=history.attempt,
        crashes=history.crashes,
        reason=str(death),
        error=reason[:MAX_ERROR_CHARS],
        exit_code=fault.exit_code if fault else None,
        signal=fault.signal if fault else None,
        output=fault.output[-MAX_OUTPUT_CHARS:] if fault else "",
        pushed_at=history.pushed_at,
        died_at=now,
        pid=fault.pid if fault else 0,
        priority=job.priority,
        auto_ack=job.auto_ack,
        options=job.options,
    )
