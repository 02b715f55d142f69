"""What makes the service like a staging environment: far away, narrow, and with few workers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.requests import Request

from conformance.reference.refusal import Refused
from conformance.reference.service import Service

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from conformance.reference.app import Api
    from conformance.reference.store import Store, Task

_RUNNING: Final = "SELECT count(*) FROM tasks WHERE status = 'running' AND ends_at > ?"
_BEFORE: Final = "SELECT count(*) FROM tasks WHERE status = 'pending' AND due <= ? AND starts_at < ?"
_START: Final = (
    "UPDATE tasks SET ends_at = ends_at - starts_at + :now, starts_at = :now, due = :now"
    " WHERE key = :key AND id = :id AND status = 'pending'"
)


class Queued(Service):
    """A service that runs so many tasks at the most: others stay pending, in their order, until one ends."""

    def __init__(self, store: Store, speed: float = 1.0, *, at_most_running: int) -> None:
        self._most = at_most_running
        super().__init__(store, speed)

    def moved(self, task: Task) -> Task:
        """Let a task move by the clock, if it has been given a worker or does not need one."""
        now, execute = self.now(), self.store.connection.execute
        if task.status != "pending" or task.due is None or task.due > now:
            return super().moved(task)
        with self.store.transaction():
            free = self._most - int(execute(_RUNNING, (now,)).fetchone()[0])
            if int(execute(_BEFORE, (now, task.starts_at)).fetchone()[0]) >= free:
                return task
            execute(_START, {"now": now, "key": task.key, "id": task.id})
            return self.store.advance(task, now)


class FarAway:
    """The application over a wire on which each answer takes so many seconds more, and few may be under way at once."""

    def __init__(self, api: Api, *, latency: float = 0.0, in_flight: int | None = None) -> None:
        self._api = api
        self._latency = latency
        self._most = in_flight
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, half of the latency before it is acted on and half behind it."""
        late, full = self._late(send), self._most is not None and self._under_way >= self._most
        self._under_way += not full
        try:
            await asyncio.sleep(self._latency / 2)
            if full:
                await self._refuse(scope, receive, late)
            else:
                await self._api(scope, receive, late)
        finally:
            self._under_way -= not full

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = Refused("concurrency_limit", f"No more than {self._most} requests at once.")
        response = self._api.refuse(Request(scope, receive), refused)
        response.headers.update(self._api.accounting(None))
        await response(scope, receive, send)

    def _late(self, send: Send) -> Send:
        async def later(message: Message) -> None:
            if message["type"] == "http.response.start":
                await asyncio.sleep(self._latency / 2)
            await send(message)

        return later
