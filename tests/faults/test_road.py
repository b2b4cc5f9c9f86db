"""Single moments on the road that the model found wrong once, each played step by step."""

from collections.abc import Iterator

import pytest
from fake_worker import Doing
from road import Road, Ticket


@pytest.fixture
def road() -> Iterator[Road]:
    made = Road(4, False, {"num_workers": 1})
    yield made
    made.stop(5.0)
    made.close()


def pids(road: Road) -> set[int]:
    return {program.pid for program in road.launcher.living}


def test_a_worker_whose_start_is_repeated_during_a_reset_is_not_one_too_many(road):
    road.do(road.grow())
    road.quiet()
    road.put(Ticket(0, 0, "a", 0, road), offer=False)
    road.quiet()
    (idle,) = [program for program in road.launcher.living if program.doing is Doing.READING]
    road.launcher.failures = 1
    idle.crash(7)
    road.quiet()
    road.do(road.pool.reset())
    road.wait(2.0)  # the reset waits for the delivery, and the start is repeated meanwhile
    road.settle_all()
    road.full_house()


def test_a_worker_that_was_starting_when_a_reset_began_does_not_stay(road):
    road.booted[0].crash(7)
    road.until(lambda: bool(road.launcher.living), "the next one is started")
    early = road.launcher.living[0]
    early.asleep = True
    road.turn(3)
    road.do(road.pool.reset())
    road.turn(3)
    early.asleep = False
    road.full_house()
    assert early.gone


def test_a_delivery_that_found_no_room_behind_another_goes_back_at_a_drain(road):
    for number in range(2):
        road.put(Ticket(number, 0, "a", 40_000, road), offer=False)
    road.quiet()
    assert road.launcher.living[0].doing is Doing.EXECUTING
    road.draining = True
    road.do(road.dispatcher.drain(60.0))
    road.settle_all()
    assert [ticket.fate for ticket in road.tickets] == ["finished", "dropped"]


def test_a_delivery_that_was_not_read_is_not_blamed_for_the_end_of_a_worker_behind_an_answer(road):
    for number in range(2):
        road.put(Ticket(number, 0, "a", 0, road), offer=False)
    road.quiet()
    (program,) = road.launcher.living
    program.asleep = True
    road.of(program).may_end = {"finished"}
    program.answer()
    program.crash(7)
    road.settle_all()
    assert [ticket.fate for ticket in road.tickets] == ["finished", "finished"]


def test_only_what_may_have_begun_on_a_worker_that_was_given_up_is_in_doubt():
    road = Road(8, True, {"num_workers": 1})
    try:
        for number in range(5):
            road.put(Ticket(number, 0, "a", 0, road), offer=False)
        road.quiet()
        (program,) = road.launcher.living
        program.stream(ping=True)  # and loses what lies behind it
        assert program.polled == {"1", "2"}
        for number in range(5, 9):
            road.put(Ticket(number, 0, "a", 0, road), offer=False)
        road.turn()
        assert [ticket.where for ticket in road.tickets[:5]] == ["lent"] * 5
        road.settle_all()
        # the fourth was begun between the answer and the kill
        assert [ticket.fate for ticket in road.tickets] == ["finished", *["cut_off"] * 3, *["finished"] * 5]
        road.stop(5.0)
    finally:
        road.close()
