"""A lane that walks through a queue by Basic.Get, several asked for at once; what it holds returns when it closes."""

from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

from pamqp import commands
from pamqp import frame as pamqp_frame

from rrjobs.drivers.amqp.frames import GET_EMPTY, GET_OK, METHOD, Content, ack_frame, frame
from rrjobs.drivers.amqp.lane import Lane, Wire

AT_ONCE = 50


class GetLane(Lane):
    """See the module."""

    def __init__(self, wire: Wire, number: int) -> None:
        super().__init__(wire, number)
        self._handlers |= {GET_OK: self._got, GET_EMPTY: self._empty}
        self._tag = 0

    async def walk(self, queue: str) -> AsyncGenerator[tuple[int, Content], None]:
        """Tag and content of each message, until the queue has no more. Raises what Lane.call does."""
        while True:
            asked = deque(self._ask(queue) for _ in range(AT_ONCE))
            while asked:
                found = await asked.popleft()
                if found is None:
                    for one in asked:
                        await one
                    return
                yield found

    async def ack(self, tag: int) -> None:
        """It is gone for good; the broker knows once this returns."""
        self._wire.write(ack_frame(self.number, tag))
        await self.call(commands.Basic.Qos(prefetch_size=0, prefetch_count=0, global_=False))  # answered in order

    def _ask(self, queue: str) -> Any:
        if self.closed is not None:
            raise self.closed
        answer = self._new_call()
        self._wire.write(pamqp_frame.marshal(commands.Basic.Get(queue=queue), self.number))
        return answer

    def _got(self, payload: bytes) -> None:
        method: Any = pamqp_frame.unmarshal(frame(METHOD, self.number, payload))[2]
        self._tag = method.delivery_tag
        self._content = self._message

    def _message(self, content: Content) -> None:
        self._answered((self._tag, content))

    def _empty(self, payload: bytes) -> None:
        self._answered(None)
