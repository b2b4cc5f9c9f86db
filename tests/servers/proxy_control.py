"""Commands for proxies in lines of text over TCP, for people: `echo "kafka cut" | nc 127.0.0.1 8474`."""

import socketserver
import threading
from collections.abc import Callable, Mapping
from typing import Self

from servers.link_proxy import LinkProxy

USAGE = "NAME cut | reset | stall | swallow | refuse | slow LATENCY_S [BYTES_PER_S] | restore | state"

Command = Callable[[LinkProxy, list[float]], object]
COMMANDS: dict[str, Command] = {
    "cut": lambda proxy, _: proxy.cut(),
    "reset": lambda proxy, _: proxy.reset(),
    "stall": lambda proxy, _: proxy.stall(),
    "swallow": lambda proxy, _: proxy.swallow(),
    "refuse": lambda proxy, _: proxy.refuse(),
    "slow": lambda proxy, how: proxy.slow(*how),
    "restore": lambda proxy, _: proxy.restore(),
    "state": lambda proxy, _: f"links {proxy.links}, made {proxy.made}",
}


class ProxyControl:
    """Listens on a port of 127.0.0.1 for commands to the named proxies."""

    def __init__(self, port: int, proxies: Mapping[str, LinkProxy]) -> None:
        def answer(line: str) -> str:
            return obey(proxies, line)

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for line in self.rfile:
                    self.wfile.write(f"{answer(line.decode(errors='replace'))}\n".encode())

        self._server = _Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="proxy-control")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def obey(proxies: Mapping[str, LinkProxy], line: str) -> str:
    """Do what a line says; what to answer."""
    match line.split():
        case [name, command, *how] if name in proxies and command in COMMANDS:
            try:
                done = COMMANDS[command](proxies[name], [float(word) for word in how])
            except (ValueError, TypeError):
                return f"usage: {USAGE}"
            return "done" if done is None else str(done)
    return f"usage: {USAGE}; NAME is one of {', '.join(proxies)}"


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
