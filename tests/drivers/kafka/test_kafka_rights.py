"""Rights and users that are taken away while a pipeline consumes: told, red, mended by itself once they are back."""

import asyncio
import re
from functools import partial

import pytest
from house import answer, eventually
from servers.kafka import Kafka

from rrjobs.drivers.surroundings import Surroundings
from rrjobs.errors import PushRefused

pytestmark = pytest.mark.timeout(120)

PASSWORD = "of-the-test"
LIVENESS_S = 1.5


@pytest.fixture(autouse=True)
def _watchful(monkeypatch) -> None:
    made = partial(Surroundings, timeout_s=10.0, startup_timeout_s=10.0, liveness_s=LIVENESS_S)
    monkeypatch.setattr("house.Surroundings", lambda events, state_dir, **_: made(events, state_dir=state_dir))


@pytest.fixture
def guarded(shared_server) -> Kafka:
    return shared_server(Kafka, guarded=True)


@pytest.fixture
def user(guarded, setup, topic, unique_name, link_proxy) -> str:
    """Who may do with the topic and the group of `p` what a pipeline does, and logs in through a proxy."""
    name = unique_name("user")
    setup.server = guarded
    setup.proxy = link_proxy(guarded.proxied_target, guarded.proxied_port)
    guarded.create_topic(topic, 2)
    for operation, resource in (("read", "topic"), ("write", "topic"), ("read", "group")):
        guarded.rights.give(name, operation, resource, topic)
    guarded.rights.add_user(name, PASSWORD)
    sasl = {"mechanism": "SCRAM-SHA-256", "username": name, "password": PASSWORD}
    setup.login = {"brokers": [f"127.0.0.1:{setup.proxy.port}"], "sasl": sasl, "ping": {"timeout": "2s"}}
    return name


async def works(one, *idents):
    await one.push(*[one.job(ident) for ident in idents])
    found = set()
    while found != set(idents):
        delivery = await one.sink.take()
        assert delivery.job.id in idents
        found.add(delivery.job.id)
        answer(delivery)
    await one.idle()


async def refusal(one, ident) -> str:
    """Why a push is refused; "" once it is not, and then it has run. The brokers learn of rights one by one."""
    try:
        await works(one, ident)
    except PushRefused as err:
        return str(err)
    return ""


def told(one) -> list[str]:
    """The reasons of lost connections, from now on."""
    reasons: list[str] = []
    one.events.subscribe("broker.lost", lambda name, fields: reasons.append(fields["reason"]))
    return reasons


async def red(one, *words):
    """After LIVENESS_S and a while; it stays so."""

    async def is_red():
        state = await one.state()
        return not state.ready and all(word in state.error for word in words)

    await eventually(is_red, f"it is not ready, with {words}")
    until_s = asyncio.get_running_loop().time() + LIVENESS_S
    while asyncio.get_running_loop().time() < until_s:
        await asyncio.sleep(0.05)
        assert await is_red(), await one.state()


async def green(one):
    async def is_green():
        state = await one.state()
        return state.ready and not state.error

    await eventually(is_green, "it is ready again")


@pytest.mark.parametrize("resource", ["topic", "group"])
async def test_a_right_to_read_that_is_taken_away_turns_readiness_red_until_it_is_back(
    house, guarded, user, topic, resource
):
    async with house() as one:
        reasons = told(one)
        await works(one, "before", "more")
        await asyncio.to_thread(guarded.rights.take, user, "read", resource, topic)
        await one.push(one.job("meanwhile"))
        await red(one, "permissions refused", f"user {user}", f"read {resource} {topic}")
        await one.push(one.job("pushes go on"))
        await asyncio.to_thread(guarded.rights.give, user, "read", resource, topic)
        await green(one)
        for delivery in await one.sink.takes(2):
            assert delivery.job.id in ("meanwhile", "pushes go on")
            answer(delivery)
        await works(one, "after")
        assert [reason for reason in reasons if "permissions refused" in reason] == [reasons[0]], "told once"


async def test_what_runs_while_the_right_to_read_is_away_is_committed_later_and_runs_once(house, guarded, user, topic):
    async with house() as one:
        await one.push(one.job("a"), one.job("b"))
        running = await one.sink.takes(2)
        await asyncio.to_thread(guarded.rights.take, user, "read", "topic", topic)
        answer(running.pop())
        await red(one, "permissions refused", f"user {user}", f"read topic {topic}")
        answer(running.pop())
        await asyncio.to_thread(guarded.rights.give, user, "read", "topic", topic)
        await green(one)
        await one.idle()
        assert await one.sink.quiet()


async def test_a_right_to_write_that_is_taken_away_is_told_to_the_pusher(house, guarded, user, topic):
    async with house() as one:
        await works(one, "before")
        await asyncio.to_thread(guarded.rights.take, user, "write", "topic", topic)
        words = f"permissions refused: user {user} may not write topic {topic}"

        async def is_refused():
            return words in await refusal(one, "refused")

        await eventually(is_refused, words)
        await asyncio.to_thread(guarded.rights.give, user, "write", "topic", topic)

        async def is_taken():
            return not await refusal(one, "after")

        await eventually(is_taken, "it is taken again")


async def test_all_rights_to_a_topic_that_are_taken_away_turn_readiness_red(house, guarded, user, topic):
    async with house() as one:
        await works(one, "before")
        for operation in ("read", "write"):
            await asyncio.to_thread(guarded.rights.take, user, operation, "topic", topic)
        await red(one, "permissions refused", f"user {user}", f"topic {topic}")
        for operation in ("read", "write"):
            await asyncio.to_thread(guarded.rights.give, user, operation, "topic", topic)
        await green(one)
        await works(one, "after")


async def test_a_user_that_is_deleted_is_refused_at_the_next_login_and_comes_back(house, setup, guarded, user):
    async with house() as one:
        await works(one, "before")
        await asyncio.to_thread(guarded.rights.delete_user, user)
        await works(one, "a connection that is logged in lives on")
        setup.proxy.cut()
        await red(one, "refuses the login", f"user {user}")
        assert not re.search(PASSWORD, (await one.state()).error)
        await asyncio.to_thread(guarded.rights.add_user, user, PASSWORD)
        await green(one)
        await works(one, "after")
