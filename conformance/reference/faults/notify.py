"""Faults about who else is told how a task ended: over open event streams, and at callback URLs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar, Final

from conformance.reference.app import Api
from conformance.reference.faults.fault import Fault
from conformance.reference.faults.iso import Knowing, Meeting
from conformance.reference.faults.rows import EFFECTS, MONEY, OTHERS, SHAPES
from conformance.reference.faults.tampering import overwrite
from conformance.reference.notify import on_this_machine, tell
from conformance.reference.service import TERMINAL, CancelCall, Document, Identifier, Service
from conformance.reference.store import Task

if TYPE_CHECKING:
    from starlette.responses import Response

    from conformance.reference.store import Store

_BREATH: Final = 0.2
_SECOND: Final = 1_000_000
_AT_ONCE: Final = 20_000
_ERROR: Final = 500
_HASTE: Final = 0.3
_BY_ID: Final = "SELECT * FROM tasks WHERE id = ?"
_TO_TELL: Final = "SELECT * FROM tasks WHERE callback_url IS NOT NULL AND due IS NULL"

Calls = list[tuple[str, Document]]


# --- NOTIFY-1: event streams ---


class KeepsStreamsOpenAfterACancel(Fault, Api):
    """Never tells an open stream of a cancel, and keeps it alive."""

    breaks = ("NOTIFY-1",)

    async def watch(self, key: str, identifier: Identifier) -> AsyncIterator[Task | None]:
        """Miss what was not the worker's doing."""
        async for task in super().watch(key, identifier):
            while task is not None and task.status == "cancelled" and not self.closing:
                await asyncio.sleep(_BREATH)
                yield None
            yield task


class FallsSilentAfterACancel(Fault, Api):
    """Never tells an open stream of a cancel, nor anything else."""

    breaks = ("NOTIFY-1",)

    async def watch(self, key: str, identifier: Identifier) -> AsyncIterator[Task | None]:
        """Wait for the worker, which has gone."""
        async for task in super().watch(key, identifier):
            if task is not None and task.status == "cancelled":
                await asyncio.Event().wait()
            yield task


class TellsOneStreamAlone(Fault, Api):
    """Tells one of the open streams of a task of a cancel, and the others nothing more."""

    breaks = ("NOTIFY-1",)

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._told: dict[str, object] = {}

    async def watch(self, key: str, identifier: Identifier) -> AsyncIterator[Task | None]:
        """Take the news from a queue that all of them share."""
        this = object()
        async for task in super().watch(key, identifier):
            if task is not None and task.status == "cancelled" and self._told.setdefault(task.id, this) is not this:
                await asyncio.Event().wait()
            yield task


class ForgetsStreamsOfRunningWork(Fault, Api):
    """Tells a stream that was opened while the task ran nothing more."""

    breaks = ("NOTIFY-1",)

    async def watch(self, key: str, identifier: Identifier) -> AsyncIterator[Task | None]:
        """Join the listeners of a task at its start only."""
        async for task in super().watch(key, identifier):
            yield task
            if task is not None and task.status == "pending":
                break
            await asyncio.Event().wait()
        async for task in super().watch(key, identifier):
            yield task


class BreaksStreamsOffAtACancel(Fault, Api):
    """Ends an open stream at a cancel, without telling the state."""

    breaks = ("NOTIFY-1",)

    async def watch(self, key: str, identifier: Identifier) -> AsyncIterator[Task | None]:
        """Hang up."""
        async for task in super().watch(key, identifier):
            if task is not None and task.status == "cancelled":
                return
            yield task


class BreaksDownOnAListenerWhoLeft(Fault, Api):
    """Answers 500 to the cancel of a task whose stream was opened and left, which it has cancelled."""

    breaks = ("STATE-1", "STATE-2")
    also = (*SHAPES, "IDENT-1", "IDENT-2", "IDENT-3")

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._left: set[str] = set()

    async def watch(self, key: str, identifier: Identifier) -> AsyncIterator[Task | None]:
        """Remember who leaves before the end."""
        stays = False
        try:
            async for task in super().watch(key, identifier):
                stays = task is not None and task.status in TERMINAL
                yield task
        finally:
            if not stays:
                self._left.add(identifier.value)

    def answer_cancel(self, document: Document) -> Response:
        """Tell those who listen, and stumble over one who does not."""
        if document["task_id"] in self._left:
            self._left.discard(document["task_id"])
            raise RuntimeError("send on closed channel")
        return super().answer_cancel(document)


