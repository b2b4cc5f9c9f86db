"""Keys of the section and of a pipeline: what is clamped, what is mapped, what is refused."""

import pytest
from pydantic import ValidationError

from rrjobs.drivers.sqs.config import SqsConfig, SqsSection
from rrjobs.drivers.sqs.driver import SqsDriver
from rrjobs.drivers.sqs.queues import dead_name


def test_numbers_beyond_the_limits_count_as_the_limits():
    config = SqsConfig(prefetch=50, visibility_timeout=99_999, wait_time_seconds=60, error_visibility_timeout=-1)
    assert (config.prefetch, config.visibility_timeout, config.wait_time_seconds) == (10, 43_200, 20)
    assert (config.error_visibility_timeout, config.in_flight) == (0, 10)
    assert SqsConfig().in_flight == 1 and SqsConfig(prefetch=3, max_messages_in_flight=40).in_flight == 40


def test_attributes_are_found_whatever_their_case_and_their_types():
    config = SqsConfig.model_validate(
        {
            "queue": "a.fifo",
            "attributes": {
                "visibilitytimeout": 30,
                "DeduplicationScope": "messagegroup",
                "contentbaseddeduplication": True,
                "RedrivePolicy": {"maxReceiveCount": 5, "deadLetterTargetArn": "arn"},
            },
        }
    )
    assert config.attributes == {
        "VisibilityTimeout": "30",
        "DeduplicationScope": "messageGroup",
        "ContentBasedDeduplication": "true",
        "RedrivePolicy": '{"maxReceiveCount": 5, "deadLetterTargetArn": "arn"}',
    }


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"queue": "no spaces"}, "letters, digits"),
        ({"queue": "a" * 76}, "at most 75"),
        ({"queue": "a" * 71 + ".fifo"}, "at most 75"),
        ({"attributes": {"VisiblityTimeout": "1"}}, "`VisiblityTimeout` is no attribute"),
        ({"attributes": {"QueueArn": "1"}}, "nobody sets it"),
        ({"attributes": {"FifoQueue": "true"}}, "end with .fifo"),
        ({"queue": "a.fifo", "attributes": {"FifoQueue": False}}, "end with .fifo"),
        ({"attributes": {"ContentBasedDeduplication": "true"}}, "for FIFO queues"),
        ({"queue": "a.fifo", "attributes": {"FifoThroughputLimit": "perhour"}}, "perQueue or perMessageGroupId"),
        ({"attributes": "text"}, "must be a map"),
    ],
)
def test_a_config_that_sqs_would_refuse_is_refused_at_once(config, said):
    with pytest.raises(ValidationError, match=said):
        SqsConfig.model_validate(config)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"key": "x"}, "belong together"),
        ({"session_token": "x"}, "belongs to"),
        ({"endpoint": "127.0.0.1:9324"}, "http://host:port"),
    ],
)
def test_a_section_that_cannot_work_is_refused(section, said):
    with pytest.raises(ValidationError, match=said):
        SqsSection.model_validate(section)


def test_a_declaration_has_its_own_names_and_takes_numbers_in_its_json():
    config = SqsDriver.declared(
        {
            "queue": "q",
            "prefetch": "50",
            "wait_time": "60",
            "visibility_timeout": "30",
            "retain_failed_jobs": "true",
            "attributes": '{"VisibilityTimeout":30,"DelaySeconds":"0"}',
            "tags": '{"a":"b"}',
        }
    )
    assert (config.prefetch, config.in_flight, config.wait_time_seconds) == (10, 50, 20)
    assert config.attributes == {"VisibilityTimeout": "30", "DelaySeconds": "0"}
    assert config.retain_failed_jobs and config.tags == {"a": "b"}
    assert SqsDriver.declared({"attributes": "[]", "tags": "[]"}).attributes == {}


def test_dead_letters_have_a_queue_of_the_same_kind():
    assert (dead_name("mail"), dead_name("mail.fifo")) == ("mail-dead", "mail-dead.fifo")
