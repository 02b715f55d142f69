"""No submit passes the budget, and what a refusal counts is nothing."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.target.budget import Budget, BudgetSpent

prices = st.decimals(0, 10, places=3)


def test_without_limits_everything_is_admitted() -> None:
    """It is counted all the same."""
    budget = Budget()
    for _ in range(1000):
        budget.admit(Decimal("0.1"))
    assert (budget.tasks, budget.credits) == (1000, Decimal(100))


def test_the_last_task_within_the_limit_is_admitted() -> None:
    """The limit itself may be reached."""
    budget = Budget(most_tasks=2, most_credits=Decimal("0.3"))
    budget.admit(Decimal("0.1"))
    budget.admit(Decimal("0.2"))
    with pytest.raises(BudgetSpent, match=r"budget of 2 tasks is spent; raise budget\.tasks"):
        budget.admit()


def test_the_complaint_names_price_and_rest() -> None:
    """One sees how much would be enough."""
    budget = Budget(most_credits=Decimal(5))
    budget.admit(Decimal(4))
    with pytest.raises(BudgetSpent, match=r"may cost 2 credits and 1 of 5 are left; raise budget\.credits"):
        budget.admit(Decimal(2))


def test_a_budget_of_nothing_admits_nothing() -> None:
    """Zero is a limit, not its absence."""
    with pytest.raises(BudgetSpent):
        Budget(most_tasks=0).admit()
    with pytest.raises(BudgetSpent):
        Budget(most_credits=Decimal(0)).admit(Decimal("0.001"))


def test_what_was_charged_takes_the_place_of_what_was_expected() -> None:
    """A task that became cheaper makes room for another."""
    budget = Budget(most_credits=Decimal(3))
    budget.admit(Decimal(3))
    budget.settle(Decimal(3), Decimal(1))
    budget.admit(Decimal(2))
    assert budget.credits == Decimal(3)


@given(st.lists(prices), st.integers(0, 10), prices)
def test_no_limit_is_ever_passed(asked: list[Decimal], tasks: int, credits_: Decimal) -> None:
    """However much is asked for, and a refusal counts nothing."""
    budget = Budget(most_tasks=tasks, most_credits=credits_)
    for price in asked:
        before = (budget.tasks, budget.credits)
        try:
            budget.admit(price)
        except BudgetSpent:
            assert (budget.tasks, budget.credits) == before
    assert budget.tasks <= tasks
    assert budget.credits <= credits_
