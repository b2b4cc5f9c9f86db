"""Which tests share a test process when several run side by side: those of one broker, so that it is started once."""

import re
from pathlib import PurePosixPath
from typing import Final

from xdist.scheduler import LoadScopeScheduling

BROKERS: Final = ("amqp", "kafka", "nats", "sqs", "beanstalk")
_SHARED_SUITES: Final = ("tests/conformance/", "tests/faults/brokers/")


class ByBroker(LoadScopeScheduling):  # type: ignore[misc]
    """The tests of a broker go to one process, largest group first; every other test to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """The broker whose server a test needs, else the test itself.

    A broker's own tests lie in a folder of its name; in the suites that all brokers share it is the first parameter,
    or part of the file's name.
    """
    path, _, rest = nodeid.partition("::")
    words = PurePosixPath(path).parts
    if path.startswith(_SHARED_SUITES):
        parameter = re.search(r"\[([a-z]+)", rest)
        words = (parameter[1] if parameter else "", *PurePosixPath(path).stem.split("_"))
    return next((word for word in words if word in BROKERS), nodeid)
