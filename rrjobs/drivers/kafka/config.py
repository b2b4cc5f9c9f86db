"""The section `kafka`, and the `config` of a pipeline on it (spec/jobs-and-rpc.md 4.3)."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, model_validator

from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import DurationOrDefault, Flag, Int, Kind, Names

MAX_TOPIC = 249
MAX_MESSAGE_BYTES = 1_000_012
"""What RoadRunner's client takes without a setting."""

MECHANISMS = {
    "plain": "PLAIN",
    "scram-sha-256": "SCRAM-SHA-256",
    "scram-sha-512": "SCRAM-SHA-512",
    "aws_msk_iam": "OAUTHBEARER",
}
OFFSETS = {name.lower(): name for name in ("At", "AfterMilli", "AtEnd", "AtStart", "Relative", "WithEpoch")}
STRATEGIES = {name.lower(): name for name in ("Manual", "Uniform", "RoundRobin", "LeastBackup", "Sticky")}
_TOPIC = re.compile(r"[A-Za-z0-9._-]+")
_SUFFIX = ".delay.65536"


def check_topic(name: str) -> str:
    """The name; raises ValueError with what Kafka would not take."""
    if not _TOPIC.fullmatch(name) or name in (".", ".."):
        raise ValueError(f"a topic's name holds letters, digits, dots, hyphens and underscores only, not {name!r}")
    if len(name) > MAX_TOPIC - len(_SUFFIX):
        raise ValueError(f"a topic's name has at most {MAX_TOPIC - len(_SUFFIX)} characters: suffixes follow it")
    return name


def _cased(known: Mapping[str, str]) -> BeforeValidator:
    def check(value: Any) -> Any:
        return known.get(value.lower(), value) if isinstance(value, str) else value

    return BeforeValidator(check)


class PingConfig(Section):
    """The first question to a broker."""

    timeout_s: DurationOrDefault = setting(10.0, "How long a broker may take to answer it.")


class TlsConfig(Section):
    """TLS to the brokers; their certificates are always checked."""

    tolerated: ClassVar[Mapping[str, str]] = {
        "client_auth_type": "it is a rule of TLS servers, and does nothing in a client",
    }

    timeout_s: DurationOrDefault = setting(10.0, "How long a connection may take to be made.")
    key: str = setting("", "File of the client's private key.")
    cert: str = setting("", "File of the client's certificate.")
    root_ca: str = setting("", "File of the authorities that the brokers' certificates may come from.")

    @model_validator(mode="after")
    def _both(self) -> "TlsConfig":
        if bool(self.key) != bool(self.cert):
            raise ValueError("`key` and `cert` belong together: write both, or none of them")
        return self


Mechanism = Annotated[
    Literal["plain", "SCRAM-SHA-256", "SCRAM-SHA-512", "aws_msk_iam"],
    _cased({name.lower(): name for name in ("plain", "SCRAM-SHA-256", "SCRAM-SHA-512", "aws_msk_iam")}),
]


class SaslConfig(Section):
    """Who we are."""

    tolerated: ClassVar[Mapping[str, str]] = {
        "nonce": "each connection makes a nonce of its own",
    }

    mechanism: Mechanism = setting(..., "How it is proven.")
    username: str = setting("", "User, for plain and SCRAM.")
    password: str = setting("", "Password, for plain and SCRAM.")
    zid: str = setting("", "Authorisation id; it has to be the user's own or empty.")
    is_token: Flag = setting(False, "Delegation tokens; there are none here: it has to be false.")
    access_key: str = setting("", "For aws_msk_iam; what the AWS environment has wins over it.")
    secret_key: str = setting("", "For aws_msk_iam.")
    session_token: str = setting("", "For aws_msk_iam.")
    user_agent: str = setting("", "For aws_msk_iam: what we call ourselves.")

    @model_validator(mode="after")
    def _whole(self) -> "SaslConfig":
        if self.mechanism != "aws_msk_iam" and not (self.username and self.password):
            raise ValueError(f"{self.mechanism} needs `username` and `password`")
        if self.zid not in ("", self.username):
            raise ValueError("`zid` cannot differ from `username`: to act as somebody else, log in as them")
        if self.is_token:
            raise ValueError("`is_token`: delegation tokens are not supported, use a user of its own")
        return self


