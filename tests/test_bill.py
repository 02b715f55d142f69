"""The checks of BILL on stories told by hand."""

from __future__ import annotations

from typing import Any

import pytest
from told import INVALID_KEY, INVALID_PARAM, NOT_FOUND, UNKNOWN, Tale, Told, showing, terms

from conformance.lawful import Task

ESTIMATE = 1.5
SETTLED = [("BILL-5", "completed"), ("BILL-6", "failed")]


def pending(*, holds: float | None = 60, read: bool = True) -> tuple[Tale, Task]:
    """The account is read, a pending task is submitted, and perhaps looked at."""
    tale = Tale(alone=True)
    tale.left(100)
    task = tale.submitted(holds=holds)
    if read:
        tale.query(task, "pending")
    return tale, task


def running(*, estimate: object = ESTIMATE) -> tuple[Tale, Task]:
    """The account is read, and a task is submitted and seen to run."""
    tale = Tale(alone=True)
    tale.left(100)
    task = tale.submitted("running")
    tale.query(task, showing(task, "running", estimated_credits=estimate))
    return tale, task


def ended(state: str, **more: object) -> tuple[Tale, Task]:
    """A task is seen to have ended, and the account is read."""
    tale = Tale(alone=True)
    task = tale.given(state)
    tale.query(task, showing(task, state, **more))
    tale.left(100)
    return tale, task


def cancelled(tale: Tale, task: Task, **more: object) -> None:
    """The task is cancelled."""
    tale.cancel(path=task, answer=showing(task, "cancelled", **more))


@pytest.mark.parametrize(
    ("more", "judged"), [({}, "held"), ({"credits_used": 0}, "held"), ({"credits_used": None}, "held")]
)
def test_a_pending_cancel_shows_no_charge(more: dict[str, object], judged: str) -> None:
    """Absent and 0 are both no charge (BILL-1, R7)."""
    tale, task = pending()
    cancelled(tale, task, **more)
    assert tale.judged("BILL-1") == judged


@pytest.mark.parametrize("state", ["running", "completed"])
def test_a_task_that_its_submit_shows_past_pending_was_not_cancelled_pending(state: str) -> None:
    """Where there is no queue, no free cancel of a pending task is proven (BILL-1, BILL-2)."""
    tale = Tale(alone=True)
    tale.left(100)
    task = tale.submitted(shows=state)
    cancelled(tale, task)
    tale.left(100)
    assert tale.judged("BILL-1") == tale.judged("BILL-2") == "silent"


@pytest.mark.parametrize(("holds", "judged"), [(60, "broken"), (None, "undecided")])
def test_a_pending_cancel_that_shows_a_charge_is_seen(holds: float | None, judged: str) -> None:
    """Where it is certain that the task had not started (BILL-1, R25)."""
    tale, task = pending(holds=holds)
    cancelled(tale, task, credits_used=0.5)
    assert tale.judged("BILL-1") == judged


@pytest.mark.parametrize(
    ("haunted", "left", "judged"), [(False, 99, "broken"), (True, 99, "undecided"), (True, 100, "held")]
)
def test_a_task_that_nobody_knows_may_be_billed(haunted: bool, left: int, judged: str) -> None:
    """Where an earlier submit without name or answer may have made one, a movement is nobody's fault (BILL-2)."""
    tale = Tale(alone=True, haunted=haunted)
    tale.left(100)
    task = tale.submitted(holds=60)
    cancelled(tale, task)
    tale.left(left)
    assert tale.judged("BILL-2") == judged


def test_a_charge_that_comes_later_is_seen() -> None:
    """Free is free ever after (BILL-1)."""
    tale, task = pending()
    cancelled(tale, task)
    tale.wait(120)
    tale.query(task, showing(task, "cancelled", credits_used=0.5))
    assert tale.judged("BILL-1") == "broken"


@pytest.mark.parametrize(("later", "judged"), [("completed", "undecided"), ("cancelled", "broken")])
def test_a_cancel_that_never_came_frees_nothing(later: str, judged: str) -> None:
    """Lost on its way, the task ran on; seen cancelled before it could start, it was free (BILL-1)."""
    tale, task = pending()
    tale.lost(path=task)
    tale.wait(120 if later == "completed" else 0)
    tale.query(task, showing(task, later, credits_used=1.47))
    assert tale.judged("BILL-1") == judged


