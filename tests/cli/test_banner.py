"""The first lines of a server: addresses somebody can click, type or give to curl."""

import pytest

from rrjobs.cli.banner import url
from rrjobs.runtime.address import parse_address


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("127.0.0.1:80", "http://127.0.0.1:80/ready"),
        ("localhost:80", "http://localhost:80/ready"),
        ("[::1]:80", "http://[::1]:80/ready"),
        (":80", "http://127.0.0.1:80/ready (every interface)"),
        ("0.0.0.0:80", "http://127.0.0.1:80/ready (every interface)"),
        ("[::]:80", "http://127.0.0.1:80/ready (every interface)"),
        ("unix://status.sock", "unix://status.sock /ready"),
    ],
)
def test_an_address_is_shown_as_something_to_open(address, shown):
    assert url(parse_address(address), "/ready") == shown
