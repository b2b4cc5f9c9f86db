"""What becomes of a delivery: one pure function. Its table is in docs/delivery-contract.md, and tests hold both equal.

Without a retry policy the answer types 0-4 mean what they mean in RoadRunner, and faults lead to another run until
`max_crashes`. With one, what failed is run again until `max_attempts` or `retry_for`.
"""

from dataclasses import dataclass

from rrjobs.pipeline.answer import Answer, Kind, Unreadable
from rrjobs.pipeline.dead_letter import Death
from rrjobs.pipeline.history import TRAVELLING, History
from rrjobs.pipeline.job import NO_HEADERS, Headers
from rrjobs.pipeline.outcome import DONE, Action, Counter, Outcome
from rrjobs.pipeline.policy import MAX_INTERRUPTIONS, Policy, Retry
from rrjobs.worker.load import Fault, FaultKind

Verdict = Answer | Unreadable | Fault


@dataclass(frozen=True, slots=True)
class Case:
    """All that counts beside the verdict; `random` is 0 to 1.

    `history.crashes` and `history.interruptions` include the one that is judged.
    """

    history: History
    policy: Policy
    now: float
    random: float = 0.5
    auto_ack: bool = False


def decide(verdict: Verdict, case: Case) -> Outcome:
    """The outcome of one execution."""
    if isinstance(verdict, Fault):
        return _of_fault(verdict, case)
    if isinstance(verdict, Unreadable):
        return _of_unreadable(verdict, case)
    if verdict.kind in (Kind.SUCCESS, Kind.ACK):
        return DONE
    if verdict.kind == Kind.REQUEUE:
        return _asked(Action.REQUEUE, verdict, case)
    if verdict.kind in (Kind.ERROR, Kind.NACK):
        return _of_failure(verdict, case)
    return Outcome(Action.ACK, Counter.OK, reason=f"unknown answer type {verdict.kind}")


def _of_fault(fault: Fault, case: Case) -> Outcome:
    reason = f"{fault.kind}: {fault.message}"
    if case.auto_ack:
        return _dead(Death.AUTO_ACK, Counter.ERROR, reason)
    if fault.kind is FaultKind.CUT_OFF:
        return _again(case, 0.0, Counter.REQUEUED, reason)
    if fault.kind is FaultKind.INTERRUPTED:
        return _of_interruption(case, reason)
    if fault.is_crash and case.history.crashes >= case.policy.max_crashes:
        return _dead(Death.CRASHES, Counter.ERROR, reason)
    if case.policy.retry is not None:
        return _retried(case, case.policy.retry, Counter.ERROR, reason)
    if fault.kind is FaultKind.REFUSED:
        return _dead(Death.REFUSED, Counter.ERROR, reason)
    if not fault.is_crash and case.history.attempt >= case.policy.max_crashes:
        return _dead(Death.ATTEMPTS, Counter.ERROR, reason)
    return _again(case, 0.0, Counter.ERROR, reason)


def _of_interruption(case: Case, reason: str) -> Outcome:
    """Neither the job nor its policy is to blame, up to the point where it may well be."""
    if case.history.interruptions >= MAX_INTERRUPTIONS:
        return _dead(Death.INTERRUPTED, Counter.ERROR, reason)
    return _again(case, 0.0, Counter.REQUEUED, reason)


def _of_unreadable(verdict: Unreadable, case: Case) -> Outcome:
    """RoadRunner acks it; without a policy it is not run again here either, but kept."""
    if case.auto_ack:
        return _dead(Death.AUTO_ACK, Counter.ERROR, verdict.reason)
    if case.policy.retry is None:
        return _dead(Death.MALFORMED, Counter.ERROR, verdict.reason)
    return _retried(case, case.policy.retry, Counter.ERROR, verdict.reason)


def _of_failure(answer: Answer, case: Case) -> Outcome:
    if answer.final:
        return _dead(Death.GIVEN_UP, Counter.FAILED, answer.message)
    retry = case.policy.retry
    if retry is None:
        return _by_roadrunner(answer, case)
    if case.auto_ack and not answer.requeue:
        return _dead(Death.AUTO_ACK, Counter.FAILED, answer.message)
    return _retried(case, retry, Counter.REQUEUED, answer.message, answer.delay_s, answer.headers)


def _by_roadrunner(answer: Answer, case: Case) -> Outcome:
    if answer.requeue:
        return _asked(Action.REQUEUE if answer.kind == Kind.ERROR else Action.REJECT, answer, case)
    action = Action.ACK if answer.kind == Kind.ERROR else Action.REJECT
    return Outcome(action, Counter.FAILED, delay_s=answer.delay_s, reason=answer.message)


def _asked(action: Action, answer: Answer, case: Case) -> Outcome:
    headers = _laid_over(answer.headers, case)
    return Outcome(action, Counter.REQUEUED, True, answer.delay_s, headers, answer.message)


def _retried(
    case: Case, retry: Retry, counter: Counter, reason: str, delay_s: float = 0.0, headers: Headers = NO_HEADERS
) -> Outcome:
    """Another run by the policy; `delay_s` and `headers` are what the program asked for."""
    dead = Counter.FAILED if counter is Counter.REQUEUED else counter
    history = case.history
    if history.attempt >= retry.max_attempts:
        return _dead(Death.ATTEMPTS, dead, reason)
    delay_s = delay_s or retry.delay_s(history.attempt, case.random)
    if retry.retry_for_s and case.now + delay_s > (history.pushed_at or case.now) + retry.retry_for_s:
        return _dead(Death.TOO_LATE, dead, reason)
    return _again(case, delay_s, counter, reason, headers)


def _again(case: Case, delay_s: float, counter: Counter, reason: str, headers: Headers = NO_HEADERS) -> Outcome:
    return Outcome(Action.REQUEUE, counter, True, delay_s, _laid_over(headers, case), reason, failed=True)


def _dead(death: Death, counter: Counter, reason: str) -> Outcome:
    return Outcome(Action.DEAD, counter, reason=reason, failed=True, death=death)


def _laid_over(headers: Headers, case: Case) -> Headers:
    """The program's headers and the history of the next run; what the program says about history is not believed."""
    history = case.history
    pushed_at = history.pushed_at or case.now
    travelling = History(history.attempt + 1, history.crashes, pushed_at, history.interruptions).headers()
    return {**{name: held for name, held in headers.items() if name not in TRAVELLING}, **travelling}