def test_a_cancel_sent_again_after_a_loss_is_free_too() -> None:
    """Whichever of them it was, the task was pending (BILL-1, BILL-2)."""
    tale, task = pending()
    tale.cancel({"task_id": 7}, answer=INVALID_PARAM)
    tale.lost(path=task)
    cancelled(tale, task, credits_used=0.5)
    assert tale.judged("BILL-1") == "broken"


@pytest.mark.parametrize(
    ("left", "shown", "judged"), [(100, {}, "held"), (98.5, {}, "broken"), (99.5, {"credits_used": 0.5}, "broken")]
)
def test_a_pending_cancel_moves_no_account(left: float, shown: dict[str, object], judged: str) -> None:
    """The account stands where it stood before the submit, whatever the task shows (BILL-2)."""
    tale, task = pending()
    cancelled(tale, task, **shown)
    tale.left(left)
    assert tale.judged("BILL-2") == judged


def test_a_hold_that_is_given_back_is_no_charge() -> None:
    """What is held from the start and returned by the cancel is lawful (BILL-2, BILL-8)."""
    tale, task = pending(read=False)
    tale.left(98.5)
    cancelled(tale, task)
    tale.left(100)
    assert tale.judged("BILL-2") == "held"
    assert tale.blamed == []


@pytest.mark.parametrize(
    ("left", "shown", "judged"),
    [(100, {}, "held"), (99.5, {"credits_used": 0.5}, "undecided"), (99.5, {}, "broken")],
)
def test_what_was_just_read_as_pending_may_have_started(left: float, shown: dict[str, object], judged: str) -> None:
    """A charge is undecided then; an account that moves by what nothing shows is wrong either way (BILL-2, R25)."""
    tale, task = pending(holds=None)
    cancelled(tale, task, **shown)
    tale.left(left)
    assert tale.judged("BILL-2") == judged


def test_a_late_charge_of_a_pending_task_is_seen() -> None:
    """At once nothing has moved, and later something has (BILL-2)."""
    tale, task = pending()
    tale.query(task, showing(task, "pending", estimated_credits=1.5))
    cancelled(tale, task)
    tale.left(100)
    tale.left(98.5)
    assert tale.judged("BILL-2") == "broken"


@pytest.mark.parametrize("row", ["BILL-2", "BILL-4", "BILL-8", "BILL-9"])
def test_another_task_under_way_makes_it_undecided(row: str) -> None:
    """What may have moved the account besides proves nothing."""
    tale, task = running() if row == "BILL-4" else pending()
    tale.submitted("running")
    cancelled(tale, task)
    cancelled(tale, task)
    tale.left(98.5)
    assert tale.judged(row) == "undecided"


@pytest.mark.parametrize("row", ["BILL-2", "BILL-4", "BILL-5", "BILL-7", "BILL-8", "BILL-9"])
def test_without_accounting_no_account_is_judged(row: str) -> None:
    """A target that shows no account is not blamed for it (R16)."""
    tale, task = running()
    tale.terms = terms(accounting=False)
    tale.submitted(holds=60)
    cancelled(tale, task)
    cancelled(tale, task)
    tale.left(7)
    assert tale.judged(row) in {"silent", "held" if row == "BILL-5" else "silent"}
    assert tale.blamed == []


@pytest.mark.parametrize(
    ("answered", "later", "judged"),
    [
        ({"credits_used": 0.5}, {"credits_used": 0.5}, "held"),
        ({"credits_used": 1}, {"credits_used": 1.0}, "held"),
        ({}, {}, "held"),
        ({"credits_used": 0.5}, {"credits_used": 0.6}, "broken"),
        ({"credits_used": 0.5}, {}, "broken"),
        ({}, {"credits_used": 0.5}, "broken"),
        ({}, {"credits_used": 0}, "broken"),
        ({"credits_used": -0.5}, {"credits_used": -0.5}, "broken"),
        ({"credits_used": "0.5"}, {"credits_used": "0.5"}, "broken"),
    ],
)
def test_the_charge_of_a_running_task_is_final(
    answered: dict[str, object], later: dict[str, object], judged: str
) -> None:
    """A number of at least 0, or none, and the same ever after (BILL-3)."""
    tale, task = running()
    cancelled(tale, task, **answered)
    tale.query(task, showing(task, "cancelled", **later))
    assert tale.judged("BILL-3") == judged


