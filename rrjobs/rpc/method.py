"""The table of methods: names to handlers, and the texts for names that are not in it."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Generic, TypeVar

from rrjobs.errors import RpcError
from rrjobs.rpc.codec import Codec, Codecs
from rrjobs.rpc.shapes import Shape

A = TypeVar("A")
R = TypeVar("R")


class Method(Generic[A, R]):
    """One callable method.

    `waits` says that a call usually has to wait for something: it gets a task from its first step. `on_proto` is a
    short way for hot methods: it takes the protobuf body itself.
    """

    def __init__(
        self,
        name: str,
        argument: Shape[A],
        reply: Shape[R],
        handler: Callable[[A], Awaitable[R]],
        *,
        waits: bool = False,
        on_proto: Callable[[bytes], Coroutine[Any, Any, bytes]] | None = None,
    ) -> None:
        self.name = name
        self.waits = waits
        self._argument = argument
        self._reply = reply
        self._handler = handler
        self._on_proto = on_proto

    def call(self, codecs: Codecs, body: bytes) -> Coroutine[Any, Any, bytes]:
        """The whole call, from the body to the reply's body; raises RpcError while it runs."""
        if self._on_proto is not None and codecs.body is Codec.PROTO:
            return self._on_proto(body)
        return self._call(codecs, body)

    async def _call(self, codecs: Codecs, body: bytes) -> bytes:
        refusal = codecs.refusal or self._reply.writes(codecs.reply)
        if refusal:
            raise RpcError(refusal)
        reply = await self._handler(self._argument.read(codecs.body, body))
        return self._reply.write(codecs.reply, reply)


AnyMethod = Method[Any, Any]


class MethodTable:
    """All methods of one server, found by the name's bytes as they stand in the frame."""

    def __init__(self, methods: Iterable[AnyMethod]) -> None:
        self.by_name: dict[bytes, AnyMethod] = {}
        self._services: set[str] = set()
        for method in methods:
            self.by_name[method.name.encode()] = method
            self._services.add(method.name.rpartition(".")[0])

    def missing(self, name: bytes) -> RpcError:
        """The error for a name that `by_name` does not have; its text is part of the contract with PHP."""
        text = name.decode("utf-8", "replace")
        service, dot, _ = text.rpartition(".")
        if not dot:
            return RpcError(f"rpc: service/method request ill-formed: {text}")
        if service in self._services:
            return RpcError(f"rpc: can't find method {text}")
        return RpcError(f"rpc: can't find service {text}")
