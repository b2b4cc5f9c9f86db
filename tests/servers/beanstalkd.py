"""beanstalkd: in memory, or with a log that is synced before each answer."""

from pathlib import Path

from ports import free_port

from servers.binaries import program
from servers.process import Server

MAX_JOB_BYTES = 65535


class Beanstalkd(Server):
    """`durable`: every accepted job outlives a crash. `max_job_bytes`: a longer body is refused (JOB_TOO_BIG)."""

    name = "beanstalkd"

    def __init__(
        self, directory: Path, port: int = 0, *, durable: bool = True, max_job_bytes: int = MAX_JOB_BYTES
    ) -> None:
        super().__init__(directory, port or free_port())
        self.durable = durable
        self.max_job_bytes = max_job_bytes

    @property
    def uri(self) -> str:
        """As `beanstalk.addr` wants it."""
        return f"tcp://{self.address}"

    def command(self) -> list[str]:
        log = ["-b", str(self.directory), "-f", "0"] if self.durable else []
        return [
            program("beanstalkd", "beanstalkd", "/usr/bin/beanstalkd"),
            "-l", "127.0.0.1", "-p", str(self.port), "-z", str(self.max_job_bytes), *log,
        ]  # fmt: skip
