"""What each method does, in the codecs its callers use (spec/jobs-and-rpc.md 2)."""

import base64
import json
import logging

import pytest

from rrjobs.rpc.messages import CLASSES

PROTO, JSON, RAW, ERROR = 0x80, 0x08, 0x04, 0x40


async def ask(caller, method: str, value: object) -> object:
    flags, body = await caller.call(method, json.dumps(value).encode(), JSON)
    assert flags == JSON, body
    return json.loads(body)


def message(name: str, **fields: object) -> bytes:
    return CLASSES[name](**fields).SerializeToString()


def push_batch(*pipelines: str, **job: object) -> bytes:
    request = CLASSES["PushBatchRequest"]()
    for pipeline in pipelines:
        request.jobs.add(job="ping", **job).options.pipeline = pipeline
    return request.SerializeToString()


async def test_a_batch_is_pushed_in_order_and_jobs_without_id_get_one(caller, stub):
    body = push_batch("test", "other", "test", payload=b"x")
    assert await caller.call("jobs.PushBatch", body, PROTO) == (PROTO, b"")
    assert [job.pipeline for job in stub.registry.jobs] == ["test", "other", "test"]
    assert len({job.id for job in stub.registry.jobs}) == 3
    assert all(len(job.id) == 36 for job in stub.registry.jobs)


async def test_a_batch_stops_at_the_first_failure_and_says_how_many_were_taken(caller, stub):
    flags, text = await caller.call("jobs.PushBatch", push_batch("test", "test", "nope", "test", id="a"), PROTO)
    assert flags == PROTO | ERROR
    assert text.decode() == (
        "rpc_push_batch:\n\tjobs_plugin_push: no such pipeline, requested: nope"
        " (2 jobs of the batch were accepted before)"
    )
    assert len(stub.registry.jobs) == 2


async def test_a_huge_batch_is_pushed_whole_while_others_are_served(connect, stub):
    first, second = await connect(), await connect()
    body = push_batch(*["test"] * 30_000, id="a", payload=bytes(40))
    assert len(body) > 1_500_000
    assert await first.call("jobs.PushBatch", body, PROTO) == (PROTO, b"")
    assert len(stub.registry.jobs) == 30_000
    assert await ask(second, "rpc.Version", True) == "2025.1.0"


async def test_a_huge_batch_that_breaks_half_way_tells_how_far_it_came(caller, stub):
    body = push_batch(*["test"] * 10_000, id="a", payload=bytes(40)) + b"\x0a\x7f"
    flags, text = await caller.call("jobs.PushBatch", body, PROTO)
    assert flags == PROTO | ERROR
    assert text.startswith(b"rpc_push_batch: the body is not a protobuf PushBatchRequest")
    assert f"({len(stub.registry.jobs)} jobs of the batch were accepted before)".encode() in text
    assert 0 < len(stub.registry.jobs) < 10_000


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "rpc_push: job is required"),
        (b"\x0a\x00", "rpc_push: empty ID field not allowed"),
        (message("PushRequest", job={"job": "ping"}), "rpc_push: empty ID field not allowed"),
    ],
)
async def test_a_push_without_a_job_or_an_id_is_refused(caller, body, text):
    assert await caller.call("jobs.Push", body, PROTO) == (PROTO | ERROR, text.encode())


async def test_a_push_in_json_reads_snake_case_in_any_case_and_base64(caller, stub):
    job = {
        "JOB": "ping",
        "id": "1",
        "payload": base64.b64encode(b"\xff").decode(),
        "headers": {"attempts": {"value": ["1", "2"]}},
        "options": {"pipeline": "test", "Auto_Ack": True, "delay": 7, "priority": 3, "unknown": []},
    }
    assert await ask(caller, "jobs.Push", {"Job": job}) == {}
    (pushed,) = stub.registry.jobs
    assert (pushed.name, pushed.id, pushed.payload) == ("ping", "1", b"\xff")
    assert pushed.headers == {"attempts": ["1", "2"]}
    assert (pushed.pipeline, pushed.auto_ack, pushed.delay_s, pushed.priority) == ("test", True, 7, 3)


