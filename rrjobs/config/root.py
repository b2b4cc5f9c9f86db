"""The whole configuration as one model, and the sections that belong to no room."""

from collections.abc import Mapping
from typing import ClassVar

from rrjobs.config.drivers import MODELS
from rrjobs.drivers.amqp.section import AmqpSection
from rrjobs.drivers.beanstalk.config import BeanstalkSection
from rrjobs.drivers.http.config import HttpConfig
from rrjobs.drivers.kafka.config import KafkaSection
from rrjobs.drivers.nats.config import NatsSection
from rrjobs.drivers.sqs.config import SqsSection
from rrjobs.pipeline.config import JobsConfig
from rrjobs.rpc.config import RpcConfig
from rrjobs.runtime.log_config import LogConfig
from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import DurationOrDefault, Flag, Names
from rrjobs.services.metrics_config import MetricsConfig
from rrjobs.services.status_config import StatusConfig
from rrjobs.worker.config import PoolConfig, ServerConfig

VERSION = "3"


class AnyConfig(Section):
    """One pool whose workers take requests and jobs alike, in place of a pool for each."""

    pool: PoolConfig = setting(PoolConfig, "The workers; RR_MODE is any.")


class EndureConfig(Section):
    """How the server ends."""

    tolerated: ClassVar[Mapping[str, str]] = {
        "log_level": "the server's own messages follow `logs`",
        "watchdog_sec": "systemd says how often it wants a sign of life (WatchdogSec= of the unit)",
        "print_graph": "there is no graph of plugins",
    }

    grace_period_s: DurationOrDefault = setting(
        30.0,
        "How long running deliveries may take after the first stop signal.",
        differs="can be overridden, expanded and included like every other key",
    )
    reuse_port: Flag = setting(
        False,
        "Let a second instance listen at the same TCP ports (SO_REUSEPORT), so that it can be started before this one "
        "is stopped; see docs/deploys.md. Without it the second is refused.",
        differs="always on there",
    )


class Root(Section):
    """The configuration file."""

    tolerated: ClassVar[Mapping[str, str]] = {
        "reload": "removed in RoadRunner 3; `pool.debug: true` reloads code for every delivery",
    }
    not_yet: ClassVar[Mapping[str, str]] = {
        "boltdb": "jobs are kept in memory",
        "google_pub_sub": "jobs are kept in memory",
        "redis": "there is no key-value store",
        "memcached": "there is no key-value store",
        "kv": "there is no key-value store",
        "lock": "there are no locks",
        "temporal": "there are no workflows",
        "grpc": "HTTP/1.1 and jobs are served",
        "tcp": "HTTP/1.1 and jobs are served",
        "centrifuge": "HTTP/1.1 and jobs are served",
        "fileserver": "serve files from a proxy",
        "service": "start other programs from systemd or a container's init",
        "otel": "there is no tracing",
        "app-logger": "`app.*` calls need no section; their level is `logs.channels.app.level`",
        "app": "`app.*` calls need no section; their level is `logs.channels.app.level`",
        "dashboard": "",
    }

    version: str = setting(..., 'Version of the format, as a text: "3".')
    include: Names = setting(
        (), "Files whose sections replace the ones here, and those of `-o`; relative to the working directory."
    )
    envfile: str = setting(
        "", "A file of NAME=value lines for variables that are not set; relative to this file.", differs="as in v6"
    )
    server: ServerConfig | None = setting(None, "Workers in general.")
    http: HttpConfig | None = setting(None, "Requests.")
    jobs: JobsConfig | None = setting(None, "Jobs.")
    nats: NatsSection | None = setting(None, "The server of pipelines on `nats`.")
    beanstalk: BeanstalkSection | None = setting(None, "The server of pipelines on `beanstalk`.")
    sqs: SqsSection | None = setting(
        None, "Where SQS is, for pipelines on `sqs`; without the section, what the AWS environment says."
    )
    any_mode: AnyConfig | None = setting(
        None,
        "One pool for requests and jobs; beside it `http.pool`, `jobs.pool` and `jobs.pools` are errors.",
        alias="any",
        differs="RoadRunner has nothing like it",
    )
    kafka: KafkaSection | None = setting(None, "Kafka: needed by pipelines of the driver `kafka`.")
    amqp: AmqpSection | None = setting(None, "RabbitMQ: needed by pipelines of the driver `amqp`.")
    rpc: RpcConfig | None = setting(
        None, "Calls from PHP and from the command line; without the section there are none."
    )
    status: StatusConfig | None = setting(None, "Health and readiness.")
    metrics: MetricsConfig | None = setting(None, "Prometheus metrics.")
    logs: LogConfig = setting(LogConfig, "Logs.")
    state_dir: str = setting(
        ".rrjobs",
        "Folder for what outlives the server: jobs in memory that waited at a clean stop, journals without a path of "
        "their own. Relative to the configuration file.",
        differs="RoadRunner keeps nothing",
    )
    endure: EndureConfig = setting(EndureConfig, "The end of the server.")

    def driver_sections(self) -> Mapping[str, Section | None]:
        """The drivers' own sections, by driver."""
        return {name: getattr(self, name) for name in MODELS if name in type(self).model_fields}
