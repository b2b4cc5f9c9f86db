"""Which letters `dead.*` takes: what is not clearly meant is refused, for jobs are forgotten here."""

from collections.abc import Collection, Sequence
from typing import Any

import orjson
import pytest

from rrjobs.errors import RpcError
from rrjobs.pipeline.dead_letter import DeadLetter, LetterCounts, Limits, Wanted
from rrjobs.rpc.codec import Codec, Codecs
from rrjobs.rpc.methods.dead import DeadMethods

JSON = Codecs(Codec.JSON, Codec.JSON, "")


class Letters:
    """Some letters in memory."""

    def __init__(self, *keys: str) -> None:
        self.limits = Limits()
        self.kept = [DeadLetter(key, key, "mail", "job", b"", {}, 3, 3, "crashes") for key in keys]

    async def counts(self) -> LetterCounts:
        return LetterCounts(len(self.kept), 0, 0)

    async def letters(self, wanted: Wanted, limit: int) -> Sequence[DeadLetter]:
        return [letter for letter in self.kept if wanted.has(letter, 0.0)][:limit]

    async def replay(self, keys: Sequence[str]) -> Sequence[str]:
        return await self.drop(keys)

    async def drop(self, keys: Collection[str]) -> Sequence[str]:
        had = {letter.key for letter in self.kept}
        self.kept = [letter for letter in self.kept if letter.key not in keys]
        return ["" if key in had else f"there is no letter {key}" for key in keys]


class Registry:
    def __init__(self, letters: Letters) -> None:
        self.letters = letters

    def dead(self) -> dict[str, Letters]:
        return {"mail": self.letters}


@pytest.fixture
def letters():
    return Letters("a", "b")


@pytest.fixture
def call(letters):
    methods = {method.name: method for method in DeadMethods(Registry(letters)).methods()}

    async def call(name: str, request: dict[str, Any]) -> Any:
        return orjson.loads(await methods[f"dead.{name}"].call(JSON, orjson.dumps(request)))

    return call


@pytest.mark.parametrize("method", ["Drop", "Replay"])
@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({}, "say which letters, or set `all`"),
        ({"all": False}, "say which letters, or set `all`"),
        ({"ids": [], "all": None}, "say which letters, or set `all`"),
        ({"all": "no"}, "`all` is true or false"),
        ({"all": 1}, "`all` is true or false"),
        ({"reasons": ["crash"], "all": True}, "'crash' is no reason: there are attempts, crashes,"),
        ({"ids": "a"}, "`ids` is a list of texts"),
        ({"older_s": -1}, "`older_s` is a number, and not negative"),
        ({"id": ["a"]}, "there is no field `id`; there are ids,"),
    ],
)
async def test_letters_that_were_not_clearly_meant_are_left_alone(call, letters, method, request_, error):
    with pytest.raises(RpcError, match=error):
        await call(method, request_)
    assert [letter.key for letter in letters.kept] == ["a", "b"]


async def test_all_means_all_and_ids_mean_these(call, letters):
    assert await call("Drop", {"ids": ["a", "c"]}) == {
        "done": ["a"],
        "refused": [{"id": "c", "reason": "there is no letter c"}],
    }
    assert (await call("Replay", {"all": True}))["done"] == ["b"]
    assert letters.kept == []


async def test_of_letters_to_show_those_that_are_not_there_are_named(call):
    told = await call("Show", {"ids": ["a", "c"]})
    assert ([letter["id"] for letter in told["letters"]], told["missing"]) == (["a"], ["c"])
    with pytest.raises(RpcError, match="there is no letter c"):
        await call("Show", {"ids": ["c"]})


async def test_a_limit_is_a_whole_number(call):
    assert len((await call("List", {"limit": 1}))["letters"]) == 1
    with pytest.raises(RpcError, match="`limit` is a whole number"):
        await call("List", {"limit": 0.5})


async def test_every_reason_that_a_letter_may_have_can_be_asked_for(call):
    assert (await call("List", {"reasons": ["foreign"]}))["letters"] == []
    assert len((await call("List", {"reasons": ["crashes", "too_late"]}))["letters"]) == 2
