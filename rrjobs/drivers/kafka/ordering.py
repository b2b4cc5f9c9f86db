"""Jobs that run one after the other: those of a partition, or of a record key; the others wait for their turn here."""

from collections import deque
from collections.abc import Callable, Hashable

from rrjobs.drivers.kafka.delivery import KafkaDelivery, Receipt

Lane = Callable[[KafkaDelivery], Hashable]
"""What runs one after the other has the same."""


def by_partition(delivery: KafkaDelivery) -> Hashable:
    """Of its topic."""
    return delivery.receipt.window.topic, delivery.receipt.window.partition


def by_key(delivery: KafkaDelivery) -> Hashable:
    """Records without a key have none to wait for."""
    receipt = delivery.receipt
    return (receipt.window.topic, receipt.key) if receipt.key else (receipt.window.topic, receipt.offset)


class Gate:
    """`open_` is called with each delivery when its turn has come."""

    def __init__(self, lane: Lane, open_: Callable[[KafkaDelivery], None]) -> None:
        self._lane = lane
        self._open = open_
        self._busy: dict[Hashable, deque[KafkaDelivery]] = {}

    def arrive(self, delivery: KafkaDelivery) -> None:
        """In order."""
        lane = self._lane(delivery)
        waiting = self._busy.get(lane)
        if waiting is None:
            self._busy[lane] = deque()
            self._open(delivery)
        else:
            waiting.append(delivery)

    def done(self, delivery: KafkaDelivery) -> None:
        """Settled, or gone: the next one's turn."""
        lane = self._lane(delivery)
        waiting = self._busy.get(lane)
        if waiting:
            self._open(waiting.popleft())
        elif waiting is not None:
            del self._busy[lane]

    def drain(self, which: Callable[[Receipt], bool]) -> list[KafkaDelivery]:
        """What waits for its turn, taken out."""
        found: list[KafkaDelivery] = []
        for lane, waiting in self._busy.items():
            found += [one for one in waiting if which(one.receipt)]
            self._busy[lane] = deque(one for one in waiting if not which(one.receipt))
        return found
