"""NATS from end to end with PHP on both sides."""

import sys
from pathlib import Path

import nats as library

sys.path.insert(0, str(Path(__file__).parents[1] / "road"))

from php_road import travel


async def test_php_pushes_and_works_through_the_shipped_configuration(nats, unique_name, tmp_path, start_server):
    stream, made = unique_name("mail"), unique_name("made")
    variables = {"NATS_ADDR": nats.uri, "STREAM": stream, "SUBJECT": stream}
    declared = {"stream": made, "subject": made, "prefetch": 10, "delete_after_ack": True}
    road = await travel("nats", variables, declared, start_server, tmp_path)
    runs = road.runs()
    plain = runs["id-1", 1]
    assert (plain["payload"], plain["queue"], plain["name"]) == ("00ff", stream, "plain")
    assert plain["headers"] == {"a": ["b", "c"], "x-nats-subject": [stream]}
    assert runs["id-2", 1]["payload"] == "78" and runs["id-3", 2]["pipeline"] == "made"
    road.settled()
    assert road.server.stop() == 0
    async with await library.connect(nats.uri) as client:
        for name in (stream, made):
            info = await client.jetstream().stream_info(name)
            assert info.state.messages == 0
            await client.jetstream().delete_stream(name)
