"""More requests than workers for a while: with `http.max_wait` some get 503, and keep their connection."""

import http.client
import threading
from collections import Counter

import pytest
from shop import Shop

CLIENTS = 24
ROUNDS = 8


class Client(threading.Thread):
    """Asks again and again over one connection; `seen` are the answers, `trouble` is what broke it."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.seen: Counter[int] = Counter()
        self.trouble: list[str] = []
        self._port = port

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.connect()
        own = connection.sock
        for _ in range(ROUNDS):
            try:
                connection.request("GET", "/?ms=100")
                with connection.getresponse() as answer:
                    answer.read()
                    self.seen[answer.status] += 1
                    if answer.status == 503 and int(answer.headers["Retry-After"]) < 1:
                        self.trouble.append("no time to come back")
            except (OSError, http.client.HTTPException) as err:
                self.trouble.append(repr(err))
            if connection.sock is not own:
                self.trouble.append("the connection was closed")
                break
        connection.close()


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("limit", [{"max_wait": "300ms"}, {"max_wait": "30s", "max_queue_size": 4}], ids=str)
def test_a_flood_is_shed_with_503_and_nobody_loses_the_connection(shop, limit):
    size = limit.pop("max_queue_size", 0)
    shop.config["http"].update(limit)
    shop.config["any"]["pool"].update({"max_queue_size": size} if size else {})
    shop.start().ready()
    clients = [Client(shop.port) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(120)
    assert [client.trouble for client in clients if client.trouble] == []
    seen = sum((client.seen for client in clients), Counter())
    assert set(seen) == {200, 503}
    assert seen.total() == CLIENTS * ROUNDS
    assert shop.server.get("/")[0] == 200, "when the flood is over all is well"
    assert len(shop.server.events("http.overloaded")) < 20, "one line for each time, not for each request"
