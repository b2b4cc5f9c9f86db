"""Connections of aiokafka that say in its own words that they are broken.

It expects an OSError where it writes to a broken link. uvloop raises RuntimeError there, and asyncio loses the bytes in
silence: at the first, aiokafka's tasks that send, fetch and commit end without a word and do not begin again; at the
second they wait out their whole timeout. Importing this module makes all of its clients use these connections.
"""

from typing import Any

import aiokafka.conn
from aiokafka.conn import AIOKafkaConnection, CloseReason, create_conn
from aiokafka.errors import KafkaConnectionError

__all__ = ["LiveConnection", "create_conn"]


class LiveConnection(AIOKafkaConnection):  # type: ignore[misc]
    """Nothing is written to one whose transport has closed. Raises KafkaConnectionError, and is closed then."""

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """See AIOKafkaConnection."""
        self._look()
        return super().send(request, expect_response)

    def _send_sasl_token(self, payload: bytes, expect_response: bool = True) -> Any:
        self._look()
        return super()._send_sasl_token(payload, expect_response)

    def _look(self) -> None:
        if self._writer is not None and self._writer.transport.is_closing():
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {self._host}:{self._port} broken: its link was closed")


aiokafka.conn.AIOKafkaConnection = LiveConnection  # `create_conn`, which every client calls, makes what it finds here
