"""The checks of STATE on stories told by hand."""

from __future__ import annotations

from typing import Any

import pytest
from told import INVALID_KEY, INVALID_PARAM, NOT_FOUND, UNAVAILABLE, UNKNOWN, Tale, Told, refusal, showing, terms

from conformance.verdict import Outcome


@pytest.mark.parametrize("field", ["path", "task_id", "out_task_id"])
@pytest.mark.parametrize(
    ("answer", "judged"),
    [
        ("cancelled", "held"),
        ("completed", "broken"),
        ("pending", "broken"),
        ("running", "broken"),
        (NOT_FOUND, "broken"),
        (refusal(409, "not_cancellable"), "broken"),
        ((202, b"{}"), "broken"),
        (UNAVAILABLE, "undecided"),
        (None, "undecided"),
    ],
)
def test_a_pending_task_becomes_cancelled(field: str, answer: Any, judged: str) -> None:  # noqa: ANN401
    """A task that is certainly pending answers 200 `cancelled`, in each form (STATE-1)."""
    tale = Tale()
    task = tale.submitted(holds=60)
    call: dict[str, Any] = {"path": task} if field == "path" else {"body": {field: getattr(task, field)}}
    tale.cancel(**call, answer=showing(task, answer) if isinstance(answer, str) else answer)
    assert tale.judged("STATE-1") == judged


@pytest.mark.parametrize(
    ("answer", "judged"),
    [("cancelled", "held"), ("completed", "undecided"), ("running", "broken"), (refusal(409, "ended"), "broken")],
)
def test_without_a_promise_a_pending_task_may_have_ended(answer: Any, judged: str) -> None:  # noqa: ANN401
    """After a pending read another terminal state is undecided, and what is no 200 or not terminal is wrong (R25)."""
    tale = Tale()
    task = tale.submitted()
    tale.query(task, "pending")
    tale.cancel(path=task, answer=showing(task, answer) if isinstance(answer, str) else answer)
    assert tale.judged("STATE-1") == judged


def test_a_promise_that_ends_within_the_cancel_promises_nothing() -> None:
    """The task may have started and ended while the cancel was on its way (STATE-1, R25)."""
    tale = Tale()
    task = tale.submitted(holds=5)
    tale.query(task, "pending")
    tale.cancel(path=task, sent=104, ended=106, answer=showing(task, "completed"))
    assert tale.judged("STATE-1") == "undecided"


@pytest.mark.parametrize(("answer", "judged"), [("cancelled", "held"), ("completed", "broken"), ("pending", "broken")])
def test_simultaneous_cancels_of_a_pending_task_answer_alike(answer: Any, judged: str) -> None:  # noqa: ANN401
    """Whichever of them came first, a task that did not start is `cancelled` for all (STATE-1)."""
    tale = Tale()
    task = tale.submitted(holds=60)
    told = showing(task, answer) if isinstance(answer, str) else answer
    tale.cancel(path=task, sent=101, ended=103, answer=showing(task, "cancelled"))
    tale.cancel(path=task, sent=102, ended=104, answer=told)
    assert tale.judged("STATE-1") == judged


@pytest.mark.parametrize("answer", [refusal(409, "already_cancelled"), NOT_FOUND])
def test_a_repetition_that_is_refused_is_another_rows_matter(answer: Told) -> None:
    """Once a cancel may have taken effect, a refusal of the next is for IDEMP to judge (STATE-1, STATE-2, IDENT-1)."""
    for status in ("pending", "running"):
        tale = Tale()
        task = tale.submitted(status)
        tale.query(task, status)
        for told in (showing(task, "cancelled"), answer):
            tale.cancel(path=task, answer=told)
        assert tale.blamed == ["IDEMP-5"]
        tale.query(task, "cancelled")
        tale.cancel(path=task, answer=answer)
        assert tale.blamed == ["IDEMP-3", "IDEMP-5"]


def test_a_task_that_vanishes_once_it_is_cancelled_is_nobody_elses_victim() -> None:
    """A cancelled task that can no longer be read breaks its own rows, and not STATE-7."""
    tale = Tale()
    task, other = tale.submitted(), tale.submitted()
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    tale.query(task, "cancelled")
    tale.cancel(path=other, answer=showing(other, "cancelled"))
    tale.query(task, NOT_FOUND)
    assert tale.blamed == ["STATE-3"]


def test_a_cancel_of_what_nobody_looked_at_is_no_story_for_state_1() -> None:
    """Without a promise or a read nothing is known of the task."""
    tale = Tale()
    task = tale.submitted()
    tale.cancel(path=task, answer=showing(task, "completed"))
    assert tale.judged("STATE-1") == tale.judged("STATE-2") == "silent"


