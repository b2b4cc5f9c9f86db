"""The proxy does to links exactly what it is told, and undoes it."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from server_process import wait_until

from servers.link import Direction, Fault
from servers.link_proxy import LinkProxy

QUIET_S = 0.2


class Echo:
    """Sends back whatever it gets; `got` is all of it."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.got = b""
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._echo, args=(client,))
            thread.start()
            self.threads.append(thread)

    def _echo(self, client: socket.socket) -> None:
        with client:
            try:
                while data := client.recv(65536):
                    self.got += data
                    client.sendall(data)
            except OSError:
                pass

    def settled(self) -> None:
        """All links have ended, so `got` is complete; the proxy has made one at the least."""
        wait_until(lambda: len(self.threads) > 1, "the server accepts")
        for thread in self.threads[1:]:
            thread.join(10)
            assert not thread.is_alive()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo) -> Iterator[LinkProxy]:
    with LinkProxy(echo.port) as made:
        yield made


@pytest.fixture
def client(proxy) -> Iterator[socket.socket]:
    with connect(proxy) as made:
        proxy.wait_for_links(1)
        yield made


def connect(proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def ask(client, data: bytes) -> bytes:
    client.sendall(data)
    got = b""
    while len(got) < len(data):
        got += client.recv(65536)
    return got


def silent(client) -> bool:
    client.settimeout(QUIET_S)
    try:
        return client.recv(1) is None
    except TimeoutError:
        return True
    finally:
        client.settimeout(10)


def test_bytes_pass_both_ways_and_an_end_passes_too(proxy, client):
    data = bytes(range(256)) * 4096
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    got = b""
    while len(got) < len(data):
        got += client.recv(65536)
    sender.join()
    assert got == data
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    proxy.wait_for_links(0)


def test_a_cut_ends_the_links_that_are_there_and_no_later_one(proxy, client):
    assert proxy.cut() == 1
    assert client.recv(1) == b""
    with connect(proxy) as again:
        assert ask(again, b"x") == b"x"
    assert proxy.made == 2


def test_a_reset_is_one(proxy, client):
    assert ask(client, b"x") == b"x"
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_a_stall_holds_bytes_and_loses_none(proxy, client, echo):
    proxy.stall()
    client.sendall(b"held")
    assert silent(client)
    assert echo.got == b""
    proxy.restore()
    assert client.recv(4) == b"held"


def test_swallowed_bytes_are_lost(proxy, client, echo):
    proxy.swallow()
    client.sendall(b"lost")
    assert silent(client)
    proxy.restore()
    assert ask(client, b"kept") == b"kept"
    assert echo.got == b"kept"


def test_a_refusing_proxy_takes_no_new_link_until_it_is_restored(proxy, client):
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    assert ask(client, b"x") == b"x"
    proxy.restore()
    with connect(proxy) as again:
        assert ask(again, b"y") == b"y"


def test_a_slow_link_delays_each_way(proxy, client):
    proxy.slow(latency_s=0.1)
    begun = time.monotonic()
    ask(client, b"x")
    assert time.monotonic() - begun >= 0.2


def test_a_narrow_link_carries_its_rate(proxy, client):
    proxy.slow(bytes_per_s=100_000)
    begun = time.monotonic()
    ask(client, bytes(20_000))
    assert time.monotonic() - begun >= 0.4


def test_a_target_that_is_down_ends_the_link(proxy, echo, free_port):
    with LinkProxy(free_port()) as dead, connect(dead) as client, contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""


@pytest.mark.parametrize(("forward", "arrived"), [(0.0, b"<-"), (0.5, b"<-pub"), (1.0, b"<-public")])
def test_a_trap_cuts_before_during_and_after_what_it_waits_for(proxy, client, echo, forward, arrived):
    trap = proxy.trap(Direction.UP, b"public", forward=forward)
    client.sendall(b"<-public->")
    trap.wait()
    while client.recv(100):
        pass
    echo.settled()
    assert echo.got == arrived


def test_a_trap_sees_bytes_that_come_in_pieces_and_counts(proxy, client, echo):
    trap = proxy.trap(Direction.DOWN, b"ack", Fault.STALL, skip=1)
    assert ask(client, b"ack a") == b"ack a"
    assert not trap.sprung.is_set()
    client.sendall(b"ck more")
    trap.wait()
    assert client.recv(100) == b"ck"
    proxy.restore()
    assert client.recv(100) == b" more"


def test_a_trap_that_refuses_takes_the_server_down(proxy, client):
    trap = proxy.trap(Direction.UP, b"x", Fault.REFUSE)
    client.sendall(b"x")
    trap.wait()
    proxy.wait_for_links(0)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)


async def test_a_test_with_a_loop_waits_without_blocking_it(link_proxy, echo):
    proxy = link_proxy(echo.port)
    trap = proxy.trap(Direction.DOWN, b"pong")
    with connect(proxy) as client:
        await proxy.links_reach(1)
        client.sendall(b"pong")
        await trap.reached()
    await proxy.links_reach(0)


def test_a_trap_for_an_answer_springs_on_the_link_that_asked(proxy, client, echo):
    trap = proxy.trap(Direction.DOWN, b"fine", after=b"push")
    with connect(proxy) as other:
        assert ask(client, b"fine") == b"fine"
        assert ask(other, b"pu") == b"pu"
        assert ask(other, b"sh") == b"sh"
        assert ask(client, b"fine") == b"fine", "nothing was pushed there"
        assert not trap.sprung.is_set()
        other.sendall(b"fine")
        trap.wait()
        assert ask(client, b"alive") == b"alive"
