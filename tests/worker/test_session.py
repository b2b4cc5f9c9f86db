"""A session against a fake program that reads what was written, in order, and behaves well or badly.

A load carries its own number, a good answer repeats it: an answer that reaches another load is seen at once.
"""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrjobs.protocol.frame import (
    CODEC_RAW,
    CONTROL,
    ERROR,
    PING,
    STOP,
    STREAM,
    Frame,
    FrameParser,
    data_frame,
    pid_request,
    plain_frame,
)
from rrjobs.worker.load import Fault, FaultKind
from rrjobs.worker.session import Session

PID_ANSWER = plain_frame(b'{"pid":4242}', CONTROL)
BREAKS = {"twice": FaultKind.DOUBLED, "silent": FaultKind.UNANSWERED, "garbage": FaultKind.MALFORMED}
GARBAGE = b"Warning: undefined variable in /app/worker.php on line 7\n"


class NumberedLoad:
    def __init__(self, number: int, behaviour: str, log: list["NumberedLoad"]) -> None:
        self.number = number
        self.behaviour = behaviour
        self.kind = "numbered"
        self.mode = "http"
        self.ident = str(number)
        self.bodies: list[bytes] = []
        self.ends: list[str] = []
        self.fault: Fault | None = None
        self.listens = True
        self._log = log

    def encode(self) -> bytes:
        return data_frame(str(self.number).encode(), self.behaviour.encode(), CODEC_RAW)

    def answer(self, flags: int, stream: int, context: bytes, body: bytes) -> bool:
        assert not self.ends, "an answer after the end"
        assert context == self.ident.encode(), "the answer to another load"
        self.bodies.append(body)
        return self.listens

    def finished(self) -> None:
        self._end("finished")

    def failed(self, fault: Fault) -> None:
        self.fault = fault
        self._end("failed")

    def returned(self) -> None:
        self._end("returned")

    def refused(self) -> None:
        self._end("refused")

    def streams(self, flow: object) -> None:
        assert not self.bodies

    def _end(self, how: str) -> None:
        self.ends.append(how)
        self._log.append(self)


class Program:
    """Reads one frame per `step` and answers it as the load says; `swallows` loses what lies behind a stream."""

    def __init__(self) -> None:
        self._parser = FrameParser()
        self.input: deque[Frame] = deque()
        self.output = b""
        self.started: list[int] = []

    def write(self, data: bytes) -> None:
        self.input += self._parser.feed(data)

    def step(self) -> None:
        frame = self.input.popleft()
        if frame.flags & CONTROL:
            self.output += PID_ANSWER
        elif not frame.stream & (STOP | 0x08):
            self._execute(*frame.split())

    def _execute(self, context: bytes, behaviour: bytes) -> None:
        self.started.append(int(context))
        good = data_frame(context, b"done")
        name, _, chunks = behaviour.decode().partition(" ")
        self.output += {
            "good": good,
            "error": plain_frame(b"boom", ERROR),
            "twice": good + good,
            "silent": b"",
            "garbage": GARBAGE,
            "stop": data_frame(b'{"stop":true}', b""),
            "stream": b"",
            "swallow": b"",
        }[name]
        if name in ("stream", "swallow"):
            for number in range(int(chunks)):
                self.output += data_frame(context, b"chunk", 0, STREAM | (PING if number == 1 else 0))
            self.output += data_frame(context, b"end")
        if name == "swallow":
            self.input.clear()


class Owner:
    def __init__(self) -> None:
        self.finished = 0
        self.broken: list[str] = []
        self.stops = 0
        self.swallowed = 0
        self.abandonments = 0
        self.lost: bool | None = None

    def progressed(self, finished: int, elapsed_s: float) -> None:
        assert finished > 0
        self.finished += finished

    def broke(self, reason: str) -> None:
        self.broken.append(reason)

    def asked_to_stop(self) -> None:
        self.stops += 1

    def streams(self, load: NumberedLoad) -> None:
        load.streams(self)

    def abandoned(self) -> None:
        self.abandonments += 1

    def swallows(self, load: NumberedLoad) -> None:
        self.swallowed += 1

    def lost_step(self, *, others: bool) -> None:
        assert self.lost is None
        self.lost = others


