"""What is done with messages that were received: deleted, hidden for a while, kept ours for longer."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from rrjobs.drivers.sqs.api import Api
from rrjobs.drivers.sqs.batches import Batches, Start
from rrjobs.drivers.sqs.receipt import Receipt
from rrjobs.drivers.sqs.trouble import Kind, Trouble
from rrjobs.errors import ConnectionLost, DriverError

REQUESTS = 8
PATIENCE_S = 30.0
MARGIN_S = 1.0
"""So much of the visibility timeout is left when it is renewed before something slow."""


class Holds:
    """Of one queue. Every call raises ConnectionLost when it cannot be known what became of it."""

    def __init__(self, api: Api, url: str, start: Start, visibility_s: int) -> None:
        self._api = api
        self._visibility_s = visibility_s
        self._deletes = Batches(api, "delete_message_batch", url, start, slots=REQUESTS, patience_s=PATIENCE_S)
        self._hides = Batches(api, "change_message_visibility_batch", url, start, slots=REQUESTS, patience_s=PATIENCE_S)

    def received(self, message: dict[str, Any]) -> Receipt:
        """From now on it is ours for the visibility timeout."""
        until = asyncio.get_running_loop().time() + self._visibility_s
        return Receipt(str(message["MessageId"]), str(message["ReceiptHandle"]), until)

    async def delete(self, receipts: Sequence[Receipt]) -> list[Receipt]:
        """For good. Those that were somebody else's meanwhile, and were not deleted."""
        troubles = await self._deletes.do([{"ReceiptHandle": one.handle} for one in receipts])
        return self._not_ours(receipts, troubles)

    async def hide(self, receipts: Sequence[Receipt], seconds: int) -> list[Receipt]:
        """Deliver them after so long. Those that were somebody else's meanwhile."""
        troubles = await self._hides.do(
            [{"ReceiptHandle": one.handle, "VisibilityTimeout": seconds} for one in receipts]
        )
        return self._not_ours(receipts, troubles)

    async def renew(self, receipts: Sequence[Receipt]) -> None:
        """Keep them for another visibility timeout; those of which nobody knows are `stale` from now on."""
        until = asyncio.get_running_loop().time() + self._visibility_s
        stale = await self.hide(receipts, self._visibility_s)
        for receipt in receipts:
            receipt.stale = receipt in stale
            if not receipt.stale:
                receipt.ours_until = until

    async def surely(self, receipts: Sequence[Receipt]) -> bool:
        """Whether all of them are ours, for long enough to do something about it."""
        now = asyncio.get_running_loop().time()
        doubtful = [one for one in receipts if one.stale or now > one.ours_until - MARGIN_S]
        if doubtful:
            await self.renew(doubtful)
        return not any(one.stale for one in receipts)

    async def back(self, receipts: Sequence[Receipt]) -> None:
        """At once, if that can be done; else after their visibility timeout."""
        with suppress(DriverError):
            await self.hide(receipts, 0)

    def _not_ours(self, receipts: Sequence[Receipt], troubles: Sequence[Trouble | None]) -> list[Receipt]:
        lost = []
        for receipt, trouble in zip(receipts, troubles, strict=True):
            if trouble is None:
                continue
            if trouble.kind is not Kind.NOT_OURS:
                reason = self._api.said(trouble, f"message {receipt.message_id}")
                self._api.end(reason)
                raise ConnectionLost(reason)
            lost.append(receipt)
        return lost