@pytest.mark.parametrize(
    ("holds", "answer", "judged"),
    [
        (None, "cancelled", "held"),
        (60, "completed", "held"),
        (60, "failed", "held"),
        (None, "completed", "undecided"),
        (60, "running", "broken"),
        (None, "pending", "broken"),
        (None, NOT_FOUND, "broken"),
        (60, refusal(409, "too_late"), "broken"),
        (60, None, "undecided"),
        (60, UNAVAILABLE, "undecided"),
    ],
)
def test_a_running_task_ends(holds: float | None, answer: Any, judged: str) -> None:  # noqa: ANN401
    """A running task is cancelled, or past the point of no return; never left in flight (STATE-2, R6)."""
    tale = Tale()
    task = tale.submitted("running", holds=holds)
    tale.query(task, "running")
    tale.cancel(path=task, answer=showing(task, answer) if isinstance(answer, str) else answer)
    assert tale.judged("STATE-2") == judged


@pytest.mark.parametrize(
    ("later", "judged"),
    [
        (["cancelled"], "held"),
        (["completed"], "held"),
        (["cancelled", "running"], "broken"),
        (["pending"], "broken"),
        ([NOT_FOUND], "broken"),
        ([UNAVAILABLE], "silent"),
        ([refusal(500, "internal")], "undecided"),
        ([INVALID_KEY], "undecided"),
        ([None], "silent"),
        ([], "silent"),
    ],
)
def test_after_a_200_a_task_is_out_of_flight(later: list[Any], judged: str) -> None:
    """Every later query shows a terminal status; a query that fails for its own reasons says nothing (STATE-3)."""
    tale = Tale()
    task = tale.submitted()
    tale.query(task, "pending")
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    for answer in later:
        tale.query(task, answer)
    assert tale.judged("STATE-3") == judged


def test_a_200_that_shows_nothing_ends_the_task_too() -> None:
    """Whatever a 200 shows, the task that was certainly meant is out of flight (STATE-3)."""
    tale = Tale()
    task = tale.submitted()
    tale.cancel(path=task, answer=(200, b"ok"))
    tale.query(task, "running")
    assert tale.judged("STATE-3") == "broken"


def test_a_query_that_overlaps_the_cancel_may_show_the_past() -> None:
    """Only what was asked after the answer must know of it (STATE-3, STATE-6)."""
    tale = Tale()
    task = tale.submitted()
    tale.cancel(path=task, sent=101, ended=103, answer=showing(task, "cancelled"))
    tale.query(task, "pending", sent=102, ended=104)
    assert tale.blamed == []


@pytest.mark.parametrize(
    ("first", "later", "judged"),
    [
        ("completed", "completed", "held"),
        ("cancelled", "completed", "broken"),
        ("completed", "cancelled", "broken"),
        ("failed", "pending", "broken"),
        ("cancelled", "cancelled", "undecided"),
        ("running", "completed", "silent"),
    ],
)
def test_a_terminal_status_stays(first: str, later: str, judged: str) -> None:
    """What a query showed as ended stays so (STATE-4)."""
    tale = Tale()
    task = tale.submitted()
    tale.lost(path=task)
    tale.query(task, first)
    tale.query(task, later, by="out_task_id")
    assert tale.judged("STATE-4") == judged


@pytest.mark.parametrize(("due", "judged"), [(5, "held"), (50, "undecided"), (None, "undecided")])
def test_a_cancelled_task_is_watched_past_its_end(due: float | None, judged: str) -> None:
    """That it stays cancelled proves something only when it would have ended by itself (STATE-4, STATE-5)."""
    tale = Tale()
    task = tale.submitted(due=due)
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    tale.query(task, "cancelled")
    tale.wait(10)
    tale.query(task, "cancelled")
    assert tale.judged("STATE-4") == tale.judged("STATE-5") == judged


def test_overlapping_reads_do_not_hide_a_change() -> None:
    """A read that was under way meanwhile shields no later one (STATE-4)."""
    tale = Tale()
    task = tale.submitted()
    tale.query(task, "completed", sent=101, ended=103)
    tale.query(task, "running", sent=102, ended=102.5)
    assert tale.judged("STATE-4") == "silent"
    tale.query(task, "running", sent=104)
    assert tale.judged("STATE-4") == "broken"


BOAT = [{"type": "video", "url": "https://cdn.example/boat.mp4?signature=1"}]
AGAIN = [{"url": "https://cdn.example/boat.mp4?signature=2", "type": "video"}]
OTHER = [*BOAT, {"type": "video", "url": "https://cdn.example/second.mp4"}]


