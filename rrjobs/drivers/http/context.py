"""The interface of the codecs for request contexts."""

from typing import Protocol

from rrjobs.protocol.http1.request import Headers


class ContextEncoder(Protocol):
    """Encodes the ten values of spec/worker-and-http.md 5.1; attributes are always empty, so they are not among these.

    Text may hold lone surrogates. `uploads` is the JSON text of the upload tree, empty where there is none.
    """

    def __call__(
        self,
        remote_addr: str,
        protocol: str,
        method: str,
        uri: str,
        headers: Headers,
        cookies: dict[str, str],
        raw_query: str,
        parsed: bool,
        uploads: bytes,
    ) -> bytes:
        """The context's bytes."""
        ...
