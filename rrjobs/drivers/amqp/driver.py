"""The driver of a pipeline on RabbitMQ."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rrjobs.drivers.amqp.broker import AmqpBroker
from rrjobs.drivers.amqp.config import AmqpConfig, plan_of
from rrjobs.drivers.amqp.connection import AmqpConnection
from rrjobs.drivers.amqp.section import AmqpSection
from rrjobs.drivers.broker.connection import Connection
from rrjobs.drivers.broker.driver import BrokerDriver
from rrjobs.drivers.declared import flag, given, json_object, positive
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.errors import AlreadyInState, DriverError
from rrjobs.runtime.section_errors import told

_DEFAULT = AmqpConfig(routing_key="any")
_FLAGS = {
    "exchange_durable": "exchange.durable",
    "exchange_auto_delete": "exchange.auto_delete",
    "exchange_declare": "exchange.declare",
    "durable": "queue.durable",
    "queue_auto_delete": "queue.auto_delete",
    "exclusive": "queue.exclusive",
    "delete_queue_on_stop": "queue.delete_on_stop",
    "queue_declare": "queue.declare",
}
_TEXTS = {
    "queue": "queue.name",
    "exchange": "exchange.name",
    "exchange_type": "exchange.type",
    "routing_key": "queue.routing_key",
    "consumer_id": "queue.consumer_id",
}
_KEYS = {path: key for key, path in (_FLAGS | _TEXTS).items()} | {"queue.headers": "queue_headers"}
_TYPES_OF_PHP = {"topics": "topic"}
"""PHP's enumeration has a name that RabbitMQ does not know."""


class AmqpDriver(BrokerDriver):
    """A BrokerDriver whose queue can end with it."""

    def __init__(self, pipeline: str, broker: AmqpBroker, surroundings: Surroundings, *, produces_only: bool) -> None:
        super().__init__(pipeline, broker, surroundings)
        self._produces_only = produces_only

    @classmethod
    def made(cls, pipeline: str, config: AmqpConfig, surroundings: Surroundings) -> "AmqpDriver":
        """See DriverTable."""
        section = surroundings.section
        if not isinstance(section, AmqpSection):
            raise DriverError("no global amqp configuration, global configuration should contain amqp addrs")
        if "redial_timeout_s" in config.model_fields_set:
            surroundings = replace(surroundings, liveness_s=config.redial_timeout_s)
        plan = plan_of(config)
        broker = AmqpBroker(pipeline, section, plan, surroundings)
        return cls(pipeline, broker, surroundings, produces_only=not plan.queue)

    @staticmethod
    def declared(spec: Mapping[str, str]) -> AmqpConfig:
        """The configuration that a declaration at run time means. Raises DriverError."""
        sections: dict[str, dict[str, Any]] = {"queue": {}, "exchange": {}}
        for key, path in _TEXTS.items():
            if spec.get(key):
                _put(sections, path, _TYPES_OF_PHP.get(spec[key], spec[key]) if key == "exchange_type" else spec[key])
        for key, path in _FLAGS.items():
            if key in spec:
                _put(sections, path, flag(spec, key))
        if given(spec, "queue_headers"):
            sections["queue"]["headers"] = json_object("queue_headers", spec["queue_headers"])
        settings: dict[str, Any] = {"version": 2, "prefetch": positive(spec, "prefetch", _DEFAULT.prefetch), **sections}
        redial_s = positive(spec, "redial_timeout", 0)
        try:
            return AmqpConfig.model_validate({**settings, **({"redial_timeout": redial_s} if redial_s else {})})
        except ValidationError as err:
            raise DriverError("; ".join(_plain(one) for one in err.errors() if one["loc"][-1:] != ("str",))) from err

    async def resume(self) -> None:
        """See BrokerDriver. A pipeline that only pushes cannot be resumed."""
        if self._produces_only:
            raise DriverError("empty queue name, consider adding the queue name to the AMQP configuration")
        await super().resume()

    async def pause(self) -> None:
        """See BrokerDriver."""
        if self._produces_only:
            raise AlreadyInState("empty queue name, consider adding the queue name to the AMQP configuration")
        await super().pause()

    async def _last_act(self, connection: Connection) -> None:
        """See BrokerDriver."""
        assert isinstance(connection, AmqpConnection)
        await connection.delete_queue()


def _put(sections: dict[str, dict[str, Any]], path: str, value: Any) -> None:
    section, _, key = path.partition(".")
    sections[section][key] = value


def _plain(error: ErrorDetails) -> str:
    """Under the key of the declaration. A name is also taken where a section may be, which would be told as well."""
    path = ".".join(str(part) for part in error["loc"] if part not in ("AmqpQueue", "AmqpExchange"))
    key = _KEYS.get(path, path)
    return f"{key}: {told(error)}" if key else told(error)