async def test_broker_options_travel_with_the_job(caller, stub):
    options = {"pipeline": "test", "topic": "t", "partition": 4, "offset": 9, "metadata": "m"}
    body = message("PushRequest", job={"job": "ping", "id": "1", "options": options})
    assert await caller.call("jobs.Push", body, PROTO) == (PROTO, b"")
    assert stub.registry.jobs[0].options == {"topic": "t", "partition": 4, "offset": 9, "metadata": "m"}


async def test_gob_and_proto_together_have_a_protobuf_body_and_answer(caller, stub):
    flags, body = await caller.call("jobs.Destroy", message("Pipelines", pipelines=["test"]), 0xA0)
    assert (flags, body) == (PROTO, message("Pipelines", pipelines=["test"]))


async def test_pause_resume_and_declare_reach_the_registry(caller, stub):
    names = message("Pipelines", pipelines=["test", "other"])
    assert await caller.call("jobs.Pause", names, PROTO) == (PROTO, b"")
    assert await caller.call("jobs.Resume", names, PROTO) == (PROTO, b"")
    spec = {"name": "new", "driver": "memory", "prefetch": "10"}
    assert await caller.call("jobs.Declare", message("DeclareRequest", pipeline=spec), PROTO) == (PROTO, b"")
    assert stub.registry.calls == [
        ("pause", ["test", "other"]),
        ("resume", ["test", "other"]),
        ("declare", spec),
    ]


async def test_pause_of_an_unknown_pipeline_has_no_operation_before_its_text(caller):
    flags, text = await caller.call("jobs.Pause", message("Pipelines", pipelines=["x"]), PROTO)
    assert (flags, text) == (PROTO | ERROR, b"no such pipeline, requested: x")


async def test_list_and_stat_tell_of_every_pipeline(caller):
    _, body = await caller.call("jobs.List", b"", PROTO)
    assert list(CLASSES["Pipelines"].FromString(body).pipelines) == ["test", "other"]
    _, body = await caller.call("jobs.Stat", b"", PROTO)
    (stat,) = CLASSES["Stats"].FromString(body).stats
    assert (stat.pipeline, stat.driver, stat.queue, stat.priority) == ("test", "memory", "test", 10)
    assert (stat.ready, stat.active, stat.delayed, stat.reserved) == (True, 3, 2, 0)


async def test_stat_in_json_leaves_zero_values_out(caller):
    assert await ask(caller, "jobs.Stat", {}) == {
        "stats": [
            {
                "pipeline": "test",
                "driver": "memory",
                "queue": "test",
                "active": 3,
                "delayed": 2,
                "ready": True,
                "priority": 10,
            }
        ]
    }


async def test_workers_have_all_eight_keys_and_an_unknown_plugin_has_none(caller):
    assert await ask(caller, "informer.List", True) == ["http", "jobs"]
    assert await ask(caller, "informer.Workers", "http") == {
        "workers": [
            {
                "pid": 7,
                "status": 1,
                "numExecs": 12,
                "created": 1_700_000_000_000_000_000,
                "memoryUsage": 1024,
                "CPUPercent": 0.5,
                "command": "",
                "statusStr": "ready",
            }
        ]
    }
    assert await ask(caller, "informer.Workers", "nope") == {"workers": []}


async def test_pools_are_told_with_their_range_the_last_reason_and_the_longest_execution(caller):
    common = {"workers": 3, "min": 2, "max": 9, "changedAt": 12.5, "waiting": 20}
    longest = {"id": "job-7", "pid": 42, "seconds": 1.5}
    assert await ask(caller, "informer.Pools", True) == [
        {"pool": "http", "plugin": "http", "reason": "", "longest": None, **common},
        {"pool": "jobs", "plugin": "jobs", "reason": "20 waiting", "longest": longest, **common},
    ]


async def test_workers_are_added_and_removed(caller, stub):
    assert await ask(caller, "informer.AddWorker", "http") is False
    assert await ask(caller, "informer.RemoveWorker", "jobs") is False
    assert stub.pools.calls == [("add", "http"), ("remove", "jobs")]
    flags, text = await caller.call("informer.AddWorker", b'"kv"', JSON)
    assert (flags, text) == (JSON | ERROR, b"plugin does not support workers management: kv")


