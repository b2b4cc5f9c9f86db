"""Live listeners on free ports, with workers that are functions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest
import uvloop
from http_doubles import Program, Site, Work, Workers

from rrjobs.drivers.http.config import HttpConfig
from rrjobs.drivers.http.driver import HttpDriver
from rrjobs.runtime.events import EVENTS, Events

Serve = Callable[..., Awaitable[Site]]


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Transports differ: every test on the loop that servers run on and on asyncio's own."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(program, **http section)`; a program of None leaves requests waiting for `workers.take()`."""
    sites: list[Site] = []

    async def start(program: Program | None = Work.echo, **section: Any) -> Site:
        events, seen = Events(), []
        for name in EVENTS:
            if name.startswith("http."):
                events.subscribe(name, lambda event, fields: seen.append((event, dict(fields))))
        driver = HttpDriver(config(**section), events)
        site = Site(driver, Workers(program), seen)
        sites.append(site)
        await driver.start(site.workers)
        return site

    yield start
    for site in sites:
        await site.close()
        assert site.driver._server.bodies.held == 0, "every body that was counted is given back"


def config(**section: Any) -> HttpConfig:
    """An `http` section on a free port of the loopback."""
    return HttpConfig.model_validate({"address": "127.0.0.1:0", **section})
