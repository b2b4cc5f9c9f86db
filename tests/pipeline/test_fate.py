"""Every row of the table of fates in docs/delivery-contract.md."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.pipeline.answer import Unreadable, read_answer
from rrjobs.pipeline.dead_letter import Death
from rrjobs.pipeline.fate import Case, Verdict, decide
from rrjobs.pipeline.history import TRAVELLING, History
from rrjobs.pipeline.outcome import DONE, Action, Counter, Outcome
from rrjobs.pipeline.policy import MAX_INTERRUPTIONS, PLAIN, Policy, Retry
from rrjobs.worker.load import Fault, FaultKind

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "delivery-contract.md"
NOW = 1000.0
RETRY = Policy(3, Retry(max_attempts=5, initial_s=2, factor=2, max_s=100, jitter=0, retry_for_s=500))
CRASHES = [FaultKind.CRASHED, FaultKind.TIMED_OUT, FaultKind.MALFORMED, FaultKind.DOUBLED, FaultKind.UNANSWERED]


def answer(kind: int, **data: object) -> Verdict:
    return read_answer(json.dumps({"type": kind, "data": data}).encode())


def fault(*kinds: FaultKind) -> list[Verdict]:
    return [Fault(kind, "why") for kind in kinds]


def case(policy: Policy = PLAIN, attempt: int = 1, crashes: int = 0, pushed_at: float = NOW, **more: object) -> Case:
    return Case(History(attempt, crashes, pushed_at), policy, NOW, **more)


def travelling(attempt: int, crashes: int = 0, **headers: list[str]) -> dict[str, list[str]]:
    return {**headers, **History(attempt, crashes, NOW).headers()}


def again(counter: Counter, delay_s: float, headers: dict[str, list[str]], reason: str, failed: bool) -> Outcome:
    return Outcome(Action.REQUEUE, counter, True, delay_s, headers, reason, failed)


def dead(death: Death, counter: Counter, reason: str) -> Outcome:
    return Outcome(Action.DEAD, counter, reason=reason, failed=True, death=death)


class Row(NamedTuple):
    """A row of the table, and executions it speaks of with what has to become of them."""

    policy: str
    verdict: str
    when: str
    fate: str
    executions: list[tuple[Verdict, Case, Outcome]]


HEADERS = {"h": ["1"]}
WHY = {kind: f"{kind}: why" for kind in FaultKind}
UNREADABLE = [read_answer(body) for body in (b"", b"[]", b'{"type":1,"data":"text"}')]
FAILURES = [answer(kind, message="no", requeue=requeue) for kind in (1, 3) for requeue in (False, True)]
OK = [(answer(0), case(), DONE), (answer(2), case(attempt=99, crashes=2), DONE)]


def rows() -> Iterator[Row]:
    yield Row("none", "answer 0 or 2", "", "done", OK)
    failed = Outcome(Action.ACK, Counter.FAILED, reason="no")
    yield Row("none", "answer 1", "without `requeue`", "done, counted as failed", [(FAILURES[0], case(), failed)])
    asked = answer(1, message="no", requeue=True, delay_seconds=7, headers=HEADERS)
    outcome = again(Counter.REQUEUED, 7, travelling(100, h=["1"]), "no", False)
    asks = "again after its delay, with its headers"
    yield Row("none", "answer 1", "with `requeue`", asks, [(asked, case(attempt=99), outcome)])
    refused = Outcome(Action.REJECT, Counter.FAILED, reason="no")
    dropped = "refused: the driver's own way of dropping a message"
    yield Row("none", "answer 3", "without `requeue`", dropped, [(FAILURES[2], case(), refused)])
    redelivered = Outcome(Action.REJECT, Counter.REQUEUED, True, 3, travelling(2), "no")
    returned = "refused: the driver's own redelivery, after its delay"
    later = answer(3, message="no", requeue=True, delay_seconds=3)
    yield Row("none", "answer 3", "with `requeue`", returned, [(later, case(), redelivered)])
    once_more = answer(4, message="no", delay_seconds=7, headers=HEADERS)
    yield Row("none", "answer 4", "", asks, [(once_more, case(attempt=99), outcome)])
    odd = Outcome(Action.ACK, Counter.OK, reason="unknown answer type 99")
    yield Row("none", "answer of another type", "", "done", [(answer(99), case(), odd)])
    yield from without_a_policy()
    yield Row("retry", "answer 0 or 2", "", "done", [(verdict, case(RETRY, 5), DONE) for verdict, _, _ in OK])
    yield Row("retry", "answer 4", "", asks, [(once_more, case(RETRY, attempt=99), outcome)])
    yield from with_a_policy()
    yield from by_the_death_of_the_server()
    yield from at_most_once()


def without_a_policy() -> Iterator[Row]:
    useless = [answer(kind, message="no", retry=False, requeue=asks) for kind in (1, 3) for asks in (False, True)]
    given_up = dead(Death.GIVEN_UP, Counter.FAILED, "no")
    rows_ = [(verdict, case(), given_up) for verdict in useless]
    yield Row("none", "answer 1 or 3", "`retry` is false", "dead: given_up", rows_)
    own = answer(1, message="no", retry={"max_attempts": 5, "initial": "2s"})
    retry = Policy(3).changed({"max_attempts": 5, "initial_s": 2.0, "jitter": 0.0})
    outcome = again(Counter.REQUEUED, 2, travelling(2), "no", True)
    yield Row("none", "answer 1 or 3", "`retry` has values", "as with that policy", [(own, case(retry), outcome)])
    outcomes = [(one, case(), dead(Death.MALFORMED, Counter.ERROR, one.reason)) for one in UNREADABLE]
    yield Row("none", "unreadable answer", "", "dead: malformed", outcomes)
    (error,) = fault(FaultKind.ERROR)
    runs = [(error, case(attempt=n), again(Counter.ERROR, 0, travelling(n + 1), "error: why", True)) for n in (1, 2)]
    yield Row("none", "error frame", "attempt below `max_crashes`", "again at once", runs)
    gone = dead(Death.ATTEMPTS, Counter.ERROR, "error: why")
    last = [(error, case(attempt=n), gone) for n in (3, 4)]
    yield Row("none", "error frame", "attempt is `max_crashes`", "dead: attempts", last)
    runs = [
        (one, case(crashes=n, attempt=7), again(Counter.ERROR, 0, travelling(8, n), WHY[one.kind], True))
        for one in fault(*CRASHES)
        for n in (1, 2)
    ]
    yield Row("none", "crash", "crashes below `max_crashes`", "again at once", runs)
    last = [(one, case(crashes=3), dead(Death.CRASHES, Counter.ERROR, WHY[one.kind])) for one in fault(*CRASHES)]
    yield Row("none", "crash", "crashes are `max_crashes`", "dead: crashes", last)
    (stopped,) = fault(FaultKind.REFUSED)
    gone = dead(Death.REFUSED, Counter.ERROR, "refused: why")
    yield Row("none", "refused by 20 workers", "", "dead: refused", [(stopped, case(), gone)])
    yield Row("none", "cut off by the grace period", "", "again at once", cut_off(PLAIN))


def cut_off(policy: Policy) -> list[tuple[Verdict, Case, Outcome]]:
    (cut,) = fault(FaultKind.CUT_OFF)
    outcome = again(Counter.REQUEUED, 0, travelling(100, 2), "cut_off: why", True)
    return [(cut, case(policy, attempt=99, crashes=2), outcome)]


def by_the_death_of_the_server() -> Iterator[Row]:
    (cut,) = fault(FaultKind.INTERRUPTED)
    name, runs, last = "interrupted by the death of the server", [], []
    for policy in (PLAIN, RETRY, Policy(1, Retry(max_attempts=1))):
        for n in (1, MAX_INTERRUPTIONS - 1):
            headers = History(100, 2, NOW, n).headers()
            outcome = again(Counter.REQUEUED, 0, headers, "interrupted: why", True)
            runs.append((cut, Case(History(99, 2, NOW, n), policy, NOW), outcome))
        gone = dead(Death.INTERRUPTED, Counter.ERROR, "interrupted: why")
        last.append((cut, Case(History(1, 0, NOW, MAX_INTERRUPTIONS), policy, NOW), gone))
    yield Row("any", name, f"fewer than {MAX_INTERRUPTIONS} times", "again at once, in its old place", runs)
    yield Row("any", name, f"the {MAX_INTERRUPTIONS}th time", "dead: interrupted", last)


def with_a_policy() -> Iterator[Row]:
    below, last = "attempt below `max_attempts`", "attempt is `max_attempts`"
    waits = {1: 2.0, 2: 4.0, 4: 16.0}
    backoff = "again after the backoff"
    runs = [
        (one, case(RETRY, n), again(Counter.REQUEUED, wait, travelling(n + 1), "no", True))
        for one in FAILURES
        for n, wait in waits.items()
    ]
    own = answer(1, message="no", delay_seconds=9, headers=HEADERS, requeue=True)
    runs.append((own, case(RETRY), again(Counter.REQUEUED, 9, travelling(2, h=["1"]), "no", True)))
    yield Row("retry", "answer 1 or 3", below, f"{backoff}, or its own delay", runs)
    gone = dead(Death.ATTEMPTS, Counter.FAILED, "no")
    yield Row("retry", "answer 1 or 3", last, "dead: attempts", [(one, case(RETRY, 5), gone) for one in FAILURES])
    useless = answer(1, message="no", retry=False)
    given_up = dead(Death.GIVEN_UP, Counter.FAILED, "no")
    yield Row("retry", "answer 1 or 3", "`retry` is false", "dead: given_up", [(useless, case(RETRY), given_up)])
    error, stopped = fault(FaultKind.ERROR, FaultKind.REFUSED)
    for name, verdicts in (("unreadable answer", UNREADABLE), ("error frame", [error])):
        runs = [(one, case(RETRY, 2), again(Counter.ERROR, 4, travelling(3), reason(one), True)) for one in verdicts]
        yield Row("retry", name, below, backoff, runs)
        runs = [(one, case(RETRY, 5), dead(Death.ATTEMPTS, Counter.ERROR, reason(one))) for one in verdicts]
        yield Row("retry", name, last, "dead: attempts", runs)
    runs = [(stopped, case(RETRY, 2), again(Counter.ERROR, 4, travelling(3), reason(stopped), True))]
    yield Row("retry", "refused by 20 workers", below, backoff, runs)
    yield from crashes_with_a_policy(last, backoff)
    ends = [
        (one, case(RETRY, 2, pushed_at=NOW - 496.5), dead(Death.TOO_LATE, counter, reason(one)))
        for one, counter in ((FAILURES[0], Counter.FAILED), (error, Counter.ERROR), (UNREADABLE[0], Counter.ERROR))
    ]
    in_time = again(Counter.ERROR, 4, {**travelling(3), "rr-pushed-at": ["504.000"]}, reason(error), True)
    ends.append((error, case(RETRY, 2, pushed_at=NOW - 496), in_time))
    yield Row("retry", "any failure", "the next run would begin after `retry_for`", "dead: too_late", ends)
    yield Row("retry", "cut off by the grace period", "", "again at once", cut_off(RETRY))


def crashes_with_a_policy(last: str, backoff: str) -> Iterator[Row]:
    crashes = fault(*CRASHES)
    runs = [
        (one, case(RETRY, 4, crashes=2), again(Counter.ERROR, 16, travelling(5, 2), reason(one), True))
        for one in crashes
    ]
    yield Row("retry", "crash", "both below their limits", backoff, runs)
    runs = [(one, case(RETRY, 3, crashes=3), dead(Death.CRASHES, Counter.ERROR, reason(one))) for one in crashes]
    yield Row("retry", "crash", "crashes are `max_crashes`", "dead: crashes", runs)
    runs = [(one, case(RETRY, 5, crashes=1), dead(Death.ATTEMPTS, Counter.ERROR, reason(one))) for one in crashes]
    yield Row("retry", "crash", last, "dead: attempts", runs)


def at_most_once() -> Iterator[Row]:
    fate = "dead: auto_ack"
    for name, verdicts in (("fault", fault(*FaultKind)), ("unreadable answer", UNREADABLE)):
        runs = [
            (one, case(policy, auto_ack=True), dead(Death.AUTO_ACK, Counter.ERROR, reason(one)))
            for one in verdicts
            for policy in (PLAIN, RETRY)
        ]
        yield Row("any", f"{name} of an `auto_ack` job", "", fate, runs)
    gone = dead(Death.AUTO_ACK, Counter.FAILED, "no")
    runs = [(FAILURES[n], case(RETRY, auto_ack=True), gone) for n in (0, 2)]
    yield Row("retry", "answer 1 or 3 of an `auto_ack` job", "without `requeue`", fate, runs)


def reason(verdict: Verdict) -> str:
    if isinstance(verdict, Fault):
        return WHY[verdict.kind]
    return verdict.reason if isinstance(verdict, Unreadable) else verdict.message


ROWS = list(rows())


@pytest.mark.parametrize("row", ROWS, ids=[" ".join(filter(None, row[:3])) for row in ROWS])
def test_the_fate_is_the_one_of_its_row(row: Row):
    assert row.executions
    for verdict, around, outcome in row.executions:
        assert decide(verdict, around) == outcome


def test_the_table_in_the_docs_has_these_rows_and_no_others():
    table = DOCUMENT.read_text().partition("| policy | verdict |")[2].partition("\n\n")[0].splitlines()[2:]
    documented = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table]
    assert documented == [row[:4] for row in sorted(ROWS, key=lambda row: documented.index(row[:4]))]


def test_what_a_program_says_of_the_history_is_not_believed():
    lies = {name: ["1"] for name in TRAVELLING} | {"own": ["x"]}
    outcome = decide(answer(4, headers=lies), Case(History(6, 2, NOW, 3), PLAIN, NOW))
    assert outcome.headers == {"own": ["x"], **History(7, 2, NOW, 3).headers()}


kinds = st.sampled_from(FaultKind)
verdicts = st.builds(Fault, kinds, st.just("why")) | st.binary(max_size=30).map(read_answer) | st.sampled_from(FAILURES)
policies = st.sampled_from([PLAIN, RETRY, Policy(1), Policy(1, Retry(max_attempts=1))])


@given(verdicts, policies, st.integers(1, 2000), st.integers(0, 5), st.floats(0, 2000), st.floats(0, 1), st.booleans())
def test_there_is_always_a_fate_and_faults_never_go_round(verdict, policy, attempt, crashes, pushed_at, random, once):
    around = Case(History(attempt, crashes, pushed_at), policy, NOW, random, once)
    outcome = decide(verdict, around)
    assert outcome.delay_s >= 0
    assert (outcome.action is Action.DEAD) == (outcome.death is not None)
    if not isinstance(verdict, Fault) or verdict.kind in (FaultKind.CUT_OFF, FaultKind.INTERRUPTED):
        return
    assert outcome.action in (Action.REQUEUE, Action.DEAD)
    if once or (verdict.is_crash and crashes >= policy.max_crashes):
        assert outcome.action is Action.DEAD