def test_a_charge_seen_while_the_cancel_ran_is_not_yet_final() -> None:
    """Only what starts after the answer must show it (BILL-3)."""
    tale, task = running()
    tale.cancel(path=task, answer=showing(task, "cancelled", credits_used=0.5), sent=110, ended=120)
    tale.query(task, "cancelled", sent=119, ended=121)
    tale.query(task, showing(task, "cancelled", credits_used=0.5))
    assert tale.judged("BILL-3") == "held"


def test_of_a_lost_cancel_no_charge_is_final() -> None:
    """Nobody was told any (BILL-3, BILL-4)."""
    tale, task = running()
    tale.lost(path=task)
    tale.query(task, showing(task, "cancelled", credits_used=0.5))
    tale.left(98.5)
    assert (tale.judged("BILL-3"), tale.judged("BILL-4"), tale.blamed) == ("silent", "silent", [])


@pytest.mark.parametrize("first", ["lost", "unseen"])
@pytest.mark.parametrize(
    ("shown", "later", "judged"),
    [
        ({"credits_used": 0.5}, {"credits_used": 0.5}, "silent"),
        ({"credits_used": 0.5}, {"credits_used": 0.75}, "broken"),
        ({"credits_used": 0.5}, {}, "broken"),
        ({}, {"credits_used": 0.5}, "broken"),
        ({}, {"credits_used": 0}, "silent"),
    ],
)
def test_a_charge_is_final_wherever_it_was_seen_first(
    first: str, shown: dict[str, object], later: dict[str, object], judged: str
) -> None:
    """That the task has run is proven by the charge itself (BILL-3); without one BILL-1 may have its say."""
    tale, task = running() if first == "lost" else pending(holds=None)
    if first == "lost":
        tale.lost(path=task)
        tale.query(task, showing(task, "cancelled", credits_used=0.9))
    cancelled(tale, task, **shown)
    tale.query(task, showing(task, "cancelled", **later))
    assert tale.judged("BILL-3") == judged


@pytest.mark.parametrize("source", ["document", "header"])
@pytest.mark.parametrize(
    ("before", "shown", "left", "judged"),
    [
        (100, {"credits_used": 0.5}, 99.5, "held"),
        (98.5, {"credits_used": 0.5}, 99.5, "held"),
        (99.9, {"credits_used": 0.5}, 99.5, "held"),
        (98.5, {}, 100, "held"),
        (100, {"credits_used": 0.5}, 100, "undecided"),
        (100.5, {"credits_used": 0.5}, 100, "broken"),
        (98.5, {"credits_used": 0.5}, 98.5, "broken"),
        (98.5, {}, 101.5, "broken"),
        (100, {"credits_used": 0.5}, 99.49, "broken"),
    ],
)
def test_the_account_moved_by_the_charge(
    before: float, shown: dict[str, object], left: float, judged: str, source: str
) -> None:
    """Charged from the start, held and returned in part, while it ran or at the end: the sum counts (BILL-4)."""
    tale = Tale(alone=True)
    tale.left(100, source=source)
    task = tale.submitted("running")
    tale.query(task, "running")
    tale.left(before, source=source)
    cancelled(tale, task, **shown)
    tale.left(left, source=source)
    assert tale.judged("BILL-4") == judged


def test_a_refund_after_the_answer_is_seen() -> None:
    """It happens during the cancel, not after; that it comes at all does not mend it (BILL-4)."""
    tale, task = running()
    cancelled(tale, task, credits_used=0.5)
    tale.left(98.5)
    tale.left(99.5)
    assert tale.judged("BILL-4") == "broken"


def test_an_account_with_fewer_decimals_is_right_to_the_last() -> None:
    """The movement is rounded, the charge is not (BILL-4)."""
    tale = Tale(alone=True)
    tale.left(100.5)
    task = tale.submitted("running")
    tale.query(task, "running")
    cancelled(tale, task, credits_used=1.4712)
    tale.left(99.0)
    assert tale.judged("BILL-4") == "held"


