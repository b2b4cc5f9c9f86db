"""What SQS says when it will not, or not now: credentials, permissions, throttling, faults, entries that fail alone."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from house import answer, eventually

from rrjobs.drivers.sqs.trouble import Kind, judged, trouble_of
from rrjobs.errors import ConfigError, PushRefused, PushUnknown


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ExpiredTokenException", "the credentials of the access key ...KEY1 have expired"),
        ("UnrecognizedClientException", "the credentials of the access key ...KEY1 are refused"),
        ("SignatureDoesNotMatch", "the credentials of the access key ...KEY1 are refused"),
        ("AccessDeniedException", "it is not permitted of the access key ...KEY1"),
    ],
)
async def test_refused_at_the_start_it_says_whose_credentials_and_never_the_secret(gate, pipeline, code, said):
    gate.fails("*", code, 403, "no", times=0)
    with pytest.raises(ConfigError) as refused:
        async with pipeline(gate, section={"key": "AKIAKEY1", "secret": "very-secret"}):
            pass
    assert said in str(refused.value) and "very-secret" not in str(refused.value)


async def test_credentials_that_expire_are_said_so_and_new_ones_go_on(gate, pipeline):
    async with pipeline(gate, timeout_s=3.0) as one:
        await one.push(one.job("held"))
        held = await one.sink.take()
        gate.fails("*", "ExpiredToken", 403, "The security token included in the request is expired", times=0)
        await eventually(lambda: one.link.current is None, "the loss is known")
        answer(held)
        with pytest.raises(PushRefused, match=r"not accepted: .*have expired"):
            await asyncio.wait_for(one.registry._routes["p"].driver.push([one.job("b")]), 15)
        assert "have expired" in (await one.state()).error
        gate.heals()
        await eventually(lambda: one.link.current is not None, "connected again")
        await one.push(one.job("c"))
        await one.done("c")
        await one.idle()


async def test_no_credentials_at_all_are_said_so(gate, pipeline, monkeypatch, tmp_path):
    away_from_aws(monkeypatch, tmp_path)
    with pytest.raises(ConfigError, match="there are no credentials of the AWS environment"):
        async with pipeline(gate, section={"key": "", "secret": ""}):
            pass


def away_from_aws(monkeypatch, folder):
    """No credentials but those of the test."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))


@pytest.mark.parametrize("how", ["variables", "profile", "AWS_PROFILE", "role", "session token"])
async def test_credentials_are_found_as_aws_finds_them(gate, pipeline, monkeypatch, tmp_path, how):
    away_from_aws(monkeypatch, tmp_path)
    section, asks = {"key": "", "secret": ""}, "AKIAPROFILE"
    (tmp_path / "credentials").write_text("[shop]\naws_access_key_id=AKIAPROFILE\naws_secret_access_key=s\n")
    role = "role_arn=arn:aws:iam::000000000000:role/w\nsource_profile=shop\n"
    (tmp_path / "config").write_text(f"[profile worker]\n{role}")
    if how == "variables":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAVARIABLES")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
        asks = "AKIAVARIABLES"
    elif how == "profile":
        section["profile"] = "shop"
    elif how == "AWS_PROFILE":
        monkeypatch.setenv("AWS_PROFILE", "shop")
    elif how == "role":
        section["profile"] = "worker"
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", gate.endpoint)
        monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
        asks = "ASIA"
    else:
        section = {"key": "AKIATEMPORARY", "secret": "s", "session_token": "the-token"}
        asks = "AKIATEMPORARY"
    async with pipeline(gate, section=section) as one:
        await one.push(one.job("a"))
        await one.done("a")
    assert asks in gate.authorizations[-1]
    assert gate.authorizations[-1].count("x-amz-security-token") == (how in ("role", "session token"))


async def test_throttling_and_faults_are_waited_out(gate, pipeline):
    async with pipeline(gate) as one:
        gate.fails("SendMessageBatch", "RequestThrottled", 400, "Rate exceeded", times=3)
        gate.fails("ReceiveMessage", "InternalError", 500, times=2)
        gate.fails("DeleteMessageBatch", "ServiceUnavailable", 503, times=2)
        await one.push(one.job("a"))
        await one.done("a")
        await one.idle()
        assert gate.seen.count("SendMessageBatch") == 4 and gate.seen.count("CreateQueue") == 1


async def test_throttling_without_an_end_fails_the_push_with_that_reason(gate, pipeline):
    async with pipeline(gate, timeout_s=2.0) as one:
        gate.fails("SendMessageBatch", "ThrottlingException", 400, "Rate exceeded", times=0)
        with pytest.raises(PushRefused, match="it throttles: Rate exceeded") as refused:
            await one.push(one.job("a"))
        assert not isinstance(refused.value, PushUnknown)
        gate.heals()
        gate.fails("SendMessageBatch", "InternalFailure", 500, "oops", times=0)
        with pytest.raises(PushUnknown, match=r"unknown whether it was accepted: .*oops"):
            await one.push(one.job("a"))


