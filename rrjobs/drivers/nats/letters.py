"""Dead letters in a stream of their own, `<stream>-dead`: the job as it was, and all else in the header `Rr-Letter`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from rrjobs.drivers.broker.letter_codec import decode_from_job, decode_letter, encode_as_job
from rrjobs.drivers.broker.letters import HeldLetter
from rrjobs.drivers.nats.item import SUBJECT, decode_job, encode_job
from rrjobs.drivers.nats.publisher import Message
from rrjobs.drivers.nats.streams import Names, Streams
from rrjobs.errors import ConnectionLost, DriverError
from rrjobs.pipeline.dead_letter import DeadLetter

Publish = Callable[[Sequence[Message]], Awaitable[None]]


class StreamLetters:
    """See LetterStore. The stream is made with the first letter."""

    def __init__(self, js: JetStreamContext, names: Names, streams: Streams, publish: Publish, pipeline: str) -> None:
        self._js = js
        self._names = names
        self._streams = streams
        self._publish = publish
        self._pipeline = pipeline
        self._prepared = False

    async def put(self, letter: DeadLetter) -> None:
        """See LetterStore."""
        if not self._prepared:
            await self._streams.prepare_dead()
            self._prepared = True
        await self._publish([Message(self._names.dead, encode_job(encode_as_job(letter)))])

    @asynccontextmanager
    async def browse(self) -> AsyncIterator[AsyncIterator[HeldLetter]]:
        """See LetterStore. Nothing is reserved: letters that another server removes meanwhile are passed over."""
        yield self._each()

    async def size(self) -> tuple[int, int]:
        """See LetterStore. The bytes are those of the stream, which pipelines on other subjects of it share."""
        try:
            state = (await self._js.stream_info(self._names.dead_stream, subjects_filter=self._names.dead)).state
        except NotFoundError:
            return 0, 0
        except (NatsError, TimeoutError) as err:
            raise _error(err) from err
        return (state.subjects or {}).get(self._names.dead, 0), state.bytes

    async def _each(self) -> AsyncIterator[HeldLetter]:
        sequence = 0
        while (raw := await self._next(sequence + 1)) is not None:
            sequence = raw.seq or sequence + 1

            async def remove(sequence: int = sequence) -> None:
                try:
                    await self._js.delete_msg(self._names.dead_stream, sequence)
                except NotFoundError:
                    return
                except (NatsError, TimeoutError) as err:
                    raise _error(err) from err

            yield HeldLetter(self._letter(raw, sequence), remove)

    async def _next(self, sequence: int) -> RawStreamMsg | None:
        names = self._names
        try:
            return await self._js.get_msg(names.dead_stream, seq=sequence, subject=names.dead, next=True)
        except NotFoundError:
            return None
        except (NatsError, TimeoutError) as err:
            raise _error(err) from err

    def _letter(self, raw: RawStreamMsg, sequence: int) -> DeadLetter:
        data = raw.data or b""
        key = f"nats-{sequence}"
        try:
            job = decode_job(data, self._names.dead, None, self._pipeline, 10, key)
        except ValueError:
            return decode_letter({}, data, self._pipeline, key)
        job.headers = {**job.headers, SUBJECT: [self._names.subject]}  # where it was: replayed, it is a copy
        return decode_from_job(job, self._pipeline, key)


def _error(err: Exception) -> DriverError:
    text = str(err) or "NATS did not answer"
    return ConnectionLost(text) if "closed" in text else DriverError(text)
