"""The `config` of a pipeline on RabbitMQ, in both of RoadRunner's layouts (spec/jobs-and-rpc.md 4.2)."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema, model_validator

from rrjobs.drivers.amqp.frames import MOST_SHORT_BYTES
from rrjobs.drivers.amqp.plan import Plan
from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import Flag, Int, Kind, SecondsOrDefault, parse_map, shown

Arguments = Annotated[Mapping[str, Any], Kind("map"), BeforeValidator(parse_map)]


def _name(value: Any) -> str:
    if value is None or isinstance(value, bool | Mapping | list | tuple):
        raise ValueError(f"must be a text, got {shown(value)}")
    text = str(value)
    if len(text.encode()) > MOST_SHORT_BYTES:
        raise ValueError(f"is {len(text.encode())} bytes long, AMQP allows {MOST_SHORT_BYTES}")
    return text


Name = Annotated[str, Kind("text"), PlainValidator(_name), WithJsonSchema({"type": "string"})]


class AmqpExchange(Section):
    """The exchange, in the layout of `version: 2`."""

    name: Name = setting("amqp.default", "Its name.")
    type: Literal["direct", "fanout", "topic", "headers"] = setting("direct", "Its kind.")
    durable: Flag = setting(False, "Whether it outlives the broker.")
    auto_delete: Flag = setting(False, "Whether it is deleted with its last binding.")
    declare_: Flag = setting(True, "Whether we make it; otherwise it has to exist.", alias="declare")


class AmqpQueue(Section):
    """The queue, in the layout of `version: 2`."""

    tolerated: ClassVar[Mapping[str, str]] = {
        "multiple_ack": "acks are gathered anyway, and never cover a job that still runs; in RoadRunner they lose it",
        "requeue_on_fail": "a job whose worker died is run again anyway, up to `max_crashes` times",
    }

    name: Name = setting("", "Its name; without one the pipeline only pushes.")
    routing_key: Name = setting("", "Key of its binding, and of pushed jobs without a header x-routing-key.")
    durable: Flag = setting(False, "Whether it outlives the broker; jobs in it do only then.")
    auto_delete: Flag = setting(False, "Whether it is deleted, with all jobs in it, when the last consumer goes.")
    exclusive: Flag = setting(False, "Whether it is ours alone, and deleted with our connection.")
    delete_on_stop: Flag = setting(False, "Delete it, and what is in it, when the pipeline is destroyed or stops.")
    consumer_id: Name = setting("", "Name of our consumer in the broker's lists; by default roadrunner-<uuid>.")
    headers: Arguments = setting(dict, "Arguments of its declaration, such as x-queue-type, x-max-priority.")
    declare_: Flag = setting(True, "Whether we make and bind it; otherwise it has to exist.", alias="declare")


def _section_or_name(value: Any) -> Any:
    return value if isinstance(value, Section | Mapping) else _name(value)


_EITHER = (Kind("section or text"), BeforeValidator(_section_or_name))
Queue = Annotated[AmqpQueue | str, *_EITHER]
Exchange = Annotated[AmqpExchange | str, *_EITHER]


class AmqpConfig(Section):
    """A queue or an exchange of RabbitMQ."""

    tolerated: ClassVar[Mapping[str, str]] = {
        **AmqpQueue.tolerated,
        "consume_all": "what others wrote is always consumed",
    }

    version: Literal[1, 2] = setting(1, "Layout: 2 has sections `exchange` and `queue`, 1 has plain keys.")
    priority: Int | None = setting(None, "Priority of jobs pushed without one, when the pipeline names none.")
    prefetch: Int = setting(
        10, "Jobs that the broker has delivered to us and that are not settled; 0 is the default.", unit="jobs",
        ge=0, le=65535,
    )  # fmt: skip
    redial_timeout_s: SecondsOrDefault = setting(
        60.0,
        "After so long without a connection the pipeline counts as not ready.",
        differs="RoadRunner gives up then; here it is tried for ever",
    )
    queue: Queue = setting("", "Name of the queue, or its section; without one the pipeline only pushes.")
    exchange: Exchange = setting("amqp.default", "Name of the exchange, or its section.")
    exchange_type: Literal["direct", "fanout", "topic", "headers"] = setting("direct", "Kind of the exchange.")
    exchange_durable: Flag = setting(False, "Whether the exchange outlives the broker.")
    exchange_auto_delete: Flag = setting(False, "Whether the exchange is deleted with its last binding.")
    routing_key: Name = setting("", "Key of the binding, and of pushed jobs without a header x-routing-key.")
    durable: Flag = setting(False, "Whether the queue outlives the broker; jobs in it do only then.")
    queue_auto_delete: Flag = setting(False, "Whether the queue goes, with all jobs in it, with its last consumer.")
    exclusive: Flag = setting(False, "Whether the queue is ours alone, and deleted with our connection.")
    delete_queue_on_stop: Flag = setting(False, "Delete the queue, and what is in it, when the pipeline stops.")
    consumer_id: Name = setting("", "Name of our consumer in the broker's lists; by default roadrunner-<uuid>.")
    queue_headers: Arguments = setting(dict, "Arguments of the queue, such as x-queue-type, x-max-priority.")

    @model_validator(mode="after")
    def _one_layout(self) -> "AmqpConfig":
        flat = sorted(self.model_fields_set & _ONLY_FLAT)
        sections = [name for name in ("queue", "exchange") if isinstance(getattr(self, name), Section)]
        if self.version == 1 and sections:
            raise ValueError(f"`{sections[0]}` is a section: write version: 2, or its name")
        if self.version == 2 and flat:
            raise ValueError(f"`{flat[0]}` belongs to version 1: in version 2 it is in `queue` or `exchange`")
        if self.version == 2 and len(sections) < 2 and {"queue", "exchange"} - set(sections) & self.model_fields_set:
            raise ValueError("in version 2 `queue` and `exchange` are sections: write queue: {name: ...}")
        return self

    @model_validator(mode="after")
    def _fits(self) -> "AmqpConfig":
        plan = plan_of(self)
        if not plan.routing_key and plan.exchange_type not in ("fanout", "headers"):
            raise ValueError("empty routing key, consider adding the routing key name to the AMQP configuration")
        if plan.queue and plan.quorum and "x-max-priority" in plan.arguments:
            raise ValueError("a quorum queue has no `x-max-priority`: leave it out, or use a classic queue")
        if plan.quorum and (plan.exclusive or plan.auto_delete or not plan.durable):
            raise ValueError("a quorum queue is durable, and neither exclusive nor deleted by itself")
        return self


_ONLY_FLAT = frozenset(AmqpConfig.model_fields) - {
    "version",
    "priority",
    "prefetch",
    "redial_timeout_s",
    "queue",
    "exchange",
}


def plan_of(config: AmqpConfig) -> Plan:
    """The same plan from either layout."""
    queue, exchange = _queue_of(config), _exchange_of(config)
    return Plan(
        exchange=exchange.name or "amqp.default",
        exchange_type=exchange.type,
        exchange_durable=exchange.durable,
        exchange_auto_delete=exchange.auto_delete,
        exchange_declare=exchange.declare_,
        queue=queue.name,
        routing_key=queue.routing_key or queue.name,
        durable=queue.durable,
        auto_delete=queue.auto_delete,
        exclusive=queue.exclusive,
        delete_on_stop=queue.delete_on_stop,
        consumer=queue.consumer_id,
        arguments=queue.headers,
        queue_declare=queue.declare_,
        prefetch=config.prefetch or 10,
    )


def _queue_of(config: AmqpConfig) -> AmqpQueue:
    if isinstance(config.queue, AmqpQueue):
        return config.queue
    return AmqpQueue(
        name=config.queue,
        routing_key=config.routing_key,
        durable=config.durable,
        auto_delete=config.queue_auto_delete,
        exclusive=config.exclusive,
        delete_on_stop=config.delete_queue_on_stop,
        consumer_id=config.consumer_id,
        headers=config.queue_headers,
    )


def _exchange_of(config: AmqpConfig) -> AmqpExchange:
    if isinstance(config.exchange, AmqpExchange):
        return config.exchange
    return AmqpExchange(
        name=config.exchange,
        type=config.exchange_type,
        durable=config.exchange_durable,
        auto_delete=config.exchange_auto_delete,
    )
