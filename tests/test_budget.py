"""No submit passes the budget, whichever process sends it, and what a refusal counts is nothing."""

from __future__ import annotations

import contextlib
import multiprocessing
import tempfile
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.journal import Journal
from conformance.target.budget import Budget, BudgetSpent

prices = st.decimals(0, 10, places=3)
MakeBudget = Callable[..., Budget]


@pytest.fixture
def budget(journal: Journal) -> MakeBudget:
    """Makes a budget over a new journal."""

    def made(tasks: int | None = None, credits_: Decimal | str | None = None, **more: float) -> Budget:
        most = None if credits_ is None else Decimal(credits_)
        return Budget(journal.pool, most_tasks=tasks, most_credits=most, **more)  # type: ignore[arg-type]

    return made


@contextlib.contextmanager
def new_journal() -> Iterator[Journal]:
    """A journal of its own, for each example of a property."""
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(Journal.create(Path(folder) / "journal.sqlite")) as made,
    ):
        yield made


def test_without_limits_everything_is_admitted(budget: MakeBudget) -> None:
    """It is counted all the same, to the last tenth."""
    made = budget()
    for _ in range(100):
        made.admit(1, "running", Decimal("0.1"))
    assert (made.tasks, made.credits) == (100, Decimal(10))


def test_the_last_task_within_the_limit_is_admitted(budget: MakeBudget) -> None:
    """The limit itself may be reached."""
    made = budget(2, "0.3")
    made.admit(1, "running", Decimal("0.1"))
    made.admit(1, "running", Decimal("0.2"))
    with pytest.raises(BudgetSpent, match=r"budget of 2 tasks is spent; raise budget\.tasks"):
        made.admit(1, "pending")


def test_the_complaint_names_price_and_rest(budget: MakeBudget) -> None:
    """One sees how much would be enough."""
    made = budget(credits_=Decimal(5))
    made.admit(1, "running", Decimal(4))
    with pytest.raises(BudgetSpent, match=r"may cost 2 credits and 1 of 5 are left; raise budget\.credits"):
        made.admit(1, "running", Decimal(2))


def test_a_budget_of_nothing_admits_nothing(budget: MakeBudget) -> None:
    """Zero is a limit, not its absence."""
    with pytest.raises(BudgetSpent):
        budget(0).admit(1, "pending")
    with pytest.raises(BudgetSpent):
        budget(credits_=Decimal(0)).admit(1, "pending", Decimal("0.001"))


def test_what_was_charged_takes_the_place_of_what_was_expected(budget: MakeBudget) -> None:
    """A task that became cheaper makes room for another; of two charges the greater one counts."""
    made = budget(credits_=Decimal(3))
    made.accept(made.admit(1, "running", Decimal(3)), "task_1")
    made.settle("task_1", Decimal(1))
    made.settle("task_1", Decimal("0.5"))
    made.admit(1, "running", Decimal(2))
    assert made.credits == Decimal(3)


def test_a_refused_submit_counts_for_nothing(budget: MakeBudget) -> None:
    """Nor does one that was answered with a task that is there already."""
    made = budget(tasks=2)
    made.refuse(made.admit(1, "pending"))
    for _ in range(5):
        made.accept(made.admit(1, "pending"), "task_1")
    assert made.tasks == 1


@pytest.mark.parametrize("charged", [Decimal(-5), Decimal("1e99"), Decimal("1e-30")])
def test_no_claim_of_a_targets_breaks_the_sum(budget: MakeBudget, charged: Decimal) -> None:
    """A negative charge gives nothing back, a monstrous one is cut, a tiny one is not lost."""
    made = budget(credits_=Decimal(10) ** 9)
    for number in range(3):
        made.accept(made.admit(1, "running", Decimal(1)), f"task_{number}")
        made.settle(f"task_{number}", charged)
    assert 0 <= made.credits <= 3 * 10**6
    assert (made.credits > 0) is (charged > 0)


def test_the_first_task_of_an_unknown_price_tells_it(budget: MakeBudget) -> None:
    """Until it has, there is no second, where credits are limited: so a limit holds without prices in the profile."""
    made = budget(credits_="5", patience=0.05)
    first = made.admit(1, "running", None)
    with pytest.raises(BudgetSpent, match=r"nobody knows what a running task costs"):
        made.admit(1, "running", None)
    made.admit(1, "pending")
    threading.Timer(0.02, lambda: made.price(first, "running", Decimal(4))).start()
    with pytest.raises(BudgetSpent, match="may cost 4 credits and 1 of 5 are left"):
        budget(credits_="5").admit(1, "running", None)


def test_a_price_that_was_told_meanwhile_counts(budget: MakeBudget) -> None:
    """Whoever did not know it when he asked is admitted at no other."""
    made = budget(credits_="5")
    made.price(made.admit(1, "running", None), "running", Decimal(4))
    with pytest.raises(BudgetSpent, match="may cost 4 credits and 1 of 5 are left"):
        made.admit(1, "running", None)


def test_the_dearest_estimate_is_expected_of_the_next_task(budget: MakeBudget) -> None:
    """Two variants of one recipe may differ in price."""
    made = budget()
    for said in (2, 7, 3):
        made.price(made.admit(1, "running", None), "running", Decimal(said))
    assert made.known_price("running") == 7
    assert made.credits == 12


@given(st.lists(prices), st.integers(0, 10), prices)
def test_no_limit_is_ever_passed(asked: list[Decimal], tasks: int, credits_: Decimal) -> None:
    """However much is asked for, and a refusal counts nothing."""
    with new_journal() as journal:
        made = Budget(journal.pool, most_tasks=tasks, most_credits=credits_)
        for price in asked:
            before = (made.tasks, made.credits)
            try:
                made.admit(1, "running", price)
            except BudgetSpent:
                assert (made.tasks, made.credits) == before
        assert made.tasks <= tasks
        assert made.credits <= credits_


def spend(path: Path, teller: str) -> int:
    """How many tasks one of several processes is let submit, which asks for as many as it can."""
    with contextlib.closing(Journal.join(path, teller)) as joined:
        made, admitted = Budget(joined.pool, most_tasks=90, most_credits=Decimal(77)), 0
        for _ in range(60):
            with contextlib.suppress(BudgetSpent):
                made.admit(1, "running", Decimal(1))
                admitted += 1
    return admitted


def test_the_budget_is_exact_when_several_processes_spend_it(journal: Journal) -> None:
    """Three of them ask at once for more than there is: they are let have all of it, and not a credit more."""
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        admitted = pool.starmap(spend, [(journal.path, f"gw{number}") for number in range(3)])
    assert sum(admitted) == 77
    assert journal.pool.totals() == (77, Decimal(77))