class KafkaSection(Section):
    """Where Kafka is."""

    brokers: Names = setting(..., "Addresses of brokers, host:port; a few of them are enough.")
    ping: PingConfig = setting(PingConfig, "Asking whether it is there.")
    tls: TlsConfig | None = setting(None, "TLS; plain connections without it.")
    sasl: SaslConfig | None = setting(None, "Logging in.")

    @model_validator(mode="after")
    def _addresses(self) -> "KafkaSection":
        if not self.brokers:
            raise ValueError('`brokers` names no broker: write brokers: ["127.0.0.1:9092"]')
        for one in self.brokers:
            host, colon, port = one.rpartition(":")
            if not (host and colon and port.isdigit() and 0 < int(port) < 65536):
                raise ValueError(f"`brokers`: {one} is no host:port: write 127.0.0.1:9092")
        return self


class OffsetConfig(Section):
    """A place in a partition."""

    type: Annotated[
        Literal["At", "AfterMilli", "AtEnd", "AtStart", "Relative", "WithEpoch"], _cased(OFFSETS)
    ] = setting(
        "AtStart",
        "AtStart, AtEnd, At an offset, AfterMilli of unix time, Relative to the end; WithEpoch is AtEnd.",
        differs="an unknown type is an error, there it is AtStart; epochs are not checked",
    )  # fmt: skip
    value: Int = setting(0, "Offset, milliseconds or distance, as the type has it.")


