"""Listening: every way in which an address cannot be had is one clear error."""

import socket
from contextlib import ExitStack

import pytest

from rrjobs.errors import AddressError
from rrjobs.runtime.address import TcpAddress, UnixAddress
from rrjobs.runtime.listen import bound_address, listen


@pytest.fixture
def opened():
    with ExitStack() as stack:

        def listening(address):
            bound = listen(address)
            for one in bound:
                stack.enter_context(one)
            return bound

        yield listening


def test_any_free_port_is_told_and_can_be_reached(opened):
    address = TcpAddress("127.0.0.1", 0)
    bound = opened(address)
    real = bound_address(address, bound)
    assert isinstance(real, TcpAddress)
    assert real.port
    socket.create_connection(("127.0.0.1", real.port), timeout=5).close()


def test_localhost_is_both_families_on_one_port(opened):
    bound = opened(TcpAddress("localhost", 0))
    assert {one.getsockname()[1] for one in bound} == {bound[0].getsockname()[1]}
    assert bound[0].family == socket.AF_INET


def test_ipv6_is_listened_on(opened):
    bound = opened(TcpAddress("::1", 0))
    socket.create_connection(("::1", bound[0].getsockname()[1]), timeout=5).close()


def test_a_port_that_is_taken_is_an_error(opened):
    port = opened(TcpAddress("127.0.0.1", 0))[0].getsockname()[1]
    with pytest.raises(AddressError, match=f"cannot listen on 127.0.0.1:{port}: another program has this port"):
        listen(TcpAddress("127.0.0.1", port))


def test_an_address_of_another_machine_is_an_error():
    with pytest.raises(AddressError, match="this machine has no such address"):
        listen(TcpAddress("192.0.2.1", 0))


def test_an_unknown_host_is_an_error():
    with pytest.raises(AddressError, match="the host 'no such host' is not known"):
        listen(TcpAddress("no such host", 0))


def test_a_socket_with_a_live_server_is_an_error(opened, tmp_path):
    address = UnixAddress(str(tmp_path / "a.sock"))
    opened(address)
    with pytest.raises(AddressError, match="a running server owns this socket"):
        listen(address)


def test_a_stale_socket_is_replaced(opened, tmp_path):
    address = UnixAddress(str(tmp_path / "a.sock"))
    listen(address)[0].close()
    opened(address)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address.path)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path):
    (tmp_path / "a.sock").write_text("mine")
    with pytest.raises(AddressError, match="the file exists and is no socket"):
        listen(UnixAddress(str(tmp_path / "a.sock")))
    assert (tmp_path / "a.sock").read_text() == "mine"


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(AddressError, match="No such file or directory"):
        listen(UnixAddress(str(tmp_path / "nowhere" / "a.sock")))
