"""What a movement of an account proves: windows, sums, rounding, and others' movements."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from told import INVALID_PARAM, UNAVAILABLE, Tale, Told, refusal, showing, terms

from conformance.account import LEDGER, Window, agrees, amount, charge, expected, noise, readings
from conformance.lawful import Task
from conformance.story import Story

LATE = "task_01HQX9F2P6Y80080VEX3CRZ8GX"


def whole(tale: Tale, source: str = "document", role: str = "owner") -> Window:
    """The window from the first reading to the last."""
    series = readings(tale.story)[role, source]
    return Window(series[0], series[-1])


def cost(tale: Tale) -> Decimal | None:
    """What the tasks have certainly cost over the whole tale."""
    return expected(tale.story, whole(tale))


def moving(*balances: object, source: str = "document") -> Tale:
    """A story in which nothing but the account is read."""
    tale = Tale(alone=True)
    for balance in balances:
        tale.left(balance, source=source)
    return tale


@pytest.mark.parametrize("source", ["document", "header"])
@pytest.mark.parametrize(
    ("balances", "spent", "agreed"),
    [
        ((100, 98.53), "1.47", True),
        (("100.00", "98.53"), "1.47", True),
        ((100, 98.53), "1.470", True),
        ((100, 98.53), "1.48", False),
        ((100.5, 99.0), "1.47", True),
        ((100.5, 99.0), "1.7", False),
        (("100.50", "100", "98"), "1.5", False),
        ((99.03, 97.56), "1.47", True),
        ((100, 98.53000000000003), "1.47", True),
        ((100, 98.53000000000003), "1.48", False),
        ((29.94, 29.240000000000002), "0.7000000000000001", True),
        ((2.176, 0.0860000000000003), "2.09", True),
        (("30.029999999911525", "28.559999999939464"), "1.47", True),
        ((100, 99.9999), "0", False),
        (("1e3", "9.9e2"), "10", True),
        (("1e3", "9.9e2"), "11", False),
        ((100, 100), "0", True),
        ((100, 100.01), "0", False),
    ],
)
def test_a_movement_is_exact_to_the_last_place_shown(
    balances: tuple[object, ...],
    spent: str,
    agreed: bool,
    source: str,
) -> None:
    """Fewer decimals round, a float's last digits are noise, and nothing else is forgiven."""
    assert agrees(whole(moving(*balances, source=source), source), Decimal(spent)) is agreed


@pytest.mark.parametrize("balance", ["unlimited", "", "NaN", "Infinity", "1,5", "9e999"])
def test_what_is_no_amount_is_no_reading(balance: str) -> None:
    """A balance that is no number tells nothing."""
    assert readings(moving(balance, source="header").story) == {}


def test_what_was_not_answered_is_no_reading() -> None:
    """The infrastructure knows of no balance (R17), and a refusal has no document of one."""
    tale = Tale(alone=True)
    tale.left(5, source="header", answer=UNAVAILABLE)
    tale.left(5, answer=UNAVAILABLE)
    tale.left(5, answer=(403, {"balance": {"left": 5}}))
    assert readings(tale.story) == {}


def test_a_target_without_accounting_is_never_read() -> None:
    """Where the profile names no place, nothing is one (R16)."""
    tale = Tale(terms(accounting=False), alone=True)
    tale.left(5)
    tale.left(5, source="header")
    assert readings(tale.story) == {}


@pytest.mark.parametrize(
    ("value", "exact"),
    [(1, 1), (Decimal("1.47"), Decimal("1.47")), (0, 0), (True, None), ("1", None), (None, None), (10**60, None)],
)
def test_an_amount_is_a_number(value: object, exact: object) -> None:
    """Neither a text nor a truth value, and nothing without bounds."""
    assert amount(value) == exact
    assert amount(Decimal("Infinity")) is None


def test_an_absent_charge_is_none() -> None:
    """Absent and `null` are no charge (R7)."""
    assert [charge(each) for each in ({}, {"credits_used": None}, {"credits_used": "1"}, [])] == [0, 0, None, 0]


def told(task_told: Any, *, alone: bool = True) -> Tale:  # noqa: ANN401
    """A reading, what is told of a task, and another reading."""
    tale = Tale(alone=alone)
    tale.left(100)
    task_told(tale)
    tale.left(100)
    return tale