def test_an_account_that_others_move_is_undecided() -> None:
    """What moves while nothing goes on is somebody else's, and so may the rest be (BILL-4)."""
    tale = Tale(alone=True)
    tale.left(107)
    tale.left(100)
    task = tale.submitted("running")
    tale.query(task, "running")
    cancelled(tale, task, credits_used=0.5)
    tale.left(60)
    assert tale.judged("BILL-4") == "undecided"


def test_a_task_past_the_point_of_no_return_is_paid() -> None:
    """A cancel that finds it so answers completed, with its price (BILL-3, BILL-4, R6)."""
    tale, task = running()
    tale.cancel(path=task, answer=showing(task, "completed", credits_used=1.47))
    tale.left(98.53)
    tale.query(task, showing(task, "completed", credits_used=1.47))
    assert (tale.judged("BILL-3"), tale.judged("BILL-4"), tale.blamed) == ("held", "held", [])


@pytest.mark.parametrize(("row", "state"), SETTLED)
@pytest.mark.parametrize(
    ("answered", "left", "judged"),
    [
        ({"credits_used": 1.47}, 100, "held"),
        ({"credits_used": 1.47}, 101.47, "broken"),
        ({"credits_used": 0}, 100, "broken"),
        ({}, 100, "broken"),
    ],
)
def test_what_has_ended_is_settled(row: str, state: str, answered: dict[str, object], left: float, judged: str) -> None:
    """Neither the charge nor the account moves by a cancel (BILL-5, BILL-6)."""
    tale, task = ended(state, credits_used=1.47)
    tale.cancel(path=task, answer=showing(task, state, **answered))
    tale.left(left)
    assert tale.judged(row) == judged


@pytest.mark.parametrize(("row", "state"), SETTLED)
def test_a_charge_that_changes_later_is_seen(row: str, state: str) -> None:
    """Not in the answer, and not in the next query, but in the one after it (BILL-5, BILL-6)."""
    tale, task = ended(state)
    for more in ({}, {}, {"credits_used": 1.47}):
        tale.cancel(path=task, answer=showing(task, state))
        tale.query(task, showing(task, state, **more))
    assert tale.judged(row) == "broken"


@pytest.mark.parametrize(("row", "state"), SETTLED)
def test_a_late_refund_of_what_was_settled_is_seen(row: str, state: str) -> None:
    """The account stands still at once, and moves a while after (BILL-5, BILL-6)."""
    tale, task = ended(state, credits_used=1.47)
    tale.cancel(path=task, answer=showing(task, state, credits_used=1.47))
    tale.left(100)
    tale.left(101.47)
    assert tale.judged(row) == "broken"


@pytest.mark.parametrize(("row", "state"), SETTLED)
def test_a_story_beside_others_shows_the_charge_alone(row: str, state: str) -> None:
    """Other tasks of the run may have moved the account; failed tasks may have been free or not (BILL-5, BILL-6)."""
    tale, task = ended(state, credits_used=1.47)
    tale.alone = False
    tale.cancel(path=task, answer=showing(task, state, credits_used=1.47))
    tale.left(50)
    assert (tale.judged(row), tale.blamed) == ("held", [])


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ({"body": {}}, INVALID_PARAM),
        ({"path": UNKNOWN}, NOT_FOUND),
        ({"path": UNKNOWN, "role": "nobody:none"}, INVALID_KEY),
        ({"path": UNKNOWN, "role": "revoked"}, INVALID_KEY),
        ({"path": UNKNOWN}, None),
    ],
    ids=str,
)
@pytest.mark.parametrize(("left", "judged"), [(100, "held"), (99.99, "broken")])
def test_a_refused_call_is_free(call: dict[str, Any], answer: Told, left: float, judged: str) -> None:
    """For the caller, and for the owner of the tasks; be the answer lost or not (BILL-7, ISO-7)."""
    tale = Tale(alone=True)
    tale.submitted(holds=60)
    tale.left(100)
    tale.cancel(**call, answer=answer)
    tale.left(left)
    assert (tale.judged("BILL-7"), tale.judged("ISO-7")) == (judged, judged)


