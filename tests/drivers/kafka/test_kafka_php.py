"""The whole road with real PHP, through the shipped configuration."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "road"))

from php_road import travel

pytestmark = pytest.mark.timeout(120)


async def test_php_pushes_and_works_through_the_shipped_configuration(
    kafka, topic, unique_name, start_server, tmp_path
):
    made = unique_name("made")
    variables = {"KAFKA_BROKER": kafka.address, "TOPIC": topic, "GROUP": topic}
    declared = {
        "priority": 5,
        "auto_create_topics_enable": True,
        "producer_options": {"required_acks": "AllISRAck", "request_timeout": "5s"},
        "consumer_options": {"topics": [made], "consumer_offset": {"type": "AtStart", "value": 0}},
        "group_options": {"group_id": made},
    }
    journey = await travel("kafka", variables, declared, start_server, tmp_path)
    runs = journey.runs()
    plain = runs["id-1", 1]
    assert (plain["payload"], plain["headers"], plain["queue"]) == ("00ff", {"a": ["b", "c"]}, topic)
    assert runs["id-2", 1]["headers"] == [] and runs["id-3", 2]["pipeline"] == "made"
    assert runs["id-3", 2]["queue"] == made
    journey.settled()
    assert journey.server.stop() == 0
