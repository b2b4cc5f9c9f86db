"""Jobs on the wire: protobuf messages of jobs.Push and jobs.PushBatch, and a server to push them to."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rrjobs.rpc.client import RpcClient
from rrjobs.rpc.codec import Codec
from tests.bench import contenders, settings
from tests.bench.servers import free_port, wait_until

PIPELINE = "bench"
BATCH = 500
PAYLOAD = b"x" * 64
DRAIN_S = 300.0


class JobsServer(NamedTuple):
    """A server with one memory pipeline, and a connection to it."""

    pid: int
    port: int
    rpc: RpcClient

    def push_batch(self, batch: bytes) -> None:
        """The server has all of them when this returns."""
        self.rpc.call("jobs.PushBatch", batch, Codec.PROTO)

    def waiting(self) -> int:
        """Jobs that were not answered yet."""
        stats = self.rpc.json("jobs.Stat", {})
        assert isinstance(stats, dict)
        return int(stats["stats"][0].get("active", 0))

    def wait_for(self, count: int, pause: float = 0.005) -> None:
        """Until no more than so many are left."""
        wait_until(lambda: self.waiting() <= count, "the jobs were not consumed", DRAIN_S, pause)


@contextlib.contextmanager
def jobs_server(
    worker: str,
    folder: Path,
    *,
    roadrunner: bool = False,
    journal: contenders.Section | str = "off",
    limits: contenders.Section | None = None,
) -> Iterator[JobsServer]:
    """rrjobs, or RoadRunner, with this PHP program behind the pipeline; `journal` and `limits` are of rrjobs alone."""
    port = free_port()
    keys: contenders.Section = {"prefetch": 100000} if roadrunner else {"prefetch": 100000, "journal": journal}
    config: contenders.Section = {
        "server": {"command": worker, "relay": "pipes"} if roadrunner else {"command": worker},
        "rpc": {"listen": f"tcp://127.0.0.1:{port}"},
        "jobs": {
            "pool": {"num_workers": settings.WORKERS},
            "consume": [PIPELINE],
            "pipelines": {PIPELINE: {"driver": "memory", "config": keys, **(limits or {})}},
        },
    }
    start = contenders.roadrunner_serve if roadrunner else contenders.rrjobs_run
    with start(config, port, folder) as process, RpcClient(f"tcp://127.0.0.1:{port}") as rpc:
        yield JobsServer(process.pid, port, rpc)


def batch_of(count: int) -> bytes:
    """A PushBatchRequest of jobs with ids of their own."""
    return b"".join(field(1, job(PAYLOAD)) for _ in range(count))


def push_request(payload: bytes) -> bytes:
    """A PushRequest."""
    return field(1, job(payload))


def pipelines(*names: str) -> bytes:
    """The argument of Pause, Resume and Destroy."""
    return b"".join(field(1, name.encode()) for name in names)


def job(payload: bytes) -> bytes:
    """A Job message."""
    ident = field(2, str(uuid.uuid4()).encode())
    return field(1, b"App.Ping") + ident + field(3, payload) + field(5, field(2, PIPELINE.encode()))


def field(number: int, value: bytes) -> bytes:
    """A length-delimited field."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
