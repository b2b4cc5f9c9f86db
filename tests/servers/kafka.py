"""Apache Kafka: one KRaft node; plain, and on request TLS and SASL (PLAIN, SCRAM) listeners beside it."""

import base64
import os
import subprocess
import uuid
from pathlib import Path

from aiokafka.admin import NewTopic
from ports import free_port

from servers.binaries import program
from servers.cache import KAFKA_JARS, jars
from servers.certificates import Certificates
from servers.kafka_admin import administrator, aside
from servers.kafka_rights import Rights
from servers.process import Server, ServerFailed
from servers.small_disk import SmallDisk

LOGGING = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"]
USER = "rr"
PASSWORD = "rr-secret"
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")


class Kafka(Server):
    """`address` is plain. `sasl`: user rr, password rr-secret on `sasl_port`. `certificates`: TLS on `tls_port`.

    A broker tells clients where to connect, so a proxy needs a listener of its own: it listens on `proxied_port`,
    which is what clients are told there, and leads to `proxied_target`. `guarded`: that one asks for SASL too, and
    users may do nothing but what `rights` gives them; who comes in plain may do everything. `disk`: of its records.
    """

    name = "kafka"
    start_timeout_s = 180.0  # half a minute after a crash on a busy machine, more on a very busy one

    def __init__(
        self,
        directory: Path,
        port: int = 0,
        *,
        sasl: bool = False,
        guarded: bool = False,
        certificates: Certificates | None = None,
        max_message_bytes: int = 1_048_588,
        proxied_port: int = 0,
        disk: SmallDisk | None = None,
    ) -> None:
        super().__init__(directory, port or free_port())
        self.proxied_port = proxied_port or free_port()
        self.proxied_target = free_port()
        self.sasl_port = free_port() if sasl or guarded else 0
        self.guarded = guarded
        self.disk = disk
        self.tls_port = free_port() if certificates else 0
        self.certificates = certificates
        self.max_message_bytes = max_message_bytes
        self._controller_port = free_port()

    def command(self) -> list[str]:
        return self._java("kafka.Kafka", str(self.directory / "server.properties"))

    def prepare(self) -> None:
        settings = self._settings()
        text = "".join(f"{key}={value}\n" for key, value in settings.items())
        (self.directory / "server.properties").write_text(text)
        identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        scram = [
            word
            for mechanism in SCRAM
            if self.sasl_port
            for word in ("--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]")
        ]
        arguments = ["format", f"--cluster-id={identity}", "-c", str(self.directory / "server.properties"), *scram]
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", *arguments), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise ServerFailed(f"kafka could not format its folder:\n{done.stdout}{done.stderr}")

    def ports(self) -> list[int]:
        return [port for port in (self.port, self.proxied_target, self.sasl_port, self.tls_port) if port]

    @property
    def rights(self) -> Rights:
        """What users may do."""
        return Rights(self.address, self.sasl_port)

    def create_topic(self, topic: str, partitions: int = 1, **settings: str) -> None:
        """A topic with settings like `retention_ms="1000"`; for sync and async tests."""
        configs = {key.replace("_", "."): value for key, value in settings.items()}
        aside(lambda: self._create(NewTopic(topic, partitions, 1, topic_configs=configs)))

    async def _create(self, topic: NewTopic) -> None:
        async with administrator(self.address) as admin:
            answer = await admin.create_topics([topic])
        for name, code, reason in answer.topic_errors:
            assert code == 0, f"topic {name}: {reason}"

    def _java(self, name: str, *arguments: str) -> list[str]:
        java = program("java", "default-jre-headless")
        classes = f"{jars('kafka', KAFKA_JARS)}{os.sep}*"
        return [
            *(self.disk.inside if self.disk else ()),
            java,
            "-Xmx512m",
            "-XX:+UseSerialGC",
            *LOGGING,
            "-cp",
            classes,
            name,
            *arguments,
        ]

    def _settings(self) -> dict[str, str]:
        proxied = "SASL_PLAINTEXT" if self.guarded else "PLAINTEXT"
        listeners = {"PLAINTEXT": ("PLAINTEXT", self.port), "PROXIED": (proxied, self.proxied_target)}
        if self.sasl_port:
            listeners["SASL"] = ("SASL_PLAINTEXT", self.sasl_port)
        if self.tls_port:
            listeners["TLS"] = ("SSL", self.tls_port)
        served = ",".join(f"{name}://127.0.0.1:{port}" for name, (_, port) in listeners.items())
        protocols = ",".join(f"{name}:{protocol}" for name, (protocol, _) in listeners.items())
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": f"{served},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": served.replace(f":{self.proxied_target}", f":{self.proxied_port}"),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": f"{protocols},CONTROLLER:PLAINTEXT",
            "log.dirs": str((self.disk.path if self.disk else self.directory) / "data"),
            "metadata.log.dir": str(self.directory / "metadata"),
            "message.max.bytes": str(self.max_message_bytes),
            **ONE_NODE,
            **(_sasl(("sasl", "proxied") if self.guarded else ("sasl",)) if self.sasl_port else {}),
            **(GUARDED if self.guarded else {}),
            **(_tls(self.certificates) if self.certificates else {}),
        }


ONE_NODE = {
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # after a crash the port stays closed until the old session is over: 5 s with these, 13 s without
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
}


GUARDED = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
}


def _sasl(listeners: tuple[str, ...]) -> dict[str, str]:
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    settings = {"sasl.enabled.mechanisms": ",".join(("PLAIN", *SCRAM))}
    for prefix in (f"listener.name.{name}" for name in listeners):
        settings[f"{prefix}.plain.sasl.jaas.config"] = f'{plain} user_{USER}="{PASSWORD}";'
        settings |= {f"{prefix}.{mechanism.lower()}.sasl.jaas.config": scram for mechanism in SCRAM}
    return settings


def _tls(certificates: Certificates) -> dict[str, str]:
    prefix = "listener.name.tls.ssl"
    return {
        f"{prefix}.keystore.type": "PEM",
        f"{prefix}.keystore.location": str(certificates.bundle),
        f"{prefix}.truststore.type": "PEM",
        f"{prefix}.truststore.location": str(certificates.ca),
        f"{prefix}.client.auth": "requested",
    }
