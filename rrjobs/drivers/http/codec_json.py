"""The JSON codec of request contexts and answer heads, for every PHP package."""

from collections.abc import Mapping, Sequence

import orjson

from rrjobs.drivers.http.context import Context
from rrjobs.drivers.http.text import cleaned

_NO_ATTRIBUTES: dict[str, str] = {}


def encode_context(context: Context) -> bytes:
    """The request context; bytes that are no UTF-8 become U+FFFD."""
    try:
        return _dump(context, context.headers, context.cookies)
    except TypeError:
        return _dump(_cleaned(context), *_cleaned_maps(context))


def _dump(context: Context, headers: Mapping[str, Sequence[str]], cookies: Mapping[str, str]) -> bytes:
    return orjson.dumps(
        {
            "remoteAddr": context.remote_addr,
            "protocol": context.protocol,
            "method": context.method,
            "uri": context.uri,
            "headers": headers,
            "cookies": cookies,
            "rawQuery": context.raw_query,
            "parsed": context.parsed,
            "uploads": orjson.Fragment(context.uploads) if context.uploads else None,
            "attributes": _NO_ATTRIBUTES,
        }
    )


def _cleaned(context: Context) -> Context:
    return context._replace(
        remote_addr=cleaned(context.remote_addr), uri=cleaned(context.uri), raw_query=cleaned(context.raw_query)
    )


def _cleaned_maps(context: Context) -> tuple[dict[str, list[str]], dict[str, str]]:
    headers = {name: [cleaned(value) for value in values] for name, values in context.headers.items()}
    return headers, {name: cleaned(value) for name, value in context.cookies.items()}


def decode_head(context: bytes) -> tuple[int, Mapping[str, Sequence[str]]]:
    """Status and headers of an answer; raises ValueError. A missing status is 0, as it is for RoadRunner."""
    head = orjson.loads(context)
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
