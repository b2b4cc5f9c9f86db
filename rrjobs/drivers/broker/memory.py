"""Outcomes of messages that may be delivered once more, so that they are not run once more.

An outcome that could not be carried out waits for the redelivery of its message. That a message is done is remembered
apart, and so cannot push out what still has to be done: an ack may come too late, or be forgotten by a broker that is
killed.
"""

from collections import OrderedDict

from rrjobs.pipeline.outcome import DONE, Outcome

MOST_OPEN = 10_000
MOST_DONE = 40_000
"""Messages remembered; those of older ones run again. RabbitMQ forgets at most about 32,768 acks when it is killed."""


class Memory:
    """By identity. Where several messages have one, each redelivery takes one of their outcomes."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[Outcome, ...]] = OrderedDict()
        self._waiting = 0
        self._done: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return self._waiting + len(self._done)

    def keep(self, identity: str, outcome: Outcome, *, only: bool) -> None:
        """It was not carried out. `only`: no other message has this identity."""
        before = self._open.pop(identity, ())
        after = (outcome,) if only else (*before, outcome)
        self._open[identity] = after
        self._waiting += len(after) - len(before)
        while self._waiting > MOST_OPEN:
            self._take(next(iter(self._open)))

    def done(self, identity: str, outcome: Outcome | None) -> None:
        """It is settled, by this outcome, which may be here since its receipt was lost while it was carried out."""
        if outcome is not None and (kept := self._open.get(identity)) and outcome in kept:
            self._waiting -= 1
            self._open[identity] = tuple(one for number, one in enumerate(kept) if number != kept.index(outcome))
            if not self._open[identity]:
                del self._open[identity]
        self._done.pop(identity, None)
        self._done[identity] = None
        if len(self._done) > MOST_DONE:
            self._done.popitem(last=False)

    def take(self, identity: str) -> Outcome | None:
        """What a redelivery meets."""
        if identity in self._open:
            return self._take(identity)
        if identity in self._done:
            del self._done[identity]
            return DONE
        return None

    def _take(self, identity: str) -> Outcome:
        first, *others = self._open.pop(identity)
        self._waiting -= 1
        if others:
            self._open[identity] = tuple(others)
            self._open.move_to_end(identity, last=False)
        return first
