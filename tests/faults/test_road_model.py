"""Deliveries over workers that do anything at any moment: each is settled once, in order, by its own answer."""

from pathlib import Path

import pytest
from fake_worker import Doing, Program
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from road import Request, Road, Ticket

JUNK = b"Warning: undefined variable in /app/worker.php on line 7\n"
HALF = b"\x14\x00\xff\x00"
EXEC_TTL_S = 0.04


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def where(*what: Doing):
    """A precondition: some program is at one of these."""
    return lambda self: any(program.doing in what for program in self.road.launcher.living)


some_at_work = where(Doing.EXECUTING, Doing.STREAMING)
some_executing = where(Doing.EXECUTING)
some_answered = where(Doing.ANSWERED)
some_reading = where(Doing.READING)


def some_living(self):
    return self.road.booted


def some_live(self):
    return any(ticket.live for ticket in self.road.tickets)


def some_flow(self):
    return any(ticket.flow is not None for ticket in self.road.tickets)


def some_hanging(self):
    return self.road.config.supervisor.exec_ttl_s and some_at_work(self)


def room_for_a_worker(self):
    return len(self.road.launcher.living) + self.road.busy_operators < 6


class RoadModel(RuleBasedStateMachine):
    """Rules are what drivers, programs and operators do; `Road` and its tickets know what may follow."""

    @initialize(
        prefetch=st.sampled_from([1, 4, "auto"]),
        workers=st.integers(1, 3),
        max_jobs=st.sampled_from([0, 0, 1, 3]),
        exec_ttl=st.sampled_from([0.0, 0.0, EXEC_TTL_S]),
        swallows=st.booleans(),
        debug=st.sampled_from([False, False, False, True]),
    )
    def open(self, prefetch, workers, max_jobs, exec_ttl, swallows, debug):
        self.before = open_descriptors()
        pool = {
            "num_workers": workers,
            "max_jobs": max_jobs,
            "debug": debug,
            "supervisor": {"exec_ttl": f"{exec_ttl}s"},
        }
        self.road = Road(prefetch, swallows, pool)
        self.number = 0
        self.pool = self.road.pool

    # drivers

    @rule(
        priorities=st.lists(st.integers(0, 2), min_size=1, max_size=6),
        make=st.sampled_from([Ticket, Request]),
        pipeline=st.sampled_from(["a", "b"]),
        size=st.sampled_from([0, 100, 100, 30_000, 200_000]),
        offer=st.booleans(),
    )
    def put(self, priorities, make, pipeline, size, offer):
        for priority in priorities:
            self.road.put(make(len(self.road.tickets), priority, pipeline, size, self.road), offer)

    @precondition(some_live)
    @rule(data=st.data())
    def cancel(self, data):
        ticket = self.pick(data, [one for one in self.road.tickets if one.live])
        ticket.cancel()
        ticket.listens = False

    @rule(pipeline=st.sampled_from(["a", "b"]))
    def destroy_a_pipeline(self, pipeline):
        self.road.remove(pipeline)

    # programs

    @precondition(some_at_work)
    @rule(data=st.data(), read_on=st.booleans())
    def answer(self, data, read_on):
        program = self.at_work(data)
        self.road.of(program).may_end = {"finished"}
        program.answer()
        self.read_on_if(program, read_on)

    @precondition(some_at_work)
    @rule(data=st.data(), read_on=st.booleans())
    def answer_with_an_error(self, data, read_on):
        program = self.at_work(data)
        self.road.of(program).may_end = {"error"}
        program.fail()
        self.read_on_if(program, read_on)

    @precondition(lambda self: self.talkative())
    @rule(data=st.data(), again=st.sampled_from(["answer", "junk"]))
    def say_more_after_the_answer(self, data, again):
        program = self.pick(data, self.talkative())
        self.road.of(program).may_end |= {"doubled", "malformed"}
        if again == "answer":
            program.send_again()
        else:
            program.send(JUNK)

    @precondition(some_at_work)
    @rule(data=st.data())
    def answer_twice_at_once(self, data):
        program = self.at_work(data)
        self.road.of(program).may_end = {"doubled"}
        if (
            program.doing is Doing.STREAMING
        ):  # one that is given up at the end of its answer is not listened to any more
            self.road.of(program).may_end.add("finished")
        program.answer()
        program.send_again()

    @precondition(some_at_work)
    @rule(data=st.data(), ping=st.booleans())
    def stream(self, data, ping):
        program = self.at_work(data)
        program.stream(ping)

    @precondition(some_executing)
    @rule(data=st.data(), read_on=st.booleans())
    def ask_to_be_stopped(self, data, read_on):
        program = self.pick(data, self.doing(Doing.EXECUTING))
        self.road.of(program).may_end = {"refused"}
        program.ask_to_be_stopped()
        self.read_on_if(program, read_on)

    @precondition(some_answered)
    @rule(data=st.data())
    def read_on(self, data):
        self.pick(data, self.doing(Doing.ANSWERED)).read_on()

    @precondition(some_living)
    @rule(data=st.data(), unsent=st.sampled_from([b"", HALF]))
    def crash(self, data, unsent):
        program = self.pick(data, self.road.booted)
        if program.doing in (Doing.EXECUTING, Doing.STREAMING):
            self.road.of(program).may_end = {"crashed"}
        program.crash(7, unsent)

    @precondition(some_at_work)
    @rule(data=st.data())
    def send_junk(self, data):
        program = self.at_work(data)
        self.road.of(program).may_end = {"malformed"}
        program.send(JUNK)

    @precondition(some_reading)
    @rule(data=st.data())
    def sleep_unread(self, data):
        """It stops reading: what it is lent stays unstarted."""
        self.pick(data, self.doing(Doing.READING)).asleep = True

    @precondition(some_hanging)
    @rule(data=st.data())
    def hang_until_exec_ttl(self, data):
        program = self.at_work(data)
        ticket = self.road.of(program)
        if ticket.flow is not None:
            ticket.flow.resume_stream()
        self.road.until(lambda: program.gone, "exec_ttl kills the program")

    # clients

    @precondition(some_flow)
    @rule(data=st.data())
    def leave_a_stream(self, data):
        self.pick(data, [one for one in self.road.tickets if one.flow is not None]).flow.stop_stream()

    @precondition(some_flow)
    @rule(data=st.data(), pause=st.booleans())
    def read_a_stream(self, data, pause):
        ticket = self.pick(data, [one for one in self.road.tickets if one.flow is not None])
        if pause:
            ticket.flow.pause_stream()
        else:
            ticket.flow.resume_stream()

    # operators

    @precondition(lambda self: self.road.busy_operators < 3)
    @rule()
    def reset(self):
        self.road.do(self.pool.reset())

    @precondition(room_for_a_worker)
    @rule()
    def add_worker(self):
        self.road.do(self.road.grow())

    @precondition(lambda self: self.road.busy_operators < 3)
    @rule()
    def remove_worker(self):
        self.road.do(self.road.shrink())

    @rule()
    def refuse_the_next_start(self):
        self.road.launcher.failures = 1

    @precondition(lambda self: not self.road.draining)
    @rule()
    def drain(self):
        self.road.draining = True
        self.road.do(self.road.dispatcher.drain(60.0))
        self.road.turn()

    # time

    @rule(times=st.integers(1, 3))
    def turn(self, times):
        self.road.turn(times)

    @rule(for_s=st.sampled_from([0.005, EXEC_TTL_S, 0.3, 1.1]))
    def wait(self, for_s):
        self.road.wait(for_s)

    @rule()
    def quiet(self):
        self.road.quiet()

    @invariant()
    def counts_agree(self):
        waiting = sum(len(queue) for queue in self.road.queues.values())
        assert self.road.dispatcher.waiting("any") <= waiting + 1

    def teardown(self):
        try:
            self.road.settle_all()
            if not self.road.draining:
                self.road.full_house()
            self.road.stop(5.0)
        finally:
            self.road.close()
        assert open_descriptors() == self.before

    def doing(self, *what: Doing) -> list[Program]:
        return [program for program in self.road.launcher.living if program.doing in what]

    def talkative(self) -> list[Program]:
        """Those that answered; not those that refused, whose delivery is somewhere else by now."""
        return [
            one for one in self.doing(Doing.ANSWERED) if "refused" not in self.road.of(one).may_end and not one.refused
        ]

    def at_work(self, data) -> Program:
        return self.pick(data, self.doing(Doing.EXECUTING, Doing.STREAMING))

    def pick(self, data, among):
        return among[data.draw(st.integers(0, len(among) - 1))]

    def read_on_if(self, program: Program, read_on: bool) -> None:
        if read_on:
            program.read_on()


TestRoad = pytest.mark.soak(RoadModel.TestCase)
TestRoad.settings = settings(stateful_step_count=40, suppress_health_check=list(HealthCheck))
