"""Faults about what a cancel does to a task, and to others."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, ClassVar, Final

from conformance.reference.faults.fault import Fault
from conformance.reference.faults.ident import RememberingRetries
from conformance.reference.faults.rows import ACCEPTED, EFFECTS, MONEY, OTHERS, SHAPES
from conformance.reference.faults.tampering import cancel_at, live_tasks_of, overwrite, tasks_of
from conformance.reference.refusal import Refused
from conformance.reference.service import IDENTIFIERS, CancelCall, Document, Identifier, Service, named

if TYPE_CHECKING:
    from conformance.reference.store import Store, Task

_WHILE: Final = 0.5
_SHORTLY: Final = 0.2
_SHORT_WHILE: Final = 200_000
_SECOND: Final = 1_000_000
_STUCK: Final = 1.5
_NEVER: Final = 1 << 62


# --- STATE-1: pending tasks ---


class ShowsPendingTasksAsTheyWere(Fault, Service):
    """Cancels a pending task, and shows it as it was before."""

    breaks = ("STATE-1",)
    also = (*ACCEPTED, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Keep the old row for the answer."""
        ended = super().stop(call, task)
        return task if task.status == "pending" else ended


class ShowsPendingTasksAsRunning(Fault, Service):
    """Cancels a pending task, and shows it as running until the next look."""

    breaks = ("STATE-1",)
    also = (*ACCEPTED, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Have the worker start it, to have something to stop."""
        ended = super().stop(call, task)
        return ended._replace(status="running") if task.status == "pending" else ended


class FailsPendingTasks(Fault, Service):
    """Ends a pending task as failed instead of cancelled."""

    breaks = ("STATE-1",)
    also = (*ACCEPTED, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Treat the cancel as an error of the render."""
        ended = super().stop(call, task)
        return overwrite(self.store, ended, status="failed") if task.status == "pending" else ended


class RefusesPendingTasks(Fault, Service):
    """Refuses to cancel what has not started."""

    breaks = ("STATE-1",)
    also = (*ACCEPTED, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Find nothing to stop."""
        if task.status == "pending":
            raise Refused("duplicate_out_task_id", "The task has not started.")
        return super().stop(call, task)


# --- STATE-2, 3: running tasks ---


class OnlyFlagsRunningTasks(Fault, Service):
    """Answers 200 to the cancel of a running task, and lets it run on."""

    breaks = ("STATE-2", "STATE-3")
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Leave it to the worker."""
        return task if task.status == "running" else super().stop(call, task)


class CancelsRunningTasksLater(Fault, Service):
    """Answers `running` to the cancel of a running task, and ends it a little later."""

    breaks = ("STATE-2", "STATE-3")
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Tell the worker, and do not wait for it."""
        if task.status != "running":
            return super().stop(call, task)
        return cancel_at(self.store, task, self.now() + _SHORT_WHILE)


class RefusesRunningTasks(Fault, Service):
    """Refuses to cancel what runs, with 409."""

    breaks = ("STATE-2",)
    also = (*ACCEPTED, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Find it too late."""
        if task.status == "running":
            raise Refused("duplicate_out_task_id", "The task is running.")
        return super().stop(call, task)


class PutsRunningTasksBack(Fault, Service):
    """Answers `cancelled` to the cancel of a running task, and puts it back into the queue."""

    breaks = ("STATE-3", "STATE-6")
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Take the worker away, and leave the work."""
        ended = super().stop(call, task)
        if task.status == "running":
            overwrite(self.store, task, status="pending", starts_at=task.ends_at, due=task.ends_at)
        return ended


class OnlyAnswers(Fault, Service):
    """Answers `cancelled`, and does nothing."""

    breaks = ("STATE-3", "STATE-6")
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Undo at once what was done."""
        ended = super().stop(call, task)
        if ended.status == "cancelled" and task.status != "cancelled":
            overwrite(self.store, task)
        return ended


class RefusesWhatHasRunForASecond(Fault, Service):
    """Calls a task that has run for a second past the point of no return, and refuses to cancel it."""

    breaks = ("STATE-2",)
    also = (*ACCEPTED, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Look at the clock first."""
        if task.status == "running" and self.now() - task.starts_at > _SECOND:
            raise Refused.invalid("It is too late for that.")
        return super().stop(call, task)


class LeavesWhatHasRunForASecond(Fault, Service):
    """Answers the cancel of a task that has run for a second, and lets it run."""

    breaks = ("STATE-2",)
    also = (*ACCEPTED, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Look at the clock first."""
        late = task.status == "running" and self.now() - task.starts_at > _SECOND
        return task if late else super().stop(call, task)


# --- STATE-4, 5: for good ---


class CompletesCancelledTasks(Fault, Service):
    """Lets a cancelled task complete at its natural time."""

    breaks = ("STATE-4",)
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Forget to tell the worker."""
        ended = super().stop(call, task)
        if ended.status == "cancelled" and task.status != "cancelled":
            overwrite(self.store, ended, due=task.ends_at)
        return ended


class CompletesOnlyWhatWaited(Fault, Service):
    """Lets a task that was cancelled while it was pending start later as if nothing had happened."""

    breaks = ("STATE-4",)
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Leave it in the queue."""
        ended = super().stop(call, task)
        if task.status == "pending":
            overwrite(self.store, ended, due=task.starts_at)
        return ended


class FailsWhatItWasStopping(Fault, Service):
    """Turns a task that was cancelled while it ran into a failed one, where the render would have failed."""

    breaks = ("STATE-4",)
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Let the worker have the last word."""
        ended = super().stop(call, task)
        if task.status == "running" and task.outcome == "failed":
            overwrite(self.store, ended, due=task.ends_at)
        return ended


class RestartsWhatIsSubmittedAgain(Fault, Service):
    """Sends a cancelled task back into the queue when its submit comes again, with the same name and work."""

    breaks = ("STATE-4",)
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)

    def known(self, draft: Task) -> Task:
        """Find the task, and take the retry for a wish."""
        task = super().known(draft)
        if task.status != "cancelled":
            return task
        return overwrite(self.store, task, status="pending", used=None, starts_at=draft.starts_at, due=draft.due)


class StopsOneOfTwoClocks(Fault, RememberingRetries):
    """Lets a task go on after its cancel where its submit came twice before, and put it into the queue each time."""

    breaks = ("STATE-4",)
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Stop the clock that was set last."""
        ended = super().stop(call, task)
        if task.status == "pending" and task.id in self.retried:
            overwrite(self.store, ended, due=task.starts_at)
        return ended


class FailsCancelledTasks(Fault, Service):
    """Turns a cancelled task into a failed one when its time would have been up."""

    breaks = ("STATE-4",)
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Let a watchdog find it."""
        ended = super().stop(call, task)
        if ended.status == "cancelled" and task.status != "cancelled":
            overwrite(self.store, ended, due=task.ends_at, outcome="failed", price=None)
        return ended


class _Ageing(Service):
    """Knows how old a task is: a part of the service that faults build on."""

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self._made: dict[str, float] = {}

    def draft(self, key: str, body: Document) -> Task:
        """Know when it was made."""
        task = super().draft(key, body)
        self._made[task.id] = time.monotonic()
        return task

    def waited(self, task: Task) -> float:
        """Tell for how many seconds a task has been pending; none, if it no longer is."""
        now = time.monotonic()
        return now - self._made.get(task.id, now) if task.status == "pending" else 0.0


class PutsStuckTasksBack(Fault, _Ageing):
    """Puts a task that had waited for a second and a half when it was cancelled back into the queue, a second later."""

    breaks = ("STATE-3", "STATE-4")
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Have a watchdog that made a note of it come by."""
        ended = super().stop(call, task)
        if self.waited(task) > _STUCK:
            then = self.now() + _SECOND
            overwrite(self.store, ended, starts_at=then, ends_at=then, due=then, outcome="pending", price=None)
        return ended


class RendersCancelledTasks(Fault, Service):
    """Goes on rendering a cancelled task, whose output then appears while it stays cancelled."""

    breaks = ("STATE-5",)
    also = SHAPES

    def show(self, task: Task) -> Document:
        """Show what there is."""
        document = super().show(task)
        if task.status == "cancelled" and self.now() > task.ends_at:
            document["output"] = [{"type": "video", "url": f"https://cdn.example.org/{task.id}.mp4"}]
        return document


class OverwritesCompletedTasks(Fault, Service):
    """Turns a completed task into a cancelled one."""

    breaks = ("IDEMP-1", "IDEMP-4", "STATE-4")
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Write without looking."""
        if task.status == "completed":
            return overwrite(self.store, task, status="cancelled")
        return super().stop(call, task)


class OverwritesFailedTasks(Fault, Service):
    """Turns a failed task into a cancelled one."""

    breaks = ("IDEMP-2", "IDEMP-4", "STATE-4")
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Write without looking."""
        if task.status == "failed":
            return overwrite(self.store, task, status="cancelled")
        return super().stop(call, task)


# --- STATE-6: at once ---


class _Stale(Service):
    """Answers a query from a cache for a fifth of a second."""

    fields: ClassVar[tuple[str, ...]] = IDENTIFIERS

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.cache: dict[tuple[str, Identifier], tuple[float, Document]] = {}

    def query(self, key: str, body: Document) -> Document:
        """Read again only what was not read lately."""
        identifier = named(body)
        if identifier.field not in self.fields:
            return super().query(key, body)
        read_at, document = self.cache.get((key, identifier), (0.0, {}))
        if time.monotonic() - read_at > _SHORTLY:
            read_at, document = time.monotonic(), super().query(key, body)
            self.cache[key, identifier] = (read_at, document)
        return document


class ReadsStale(Fault, _Stale):
    """Shows for a fifth of a second what the last query has shown, whatever was cancelled since."""

    breaks = ("STATE-3", "STATE-6")
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)


class ReadsStaleByOutTaskId(Fault, _Stale):
    """Shows by `out_task_id`, for a fifth of a second, what the last such query has shown."""

    breaks = ("STATE-3", "STATE-6")
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)
    fields = ("out_task_id",)


class ReadsOldTasksFromAReplica(Fault, _Ageing):
    """Shows a task that has waited for a second when it is cancelled as it was, for another fifth of a second."""

    breaks = ("STATE-3", "STATE-6")
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self._copies: dict[str, tuple[float, Document]] = {}

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Leave a copy of what is old enough to have been copied."""
        if self.waited(task) > 1:
            self._copies[task.id] = (time.monotonic() + _SHORTLY, self.show(task))
        return super().stop(call, task)

    def query(self, key: str, body: Document) -> Document:
        """Prefer the copy while it is the latest."""
        document = super().query(key, body)
        until, copy = self._copies.get(document["task_id"], (0.0, document))
        return copy if time.monotonic() < until else document


class CommitsAfterItAnswers(Fault, Service):
    """Answers `cancelled` a fifth of a second before that is true."""

    breaks = ("STATE-3", "STATE-6")
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:  # noqa: ARG002 - however it was phrased
        """Leave the writing for later."""
        if task.due is None:
            return task
        cancel_at(self.store, task, self.now() + _SHORT_WHILE)
        return task._replace(status="cancelled", due=None)


# --- STATE-7: others ---


class _TakingAlong(Service):
    """Cancels with a live task those live ones that it takes along."""

    def takes_along(self, task: Task, other: Task) -> bool:
        """Whether the `other` goes with the task."""
        raise NotImplementedError

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Stop them first."""
        for other in live_tasks_of(self.store, call.key) if task.due is not None else []:
            if other.id != task.id and self.takes_along(task, other):
                super().stop(call, other)
        return super().stop(call, task)


class CancelsTwins(Fault, _TakingAlong):
    """Cancels every other live task with the same model and params too."""

    breaks = ("STATE-7",)
    also = (*OTHERS, *ACCEPTED, *EFFECTS, *MONEY)

    def takes_along(self, task: Task, other: Task) -> bool:
        """Name the work instead of the task."""
        return other.work == task.work


class CancelsRunningTwins(CancelsTwins):
    """Cancels, with a task that runs, every other one that runs with the same model and params."""

    def takes_along(self, task: Task, other: Task) -> bool:
        """Stop the worker that has loaded the model."""
        return super().takes_along(task, other) and task.status == self.moved(other).status == "running"


class CancelsRunningTwinsLater(Fault, Service):
    """Cancels, a second after a task that runs, every other one that runs with the same model and params."""

    breaks = ("STATE-7",)
    also = (*OTHERS, *ACCEPTED, *EFFECTS, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Give their worker a moment to notice."""
        for other in live_tasks_of(self.store, call.key) if task.status == "running" else []:
            if other.id != task.id and other.work == task.work and self.moved(other).status == "running":
                cancel_at(self.store, other, self.now() + self.second)
        return super().stop(call, task)


class StopsTheClockOfTwins(Fault, Service):
    """Has one clock for two tasks that wait for the same work: with a cancelled task the next one never starts."""

    breaks = ("STATE-7",)
    also = (*OTHERS, *EFFECTS)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Take a clock down by the name of the work."""
        twins = [other for other in live_tasks_of(self.store, call.key) if other.work == task.work]
        for other in [other for other in twins if other.id > task.id][-1:]:
            if self.moved(other).status == "pending":
                overwrite(self.store, other, starts_at=_NEVER, ends_at=_NEVER, due=_NEVER)
        return super().stop(call, task)


class StopsTheWorkersOfTwins(Fault, Service):
    """Has one worker for all running tasks of one kind: with a cancelled one the others never get to their end."""

    breaks = ("STATE-7",)
    also = (*OTHERS, *EFFECTS)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Take the worker down."""
        twins = [other for other in live_tasks_of(self.store, call.key) if other.work == task.work]
        for other in twins if task.status == "running" else []:
            if self.moved(other).status == "running":
                overwrite(self.store, self.moved(other), ends_at=_NEVER, due=_NEVER)
        return super().stop(call, task)


class CancelsTheNextOne(Fault, Service):
    """Cancels the task that was submitted next too."""

    breaks = ("STATE-7",)
    also = (*OTHERS, *ACCEPTED, *EFFECTS, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Reach one too far."""
        later = tasks_of(self.store, call.key)
        place = next((index for index, each in enumerate(later) if each.id == task.id), 0)
        if place and task.due is not None and later[place - 1].due is not None:
            super().stop(call, later[place - 1])
        return super().stop(call, task)


class CancelsAllThatRun(Fault, Service):
    """Cancels all running tasks of the key with the one that was named."""

    breaks = ("STATE-7",)
    also = (*OTHERS, *ACCEPTED, *EFFECTS, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Stop the worker instead of the task."""
        if task.status == "running":
            for other in live_tasks_of(self.store, call.key):
                if self.moved(other).status == "running":
                    self.store.cancel(other, self.now(), self.second)
            return self.look_up(call.key, Identifier("task_id", task.id))
        return super().stop(call, task)


class CancelsTheSeries(Fault, _TakingAlong):
    """Cancels every task whose `out_task_id` is the same but for a number at its end."""

    breaks = ("STATE-7",)
    also = (*OTHERS, *ACCEPTED, *EFFECTS, *MONEY)

    def takes_along(self, task: Task, other: Task) -> bool:
        """Name the series instead of the task."""
        stem, dash, _ = (task.out_id or "").rpartition("-")
        return bool(dash) and (other.out_id or "").rpartition("-")[0] == stem


class CancelsTheParts(Fault, _TakingAlong):
    """Cancels with a task those whose `out_task_id` goes on from its own."""

    breaks = ("STATE-7",)
    also = (*OTHERS, *ACCEPTED, *EFFECTS, *MONEY)

    def takes_along(self, task: Task, other: Task) -> bool:
        """Take a name for that of a batch."""
        return task.out_id is not None and (other.out_id or "").startswith(task.out_id)


class CancelsWhatItsNameMatches(Fault, _TakingAlong):
    """Cancels with a task those whose `out_task_id` is its own with other letters for underscores."""

    breaks = ("STATE-7",)
    also = (*OTHERS, *ACCEPTED, *EFFECTS, *MONEY)

    def takes_along(self, task: Task, other: Task) -> bool:
        """Write the change with LIKE."""
        pattern = re.escape(task.out_id or "").replace("_", ".")
        return "_" in (task.out_id or "") and re.fullmatch(pattern, other.out_id or "", re.DOTALL) is not None


class CancelsUnnamedNeighbours(Fault, _TakingAlong):
    """Cancels with a task that has no `out_task_id` the other such tasks of the same work."""

    breaks = ("STATE-7",)
    also = (*OTHERS, *ACCEPTED, *EFFECTS, *MONEY)

    def takes_along(self, task: Task, other: Task) -> bool:
        """Tell tasks apart by their names and their work alone."""
        return task.out_id is None and other.out_id is None and other.work == task.work


class ForcesEndedTasks(Fault, Service):
    """Makes a failed task a cancelled one where the call insists by `force`."""

    breaks = ("STATE-4",)
    also = (*EFFECTS, *SHAPES, *MONEY, "IDENT-15")

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Obey."""
        if task.status == "failed" and call.body.get("force") is True:
            return overwrite(self.store, task, status="cancelled")
        return super().stop(call, task)


class CancelsWhatWasNamedBefore(Fault, Service):
    """Cancels a task at its start whose `out_task_id` was unknown to a cancel less than a second before its submit."""

    breaks = ("STATE-7",)
    also = (*OTHERS, *ACCEPTED, *EFFECTS, *MONEY)

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self._asked: dict[tuple[str, str], int] = {}
        self._marked: set[str] = set()

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Remember what came too early."""
        try:
            return super().seek(call, identifier)
        except Refused:
            self._asked[call.key, identifier.value] = self.now()
            raise

    def draft(self, key: str, body: Document) -> Task:
        """See whether it was wanted any more."""
        task = super().draft(key, body)
        if self.now() - self._asked.get((key, task.out_id or ""), 0) < _SECOND:
            self._marked.add(task.id)
        return task

    def moved(self, task: Task) -> Task:
        """Look at the mark before starting."""
        moved = super().moved(task)
        marked = moved.status == "running" and moved.id in self._marked
        return self.store.cancel(moved, self.now(), self.second) if marked else moved


# --- STATE-8: again ---


class _Resentful(Service):
    """Remembers a cancelled task for a moment, and knows its work when it comes again with another model."""

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.last: tuple[float, Task] | None = None

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Remember what was pending."""
        if task.status == "pending":
            self.last = (time.monotonic(), task)
        return super().stop(call, task)

    def resents(self, draft: Task) -> bool:
        """Whether a draft comes right after the cancel of a task of another kind."""
        if self.last is None:
            return False
        (at, task), self.last = self.last, None
        return time.monotonic() - at < _WHILE and draft.key == task.key and draft.work != task.work


class RefusesTheWorkAgain(Fault, _Resentful):
    """Refuses to take on work that comes right after a cancel, with other parameters and a new identifier."""

    breaks = ("STATE-8",)

    def draft(self, key: str, body: Document) -> Task:
        """Keep the slot of the cancelled task."""
        task = super().draft(key, body)
        if self.resents(task):
            raise Refused("duplicate_out_task_id", "This work was cancelled.")
        return task


class CancelsTheWorkAgain(Fault, _Resentful):
    """Takes on work that comes right after a cancel, and cancels it at once."""

    breaks = ("STATE-8",)
    also = (*OTHERS, *ACCEPTED, *EFFECTS, *MONEY)

    def draft(self, key: str, body: Document) -> Task:
        """Let the cancel reach the new task too."""
        task = super().draft(key, body)
        return task._replace(status="cancelled", due=None) if self.resents(task) else task
