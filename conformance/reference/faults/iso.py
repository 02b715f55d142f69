"""Faults about what belongs to another key."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from conformance.reference.app import Api
from conformance.reference.faults.bill import FEE, take
from conformance.reference.faults.fault import Fault
from conformance.reference.faults.rows import MONEY, OTHERS, UNKNOWN
from conformance.reference.faults.tampering import cancel_at, overwrite
from conformance.reference.refusal import Refused
from conformance.reference.service import TERMINAL, CancelCall, Document, Identifier, Service
from conformance.reference.store import Task

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from conformance.reference.store import Store

_FOREIGN: Final = {
    "task_id": "SELECT * FROM tasks WHERE key != ? AND id = ?",
    "out_task_id": "SELECT * FROM tasks WHERE key != ? AND out_id = ?",
}
_PAIR: Final = {"task_id", "out_task_id"}
_TWINS: Final = "SELECT * FROM tasks WHERE key != ? AND work = ? AND status = 'running'"
_FIRST: Final = "SELECT * FROM tasks WHERE out_id = ? ORDER BY rowid LIMIT 1"
_NAMESAKES: Final = "SELECT * FROM tasks WHERE key != ? AND out_id = ? AND status = 'pending'"
_NEVER: Final = 1 << 62
_WHILE: Final = 0.008
_A_WHILE: Final = 400_000
_A_TURN: Final = 1_500_000
_THIRD: Final = 3
_TWICE: Final = 2


def twins(store: Store, task: Task) -> list[Task]:
    """Find the tasks of other keys that run for the same work."""
    return [Task._make(row) for row in store.connection.execute(_TWINS, (task.key, task.work))]


def foreign(store: Store, key: str, identifier: Identifier) -> Task | None:
    """Find the task of another key that an identifier names."""
    try:
        row = store.connection.execute(_FOREIGN[identifier.field], (key, identifier.value)).fetchone()
    except UnicodeEncodeError:
        return None
    return None if row is None else Task._make(row)


@dataclass(frozen=True)
class Meeting:
    """A call that names a task of another key, and how it is to be refused."""

    call: CancelCall
    task: Task
    refusal: Refused


class Knowing(Service):
    """Knows whose a task is that the caller does not own: a part of the service that faults build on."""

    def cancel(self, call: CancelCall) -> Document:
        """Look whose it is before refusing."""
        try:
            return super().cancel(call)
        except Refused as refusal:
            task = foreign(self.store, call.key, self.target(call)) if refusal.code == "task_not_found" else None
            if task is None:
                raise
            return self.meet(Meeting(call, self.moved(task), refusal))

    def meet(self, met: Meeting) -> Document:
        """Do something about a foreign task."""
        raise met.refusal


# --- ISO-1: whose it is ---


class CancelsForeignTasks(Fault, Knowing):
    """Cancels every task that exists, whoever asks."""

    breaks = ("ISO-1", "ISO-2", "ISO-3")
    also = ("ISO-5", "ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Look for the id alone."""
        return self.show_cancelled(met.call, self.stop(met.call, met.task))