async def test_job_states_have_gos_field_names(caller):
    state = {"Pipeline": "test", "Driver": "memory", "Queue": "test", "Active": 3, "Delayed": 2, "Reserved": 0}
    state |= {"Ready": True, "Priority": 10, "ErrorMessage": "", "Held": 0, "HeldWhy": ""}
    assert await ask(caller, "informer.Jobs", "jobs") == [state]
    assert await ask(caller, "informer.Jobs", "http") is None


async def test_a_reset_returns_when_it_is_done(caller, stub):
    assert await ask(caller, "resetter.List", True) == ["http", "jobs"]
    assert await ask(caller, "resetter.Reset", "http") is True
    assert stub.pools.calls == [("reset", "http")]
    flags, text = await caller.call("resetter.Reset", b'"nope"', JSON)
    assert (flags, text) == (JSON | ERROR, b"no such plugin: nope")


async def test_status_tells_codes_and_refuses_unknown_plugins(caller):
    http, nope = message("StatusRequest", plugin="http"), message("StatusRequest", plugin="nope")
    assert await caller.call("status.Status", http, PROTO) == (PROTO, message("StatusResponse", code=200))
    unready = message("StatusResponse", code=503, message="nobody works")
    assert await caller.call("status.Ready", http, PROTO) == (PROTO, unready)
    assert await caller.call("status.Status", nope, PROTO) == (
        PROTO | ERROR,
        b"checker_rpc_status: no such plugin: nope",
    )
    assert await caller.call("status.Ready", nope, PROTO) == (PROTO | ERROR, b"checker_rpc_ready: no such plugin: nope")


async def test_the_configuration_is_base64_in_json_and_plain_in_raw(caller):
    encoded = await ask(caller, "rpc.Config", True)
    assert isinstance(encoded, str)
    assert json.loads(base64.b64decode(encoded)) == {"version": "3"}
    assert await caller.call("rpc.Config", b"", RAW) == (RAW, b'{"version":"3"}')


@pytest.mark.parametrize(
    ("name", "level"),
    [("Error", logging.ERROR), ("Warning", logging.WARNING), ("Info", logging.INFO), ("Debug", logging.DEBUG)],
)
async def test_log_lines_go_to_the_app_channel_at_their_level(caller, stub, name, level, caplog):
    caplog.set_level(logging.DEBUG, "rrjobs.app")
    assert await ask(caller, f"app.{name}", "hello") is False
    entry = message("LogEntry", message="with", log_attrs=[{"key": "a", "value": "1"}])
    assert await caller.call(f"app.{name}WithContext", entry, PROTO) == (PROTO, b"")
    assert stub.named("app.message") == [{"message": "hello"}, {"message": "with", "attributes": {"a": "1"}}]
    assert [record.levelno for record in caplog.records] == [level, level]


async def test_log_goes_past_the_logger_with_exactly_one_newline(caller, stub):
    assert await ask(caller, "app.Log", "a") is False
    assert await ask(caller, "app.Log", "b\n") is False
    attributes = [{"key": "k", "value": "1"}, {"key": "l", "value": "2"}]
    for entry in (message("LogEntry", message="m"), message("LogEntry", message="m", log_attrs=attributes)):
        assert await caller.call("app.LogWithContext", entry, PROTO) == (PROTO, b"")
    assert stub.written == ["a\n", "b\n", "m\n", "m k:1,l:2\n"]
    assert stub.named("app.message") == []


async def test_an_empty_body_is_the_zero_value_in_every_codec(caller):
    assert await caller.call("informer.Workers", b"", JSON) == (JSON, b'{"workers":[]}')
    assert await caller.call("jobs.Pause", b"", JSON) == (JSON, b"{}")
    assert await caller.call("jobs.Pause", b"", PROTO) == (PROTO, b"")
    assert await caller.call("jobs.Pause", b"null", JSON) == (JSON, b"{}")