class _Misquoting(Api):
    """Writes another status into an event than the task has."""

    def misquote(self, document: Document) -> Document:
        """Change what is told."""
        raise NotImplementedError

    def event(self, document: Document) -> str:
        """Write it so."""
        return super().event(self.misquote(document))


class EndsStreamsWithRunning(Fault, _Misquoting):
    """Ends an open stream with what a cancelled task was before: running."""

    breaks = ("NOTIFY-1",)

    def misquote(self, document: Document) -> Document:
        """Tell what was known when the stream woke up."""
        return document | {"status": "running"} if document["status"] == "cancelled" else document


class TellsStreamsThatCancelledTasksCompleted(Fault, _Misquoting):
    """Tells an open stream that a cancelled task has completed."""

    breaks = ("NOTIFY-1",)

    def misquote(self, document: Document) -> Document:
        """Take every end for a good one."""
        return document | {"status": "completed"} if document["status"] == "cancelled" else document


class TellsStreamsOfTheNaturalEnd(Fault, Api):
    """Keeps the stream of a cancelled task open until its natural end, and then tells of that."""

    breaks = ("NOTIFY-1",)

    async def watch(self, key: str, identifier: Identifier) -> AsyncIterator[Task | None]:
        """Follow the worker, which goes on."""
        async for task in super().watch(key, identifier):
            yield task
            if task is not None and task.status == "cancelled":
                await asyncio.sleep((task.ends_at - self.service.now()) / _SECOND)
                yield task._replace(status=task.outcome)


# --- NOTIFY-2: callbacks ---


class _Calling(Service):
    """Tells callback URLs something else than what came of their tasks."""

    def calls(self, url: str, document: Document) -> Calls:
        """Say what is told instead."""
        raise NotImplementedError

    def tick(self) -> Calls:
        """Tell that."""
        return [call for url, document in super().tick() for call in self.calls(url, document)]


class TellsCallbacksTwice(Fault, _Calling):
    """Tells each callback URL twice at once."""

    breaks = ("NOTIFY-2",)

    def calls(self, url: str, document: Document) -> Calls:
        """Make sure."""
        return [(url, document)] * 2


class TellsCallbacksThatCancelledTasksFailed(Fault, _Calling):
    """Tells the callback URL of a cancelled task that it has failed."""

    breaks = ("NOTIFY-2",)

    def calls(self, url: str, document: Document) -> Calls:
        """Know only two ends."""
        return [(url, document | {"status": "failed"} if document["status"] == "cancelled" else document)]


class TellsNoCallbackOfACancel(Fault, _Calling):
    """Tells callback URLs of tasks that ended by themselves, and of no other."""

    breaks = ("NOTIFY-2",)

    def calls(self, url: str, document: Document) -> Calls:
        """Leave it to the worker."""
        return [] if document["status"] == "cancelled" else [(url, document)]


class TellsNoCallbackOfBrokenOffWork(Fault, _Calling):
    """Tells no callback URL of a task that was cancelled while it ran."""

    breaks = ("NOTIFY-2",)

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self._broken_off: set[str] = set()

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Have no worker left to report."""
        if task.status == "running":
            self._broken_off.add(task.id)
        return super().stop(call, task)

    def calls(self, url: str, document: Document) -> Calls:
        """Report the rest."""
        return [] if document["task_id"] in self._broken_off else [(url, document)]


class _CallingAgain(Service):
    """Tells a callback URL once more than it should."""

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.later: list[tuple[int, str, Document]] = []

    def tick(self) -> Calls:
        """Tell what is due by now, too."""
        now = self.now()
        due = [(url, document) for at, url, document in self.later if at <= now]
        self.later = [call for call in self.later if call[0] > now]
        return [*super().tick(), *due]


class TellsCallbacksOfTheNaturalEnd(Fault, _CallingAgain):
    """Tells the callback URL of a cancelled task again when it would have ended by itself."""

    breaks = ("NOTIFY-2",)
    going_on: ClassVar = {"pending", "running"}

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Let the worker report."""
        ended = super().stop(call, task)
        if task.status in self.going_on and ended.status == "cancelled":
            self.later.append((task.ends_at, task.callback_url or "", self.show(ended) | {"status": task.outcome}))
        return ended


class TellsCallbacksOfWorkThatGoesOn(TellsCallbacksOfTheNaturalEnd):
    """Tells the callback URL of a task that was cancelled while it ran again when its work is done."""

    going_on: ClassVar = {"running"}


