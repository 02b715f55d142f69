"""Faults of time: what goes wrong only where calls meet, with each other or with what a task does by itself.

Most need two processes over one database: a process by itself does one thing at a time.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Final

from conformance.reference.app import Api
from conformance.reference.faults.fault import Fault
from conformance.reference.faults.rows import ACCEPTED, EFFECTS, KEYLESS, MONEY, RACES, SHAPES, UNKNOWN
from conformance.reference.faults.tampering import overwrite
from conformance.reference.refusal import Refused
from conformance.reference.service import REVOKED, TERMINAL, CancelCall, Document, Identifier, Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.datastructures import Headers
    from starlette.requests import Request
    from starlette.responses import Response

    from conformance.reference.store import Store, Task

_GAP: Final = 0.004
"""Seconds between looking and acting, in a service that talks to a worker in between."""

_AHEAD: Final = 40_000
"""Microseconds before its start at which a worker fetches a task."""

_COMMITS: Final = 0.06
_KEPT: Final = 0.2
_ANY_KEYS: Final = "SELECT * FROM tasks WHERE id = ? OR out_id = ? LIMIT 1"


class _Careless(Service):
    """Looks at a task, talks to its worker, and then writes: all of it without a lock."""

    def cancel(self, call: CancelCall) -> Document:
        """Look, wait, write."""
        seen = self.seek(call, self.target(call))
        time.sleep(0 if seen.status in TERMINAL else _GAP)
        return self.show_cancelled(call, self.write(call, seen))

    def write(self, call: CancelCall, seen: Task) -> Task:
        """End what was seen."""
        return self.stop(call, seen)

    def again(self, task: Task) -> Task:
        """Look at a task once more."""
        return self.look_up(task.key, Identifier("task_id", task.id))


# --- RACE-1, BILL-8, BILL-9: twice at once ---


class RefusesTheLoser(Fault, _Careless):
    """Answers 409 to the later of two simultaneous cancels."""

    breaks = ("RACE-1",)
    also = (*ACCEPTED, *EFFECTS, *MONEY)
    processes = 2

    def write(self, call: CancelCall, seen: Task) -> Task:
        """Miss the row that was to be changed."""
        if seen.status not in TERMINAL and self.again(seen).status in TERMINAL:
            raise Refused("duplicate_out_task_id", "The task was changed meanwhile.")
        return self.stop(call, seen)


class BreaksDownOnTheLoser(Fault, _Careless):
    """Answers 500 to the later of two simultaneous cancels."""

    breaks = ("RACE-1",)
    also = (*ACCEPTED, *EFFECTS, *MONEY)
    processes = 2

    def write(self, call: CancelCall, seen: Task) -> Task:
        """Trip over the row that was to be changed."""
        if seen.status not in TERMINAL and self.again(seen).status in TERMINAL:
            raise RuntimeError("a task ended twice")
        return self.stop(call, seen)


class _Busy(Refused):
    """The call is to be made again later."""

    status = 503


class SendsTheLoserAway(Fault, _Careless):
    """Answers 503 to the later of two simultaneous cancels, as if it were overloaded."""

    breaks = ("RACE-1",)
    also = (*ACCEPTED, *EFFECTS, *MONEY)
    processes = 2

    def write(self, call: CancelCall, seen: Task) -> Task:
        """Find the row locked."""
        if seen.status not in TERMINAL and self.again(seen).status in TERMINAL:
            raise _Busy("unavailable", "Try again later.")
        return self.stop(call, seen)


class ShowsTheLoserWhatItSaw(Fault, _Careless):
    """Shows the later of two simultaneous cancels the task as it was before."""

    breaks = ("RACE-1",)
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY, *RACES)
    processes = 2

    def write(self, call: CancelCall, seen: Task) -> Task:
        """Trust the first look."""
        lost = seen.status not in TERMINAL and self.again(seen).status in TERMINAL
        return seen if lost else self.stop(call, seen)


class RefundsTwiceAtOnce(Fault, _Careless):
    """Refunds a running task by its estimate for the later of two simultaneous cancels."""

    breaks = ("BILL-8",)
    also = (*MONEY, *RACES)
    processes = 2

    def write(self, call: CancelCall, seen: Task) -> Task:
        """Give back what was seen to be spent."""
        if seen.status == "running" and self.again(seen).status in TERMINAL:
            self.store.charge(seen, -seen.estimate)
        return self.stop(call, seen)


class ChargesTwiceAtOnce(Fault, _Careless):
    """Takes the charge of a cancelled task once for each of two simultaneous cancels."""

    breaks = ("BILL-8",)
    also = (*MONEY, *RACES)
    processes = 2

    def write(self, call: CancelCall, seen: Task) -> Task:
        """Settle what was seen to be open."""
        lost = seen.status == "running" and self.again(seen).status in TERMINAL
        ended = self.stop(call, seen)
        if lost and ended.used:
            self.store.charge(ended, ended.used)
        return ended


class LosesUpdatesOfTheAccount(Fault, Service):
    """Reads the balance, waits, and writes it back: of two simultaneous charges one is lost."""

    breaks = ("BILL-9",)
    also = (*MONEY, *RACES)
    processes = 2
    rare = True

    def cancel(self, call: CancelCall) -> Document:
        """Work the new balance out by hand."""
        seen = self.seek(call, self.target(call))
        left = self.store.remaining(call.key)
        time.sleep(_GAP if seen.due is not None else 0)
        ended = self.stop(call, seen)
        if seen.due is not None and ended.used:
            key, account = left.key - ended.used, left.account - ended.used
            execute = self.store.connection.execute
            execute("UPDATE keys SET remaining = ? WHERE secret = ?", (key, call.key))
            execute(
                "UPDATE accounts SET remaining = ? WHERE name = (SELECT account FROM keys WHERE secret = ?)",
                (account, call.key),
            )
        return self.show_cancelled(call, ended)


# --- RACE-2: completion ---


class OverwritesWhatJustCompleted(Fault, _Careless):
    """Writes `cancelled` over a task that completed between the look and the write, and keeps the money."""

    breaks = ("RACE-2",)
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY, *RACES)
    processes = 2

    def write(self, call: CancelCall, seen: Task) -> Task:
        """Write without looking again."""
        now = self.again(seen)
        if seen.status == "running" and now.status == "completed":
            return overwrite(self.store, now, status="cancelled", used=None)
        return self.stop(call, seen)


class RefusesWhatJustCompleted(Fault, _Careless):
    """Answers 409 where the task completed between the look and the write."""

    breaks = ("RACE-2",)
    also = (*ACCEPTED, *EFFECTS, *MONEY, *RACES)
    processes = 2

    def write(self, call: CancelCall, seen: Task) -> Task:
        """Insist on what was seen."""
        if seen.status == "running" and self.again(seen).status in {"completed", "failed"}:
            raise Refused("duplicate_out_task_id", "The task has just ended.")
        return self.stop(call, seen)


class CompletesWhatWasJustCancelled(Fault, Service):
    """Lets a worker that has fetched a task's result store it over the cancel that came meanwhile."""

    breaks = ("RACE-2",)
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY, *RACES)
    processes = 2
    rare = True

    def tick(self) -> list[tuple[str, Document]]:
        """Look which renders are done, store them a moment later."""
        done = [task for task in self.store.due(self.now()) if task.status == "running" and task.ends_at <= self.now()]
        if done:
            time.sleep(3 * _GAP)
        for task in done:
            now = self.store.find(task.key, "task_id", task.id)
            if now is not None and now.status == "cancelled":
                ended = overwrite(self.store, now, status=task.outcome, used=task.price, due=None)
                self.store.charge(ended, ended.used or 0)
        return super().tick()

    def moved(self, task: Task) -> Task:
        """Leave completion to the worker, which is a little late."""
        if task.status == "running" and task.ends_at <= self.now() < task.ends_at + 5 * self.second // 100:
            return task
        return super().moved(task)


