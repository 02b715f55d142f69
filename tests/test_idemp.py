"""The checks of IDEMP on stories told by hand."""

from __future__ import annotations

from typing import Any

import pytest
from told import INVALID_PARAM, NOT_FOUND, UNAVAILABLE, Tale, Told, refusal, showing, terms

ROWS = [("IDEMP-1", "completed"), ("IDEMP-2", "failed"), ("IDEMP-3", "cancelled")]


@pytest.mark.parametrize(("row", "status"), ROWS)
@pytest.mark.parametrize(
    ("answer", "judged"),
    [
        ("same", "held"),
        ("running", "broken"),
        ("another", "broken"),
        (refusal(409, "already_ended"), "broken"),
        (refusal(400, "invalid_state"), "broken"),
        (NOT_FOUND, "broken"),
        ((204, b""), "broken"),
        (UNAVAILABLE, "undecided"),
        (None, "undecided"),
    ],
)
def test_an_ended_task_is_answered_with_its_state(row: str, status: str, answer: Any, judged: str) -> None:  # noqa: ANN401
    """A cancel of what has ended is a 200 with its state, not an error."""
    tale = Tale()
    task = tale.submitted()
    tale.query(task, status)
    names = {"same": status, "running": "running", "another": "failed" if status == "completed" else "completed"}
    tale.cancel(path=task, answer=showing(task, names[answer]) if isinstance(answer, str) else answer)
    assert tale.judged(row) == judged


@pytest.mark.parametrize(("row", "status"), ROWS)
def test_only_what_certainly_had_ended_is_judged(row: str, status: str) -> None:
    """A read that was still under way, or a cancel's own word, makes nothing certain."""
    tale = Tale()
    task = tale.submitted()
    tale.query(task, status, sent=101, ended=103)
    tale.cancel(path=task, sent=102, ended=104, answer=showing(task, "cancelled"))
    tale.query(task, "running", sent=101.5, ended=101.6)
    assert tale.judged(row) == "silent"


def test_a_lawful_stranger_is_not_blamed() -> None:
    """Other spellings of numbers, another order, signed URLs and `null` fields mean the same (R9)."""
    tale = Tale()
    task = tale.submitted(out=None)
    spelled = [
        b'{"task_id": "%s", "status": "completed", "credits_used": 1.50, "output": [{"url": "http://x?1"}], "n": null}',
        b'{"n": null, "output": [{"url": "http://x?2#"}], "credits_used": 1.5, "status": "completed", "task_id": "%s"}',
    ]
    told: list[Told] = [(200, text.replace(b"%s", task.task_id.encode())) for text in spelled]
    for number in (0, 1, 0):
        tale.query(task, told[number])
        tale.cancel(path=task, answer=told[1 - number])
    assert tale.blamed == []
    assert {tale.judged(row) for row in ("IDEMP-1", "IDEMP-4", "IDEMP-5")} == {"held"}


def test_a_task_may_leave_out_its_identifier_once_it_has_ended() -> None:
    """Where query shows no `out_task_id` on a terminal task, cancel may do so too (R8)."""
    tale = Tale()
    task = tale.submitted()
    tale.query(task, "pending")
    ended = showing(task, "cancelled", out_task_id=...)
    tale.cancel(path=task, answer=ended)
    tale.query(task, ended)
    tale.cancel({"out_task_id": task.out_task_id}, answer=ended)
    tale.query(task, ended, by="out_task_id")
    assert tale.blamed == []


@pytest.mark.parametrize(
    "moved",
    [
        {"credits_used": 0},
        {"credits_used": ...},
        {"credits_used": None},
        {"output": []},
        {"note": "x"},
        {"error_code": "e"},
    ],
    ids=str,
)
@pytest.mark.parametrize("where", ["answer", "query"])
def test_no_field_of_an_ended_task_changes(moved: dict[str, Any], where: str) -> None:
    """Neither cancel's answer nor the query behind it shows another task than before (IDEMP-4)."""
    tale = Tale()
    task = tale.submitted()
    fields = {"credits_used": 1.5, "output": [{"type": "video"}]}
    before, after = showing(task, "completed", **fields), showing(task, "completed", **{**fields, **moved})
    tale.query(task, before)
    tale.cancel(path=task, answer=after if where == "answer" else before)
    tale.query(task, after if where == "query" else before)
    assert tale.judged("IDEMP-4") == "broken"
    [finding] = [finding for finding in tale.findings("IDEMP-4") if finding.wanted]
    assert next(iter(moved)) in finding.got


