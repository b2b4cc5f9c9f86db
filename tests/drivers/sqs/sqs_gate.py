"""A door in front of a real SQS server: it can be told to give answers that the server cannot be brought to give.

AWS refuses credentials, permits too little, throttles and breaks; the servers of the tests take everybody.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import ClientSession, ClientTimeout, web

Answer = Callable[[dict[str, Any]], tuple[int, dict[str, Any]] | None]


class Gate:
    """`endpoint` is its address; `seen` has the operations that came, `authorizations` who asked."""

    def __init__(self, behind: str) -> None:
        self.endpoint = ""
        self.seen: list[str] = []
        self.authorizations: list[str] = []
        self._behind = behind
        self._planned: dict[str, deque[Answer]] = {}
        self._always: dict[str, Answer] = {}

    async def __aenter__(self) -> "Gate":
        self._session = ClientSession(timeout=ClientTimeout(total=60), auto_decompress=False)
        app = web.Application(client_max_size=16 << 20)
        app.router.add_route("*", "/{path:.*}", self._asked)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.endpoint = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()
        await asyncio.sleep(0)

    def fails(self, operation: str, code: str, status: int = 400, message: str = "so it is", times: int = 1) -> None:
        """The next calls of an operation (`*`: of any) fail; `times` 0: all of them until `heals`."""

        def answer(_: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            return status, {"__type": f"com.amazonaws.sqs#{code}", "message": message}

        self.answers(operation, answer, times)

    def answers(self, operation: str, answer: Answer, times: int = 1) -> None:
        """Answer the next calls; where the answer is None the server does."""
        if times:
            self._planned.setdefault(operation, deque()).extend([answer] * times)
        else:
            self._always[operation] = answer

    def heals(self) -> None:
        """Everything is answered by the server."""
        self._planned.clear()
        self._always.clear()

    async def _asked(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        operation = request.headers.get("X-Amz-Target", "").partition(".")[2]
        self.seen.append(operation)
        self.authorizations.append(request.headers.get("Authorization", ""))
        for name in (operation, "*"):
            planned = self._planned.get(name)
            plan = planned.popleft() if planned else self._always.get(name)
            answer = plan(orjson.loads(body or b"{}")) if plan else None
            if answer is not None:
                return web.Response(
                    status=answer[0], body=orjson.dumps(answer[1]), content_type="application/x-amz-json-1.0"
                )
        return await self._passed_on(request, body)

    async def _passed_on(self, request: web.Request, body: bytes) -> web.StreamResponse:
        headers = {
            name: value for name, value in request.headers.items() if name.lower() not in ("host", "content-length")
        }
        async with self._session.request(
            request.method, f"{self._behind}{request.path_qs}", data=body, headers=headers
        ) as answer:
            content = await answer.read()
            kept = {name: value for name, value in answer.headers.items() if name.lower().startswith("x-amzn")}
            kept["Content-Type"] = answer.headers.get("Content-Type", "application/x-amz-json-1.0")
            return web.Response(status=answer.status, body=content, headers=kept)