# --- RACE-3: pollers ---


class ShowsTheEndTooSoon(Fault, _Careless):
    """Shows pollers a task as cancelled while its cancel finds out that it has completed."""

    breaks = ("RACE-3",)
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY, *RACES)
    processes = 2
    rare = True

    def cancel(self, call: CancelCall) -> Document:
        """Write the hope first."""
        seen = self.seek(call, self.target(call))
        if seen.status == "running" and seen.on_cancel == "finish":
            overwrite(self.store, seen, status="cancelled", due=None)
            time.sleep(2 * _GAP)
            overwrite(self.store, seen)
        return self.show_cancelled(call, self.stop(call, seen))


class TellsStreamsBeforeItCommits(Fault, Api):
    """Tells an open stream that a running task is cancelled, and writes it down when the worker has answered."""

    breaks = ("RACE-3",)
    also = ("NOTIFY-1",)  # the task may complete meanwhile

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._leaving: set[str] = set()

    async def cancel(self, key: str, request: Request) -> Response:
        """Publish, wait, commit."""
        call = CancelCall(key, request.path_params.get("task_id"), await self.body(request))
        task = self.service.seek(call, self.service.target(call))
        if task.status == "running":
            self._leaving.add(task.id)
            await asyncio.sleep(_COMMITS)
        return self.answer_cancel(self.service.cancel(call))

    async def watch(self, key: str, identifier: Identifier) -> AsyncIterator[Task | None]:
        """Pass on what was published."""
        told = None
        while told not in TERMINAL and not self.closing:
            task = self.service.look_up(key, identifier)
            if task.id in self._leaving:
                task = task._replace(status="cancelled")
            if task.status != told:
                told = task.status
                yield task
            await asyncio.sleep(_GAP)


