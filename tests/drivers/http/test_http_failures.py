"""Answers in place of a worker's: the table of spec/worker-and-http.md 5.8."""

import pytest
from http_doubles import Work, until

from rrjobs.worker.load import FaultKind


@pytest.mark.parametrize("kind", list(FaultKind))
async def test_every_fault_is_the_error_code_with_an_empty_body(serve, kind):
    site = await serve(lambda work: work.fail(kind, "<secret>"), internal_error_code=503)
    client = await site.client()
    response = await client.get("/")
    assert (response.status, response.body) == (503, b"")
    assert "No-Workers" not in response and "Content-Type" not in response
    assert site.driver.active == 0
    site.workers.program = Work.echo
    assert (await client.get("/")).status == 200, "the connection serves on"


async def test_in_debug_the_client_reads_the_reason_escaped(serve):
    site = await serve(lambda work: work.fail(FaultKind.ERROR, '<b>"oh" & no</b>'), pool={"debug": True})
    response = await (await site.client()).get("/")
    assert response.body == b"&lt;b&gt;&quot;oh&quot; &amp; no&lt;/b&gt;"
    assert response["Content-Type"] == "text/plain; charset=utf-8"


async def test_what_the_pool_does_not_report_is_reported_here(serve):
    site = await serve(lambda work: work.fail(FaultKind.ERROR, "oops"))
    await (await site.client()).get("/a?b")
    (failure,) = site.emitted("http.failed")
    assert (failure["reason"], failure["method"], failure["path"]) == ("oops", "GET", "/a")
    assert failure["id"] == site.workers.taken[0].delivery.ident
    site.workers.program = lambda work: work.fail(FaultKind.CRASHED)
    await (await site.client()).get("/")
    assert len(site.emitted("http.failed")) == 1, "a crash is the pool's to report"


async def test_a_fault_behind_the_answer_changes_nothing_for_the_client(serve):
    def program(work: Work) -> None:
        work.delivery.answer(0, 0, b'{"status":200}', b"fine")
        work.fail(FaultKind.DOUBLED)

    site = await serve(program)
    client = await site.client()
    assert (await client.get("/")).body == b"fine"
    site.workers.program = Work.echo
    assert (await client.get("/")).status == 200


async def test_no_worker_in_time_is_the_error_code_and_a_header(serve):
    site = await serve(None, pool={"allocate_timeout": "100ms", "debug": True})
    client = await site.client()
    response = await client.get("/")
    assert (response.status, response["No-Workers"]) == (500, "true")
    assert b"allocate_timeout" in response.body
    assert site.workers.queue[0].cancelled and site.driver.active == 0
    site.workers.program = Work.echo
    assert (await client.get("/")).status == 200
    assert len(site.workers.taken) == 1, "the one that gave up was not executed"


async def test_waits_end_one_by_one_in_their_order(serve):
    site = await serve(None, pool={"allocate_timeout": "200ms"})
    clients = [await site.client() for _ in range(5)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    served = await site.workers.next()
    for client in clients[1:]:
        assert (await client.response())["No-Workers"] == "true"
    served.echo()
    assert (await clients[0].response()).status == 200, "the wait is for a worker, not for its answer"


async def test_a_returned_request_waits_its_full_time_again(serve):
    site = await serve(None, pool={"allocate_timeout": "150ms"})
    client = await site.client()
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    (await site.workers.next()).delivery.returned()
    assert (await client.response())["No-Workers"] == "true"


async def test_a_target_that_is_no_url_is_400(serve):
    site = await serve()
    client = await site.client()
    for target in ("/a%zz", "/%", "*"):
        assert (await client.get(target)).status == 400
    assert site.workers.taken == []


async def test_options_of_the_server_are_answered_by_the_server(serve):
    site = await serve()
    response = await (await site.client()).get("*", method="OPTIONS")
    assert (response.status, response["Content-Length"]) == (200, "0")
    assert site.workers.taken == []


async def test_what_is_refused_leaves_one_log_event(serve):
    site = await serve()
    client = await site.client()
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    await client.response()
    await until(lambda: site.emitted("http.refused"), "the event")
    assert site.emitted("http.refused") == [
        {"remote_address": "127.0.0.1", "status": 400, "reason": "missing required Host header"}
    ]
