"""The JSON codec of request contexts and answer heads, for every PHP package."""

from collections.abc import Mapping, Sequence

from orjson import Fragment, dumps, loads

from rrjobs.drivers.http.text import cleaned
from rrjobs.protocol.http1.request import Headers

_NO_ATTRIBUTES: dict[str, str] = {}


def encode_context(
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
    """The request context; bytes that are no UTF-8 become U+FFFD."""
    context = {
        "remoteAddr": remote_addr,
        "protocol": protocol,
        "method": method,
        "uri": uri,
        "headers": headers,
        "cookies": cookies,
        "rawQuery": raw_query,
        "parsed": parsed,
        "uploads": Fragment(uploads) if uploads else None,
        "attributes": _NO_ATTRIBUTES,
    }
    try:
        return dumps(context)
    except TypeError:
        context["headers"] = {name: [cleaned(value) for value in values] for name, values in headers.items()}
        context["cookies"] = {name: cleaned(value) for name, value in cookies.items()}
        context |= {"remoteAddr": cleaned(remote_addr), "uri": cleaned(uri), "rawQuery": cleaned(raw_query)}
        return dumps(context)


def decode_head(context: bytes) -> tuple[int, Mapping[str, Sequence[str]]]:
    """Status and headers of an answer; raises ValueError. A missing status is 0, as it is for RoadRunner."""
    head = loads(context)
    if not isinstance(head, dict):
        raise ValueError("the context of the answer is not a JSON object")
    status = head.get("status", 0)
    if type(status) is not int:
        raise ValueError("`status` is not an integer")
    headers = head.get("headers")
    if not headers:
        return status, {}
    if not isinstance(headers, dict):
        raise ValueError("`headers` is not an object of lists")
    return status, headers
