"""Jobs that run one after the other: those of a partition, or of a record key; the others wait for their turn here."""

from collections import deque
from collections.abc import Callable, Collection, Hashable

from rrjobs.drivers.kafka.delivery import KafkaDelivery, Receipt
from rrjobs.drivers.kafka.window import Window

Key = tuple[Window, Hashable]
Lane = Callable[[KafkaDelivery], Key]
"""What runs one after the other has the same. Its window is in it: another owner's jobs wait for none of ours."""


def by_partition(delivery: KafkaDelivery) -> Key:
    """Of its topic."""
    return delivery.receipt.window, None


def by_key(delivery: KafkaDelivery) -> Key:
    """Records without a key have none to wait for."""
    receipt = delivery.receipt
    return receipt.window, receipt.key or receipt.offset


class Gate:
    """`open_` is called with each delivery when its turn has come."""

    def __init__(self, lane: Lane, open_: Callable[[KafkaDelivery], None]) -> None:
        self._lane = lane
        self._open = open_
        self._busy: dict[Key, deque[KafkaDelivery]] = {}

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

    def forget(self, windows: Collection[Window]) -> None:
        """Nothing of these runs here any more that others have to wait for."""
        for lane in [lane for lane in self._busy if lane[0] in windows]:
            del self._busy[lane]
