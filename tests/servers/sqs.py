"""Two servers of Amazon's SQS API: ministack, which is fast, and ElasticMQ as the second opinion."""

import os
from pathlib import Path

from ports import free_port

from servers.binaries import program
from servers.cache import ELASTICMQ_JARS, jars, ministack
from servers.process import Server

REGION = "us-east-1"
CREDENTIALS = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
ELASTICMQ_CONF = """include classpath("application.conf")
node-address {{ host = localhost, port = {port} }}
rest-sqs {{ bind-port = {port}, bind-hostname = "127.0.0.1", sqs-limits = strict }}
rest-stats {{ enabled = false }}
"""


class SqsServer(Server):
    """Takes any credentials. Keeps nothing over its own end: fault tests harm the link or the consumer."""

    @property
    def endpoint(self) -> str:
        """As `sqs.endpoint` and `create_client(endpoint_url=...)` want it."""
        return f"http://{self.address}"


class Ministack(SqsServer):
    """A small server of many AWS APIs; SQS is what we use."""

    name = "ministack"

    def __init__(self, directory: Path, port: int = 0) -> None:
        super().__init__(directory, port or free_port())

    def command(self) -> list[str]:
        return [str(ministack())]

    def environment(self) -> dict[str, str]:
        return {"GATEWAY_PORT": str(self.port), "BIND_HOST": "127.0.0.1", "HOME": str(self.directory)}


class ElasticMQ(SqsServer):
    """In memory, with the limits of the real service."""

    name = "elasticmq"
    start_timeout_s = 60.0

    def __init__(self, directory: Path, port: int = 0) -> None:
        super().__init__(directory, port or free_port())

    def command(self) -> list[str]:
        java = program("java", "default-jre-headless")
        classes = f"{jars('elasticmq', ELASTICMQ_JARS)}{os.sep}*"
        settings = f"-Dconfig.file={self.directory / 'elasticmq.conf'}"
        return [java, "-Xmx256m", "-XX:+UseSerialGC", settings, "-cp", classes, "org.elasticmq.server.Main"]

    def prepare(self) -> None:
        (self.directory / "elasticmq.conf").write_text(ELASTICMQ_CONF.format(port=self.port))
