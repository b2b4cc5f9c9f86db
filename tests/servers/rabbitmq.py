"""RabbitMQ: one node with an epmd of its own, without plugins; TLS beside plain TCP on request."""

import os
import subprocess
from pathlib import Path
from urllib.parse import quote

from ports import free_port

from servers.binaries import program
from servers.certificates import Certificates
from servers.process import Server

COMMAND_TIMEOUT_S = 30.0
DISK_LIMIT = "50MB"
MEMORY_LIMIT = "512MB"


class Epmd(Server):
    """Erlang's port mapper in the foreground; RabbitMQ would start one that stays behind as a daemon."""

    name = "epmd"

    def command(self) -> list[str]:
        return [program("epmd", "rabbitmq-server"), "-port", str(self.port), "-address", "127.0.0.1"]


class RabbitMQ(Server):
    """`uri()` is for clients; user guest, password guest. With `certificates` also `tls_uri()`."""

    name = "rabbitmq"
    start_timeout_s = 60.0

    def __init__(self, directory: Path, port: int = 0, *, certificates: Certificates | None = None) -> None:
        super().__init__(directory, port or free_port())
        self.certificates = certificates
        self.tls_port = free_port() if certificates else 0
        self._distribution_port = free_port()
        self._epmd = Epmd(directory, free_port())

    def uri(self, vhost: str = "/", user: str = "guest", password: str = "guest", *, port: int = 0) -> str:
        """amqp://..., with `port` of a proxy in place of its own."""
        return f"amqp://{user}:{password}@127.0.0.1:{port or self.port}/{quote(vhost, safe='')}"

    def tls_uri(self, vhost: str = "/") -> str:
        """amqps://... on the TLS listener; its certificate is for localhost and 127.0.0.1."""
        return f"amqps://guest:guest@127.0.0.1:{self.tls_port}/{quote(vhost, safe='')}"

    def ports(self) -> list[int]:
        return [self.port, self.tls_port] if self.tls_port else [self.port]

    def command(self) -> list[str]:
        # not the one on PATH: that is a wrapper which changes to user rabbitmq and /var/lib
        return [program("rabbitmq-server", "rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmq-server")]

    def environment(self) -> dict[str, str]:
        at = self.directory
        return {
            "HOME": str(at),
            "RABBITMQ_CONF_ENV_FILE": str(at / "none"),
            "RABBITMQ_NODENAME": "rr@localhost",
            "RABBITMQ_MNESIA_BASE": str(at / "mnesia"),
            "RABBITMQ_LOG_BASE": str(at / "log"),
            "RABBITMQ_CONFIG_FILE": str(at / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(at / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(at / "pid"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "ERL_EPMD_PORT": str(self._epmd.port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def prepare(self) -> None:
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{self.port}",
            "loopback_users = none",
            "log.console = true",
            "log.file = false",
            f"disk_free_limit.absolute = {DISK_LIMIT}",
            f"vm_memory_high_watermark.absolute = {MEMORY_LIMIT}",
        ]
        if self.certificates:
            lines += [
                f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}",
                f"ssl_options.cacertfile = {self.certificates.ca}",
                f"ssl_options.certfile = {self.certificates.cert}",
                f"ssl_options.keyfile = {self.certificates.key}",
            ]
        (self.directory / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (self.directory / "enabled_plugins").write_text("[].\n")

    def start(self) -> "RabbitMQ":
        self._epmd.revive().lasting = self.lasting
        try:
            return super().start()
        except BaseException:
            self._epmd.stop()
            raise

    def stop(self) -> int | None:
        code = super().stop()
        self._epmd.stop()
        return code

    def terminate(self) -> None:
        os.kill(int((self.directory / "pid").read_text()), 15)

    def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl` prints; about a second a call. Raises AssertionError with its words when it fails."""
        done = subprocess.run(
            [program("rabbitmqctl", "rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmqctl"), "-q", *arguments],
            env={**os.environ, **self.environment()},
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"rabbitmqctl {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def add_vhost(self, vhost: str) -> None:
        """A new vhost in which guest may do everything."""
        self.ctl("add_vhost", vhost)
        self.set_permissions("guest", vhost)

    def delete_vhost(self, vhost: str) -> None:
        """With all its queues; its connections are closed."""
        self.ctl("delete_vhost", vhost)

    def add_user(self, user: str, password: str) -> None:
        """A user without permissions."""
        self.ctl("add_user", user, password)

    def delete_user(self, user: str) -> None:
        """Its connections are closed."""
        self.ctl("delete_user", user)

    def set_permissions(
        self, user: str, vhost: str = "/", configure: str = ".*", write: str = ".*", read: str = ".*"
    ) -> None:
        """Regular expressions of the names it may configure, write and read."""
        self.ctl("set_permissions", "-p", vhost, user, configure, write, read)

    def close_connections(self, reason: str = "closed by the test") -> None:
        """The broker closes every client connection, with code 320."""
        self.ctl("close_all_connections", reason)

    def set_memory_limit(self, limit: str = MEMORY_LIMIT) -> None:
        """vm_memory_high_watermark; "1MB" raises the memory alarm: publishers are blocked. The default ends it."""
        self.ctl("set_vm_memory_high_watermark", "absolute", limit)

    def set_disk_limit(self, limit: str = DISK_LIMIT) -> None:
        """disk_free_limit; "900000GB" raises the disk alarm: publishers are blocked. The default ends it."""
        self.ctl("set_disk_free_limit", limit)

    def alarms(self) -> str:
        """Which resource alarms are on, as Erlang prints them; `[]` for none."""
        return self.ctl("eval", "rabbit_alarm:get_alarms().").strip()
