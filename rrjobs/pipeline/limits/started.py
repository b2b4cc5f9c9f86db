"""Deliveries that tell when they begin, without a cost for those that need not."""

from typing import Protocol, cast

from rrjobs.pipeline.delivery import JobDelivery


class Listener(Protocol):
    """The gate."""

    def begun(self, delivery: JobDelivery) -> None:
        """It is being written to a worker."""
        ...

    def not_begun(self, delivery: JobDelivery) -> None:
        """It did not fit, just after it was told to begin: it waits again."""
        ...


def told_of_start(kind: type[JobDelivery], listener: Listener) -> type[JobDelivery]:
    """A class that a delivery of `kind` can be given in place of its own.

    It has no fields of its own, so Python lets an object change into it and back.
    """

    def encode(self: JobDelivery) -> bytes:
        listener.begun(self)
        return kind.encode(self)

    def not_lent(self: JobDelivery) -> None:
        listener.not_begun(self)
        kind.not_lent(self)

    return cast(
        type[JobDelivery],
        type(
            kind.__name__,
            (kind,),
            {"__module__": kind.__module__, "__slots__": (), "encode": encode, "not_lent": not_lent},
        ),
    )