class CancelsForeignTasksByOutTaskId(Fault, Knowing):
    """Cancels a foreign task that is named by its `out_task_id`."""

    breaks = ("ISO-1", "ISO-2", "ISO-3")
    also = ("ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Forget the key in one of two statements."""
        if "out_task_id" in met.call.body:
            return self.show_cancelled(met.call, self.stop(met.call, met.task))
        raise met.refusal


class CancelsForeignTasksWithoutAName(Fault, Knowing):
    """Cancels a foreign task that has no `out_task_id`."""

    breaks = ("ISO-1", "ISO-2")
    also = ("ISO-3", "ISO-5", "ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Join on a column that is null."""
        if met.task.out_id is None:
            return self.show_cancelled(met.call, self.stop(met.call, met.task))
        raise met.refusal


class ReplaysAnswersToAnyKey(Fault, Knowing):
    """Remembers what it has answered to a cancel twice, and answers so whoever asks."""

    breaks = ("ISO-1",)
    also = ("ISO-3", "ISO-6", "RACE-5", *OTHERS)

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.answers: dict[Identifier, list[Document]] = {}

    def cancel(self, call: CancelCall) -> Document:
        """Remember the answer by the call, and not by the key."""
        document = super().cancel(call)
        self.answers.setdefault(self.target(call), []).append(document)
        return document

    def meet(self, met: Meeting) -> Document:
        """Spare the look-up."""
        answers = self.answers.get(self.target(met.call), [])
        if len(answers) < _TWICE:
            raise met.refusal
        return answers[-1]


class ForbidsForeignTasks(Fault, Knowing):
    """Answers 403 to the cancel of a foreign task."""

    breaks = ("ISO-1", "ISO-3")
    also = ("ERR-1", "ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Say that it is there."""
        raise _Forbidden("task_forbidden", met.refusal.message)


class CallsForeignTasksForbidden(Fault, Knowing):
    """Answers 404 with a code of its own to the cancel of a foreign task."""

    breaks = ("ISO-1", "ISO-3")
    also = ("ERR-1", "ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Hide it in the status only."""
        raise _NotYours("task_not_yours", met.refusal.message, met.refusal.param)


class CallsForeignTasksInvalid(Fault, Knowing):
    """Answers 400 to the cancel of a foreign task."""

    breaks = ("ISO-1", "ISO-3")
    also = ("ERR-1", "ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Blame the identifier."""
        raise Refused.invalid("This identifier cannot be used with this key.", met.refusal.param)


class TrustsXApiKey(Fault, Api):
    """Cancels every task that exists for whoever shows a key in `x-api-key`."""

    breaks = ("ISO-1", "ISO-2")
    also = ("ISO-3", "ISO-5", "ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    async def cancel(self, key: str, request: Request) -> Response:
        """Have a second gate that hands on no owner."""
        call = CancelCall(key, request.path_params.get("task_id"), await self.body(request))
        gate = "x-api-key" in request.headers
        task = foreign(self.service.store, key, self.service.target(call)) if gate else None
        return self.answer_cancel(self.service.cancel(call if task is None else replace(call, key=task.key)))


# --- ISO-2: as if nothing had been sent ---


class RefusesForeignTasksButCancels(Fault, Knowing):
    """Answers 404 to the cancel of a foreign task, and cancels it."""

    breaks = ("ISO-2",)
    also = ("ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Look at the key last."""
        self.stop(met.call, met.task)
        raise met.refusal


class StopsForeignTasksNamedTwice(Fault, Service):
    """Refuses a body with two identifiers, and cancels what they name if that is another key's."""

    breaks = ("ISO-2",)
    also = ("IDENT-4", "IDENT-5", "IDENT-14", *MONEY, *OTHERS)

    def cancel(self, call: CancelCall) -> Document:
        """Look for each of them before counting them, and at the key where there is only one."""
        try:
            return super().cancel(call)
        except Refused as refusal:
            if refusal.code != "invalid_param" or not call.body.keys() >= _PAIR:
                raise
            for field in _PAIR:
                value = call.body[field]
                task = foreign(self.store, call.key, Identifier(field, value)) if isinstance(value, str) else None
                if task is not None:
                    self.stop(call, self.moved(task))
            raise


class ReadsOtherTypesWithoutAKey(Fault, Api):
    """Cancels every task that exists, whoever asks, if the body does not say that it is JSON."""

    breaks = ("ISO-2",)
    also = ("ERR-7", *MONEY, *OTHERS)

    async def cancel(self, key: str, request: Request) -> Response:
        """Hand it on to an elder reader, which knows no keys."""
        content = await request.body()
        if not content or request.headers.get("content-type", "").startswith("application/json"):
            return await super().cancel(key, request)
        call = CancelCall(key, request.path_params.get("task_id"), self.read(request, content))
        task = foreign(self.service.store, key, self.service.target(call))
        return self.answer_cancel(self.service.cancel(call if task is None else replace(call, key=task.key)))


class CountsForeignCallsInTheTask(Fault, Knowing):
    """Adds a second to `estimated_seconds` of a task whenever another key tries to cancel it."""

    breaks = ("ISO-2",)
    also = ("IDEMP-4", "IDEMP-5", "PARITY-2", "IDENT-2", "IDENT-3", "ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Write something down where it was found."""
        overwrite(self.store, met.task, seconds=met.task.seconds + 1)
        raise met.refusal


class StartsForeignTasks(Fault, Knowing):
    """Starts a pending task at once when another key tries to cancel it."""

    breaks = ("ISO-2",)
    also = ("ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Wake the scheduler."""
        if met.task.status == "pending":
            overwrite(self.store, met.task, starts_at=self.now(), due=self.now())
        raise met.refusal


class StopsTheLatestOfAName(Fault, Service):
    """Keeps its clocks by name: the cancel of a pending task stops that of another key's later one of the same name."""

    breaks = ("ISO-2",)
    also = ("ISO-4", *MONEY, *OTHERS)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Stop the clock that was set last."""
        if task.status == "pending" and task.out_id is not None:
            rows = self.store.connection.execute(_NAMESAKES, (task.key, task.out_id))
            for other in [Task(*row) for row in rows]:
                overwrite(self.store, other, starts_at=_NEVER, ends_at=_NEVER, due=_NEVER)
        return super().stop(call, task)


class SendsForeignTasksBack(Fault, Knowing):
    """Answers 404 to the cancel of a foreign running task, and has it wait once more before it goes on."""

    breaks = ("ISO-2",)
    also = ("ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Take it from its worker, look at the key, and put it in the queue again."""
        if met.task.status == "running":
            overwrite(self.store, met.task, status="pending", due=self.now() + _A_TURN)
        raise met.refusal


class CancelsForeignWorkLater(Fault, Knowing):
    """Answers 404 to the cancel of a foreign running task, which is cancelled in a while, when nobody asks."""

    breaks = ("ISO-2",)
    also = ("ISO-6", "NOTIFY-1", "NOTIFY-2", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Break the worker's lease, and look at the key."""
        if met.task.status == "running":
            cancel_at(self.store, met.task, self.now() + _A_WHILE)
        raise met.refusal


class CancelsForeignTwins(Fault, Service):
    """Cancels, with a task that runs, those of other keys that run for the same work."""

    breaks = ("ISO-2",)
    also = ("ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Free the worker, and all that it does."""
        stopped = super().stop(call, task)
        if task.status == "running":
            for twin in twins(self.store, task):
                self.store.cancel(twin, self.now(), self.second)
        return stopped


class CancelsForeignTasksAtTheirStart(Fault, Knowing):
    """Answers 404 to the cancel of a foreign pending task, and cancels it when it would start."""

    breaks = ("ISO-2",)
    also = ("NOTIFY-1", "NOTIFY-2", "ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self._marked: set[str] = set()

    def meet(self, met: Meeting) -> Document:
        """Leave a mark for the worker, which asks for no key."""
        if met.task.status == "pending":
            self._marked.add(met.task.id)
        raise met.refusal

    def moved(self, task: Task) -> Task:
        """Look at the mark before starting."""
        moved = super().moved(task)
        marked = moved.status == "running" and moved.id in self._marked
        return self.store.cancel(moved, self.now(), self.second) if marked else moved


class CancelsForeignNamesAtTheirStart(CancelsForeignTasksAtTheirStart):
    """Answers 404 to the cancel of a foreign pending task by its `out_task_id`, and cancels it when it would start."""

    def meet(self, met: Meeting) -> Document:
        """Leave a mark under the name alone."""
        if "out_task_id" not in met.call.body:
            raise met.refusal
        return super().meet(met)


# --- ISO-3, 6: nothing to be learned ---


class TellsWhoseItIs(Fault, Knowing):
    """Says in the message of the 404 that the task belongs to another key."""

    breaks = ("ISO-3",)
    also = ("ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Be helpful."""
        raise Refused("task_not_found", "The task belongs to another key.", met.refusal.param)


class CallsItAPermission(Fault, Knowing):
    """Gives the 404 for a foreign task another type."""

    breaks = ("ISO-3",)
    also = ("ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Sort it under another class of errors."""
        raise _Permission("task_not_found", met.refusal.message, met.refusal.param)


class HidesForeignWorkOtherwise(Fault, Knowing):
    """Names no parameter in the 404 for a foreign task that runs."""

    breaks = ("ISO-3",)
    also = ("ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Ask the worker, which knows no parameters."""
        if met.task.status == "running":
            raise Refused("task_not_found", met.refusal.message)
        raise met.refusal


class HidesForeignResultsOtherwise(Fault, Knowing):
    """Says in the message of the 404 for a foreign task that has completed that it is no more."""

    breaks = ("ISO-3",)
    also = ("ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Refuse it where results are kept."""
        if met.task.status == "completed":
            raise Refused("task_not_found", "No such task any more.", met.refusal.param)
        raise met.refusal


class TakesLongerOverForeignTasks(Fault, Knowing):
    """Takes 8 ms longer to refuse a foreign task."""

    breaks = ("ISO-6",)
    also = (*UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Load it before comparing keys."""
        time.sleep(_WHILE)
        raise met.refusal


class NamesTheOtherIdentifier(Fault, Knowing):
    """Names the `out_task_id` of a foreign task in the 404 where it was asked for by its task id."""

    breaks = ("ISO-3",)
    also = ("ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Name it as its owner does."""
        if "out_task_id" not in met.call.body and met.task.out_id:
            raise Refused("task_not_found", f"No task matches {met.task.out_id}.", met.refusal.param)
        raise met.refusal


class TellsOnceWhoseItIs(Fault, Knowing):
    """Says in the message of the 404 that the task belongs to another key, the first time that it is asked for."""

    breaks = ("ISO-3",)
    also = ("ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self._met: set[str] = set()

    def meet(self, met: Meeting) -> Document:
        """Have no answer ready."""
        if met.task.id not in self._met:
            self._met.add(met.task.id)
            raise Refused("task_not_found", "The task belongs to another key.", met.refusal.param)
        raise met.refusal


class ShowsThatItWasLookedUp(Fault, Api):
    """Tells by a header of caches, in the 404, that a foreign task was found."""

    breaks = ("ISO-3",)
    also = ("ISO-6", *UNKNOWN)

    async def cancel(self, key: str, request: Request) -> Response:
        """Keep what was found for all keys."""
        call = CancelCall(key, request.path_params.get("task_id"), await self.body(request))
        try:
            return self.answer_cancel(self.service.cancel(call))
        except Refused as refusal:
            if refusal.code != "task_not_found" or foreign(self.service.store, key, self.service.target(call)) is None:
                raise
            response = self.refuse(request, refusal)
            response.headers["x-cache"] = "HIT"
            return response


# --- ISO-4, 5: one name, two names ---


class CancelsTheFirstOfThatName(Fault, Service):
    """Finds by `out_task_id` the task that was submitted first, be it another key's."""

    breaks = ("ISO-4",)
    also = (*UNKNOWN, *MONEY, *OTHERS, "IDENT-3", "PARITY-2", "PARITY-4", "STATE-1", "STATE-2", "STATE-3", "RACE-1")

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Forget that the name is unique per key only."""
        own = super().seek(call, identifier)
        if identifier.field != "out_task_id":
            return own
        row = self.store.connection.execute(_FIRST, (identifier.value,)).fetchone()
        return self.moved(Task._make(row))


class PrefersLiveTasksOfThatName(Fault, Service):
    """Finds by `out_task_id`, where the caller's own task has ended, the task of another key that lives."""

    breaks = ("ISO-4",)
    also = (
        *(*UNKNOWN, *MONEY, *OTHERS, "IDENT-3", "IDEMP-3", "IDEMP-5", "PARITY-2", "PARITY-4"),
        *("STATE-1", "STATE-3", "RACE-1"),
    )

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Look for something to do."""
        own = super().seek(call, identifier)
        twin = foreign(self.store, call.key, identifier) if identifier.field == "out_task_id" else None
        return self.moved(twin) if twin is not None and twin.due is not None and own.due is None else own


class CancelsAllOfThatName(Fault, Service):
    """Cancels the tasks of all keys that have the `out_task_id`."""

    breaks = ("ISO-4",)
    also = (*UNKNOWN, *MONEY, *OTHERS)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Forget the key in the statement that writes."""
        twin = foreign(self.store, call.key, Identifier("out_task_id", task.out_id or ""))
        if twin is not None and "out_task_id" in call.body:
            super().stop(call, self.moved(twin))
        return super().stop(call, task)


class FallsBackFromForeignPaths(Fault, Knowing):
    """Acts on the body's own `task_id` where the path names a foreign task."""

    breaks = ("ISO-5",)
    also = (*UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Take the one that is allowed."""
        if met.call.path is not None and "task_id" in met.call.body:
            return super().cancel(CancelCall(met.call.key, None, met.call.body))
        raise met.refusal


class CancelsTheForeignTaskInTheBody(Fault, Service):
    """Cancels the foreign task of the body's `task_id` beside the path's own one."""

    breaks = ("ISO-5",)
    also = (*UNKNOWN, *MONEY, *OTHERS)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Take both, and look at the key of one."""
        inside = call.body.get("task_id")
        if call.path is not None and isinstance(inside, str):
            other = foreign(self.store, call.key, Identifier("task_id", inside))
            if other is not None and other.status not in TERMINAL:
                self.store.cancel(other, self.now(), self.second)
        return super().stop(call, task)


# --- ISO-7: accounts ---


class ChargesTheCallerForForeignTasks(Fault, Knowing):
    """Takes a thousandth of a credit from whoever tries to cancel a foreign task."""

    breaks = ("ISO-7", "BILL-7")
    also = ("BILL-9", "ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Fine the caller."""
        take(self.store, met.call.key, FEE)
        raise met.refusal


class ChargesTheOwnerForForeignCalls(Fault, Knowing):
    """Takes a thousandth of a credit from the owner of a task that another key tries to cancel."""

    breaks = ("ISO-7", "ISO-2")
    also = ("BILL-9", "ISO-6", *UNKNOWN, *MONEY, *OTHERS)

    def meet(self, met: Meeting) -> Document:
        """Count the call where the task is."""
        take(self.store, met.task.key, FEE)
        raise met.refusal


class _Forbidden(Refused):
    """A refusal with 403."""

    @property
    def status(self) -> int:
        return 403


class _NotYours(Refused):
    """A refusal with 404 and another code."""

    @property
    def status(self) -> int:
        return 404


class _Permission(Refused):
    """A refusal of another type."""

    @property
    def type(self) -> str:
        return "permission_error"


class YieldsToTheThirdForeignCall(Fault, Knowing):
    """Answers 404 to another key, and cancels the task at the third time."""

    breaks = ("ISO-2",)
    also = (*OTHERS, *MONEY)

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.met: Counter[str] = Counter()

    def meet(self, met: Meeting) -> Document:
        """Count the tries."""
        self.met[met.task.id] += 1
        if self.met[met.task.id] == _THIRD:
            self.stop(met.call, met.task)
        raise met.refusal
