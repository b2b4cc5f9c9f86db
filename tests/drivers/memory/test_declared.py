"""What the texts of a declaration mean for a pipeline in memory."""

import pytest

from rrjobs.drivers.memory.config import JournalSection, MemoryConfig
from rrjobs.drivers.memory.driver import MemoryDriver
from rrjobs.errors import DriverError


@pytest.mark.parametrize(
    ("texts", "config"),
    [
        ({}, MemoryConfig()),
        ({"prefetch": "7", "max_jobs": "3", "max_bytes": "9"}, MemoryConfig(prefetch=7, max_jobs=3, max_bytes=9)),
        ({"journal": "", "max_jobs": ""}, MemoryConfig()),
        ({"journal": "off"}, MemoryConfig(journal="off")),
        ({"journal": "{}"}, MemoryConfig(journal=JournalSection())),
        ({"journal": "[]"}, MemoryConfig(journal=JournalSection())),
        (
            {"journal": '{"path": "j", "sync": "interval", "interval_ms": 50}'},
            MemoryConfig(journal=JournalSection(path="j", sync="interval", interval_ms=50)),
        ),
    ],
)
def test_a_declaration_is_read(texts, config):
    assert MemoryDriver.declared(texts) == config


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({"journal": "true"}, "journal is not a JSON object"),
        ({"journal": "/var/lib/j"}, "journal is not JSON: "),
        ({"journal": '{"sync": "never"}'}, "journal.sync: must be 'always' or 'interval', got 'never'"),
        ({"journal": '{"pth": "j"}'}, "journal.pth: "),
        ({"max_jobs": "-1"}, "max_jobs: "),
        ({"max_bytes": "many"}, "max_bytes: must be a whole number"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_with_its_key(texts, reason):
    with pytest.raises(DriverError) as refused:
        MemoryDriver.declared(texts)
    assert str(refused.value).startswith(reason) and ";" not in str(refused.value)
