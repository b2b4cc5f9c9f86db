"""A connection to NATS that ends once: what it is told and what it says in plain words."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path

from nats.errors import Error as NatsError

from rrjobs.drivers.nats.config import NatsSection
from rrjobs.drivers.nats.direct import DirectClient
from rrjobs.errors import BrokerRefused, BrokerUnreachable
from rrjobs.runtime.os_errors import plain_reason

PING_S = 5
"""A server or link that does not answer two pings is given up."""

CONNECT_S = 10
CLOSE_S = 1.0
"""A failed TLS handshake leaves a transport that never says that it has closed."""


class Client:
    """`nc` is the library's. `lost` is done with the reason when the connection has ended."""

    def __init__(self, section: NatsSection) -> None:
        self.nc = DirectClient(secure=section.tls is not None)
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.on_refusal: Callable[[str], None] | None = None
        """Told what the server would not permit."""
        self._section = section
        self._said = ""

    async def connect(self) -> None:
        """Raises BrokerUnreachable, BrokerRefused."""
        section, place = self._section, place_of(self._section)
        self._check_credentials()
        try:
            await self.nc.connect(
                [one.strip() for one in section.addr.split(",")],
                name="rrjobs",
                allow_reconnect=False,
                max_reconnect_attempts=1,  # of each server in one attempt to connect: ours is the patience
                reconnect_time_wait=0,
                connect_timeout=CONNECT_S,
                ping_interval=PING_S,
                max_outstanding_pings=2,
                error_cb=self._error,
                disconnected_cb=self._ended,
                closed_cb=self._ended,
                tls=self._tls(),
                user=section.user or None,
                password=section.password or None,
                token=section.token or None,
                user_credentials=section.credentials or None,
                flusher_queue_size=1 << 16,
            )
        except (NatsError, OSError, TimeoutError, ValueError) as err:
            await self._let_go()
            reason = plain_reason(err) if isinstance(err, OSError) else self._said or str(err) or type(err).__name__
            reason = reason.removeprefix("nats: ").strip("'")
            if "authorization" in reason.lower() or "authentication" in reason.lower():
                raise BrokerRefused(f"NATS at {place} refuses the login {login_of(section)}: {reason}") from err
            raise BrokerUnreachable(f"NATS at {place}: {reason}") from err
        if (reading := self.nc._reading_task) is not None:
            reading.add_done_callback(lambda task: self._gone())  # the library may end it without a word

    async def close(self) -> None:
        """Safe twice."""
        self._end("the connection was closed")
        await self._let_go()

    async def _let_go(self) -> None:
        """Also of a connection that was never whole, which the library leaves open."""
        transport = getattr(self.nc, "_transport", None)
        with contextlib.suppress(NatsError, OSError, AssertionError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self.nc.close()
        if transport is not None:
            with contextlib.suppress(OSError, AssertionError):
                transport.close()
            await asyncio.sleep(0)

    def _check_credentials(self) -> None:
        """The library looks at them only where the server asks for a signature."""
        try:
            if self._section.credentials:
                Path(self._section.credentials).read_bytes()
        except OSError as err:
            text = f"nats.credentials: cannot read {self._section.credentials}: {plain_reason(err)}"
            raise BrokerRefused(text) from err

    def _tls(self) -> ssl.SSLContext | None:
        tls = self._section.tls
        if tls is None:
            return None
        try:
            context = ssl.create_default_context(cafile=tls.root_ca or None)
            if tls.cert:
                context.load_cert_chain(tls.cert, tls.key)
        except (OSError, ssl.SSLError) as err:
            raise BrokerRefused(f"nats.tls: cannot be loaded: {err}") from err
        return context

    async def _error(self, err: Exception) -> None:
        text = str(err).removeprefix("nats: ")
        self._said = text.strip("'") or type(err).__name__
        if "permissions violation" in text.lower() and self.on_refusal is not None:
            self.on_refusal(text)

    async def _ended(self) -> None:
        self._gone()

    def _gone(self) -> None:
        self._end(f"NATS at {place_of(self._section)}: {self._said or 'the connection was lost'}")

    def _end(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)


def place_of(section: NatsSection) -> str:
    """The address, without users and passwords."""
    return ",".join(host for _, host in _servers(section))


def login_of(section: NatsSection) -> str:
    """Whom the server is told that we are, without a password. The keys come before the address, as in the library."""
    if section.user:
        return section.user
    login = next((login for login, _ in _servers(section) if login), "")
    user, is_user, _ = login.partition(":")
    if section.token or (login and not is_user):
        return "with a token"
    return user or (f"of {section.credentials}" if section.credentials else "without a user")


def _servers(section: NatsSection) -> list[tuple[str, str]]:
    """What is before and behind the @ of each address."""
    parted = [one.strip().rpartition("://")[2].rpartition("@") for one in section.addr.split(",")]
    return [(login, host) for login, _, host in parted]
