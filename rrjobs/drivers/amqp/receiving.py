"""Messages as they come in: what each of them is to the pipeline."""

import time

from rrjobs.drivers.amqp.frames import Content
from rrjobs.drivers.amqp.hops import EARLY_S, Hop, Hops
from rrjobs.drivers.amqp.message import decode_job, stand_in
from rrjobs.drivers.broker.connection import Arrivals
from rrjobs.drivers.broker.delivery import BrokerDelivery


class Receiver:
    """Makes deliveries of `connection`; what is not due yet goes to `hops` instead."""

    def __init__(self, connection: object, pipeline: str, queue: str, priority: int, hops: Hops) -> None:
        self.arrivals: Arrivals | None = None
        self._connection = connection
        self._pipeline = pipeline
        self._queue = queue
        self._priority = priority
        self._hops = hops

    def receive(self, tag: int, redelivered: bool, content: Content) -> None:
        """See Receive."""
        arrivals, connection = self.arrivals, self._connection
        assert arrivals is not None
        try:
            job, identity, exact, earlier, due = decode_job(content, redelivered, self._pipeline, self._priority)
        except ValueError as err:
            job, identity = stand_in(content, self._pipeline, self._priority)
            what = BrokerDelivery(
                job, arrivals.settler, tag, connection, identity, queue=self._queue, repeats=redelivered
            )
            arrivals.undecodable(what, str(err))
            return
        if due and due / 1000 - time.time() > EARLY_S:
            self._hops.add(Hop(tag, job, due))
            return
        delivery = BrokerDelivery(
            job,
            arrivals.settler,
            tag,
            connection,
            identity,
            queue=self._queue,
            redelivered=earlier,
            repeats=exact or redelivered,
            exact=exact,
        )
        arrivals.arrived(delivery)
