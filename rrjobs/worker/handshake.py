"""The first words with a fresh worker: it connects to the relay, and answers a pid request."""

import asyncio
import os

from rrjobs.errors import ProtocolError
from rrjobs.protocol.frame import CONTROL, FrameParser
from rrjobs.worker.launcher import Launcher
from rrjobs.worker.process import Process
from rrjobs.worker.relay_listener import read_pid

_MAX_ANSWER_BYTES = 4096
_SHOWN_BYTES = 200


async def until_connected(process: Process, launcher: Launcher) -> None:
    """Until its relay stands; raises ProtocolError when it ends before that."""
    loop = asyncio.get_running_loop()
    connecting = loop.create_task(launcher.connect(process))
    ended = loop.create_task(process.ended.wait())
    try:
        await asyncio.wait((connecting, ended), return_when=asyncio.FIRST_COMPLETED)
        if not connecting.done():
            raise ProtocolError("ended before it connected to the relay")
        connecting.result()
    finally:
        for task in (connecting, ended):
            task.cancel()
        await asyncio.wait((connecting, ended))


async def pid_answer(process: Process, seen: bytearray) -> bytes:
    """The bytes with which it answers the pid request that was written to it; raises ProtocolError, OSError.

    What came is in `seen`, also when nothing comes of it.
    """
    parser = FrameParser(max_payload_bytes=_MAX_ANSWER_BYTES)
    while True:
        data = await _read_or_end(process)
        if not data:
            raise ProtocolError("ended before it answered the handshake")
        seen += data
        frames = parser.feed(data)
        if not frames:
            continue
        if not frames[0].flags & CONTROL:
            raise ProtocolError("answered the handshake with something else")
        read_pid(frames[0].payload)
        return bytes(seen[: len(seen) - parser.pending_bytes])


def text_of(seen: bytes | bytearray) -> str:
    """What was said in place of an answer, if it is text: the beginning of it."""
    text = seen[:_SHOWN_BYTES].decode("utf-8", "replace").strip()
    return text if "".join(text.split()).isprintable() else ""


async def _read_or_end(process: Process) -> bytes:
    loop = asyncio.get_running_loop()
    fd, readable = process.pipes.from_worker, asyncio.Event()
    loop.add_reader(fd, readable.set)
    process.on_end = readable.set
    try:
        await readable.wait()
    finally:
        process.on_end = None
        loop.remove_reader(fd)
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return b""
