"""Faults about cancelling what has ended."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from conformance.reference.faults.fault import Fault
from conformance.reference.faults.rows import ACCEPTED, EFFECTS, MONEY, SHAPES
from conformance.reference.faults.tampering import overwrite
from conformance.reference.refusal import Refused
from conformance.reference.service import TERMINAL, CancelCall, Document, Service

if TYPE_CHECKING:
    from conformance.reference.store import Store, Task

_SECOND: Final = 1_000_000
_ONCE_TOO_OFTEN: Final = 3


class RefusesCompletedTasks(Fault, Service):
    """Answers 409 to the cancel of a completed task."""

    breaks = ("IDEMP-1",)
    also = ACCEPTED

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Find it too late."""
        if task.status == "completed":
            raise Refused("duplicate_out_task_id", "The task is completed.")
        return super().stop(call, task)


class RefusesCompletedTasksByOutTaskId(Fault, Service):
    """Answers 400 to the cancel of a completed task by its `out_task_id`."""

    breaks = ("IDEMP-1", "IDENT-3", "IDEMP-5")
    also = ACCEPTED

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Take the name for free again."""
        if task.status == "completed" and "out_task_id" in call.body:
            raise Refused.invalid("out_task_id is not in use.")
        return super().stop(call, task)


class ForgetsFailedTasks(Fault, Service):
    """Answers 404 to the cancel of a failed task."""

    breaks = ("IDEMP-2",)
    also = ACCEPTED

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Look among the good ones only."""
        if task.status == "failed":
            raise Refused.unknown_task()
        return super().stop(call, task)


class ShowsFailedTasksAsCancelled(Fault, Service):
    """Answers `cancelled` to the cancel of a failed task, which stays failed."""

    breaks = ("IDEMP-2", "IDEMP-4", "PARITY-2")
    also = SHAPES

    def show_cancelled(self, call: CancelCall, task: Task) -> Document:
        """Say what the caller wants to hear."""
        document = super().show_cancelled(call, task)
        return document | ({"status": "cancelled"} if task.status == "failed" else {})


class RefusesCancelledTasks(Fault, Service):
    """Answers 409 to the cancel of a cancelled task."""

    breaks = ("IDEMP-3", "IDEMP-5")
    also = ACCEPTED

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Find it done."""
        if task.status == "cancelled":
            raise Refused("duplicate_out_task_id", "The task is cancelled already.")
        return super().stop(call, task)


class RefusesRepetitionsInTheBody(Fault, Service):
    """Answers 409 to the cancel of a cancelled task by the body's `task_id`."""

    breaks = ("IDEMP-3", "IDEMP-5", "IDENT-2")
    also = ACCEPTED

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Find it done."""
        if task.status == "cancelled" and call.path is None and "task_id" in call.body:
            raise Refused("duplicate_out_task_id", "The task is cancelled already.")
        return super().stop(call, task)


class FreesTheNameOnCancel(Fault, Service):
    """Answers 404 to the cancel of a cancelled task by its `out_task_id`."""

    breaks = ("IDEMP-3", "IDEMP-5")
    also = (*ACCEPTED, "IDENT-3")

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Take the name for free again."""
        if task.status == "cancelled" and "out_task_id" in call.body:
            raise Refused.unknown_task()
        return super().stop(call, task)


class RefusesTheThirdCancel(Fault, Service):
    """Answers 404 from the third cancel of a task on."""

    breaks = ("IDEMP-5",)
    also = ACCEPTED

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.cancels: Counter[str] = Counter()

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Lose patience."""
        self.cancels[task.id] += 1
        if self.cancels[task.id] >= _ONCE_TOO_OFTEN:
            raise Refused.unknown_task()
        return super().stop(call, task)


class _Forgetful(Service):
    """Knows when each task was cancelled first."""

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.cancelled_at: dict[str, int] = {}

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Write down when."""
        ended = super().stop(call, task)
        self.cancelled_at.setdefault(task.id, self.now())
        return ended

    def is_old(self, task: Task) -> bool:
        """Whether a task was cancelled more than a second ago."""
        return task.status == "cancelled" and self.now() - self.cancelled_at.get(task.id, self.now()) > _SECOND