def ended(tale: Tale, **more: object) -> Task:
    """A task runs and is cancelled."""
    task = tale.submitted("running")
    tale.query(task, "running")
    tale.cancel(path=task, answer=showing(task, "cancelled", **more))
    return task


def test_a_task_within_the_window_costs_what_it_shows() -> None:
    """Submitted and ended between two readings, whenever it was charged."""
    assert cost(told(lambda tale: ended(tale, credits_used=0.5))) == Decimal("0.5")
    assert cost(told(ended)) == 0


def test_another_task_of_the_run_makes_it_uncertain() -> None:
    """A story that was not alone proves nothing about an account."""
    assert cost(told(ended, alone=False)) is None


def test_a_task_that_is_under_way_makes_it_uncertain() -> None:
    """A hold from the start, a charge at the end: both are lawful."""
    assert cost(told(lambda tale: tale.submitted("running"))) is None
    tale = Tale(alone=True)
    task = tale.submitted("running")
    tale.left(100)
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    tale.left(101.5)
    assert cost(tale) is None


def test_a_pending_task_moves_nothing_while_it_holds() -> None:
    """Once its submit is answered, up to the promised instant and to the first cancel of it."""
    for holds, cancelled, certain in ((60, False, Decimal(0)), (None, False, None), (60, True, None)):
        tale = Tale(alone=True)
        task = tale.submitted(holds=holds)
        tale.left(100)
        if cancelled:
            tale.cancel(path=task, answer=showing(task, "cancelled"))
        tale.left(100)
        assert cost(tale) == certain


def test_a_lost_submit_may_have_made_a_task() -> None:
    """One whose task the story knows by its identifier is no secret; another one is."""
    tale = told(ended)
    assert cost(tale) == 0
    tale.tasks.clear()
    assert cost(tale) is None


@pytest.mark.parametrize(
    ("role", "answer", "certain"),
    [
        ("owner", None, Decimal(0)),
        ("sibling", None, None),
        ("sibling", refusal(408, "timeout"), None),
        ("sibling", refusal(400, "invalid_param"), Decimal(0)),
    ],
)
def test_another_key_may_have_used_the_same_name(role: str, answer: Told, certain: object) -> None:
    """A lost submit by a key of the account is a secret, though another of its keys has a task of that name."""
    tale = Tale(terms(accounts={"owner": "a", "sibling": "a"}), alone=True)
    tale.left(100)
    task = ended(tale)
    tale.submitted("running", out=task.out_task_id, role=role, answer=answer or UNAVAILABLE)
    tale.tasks.pop()
    tale.left(100)
    assert cost(tale) == certain


@pytest.mark.parametrize(("price", "agreed"), [("0.125", True), ("0.12", False)])
def test_an_account_may_hide_the_rest_of_an_earlier_price(price: str, agreed: bool) -> None:
    """Where some price has more places than the account shows, a movement of few places is rounded too."""
    tale = Tale(alone=True)
    ended(tale, credits_used=float(price))
    tale.left(29.94)
    tale.left(29.25)
    assert agrees(whole(tale), Decimal("0.7")) is agreed


def test_a_completion_that_shows_no_charge_is_open() -> None:
    """That absent means none is said of cancels (R7), not of a task that ended by itself."""

    def completes(tale: Tale, **more: object) -> None:
        tale.query(tale.submitted("completed"), showing(tale.tasks[0], "completed", **more))

    assert cost(told(completes)) is None
    assert cost(told(lambda tale: completes(tale, credits_used=1.47))) == Decimal("1.47")


@pytest.mark.parametrize(("again", "certain"), [(True, Decimal(0)), (False, None)])
def test_a_lost_cancel_may_still_be_at_its_refund(again: bool, certain: object) -> None:
    """Others are shown the end before its refund is done; a later answer says that it is over."""

    def cancelled(tale: Tale) -> None:
        task = tale.submitted("running")
        tale.lost(path=task)
        tale.query(task, "cancelled")
        if again:
            tale.cancel(path=task, answer=showing(task, "cancelled"))

    assert cost(told(cancelled)) == certain


def test_a_refund_in_flight_is_not_settled() -> None:
    """A poller may see `cancelled` while the cancel is still under way."""
    tale = Tale(alone=True)
    tale.left(100)
    task = tale.submitted("running")
    tale.cancel(path=task, answer=showing(task, "cancelled", credits_used=0.5), sent=110, ended=120)
    tale.query(task, "cancelled", sent=111)
    tale.left(98.5, sent=112)
    assert cost(tale) is None
    tale.left(99.5, sent=121)
    assert cost(tale) == Decimal("0.5")