async def test_entries_that_fail_alone_are_told_alone(gate, pipeline):
    def some_fail(body):
        entries = body["Entries"]
        done = [{"Id": one["Id"], "MessageId": "m", "MD5OfMessageBody": "x"} for one in entries[2:]]
        failed = [
            {"Id": entries[0]["Id"], "SenderFault": True, "Code": "InvalidMessageContents", "Message": "bad one"},
            {"Id": entries[1]["Id"], "SenderFault": False, "Code": "InternalError", "Message": "not now"},
        ]
        return 200, {"Successful": done, "Failed": failed}

    async with pipeline(gate) as one:
        await one.registry.pause(["p"])
        gate.answers("SendMessageBatch", some_fail)
        with pytest.raises(PushRefused, match="bad one") as refused:
            await one.push(*[one.job(str(number)) for number in range(5)])
        assert refused.value.accepted == 4
        await one.registry.resume(["p"])
        await one.done("1")  # the entry that SQS could not take just then, and took when it was asked again


async def test_a_delete_that_fails_for_a_while_is_tried_until_it_is_done(gate, pipeline):
    def not_now(body):
        failed = [{"Id": one["Id"], "SenderFault": False, "Code": "InternalError"} for one in body["Entries"]]
        return 200, {"Successful": [], "Failed": failed}

    async with pipeline(gate) as one:
        gate.answers("DeleteMessageBatch", not_now, times=2)
        await one.push(one.job("a"), one.job("b"))
        await one.done("a", "b")
        await one.idle()
        assert await one.sink.quiet() and not one.superseded


async def test_a_retry_waits_for_its_copy_and_the_original_stays_until_then(gate, pipeline):
    async with pipeline(gate) as one:
        await one.push(one.job("a"))
        delivery = await one.sink.take()
        gate.fails("SendMessageBatch", "InvalidParameterValue", 400, "not this one", times=0)
        answer(delivery, 4, message="", delay_seconds=0, headers={})
        await eventually(lambda: gate.seen.count("SendMessageBatch") >= 3, "the copy was tried")
        assert "not this one" in (await one.state()).error and "DeleteMessageBatch" not in gate.seen
        gate.heals()
        again = await one.sink.take()
        assert (again.job.id, again.attempt) == ("a", 2)
        answer(again)
        await one.idle()


async def test_pushes_of_many_clients_share_requests(gate, pipeline):
    async with pipeline(gate, max_messages_in_flight=200) as one:
        await asyncio.gather(*[one.push(one.job(str(number))) for number in range(200)])
        assert gate.seen.count("SendMessageBatch") < 60
        for _ in range(200):
            answer(await one.sink.take())
        await one.idle()
        assert gate.seen.count("DeleteMessageBatch") < 100


async def test_a_wrong_address_and_a_missing_region_are_one_clear_line(pipeline, monkeypatch, tmp_path, ministack):
    away_from_aws(monkeypatch, tmp_path)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r"set `sqs\.region`"):
        async with pipeline(ministack, section={"endpoint": "", "region": ""}):
            pass
    began = time.monotonic()
    with pytest.raises(ConfigError, match=r"127.0.0.1:1.*Could not connect.*tried for"):
        async with pipeline(ministack, section={"endpoint": "http://127.0.0.1:1"}, startup_s=0.5):
            pass
    assert time.monotonic() - began < 20
    with pytest.raises(ConfigError, match=r"SQS at .*profile \(nobody\) could not be found"):
        async with pipeline(ministack, section={"key": "", "secret": "", "profile": "nobody"}):
            pass


async def test_what_does_not_speak_http_is_told(pipeline):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO {}\r\n")
        await reader.read(1)
        writer.close()

    other = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    here = SimpleNamespace(endpoint=f"http://127.0.0.1:{port}")
    with pytest.raises(ConfigError, match=rf"127.0.0.1:{port}, CreateQueue: what is there does not answer in HTTP"):
        async with pipeline(here, startup_s=0.5):
            pass
    other.close()


@pytest.mark.parametrize(
    ("code", "message", "status", "kind"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", "", 400, Kind.GONE),
        ("QueueDoesNotExist", "", 400, Kind.GONE),
        ("OverLimit", "in flight", 403, Kind.THROTTLED),
        ("AWS.SimpleQueueService.QueueDeletedRecently", "wait 60 seconds", 400, Kind.PASSING),
        ("ReceiptHandleIsInvalid", "", 404, Kind.NOT_OURS),
        (
            "InvalidParameterValue",
            "Value x for parameter ReceiptHandle is invalid. Reason: expired.",
            400,
            Kind.NOT_OURS,
        ),
        ("InvalidParameterValue", "Total VisibilityTimeout for the message is beyond the limit", 400, Kind.NOT_OURS),
        ("InvalidParameterValue", "Message must be shorter than 1048576 bytes.", 400, Kind.REFUSED),
        ("Whatever", "", 502, Kind.PASSING),
    ],
)
def test_errors_mean_what_they_mean(code, message, status, kind):
    assert judged(code, message, status=status).kind is kind
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    assert trouble_of(ClientError(response, "X"), "").kind is kind