class Table:
    """One session, its program, and all loads ever lent; `settle_the_end` does what a worker does at the end."""

    def __init__(self, polls_input: bool = False) -> None:
        self.owner = Owner()
        self.program = Program()
        self.loads: list[NumberedLoad] = []
        self.batches: list[list[NumberedLoad]] = []
        self.log: list[NumberedLoad] = []
        self.session = Session(self.owner, self.program.write, pid_request(1000), 32768, polls_input, clock=lambda: 1.0)
        self.session.knows_pid_answer(PID_ANSWER)
        self.guilty: NumberedLoad | None = None

    @property
    def usable(self) -> bool:
        return not self.owner.broken and not self.owner.stops and self.owner.lost is None

    def lend(self, behaviours: list[str]) -> list[NumberedLoad]:
        first = len(self.loads)
        made = [NumberedLoad(first + at, behaviour, self.log) for at, behaviour in enumerate(behaviours)]
        self.loads += made
        self.batches.append(made)
        self.session.lend([(load, load.encode()) for load in made])
        return made

    def run(self, cuts: list[int] | None = None) -> None:
        """The program reads all there is, and its output arrives in pieces of these lengths."""
        while self.program.input or self.program.output:
            while self.program.input:
                self.program.step()
            self.deliver(cuts)

    def deliver(self, cuts: list[int] | None = None) -> None:
        """Hand over what the program wrote so far."""
        data, self.program.output = self.program.output, b""
        for cut in cuts or []:
            if data:
                self.session.received(data[:cut])
                data = data[cut:]
        if data:
            self.session.received(data)

    def settle_the_end(self) -> None:
        self.guilty, rest = self.session.end()
        rest = [*self.session.doubtful, *rest]
        for load in reversed(rest):
            load.returned()
        if self.guilty is not None:
            self.guilty.failed(self.session.fault or Fault(FaultKind.CRASHED, "gone"))

    def check(self) -> None:
        for load in self.loads:
            assert len(load.ends) == 1, f"load {load.number} ({load.behaviour}) ended as {load.ends}"
        executed = [load for load in self.loads if load.ends == ["finished"] or _answered_with_error(load)]
        assert self.session.executions == len(executed)
        for batch in self.batches:
            given_back = [load for load in self.log if load in batch and "returned" in load.ends]
            unstarted = [load.number for load in given_back if load.behaviour != "stop"]
            assert unstarted == sorted(unstarted, reverse=True), "whoever puts each in front would change the order"


def _answered_with_error(load: NumberedLoad) -> bool:
    return load.fault is not None and load.fault.kind is FaultKind.ERROR


behaviours = st.one_of(
    st.just("good"),
    st.just("good"),
    st.sampled_from(["good", "error", "twice", "silent", "garbage", "stop", "stream 1", "stream 3", "swallow 3"]),
)
cut_lists = st.lists(st.integers(1, 60), max_size=60)


rounds = st.lists(st.tuples(st.lists(behaviours, min_size=1, max_size=5), cut_lists), min_size=1, max_size=5)


@given(rounds)
def test_every_load_ends_once_and_only_the_guilty_one_fails(script):
    table = Table()
    for batch, cuts in script:
        if table.usable:
            table.lend(batch)
            table.run(cuts)
    table.settle_the_end()
    table.check()
    for load in table.loads:
        if load.ends == ["failed"]:
            assert load.behaviour in ("error", *BREAKS)
            assert load.fault.kind is BREAKS.get(load.behaviour, FaultKind.ERROR)
        elif load.ends == ["finished"]:
            assert load.behaviour.split()[0] in ("good", "stream", "swallow")
            assert load.bodies[-1] in (b"done", b"end")
        else:
            given_up = table.owner.broken or table.owner.lost
            assert load.behaviour == "stop" or load.number not in table.program.started or given_up


@given(rounds, st.integers(0, 12), st.integers(0, 200))
def test_whenever_the_process_dies_at_most_the_one_it_was_executing_fails(script, steps, kept):
    table = Table()
    for batch, cuts in script[:-1]:
        if table.usable:
            table.lend(batch)
            table.run(cuts)
    if table.usable:
        table.lend(script[-1][0])
    for _ in range(min(steps, len(table.program.input))):
        if table.program.input:
            table.program.step()
    table.program.output = table.program.output[:kept]
    table.deliver(script[-1][1])
    table.settle_the_end()
    table.check()
    unfit = [load for load in table.loads if load.ends == ["failed"] and load.behaviour == "good"]
    assert unfit in ([], [table.guilty])


@given(st.lists(st.sampled_from(["good", "error", "stream 1"]), min_size=1, max_size=20), cut_lists)
def test_a_program_that_behaves_finishes_everything_in_order(batch, cuts):
    table = Table()
    loads = table.lend(batch)
    table.run(cuts)
    assert table.log == loads
    assert table.session.loads == deque()
    assert table.session.unread_bytes == 0
    assert table.session.end() == (None, [])
    assert table.owner.finished == len(batch)


@given(st.lists(st.just("good"), min_size=1, max_size=4), st.sampled_from(sorted(BREAKS)), cut_lists)
def test_a_break_fails_its_load_and_gives_back_what_lies_behind(behind, bad, cuts):
    table = Table()
    before, guilty, *after = table.lend(["good", bad, *behind])
    table.run(cuts)
    assert table.owner.broken
    assert table.session.fault.kind is BREAKS[bad]
    table.settle_the_end()
    assert before.ends == ["finished"]
    assert guilty.ends == ["failed"]
    assert [load.ends for load in after] == [["returned"]] * len(after)


