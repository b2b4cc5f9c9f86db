"""beanstalkd from end to end with PHP on both sides."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "road"))

from php_road import travel


async def test_php_pushes_and_works_through_the_shipped_configuration(beanstalkd, unique_name, tmp_path, start_server):
    tube, made = unique_name("mail"), unique_name("made")
    variables = {"BEANSTALK_ADDR": beanstalkd.uri, "TUBE": tube}
    declared = {"tube": made, "tube_priority": 3, "reserve_timeout": 1, "prefetch": 10}
    road = await travel("beanstalk", variables, declared, start_server, tmp_path)
    runs = road.runs()
    plain = runs["id-1", 1]
    assert (plain["payload"], plain["queue"], plain["name"]) == ("00ff", tube, "plain")
    assert plain["headers"] == {"a": ["b", "c"]} and runs["id-2", 1]["headers"] == []
    assert runs["id-2", 1]["payload"] == "78" and runs["id-3", 2]["pipeline"] == "made"
    road.settled()
    assert road.server.stop() == 0
