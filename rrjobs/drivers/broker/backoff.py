"""How long to wait before the next try: twice as long each time, up to a limit, never quite the same."""

import random

FIRST_S = 0.1
LONGEST_S = 30.0


class Backoff:
    """`next_s` gives the waits, `reset` begins anew."""

    def __init__(self, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s

    def next_s(self) -> float:
        """The next wait in seconds: between a half and the whole of the step."""
        step_s = self._next_s
        self._next_s = min(step_s * 2, self._longest_s)
        return step_s * random.uniform(0.5, 1.0)

    def limit(self, longest_s: float) -> None:
        """The next wait is no longer than this."""
        self._next_s = min(self._next_s, longest_s)

    def reset(self) -> None:
        """All is well again."""
        self._next_s = self._first_s
