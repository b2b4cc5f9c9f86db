"""The `amqp` section: where RabbitMQ is (spec/jobs-and-rpc.md 4.2)."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import PlainValidator, WithJsonSchema, model_validator

from rrjobs.drivers.amqp.address import DEFAULT, parse_address
from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import shown


def _addr(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be a text, got {shown(value)}")
    parse_address(value)
    return value or DEFAULT


class AmqpTls(Section):
    """Certificates for amqps://."""

    tolerated: ClassVar[Mapping[str, str]] = {
        "client_auth_type": "it is a rule of TLS servers, and does nothing in a client",
    }

    key: str = setting("", "File of the client's private key.")
    cert: str = setting("", "File of the client's certificate.")
    root_ca: str = setting("", "File of the authorities that the broker's certificate may come from.")

    @model_validator(mode="after")
    def _both(self) -> "AmqpTls":
        if bool(self.key) != bool(self.cert):
            raise ValueError("`key` and `cert` belong together: write both, or none of them")
        return self


class AmqpSection(Section):
    """Where RabbitMQ is."""

    addr: Annotated[str, PlainValidator(_addr), WithJsonSchema({"type": "string"})] = setting(
        DEFAULT,
        "Address, user, password and vhost; amqps:// for TLS. `?heartbeat=` in seconds, 10 without it; "
        "`&connection_timeout=` in milliseconds.",
    )
    tls: AmqpTls | None = setting(
        None, "Certificates; the address begins with amqps://.", differs="`key` and `cert` may be left out"
    )

    @model_validator(mode="after")
    def _tls_is_used(self) -> "AmqpSection":
        if self.tls is not None and not parse_address(self.addr).tls:
            raise ValueError("`tls` has no effect on an address that begins with amqp://: write amqps://")
        return self
