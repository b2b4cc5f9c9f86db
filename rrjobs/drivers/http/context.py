"""What a worker is told about a request, before any codec."""

from typing import NamedTuple

from rrjobs.protocol.http1.request import Headers

Attributes = dict[str, str]
Cookies = dict[str, str]
NO_COOKIES: Cookies = {}


class Context(NamedTuple):
    """The ten values of spec/worker-and-http.md 5.1 (attributes are always empty). Text may hold lone surrogates.

    `uploads` is the JSON text of the upload tree, empty where there is none.
    """

    remote_addr: str
    protocol: str
    method: str
    uri: str
    headers: Headers
    cookies: Cookies
    raw_query: str
    parsed: bool
    uploads: bytes