def test_two_keys_of_one_account_are_not_told_apart() -> None:
    """What a sibling's task cost may or may not show in this key's header (R23)."""
    tale = Tale(terms(accounts={"owner": "a", "sibling": "a"}), alone=True)
    tale.left(100)
    task = tale.submitted("running", role="sibling")
    tale.cancel(path=task, answer=showing(task, "cancelled", credits_used=1), role="sibling")
    tale.left(99)
    assert cost(tale) is None


def test_a_movement_while_nothing_goes_on_is_noise() -> None:
    """Somebody else uses the account."""
    assert "moved by 7 credits" in noise(moving(100, 93).story)
    assert noise(moving(100, 100).story) == ""
    assert noise(moving(100, 99.99999999999997).story) == ""


@pytest.mark.parametrize("moved", [0.3, 1.2, 1.5, 1.8])
def test_a_late_effect_of_our_own_is_no_noise(moved: float) -> None:
    """A late charge, a late refund, or the late refund of a part: the target's own doing."""
    tale = Tale(alone=True)
    task = tale.submitted("running")
    tale.query(task, showing(task, "running", estimated_credits=1.5))
    tale.cancel(path=task, answer=showing(task, "cancelled", credits_used=0.3))
    for balance in (50, round(50 - moved, 2), 50, 50):
        tale.left(balance)
    assert noise(tale.story) == ""
    tale.left(49.99)
    assert noise(tale.story)


@pytest.mark.parametrize(
    ("title", "read", "excused"),
    [
        (LEDGER, [(0.1, 50), (0.3, 57.77), (2.3, 57.77), (2.5, 57.77)], True),
        (LEDGER, [(0.1, 50), (2.3, 57.77), (2.5, 57.77)], True),
        (LEDGER, [(0.1, 50), (0.3, 57.77)], False),
        (LEDGER, [(0.1, 50), (0.3, 57.77), (0.5, 57.77), (0.7, 57.77)], False),
        (LEDGER, [(0.1, 50), (0.3, 57.77), (2.3, 57.77), (2.35, 57.77)], False),
        (LEDGER, [(0.1, 50), (0.3, 57.77), (2.3, 57.77), (2.5, 58.77)], False),
        (LEDGER, [(2.0, 50), (2.3, 57.77), (4.3, 57.77), (4.5, 57.77)], False),
        ("test_living_at_random", [(0.1, 50), (0.3, 57.77), (2.3, 57.77), (2.5, 57.77)], False),
    ],
)
def test_an_account_that_comes_to_rest_was_moved_by_what_had_been_sent(
    title: str, read: list[tuple[float, float]], *, excused: bool
) -> None:
    """Late refunds of many tasks are nobody else's doing, if over the whole run there is nothing else."""
    tale = Tale(alone=True)
    for number in range(5):
        task = tale.submitted("running")
        tale.cancel(path=task, answer=showing(task, "cancelled", credits_used=0.01 * number))
    last = tale.now
    for after, balance in read:
        tale.left(balance, sent=last + after)
    assert (noise(Story(tale.tasks, tale.exchanges, tale.terms, title, alone=True)) == "") is excused


@pytest.mark.parametrize("moved", [0.1001, -0.1499])
def test_a_late_effect_of_what_only_the_submit_showed_is_no_noise(moved: float) -> None:
    """The price may stand in the answer of the submit alone; it counts, however many tasks have ended before."""
    tale = Tale(alone=True)
    for credits_ in range(1, 80):
        early = tale.submitted("running")
        tale.cancel(path=early, answer=showing(early, "cancelled", credits_used=credits_ / 1000))
    task = tale.submitted("running", answer={"task_id": LATE, "status": "pending", "estimated_credits": 0.1499})
    assert task.task_id == LATE
    tale.cancel(path=task, answer=showing(task, "cancelled", credits_used=0.25))
    for balance in (50, round(50 - moved, 4)):
        tale.left(balance)
    assert noise(tale.story) == ""


def test_a_busy_window_tells_nothing_of_noise() -> None:
    """While a task may run, its account may move; a refusal may too, wrongly."""
    assert noise(told(lambda tale: tale.submitted("running")).story) == ""
    tale = Tale(alone=True)
    tale.left(100)
    tale.cancel({}, answer=INVALID_PARAM)
    tale.left(93)
    assert noise(tale.story) == ""
