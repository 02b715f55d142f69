"""An event stream of one task, followed on a connection of its own while its story goes on.

What was heard becomes exchanges: one for the head of the answer, one for each event, and one without an answer for the
end, which tells a stream that ended from one that was given up and from one that was cut. All of them were *sent* when
the stream was asked for, so each proves only what had been told by the instant at which it *ended*. Of the comments
that keep a stream alive the last one is kept. Whatever comes is bounded, in time, in size and in number.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import h11

from conformance.exchange import ENDED, EVENTS, GIVEN_UP, Answer, Exchange, Request
from conformance.target.background import Background, Listener
from conformance.target.raw import head_bytes

_CHUNK: Final = 1 << 16
_LONGEST_LINE: Final = 1 << 18
_MOST_BYTES: Final = 2 << 20
_MOST_EVENTS: Final = 1000
_LONGEST: Final = 1800.0
"""Seconds after which any stream is given up."""

_LONGEST_REASON: Final = 200
_LONGEST_NAME: Final = 200
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_OK: Final = 200


class TooMuch(Exception):
    """The target sends more than anybody reads; the text says of what."""


@dataclass(frozen=True)
class Event:
    """One event: its name, if it has one, and its data; or a comment, which is data that begins with a colon."""

    name: str
    data: bytes

    @property
    def is_comment(self) -> bool:
        """Whether this is no event, and only a sign of life."""
        return not self.name and self.data.startswith(b":")


class Reader:
    """Reads events out of bytes that come in any pieces; lines may end in any of the three ways."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._after_return = False
        self._first = True
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events and comments that `piece` completes.

        Raises:
            TooMuch: a line, or an event, is longer than allowed.
        """
        if not piece:
            return
        if self._after_return:
            piece = piece.removeprefix(b"\n")
        self._after_return = piece.endswith(b"\r")
        first, *others = _LINE_END.split(piece)
        self._line += first
        for other in others:
            yield from self._read(bytes(self._line))
            self._line[:] = other
        if len(self._line) > _LONGEST_LINE:
            raise TooMuch("a line without an end")

    def close(self) -> Iterator[Event]:
        """The event that the end of the stream completes, where no empty line does."""
        yield from self._read(bytes(self._line))
        yield from self._read(b"")

    def _read(self, line: bytes) -> Iterator[Event]:
        if self._first:
            line, self._first = line.removeprefix(_BYTE_ORDER_MARK), False
        field, _, value = line.partition(b":")
        if line.startswith(b":"):
            yield Event("", line[:_LONGEST_NAME])
        elif not line:
            yield from self._dispatched()
        elif field == b"event":
            self._name = value.removeprefix(b" ").decode(errors="replace")[:_LONGEST_NAME]
        elif field == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(line)
            if self._size > _MOST_BYTES:
                raise TooMuch("an event without an end")

    def _dispatched(self) -> Iterator[Event]:
        if self._data or self._name:
            yield Event(self._name, b"\n".join(self._data))
        self._name, self._data, self._size = "", [], 0


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What opens a stream: the request as it is shown, the headers that it really has, and the target's certificates.

    The head of the answer must have come `within` so many seconds.
    """

    request: Request
    headers: tuple[tuple[str, str], ...]
    context: ssl.SSLContext | None
    within: float


class Stream(Listener):
    """One stream from its opening on; it is followed in the background until it ends, or is given up."""

    def __init__(self, opening: Opening, background: Background) -> None:
        super().__init__()
        self.asked_at = time.monotonic()
        self._opening = opening
        self._background = background
        self._deadline: asyncio.Timeout | None = None
        self._open = False
        self._comment: Exchange | None = None
        self._left, self._events = _MOST_BYTES, 0
        self.work = background.run(self._follow())

    def is_over(self, until: float = 0.0) -> bool:
        """Whether nobody follows it any more; one may wait for that until an instant on the monotonic clock."""
        return self.wait(lambda heard: bool(heard) and heard[-1].lost is not None, until)

    def give_up_at(self, instant: float) -> None:
        """Stop listening at an instant on the monotonic clock, if the stream has not ended before."""
        self._background.call(lambda: self._reschedule(instant))

    def _reschedule(self, instant: float) -> None:
        if self._deadline is not None:
            self._deadline.reschedule(instant)

    async def _follow(self) -> None:
        deadline = asyncio.timeout_at(self.asked_at + self._opening.within)
        lost = ENDED
        try:
            async with deadline as self._deadline:
                await self._talk()
        except (OSError, h11.RemoteProtocolError, zlib.error, TooMuch, ValueError) as error:
            given_up = deadline.expired() and self._open
            lost = GIVEN_UP if given_up else f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
        self._deadline = None
        if self._comment is not None:
            self.hear(self._comment)
        self.hear(self._exchange(lost=lost))

    async def _talk(self) -> None:
        parts = urlsplit(self._opening.request.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=self._opening.context)
        try:
            writer.write(head_bytes("GET", self._opening.request.url, self._opening.headers, None))
            await self._listen(reader)
        finally:
            writer.transport.abort()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
        connection.send(h11.EndOfMessage())
        hear: Callable[[bytes], None] | None = None
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(_CHUNK))
            elif isinstance(event, h11.Response):
                hear = self._begin(event)
                if hear is None:
                    return
            elif isinstance(event, h11.Data) and hear is not None:
                hear(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                if hear is not None:
                    hear(b"")
                return

    def _begin(self, head: h11.Response) -> Callable[[bytes], None] | None:
        """Keep the head of the answer; who is to hear what follows it, if it is an event stream."""
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
        answer = Answer(status=head.status_code, headers=headers)
        self.hear(self._exchange(answer))
        if not answer.is_event_stream:
            return None
        self._open = True
        if self._deadline is not None:
            self._deadline.reschedule(self.asked_at + _LONGEST)
        return self._events_in(answer.header("content-encoding") or "")

    def _events_in(self, encoding: str) -> Callable[[bytes], None]:
        """Who hears the pieces of the body, inflated where need be; an empty one is its end."""
        reader = Reader()
        packed = encoding.strip().lower() in {"gzip", "x-gzip", "deflate"}
        inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32) if packed else None

        def hear(piece: bytes) -> None:
            plain = inflate.decompress(piece, self._left + 1) if inflate else piece
            self._left -= len(plain)
            if self._left < 0:
                raise TooMuch(f"more than {_MOST_BYTES} bytes")
            for event in (*reader.feed(plain), *(() if piece else reader.close())):
                self._keep(event)

        return hear

    def _keep(self, event: Event) -> None:
        name = (("event", event.name),) if event.name else ()
        exchange = self._exchange(Answer(status=_OK, headers=(("content-type", EVENTS), *name), content=event.data))
        if event.is_comment:
            self._comment = exchange
            return
        self._events += 1
        if self._events > _MOST_EVENTS:
            raise TooMuch(f"more than {_MOST_EVENTS} events")
        self.hear(exchange)

    def _exchange(self, answer: Answer | None = None, *, lost: str | None = None) -> Exchange:
        return Exchange(
            number=0,
            request=self._opening.request,
            sent_at=self.asked_at,
            ended_at=time.monotonic(),
            answer=answer,
            lost=lost,
        )
