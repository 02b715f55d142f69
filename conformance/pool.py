"""What the processes of one run hold in common while it goes on: money, the tasks that all stories share, and lessons.

It lives in the journal's file, so that it outlives every one of them. Credits are kept as whole billionths, rounded up,
so that sums are exact and no limit is passed by a rounding.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from conformance.journal import Journal

POOL_SCHEMA: Final = """
CREATE TABLE learned (topic TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE shared (task_id TEXT PRIMARY KEY, state TEXT NOT NULL, next_glance REAL NOT NULL DEFAULT 0);
CREATE TABLE ghost (number INTEGER PRIMARY KEY, role TEXT NOT NULL, out_task_id TEXT);
CREATE TABLE expense (
    number INTEGER PRIMARY KEY, story INTEGER NOT NULL, state TEXT NOT NULL, expected INTEGER, charged INTEGER,
    task_id TEXT UNIQUE
);
"""

_BILLIONTHS: Final = 9
_MOST: Final = Decimal(10) ** 6
"""Credits that one task is believed to cost at the most, so that no claim of a target's breaks the sum."""

_TOTALS: Final = "SELECT count(*), coalesce(sum(coalesce(charged, expected, 0)), 0) FROM expense"


@dataclass(frozen=True, kw_only=True)
class Expense:
    """A task that was submitted, or may have been: for which story, by which recipe, at what price.

    It was `charged` that much once it was seen to have ended; until then so much is `expected`, if that is known.
    """

    story: int
    state: str
    expected: Decimal | None
    charged: Decimal | None
    task_id: str | None


class Pool:
    """The common tables of one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    # money

    def book(self, story: int, state: str, admit: Callable[[int, Decimal], Decimal | None]) -> int:
        """Count one more task unless `admit` raises; the number of the expense.

        It is told the tasks and credits so far, and says what to expect of this one, if that is known.
        """
        with self._journal.transaction():
            price = admit(*self.totals())
            row = self._journal.connection.execute(
                "INSERT INTO expense (story, state, expected) VALUES (?, ?, ?) RETURNING number",
                (story, state, None if price is None else _billionths(price)),
            ).fetchone()
        return int(row[0])

    def totals(self) -> tuple[int, Decimal]:
        """How many tasks were submitted, and the credits that they cost or are expected to."""
        tasks, credits_ = self._journal.connection.execute(_TOTALS).fetchone()
        return int(tasks), _credits(int(credits_))

    def drop(self, number: int) -> None:
        """No task was made for that expense after all."""
        self._journal.connection.execute("DELETE FROM expense WHERE number = ?", (number,))

    def expect(self, number: int, state: str, said: Decimal | None) -> None:
        """The price of a task that was just made, where it was not known before; the most that was said is remembered.

        Both at once: who sees that a price is not waited for any more sees the price.
        """
        with self._journal.transaction():
            known = self.known_price(state)
            price = _billionths(said or known or Decimal(0))
            self._journal.connection.execute("UPDATE expense SET expected = ? WHERE number = ?", (price, number))
            if said is not None:
                self.learn(f"price of {state}", str(max(said, known or said)))

    def known_price(self, state: str) -> Decimal | None:
        """The most that the target said a task by that recipe may cost, if it said anything."""
        said = self.learned(f"price of {state}")
        return None if said is None else Decimal(said)

    def made(self, number: int, task_id: str) -> None:
        """That expense is for that task; where the target gave out one that it had made before, nothing was spent."""
        name = (_storable(task_id), number)
        if not self._journal.connection.execute(
            "UPDATE OR IGNORE expense SET task_id = ? WHERE number = ?", name
        ).rowcount:
            self.drop(number)

    def charge(self, task_id: str, credits_: Decimal) -> None:
        """What a task was seen to have cost; the most that was ever seen counts."""
        self._journal.connection.execute(
            "UPDATE expense SET charged = max(coalesce(charged, 0), ?) WHERE task_id = ?",
            (_billionths(credits_), _storable(task_id)),
        )

    def charged(self) -> Decimal:
        """What the tasks that were seen to have ended have cost for good."""
        [charged] = self._journal.connection.execute("SELECT coalesce(sum(charged), 0) FROM expense").fetchone()
        return _credits(int(charged))

    def awaits_a_price(self, state: str) -> bool:
        """Whether a task by that recipe is on its way of which nobody knows the price yet."""
        found = self._journal.connection.execute(
            "SELECT 1 FROM expense WHERE state = ? AND coalesce(charged, expected) IS NULL", (state,)
        ).fetchone()
        return found is not None

    def expenses(self) -> list[Expense]:
        """All of them, in the order in which they were admitted."""
        rows = self._journal.connection.execute(
            "SELECT story, state, expected, charged, task_id FROM expense ORDER BY number"
        )
        return [
            Expense(
                story=story,
                state=state,
                expected=None if expected is None else _credits(expected),
                charged=None if charged is None else _credits(charged),
                task_id=task_id,
            )
            for story, state, expected, charged, task_id in rows
        ]

    # what was learned of the target

    def learn(self, topic: str, value: object) -> None:
        """Remember a JSON value, for every process of the run; what is known already is not written again."""
        lesson = (_storable(topic), json.dumps(value))
        if not self._journal.connection.execute(
            "SELECT 1 FROM learned WHERE topic = ? AND value = ?", lesson
        ).fetchone():
            self._journal.connection.execute("INSERT OR REPLACE INTO learned VALUES (?, ?)", lesson)

    def learned(self, topic: str) -> Any:  # noqa: ANN401 - any JSON value
        """What was learned, none if nothing was."""
        row = self._journal.connection.execute(
            "SELECT value FROM learned WHERE topic = ?", (_storable(topic),)
        ).fetchone()
        return json.loads(row[0]) if row else None

    def turn(self, now: float, interval: float) -> float:
        """The instant at which the next request of all processes may leave, so many seconds after the last one's."""
        with self._journal.transaction():
            turn = max(now, float(self.learned("the next turn") or 0.0))
            self.learn("the next turn", turn + interval)
        return turn

    # tasks that all stories share, and those that nobody knows

    def share(self, task_id: str, state: str) -> None:
        """A task on its way to that state is there for every story."""
        self._journal.connection.execute(
            "INSERT OR IGNORE INTO shared (task_id, state) VALUES (?, ?)", (task_id, state)
        )

    def shared(self) -> list[tuple[str, str]]:
        """The shared tasks, in the order in which they were made, each with the state that it is to be in."""
        return self._journal.connection.execute("SELECT task_id, state FROM shared ORDER BY rowid").fetchall()

    def may_glance(self, task_id: str, now: float, until: float) -> bool:
        """Whether it is this process's turn to look at a shared task; until some instant it is nobody's again."""
        turn = "UPDATE shared SET next_glance = ? WHERE task_id = ? AND next_glance <= ?"
        return self._journal.connection.execute(turn, (until, task_id, now)).rowcount == 1

    def haunt(self, role: str, out_task_id: str | None) -> None:
        """The answer of a submit was lost: there may be a task that nobody knows."""
        self._journal.connection.execute("INSERT INTO ghost (role, out_task_id) VALUES (?, ?)", (role, out_task_id))

    def ghosts(self) -> list[tuple[int, str, str | None]]:
        """The tasks that there may be, by number, role and `out_task_id`."""
        return self._journal.connection.execute(
            "SELECT number, role, out_task_id FROM ghost ORDER BY number"
        ).fetchall()

    def lay(self, ghost: int) -> None:
        """There is certainly no such task in flight any more."""
        self._journal.connection.execute("DELETE FROM ghost WHERE number = ?", (ghost,))


def _billionths(credits_: Decimal) -> int:
    kept = min(max(credits_, Decimal(0)), _MOST)
    return int(kept.scaleb(_BILLIONTHS).to_integral_value(ROUND_CEILING))


def _credits(billionths: int) -> Decimal:
    return Decimal(billionths).scaleb(-_BILLIONTHS).normalize() + Decimal(0)


def _storable(text: str) -> str:
    """SQLite's text is UTF-8, which has no lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode()
