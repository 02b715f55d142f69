"""What a run may spend: one gate that every submit of every process passes."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from conformance.pool import Pool

_GLANCE: Final = 0.01


class BudgetSpent(Exception):
    """Another task would pass the budget; the text says which limit, and where to raise it."""


class Budget:
    """Tasks submitted and credits spent, or expected to be, against their limits (none: no limit).

    A task counts from before its submit is sent; a submit that is refused counts for nothing. What a task was seen to
    have cost takes the place of what it was expected to.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        most_tasks: int | None = None,
        most_credits: Decimal | None = None,
        patience: float = 60.0,
    ) -> None:
        self.most_tasks = most_tasks
        self.most_credits = most_credits
        self._pool = pool
        self._patience = patience

    @property
    def tasks(self) -> int:
        """The tasks that were submitted, or may have been."""
        return self._pool.totals()[0]

    @property
    def credits(self) -> Decimal:
        """The credits that were spent, or are expected to be."""
        return self._pool.totals()[1]

    def admit(self, story: int, state: str, price: Decimal | None = Decimal(0)) -> int:
        """Count one more task at the expected price, none where nobody knows it; the number of the expense.

        Where credits are limited and a price is not known, the first task must tell it before there is a second.

        Raises:
            BudgetSpent: a limit would be passed; nothing is counted then.
        """
        give_up = time.monotonic() + self._patience
        while True:
            try:
                return self._pool.book(story, state, self._admission(state, price))
            except _Unpriced as error:
                if time.monotonic() > give_up:
                    raise BudgetSpent(str(error)) from error
            time.sleep(_GLANCE)

    def known_price(self, state: str) -> Decimal | None:
        """The most that the target said a task by that recipe may cost, if it said anything."""
        return self._pool.known_price(state)

    def refuse(self, expense: int) -> None:
        """The target did not take the task."""
        self._pool.drop(expense)

    def accept(self, expense: int, task_id: str) -> None:
        """The target took the task."""
        self._pool.made(expense, task_id)

    def price(self, expense: int, state: str, said: Decimal | None) -> None:
        """What a task may cost that nobody had named a price for; next time so much is expected."""
        self._pool.expect(expense, state, said)

    def settle(self, task_id: str, charged: Decimal) -> None:
        """Replace a task's expected price by what it was charged in the end."""
        self._pool.charge(task_id, charged)

    def _admission(self, state: str, price: Decimal | None) -> Callable[[int, Decimal], Decimal | None]:
        def admit(tasks: int, credits_: Decimal) -> Decimal | None:
            if self.most_tasks is not None and tasks + 1 > self.most_tasks:
                raise BudgetSpent(f"the budget of {self.most_tasks} tasks is spent; raise budget.tasks in the profile")
            expected = self.known_price(state) if price is None else price
            if self.most_credits is None:
                return expected
            if expected is None and self._pool.awaits_a_price(state):
                raise _Unpriced(f"nobody knows what a {state} task costs; write [states.{state}] credits = …")
            if credits_ + (expected or 0) > self.most_credits:
                left = max(self.most_credits - credits_, Decimal(0))
                raise BudgetSpent(
                    f"the next task may cost {expected or 0} credits and {left:f} of {self.most_credits} are left;"
                    " raise budget.credits in the profile"
                )
            return expected

        return admit


class _Unpriced(Exception):
    """The price of the first such task must be known before there is a second."""