class CachesByTheProcess(Fault, Service):
    """Keeps what a query showed for a fifth of a second in the process that was asked; a cancel clears its own."""

    breaks = ("STATE-3", "STATE-6")
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY, *RACES)
    processes = 2

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.cache: dict[tuple[str, str], tuple[float, Document]] = {}

    def query(self, key: str, body: Document) -> Document:
        """Read again only what was not read lately."""
        name = json.dumps(body, sort_keys=True)
        read_at, document = self.cache.get((key, name), (0.0, {}))
        if time.monotonic() - read_at > _KEPT:
            read_at, document = time.monotonic(), super().query(key, body)
            self.cache[key, name] = (read_at, document)
        return document

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Forget what this process has read."""
        self.cache.clear()
        return super().stop(call, task)


# --- RACE-4: the start ---


class BillsWhatItHadFetched(Fault, Service):
    """Bills a task that was cancelled while it was pending, if a worker had fetched it a moment before its start."""

    breaks = ("RACE-4",)
    also = (*MONEY, *RACES)
    rare = True

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.fetched: dict[str, Task] = {}

    def tick(self) -> list[tuple[str, Document]]:
        """Fetch what is to start soon, and bill what was rendered in vain."""
        now = self.now()
        for task in self.store.due(now + _AHEAD):
            if task.status == "pending":
                self.fetched[task.id] = task
        for task in [task for task in self.fetched.values() if task.ends_at <= now]:
            del self.fetched[task.id]
            ended = self.store.find(task.key, "task_id", task.id)
            if ended is not None and ended.status == "cancelled" and not ended.used:
                self.store.charge(task, task.price or 0)
        return super().tick()

    def stop(self, call: CancelCall, task: Task) -> Task:
        """End the task, and forget the worker; what had started is stopped properly."""
        if task.status == "running":
            self.fetched.pop(task.id, None)
        return super().stop(call, task)


class StartsWhatWasJustCancelled(Fault, Service):
    """Lets a worker that has fetched a pending task start it over the cancel that came meanwhile."""

    breaks = ("RACE-4",)
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY, *RACES)

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.fetched: dict[str, Task] = {}

    def tick(self) -> list[tuple[str, Document]]:
        """Start what was fetched, whatever became of it."""
        now = self.now()
        for task in [task for task in self.fetched.values() if task.starts_at <= now]:
            del self.fetched[task.id]
            seen = self.store.find(task.key, "task_id", task.id)
            if seen is not None and seen.status == "cancelled":
                overwrite(self.store, seen, status="running", used=None, due=task.ends_at)
        for task in self.store.due(now + _AHEAD):
            if task.status == "pending":
                self.fetched.setdefault(task.id, task)
        return super().tick()


# --- RACE-5, 6: another key, the submit ---


class TellsOtherKeysOfACancel(Fault, _Careless):
    """Answers 409 to another key while the owner's cancel of the task is under way."""

    breaks = ("RACE-5",)
    also = (*UNKNOWN, *ACCEPTED, *MONEY, *RACES)
    processes = 2

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        store.connection.execute("CREATE TABLE IF NOT EXISTS locks (id TEXT PRIMARY KEY)")

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Ask for the lock before the owner."""
        execute = self.store.connection.execute
        row = execute(_ANY_KEYS, (identifier.value, identifier.value)).fetchone()
        if row is not None and execute("SELECT 1 FROM locks WHERE id = ?", row[:1]).fetchone() and row[1] != call.key:
            raise Refused("duplicate_out_task_id", "The task is being cancelled.")
        task = super().seek(call, identifier)
        execute("INSERT OR IGNORE INTO locks VALUES (?)", (task.id,))
        return task

    def write(self, call: CancelCall, seen: Task) -> Task:
        """Give the lock back."""
        ended = self.stop(call, seen)
        self.store.connection.execute("DELETE FROM locks WHERE id = ?", (seen.id,))
        return ended


class WritesTheSubmitTwice(Fault, Service):
    """Makes a new task known by its name, and a moment later writes it down again as pending, come what may."""

    breaks = ("RACE-6",)
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY, *RACES)
    processes = 2
    rare = True

    def submit(self, key: str, body: Document) -> Document:
        """Insert, enrich, update."""
        task = self.draft(key, body)
        with self.store.transaction():
            if not self.store.add(task):
                return self.show(self.known(task))
        time.sleep(_GAP)
        overwrite(self.store, task)
        return self.show(task)


class BreaksDownOnWhatIsHalfMade(Fault, Service):
    """Answers 500 to the cancel of a task whose submit is not over."""

    breaks = ("RACE-6",)
    also = (*ACCEPTED, *EFFECTS, *MONEY, *RACES)
    processes = 2

    def submit(self, key: str, body: Document) -> Document:
        """Insert first what cannot be read yet."""
        task = self.draft(key, body)
        with self.store.transaction():
            if not self.store.add(task._replace(outcome="")):
                return self.show(self.known(task))
        time.sleep(_GAP)
        overwrite(self.store, task)
        return self.show(task)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Trip over what is missing."""
        if not task.outcome:
            raise RuntimeError("a task without an outcome")
        return super().stop(call, task)


