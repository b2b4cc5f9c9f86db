"""Bodies of requests on their way to PHP: as they are, or decoded as forms with their files set aside (5.4)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from rrjobs.drivers.http.config import HttpConfig
from rrjobs.drivers.http.form import Form, FormBody, form_of, refusal_of
from rrjobs.drivers.http.forms import FormError
from rrjobs.drivers.http.part_head import read_boundary
from rrjobs.drivers.http.spool import Spool
from rrjobs.drivers.http.text import raw_bytes
from rrjobs.drivers.http.uploads import UploadStore
from rrjobs.drivers.http.urlencoded import check_urlencoded, read_urlencoded
from rrjobs.protocol.http1.answerer import BodySink
from rrjobs.protocol.http1.exchange import Exchange
from rrjobs.protocol.http1.request import Request

Decoded = Callable[[Form | FormError], None]

_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_UNREAD = frozenset(("HEAD", "OPTIONS"))
_WITH_FIELDS = frozenset(("POST", "PUT", "PATCH"))
_THREADS = 4
_LONG_FORM_BYTES = 256 * 1024
"""Longer forms are decoded by a thread, so that nobody else waits for them."""


class _Ignored:
    """A body that nobody reads."""

    def feed(self, data: bytes) -> None:
        """Drop it."""

    def discard(self) -> None:
        """Nothing to give back."""


class Bodies:
    """Knows what becomes of which body; owns the threads that write files and decode long forms."""

    def __init__(self, config: HttpConfig, owner: tuple[int, int] | None) -> None:
        self._raw = config.raw_body
        self._store = UploadStore(config.uploads, owner)
        self._threads = ThreadPoolExecutor(_THREADS, "rrjobs-http")

    def open(self) -> None:
        """Remove temporary files that a killed server left."""
        self._store.open()

    async def close(self) -> None:
        """Let the threads end what they do, and give the directory up."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        self._store.close()

    def sink(self, exchange: Exchange) -> BodySink | None:
        """Where the body of this request goes; None to memory. Raises Refusal."""
        request = exchange.request
        if request.method in _UNREAD:
            return _Ignored()
        kind = self._form_kind(request)
        if kind == _URLENCODED:
            return None if request.method in _WITH_FIELDS else _Ignored()
        if kind == _MULTIPART:
            return self._multipart(exchange)
        return None

    def decodes(self, request: Request) -> bool:
        """Whether this request is a form that PHP gets decoded."""
        return request.method not in _UNREAD and bool(self._form_kind(request))

    def decode(self, exchange: Exchange, done: Decoded) -> None:
        """Call `done` with the form, or with what is wrong with it, now or later."""
        request = exchange.request
        try:
            check_urlencoded(raw_bytes(request.target.partition("?")[2]))
            if isinstance(exchange.sink, FormBody):
                exchange.sink.finish(done)
            elif self._form_kind(request) == _MULTIPART:
                raise FormError("multipart: NextPart: EOF")
            elif len(request.body) > _LONG_FORM_BYTES:
                self._decode_long(request, done)
            else:
                done(form_of(read_urlencoded(request.body)))
        except FormError as err:
            if exchange.sink is not None:
                exchange.sink.discard()
            done(err)

    def _decode_long(self, request: Request, done: Decoded) -> None:
        def told(future: "asyncio.Future[Form | FormError]") -> None:
            done(future.result())

        asyncio.get_running_loop().run_in_executor(self._threads, _decode, request.body).add_done_callback(told)

    def _multipart(self, exchange: Exchange) -> FormBody:
        boundary = read_boundary(exchange.request.headers["Content-Type"][0])
        if boundary is None:
            raise refusal_of(FormError("no multipart boundary param in Content-Type"))
        wire = exchange.wire
        return FormBody(boundary, Spool(self._store, self._threads, wire), self._store.refuses, wire.room)

    def _form_kind(self, request: Request) -> str:
        types = request.headers.get("Content-Type")
        if types is None or self._raw:
            return ""
        if _URLENCODED in types[0]:
            return _URLENCODED
        return _MULTIPART if _MULTIPART in types[0] else ""


def _decode(body: bytes | bytearray) -> Form | FormError:
    try:
        return form_of(read_urlencoded(body))
    except FormError as err:
        return err