@pytest.mark.parametrize(
    ("first", "later", "judged"),
    [
        (None, None, "held"),
        ([], None, "held"),
        (None, BOAT, "broken"),
        ([], BOAT, "broken"),
        (BOAT, AGAIN, "held"),
        (BOAT, OTHER, "broken"),
        (BOAT, None, "held"),
    ],
)
def test_a_cancelled_task_gains_no_output(first: Any, later: Any, judged: str) -> None:  # noqa: ANN401
    """What is there when a running task is cancelled may stay, but nothing is added (STATE-5)."""
    tale = Tale()
    task = tale.submitted("running", due=1)
    tale.cancel(path=task, answer=showing(task, "cancelled", output=first))
    tale.wait(10)
    tale.query(task, showing(task, "cancelled", output=later))
    assert tale.judged("STATE-5") == judged


def test_a_task_that_never_started_has_no_output() -> None:
    """Not even the cancel's own answer may show one (STATE-5)."""
    tale = Tale()
    task = tale.submitted(holds=60)
    tale.cancel(path=task, answer=showing(task, "cancelled", output=BOAT))
    assert tale.judged("STATE-5") == "broken"


@pytest.mark.parametrize(("told_by", "judged"), [("query", "broken"), ("cancel", "silent")])
def test_a_cancelled_task_that_completes_after_all_has_gained_an_output(told_by: str, judged: str) -> None:
    """What a query showed counts; a cancel's own word is weighed by STATE-6 (STATE-5)."""
    tale = Tale()
    task = tale.submitted()
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    if told_by == "query":
        tale.query(task, "cancelled")
    tale.wait(10)
    tale.query(task, showing(task, "completed", output=BOAT))
    assert tale.judged("STATE-5") == judged
    assert tale.judged("STATE-6") == ("held" if told_by == "query" else "broken")


@pytest.mark.parametrize(
    ("later", "judged"),
    [
        ([("task_id", "cancelled"), ("out_task_id", "cancelled")], "held"),
        ([("task_id", "running")], "broken"),
        ([("task_id", "cancelled"), ("out_task_id", "pending")], "broken"),
        ([("task_id", "completed")], "broken"),
        ([("task_id", NOT_FOUND)], "broken"),
        ([("out_task_id", NOT_FOUND)], "silent"),
        ([("task_id", refusal(500, "internal"))], "silent"),
        ([("task_id", UNAVAILABLE), ("task_id", "cancelled")], "held"),
        ([], "silent"),
    ],
)
def test_a_query_shows_the_result_at_once(later: list[tuple[str, Any]], judged: str) -> None:
    """The first query by each identifier knows what the cancel answered, where it worked before (STATE-6)."""
    tale = Tale()
    task = tale.submitted()
    tale.query(task, "pending")
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    for by, answer in later:
        tale.query(task, answer, by=by)
    assert tale.judged("STATE-6") == judged


@pytest.mark.parametrize(
    ("later", "judged"),
    [
        (["pending"], "held"),
        (["running"], "held"),
        (["cancelled"], "broken"),
        (["pending", "cancelled"], "broken"),
        (["completed"], "undecided"),
        ([NOT_FOUND], "broken"),
        ([], "undecided"),
    ],
)
def test_other_tasks_go_on(later: list[Any], judged: str) -> None:
    """A cancel that was accepted moves its own task and none beside, at once or later (STATE-7)."""
    tale = Tale()
    task, witness = tale.submitted(), tale.submitted()
    tale.query(witness, "pending")
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    for answer in later:
        tale.query(witness, answer)
    assert tale.judged("STATE-7") == judged


@pytest.mark.parametrize("answer", [None, UNAVAILABLE, refusal(500, "internal")])
def test_a_cancel_of_its_own_that_was_lost_explains_a_task(answer: Told) -> None:
    """A task whose own cancel was sent is nobody else's victim (STATE-7)."""
    tale = Tale()
    task, witness = tale.submitted(), tale.submitted()
    tale.query(witness, "pending")
    tale.cancel(path=witness, answer=answer)
    tale.query(witness, "pending")
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    tale.query(witness, "cancelled")
    assert tale.judged("STATE-7") != "broken"


def test_a_cancel_in_flight_explains_a_task() -> None:
    """A witness whose own cancel overlaps the other's is not blamed on it (STATE-7)."""
    tale = Tale()
    task, witness = tale.submitted(holds=60), tale.submitted(holds=60)
    tale.cancel(path=task, sent=101, ended=102, answer=showing(task, "cancelled"))
    tale.cancel(path=witness, sent=101.5, ended=103, answer=showing(witness, "cancelled"))
    tale.query(witness, "cancelled", sent=102.5, ended=102.6)
    assert tale.blamed == []


