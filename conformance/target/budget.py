"""What a run may spend: one gate that every submit passes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


class BudgetSpent(Exception):
    """Another task would pass the budget; the text says which limit, and where to raise it."""


@dataclass
class Budget:
    """Tasks submitted and credits expected to be spent, against their limits (none: no limit)."""

    most_tasks: int | None = None
    most_credits: Decimal | None = None
    tasks: int = 0
    credits: Decimal = Decimal(0)

    def admit(self, price: Decimal = Decimal(0)) -> None:
        """Count one more task at the expected price.

        Raises:
            BudgetSpent: a limit would be passed; nothing is counted then.
        """
        if self.most_tasks is not None and self.tasks + 1 > self.most_tasks:
            raise BudgetSpent(f"the budget of {self.most_tasks} tasks is spent; raise budget.tasks in the profile")
        if self.most_credits is not None and self.credits + price > self.most_credits:
            raise BudgetSpent(
                f"the next task may cost {price} credits and {self.most_credits - self.credits} of"
                f" {self.most_credits} are left; raise budget.credits in the profile"
            )
        self.tasks += 1
        self.credits += price

    def settle(self, expected: Decimal, charged: Decimal) -> None:
        """Replace a task's expected price by what it was charged in the end."""
        self.credits += charged - expected
