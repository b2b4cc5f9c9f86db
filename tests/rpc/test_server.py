"""Start and stop of the RPC server."""

import socket

import pytest

from rrjobs.errors import AddressError
from rrjobs.rpc.server import RpcServer
from rrjobs.runtime.address import TcpAddress, UnixAddress


async def test_a_taken_port_stops_the_start_and_names_the_key(stub, server):
    second = RpcServer(server.address, stub.table(), stub.events)
    with pytest.raises(
        AddressError, match=r"^rpc.listen: cannot listen on 127.0.0.1:\d+: another program has this port"
    ):
        await second.start()
    await second.stop()


async def test_a_socket_of_a_running_server_stops_the_start_and_stays_with_its_owner(stub, tmp_path):
    address = UnixAddress(str(tmp_path / "rpc.sock"))
    first, second = RpcServer(address, stub.table(), stub.events), RpcServer(address, stub.table(), stub.events)
    await first.start()
    with pytest.raises(AddressError, match="a running server owns this socket"):
        await second.start()
    await second.stop()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address.path)
    await first.stop()
    assert not (tmp_path / "rpc.sock").exists()


async def test_a_socket_file_that_another_server_took_over_is_left_to_it(stub, tmp_path):
    address = UnixAddress(str(tmp_path / "rpc.sock"))
    first, second = RpcServer(address, stub.table(), stub.events), RpcServer(address, stub.table(), stub.events)
    await first.start()
    (tmp_path / "rpc.sock").unlink()
    await second.start()
    await first.stop()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address.path)
    await second.stop()


async def test_localhost_is_reached_by_both_families(stub):
    running = RpcServer(TcpAddress("localhost", 0), stub.table(), stub.events)
    await running.start()
    address = running.address
    assert isinstance(address, TcpAddress)
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as client:
            client.connect((host, address.port))
    await running.stop()


async def test_stop_before_start_is_safe(stub):
    await RpcServer(TcpAddress("127.0.0.1", 0), stub.table(), stub.events).stop()
