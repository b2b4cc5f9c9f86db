"""A decoded form, and the body of a multipart request while it arrives."""

from collections.abc import Callable

import orjson

from rrjobs.drivers.http.forms import FormError, Node, field_tree, file_tree
from rrjobs.drivers.http.multipart import MultipartParser, TooManyParts
from rrjobs.drivers.http.part_head import PartHead
from rrjobs.drivers.http.spool import Spool
from rrjobs.drivers.http.text import decode_text
from rrjobs.drivers.http.uploads import Upload
from rrjobs.protocol.http1.body_room import BodyRoom
from rrjobs.protocol.http1.request import Refusal

MAX_FIELDS_BYTES = 42 * 1024 * 1024
"""Names and contents of plain fields of one multipart form, as there."""


class Form:
    """Fields and uploads as JSON texts; `uploads` is empty for a form that cannot have any."""

    __slots__ = ("_body", "fields", "uploads")

    def __init__(self, fields: bytes, uploads: bytes = b"", body: "FormBody | None" = None) -> None:
        self.fields = fields
        self.uploads = uploads
        self._body = body

    def discard(self) -> None:
        """Remove the temporary files that are still there; safe twice."""
        if self._body is not None:
            self._body.discard()
            self._body = None


def refusal_of(err: FormError) -> Refusal:
    """What the client of a bad form is told."""
    return Refusal(413 if isinstance(err, TooManyParts) else 400, str(err), f"serve_http: {err}\n")


def form_of(pairs: list[tuple[str, str]]) -> Form:
    """A form without files; raises FormError."""
    return Form(_dumped(field_tree(pairs)))


class FormBody:
    """Takes a multipart body piece by piece; a BodySink. Files go to disk as they arrive."""

    def __init__(self, boundary: bytes, spool: Spool, refuses: Callable[[str], bool], room: BodyRoom) -> None:
        self._parser = MultipartParser(boundary, self)
        self._spool = spool
        self._refuses = refuses
        self._room = room
        self._held = 0
        self._fields: list[tuple[str, str]] = []
        self._files: list[tuple[str, Upload]] = []
        self._fields_bytes = 0
        self._name: str | None = None
        self._value: list[bytes] = []
        self._upload: Upload | None = None

    def feed(self, data: bytes) -> None:
        """The next piece of the body; raises Refusal."""
        try:
            self._parser.feed(data)
        except FormError as err:
            raise refusal_of(err) from err

    def discard(self) -> None:
        """The form will never be whole, or its request is over; safe twice."""
        self._room.give_back(self._held)
        self._held = 0
        self._spool.discard()

    def finish(self, done: Callable[[Form], None]) -> None:
        """The body is whole: call `done` with the form when its files are on disk. Raises FormError."""
        try:
            self._parser.finish()
            fields = _dumped(field_tree(self._fields))
            files = file_tree(self._files)
        except FormError:
            self.discard()
            raise
        self._spool.finish(lambda: done(Form(fields, _dumped(files), self)))

    def part_begins(self, head: PartHead) -> None:
        """A field, a file, or something that is neither and is skipped."""
        self._name, self._upload, self._value = head.name, None, []
        if head.name is None:
            return
        self._fields_bytes += len(head.name)
        if head.filename:
            self._upload = Upload(head.filename, head.mime)
            if self._refuses(head.filename):
                self._upload.refuse()
            self._files.append((head.name, self._upload))
            self._spool.begin(self._upload)

    def part_data(self, data: bytes) -> None:
        """Content of the present part."""
        if self._upload is not None:
            if not self._upload.error:
                self._spool.add(self._upload, data)
        elif self._name is not None:
            self._fields_bytes += len(data)
            if self._fields_bytes > MAX_FIELDS_BYTES:
                raise TooManyParts("multipart: message too large")
            self._room.take(self._held, len(data))
            self._held += len(data)
            self._value.append(data)

    def part_ends(self) -> None:
        """The present part is whole."""
        if self._upload is not None:
            if not self._upload.error:
                self._spool.add(self._upload, None)
        elif self._name is not None:
            self._fields.append((self._name, decode_text(b"".join(self._value))))


def _dumped(tree: Node) -> bytes:
    return orjson.dumps(tree, default=_leaf)


def _leaf(upload: object) -> dict[str, object]:
    assert isinstance(upload, Upload)
    return upload.leaf()
