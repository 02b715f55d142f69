"""What faults do to the store behind the service's back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from conformance.reference.store import Task

if TYPE_CHECKING:
    from conformance.reference.store import Store

_OF_KEY: Final = "SELECT * FROM tasks WHERE key = ? ORDER BY rowid DESC LIMIT 500"
_OVERWRITE: Final = """
UPDATE tasks SET
    status = :status, used = :used, due = :due, starts_at = :starts_at, ends_at = :ends_at, outcome = :outcome,
    price = :price, estimate = :estimate, seconds = :seconds
WHERE key = :key AND id = :id
"""


def tasks_of(store: Store, key: str) -> list[Task]:
    """List the tasks of a key, the latest first."""
    return [Task._make(row) for row in store.connection.execute(_OF_KEY, (key,))]


def live_tasks_of(store: Store, key: str) -> list[Task]:
    """List the tasks of a key that have not ended, the latest first."""
    return [task for task in tasks_of(store, key) if task.status in {"pending", "running"}]


def overwrite(store: Store, task: Task, **changes: Any) -> Task:  # noqa: ANN401 - any column's type
    """Change a task without regard to what it is."""
    changed = task._replace(**changes)
    store.connection.execute(_OVERWRITE, changed._asdict())
    return changed


def cancel_at(store: Store, task: Task, instant: int) -> Task:
    """Have a live task end as cancelled, for nothing and by itself, at an instant to come; as it is until then."""
    starts_at = min(task.starts_at, instant)
    return overwrite(store, task, outcome="cancelled", price=None, starts_at=starts_at, ends_at=instant, due=instant)
