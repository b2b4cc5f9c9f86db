"""The memory driver, with a folder for what outlives the server."""

from collections.abc import Mapping
from typing import Any

from harness import Abilities, Harness


class MemoryHarness(Harness):
    driver = "memory"
    abilities = Abilities(foreign=False, shared=False, tells_reserved=False)

    def config(self, pipeline: str, prefetch: int) -> Mapping[str, Any]:
        return {"prefetch": prefetch}

    def declaration(self, pipeline: str) -> dict[str, str]:
        return {"prefetch": "10"}