@pytest.mark.parametrize(
    ("left", "judged"),
    [
        ([100, 98.5], "undecided"),
        ([98.5, 98.5], "held"),
        ([98.5, 97], "broken"),
        ([100, 97], "broken"),
        ([100, 98.9], "broken"),
    ],
)
def test_a_hold_may_be_seen_late(left: list[float], judged: str) -> None:
    """Nothing says when a hold is placed; but it is placed once, and is as high as was estimated (BILL-7)."""
    tale = Tale(alone=True)
    tale.left(100)
    task = tale.submitted(holds=60)
    tale.query(task, showing(task, "pending", estimated_credits=ESTIMATE))
    tale.left(left[0])
    tale.cancel(path=UNKNOWN, answer=NOT_FOUND)
    tale.left(left[1])
    assert (tale.judged("BILL-7"), tale.judged("ISO-7")) == (judged, judged)


@pytest.mark.parametrize(
    ("left", "judged"),
    [([99.5, 98], "undecided"), ([98, 98], "held"), ([98, 96.5], "broken"), ([99.5, 97.5], "broken")],
)
def test_a_hold_may_be_seen_when_another_task_was_paid_for(left: list[float], judged: str) -> None:
    """What that has cost is no part of the hold (BILL-7)."""
    tale = Tale(alone=True)
    tale.left(100)
    task, other = tale.submitted(holds=60), tale.submitted("running")
    tale.query(task, showing(task, "pending", estimated_credits=ESTIMATE))
    tale.query(other, "running")
    cancelled(tale, other, credits_used=0.5)
    tale.query(other, showing(other, "cancelled", credits_used=0.5))
    tale.left(left[0])
    tale.cancel(path=UNKNOWN, answer=NOT_FOUND)
    tale.left(left[1])
    assert (tale.judged("BILL-7"), tale.judged("ISO-7")) == (judged, judged)


@pytest.mark.parametrize(("left", "judged"), [(98, "undecided"), (99.5, "held"), (96.5, "broken"), (98.5, "broken")])
def test_a_hold_may_be_seen_when_another_task_is_paid_for(left: float, judged: str) -> None:
    """The account goes down by what that costs, and by the hold on the one that waits (BILL-4)."""
    tale = Tale(alone=True)
    task = tale.submitted(holds=60)
    tale.query(task, showing(task, "pending", estimated_credits=ESTIMATE))
    tale.left(100)
    other = tale.submitted("running")
    tale.query(other, "running")
    cancelled(tale, other, credits_used=0.5)
    tale.left(left)
    assert tale.judged("BILL-4") == judged


def test_a_hold_may_be_seen_when_nobody_knows_what_another_task_has_cost() -> None:
    """That one ran before the account was first read: what has gone since proves nothing (BILL-7)."""
    tale = Tale(alone=True)
    other = tale.submitted("running")
    tale.query(other, "running")
    tale.left(100)
    task = tale.submitted(holds=60)
    tale.query(task, showing(task, "pending", estimated_credits=ESTIMATE))
    cancelled(tale, other, credits_used=0.5)
    tale.query(other, showing(other, "cancelled", credits_used=0.5))
    tale.left(99.25)
    tale.cancel(path=UNKNOWN, answer=NOT_FOUND)
    tale.left(97.75)
    assert (tale.judged("BILL-7"), tale.judged("ISO-7")) == ("undecided", "undecided")


def test_a_call_is_not_judged_by_the_task_that_it_ends() -> None:
    """A hold comes back, and says nothing of the call (BILL-7)."""
    tale = Tale(alone=True)
    task = tale.submitted(holds=60)
    tale.left(98.5)
    cancelled(tale, task)
    tale.left(100)
    assert (tale.judged("BILL-7"), tale.blamed) == ("silent", [])


@pytest.mark.parametrize(("left", "judged"), [(99.5, "held"), (100.5, "broken")])
@pytest.mark.parametrize("first_is_lost", [False, True])
def test_several_cancels_refund_once(left: float, judged: str, *, first_is_lost: bool) -> None:
    """One after the other, also after a lost answer (BILL-8)."""
    tale, task = running()
    for lost in (first_is_lost, False):
        tale.cancel(path=task, answer=None if lost else showing(task, "cancelled", credits_used=0.5))
    tale.left(left)
    assert tale.judged("BILL-8") == judged


