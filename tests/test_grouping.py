"""Test processes side by side: who shares one, and that no two are given one port."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from grouping import group_of
from ports import free_port

ALONE = "tests/cli/test_run.py::test_x[kafka]"


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tests/drivers/kafka/test_kafka_road.py::test_x", "kafka"),
        ("tests/conformance/test_conformance_life.py::test_x[nats]", "nats"),
        ("tests/faults/brokers/test_broker_faults.py::test_x[sqs-confirm-during]", "sqs"),
        ("tests/faults/brokers/test_amqp_faults.py::test_x", "amqp"),
        ("tests/conformance/test_conformance_life.py::test_x[memory]", None),
        (ALONE, None),
    ],
)
def test_the_tests_of_one_broker_share_a_process(nodeid, group):
    assert group_of(nodeid) == (group or nodeid)


def test_a_port_is_given_to_one_test_process_only():
    ours = free_port()
    script = (
        f"import ports; ports.FIRST, ports.LAST = {ours}, {ours + 9}; print([ports.free_port() for _ in range(99)])"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parent, capture_output=True, check=True, timeout=60
    )
    assert ours not in json.loads(told.stdout)
