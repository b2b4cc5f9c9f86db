"""Which model the `config` of a pipeline has, by the name of its driver."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from rrjobs.runtime.section import Section

MODELS: dict[str, str] = {
    "memory": "rrjobs.drivers.memory.config:MemoryConfig",
    "amqp": "rrjobs.drivers.amqp.config:AmqpConfig",
    "nats": "rrjobs.drivers.nats.config:NatsConfig",
    "kafka": "rrjobs.drivers.kafka.config:KafkaConfig",
    "sqs": "rrjobs.drivers.sqs.config:SqsConfig",
    "beanstalk": "rrjobs.drivers.beanstalk.config:BeanstalkConfig",
}


class DriverModels(Mapping[str, type[Section]]):
    """The models by driver, each imported when it is first asked for."""

    def __getitem__(self, name: str) -> type[Section]:
        module, _, attribute = MODELS[name].partition(":")
        model: type[Section] = getattr(import_module(module), attribute)
        return model

    def __iter__(self) -> Iterator[str]:
        return iter(MODELS)

    def __len__(self) -> int:
        return len(MODELS)
