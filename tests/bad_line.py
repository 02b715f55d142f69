"""A bad line: a TCP proxy before a target, on which requests and answers get lost, late, cut off or replaced."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

_HEAD_ENDS: Final = b"\r\n\r\n"
_LONGEST: Final = 30.0
_LARGEST: Final = 8 << 20


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What happens to one request: `says` is answered in its place; else it is passed on, if it is, and `ends`.

    A request is passed on at once, after so many seconds (`passes=0.5`: when the caller has given up), or never. Its
    answer `ends` whole, cut off after so many bytes, as a reset (-1), or never.
    """

    says: bytes | None = None
    passes: float | None = 0.0
    ends: float = float("inf")
    hangs: bool = False
    closes: bool = False


def saying(status: int, **headers: str) -> Trouble:
    """A refusal by what stands before the target, which never hears of the request."""
    lines = [f"HTTP/1.1 {status} Trouble", *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items())]
    body = json.dumps({"error": {"message": "Try again.", "type": "server_error", "code": "overloaded"}}).encode()
    lines += ["content-type: application/json", f"content-length: {len(body)}", "", ""]
    return Trouble(says="\r\n".join(lines).encode() + body, passes=None)


Plan = Callable[[str], Trouble | None]
"""The trouble, if any, of a request, by its path."""


@dataclass
class BadLine:
    """The proxy while it listens: troubles that are `armed` befall the next requests, one each; else `plan` says."""

    base_url: str
    plan: Plan = lambda _: None
    armed: list[Trouble] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    """Every answer of the target, whether it reached the caller or not."""
    dead: bool = False
    """Whether connections are broken off as soon as they come."""

    def next_trouble(self, path: str) -> Trouble | None:
        """What befalls a request for `path`."""
        return self.armed.pop(0) if self.armed else self.plan(path)


@contextlib.contextmanager
def bad_line(target: str) -> Iterator[BadLine]:
    """A proxy before the service whose base URL is `target`; a good one, until it is told of troubles."""
    loop, listens, line = asyncio.new_event_loop(), threading.Event(), BadLine("")

    async def listen() -> asyncio.Server:
        address = urlsplit(target)
        call = lambda *ends: _Call(line, address.port or 80, *ends).relay()  # noqa: E731
        server = await asyncio.start_server(call, "127.0.0.1", limit=_LARGEST)
        line.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{address.path}"
        listens.set()
        return server

    def serve() -> None:
        server = loop.run_until_complete(listen())
        loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert listens.wait(_LONGEST)
    try:
        yield line
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_LONGEST)


class _Call:
    """One connection of a caller, relayed request by request over a connection of its own to the target."""

    def __init__(self, line: BadLine, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._line, self._port, self._reader, self._writer = line, port, reader, writer

    async def relay(self) -> None:
        """Relay until either side is gone."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not self._line.dead:
                head, body = await _message(self._reader)
                trouble = self._line.next_trouble(head.split(b" ")[1].decode("latin-1")) or Trouble()
                if not await self._answer(head + body, trouble, bodiless=head.startswith(b"HEAD ")):
                    break
        self._writer.transport.abort() if self._line.dead else self._writer.close()

    async def _answer(self, sent: bytes, trouble: Trouble, *, bodiless: bool) -> bool:
        """Answer one request; whether the connection goes on."""
        said = trouble.says
        if trouble.passes:
            await asyncio.sleep(trouble.passes)
        if trouble.passes is not None:
            said = await self._heard_from_target(sent, bodiless=bodiless)
        if said is None or trouble.hangs:
            await asyncio.sleep(_LONGEST)
        if said is None or trouble.hangs or trouble.ends < 0:
            self._writer.transport.abort()
            return False
        self._writer.write(said[: int(min(trouble.ends, len(said)))])
        await self._writer.drain()
        return trouble.ends >= len(said) and not trouble.closes

    async def _heard_from_target(self, sent: bytes, *, bodiless: bool) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(sent)
        head, body = await _message(reader, bodiless=bodiless)
        writer.close()
        self._line.answers.append(body)
        return head + body


async def _message(reader: asyncio.StreamReader, *, bodiless: bool = False) -> tuple[bytes, bytes]:
    """One request or answer, to its last byte."""
    head = await reader.readuntil(_HEAD_ENDS)
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    if headers.get(b"transfer-encoding") == b"chunked":
        return head, await reader.readuntil(b"0" + _HEAD_ENDS)
    return head, b"" if bodiless else await reader.readexactly(int(headers.get(b"content-length", 0)))
