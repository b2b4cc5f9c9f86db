"""Sends new connections past a listening socket to the others of its port (SO_REUSEPORT), losing none.

Closing a listening socket resets whoever is in its queue, and while clients come there always is somebody between the
last accept and the close. So the socket first drops every SYN packet, by a filter in the kernel; handshakes that have
begun are finished. Who was dropped asks again after a second, as TCP does, and meets another listener of the port.
"""

import ctypes
import socket
import struct

HANDSHAKE_S = 0.2
"""How long a handshake that has begun may take until the socket is closed."""

_SO_ATTACH_FILTER = 26
_LOAD_BYTE, _AND, _JUMP_IF_EQUAL, _RETURN = 0x30, 0x54, 0x15, 0x06
_FLAGS_AT, _SYN, _ACK = 13, 0x02, 0x10

_DROP_SYN = (
    (_LOAD_BYTE, 0, 0, _FLAGS_AT),
    (_AND, 0, 0, _SYN | _ACK),
    (_JUMP_IF_EQUAL, 0, 1, _SYN),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, 0xFFFFFFFF),
)
"""Classic BPF over the TCP header: 0 drops the packet. Instructions are (code, jump if true, if false, operand)."""


def divert(one: socket.socket) -> None:
    """Let no new handshake begin here; raises OSError where the kernel has no such filters."""
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in _DROP_SYN))
    one.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(_DROP_SYN), ctypes.addressof(program)))
