"""The section `sqs`, and the `config` of a pipeline on it (spec/jobs-and-rpc.md 4.4)."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, PlainValidator, WithJsonSchema, model_validator

from rrjobs.drivers.sqs.queue_attributes import FIFO, check_fifo, parse_attributes, parse_texts
from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import Flag, Int, Kind

MOST_AT_ONCE = 10
"""Messages of one request: a limit of SQS."""

MAX_VISIBILITY_S = 43_200
MAX_WAIT_S = 20
MAX_NAME = 75
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.fifo)?")
_MAP_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean", "object"]},
}


def clamped(low: int, high: int) -> AfterValidator:
    """What is beyond the limits counts as the limit, as in RoadRunner."""
    return AfterValidator(lambda value: max(low, min(high, value)))


def check_queue(name: str) -> str:
    """The name; raises ValueError with what SQS would not take."""
    if not _NAME.fullmatch(name):
        raise ValueError("a queue's name holds letters, digits, - and _ only, and ends with .fifo if it is a FIFO one")
    if len(name.removesuffix(FIFO)) > MAX_NAME - (len(FIFO) if name.endswith(FIFO) else 0):
        raise ValueError(f"a queue's name has at most {MAX_NAME} characters: `-dead` is added for dead letters")
    return name


def _endpoint(text: str) -> str:
    if text and not re.fullmatch(r"https?://[^/\s]+/?.*", text):
        raise ValueError("must be http://host:port or https://host:port")
    return text


class SqsSection(Section):
    """Where SQS is, and who asks. Whatever is empty comes from the AWS environment: variables, profiles, roles."""

    key: str = setting("", "Access key. Without key and secret, credentials are found as AWS's own tools find them.")
    secret: str = setting("", "Secret of the access key.")
    session_token: str = setting("", "Token of temporary credentials; it goes with key and secret.")
    region: str = setting("", "Region, such as us-east-1; AWS_REGION or that of the profile when empty.")
    endpoint: Annotated[str, AfterValidator(_endpoint)] = setting(
        "", "Address of another server of the API, http://host:port; AWS's own of the region when empty."
    )
    profile: str = setting(
        "",
        "Profile of the AWS configuration files; AWS_PROFILE or `default` when empty.",
        differs="RoadRunner has no such key",
    )

    @model_validator(mode="after")
    def _both(self) -> "SqsSection":
        if bool(self.key) != bool(self.secret):
            raise ValueError("`key` and `secret` belong together: write both, or none of them")
        if self.session_token and not self.key:
            raise ValueError("`session_token` belongs to `key` and `secret`")
        return self


class SqsConfig(Section):
    """A queue of SQS."""

    priority: Int | None = setting(None, "Priority of jobs pushed without one, when the pipeline names none.")
    queue: Annotated[str, AfterValidator(check_queue)] = setting(
        "default", "The queue; it is made when it is not there. Dead letters are in `<queue>-dead`."
    )
    prefetch: Annotated[Int, clamped(1, MOST_AT_ONCE)] = setting(
        1, "Jobs that one request may bring, 1 to 10.", unit="jobs"
    )
    max_messages_in_flight: Annotated[Int, clamped(0, 100_000)] = setting(
        0, "Jobs that are in the shared queue or in a worker at once; 0 is `prefetch`.", unit="jobs"
    )
    visibility_timeout: Annotated[Int, clamped(0, MAX_VISIBILITY_S)] = setting(
        0,
        "After how long without a sign of life SQS gives a job to another server; 0 is the queue's. At most 43200.",
        unit="seconds",
        differs="jobs that run longer are kept ours; there they are run twice",
    )
    error_visibility_timeout: Annotated[Int, clamped(0, MAX_VISIBILITY_S)] = setting(
        0, "With `retain_failed_jobs`: after how long a refused job comes again; at most 43200.", unit="seconds"
    )
    retain_failed_jobs: Flag = setting(
        False, "A refused job stays in the queue and comes again, so that the queue's redrive policy counts it."
    )
    wait_time_seconds: Annotated[Int, clamped(0, MAX_WAIT_S)] = setting(
        0,
        "How long one request waits for a job, at most 20; 0 is the queue's, or 5 where it has none.",
        unit="seconds",
        differs="there 0 asks without a pause",
    )
    message_group_id: str = setting(
        "", "Group of the jobs in a FIFO queue; a job's header `MessageGroupId` names another."
    )
    skip_queue_declaration: Flag = setting(False, "The queue is there: never make it.")
    attributes: Annotated[
        dict[str, str], Kind("map of texts"), PlainValidator(parse_attributes), WithJsonSchema(_MAP_SCHEMA)
    ] = setting(dict, "Attributes of the queue when it is made, such as MessageRetentionPeriod.")
    tags: Annotated[dict[str, str], Kind("map of texts"), PlainValidator(parse_texts), WithJsonSchema(_MAP_SCHEMA)] = (
        setting(dict, "Tags of the queue when it is made.")
    )

    @model_validator(mode="after")
    def _kind_of_queue(self) -> "SqsConfig":
        check_fifo(self.queue, self.attributes)
        return self

    @property
    def is_fifo(self) -> bool:
        """Whether the queue keeps the order of each group."""
        return self.queue.endswith(FIFO)

    @property
    def in_flight(self) -> int:
        """The most that is held at once."""
        return self.max_messages_in_flight or self.prefetch
