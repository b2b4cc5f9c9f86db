"""The `http` section (spec/worker-and-http.md 6.1, 6.6)."""

import ipaddress
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from rrjobs.pipeline.limits.config import MISPLACED
from rrjobs.runtime.address import checked_address
from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import Duration, DurationOrDefault, Flag, Int, Kind, Names, parse_names
from rrjobs.worker.config import PoolConfig

DEFAULT_MAX_REQUEST_MIB = 1000

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(value: object) -> tuple[Network, ...]:
    return tuple(_network(text) for text in parse_names(value))


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"must be networks such as 10.0.0.0/8 or fd00::/8, got {text!r}") from None


Networks = Annotated[
    tuple[Network, ...],
    Kind("list of networks"),
    PlainValidator(_networks),
    WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}),
]


class UploadsConfig(Section):
    """What becomes of uploaded files; extensions are compared in lower case, dot included."""

    dir: str = setting("", "Directory of the temporary files; empty is the system's.")
    forbid: Names = setting((), "Extensions that are refused, such as .php; wins over allow.")
    allow: Names = setting((), "Extensions that alone are accepted; empty accepts all.")


class LimitsConfig(Section):
    """Bounds on what one client can make the server hold or wait for."""

    header_bytes: Int = setting(
        1_048_576, "Request line and header fields together; more is answered with 431.", unit="bytes", ge=256
    )
    line_bytes: Int = setting(65_536, "The request line alone; more is answered with 414.", unit="bytes", ge=256)
    headers: Int = setting(1000, "Number of header fields; more is answered with 431.", unit="fields", ge=1)
    bodies_bytes: Int = setting(
        1_073_741_824,
        "Request bodies in memory at once, of all connections together, from their first byte until they are answered. "
        "What comes above is answered with 503 and Retry-After, a body that alone is larger with 413. An eighth more "
        "is there for bodies of up to 64 KiB. Uploaded files do not count: they go to disk as they come.",
        unit="bytes",
        ge=1_048_576,
        differs="no bound there: max_request_size for each client",
    )
    header_timeout_s: DurationOrDefault = setting(
        30.0,
        "From the first byte of a request to the end of its head; then 408. Bounds clients that trickle headers.",
        differs="5m there",
    )
    body_timeout_s: DurationOrDefault = setting(
        60.0,
        "Longest pause between two pieces of a request body; then 408.",
        differs="5m for the whole request there, so that long uploads over slow lines fail",
    )
    write_timeout_s: DurationOrDefault = setting(
        300.0,
        "Longest time a client takes nothing of an answer that waits for it; then the connection is cut.",
        differs="5m for the whole answer there, which cuts long downloads and streams",
    )
    idle_timeout_s: DurationOrDefault = setting(
        900.0,
        "Longest time a connection stays open without a request; above the 10 minutes that load balancers keep theirs, "
        "so that it is never the server that closes first.",
        differs="1h there",
    )
    max_connections: Int = setting(
        10_000, "Open connections; further ones wait in the kernel until one closes.", unit="connections", ge=1
    )
    max_pipelined: Int = setting(
        16, "Requests of one connection that are taken ahead of their answers.", unit="requests", ge=1
    )


class HttpConfig(Section):
    """HTTP/1.1 in front of a pool of workers."""

    not_yet: ClassVar[Mapping[str, str]] = {
        "ssl": "put a TLS proxy in front, and name it in `trusted_subnets`",
        "http2": "only HTTP/1.1 is served",
        "http3": "only HTTP/1.1 is served",
        "fcgi": "only HTTP/1.1 is served",
        "middleware": "no middleware can be configured",
        "headers": "set headers in the application or in a proxy",
        "static": "serve files from a proxy",
        "cache": "cache in a proxy",
    }
    misplaced: ClassVar[Mapping[str, str]] = {
        "retry": "a request is answered once, and its client decides over another; pipelines have a retry policy",
        "max_crashes": "a request is never run again; pipelines count crashes",
        "dead_letter": "a request that fails is answered; pipelines keep dead letters",
        **MISPLACED,
    }

    address: Annotated[str, AfterValidator(checked_address)] = setting(
        "",
        "Where to listen: host:port, :port, [::1]:port or unix://path. Required.",
        differs="`:port` and `localhost:port` listen on IPv4 and IPv6 both",
    )
    internal_error_code: Int = setting(
        500, "Status of an answer that a worker failed to give.", unit="status", ge=100, le=599
    )
    max_request_size_mib: Annotated[Int, AfterValidator(lambda mib: mib or DEFAULT_MAX_REQUEST_MIB)] = setting(
        DEFAULT_MAX_REQUEST_MIB, "Largest request body; more is answered with 413. 0 is the default.", unit="MiB", ge=0
    )
    access_logs: Flag = setting(False, "Whether each request's log line has all fields of an access log.")
    raw_body: Flag = setting(False, "Whether forms and multipart bodies reach the worker as they came, undecoded.")
    uploads: UploadsConfig = setting(UploadsConfig, "Uploaded files.")
    trusted_subnets: Networks = setting(
        (), "Networks of proxies whose forwarding headers name the client; empty trusts none."
    )
    trusted_headers: Names = setting(
        ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip"),
        "Headers that are looked at for the client's address, in this order.",
    )
    pool: PoolConfig = setting(PoolConfig, "The workers.")
    priority: Int = setting(
        0,
        "Priority of requests in the queue they share with jobs; lower is served earlier.",
        differs="RoadRunner has no common queue",
    )
    max_wait_s: Duration = setting(
        0.0,
        "Longest wait for a worker. Who has waited so long is answered with 503 and Retry-After, and so is everybody "
        "who comes until the oldest has waited for less than half of it; so is who exceeds `pool.max_queue_size`. "
        "0: a request waits for `pool.allocate_timeout`, and is then answered with `internal_error_code`.",
        differs="RoadRunner does as with 0",
    )
    codec: Literal["json", "protobuf"] = setting(
        "json",
        "How requests are told to workers: json for every PHP package, protobuf for roadrunner-http 3.5 and later.",
        differs="protobuf always there, since 2024.1",
    )
    limits: LimitsConfig = setting(
        LimitsConfig, "Bounds on clients.", differs="RoadRunner has no such keys; its own bounds are named with each"
    )

    @property
    def max_request_bytes(self) -> int:
        """The largest request body in bytes."""
        return self.max_request_size_mib * 1024 * 1024
