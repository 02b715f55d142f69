"""What goes on beside the stories: one thread with an event loop, on which a run listens.

It starts when there is something to listen to, and is gone when the run closes. Nothing that it does waits for a story,
and no story waits for it without a limit.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from conformance.exchange import Exchange

_START_UP: Final = 10.0


class Background:
    """The thread, and its loop."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started = threading.Event()

    def run(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        """Have `work` done there."""
        return asyncio.run_coroutine_threadsafe(work, self._running_loop())

    def call(self, function: Callable[[], object]) -> None:
        """Have a function called there, if anything is going on there at all."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)

    def close(self) -> None:
        """Break off what is still going on, and end the thread."""
        if self._thread is not None and self._stop is not None:
            self.call(self._stop.set)
            self._thread.join()
            self._thread = self._loop = None
            self._started.clear()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._thread is None:
            self._thread = threading.Thread(target=asyncio.run, args=(self._main(),), name="listening", daemon=True)
            self._thread.start()
            self._started.wait(_START_UP)
        assert self._loop is not None  # noqa: S101 - it says so when it has started
        return self._loop

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._started.set()
        await self._stop.wait()


class Listener:
    """Keeps what was heard of one task, in order, until its story takes it; exchanges that bear no number yet."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heard: list[Exchange] = []
        self._taken = 0
        self.work: Future[None] | None = None

    def hear(self, exchange: Exchange) -> None:
        """Keep one more."""
        with self._changed:
            self._heard.append(exchange)
            self._changed.notify_all()

    def take(self) -> list[Exchange]:
        """What was heard since the last time that something was taken; a mistake of our own comes out here."""
        if self.work is not None and self.work.done() and not self.work.cancelled():
            self.work.result()
        with self._changed:
            taken = self._heard[self._taken :]
            self._taken = len(self._heard)
            return taken

    def has_more(self, until: float) -> bool:
        """Wait until there is something to take, but not past an instant on the monotonic clock; whether there is."""
        return self.wait(lambda heard: len(heard) > self._taken, until)

    def wait(self, enough: Callable[[list[Exchange]], bool], until: float) -> bool:
        """Wait until what was heard is `enough`, but not past an instant on the monotonic clock; whether it was."""
        with self._changed:
            return self._changed.wait_for(lambda: enough(self._heard), max(0.0, until - time.monotonic()))
