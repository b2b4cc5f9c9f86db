"""What the server says when it refuses a call, as it is told to people."""

import re

from rrjobs.errors import RpcError

_OPERATIONS = re.compile(r"^([a-z_]+:\n\t)*[a-z]+(_[a-z]+)+: ")
"""RoadRunner puts the names of its operations before a text, for programs that look for them."""


def plain(err: RpcError) -> str:
    """The text alone, on one line."""
    return " ".join(_OPERATIONS.sub("", str(err)).split())
