import pytest

from rrjobs.errors import AddressError
from rrjobs.runtime.address import TcpAddress, UnixAddress, parse_address, parse_dsn


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", TcpAddress("127.0.0.1", 80)),
        ("tcp://127.0.0.1:80", TcpAddress("127.0.0.1", 80)),
        (":8080", TcpAddress("", 8080)),
        ("tcp://:8080", TcpAddress("", 8080)),
        ("[::1]:80", TcpAddress("::1", 80)),
        ("localhost:0", TcpAddress("localhost", 0)),
        ("example.org:443", TcpAddress("example.org", 443)),
        ("unix://rr.sock", UnixAddress("rr.sock")),
        ("unix:///run/rr.sock", UnixAddress("/run/rr.sock")),
    ],
)
def test_an_address_means_a_place_to_listen(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("127.0.0.1", "has no port"),
        ("", "has no port"),
        ("127.0.0.1:http", "must be a number"),
        ("127.0.0.1:", "must be a number"),
        (":65536", "from 0 to 65535"),
        (":-1", "from 0 to 65535"),
        ("::1:80", "in brackets"),
        ("[::1:80", "in brackets"),
        ("[nope]:80", "not an IPv6 address"),
        ("a b:80", "not a host name"),
        ("http://a:80", "unknown scheme"),
        ("unix:rr.sock:1", "two slashes"),
        ("unix://", "has no path"),
        ("unix://" + "x" * 108, "107 bytes"),
    ],
)
def test_a_wrong_address_is_refused_with_what_would_be_right(text, complaint):
    with pytest.raises(AddressError, match=complaint):
        parse_address(text)


@pytest.mark.parametrize("text", ["127.0.0.1:6001", "http://a:1", "tcp://unix://a", "", "unix:a"])
def test_a_dsn_needs_exactly_one_known_scheme(text):
    with pytest.raises(AddressError, match=r"invalid socket DSN \(tcp://:6001, unix://file.sock\)"):
        parse_dsn(text)


def test_no_host_and_localhost_are_bound_in_both_families():
    assert TcpAddress("", 80).bind_hosts == ("0.0.0.0", "::")
    assert TcpAddress("localhost", 80).bind_hosts == ("127.0.0.1", "::1")
    assert TcpAddress("10.0.0.1", 80).bind_hosts == ("10.0.0.1",)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("", False), ("10.0.0.1", False)],
)
def test_a_loopback_address_is_known_as_one(host, loopback):
    assert TcpAddress(host, 1).is_loopback is loopback


@pytest.mark.parametrize("text", ["127.0.0.1:80", "[::1]:80", ":80", "unix://rr.sock"])
def test_an_address_is_written_as_it_is_read(text):
    assert str(parse_address(text)) == text
