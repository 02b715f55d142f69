"""Strangers to whoever listens: to an event stream, or at a callback URL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from conformance.reference.app import Api, Handler
from conformance.reference.refusal import Refused
from conformance.reference.service import TERMINAL, Document, Identifier, Service
from conformance.reference.strangers.stranger import Stranger

if TYPE_CHECKING:
    from starlette.requests import Request

    from conformance.reference.store import Store, Task

_BREATH: Final = 0.2
_LATE: Final = 1_500_000

Calls = list[tuple[str, Document]]


class HasNoStreams(Stranger, Api):
    """Has no event streams."""

    unproven = ("NOTIFY-1",)

    def handler(self, request: Request) -> Handler:
        """Find no such route."""
        if self.path(request).startswith("/v1/tasks/stream/"):
            raise Refused("not_found", "No such route.")
        return super().handler(request)


class WrapsItsEvents(Stranger, Api):
    """Tells the state alone, two objects deep, over several lines that end in CRLF, in events of other names."""

    def event(self, document: Document) -> str:
        """Write no more of a task than changes."""
        told = json.dumps({"type": "task.updated", "data": {"task": {"status": document["status"]}}}, indent=1)
        lines = ["id: 1", f"event: {document['status']}", "retry: 5000", *(f"data:{each}" for each in told.split("\n"))]
        return "\r\n".join([*lines, "", ""])


class TellsStreamsOfChangesOnly(Stranger, Api):
    """Tells an event stream nothing of the state in which it finds a task that lives."""

    async def watch(self, key: str, identifier: Identifier) -> AsyncIterator[Task | None]:
        """Leave out the first."""
        first = True
        async for task in super().watch(key, identifier):
            yield None if first and task is not None and task.status not in TERMINAL else task
            first = False


class LeavesStreamsOpen(Stranger, Api):
    """Leaves it to the caller to close an event stream that has told the end."""

    async def watch(self, key: str, identifier: Identifier) -> AsyncIterator[Task | None]:
        """Stay on the line."""
        async for task in super().watch(key, identifier):
            yield task
        while not self.closing:
            await asyncio.sleep(_BREATH)
            yield None


class EndsStreamsAfterEachEvent(Stranger, Api):
    """Tells one event on a stream and ends it: who wants to know more asks again."""

    async def watch(self, key: str, identifier: Identifier) -> AsyncIterator[Task | None]:
        """Tell how it stands."""
        async for task in super().watch(key, identifier):
            yield task
            return


class EndsStreamsWithAWord(Stranger, Api):
    """Tells a stream in plain words, after the end in JSON, that this was all; and sends pings as events."""

    async def events(self, key: str, identifier: Identifier) -> AsyncIterator[str]:
        """Add them."""
        yield 'event: ping\ndata: {"type": "ping"}\n\n'
        async for event in super().events(key, identifier):
            yield event
        yield "data: [DONE]\n\n"


class TellsCallbacksOfProgress(Stranger, Service):
    """Calls the callback URL at each step of a task, with the task inside an envelope."""

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self._steps: Calls = []

    def moved(self, task: Task) -> Task:
        """Tell of a task that starts."""
        moved = super().moved(task)
        if moved.callback_url is not None and moved.status == "running" and task.status != "running":
            self._steps.append((moved.callback_url, _enveloped(self.show(moved))))
        return moved

    def tick(self) -> Calls:
        """Tell all of it."""
        calls = [(url, _enveloped(document)) for url, document in super().tick()]
        calls, self._steps = [*self._steps, *calls], []
        return calls


class TellsCallbacksLate(Stranger, Service):
    """Calls the callback URL a second and a half after the end."""

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self._waiting: list[tuple[int, str, Document]] = []

    def tick(self) -> Calls:
        """Hold back what is new."""
        now = self.now()
        self._waiting += [(now + _LATE, url, document) for url, document in super().tick()]
        due = [(url, document) for at, url, document in self._waiting if at <= now]
        self._waiting = [call for call in self._waiting if call[0] > now]
        return due


class CallsNobody(Stranger, Service):
    """Takes a callback URL, and never calls there."""

    unproven = ("NOTIFY-2",)

    def tick(self) -> Calls:
        """Keep quiet."""
        super().tick()
        return []


class RefusesCallbackUrls(Stranger, Service):
    """Takes no callback URL that is not https."""

    unproven = ("NOTIFY-2",)

    def draft(self, key: str, body: Document) -> Task:
        """Look at it before the work."""
        if not str(body.get("callback_url", "https:")).startswith("https:"):
            raise Refused.invalid("callback_url must begin with https://.", "callback_url")
        return super().draft(key, body)


def _enveloped(document: Document) -> Document:
    return {"id": f"evt_{document['task_id']}", "type": f"task.{document['status']}", "data": {"object": document}}
