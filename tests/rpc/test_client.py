"""The command line's client against the real server, and against what is none."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rrjobs.errors import AddressError, RpcError, ServerUnreachable
from rrjobs.rpc.client import RpcClient
from rrjobs.rpc.codec import Codec
from rrjobs.rpc.messages import CLASSES
from rrjobs.rpc.server import RpcServer
from rrjobs.runtime.address import UnixAddress


async def test_calls_in_every_codec_over_one_connection(server):
    def work() -> None:
        with RpcClient(f"tcp://{server.address}") as client:
            assert client.json("rpc.Version") == "2025.1.0"
            assert json.loads(client.call("rpc.Config", b"", Codec.RAW)) == {"version": "3"}
            names = CLASSES["Pipelines"].FromString(client.call("jobs.List", b"", Codec.PROTO))
            assert list(names.pipelines) == ["test", "other"]
            assert client.json("jobs.List", {}) == {"pipelines": ["test", "other"]}

    await asyncio.to_thread(work)


async def test_a_refusal_is_an_error_with_the_servers_text(server):
    def work() -> None:
        with RpcClient(f"tcp://{server.address}") as client:
            with pytest.raises(RpcError, match=r"^no such pipeline, requested: x$"):
                client.json("jobs.Pause", {"pipelines": ["x"]})
            assert client.json("rpc.Version") == "2025.1.0"

    await asyncio.to_thread(work)


async def test_a_unix_socket_works_as_well(stub, tmp_path):
    running = RpcServer(UnixAddress(str(tmp_path / "rpc.sock")), stub.table(), stub.events)
    await running.start()
    client = RpcClient(f"unix://{tmp_path}/rpc.sock")
    assert await asyncio.to_thread(client.json, "rpc.Version") == "2025.1.0"
    client.close()
    await running.stop()
    assert not (tmp_path / "rpc.sock").exists()


@pytest.mark.parametrize("dsn", ["tcp://127.0.0.1:1", "unix:///nowhere/rpc.sock"])
def test_nobody_there_says_what_to_do(dsn):
    with pytest.raises(ServerUnreachable, match=f"no server answers at {dsn}: start it with `rrjobs run`"):
        RpcClient(dsn).json("rpc.Version")


def test_an_address_that_is_none_is_refused():
    with pytest.raises(AddressError, match="invalid socket DSN"):
        RpcClient("127.0.0.1:6001")


@contextmanager
def answering(data: bytes) -> Iterator[str]:
    """A peer that reads one request, sends these bytes and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def test_a_peer_that_is_no_rpc_server_is_named():
    with (
        answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as dsn,
        RpcClient(dsn) as client,
        pytest.raises(RpcError, match=f"what listens at {dsn} is no RPC server"),
    ):
        client.json("rpc.Version")


def test_a_peer_that_closes_is_named():
    with (
        answering(b"") as dsn,
        RpcClient(dsn) as client,
        pytest.raises(ServerUnreachable, match=f"the server at {dsn} closed the connection during rpc.Version"),
    ):
        client.json("rpc.Version")


def test_a_peer_that_never_answers_ends_in_time():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        dsn = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        with RpcClient(dsn, timeout_s=0.05) as client, pytest.raises(RpcError, match=r"was not answered by .* 0.05 s"):
            client.json("rpc.Version")