@pytest.mark.parametrize(
    ("answer", "later", "judged"),
    [
        ("same", "same", "held"),
        ("same", None, "held"),
        (None, "same", "silent"),
        (None, "moved", "broken"),
        (NOT_FOUND, "same", "silent"),
        (NOT_FOUND, "moved", "broken"),
    ],
)
def test_what_was_not_accepted_may_still_do_harm(answer: Any, later: str | None, judged: str) -> None:  # noqa: ANN401
    """That nothing changed counts only for a cancel that was accepted (IDEMP-4)."""
    tale = Tale()
    task = tale.submitted()
    same, moved = showing(task, "completed", credits_used=1), showing(task, "completed", credits_used=0)
    tale.query(task, same)
    tale.cancel(path=task, answer=same if answer == "same" else answer)
    if later is not None:
        tale.query(task, {"same": same, "moved": moved}[later])
    assert tale.judged("IDEMP-4") == judged


def test_what_the_profile_calls_volatile_may_change() -> None:
    """A declared field is left out of every comparison (R9)."""
    for volatile, judged in (((), "broken"), (("/seen_at",), "held")):
        tale = Tale(terms(volatile=volatile))
        task = tale.submitted()
        tale.query(task, showing(task, "completed", seen_at=1))
        tale.cancel(path=task, answer=showing(task, "completed", seen_at=2))
        assert tale.judged("IDEMP-4") == judged


@pytest.mark.parametrize(
    ("answer", "judged"),
    [
        ({}, "held"),
        ({"credits_used": 0}, "broken"),
        ({"status": "completed"}, "broken"),
        (INVALID_PARAM, "broken"),
        (refusal(409, "already_cancelled"), "broken"),
        (UNAVAILABLE, "undecided"),
        (None, "undecided"),
    ],
)
def test_further_cancels_answer_the_same(answer: Any, judged: str) -> None:  # noqa: ANN401
    """In any form, and much later, without any query between (IDEMP-5)."""
    tale = Tale()
    task = tale.submitted()
    tale.cancel(path=task, answer=showing(task, "cancelled", credits_used=0.4))
    tale.wait(1000)
    again = {**showing(task, "cancelled", credits_used=0.4), **answer} if isinstance(answer, dict) else answer
    tale.cancel({"out_task_id": task.out_task_id}, answer=again)
    assert tale.judged("IDEMP-5") == judged


@pytest.mark.parametrize(
    ("answer", "judged"),
    [
        ("cancelled", "silent"),
        ("completed", "silent"),
        (NOT_FOUND, "broken"),
        (refusal(409, "already_cancelled"), "broken"),
        (refusal(500, "internal"), "broken"),
        (UNAVAILABLE, "silent"),
        (None, "silent"),
    ],
)
@pytest.mark.parametrize("read", [True, False])
def test_a_cancel_after_a_lost_one_is_no_error(answer: Any, judged: str, *, read: bool) -> None:  # noqa: ANN401
    """Whether that has ended the task or not, a 200 is owed: a caller may try again (IDEMP-5)."""
    tale = Tale()
    task = tale.submitted("running")
    tale.lost(path=task)
    if read:
        tale.query(task, "running")
    tale.cancel(path=task, answer=showing(task, answer) if isinstance(answer, str) else answer)
    assert tale.judged("IDEMP-5") == judged


@pytest.mark.parametrize(("row", "status"), ROWS)
@pytest.mark.parametrize(("answer", "judged"), [("same", "held"), ("another", "broken"), (INVALID_PARAM, "silent")])
def test_what_might_have_been_refused_is_answered_like_any_other(
    row: str,
    status: str,
    answer: Any,  # noqa: ANN401
    judged: str,
) -> None:
    """Of the two answers that a path beside an `out_task_id` may have, the 200 is a cancel's (R1; IDEMP-1 to 5)."""
    tale = Tale()
    task = tale.submitted()
    tale.query(task, status)
    names = {"same": status, "another": "failed" if status == "completed" else "completed"}
    for _ in range(2):
        told = showing(task, names[answer], credits_used=len(tale.exchanges)) if isinstance(answer, str) else answer
        tale.cancel({"out_task_id": task.out_task_id}, path=task, answer=told)
    assert tale.judged(row) == judged
    assert tale.judged("IDEMP-4") == tale.judged("IDEMP-5") == ("silent" if judged == "silent" else "broken")


def test_only_what_began_after_an_answer_is_a_further_cancel() -> None:
    """Simultaneous cancels are for RACE; a slow first one hides no difference between later ones (IDEMP-5)."""
    tale = Tale()
    task = tale.submitted()
    tale.cancel(path=task, sent=101, ended=110, answer=showing(task, "cancelled"))
    tale.cancel(path=task, sent=102, ended=103, answer=showing(task, "cancelled"))
    assert tale.judged("IDEMP-5") == "silent"
    tale.cancel(path=task, sent=104, ended=105, answer=showing(task, "cancelled", credits_used=1))
    assert tale.judged("IDEMP-5") == "broken"


def test_a_first_answer_that_shows_no_ended_task_is_no_measure() -> None:
    """After a 200 `running` a later `completed` is lawful as such (IDEMP-5)."""
    tale = Tale()
    task = tale.submitted()
    tale.cancel(path=task, answer=showing(task, "running"))
    tale.cancel(path=task, answer=showing(task, "completed"))
    assert tale.judged("IDEMP-5") == "silent"
