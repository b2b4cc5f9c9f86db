"""The whole error tree: the type of an error decides what happens next, its fields carry the facts."""

from collections.abc import Sequence


class RRJobsError(Exception):
    """Root of everything rrjobs raises on purpose; its text is fit for a user's eyes."""


class ConfigError(RRJobsError):
    """The configuration is refused; `problems` holds every finding, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class ProtocolError(RRJobsError):
    """Bytes that are not what the protocol allows at this place; the stream they came from is unusable."""


class FrameTooLong(ProtocolError):
    """A frame that is longer than the reader takes; `begin` is what arrived of it, header first."""

    def __init__(self, message: str, begin: bytes) -> None:
        super().__init__(message)
        self.begin = begin


class WorkerError(RRJobsError):
    """A PHP worker process could not do what was asked of it."""


class SpawnError(WorkerError):
    """A worker could not be started: the command, what it printed, and how it ended are in the text and the fields."""

    def __init__(
        self,
        message: str,
        *,
        command: Sequence[str],
        exit_code: int | None = None,
        output: str = "",
        fatal: bool = False,
    ) -> None:
        super().__init__(message)
        self.command = tuple(command)
        self.exit_code = exit_code
        self.output = output
        self.fatal = fatal


class PoolStopped(WorkerError):
    """The pool is stopping and lends no more workers."""


class DriverError(RRJobsError):
    """A driver lost its broker or was refused by it."""


class PushRefused(DriverError):
    """A push was not accepted; `accepted` says how many jobs of the batch were taken before the refusal."""

    def __init__(self, message: str, *, accepted: int = 0) -> None:
        super().__init__(message)
        self.accepted = accepted


class PushUnknown(PushRefused):
    """A push was sent, and nobody can tell whether it was accepted: no confirmation came."""


class BrokerUnreachable(DriverError):
    """There is no connection to a broker at the moment; trying again may help."""


class BrokerRefused(DriverError):
    """A broker answered, and will not have it: credentials, permissions, a queue with other arguments."""


class ConnectionLost(DriverError):
    """The connection to a broker is gone; what was not confirmed on it is unknown.

    `sent` is false when the operation that it interrupted had told the broker nothing yet.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class ReceiptsLost(DriverError):
    """The broker has given messages to somebody else meanwhile; `deliveries` are those, all others are settled."""

    def __init__(self, message: str, deliveries: Sequence[object]) -> None:
        super().__init__(message)
        self.deliveries = tuple(deliveries)


class AlreadyInState(DriverError):
    """Pause of a paused pipeline, or resume of a running one."""


class JournalError(DriverError):
    """A journal cannot be opened, read or written; `path` is the folder or file it is about."""

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(message)
        self.path = path


class JournalFull(JournalError):
    """The disk has no room for what was to be written; nothing of it was kept."""


class JournalInUse(JournalError):
    """Another process, or another pipeline of this one, has the journal open."""


class JournalVersion(JournalError):
    """The journal was written in a format that this version does not read."""


class JournalDamaged(JournalError):
    """Bytes that were on disk once are not what they were; `path` and `offset` say where, `command` what salvages."""

    def __init__(self, what: str, *, path: str, offset: int, command: str) -> None:
        super().__init__(f"{path}: damaged at byte {offset}: {what}; `{command}` salvages what is left", path=path)
        self.offset = offset
        self.command = command


class EntryGone(RRJobsError):
    """The journal holds no live entry of that number: it was removed before."""

    def __init__(self, number: int) -> None:
        super().__init__(f"the journal has no entry {number}: it was removed before")
        self.number = number


class PipelineNotFound(RRJobsError):
    """No pipeline of that name exists."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no such pipeline, requested: {name}")
        self.name = name


class PipelineExists(RRJobsError):
    """A pipeline of that name exists already."""


class RpcError(RRJobsError):
    """An RPC call that was answered with an error; the text is part of the contract with PHP."""


class ServerUnreachable(RpcError):
    """No server answers at the RPC address."""


class AddressError(RRJobsError):
    """An address that cannot be parsed, or that cannot be listened on."""


class TakeoverError(RRJobsError):
    """The place of a running server cannot be taken; that server goes on untouched."""
