"""A receiver of callbacks: it listens where the target can reach it, and answers well, or as one that fails.

Each task that asks for callbacks gets an address of its own, which nobody can guess. Calls are bounded in size, time
and number; whatever comes to another address is turned away unread.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import h11

from conformance.exchange import GIVEN_UP, Answer, Exchange, Operation, Request
from conformance.target.background import Background, Listener

if TYPE_CHECKING:
    from conformance.target.profile import Profile

MOST_BYTES: Final = 1 << 20
"""Bytes of a call's body that are taken; more is refused."""

LONGEST: Final = 10.0
"""Seconds that one call may take."""

MOST_CALLS: Final = 1000
"""Calls of one task that are taken."""

LATE: Final = 1.2
"""Seconds after which a late receiver answers: more than a caller may think of, and less than it can count on."""

_CHUNK: Final = 1 << 16
_MOST_AT_ONCE: Final = 64
_START_UP: Final = 10.0
_OK, _NOT_FOUND, _NOT_ALLOWED, _TOO_LARGE, _ERROR = 200, 404, 405, 413, 500
_LOOPBACK: Final = "127.0.0.1"


class Reply(Enum):
    """How a call is answered: with 200 `AT_ONCE`, with 200 when it is `LATE`, or at once with an `ERROR`, a 500."""

    AT_ONCE = "at once"
    LATE = "late"
    ERROR = "error"


class Deaf(Exception):
    """No callback can be received; the text says why, and what to write."""


@dataclass(frozen=True)
class Place:
    """Where the receiver listens, and the URL at which the target reaches it; none where the two are the same."""

    host: str
    port: int
    url: str | None = None


def place(profile: Profile) -> Place:
    """Where callbacks can be received: where the profile says, else on the loopback that the target is on too.

    Raises:
        Deaf: the target is elsewhere, and the profile does not say how it can reach us.
    """
    told = profile.callback
    if told.listen is not None:
        host, _, port = told.listen.rpartition(":")
        return Place(host.strip("[]"), int(port), (told.url or "").rstrip("/"))
    if not is_loopback(urlsplit(profile.base_url).hostname or ""):
        raise Deaf(
            "the target is on another machine and cannot reach this one's loopback; write [callback]"
            ' url = "http://<this machine>:8765" and listen = "0.0.0.0:8765"'
        )
    return Place(_LOOPBACK, 0)


class Subscription(Listener):
    """The calls to the address of one task."""

    def __init__(self, url: str, token: str, reply: Reply) -> None:
        super().__init__()
        self.url = url
        self.token = token
        self.reply = reply
        self.since = time.monotonic()
        self.calls = 0

    def end(self) -> None:
        """Write down that nobody listens any longer."""
        request = Request(operation=Operation.CALLBACK, role="", method="POST", url=self.url)
        now = time.monotonic()
        self.hear(Exchange(number=0, request=request, sent_at=self.since, ended_at=now, lost=GIVEN_UP))


class Receiver:
    """Listens in the background from its first subscription on.

    Raises:
        Deaf: the address cannot be listened at.
    """

    def __init__(self, where: Place, background: Background) -> None:
        self._background = background
        self._subscriptions: dict[str, Subscription] = {}
        self._connections: set[asyncio.Task[None]] = set()
        listening = background.run(self._listen(where))
        try:
            listening.result(_START_UP)
        except OSError as error:
            address = f"{where.host}:{where.port}"
            raise Deaf(f"{address} cannot be listened at: {error}; write another [callback] listen") from error

    def subscribe(self, reply: Reply = Reply.AT_ONCE) -> Subscription:
        """A new address, where calls are answered so, and what will be called there."""
        token = secrets.token_urlsafe(24)
        made = Subscription(f"{self._url}/{token}", token, reply)
        self._subscriptions[token] = made
        return made

    def forget(self, subscription: Subscription) -> None:
        """Turn away what comes from now on."""
        self._subscriptions.pop(subscription.token, None)

    def close(self) -> None:
        """Take no more calls."""
        self._background.call(self._server.close)

    async def _listen(self, where: Place) -> None:
        self._server = await asyncio.start_server(self._accept, where.host, where.port)
        port = self._server.sockets[0].getsockname()[1]
        self._url = where.url or f"http://{where.host}:{port}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one call and hang up; too many at once are not served."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this as one
        self._connections.add(task)
        try:
            if len(self._connections) <= _MOST_AT_ONCE:
                async with asyncio.timeout(LONGEST):
                    await _Call(self._subscriptions, reader, writer).serve()
        except (OSError, h11.ProtocolError, asyncio.CancelledError):
            pass  # whoever called has to call again; where all is broken off, to nobody's surprise
        finally:
            self._connections.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


class _Call:
    """One call on one connection."""

    def __init__(
        self, subscriptions: Mapping[str, Subscription], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._subscriptions = subscriptions
        self._reader, self._writer = reader, writer
        self._connection = h11.Connection(h11.SERVER)

    async def serve(self) -> None:
        """Read the call, answer it, and keep both."""
        head = await self._next()
        if not isinstance(head, h11.Request):
            return
        began = time.monotonic()
        target, method = head.target.decode("latin-1"), head.method.decode("latin-1")
        subscription = self._subscriptions.get(target.partition("?")[0].rpartition("/")[2])
        if subscription is None or subscription.calls >= MOST_CALLS:
            await self._answer(_NOT_FOUND)
        elif method not in {"POST", "PUT"}:
            await self._answer(_NOT_ALLOWED)
        else:
            subscription.calls += 1
            await self._take(subscription, head, began)

    async def _take(self, subscription: Subscription, head: h11.Request, began: float) -> None:
        content, status, lost = b"", None, "the call was broken off before we could answer"
        try:
            content, whole = await self._body()
            await asyncio.sleep(LATE if subscription.reply is Reply.LATE else 0.0)
            said = _TOO_LARGE if not whole else _ERROR if subscription.reply is Reply.ERROR else _OK
            if await self._answer(said):
                status, lost = said, ""
        finally:
            headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
            request = Request(
                operation=Operation.CALLBACK,
                role="",
                method=head.method.decode("latin-1"),
                url=subscription.url,
                headers=headers,
                content=content,
            )
            subscription.hear(
                Exchange(
                    number=0,
                    request=request,
                    sent_at=began,
                    ended_at=time.monotonic(),
                    answer=Answer(status=status) if status is not None else None,
                    lost=lost or None,
                )
            )

    async def _body(self) -> tuple[bytes, bool]:
        """The body as far as it is allowed, and whether that is all of it."""
        body = bytearray()
        if self._connection.they_are_waiting_for_100_continue:
            self._write(h11.InformationalResponse(status_code=100, headers=[]))
        while isinstance(event := await self._next(), h11.Data):
            body += event.data
            if len(body) > MOST_BYTES:
                return bytes(body[:MOST_BYTES]), False
        return bytes(body), True

    async def _answer(self, status: int) -> bool:
        """Answer without a body; whether the whole answer has left."""
        self._write(h11.Response(status_code=status, headers=[("content-length", "0"), ("connection", "close")]))
        self._write(h11.EndOfMessage())
        await self._writer.drain()
        return self._writer.transport.get_write_buffer_size() == 0

    def _write(self, event: h11.InformationalResponse | h11.Response | h11.EndOfMessage) -> None:
        self._writer.write(self._connection.send(event) or b"")

    async def _next(self) -> object:
        while (event := self._connection.next_event()) is h11.NEED_DATA:
            self._connection.receive_data(await self._reader.read(_CHUNK))
        return event


def is_loopback(host: str) -> bool:
    """Whether a host, by its name, is this very machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
