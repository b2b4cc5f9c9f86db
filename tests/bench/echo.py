"""A bare asyncio server that sends every frame back: what RPC costs at best.

`python -m tests.bench.echo PORT [uvloop]`
"""

import asyncio
import signal
import struct
import sys
from typing import cast

import uvloop

_LENGTH = struct.Struct("<I").unpack_from


class Echo(asyncio.Protocol):
    """Sends back the complete frames of each read in one write."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Whole frames go back, the rest waits for more."""
        buffer = self._buffer + data
        position = 0
        while len(buffer) - position >= 12:
            end = position + (buffer[position] & 15) * 4 + _LENGTH(buffer, position + 2)[0]
            if end > len(buffer):
                break
            position = end
        self._buffer = buffer[position:]
        if position and self._transport is not None:
            self._transport.write(buffer[:position])


async def serve(port: int) -> None:
    """Until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(Echo, "127.0.0.1", port)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if "uvloop" in sys.argv else None) as runner:
        runner.run(serve(int(sys.argv[1])))
