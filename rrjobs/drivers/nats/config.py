"""The section `nats`, and the `config` of a pipeline on it (spec/jobs-and-rpc.md 4.5)."""

from collections.abc import Mapping
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, model_validator

from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import Flag, Int, SecondsOrDefault

MAX_NAME = 200
_SCHEMES = ("nats://", "tls://", "ws://", "wss://")


def _address(text: str) -> str:
    for one in text.split(","):
        if "://" in one and not one.strip().startswith(_SCHEMES):
            raise ValueError("must be nats://host:port or tls://host:port, several divided by commas")
        if not _has_place(one.strip()):
            raise ValueError("must be nats://host:port, with a port between 1 and 65535")
    if not text.strip():
        raise ValueError("must be nats://host:port, it is empty")
    return text


def _has_place(address: str) -> bool:
    try:
        parts = urlsplit(address if "://" in address else f"nats://{address}")
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def check_subject(subject: str) -> str:
    """The subject; raises ValueError when nothing can be published to it."""
    tokens = subject.split(".")
    if not subject or any(not token or not token.isprintable() or " " in token for token in tokens):
        raise ValueError("a subject is words divided by dots, without spaces")
    if "*" in tokens or ">" in tokens:
        raise ValueError("jobs are pushed to the subject: it can have no wildcard")
    return subject


def check_stream(name: str) -> str:
    """The name; raises ValueError with what JetStream would not take."""
    wrong = [one for one in name if one in ".*>/\\" or one.isspace() or not one.isprintable()]
    if not name or wrong:
        raise ValueError("a stream's name has no dots, spaces, slashes, * or >" if name else "a stream has a name")
    if len(name) > MAX_NAME:
        raise ValueError(f"a stream's name has at most {MAX_NAME} characters: `-dead` follows it for dead letters")
    return name


class NatsTls(Section):
    """Certificates for tls://."""

    root_ca: str = setting("", "File of the authorities that the server's certificate may come from.")
    cert: str = setting("", "File of the client's certificate.")
    key: str = setting("", "File of the client's private key.")

    @model_validator(mode="after")
    def _both(self) -> "NatsTls":
        if bool(self.key) != bool(self.cert):
            raise ValueError("`key` and `cert` belong together: write both, or none of them")
        return self


class NatsSection(Section):
    """Where NATS is."""

    addr: Annotated[str, AfterValidator(_address)] = setting(
        "nats://127.0.0.1:4222", "Address, of several servers divided by commas; user and password may be in it."
    )
    user: str = setting("", "User, where it is not in the address.", differs="RoadRunner has the address only")
    password: str = setting("", "Password of the user.", differs="RoadRunner has the address only")
    token: str = setting("", "Token, in place of user and password.", differs="RoadRunner has the address only")
    credentials: str = setting("", "File of credentials (.creds).", differs="RoadRunner has the address only")
    tls: NatsTls | None = setting(None, "Certificates.", differs="RoadRunner has the address only")


class NatsConfig(Section):
    """A subject of a stream."""

    tolerated: ClassVar[Mapping[str, str]] = {
        "rate_limit": "RoadRunner reads it and does nothing with it; `rate` of the pipeline limits",
        "consume_all": "messages of others are always accepted, as in RoadRunner",
    }

    priority: Int | None = setting(None, "Priority of jobs pushed without one, when the pipeline names none.")
    subject: Annotated[str, AfterValidator(check_subject)] = setting("default", "The subject of its jobs.")
    stream: Annotated[str, AfterValidator(check_stream)] = setting(
        "default-stream", "The stream that has the subject; made when it is not there. Dead letters: `<stream>-dead`."
    )
    prefetch: Int = setting(
        10, "Jobs that are in the shared queue or in a worker at once.", unit="jobs", ge=1, le=65_536
    )
    ack_wait_s: SecondsOrDefault = setting(
        30.0,
        "After how long without a sign of life NATS gives a job to another server; running jobs give signs.",
        ge=1.0,
    )
    deliver_new: Flag = setting(
        False,
        "Begin with what is pushed after the first start, not with what the stream holds.",
        differs="RoadRunner reads it and does nothing with it",
    )
    delete_after_ack: Flag = setting(
        False, "Delete a job from the stream when it is done, so that the stream does not grow for ever."
    )
    delete_stream_on_stop: Flag = setting(
        False,
        "Delete the stream when the pipeline closes and every job of it is done.",
        differs="RoadRunner deletes it with what waits in it",
    )