def test_no_call_may_cancel_what_it_does_not_name() -> None:
    """Even a refused call, or an unknown id, must not be what a witness died of (STATE-7)."""
    tale = Tale()
    witness = tale.submitted()
    tale.query(witness, "running")
    tale.cancel(path=UNKNOWN, answer=NOT_FOUND)
    tale.cancel({}, answer=INVALID_PARAM)
    tale.query(witness, "cancelled")
    assert tale.judged("STATE-7") == "broken"


def test_another_keys_task_is_no_matter_of_state_7() -> None:
    """What a stranger's cancel does to a task is for ISO to say."""
    tale = Tale()
    mine, theirs = tale.submitted(), tale.submitted(role="other")
    tale.query(theirs, "pending")
    tale.cancel(path=mine, answer=showing(mine, "cancelled"))
    tale.query(theirs, "cancelled")
    assert tale.judged("STATE-7") == "silent"


@pytest.mark.parametrize(
    ("answer", "later", "judged"),
    [
        (None, ["running"], "held"),
        (None, ["pending", "completed"], "held"),
        (None, ["running", "failed"], "held"),
        (None, ["pending"], "undecided"),
        (None, ["failed"], "undecided"),
        (None, [], "undecided"),
        (None, ["cancelled"], "broken"),
        (refusal(409, "duplicate_out_task_id"), [], "broken"),
        (UNAVAILABLE, [], "undecided"),
    ],
)
def test_the_work_can_be_submitted_again(answer: Told, later: list[str], judged: str) -> None:
    """The new submit is accepted and its task goes on, unlike the cancelled one (STATE-8)."""
    tale = Tale()
    task = tale.submitted()
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    again = tale.submitted("running", after=task.task_id, answer=answer)
    for status in later:
        tale.query(again, status)
    assert tale.judged("STATE-8") == judged


def test_a_new_task_that_was_cancelled_by_us_proves_nothing() -> None:
    """A cancel of our own is no reason to blame (STATE-8)."""
    tale = Tale()
    task = tale.submitted()
    again = tale.submitted("running", after=task.task_id)
    tale.cancel(path=again, answer=showing(again, "cancelled"))
    tale.query(again, "cancelled")
    assert tale.judged("STATE-8") == "undecided"


def test_a_target_with_names_of_its_own_is_not_blamed() -> None:
    """`queued` is pending where the profile says so, extra fields and `null` ones are welcome."""
    tale = Tale(terms(states={"pending": "queued"}))
    task = tale.submitted(holds=60)
    tale.query(task, showing(task, "queued", queue_position=3, output=None))
    tale.cancel(path=task, answer=showing(task, "cancelled", queue_position=None, output=None))
    tale.query(task, showing(task, "cancelled", output=None, queue_position=None))
    assert tale.blamed == []
    tale.query(task, showing(task, "queued", output=None, queue_position=None))
    assert tale.judged("STATE-3") == "broken"


def works(*ends: str, role: str = "owner", control: str = "failed") -> Tale:
    """Tasks beside which a cancel is sent, in turns with some that are left in peace; each is followed by one more."""
    tale = Tale()
    for turn, end in enumerate(ends):
        for shown, disturbed in ((control, False), (end, True)) if turn else ((end, True),):
            task = tale.submitted("failed")
            tale.query(task, "pending")
            if disturbed:
                named = task if role != "owner" else "nobody"
                tale.cancel(path=named, answer=NOT_FOUND, role=role)
            later = tale.submitted("failed")
            tale.query(later, "failed")
            tale.query(task, shown, sent=tale.now + 100)
    return tale


@pytest.mark.parametrize(("role", "row"), [("owner", "STATE-7"), ("other", "ISO-2")])
@pytest.mark.parametrize(
    ("ends", "control", "broken"),
    [
        (["failed"], "failed", False),
        (["pending"] * 5, "failed", True),
        (["running"] * 5, "failed", True),
        (["pending"] * 4, "failed", False),
        (["pending"] * 5, "pending", False),
        (["pending", "pending", "failed", "pending", "pending"], "failed", False),
    ],
)
def test_tasks_get_to_their_end_beside_a_cancel(
    ends: list[str], control: str, broken: bool, role: str, row: str
) -> None:
    """One that does not each time, though all others do, is kept from it; less than that says nothing."""
    findings = works(*ends, role=role, control=control).findings(row)
    assert any(each.outcome is Outcome.BROKEN for each in findings) is broken
