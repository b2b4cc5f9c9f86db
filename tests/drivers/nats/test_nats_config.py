"""Keys of the configuration and of a declaration, names that NATS refuses, wildcards."""

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from rrjobs.drivers.nats.client import login_of, place_of
from rrjobs.drivers.nats.config import NatsConfig, NatsSection
from rrjobs.drivers.nats.driver import NatsDriver
from rrjobs.drivers.nats.streams import covers
from rrjobs.errors import DriverError


def test_a_declaration_has_the_defaults_of_roadrunner():
    config = NatsDriver.declared({})
    assert (config.subject, config.stream, config.prefetch, config.ack_wait_s) == ("default", "default-stream", 100, 30)


def test_a_declaration_is_read():
    texts = {"subject": "a.b", "stream": "s", "prefetch": "3", "ack_wait": "9", "delete_after_ack": "true"}
    config = NatsDriver.declared({**texts, "deliver_new": "true", "rate_limit": "5"})
    assert (config.subject, config.stream, config.prefetch, config.ack_wait_s) == ("a.b", "s", 3, 9)
    assert config.deliver_new and config.delete_after_ack and not config.delete_stream_on_stop


@pytest.mark.parametrize("subject", ["", "a..b", "a b", "a.*", "a.>", ".a"])
def test_a_subject_that_nothing_can_be_pushed_to_is_refused(subject):
    with pytest.raises(ValidationError, match="subject"):
        NatsConfig(subject=subject)


@pytest.mark.parametrize("stream", ["", "a.b", "a b", "a*", "a/b", "x" * 201])
def test_a_name_that_no_stream_can_have_is_refused(stream):
    with pytest.raises(ValidationError, match="stream"):
        NatsConfig(stream=stream)
    if stream:
        with pytest.raises(DriverError, match="stream"):
            NatsDriver.declared({"stream": stream})


@pytest.mark.parametrize("addr", ["http://x", "127.0.0.1:99999", "nats://", "nats://a:b", "a:1,b:x", "a:1,"])
def test_an_address_of_another_kind_is_refused(addr):
    with pytest.raises(ValidationError, match="nats://host:port"):
        NatsSection(addr=addr)


def test_an_ack_wait_that_no_sign_of_life_can_keep_is_refused():
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        NatsConfig(ack_wait_s=0.005)
    assert NatsConfig(ack_wait_s=0).ack_wait_s == 30


def test_the_place_has_no_password():
    assert place_of(NatsSection(addr="nats://u:secret@a:1, tls://b:2,c:3")) == "a:1,b:2,c:3"


@pytest.mark.parametrize(
    "keys, login",
    [
        ({"addr": "nats://rr:secret@a:1"}, "rr"),
        ({"addr": "nats://rr:secret@a:1", "user": "other"}, "other"),
        ({"addr": "a:1", "user": "rr", "password": "secret"}, "rr"),
        ({"addr": "nats://secret@a:1"}, "with a token"),
        ({"token": "secret"}, "with a token"),
        ({"credentials": "rr.creds"}, "of rr.creds"),
        ({}, "without a user"),
    ],
)
def test_a_login_is_named_wherever_it_was_written(keys, login):
    assert login_of(NatsSection(**keys)) == login


@pytest.mark.parametrize(
    "pattern, subject, does",
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a", True),
        ("*.b", "a.b", True),
        ("a.b", "a", False),
        ("a", "a.b", False),
    ],
)
def test_a_pattern_covers_a_subject_as_in_nats(pattern, subject, does):
    assert covers(pattern, subject) is does


@given(some.lists(some.sampled_from("ab"), min_size=1, max_size=4))
def test_a_literal_pattern_covers_itself_alone(words):
    subject = ".".join(words)
    assert covers(subject, subject) and not covers(f"{subject}.x", subject)
