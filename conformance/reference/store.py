"""The store: tasks, accounts and the ledger in one SQLite file, which several processes may share.

A task's `due` is the instant at which it next moves by itself, and NULL once it has ended. Every change of a status
moves the money that goes with it in the same transaction. Instants are microseconds of the Unix clock, amounts are
millionths of a credit: whole numbers, so that sums are exact. Tasks are looked up by their key first: to find that a
task is another key's takes no longer than to find nothing.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_SCHEMA: Final = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, remaining INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS keys (secret TEXT PRIMARY KEY, account TEXT NOT NULL, remaining INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS ledger (task_id TEXT NOT NULL, key TEXT NOT NULL, amount INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS tasks (
    id TEXT NOT NULL, key TEXT NOT NULL, out_id TEXT, work TEXT NOT NULL, status TEXT NOT NULL,
    estimate INTEGER NOT NULL, price INTEGER, used INTEGER, seconds INTEGER NOT NULL,
    starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL, due INTEGER,
    outcome TEXT NOT NULL, on_cancel TEXT NOT NULL, callback_url TEXT, told INTEGER NOT NULL,
    PRIMARY KEY (key, id)
);
CREATE UNIQUE INDEX IF NOT EXISTS tasks_by_out_id ON tasks (key, out_id);
CREATE INDEX IF NOT EXISTS tasks_by_due ON tasks (due) WHERE due IS NOT NULL;
CREATE INDEX IF NOT EXISTS tasks_to_tell ON tasks (told) WHERE callback_url IS NOT NULL AND told = 0 AND due IS NULL;
COMMIT;
"""

_FIND: Final = {
    "task_id": "SELECT * FROM tasks WHERE key = ? AND id = ?",
    "out_task_id": "SELECT * FROM tasks WHERE key = ? AND out_id = ?",
}

_ADVANCE: Final = """
UPDATE tasks SET
    status = CASE WHEN ends_at <= :now THEN outcome ELSE 'running' END,
    used = CASE WHEN ends_at <= :now THEN price END,
    due = CASE WHEN ends_at > :now THEN ends_at END
WHERE key = :key AND id = :id AND due <= :now
RETURNING *
"""

_CANCEL: Final = """
UPDATE tasks SET
    status = CASE WHEN status = 'running' AND on_cancel = 'finish' THEN 'completed' ELSE 'cancelled' END,
    used = CASE
        WHEN status = 'pending' OR on_cancel = 'refund' THEN NULL
        WHEN on_cancel = 'finish' THEN price
        ELSE estimate * MIN(:now - starts_at + :second, ends_at - starts_at) / (ends_at - starts_at)
    END,
    due = NULL
WHERE key = :key AND id = :id AND status IN ('pending', 'running')
RETURNING *
"""

_DUE: Final = "SELECT * FROM tasks WHERE due <= ? ORDER BY due LIMIT 100"
_TO_TELL: Final = "SELECT * FROM tasks WHERE callback_url IS NOT NULL AND told = 0 AND due IS NULL LIMIT 100"
_TELL: Final = "UPDATE tasks SET told = 1 WHERE key = ? AND id = ? AND told = 0"
_REMAINING: Final = (
    "SELECT keys.remaining, accounts.remaining FROM keys JOIN accounts ON name = account WHERE secret = ?"
)


class Task(NamedTuple):
    """One row of the table of tasks, in the order of its columns."""

    id: str
    key: str
    out_id: str | None
    work: str
    status: str
    estimate: int
    price: int | None
    used: int | None
    seconds: int
    starts_at: int
    ends_at: int
    due: int | None
    outcome: str
    on_cancel: str
    callback_url: str | None = None
    told: int = 0


_INSERT: Final = "INSERT OR IGNORE INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Remaining(NamedTuple):
    """What is left on a key and on its account, in millionths of a credit."""

    key: int
    account: int


class Store:
    """One connection to the file at `path`, used by one thread."""

    def __init__(self, path: Path | str) -> None:
        self.connection = sqlite3.connect(path, timeout=30, isolation_level=None, cached_statements=256)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = OFF")
        self.connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all of it or nothing, alone; inside another transaction, as a part of that one."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def open_account(self, name: str, remaining: int, keys: Iterable[tuple[str, int]]) -> None:
        """Make an account and its keys, each with what it may spend, unless they are there already."""
        with self.transaction():
            self.connection.execute("INSERT OR IGNORE INTO accounts VALUES (?, ?)", (name, remaining))
            rows = [(secret, name, limit) for secret, limit in keys]
            self.connection.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?, ?)", rows)

    def remaining(self, key: str) -> Remaining:
        """Read what is left on `key` and on its account."""
        return Remaining(*self.connection.execute(_REMAINING, (key,)).fetchone())

    def add(self, task: Task) -> bool:
        """Keep a new task, unless its id or its key's `out_task_id` is taken."""
        return self.connection.execute(_INSERT, task).rowcount == 1

    def find(self, key: str, field: str, identifier: str) -> Task | None:
        """Find the task of `key` whose identifier in `field` is this one, to the letter."""
        return self._one(_FIND[field], (key, identifier))

    def advance(self, task: Task, now: int) -> Task:
        """Let `task` move by itself as far as it would have by `now`."""
        with self.transaction():
            return self._settled(_ADVANCE, task, now=now) or self._again(task)

    def cancel(self, task: Task, now: int, second: int) -> Task:
        """End `task` unless it has ended; what it rendered is billed by the `second` begun, where its model says so."""
        with self.transaction():
            return self._settled(_CANCEL, task, now=now, second=second) or self._again(task)

    def charge(self, task: Task, amount: int) -> None:
        """Take `amount` from the task's key and account, and write it down."""
        execute = self.connection.execute
        execute("INSERT INTO ledger VALUES (?, ?, ?)", (task.id, task.key, amount))
        execute("UPDATE keys SET remaining = remaining - ? WHERE secret = ?", (amount, task.key))
        execute(
            "UPDATE accounts SET remaining = remaining - ? WHERE name = (SELECT account FROM keys WHERE secret = ?)",
            (amount, task.key),
        )

    def due(self, now: int) -> list[Task]:
        """List tasks that would have moved by themselves by `now`."""
        return [Task._make(row) for row in self.connection.execute(_DUE, (now,))]

    def claim_callbacks(self) -> list[Task]:
        """List ended tasks whose callback has not been told; nobody else is given them again."""
        waiting = [Task._make(row) for row in self.connection.execute(_TO_TELL)]
        return [task for task in waiting if self.connection.execute(_TELL, (task.key, task.id)).rowcount]

    def _settled(self, statement: str, task: Task, **values: int) -> Task | None:
        moved = self._one(statement, {"key": task.key, "id": task.id, **values})
        if moved is not None and moved.used:
            self.charge(moved, moved.used)
        return moved

    def _again(self, task: Task) -> Task:
        return self.find(task.key, "task_id", task.id) or task

    def _one(self, statement: str, values: tuple[str, ...] | dict[str, str | int]) -> Task | None:
        row = self.connection.execute(statement, values).fetchone()
        return None if row is None else Task._make(row)
