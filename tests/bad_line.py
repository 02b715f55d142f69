"""A bad line: a TCP proxy before a target, on which requests and answers get lost, late, cut off or replaced."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import anyio
from anyio import aclose_forcefully
from anyio.abc import Listener, SocketAttribute, SocketStream, TaskStatus
from anyio.from_thread import start_blocking_portal
from anyio.streams.buffered import BufferedByteReceiveStream

_HEAD_ENDS: Final = b"\r\n\r\n"
_LONGEST: Final = 30.0
_LARGEST: Final = 8 << 20
_GONE: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, anyio.IncompleteRead)


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
    """A proxy before the service whose base URL is `target`; a good one, until it is told of troubles.

    When it ends, every call over it has ended, and every connection is closed.
    """
    address = urlsplit(target)
    line = BadLine("")
    with start_blocking_portal() as portal:
        serving, listener = portal.start_task(_serve, line, address.port or 80)
        line.base_url = f"http://127.0.0.1:{listener.extra_attributes[SocketAttribute.local_port]()}{address.path}"
        try:
            yield line
        finally:
            portal.call(listener.aclose)  # first, for asyncio loses what it accepts while it is cancelled
            serving.cancel()


async def _serve(line: BadLine, to: int, *, task_status: TaskStatus[Listener[SocketStream]]) -> None:
    """Relay every caller to the target's port, `to`, until cancelled; started with where it listens."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        task_status.started(listener)
        await listener.serve(lambda caller: _Call(line, to, caller).relay())


class _Call:
    """One connection of a caller, relayed request by request over a connection of its own to the target."""

    def __init__(self, line: BadLine, to: int, caller: SocketStream) -> None:
        self._line, self._to, self._caller = line, to, caller

    async def relay(self) -> None:
        """Relay until either side is gone."""
        reader = BufferedByteReceiveStream(self._caller)
        async with self._caller:
            with contextlib.suppress(OSError, *_GONE):
                while not self._line.dead:
                    head, body = await _message(reader)
                    trouble = self._line.next_trouble(head.split(b" ")[1].decode("latin-1")) or Trouble()
                    if not await self._answer(head + body, trouble, bodiless=head.startswith(b"HEAD ")):
                        break
            if self._line.dead:
                await aclose_forcefully(self._caller)

    async def _answer(self, sent: bytes, trouble: Trouble, *, bodiless: bool) -> bool:
        """Answer one request; whether the connection goes on."""
        said = trouble.says
        if trouble.passes:
            await anyio.sleep(trouble.passes)
        if trouble.passes is not None:
            said = await self._heard_from_target(sent, bodiless=bodiless)
        if said is None or trouble.hangs:
            await anyio.sleep(_LONGEST)
        if said is None or trouble.hangs or trouble.ends < 0:
            await aclose_forcefully(self._caller)
            return False
        await self._caller.send(said[: int(min(trouble.ends, len(said)))])
        return trouble.ends >= len(said) and not trouble.closes

    async def _heard_from_target(self, sent: bytes, *, bodiless: bool) -> bytes:
        async with await anyio.connect_tcp("127.0.0.1", self._to) as target:
            await target.send(sent)
            head, body = await _message(BufferedByteReceiveStream(target), bodiless=bodiless)
        self._line.answers.append(body)
        return head + body


async def _message(stream: BufferedByteReceiveStream, *, bodiless: bool = False) -> tuple[bytes, bytes]:
    """One request or answer, to its last byte."""
    head = await stream.receive_until(_HEAD_ENDS, _LARGEST) + _HEAD_ENDS
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    if headers.get(b"transfer-encoding") == b"chunked":
        last = b"0" + _HEAD_ENDS
        return head, await stream.receive_until(last, _LARGEST) + last
    return head, b"" if bodiless else await stream.receive_exactly(int(headers.get(b"content-length", 0)))
