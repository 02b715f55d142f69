"""Simultaneous calls: each on a warm connection of its own, all but its last byte sent, then let go together.

What is held back is the last byte of each request, so that none can be acted on before all of them are there but for
that. Some proxies give up on half a request: there the connections are opened first, and whole requests are sent in
one go, which is a little less exact and always possible.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import h11

from conformance.target.raw import RawAnswer, connected, heard

_NEARLY: Final = 0.0008
"""Seconds before an instant from which on sleeping is not exact enough."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One call of a volley: its URL, the request to the last byte, and how many seconds after the first it leaves.

    Where the caller `hangs_up`, it waits for no answer.
    """

    url: str
    request: bytes
    after: float = 0.0
    hangs_up: bool = False


class Flight:
    """One shot on its way: prepared, let go, and listened for; `answer` or `lost` says how it ended."""

    def __init__(self, shot: Shot) -> None:
        self.shot = shot
        self.sent_at = self.ended_at = 0.0
        self.answer: RawAnswer | None = None
        self.lost: Exception | None = None
        self._channel: socket.socket | None = None
        self._rest = shot.request
        self._gone = threading.Event()

    def prepare(self, timeout: float, context: ssl.SSLContext | None, *, hold_back: bool) -> None:
        """Open a connection, and send on it what can be sent ahead."""
        try:
            self._channel = connected(self.shot.url, time.monotonic() + timeout, context)
            if hold_back:
                self._channel.sendall(self.shot.request[:-1])
                self._rest = self.shot.request[-1:]
        except OSError as error:
            self.lost = error

    def release(self) -> None:
        """Send the rest: from now on the request may be acted on."""
        self.sent_at = time.monotonic()
        if self._channel is not None and self.lost is None:
            with contextlib.suppress(OSError):  # an answer may be there all the same
                self._channel.sendall(self._rest)
        self.give_up()

    def give_up(self) -> None:
        """Whatever has not been sent will not be: nobody is to wait for it."""
        self._gone.set()

    def listen(self, timeout: float, most: int) -> None:
        """Wait for the release, and then for the answer."""
        self._gone.wait()
        if self.shot.hangs_up and self.lost is None:
            self.lost = ConnectionAbortedError("the connection was closed before an answer came")
        if self._channel is not None and self.lost is None:
            try:
                self.answer = heard(self._channel, self.sent_at + timeout, most)
            except (OSError, h11.RemoteProtocolError) as error:
                self.lost = error
        self.ended_at = time.monotonic()
        if self._channel is not None:
            self._channel.close()


def fired(
    shots: Sequence[Shot],
    *,
    timeout: float,
    most: int,
    context: ssl.SSLContext | None,
    hold_back: bool = True,
    start_at: float = 0.0,
) -> list[Flight]:
    """Fire all shots together, as soon as all are ready, or at `start_at` on the monotonic clock if that is later.

    Each has `timeout` seconds to connect, and as many from its release; a body is cut at `most` bytes. Nothing is
    raised: what kept a shot from an answer is its loss.
    """
    flights = [Flight(shot) for shot in shots]
    with ThreadPoolExecutor(len(shots)) as pool:
        list(pool.map(lambda flight: flight.prepare(timeout, context, hold_back=hold_back), flights))
        ears = [pool.submit(flight.listen, timeout, most) for flight in flights]
        try:
            start = max(start_at, time.monotonic())
            for flight in sorted(flights, key=lambda each: each.shot.after):
                _sleep_until(start + flight.shot.after)
                flight.release()
            for ear in ears:
                ear.result()
        finally:
            for flight in flights:
                flight.give_up()
    return flights


def _sleep_until(instant: float) -> None:
    """Sleep, and watch the clock over the last stretch."""
    while (left := instant - time.monotonic()) > 0:
        if left > _NEARLY:
            time.sleep(left - _NEARLY)
