"""Errors of sockets in plain words."""

import asyncio
import errno
import socket
import ssl

import pytest

from rrjobs.runtime.os_errors import plain_reason


@pytest.mark.parametrize(
    ("err", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), "connection refused"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), ..."), "connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "there is no such host"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "Temporary failure"),
        (ConnectionResetError(), "the connection was closed"),
        (OSError("[Errno 7] odd"), "argument list too long"),
        (OSError("something odd"), "something odd"),
        (OSError(), "OSError"),
    ],
)  # fmt: skip
def test_the_reason_is_in_plain_words(err, reason):
    assert plain_reason(err) == reason


async def test_tls_with_a_server_that_has_none_is_said():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    with pytest.raises(ssl.SSLError) as raised:
        await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=ssl.create_default_context())
    assert "speaks no TLS" in plain_reason(raised.value)
    server.close()