@pytest.mark.parametrize(("chunks", "polls_input"), [(2, False), (5, False), (1, True), (5, True)])
@pytest.mark.parametrize("behind", [1, 3])
@pytest.mark.parametrize("name", ["swallow", "stream"])
def test_a_worker_that_may_have_swallowed_loads_is_given_up_and_they_are_given_back(chunks, polls_input, behind, name):
    table = Table(polls_input)
    stream, *lost = table.lend([f"{name} {chunks}", *["good"] * behind])
    table.run()
    assert table.owner.swallowed == 1
    assert table.owner.lost is True
    table.settle_the_end()
    assert stream.ends == ["finished"]
    assert table.log == [stream, *reversed(lost)]
    assert [load.ends for load in lost] == [["returned"]] * behind


@pytest.mark.parametrize("name", ["swallow", "stream"])
def test_a_stream_alone_is_finished_by_whichever_of_two_fences_is_left(name):
    table = Table()
    (load,) = table.lend([f"{name} 3"])
    table.run()
    assert (load.ends, table.owner.lost, table.owner.broken) == (["finished"], False, [])
    assert table.session.end() == (None, [])


def test_a_second_answer_after_a_stream_that_lost_step_breaks_the_session():
    table = Table()
    (load,) = table.lend(["swallow 3"])
    table.program.step()
    table.program.output += data_frame(b"0", b"again")
    table.run()
    table.settle_the_end()
    assert load.fault.kind is FaultKind.DOUBLED


@pytest.mark.parametrize("polls_input", [False, True])
def test_with_late_fences_a_stream_swallows_nothing(polls_input):
    table = Table(polls_input)
    table.session.late_fences = True
    for behaviour in ("swallow 3", "good", "swallow 1", "error", "stop", "swallow 7", "good"):
        table.lend([behaviour])
        table.run()
        assert table.session.unread_bytes == 0
    assert (table.owner.lost, table.owner.broken, table.owner.stops) == (None, [], 1)
    assert table.program.started == list(range(7))
    ends = [load.ends[0] for load in table.loads]
    assert ends == ["finished", "finished", "finished", "failed", "refused", "finished", "finished"]


def test_what_is_lent_behind_a_load_without_a_fence_brings_that_fence_along():
    table = Table()
    table.session.late_fences = True
    first = table.lend(["good"]) + table.lend(["good", "error"]) + table.lend(["good"])
    table.run()
    assert [load.ends for load in first] == [["finished"], ["finished"], ["failed"], ["finished"]]
    assert not table.owner.broken


@pytest.mark.parametrize("name", ["twice", "silent"])
def test_late_fences_find_out_a_second_and_a_forgotten_answer(name):
    table = Table()
    table.session.late_fences = True
    (load,) = table.lend([name])
    table.run()
    table.session.fence_head()
    table.run()
    assert table.session.fault.kind is BREAKS[name]
    table.settle_the_end()
    assert load.ends == ["failed"]


@given(rounds)
def test_late_fences_end_every_load_once_too(script):
    table = Table()
    table.session.late_fences = True
    for batch, cuts in script:
        if table.usable:
            table.lend(batch)
            table.run(cuts)
            table.session.fence_head()
            table.run(cuts)
    table.settle_the_end()
    table.check()
    for load in table.loads:
        assert load.ends != ["failed"] or load.behaviour in ("error", *BREAKS)


def test_a_stream_that_nobody_listens_to_is_asked_to_stop_once():
    table = Table()
    (load,) = table.lend(["stream 3"])
    load.listens = False
    while table.program.input:
        table.program.step()
    table.session.received(table.program.output)
    assert sum(bool(frame.stream & STOP) for frame in table.program.input) == 1
    assert load.ends == ["finished"]
    assert table.owner.abandonments == 1


def test_no_stop_is_written_behind_other_loads_whose_stream_it_would_end():
    table = Table()
    load, _ = table.lend(["stream 3", "stream 3"])
    load.listens = False
    table.program.step()
    table.deliver()
    assert not any(frame.stream & STOP for frame in table.program.input)
    assert table.owner.abandonments == 1


def test_a_refused_load_is_returned_and_its_fence_is_not_counted_against_the_next():
    table = Table()
    refused, after = table.lend(["stop", "good"])
    table.run()
    assert (refused.ends, after.ends) == (["refused"], ["finished"])
    assert table.owner.stops == 1
    assert not table.owner.broken


def test_an_answer_that_was_whole_when_the_process_died_is_finished():
    table = Table()
    (load,) = table.lend(["good"])
    table.program.step()
    table.deliver()
    assert load.ends == []
    assert table.session.end() == (None, [])
    assert load.ends == ["finished"]


@pytest.mark.parametrize("noise", [GARBAGE, PID_ANSWER, data_frame(b"0", b"x"), plain_frame(b"boom", ERROR)])
def test_words_from_a_program_that_was_not_asked_break_the_session(noise):
    table = Table()
    table.session.received(noise)
    assert table.owner.broken
    assert table.session.fault.kind is FaultKind.MALFORMED


def test_a_load_larger_than_the_window_is_carried_whole():
    table = Table()
    load = NumberedLoad(0, "good", table.log)
    table.loads.append(load)
    table.session.lend([(load, data_frame(b"0", b"good " + b"x" * 200_000, CODEC_RAW))])
    table.run([1000] * 10)
    assert load.ends == ["finished"]
