"""Messages between two servers of one machine: a JSON object and descriptors, over a SOCK_SEQPACKET unix socket.

    asks who          -> answer with `pid`, `config`, `addresses`, `pid_file`, `draining`
    asks take         -> answer with `shared`, one flag for each listening socket that comes with it
    asks ready        -> empty answer, with the descriptor of the pid file where there is one: the server drains now
    end of the stream -> the server has let go of its files, or has died

Each answer may instead be `{"error": TEXT}`.
"""

import array
import os
import pwd
import select
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

MAX_BYTES = 60_000
MAX_DESCRIPTORS = 250


def send(one: socket.socket, message: Mapping[str, object], descriptors: Sequence[int] = ()) -> None:
    """All of it or nothing; raises OSError."""
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    one.sendmsg([orjson.dumps(message)], ancillary)


def receive(one: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next message, empty at the end of the stream; raises OSError, ValueError for what is none."""
    data, descriptors, _, _ = socket.recv_fds(one, MAX_BYTES, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
    if not data:
        return {}, []
    try:
        message = orjson.loads(data)
    except ValueError:
        message = None
    if not isinstance(message, dict) or not message:
        for fd in descriptors:
            os.close(fd)
        raise ValueError("no message of a server")
    return message, list(descriptors)


def peer_of(one: socket.socket) -> tuple[int, int]:
    """Process and user at the other end."""
    pid, uid, _ = struct.unpack("3i", one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid


def user_name(uid: int) -> str:
    """For people."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def is_gone(one: socket.socket) -> bool:
    """Whether the other end is closed, whatever it has sent before."""
    poll = select.poll()
    poll.register(one, select.POLLIN)
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))