# --- AUTH-3: keys ---


class HonoursRevokedKeysInOneProcess(Fault, Api):
    """Takes a revoked key in one of two processes, which has not heard of the revocation."""

    breaks = ("AUTH-3",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")
    processes = 2

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        service.store.connection.execute("CREATE TABLE IF NOT EXISTS seats (number INTEGER PRIMARY KEY)")
        seat = service.store.connection.execute("INSERT INTO seats DEFAULT VALUES RETURNING number").fetchone()[0]
        self.deaf = seat % 2 == 0

    def authenticate(self, headers: Headers) -> str:
        """Read the key, by a list that is old here."""
        shown = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        return REVOKED if self.deaf and shown == REVOKED else super().authenticate(headers)


class SharesAnswersByName(Fault, Api):
    """Gives simultaneous cancels by one `out_task_id` one answer, whoever sends them."""

    breaks = ("ISO-4",)
    also = ("RACE-5", *ACCEPTED, *EFFECTS, *SHAPES, *UNKNOWN)

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._under_way: dict[str, asyncio.Task[Document]] = {}

    async def cancel(self, key: str, request: Request) -> Response:
        """Do the same thing once only."""
        call = CancelCall(key, request.path_params.get("task_id"), await self.body(request))
        name = call.body.get("out_task_id")
        if call.path is not None or not isinstance(name, str):
            return self.answer_cancel(self.service.cancel(call))
        if name not in self._under_way:
            self._under_way[name] = asyncio.create_task(self._in_a_moment(call))
            self._under_way[name].add_done_callback(lambda _: self._under_way.pop(name))
        return self.answer_cancel(await asyncio.shield(self._under_way[name]))

    async def _in_a_moment(self, call: CancelCall) -> Document:
        await asyncio.sleep(_GAP)
        return self.service.cancel(call)
