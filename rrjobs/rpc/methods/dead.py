"""dead.*: letters of jobs that failed for good, listed, shown, replayed and dropped. RoadRunner has no such service."""

import base64
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from rrjobs.errors import RpcError, RRJobsError
from rrjobs.pipeline.dead_letter import REASONS, DeadLetter, DeadLetters, Wanted
from rrjobs.rpc.method import AnyMethod, Method
from rrjobs.rpc.shapes import ANYTHING, Value

DEFAULT_LIMIT = 100
MAX_LIMIT = 10_000
SLICE = 500
"""Letters that are replayed or dropped in one go; other calls get their turn in between."""

_OBJECT: Value[dict[str, Any]] = Value({})
_LISTS = ("ids", "pipelines", "names", "reasons")
_NUMBERS = ("older_s", "younger_s", "limit")


class Registry(Protocol):
    """Where the letters of every pipeline are."""

    def dead(self) -> Mapping[str, DeadLetters]: ...


class DeadMethods:
    """The service `dead`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def methods(self) -> list[AnyMethod]:
        """All of it."""
        return [
            Method("dead.List", _OBJECT, ANYTHING, self._list, waits=True),
            Method("dead.Show", _OBJECT, ANYTHING, self._show, waits=True),
            Method("dead.Replay", _OBJECT, ANYTHING, self._replay, waits=True),
            Method("dead.Drop", _OBJECT, ANYTHING, self._drop, waits=True),
        ]

    async def _list(self, request: dict[str, Any]) -> dict[str, object]:
        asked = _checked(request)
        pipelines = self._pipelines(asked)
        limit = min(MAX_LIMIT, int(asked.get("limit") or DEFAULT_LIMIT))
        letters: list[DeadLetter] = []
        counts: dict[str, object] = {}
        for name, dead in pipelines.items():
            letters += await dead.letters(_wanted(asked), limit)
            found = await dead.counts()
            counts[name] = {"held": found.held, "held_bytes": found.held_bytes, "lost": found.lost}
        letters.sort(key=lambda letter: letter.died_at)
        return {"letters": [_summary(letter) for letter in letters[:limit]], "pipelines": counts}

    async def _show(self, request: dict[str, Any]) -> dict[str, object]:
        asked = _checked(request)
        if not asked.get("ids"):
            raise RpcError("dead_show: say which letter in `ids`")
        letters: list[DeadLetter] = []
        for dead in self._pipelines(asked).values():
            letters += await dead.letters(_wanted(asked), MAX_LIMIT)
        if not letters:
            raise RpcError(f"dead_show: there is no letter {', '.join(asked['ids'])}")
        found = {letter.key for letter in letters} | {letter.id for letter in letters}
        missing = [key for key in asked["ids"] if key not in found]
        return {"letters": [_whole(letter) for letter in letters], "missing": missing}

    async def _replay(self, request: dict[str, Any]) -> dict[str, object]:
        return await self._each("replay", request)

    async def _drop(self, request: dict[str, Any]) -> dict[str, object]:
        return await self._each("drop", request)

    async def _each(self, action: str, request: dict[str, Any]) -> dict[str, object]:
        """Replay or drop what is wanted; those that were not are told with the reason."""
        asked = _checked(request)
        if not request.get("all") and not any(asked.get(key) for key in (*_LISTS, "older_s", "younger_s")):
            raise RpcError(f"dead_{action}: say which letters, or set `all`")
        done: list[str] = []
        refused: list[dict[str, str]] = []
        seen: set[str] = set()
        try:
            for dead in self._pipelines(asked).values():
                async for letters in _slices(dead, _wanted(asked)):
                    seen |= {letter.key for letter in letters} | {letter.id for letter in letters}
                    keys = [letter.key for letter in letters]
                    why = await (dead.replay(keys) if action == "replay" else dead.drop(keys))
                    done += [key for key, reason in zip(keys, why, strict=True) if not reason]
                    refused += [{"id": key, "reason": said} for key, said in zip(keys, why, strict=True) if said]
        except RRJobsError as err:
            raise RpcError(f"dead_{action}: {err} ({len(done)} letters were done before)") from err
        refused += [
            {"id": key, "reason": await self._gone(key, asked)} for key in asked.get("ids", ()) if key not in seen
        ]
        return {"done": done, "refused": refused}

    async def _gone(self, key: str, asked: Mapping[str, Any]) -> str:
        """What became of a letter that no pipeline has; to drop what is not there changes nothing."""
        unknown = f"there is no letter {key}"
        for dead in self._pipelines(asked).values():
            (said,) = await dead.drop([key])
            if said != unknown:
                return said
        return unknown

    def _pipelines(self, asked: Mapping[str, Any]) -> Mapping[str, DeadLetters]:
        every = self._registry.dead()
        names = asked.get("pipelines") or list(every)
        for name in names:
            if name not in every:
                raise RpcError(f"no such pipeline, requested: {name}")
        return {name: every[name] for name in names}


async def _slices(dead: DeadLetters, wanted: Wanted) -> AsyncIterator[Sequence[DeadLetter]]:
    """What is wanted now, a slice at a time; a letter that comes later, also by a replay, is not among them."""
    letters = await dead.letters(wanted, (await dead.counts()).held)
    for start in range(0, len(letters), SLICE):
        yield letters[start : start + SLICE]


def _checked(request: Mapping[str, Any]) -> dict[str, Any]:
    """Raises RpcError for what is meant otherwise than it would be taken: these methods forget jobs."""
    for key, value in request.items():
        if key in _LISTS:
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                raise RpcError(f"json: `{key}` is a list of texts")
            if key == "reasons" and (unknown := set(value).difference(REASONS)):
                raise RpcError(f"json: {min(unknown)!r} is no reason: there are {', '.join(REASONS)}")
        elif key in _NUMBERS:
            if isinstance(value, bool) or not isinstance(value, int | float | None) or (value or 0) < 0:
                raise RpcError(f"json: `{key}` is a number, and not negative")
            if key == "limit" and isinstance(value, float):
                raise RpcError("json: `limit` is a whole number")
        elif key == "all":
            if not isinstance(value, bool | None):
                raise RpcError("json: `all` is true or false")
        else:
            raise RpcError(f"json: there is no field `{key}`; there are {', '.join((*_LISTS, *_NUMBERS, 'all'))}")
    return dict(request)


def _wanted(asked: Mapping[str, Any]) -> Wanted:
    return Wanted(
        frozenset(asked.get("ids", ())),
        asked.get("names", ()),
        asked.get("reasons", ()),
        asked.get("older_s"),
        asked.get("younger_s"),
    )


def _summary(letter: DeadLetter) -> dict[str, object]:
    return {
        "letter": letter.key,
        "id": letter.id,
        "pipeline": letter.pipeline,
        "name": letter.name,
        "attempts": letter.attempts,
        "crashes": letter.crashes,
        "reason": letter.reason,
        "error": letter.error[:500],
        "payload_bytes": len(letter.payload),
        "pushed_at": letter.pushed_at or None,
        "died_at": letter.died_at,
        "age_s": round(max(0.0, time.time() - letter.died_at), 3),
    }


def _whole(letter: DeadLetter) -> dict[str, object]:
    return {
        **_summary(letter),
        "error": letter.error,
        "payload": base64.b64encode(letter.payload).decode(),
        "headers": {name: list(values) for name, values in letter.headers.items()},
        "priority": letter.priority,
        "auto_ack": letter.auto_ack,
        "exit_code": letter.exit_code,
        "signal": letter.signal,
        "pid": letter.pid or None,
        "output": letter.output,
    }
