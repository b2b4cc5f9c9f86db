"""Keys of the configuration and of a declaration, good and bad."""

import pytest
from pydantic import ValidationError

from rrjobs.drivers.beanstalk.config import BeanstalkConfig, BeanstalkSection
from rrjobs.drivers.beanstalk.driver import BeanstalkDriver
from rrjobs.drivers.surroundings import Surroundings
from rrjobs.errors import BrokerUnreachable, DriverError
from rrjobs.runtime.events import Events


def test_a_declaration_has_the_defaults_of_roadrunner():
    config = BeanstalkDriver.declared({})
    assert (config.tube, config.tube_priority, config.reserve_timeout_s) == ("default", 1, 5)


def test_a_declaration_is_read():
    config = BeanstalkDriver.declared({"tube": "mail", "tube_priority": "7", "reserve_timeout": "2", "prefetch": "3"})
    assert (config.tube, config.tube_priority, config.reserve_timeout_s, config.prefetch) == ("mail", 7, 2, 3)


@pytest.mark.parametrize("tube", ["-mail", "ma il", "mäil", "x" * 196])
def test_a_name_that_beanstalkd_refuses_is_refused(tube):
    with pytest.raises(ValidationError, match="tube"):
        BeanstalkConfig(tube=tube)
    with pytest.raises(DriverError, match="tube"):
        BeanstalkDriver.declared({"tube": tube})


@pytest.mark.parametrize("key, value", [("tube_priority", -1), ("tube_priority", 2**32), ("prefetch", 0)])
def test_numbers_out_of_range_are_refused(key, value):
    with pytest.raises(ValidationError):
        BeanstalkConfig(**{key: value})


def test_an_address_of_another_kind_is_refused_with_what_is_right():
    with pytest.raises(ValidationError, match=r"write tcp://127\.0\.0\.1:11300"):
        BeanstalkSection(addr="http://x")


async def test_a_server_that_is_not_there_is_named(free_port):
    port = free_port()
    section = BeanstalkSection(addr=f"tcp://127.0.0.1:{port}")
    around = Surroundings(Events(), section=section, startup_timeout_s=0.1)
    driver = BeanstalkDriver.made("p", BeanstalkConfig(), around)
    with pytest.raises(BrokerUnreachable, match=rf"127\.0\.0\.1:{port}: .*refused"):
        await driver.open()
    await driver.close()
