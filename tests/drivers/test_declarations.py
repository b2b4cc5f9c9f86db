"""Declarations at run time that cannot be: one line each, with the key as it is written there and the rule."""

from importlib import import_module

import pytest

from rrjobs.drivers.surroundings import Surroundings
from rrjobs.drivers.table import DRIVERS, DriverTable
from rrjobs.errors import DriverError
from rrjobs.runtime.events import Events

TABLE = DriverTable(Surroundings(Events()))


@pytest.mark.parametrize(
    ("driver", "spec", "said"),
    [
        ("amqp", {"queue": "q", "exchange_type": "weird"}, "exchange_type: must be 'direct', 'fanout', 'topic' or"),
        ("amqp", {"queue": "q" * 300}, "queue: is 300 bytes long, AMQP allows 255"),
        ("amqp", {"queue": "q", "prefetch": "100000"}, "prefetch: must be at most 65535, got 100000"),
        ("amqp", {"queue": "q", "queue_headers": "["}, "queue_headers is not JSON"),
        ("amqp", {}, "empty routing key"),
        ("nats", {"prefetch": "100000"}, "prefetch: must be at most 65536, got 100000"),
        ("nats", {"ack_wait": "9" * 20}, "ack_wait: must be a duration between 0 and 292 years"),
        ("nats", {"stream": "a.b"}, "stream: a stream's name has no dots"),
        ("nats", {"subject": "a.*"}, "subject: jobs are pushed to the subject: it can have no wildcard"),
        ("beanstalk", {"tube_priority": "4294967296"}, "tube_priority: must be at most 4294967295, got 4294967296"),
        ("beanstalk", {"tube": "a b"}, "tube: a tube's name holds letters"),
        ("sqs", {"queue": "a b"}, "queue: a queue's name holds letters"),
        ("sqs", {"attributes": "{no"}, "attributes is not JSON"),
        ("sqs", {"tags": '{"a":[]}'}, "tags: the value of a must be a text, got a list"),
        ("sqs", {"attributes": '{"FifoQueue":"true"}'}, "FifoQueue is true, but the name `default` says otherwise"),
        ("kafka", {"consumer_options": '{"topics":["a b"]}'}, "consumer_options: a topic's name holds letters"),
        ("kafka", {"producer_options": '{"required_acks":"x"}'}, "producer_options.required_acks: must be 'NoAck',"),
        ("kafka", {"group_options": '{"group_id":"g","n":1}'}, "group_options.n: unknown key"),
        ("memory", {"journal": '{"sync":"never"}'}, "journal.sync: must be 'always' or 'interval', got 'never'"),
    ],
)
def test_what_cannot_be_is_one_line_in_plain_words(driver, spec, said):
    with pytest.raises(DriverError) as refused:
        TABLE.declared(driver, "p", spec, 10)
    text = str(refused.value)
    assert text.startswith(said)
    assert "\n" not in text and "Input should" not in text and "pydantic" not in text


@pytest.mark.parametrize("driver", sorted(DRIVERS))
@pytest.mark.parametrize("nothing", ["null", "[]", ""])
def test_what_php_writes_for_an_empty_map_is_none(driver, nothing):
    module, _, name = DRIVERS[driver].partition(":")
    maps = ("queue_headers", "attributes", "tags", "producer_options", "group_options", "journal")
    assert getattr(import_module(module), name).declared({"queue": "q", **dict.fromkeys(maps, nothing)})
