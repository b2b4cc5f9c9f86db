"""Background tasks: kept, ended with their owner, and never failing unseen."""

import asyncio
import gc

import pytest

from rrjobs.runtime.tasks import Tasks


async def _fail():
    raise ValueError("no")


async def test_a_task_is_kept_while_it_runs_and_forgotten_when_it_ended():
    tasks, go = Tasks(), asyncio.Event()
    task = tasks.start(go.wait())
    gc.collect()
    assert len(tasks) == 1
    go.set()
    await task
    await asyncio.sleep(0)
    assert len(tasks) == 0


async def test_end_cancels_all_and_waits_for_what_they_still_do():
    tasks, began, left = Tasks(), asyncio.Event(), []

    async def work():
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            left.append("cleaned")

    tasks.start(work())
    await began.wait()
    await tasks.end()
    assert left == ["cleaned"]
    await tasks.end()


async def test_a_failure_reaches_the_owner():
    seen = []
    tasks = Tasks(seen.append)
    with pytest.raises(ValueError, match="no"):
        await tasks.start(_fail())
    await asyncio.sleep(0)
    assert [str(err) for err in seen] == ["no"]


async def test_without_an_owner_who_asks_a_failure_reaches_the_loops_exception_handler():
    seen = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().set_exception_handler(lambda loop, about: seen.set_result(about))
    tasks = Tasks()
    tasks.start(_fail(), "the fragile one")
    about = await asyncio.wait_for(seen, 10)
    assert about["message"] == "the task the fragile one failed"
    assert str(about["exception"]) == "no"


async def test_a_cancelled_task_is_no_failure():
    seen = []
    tasks = Tasks(seen.append)
    tasks.start(asyncio.Event().wait())
    await tasks.end()
    assert seen == []