class ProducerConfig(Section):
    """Pushing."""

    tolerated: ClassVar[Mapping[str, str]] = {
        "transaction_timeout": "pushes are no transactions, neither here nor in RoadRunner",
    }

    disable_idempotent: Flag = setting(False, "Whether a push that is sent again may be there twice.")
    required_acks: Literal["NoAck", "LeaderAck", "AllISRAck"] = setting(
        "AllISRAck",
        "Who has a record when a push is confirmed: all replicas in sync, the leader, or nobody knows. Less than all "
        "needs `disable_idempotent: true`, and loses jobs when brokers fail.",
    )
    max_message_bytes: Int = setting(MAX_MESSAGE_BYTES, "Largest record.", unit="bytes", ge=1, le=2**30)
    request_timeout_s: DurationOrDefault = setting(10.0, "How long a broker may take to answer a request.")
    delivery_timeout_s: DurationOrDefault = setting(0.0, "Longest push; 0 is `jobs.timeout`.")
    compression_codec: Literal["", "none", "gzip", "snappy", "lz4", "zstd"] = setting(
        "", "Compression of what is pushed; none without it.", differs="there the default is snappy"
    )
    partitioning_strategy: Annotated[
        Literal["Manual", "Uniform", "RoundRobin", "LeastBackup", "Sticky"], _cased(STRATEGIES)
    ] = setting(
        "Uniform",
        "Which partition a job goes to: the one it names, by the hash of its id, in turn, the one with the least "
        "waiting to be sent, or one after the other for each push.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _safe(self) -> "ProducerConfig":
        if self.required_acks != "AllISRAck" and not self.disable_idempotent:
            raise ValueError(f"`required_acks: {self.required_acks}` needs `disable_idempotent: true`")
        return self


Places = Mapping[str, Mapping[int, OffsetConfig]]


def _places(value: Any) -> Any:
    """PHP writes partitions 0 to n as a list."""
    if isinstance(value, list) and not value:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError("must be a map of topics to partitions")
    return {
        topic: dict(enumerate(places)) if isinstance(places, list | tuple) else places
        for topic, places in value.items()
    }


class ConsumerConfig(Section):
    """Consuming."""

    topics: Names = setting((), "Topics; regular expressions with `consume_regexp`.")
    consume_regexp: Flag = setting(False, "Whether `topics` are regular expressions, matched anywhere in a name.")
    max_fetch_message_size: Int = setting(50 * 2**20, "Most that one fetch brings.", unit="bytes", ge=1, le=2**31 - 1)
    min_fetch_message_size: Int = setting(1, "Least that a fetch waits for, for half a second.", unit="bytes", ge=1)
    consume_partitions: Annotated[Places, Kind("map"), BeforeValidator(_places)] = setting(
        dict, "Without `topics`: partitions of topics, each with the place to begin at; without a group."
    )
    consumer_offset: OffsetConfig = setting(OffsetConfig, "Where a group that has committed nothing begins.")
    isolation_level: Literal["read_uncommitted", "read_committed"] = setting(
        "read_uncommitted",
        "`read_committed` does not see records of transactions that were aborted, and waits for those that are open.",
        differs="RoadRunner reads uncommitted records",
    )
    ordering: Literal["none", "partition", "key"] = setting(
        "none",
        "What runs one after the other: nothing, the jobs of a partition, or those with the same record key.",
        differs="RoadRunner has nothing like it",
    )

    @model_validator(mode="after")
    def _names(self) -> "ConsumerConfig":
        for topic in self.topics if not self.consume_regexp else self.consume_partitions:
            check_topic(topic)
        if self.consume_regexp:
            for pattern in self.topics:
                try:
                    re.compile(pattern)
                except re.error as err:
                    raise ValueError(f"`topics`: {pattern} is no regular expression: {err}") from err
        if not (self.topics or self.consume_partitions):
            raise ValueError("neither `topics` nor `consume_partitions` says what to consume: write topics: [mail]")
        return self


class GroupConfig(Section):
    """The consumer group; offsets are committed for it."""

    tolerated: ClassVar[Mapping[str, str]] = {
        "block_rebalance_on_poll": "a rebalance always waits a while for what runs",
    }

    group_id: str = setting(..., "Its name; servers with the same one share the partitions.", min_length=1)
    instance_id: str = setting("", "Name of this server within the group: it keeps its partitions over a restart.")
    session_timeout_s: DurationOrDefault = setting(
        10.0,
        "After so long without a sign of life a server's partitions go to others.",
        ge=1.0,
        le=1800.0,
        differs="RoadRunner has no such key: 45s",
    )


class KafkaConfig(Section):
    """Topics of Kafka, to push to, to consume, or both."""

    priority: Int | None = setting(None, "Priority of jobs pushed without one, when the pipeline names none.")
    auto_create_topics_enable: Flag = setting(False, "Whether a topic that does not exist is made.")
    prefetch: Int = setting(
        1000,
        "Jobs that are in the shared queue or in a worker at once.",
        unit="jobs",
        ge=1,
        le=100_000,
        differs="RoadRunner has no such limit",
    )
    producer_options: ProducerConfig = setting(ProducerConfig, "Pushing.")
    consumer_options: ConsumerConfig | None = setting(None, "Consuming; without it the pipeline only pushes.")
    sasl_options: SaslConfig | None = setting(
        None, "Logging in, in place of `kafka.sasl`.", differs="there it is for pipelines declared at run time only"
    )
    group_options: GroupConfig | None = setting(
        None, "The consumer group. Without one nothing is committed: each start begins at `consumer_offset`."
    )

    @model_validator(mode="after")
    def _fits(self) -> "KafkaConfig":
        consumer = self.consumer_options
        if consumer is not None and not consumer.topics and self.group_options is not None:
            raise ValueError("`consume_partitions` cannot be shared by a group: leave out `group_options`")
        if consumer is not None and consumer.consume_regexp and self.group_options is None:
            raise ValueError("`consume_regexp` needs a group: write group_options: {group_id: ...}")
        return self
