"""Strangers whose tasks live differently: shorter, or with another end under a cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from conformance.reference.service import Document, Identifier, Service
from conformance.reference.store import Store
from conformance.reference.strangers.stranger import Stranger

if TYPE_CHECKING:
    from conformance.reference.store import Task

_MILLISECOND: Final = 1000
_NOTHING_SURE: Final = {"states.pending.holds": "0", "states.running.holds": "0"}
_BREAK_OFF: Final = """
UPDATE tasks SET status = 'failed', used = NULL, due = NULL WHERE id = :id AND status = 'running' RETURNING *
"""


class StartsAndEndsSoon(Stranger, Service):
    """Starts each task after 50 ms and ends it 300 ms later, whatever the model; its profile promises nothing."""

    settings = _NOTHING_SURE
    unproven = ("STATE-2",)  # where a cancel finds it ended, that may have been its own doing

    def draft(self, key: str, body: Document) -> Task:
        """Keep the model's ending and price, and none of its times."""
        task, now = super().draft(key, body), self.now()
        starts_at = now + 50 * _MILLISECOND
        price = task.estimate * 98 // 100 if task.outcome == "completed" else None
        return task._replace(starts_at=starts_at, due=starts_at, ends_at=starts_at + 300 * _MILLISECOND, price=price)


class LooksAtACopyThatLags(Stranger, Service):
    """Has each second query ask a copy, which learns 0.15 s late that a task has started, and at once that it ended."""

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self._asked = 0

    def query(self, key: str, body: Document) -> Document:
        """Show what has just started as if it waited."""
        document = super().query(key, body)
        self._asked += 1
        if document["status"] != "running" or self._asked % 2:
            return document
        task = self.look_up(key, Identifier("task_id", document["task_id"]))
        lags = self.now() - task.starts_at < 150 * _MILLISECOND
        return document | {"status": "pending"} if lags else document


class StartsAtOnce(Stranger, Service):
    """Has no queue: a task runs from its submit on, for a minute."""

    settings = _NOTHING_SURE
    unproven = (
        *("STATE-1", "BILL-1", "BILL-2", "RACE-4"),  # no task is pending
        *("STATE-2", "STATE-5", "IDEMP-3"),  # beside a store that finishes what runs none is ever cancelled
    )

    def draft(self, key: str, body: Document) -> Task:
        """Start it now."""
        task, now = super().draft(key, body), self.now()
        return task._replace(starts_at=now, ends_at=now + task.ends_at - task.starts_at, due=now)

    def show(self, task: Task) -> Document:
        """Let it start before anybody looks."""
        return super().show(self.moved(task))


class FinishesWithinTheCancel(Stranger, Store):
    """Is past the point of no return as soon as a task runs: a cancel then finds it completed."""

    def add(self, task: Task) -> bool:
        """Keep it as one of that kind."""
        return super().add(task._replace(on_cancel="finish", price=task.estimate * 98 // 100))


class BreaksOffWithinTheCancel(Stranger, Store):
    """Ends a running task as failed, and for free, where it is cancelled."""

    def cancel(self, task: Task, now: int, second: int) -> Task:
        """Break off what runs, and cancel what does not."""
        with self.transaction():
            return self._settled(_BREAK_OFF, task) or super().cancel(task, now, second)