class TellsCallbacksAtEveryCancel(Fault, _CallingAgain):
    """Tells the callback URL of a cancelled task again at each further cancel."""

    breaks = ("NOTIFY-2",)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Report what was done, though it was nothing."""
        if task.status == "cancelled":
            self.later.append((self.now(), task.callback_url or "", self.show(task)))
        return super().stop(call, task)


class TellsCallbacksOfBothWhoRace(Fault, _CallingAgain):
    """Tells the callback URL of a cancelled task again at a cancel that comes at the same time."""

    breaks = ("NOTIFY-2",)

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self._stopped: dict[str, int] = {}

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Have found it live as well."""
        stopped = self._stopped.setdefault(task.id, self.now())
        if task.status == "cancelled" and self.now() - stopped < _AT_ONCE:
            self.later.append((self.now(), task.callback_url or "", self.show(task)))
            self._stopped[task.id] = 0
        return super().stop(call, task)


class TellsCallbacksOfForeignCancels(Fault, _CallingAgain, Knowing):
    """Answers 404 to another key's cancel of a task, and tells the task's callback URL that it is cancelled."""

    breaks = ("NOTIFY-2",)

    def meet(self, met: Meeting) -> Document:
        """Announce it before anything is looked at."""
        if met.task.status not in TERMINAL:
            told = self.show(met.task) | {"status": "cancelled"}
            self.later.append((self.now(), met.task.callback_url or "", told))
        raise met.refusal


class TellsCallbacksFromEachProcess(Fault, Service):
    """Tells each callback URL once for each of its processes, which know nothing of one another."""

    breaks = ("NOTIFY-2",)
    processes = 2

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self._told: set[str] = set()

    def tick(self) -> Calls:
        """Remember in this process what was told."""
        super().tick()
        rows: list[Any] = self.store.connection.execute(_TO_TELL).fetchall()
        untold = [task for task in map(Task._make, rows) if task.id not in self._told]
        self._told |= {task.id for task in untold}
        return [(task.callback_url or "", self.show(task)) for task in untold]


# --- STATE-1, 2, 4: receivers that fail ---


class _HearingReceivers(Service):
    """Tells callback URLs in threads of its own, and acts on how that went."""

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self._went: SimpleQueue[tuple[object, int | None]] = SimpleQueue()

    def tick(self) -> Calls:
        """Send out what is to be told, and hear how it went with what was."""
        for url, document in super().tick():
            Thread(target=self._tell, args=(url, document), daemon=True).start()
        while not self._went.empty():
            task_id, status = self._went.get()
            [row] = self.store.connection.execute(_BY_ID, (task_id,)).fetchall()
            self.learn(Task._make(row), status)
        return []

    def learn(self, task: Task, status: int | None) -> None:
        """Act on the status that the receiver answered with, none if it was late."""
        raise NotImplementedError

    def _tell(self, url: str, document: Document) -> None:
        self._went.put((document["task_id"], tell(url, document, _HASTE)))


class RunsTasksAgainWhoseReceiverFails(Fault, _HearingReceivers):
    """Has a task run once more whose callback URL answers with an error."""

    breaks = ("STATE-4",)
    also = ("IDENT-2", "IDENT-3", "IDEMP-1", "IDEMP-2", *EFFECTS, *OTHERS, *MONEY, "NOTIFY-1", "NOTIFY-2")

    def learn(self, task: Task, status: int | None) -> None:
        """Count telling among the work."""
        if status is not None and status >= _ERROR:
            overwrite(self.store, task, status="running", ends_at=self.now() + _SECOND, due=self.now() + _SECOND)


class FailsTasksWhoseReceiverIsLate(Fault, _HearingReceivers):
    """Has a task fail whose callback URL does not answer in time."""

    breaks = ("STATE-4",)
    also = (*EFFECTS, *OTHERS, *MONEY, "NOTIFY-1", "NOTIFY-2")

    def learn(self, task: Task, status: int | None) -> None:
        """Count telling among the work."""
        if status is None:
            overwrite(self.store, task, status="failed")


class AnswersBeforeALateReceiver(Fault, Service):
    """Tells the callback URL within the cancel, and answers as if nothing had been done where that takes long."""

    breaks = ("STATE-1", "STATE-2")
    also = (*SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Give up what is not done yet."""
        stopped = super().stop(call, task)
        url = stopped.callback_url or ""
        late = task.status not in TERMINAL and on_this_machine(url) and tell(url, self.show(stopped), _HASTE) is None
        return task if late else stopped

    def tick(self) -> Calls:
        """Tell the rest."""
        return [(url, document) for url, document in super().tick() if document["status"] != "cancelled"]