class ForgetsCancelsAfterASecond(Fault, _Forgetful):
    """Answers 404 to the cancel of a task that was cancelled more than a second ago."""

    breaks = ("IDEMP-3", "IDEMP-5")
    also = ACCEPTED

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Look into a cache of recent ones."""
        if self.is_old(task):
            raise Refused.unknown_task()
        return super().stop(call, task)


class PurgesCancelledTasks(Fault, _Forgetful):
    """Removes a cancelled task after a second, for query and cancel alike."""

    breaks = ("STATE-3", "IDEMP-5")
    also = (*ACCEPTED, *EFFECTS, *MONEY)

    def moved(self, task: Task) -> Task:
        """Tidy up."""
        if self.is_old(task):
            raise Refused.unknown_task()
        return super().moved(task)


class _Marking(Service):
    """Remembers which tasks were cancelled after they had ended, and shows those otherwise from then on."""

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.marked: Counter[str] = Counter()

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Mark what has ended."""
        if task.status in TERMINAL:
            self.marked[task.id] += 1
        return super().stop(call, task)

    def show(self, task: Task) -> Document:
        """Show the mark."""
        document = super().show(task)
        return self.mark(document, self.marked[task.id]) if self.marked[task.id] else document

    def mark(self, document: Document, count: int) -> Document:
        """Change what is shown of a task that was cancelled `count` times too often."""
        raise NotImplementedError


class StampsCompletedTasks(Fault, _Marking):
    """Adds a field to a completed task that is cancelled."""

    breaks = ("IDEMP-4",)
    also = SHAPES

    def mark(self, document: Document, count: int) -> Document:  # noqa: ARG002 - once is enough
        """Stamp it."""
        return document | ({"cancelled_again": True} if document["status"] == "completed" else {})


class DropsTheOutputOfCompletedTasks(Fault, _Marking):
    """Deletes the output of a completed task that is cancelled."""

    breaks = ("IDEMP-4",)
    also = SHAPES

    def mark(self, document: Document, count: int) -> Document:  # noqa: ARG002 - once is enough
        """Withhold it."""
        return {name: value for name, value in document.items() if name != "output"}


class ClearsTheErrorOfFailedTasks(Fault, _Marking):
    """Writes another error message into a failed task that is cancelled."""

    breaks = ("IDEMP-4",)
    also = SHAPES

    def mark(self, document: Document, count: int) -> Document:  # noqa: ARG002 - once is enough
        """Blame the caller."""
        return document | ({"error_message": "Cancelled by the caller."} if document["status"] == "failed" else {})


class CountsCancels(Fault, _Marking):
    """Shows how often a cancelled task was cancelled again."""

    breaks = ("IDEMP-4", "IDEMP-5")
    also = SHAPES

    def mark(self, document: Document, count: int) -> Document:
        """Count."""
        return document | ({"cancels": count} if document["status"] == "cancelled" else {})


class RefundsCompletedTasks(Fault, Service):
    """Sets `credits_used` of a completed task to zero when it is cancelled."""

    breaks = ("IDEMP-4", "BILL-5")
    also = (*SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Refund whatever is cancelled."""
        if task.status == "completed" and task.used:
            self.store.charge(task, -task.used)
            return overwrite(self.store, task, used=0)
        return super().stop(call, task)


class RecountsCompletedTasks(Fault, Service):
    """Rounds `credits_used` of a completed task when it is cancelled."""

    breaks = ("IDEMP-4", "BILL-5")
    also = (*SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Close the books."""
        if task.status == "completed" and task.used:
            return overwrite(self.store, task, used=round(task.used, -4))
        return super().stop(call, task)


class LosesTheEstimateOfCancelledTasks(Fault, _Marking):
    """Drops the estimate of a cancelled task at the second cancel."""

    breaks = ("IDEMP-4", "IDEMP-5")
    also = SHAPES

    def mark(self, document: Document, count: int) -> Document:  # noqa: ARG002 - once is enough
        """Tidy up."""
        return {name: value for name, value in document.items() if name != "estimated_credits"}