@pytest.mark.parametrize(("left", "judged"), [(99.5, "held"), (100.5, "broken")])
def test_simultaneous_cancels_refund_once(left: float, judged: str) -> None:
    """At the same time too (BILL-8)."""
    tale, task = running()
    for end in (120, 121):
        tale.cancel(path=task, answer=showing(task, "cancelled", credits_used=0.5), sent=110, ended=end)
    tale.left(left)
    assert tale.judged("BILL-8") == judged


def test_one_cancel_is_no_story_of_several() -> None:
    """There is nothing to repeat (BILL-8)."""
    tale, task = running()
    cancelled(tale, task)
    tale.left(100)
    assert tale.judged("BILL-8") == "silent"


@pytest.mark.parametrize(("left", "judged"), [(98.03, "held"), (97.03, "broken"), (99.5, "broken")])
def test_the_account_adds_up(left: float, judged: str) -> None:
    """Over several tasks of different ends and prices (BILL-9)."""
    tale, task = running()
    other, third = tale.submitted("completed"), tale.submitted(holds=60)
    cancelled(tale, task, credits_used=0.5)
    tale.query(other, showing(other, "completed", credits_used=1.47))
    cancelled(tale, third)
    tale.left(left)
    assert tale.judged("BILL-9") == judged


@pytest.mark.parametrize(("left", "judged"), [(99.5, "held"), (98.5, "held"), (99.7, "broken"), (101.02, "broken")])
def test_the_account_adds_up_beside_a_sibling(left: float, judged: str) -> None:
    """What another key of the account has spent may show in this key's, or not; nothing else may (BILL-9, R23)."""
    tale = Tale(terms(accounts={"owner": "a", "sibling": "a"}), alone=True)
    tale.left(100)
    own, other = tale.submitted("running"), tale.submitted("running", role="sibling")
    cancelled(tale, own, credits_used=0.5)
    tale.cancel(path=other, answer=showing(other, "cancelled", credits_used=1), role="sibling")
    tale.left(left)
    assert tale.judged("BILL-9") == judged


@pytest.mark.parametrize(("first_ended", "judged"), [(100.1, "broken"), (109.5, "silent")])
@pytest.mark.parametrize("row", ["BILL-9", "RACE-2"])
def test_readings_that_overlap_prove_no_movement(row: str, first_ended: float, judged: str) -> None:
    """Which of the two was made first, nobody knows."""
    tale = Tale(alone=True)
    tale.left(100, ended=first_ended)
    tasks = [tale.submitted("completed", races="end", sent=101 + number) for number in range(2)]
    for task in tasks:
        tale.cancel(path=task, answer=showing(task, "completed", credits_used=0.5), sent=104, ended=105)
    tale.left(95, sent=109, ended=110)
    found = [each for each in tale.findings(row) if each.account]
    assert (found[0].outcome.value if found else "silent") == judged


def test_one_reading_adds_nothing_up() -> None:
    """Nor do two that lie before every submit (BILL-9)."""
    for readings in (1, 2):
        tale = Tale(alone=True)
        for _ in range(readings):
            tale.left(100)
        for _ in range(2):
            cancelled(tale, tale.submitted(holds=60))
        assert tale.judged("BILL-9") == "silent"


@pytest.mark.parametrize(
    ("used", "estimate", "judged"),
    [(0.5, 1.5, "held"), (1.5, 1.5, "held"), (1.6, 1.5, "broken"), (1.6, "?", "silent"), ("?", 1.5, "silent")],
)
def test_no_more_than_the_estimate_is_advised(used: object, estimate: object, judged: str) -> None:
    """More is noted, and what cannot be compared is not (BILL-10, R15)."""
    tale, task = running(estimate=estimate)
    cancelled(tale, task, credits_used=used)
    assert tale.judged("BILL-10") == judged


def test_an_answer_without_the_task_keeps_no_estimate() -> None:
    """A 200 that shows something else has no price to compare (BILL-10)."""
    tale, task = running()
    tale.cancel(path=task, answer=(200, b"ok"))
    assert tale.judged("BILL-10") == "silent"
