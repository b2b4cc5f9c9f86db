"""The section `beanstalk`, and the `config` of a pipeline on it (spec/jobs-and-rpc.md 4.6)."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from rrjobs.errors import AddressError
from rrjobs.runtime.address import parse_dsn
from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import DurationOrDefault, Int

MAX_NAME = 195
MAX_PRIORITY = 2**32 - 1
_ALLOWED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-+/;.$_()")


def _address(text: str) -> str:
    try:
        parse_dsn(text)
    except AddressError as err:
        raise ValueError(f"{err}: write tcp://127.0.0.1:11300 or unix://path") from err
    return text


def check_tube(name: str) -> str:
    """The name; raises ValueError with what beanstalkd would not take."""
    wrong = sorted(set(name) - _ALLOWED)
    if not name or name.startswith("-"):
        raise ValueError("a tube has a name, and it does not begin with a hyphen")
    if wrong:
        raise ValueError(f"a tube's name holds letters, digits and -+/;.$_() only, not {wrong[0]!r}")
    if len(name) > MAX_NAME:
        raise ValueError(f"a tube's name has at most {MAX_NAME} characters: `.dead` follows it for dead letters")
    return name


class BeanstalkSection(Section):
    """Where beanstalkd is."""

    addr: Annotated[str, AfterValidator(_address)] = setting(
        "tcp://127.0.0.1:11300", "Address: tcp://host:port or unix://path."
    )
    timeout_s: DurationOrDefault = setting(
        30.0,
        "Longest wait for a connection, and the time to run of every job that is pushed here.",
        differs="a job that takes longer is kept ours as long as its worker has it; there it is run twice",
    )


class BeanstalkConfig(Section):
    """A tube of beanstalkd."""

    tolerated: ClassVar[Mapping[str, str]] = {
        "consume_all": "messages of others are always accepted, as in RoadRunner",
    }

    priority: Int | None = setting(None, "Priority of jobs pushed without one, when the pipeline names none.")
    tube: Annotated[str, AfterValidator(check_tube)] = setting(
        "default", "The tube; dead letters are in `<tube>.dead`."
    )
    tube_priority: Int = setting(
        0,
        "Priority of its jobs within beanstalkd; lower is served earlier.",
        ge=0,
        le=MAX_PRIORITY,
    )
    reserve_timeout_s: DurationOrDefault = setting(
        1.0, "How long one request for a job may wait for it; whole seconds, at least 1."
    )
    prefetch: Int = setting(
        64,
        "Jobs that are in the shared queue or in a worker at once; the rest waits in the tube.",
        unit="jobs",
        ge=1,
        le=10_000,
        differs="RoadRunner has no such limit",
    )
