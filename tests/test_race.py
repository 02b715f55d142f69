"""The checks of RACE on stories told by hand, and how such stories are reduced and drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from told import INVALID_PARAM, NOT_FOUND, UNAVAILABLE, Tale, Told, refusal, showing

from conformance.exchange import Answer
from conformance.lawful import Task
from conformance.report.timeline import picture, timeline
from conformance.windows import RaceWindow, Stretch, hits, stretch

CONFLICT = refusal(409, "conflict")
ERROR = (500, {"error": {"message": "Oops.", "type": "api_error", "code": "internal_error"}})


def twice(one: Told, other: Told, *, apart: bool = False) -> Tale:
    """A running task is cancelled by two calls, at the same time or one after the other."""
    tale = Tale()
    task = tale.submitted("running")
    tale.query(task, "running")
    for told, sent in ((one, 200.0), (other, 201.0 if apart else 200.05)):
        shown = {**showing(task, "x"), **told} if isinstance(told, dict) else told
        tale.cancel(path=task, answer=shown, sent=sent)
    return tale


# RACE-1


@pytest.mark.parametrize(
    ("one", "other", "judged"),
    [
        ({"status": "cancelled"}, {"status": "cancelled"}, "held"),
        ({"status": "completed", "credits_used": 1}, {"status": "completed", "credits_used": 1.0}, "held"),
        ({"status": "cancelled"}, {"status": "completed"}, "broken"),
        ({"status": "cancelled", "credits_used": 1}, {"status": "cancelled", "credits_used": 2}, "broken"),
        ({"status": "cancelled", "credits_used": 1}, {"status": "cancelled"}, "broken"),
        ({"status": "cancelled"}, {"status": "running"}, "broken"),
        ({"status": "cancelled"}, CONFLICT, "broken"),
        ({"status": "cancelled"}, NOT_FOUND, "broken"),
        ({"status": "cancelled"}, ERROR, "broken"),
        ({"status": "cancelled"}, UNAVAILABLE, "undecided"),
        ({"status": "cancelled"}, None, "undecided"),
    ],
)
def test_simultaneous_cancels_are_compared(one: Told, other: Told, judged: str) -> None:
    """All 200, one end, one charge; an answer that was lost says nothing (RACE-1)."""
    assert twice(one, other).judged("RACE-1") == judged
    assert twice(other, one).judged("RACE-1") == judged


def test_cancels_one_after_the_other_are_no_race() -> None:
    """They are for IDEMP to judge (RACE-1)."""
    assert twice({"status": "cancelled"}, CONFLICT, apart=True).judged("RACE-1") == "silent"


def test_both_cancels_of_a_broken_pair_are_its_history() -> None:
    """And nothing else of the story is (RACE-1)."""
    tale = twice({"status": "cancelled"}, {"status": "completed"})
    for _ in range(5):
        tale.query(tale.tasks[0], "cancelled")
    broken = next(each for each in tale.findings("RACE-1") if each.wanted)
    assert broken.history == (3, 4)


def meetings(*live: Told, ordinary: Told = NOT_FOUND, count: int = 5) -> Tale:
    """Tasks are cancelled by two calls at once, as often as said, in turns with two calls that name nobody's."""
    tale = Tale()
    for turn in range(count):
        at = 1000.0 * (turn + 1)
        for sent in (at, at + 0.05) if turn else ():
            tale.cancel(path="nobody", answer=ordinary, sent=sent)
        task = tale.submitted("running", sent=at + 100)
        tale.query(task, "running", sent=at + 101)
        for told, sent in zip(({"status": "cancelled"}, live[turn % len(live)]), (at + 200, at + 200.05), strict=True):
            shown = {**showing(task, "x"), **told} if isinstance(told, dict) else told
            tale.cancel(path=task, answer=shown, sent=sent)
    return tale


@pytest.mark.parametrize(
    ("tale", "judged"),
    [
        (meetings(UNAVAILABLE), "broken"),
        (meetings(UNAVAILABLE, count=4), "undecided"),
        (meetings(UNAVAILABLE, ordinary=UNAVAILABLE), "undecided"),
        (meetings(UNAVAILABLE, {"status": "cancelled"}), "held"),
        (meetings(None), "undecided"),
    ],
)
def test_a_breakdown_whenever_they_meet_is_the_targets_own(tale: Tale, judged: str) -> None:
    """Each time, and never where others meet; less than that says nothing (RACE-1, R17)."""
    assert tale.judged("RACE-1") == judged


# RACE-2, RACE-4


def raced(step: Any, *answers: tuple[float, Told], alone: bool = True) -> Tale:  # noqa: ANN401 - a step by its name
    """A scout takes the step at the age of 10 s; then tasks are cancelled, each at an age, with that answer."""
    tale = Tale(alone=alone)
    tale.left(100)
    scout = tale.submitted("completed", races=step)
    before, past = ("pending", "running") if step == "start" else ("running", "completed")
    tale.query(scout, before, sent=tale.now + 9.6)
    tale.query(scout, past if step == "start" else showing(scout, past, credits_used=1), sent=tale.now + 0.1)
    if step == "start":
        tale.cancel(path=scout, answer=showing(scout, "cancelled", credits_used=1))
    for age, told in answers:
        tale.wait(1)
        task = tale.submitted("completed", races=step)
        shown = {**showing(task, "x"), **told} if isinstance(told, dict) else told
        tale.cancel(path=task, answer=shown, sent=(task.submitted_at or 0) + age)
    return tale


WON: Told = {"status": "cancelled"}
LOST: Told = {"status": "completed", "credits_used": 1}
STARTED: Told = {"status": "cancelled", "credits_used": 0.25}


@pytest.mark.parametrize(
    ("step", "answers", "judged"),
    [
        ("end", [(9.9, WON)], "held"),
        ("end", [(9.9, WON), (9.95, LOST)], "held"),
        ("end", [(3.0, WON)], "undecided"),
        ("end", [(9.9, CONFLICT)], "broken"),
        ("end", [(9.9, NOT_FOUND)], "broken"),
        ("end", [(9.9, {"status": "running"})], "broken"),
        ("end", [(9.9, UNAVAILABLE)], "undecided"),
        ("end", [(9.9, None)], "undecided"),
        ("start", [(9.9, WON)], "held"),
        ("start", [(9.9, STARTED)], "held"),
        ("start", [(2.0, WON)], "undecided"),
        ("start", [(9.9, CONFLICT)], "broken"),
        ("start", [(9.9, {"status": "pending"})], "broken"),
    ],
)
def test_a_race_has_one_end(step: str, answers: list[tuple[float, Told]], judged: str) -> None:
    """A cancel that was under way when such tasks take the step counts; one that was not proves nothing."""
    row = "RACE-2" if step == "end" else "RACE-4"
    assert raced(step, *answers).judged(row) == judged


@pytest.mark.parametrize(("step", "row"), [("end", "RACE-2"), ("start", "RACE-4")])
@pytest.mark.parametrize(
    ("told", "judged"),
    [
        ({"status": "cancelled"}, "held"),
        ({"status": "completed", "credits_used": 1}, "broken"),
        ({"status": "cancelled", "credits_used": 1}, "broken"),
        ({"status": "running"}, "broken"),
    ],
)
def test_a_race_is_told_alike_afterwards(step: str, row: str, told: dict[str, object], judged: str) -> None:
    """What the cancel answered is what every later query shows: the end, and the price."""
    tale = raced(step, (9.9, WON))
    task = tale.tasks[-1]
    tale.query(task, {**showing(task, "x"), **told})
    assert tale.judged(row) == judged


@pytest.mark.parametrize(("step", "row"), [("end", "RACE-2"), ("start", "RACE-4")])
@pytest.mark.parametrize(("left", "judged"), [(99, "held"), (98, "broken"), (100, "broken")])
def test_the_account_tells_the_same_of_a_race(step: str, row: str, left: int, judged: str) -> None:
    """The scout has cost 1, and the task that was cancelled nothing."""
    tale = raced(step, (9.9, WON))
    tale.left(left)
    assert tale.judged(row) == judged


def test_an_account_does_not_make_a_race() -> None:
    """Where no cancel met the step, money that adds up proves nothing (RACE-2)."""
    tale = raced("end", (3.0, WON))
    tale.left(99)
    assert tale.judged("RACE-2") == "undecided"


def test_the_stretch_narrows_with_all_that_is_seen() -> None:
    """From the submit on at first; then from the greatest age before the step to the least one past it."""
    tale = Tale()
    tasks = []
    for _ in range(3):
        tale.now = 100.0
        tasks.append(tale.submitted("completed", races="end", ended=100.5))
    tale.query(tasks[0], "completed", sent=110.0, ended=110.25)
    assert stretch(tale.story, "end") == Stretch(0.0, 110.25 - 100)
    tale.query(tasks[1], "running", sent=109.0)
    tale.cancel(path=tasks[2], answer=showing(tasks[2], "cancelled"), sent=109.5)
    assert stretch(tale.story, "end") == Stretch(109.5 - 100.5, 110.25 - 100)


@pytest.mark.parametrize("asked", [True, False])
def test_what_runs_when_its_submit_is_answered_cannot_be_met_at_its_start(asked: bool) -> None:
    """No cancel leaves before that (RACE-4)."""
    tale = Tale()
    task = tale.submitted("completed", races="start")
    tale.exchanges[0] = replace(
        tale.exchanges[0], answer=Answer(status=200, content=json.dumps(showing(task, "running")).encode())
    )
    if asked:
        tale.query(task, "running")
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    assert tale.judged("RACE-4") == "undecided"


def test_where_the_step_was_never_seen_there_is_no_stretch() -> None:
    """Of tasks that were all cancelled nobody knows when they would have ended."""
    tale = Tale()
    for _ in range(3):
        task = tale.submitted("completed", races="end")
        tale.cancel(path=task, answer=showing(task, "cancelled"))
    assert stretch(tale.story, "end") is None
    assert tale.judged("RACE-2") == "undecided"


# RACE-3


def polled(*polls: tuple[float, float, str]) -> Tale:
    """A cancel from 200 to 201 answers `cancelled`, while and after pollers ask from one instant to another."""
    tale = Tale()
    task = tale.submitted("running")
    tale.cancel(path=task, answer=showing(task, "cancelled"), sent=200, ended=201)
    for sent, ended, status in polls:
        tale.query(task, status, sent=sent, ended=ended)
    return tale


@pytest.mark.parametrize(
    ("polls", "judged"),
    [
        ([(200.1, 200.2, "running"), (200.3, 200.4, "cancelled"), (200.5, 200.6, "cancelled")], "held"),
        ([(200.1, 200.4, "cancelled"), (200.2, 200.5, "running")], "silent"),
        ([(200.1, 200.2, "cancelled"), (200.3, 200.4, "running")], "broken"),
        ([(200.1, 200.2, "completed"), (200.3, 200.4, "cancelled")], "broken"),
        ([(200.9, 201.2, "running"), (201.3, 201.4, "cancelled")], "held"),
        ([(200.9, 201.2, "cancelled"), (201.3, 201.4, "running")], "broken"),
        ([(202.0, 202.1, "running")], "silent"),
        ([(200.1, 200.2, "completed"), (202.0, 202.1, "cancelled")], "broken"),
    ],
)
def test_what_was_told_is_not_taken_back(polls: list[tuple[float, float, str]], judged: str) -> None:
    """Only what had been answered before a call began binds that call (RACE-3)."""
    assert polled(*polls).judged("RACE-3") == judged


@pytest.mark.parametrize(("later", "judged"), [("cancelled", "held"), ("running", "broken"), ("completed", "broken")])
def test_a_stream_is_an_observer_too(later: str, judged: str) -> None:
    """What it was told binds those who ask later, though it may itself be late (RACE-3)."""
    tale = Tale()
    task = tale.submitted("running")
    line = tale.stream(task)
    tale.cancel(path=task, answer=showing(task, "cancelled"), sent=200, ended=201)
    tale.query(task, "running", sent=200.1, ended=200.2)
    tale.now = 200.2
    line.tells("cancelled")
    tale.query(task, later, sent=200.4, ended=200.5)
    line.tells("running")
    assert tale.judged("RACE-3") == judged


# RACE-5


@pytest.mark.parametrize(
    ("mine", "theirs", "judged"),
    [
        ("cancelled", NOT_FOUND, "held"),
        (CONFLICT, NOT_FOUND, "broken"),
        (NOT_FOUND, NOT_FOUND, "broken"),
        ("cancelled", CONFLICT, "broken"),
        ("cancelled", "cancelled", "broken"),
        ("cancelled", refusal(403, "forbidden"), "broken"),
        ("cancelled", UNAVAILABLE, "held"),
        (None, NOT_FOUND, "held"),
        (None, None, "undecided"),
    ],
)
def test_a_foreign_cancel_beside_the_owners(mine: Any, theirs: Any, judged: str) -> None:  # noqa: ANN401 - an answer
    """The owner's is accepted and the other's is not (RACE-5)."""
    tale = Tale()
    task = tale.submitted("running")
    for role, told, sent in (("owner", mine, 200.0), ("other", theirs, 200.05)):
        tale.cancel(path=task, role=role, answer=showing(task, told) if isinstance(told, str) else told, sent=sent)
    assert tale.judged("RACE-5") == judged


def test_a_foreign_cancel_by_an_odd_name_may_be_refused_as_odd() -> None:
    """What submit took of one key, cancel may call odd for another (RACE-5, R5)."""
    tale = Tale()
    task = tale.submitted("running", out="für mich")
    for role, told, sent in (("owner", showing(task, "cancelled"), 200.0), ("other", INVALID_PARAM, 200.05)):
        tale.cancel({"out_task_id": task.out_task_id}, role=role, answer=told, sent=sent)
    assert tale.judged("RACE-5") == "held"


# RACE-6


def submitted_beside(told: Any, later: Any) -> tuple[Tale, Task]:  # noqa: ANN401 - an answer
    """A submit from 100 to 100.4, a cancel of its name meanwhile, and a query."""
    tale = Tale()
    task = tale.submitted(ended=100.4)
    answer = showing(task, told) if isinstance(told, str) else told
    tale.cancel({"out_task_id": task.out_task_id}, answer=answer, sent=100.1, ended=100.3)
    tale.query(task, later, sent=101)
    return tale, task


@pytest.mark.parametrize(
    ("told", "later", "judged"),
    [
        ("cancelled", "cancelled", "held"),
        (NOT_FOUND, "pending", "held"),
        (NOT_FOUND, "running", "held"),
        ("cancelled", "pending", "broken"),
        ("cancelled", NOT_FOUND, "broken"),
        (NOT_FOUND, "cancelled", "broken"),
        ("running", "running", "broken"),
        (CONFLICT, "pending", "broken"),
        (INVALID_PARAM, "pending", "broken"),
        (ERROR, "pending", "broken"),
        (UNAVAILABLE, "pending", "undecided"),
        (None, "cancelled", "undecided"),
    ],
)
def test_a_cancel_beside_the_submit(told: Any, later: Any, judged: str) -> None:  # noqa: ANN401 - an answer
    """It finds nothing and changes nothing, or it finds the task and ends it (RACE-6)."""
    tale, _ = submitted_beside(told, later)
    assert tale.judged("RACE-6") == judged


@pytest.mark.parametrize(("later", "judged"), [("pending", "held"), ("cancelled", "broken")])
def test_an_odd_name_may_be_refused_as_odd_until_it_is_known(later: str, judged: str) -> None:
    """A cancel that comes before the submit finds nothing that it may be (RACE-6, R5)."""
    tale = Tale()
    task = tale.submitted(out="für mich", ended=100.4)
    tale.cancel({"out_task_id": task.out_task_id}, answer=INVALID_PARAM, sent=100.1, ended=100.3)
    tale.query(task, later, sent=101)
    assert tale.judged("RACE-6") == judged


def test_a_cancel_beside_the_submit_that_shows_another_task() -> None:
    """One submit makes one task (RACE-6)."""
    tale = Tale()
    other = tale.submitted(holds=60)
    task = tale.submitted(ended=101)
    tale.cancel({"out_task_id": task.out_task_id}, answer=showing(other, "cancelled"), sent=100.2, ended=100.4)
    assert tale.judged("RACE-6") == "broken"


# windows


def test_windows_are_counted_where_they_were_hit() -> None:
    """By the answered cancels alone."""
    tale = raced("end", (9.9, WON), (9.95, LOST), (3.0, WON), (9.9, None))
    found = hits(tale.story)
    assert (found[RaceWindow.WON], found[RaceWindow.LOST]) == (1, 1)
    assert RaceWindow.TWICE not in found
    assert hits(twice({"status": "cancelled"}, {"status": "cancelled"}).story) == {
        "during the run": 2,
        "twice at once": 2,
    }
    assert hits(submitted_beside("cancelled", "cancelled")[0].story)["beside the submit"] == 1
    assert hits(polled((200.1, 200.2, "running")).story)["beside a poller"] == 1


# pictures


def test_a_timeline_shows_what_overlaps() -> None:
    """A line a call, its bar from the column of its release to that of its end, and what it was answered."""
    tale = twice({"status": "cancelled", "credits_used": 1}, CONFLICT)
    lines = timeline(tale.exchanges[-2:])
    starts, ends = ([line.index(mark) for line in lines] for mark in "├┤")
    assert starts[0] < starts[1] < ends[0] < ends[1]
    assert lines[0].endswith("200 cancelled credits_used 1")
    assert lines[1].endswith("409 conflict")


def test_nothing_of_a_target_acts_in_a_picture() -> None:
    """Neither in a terminal nor in a page."""
    tale = twice({"status": "\x1b[31m<script>"}, (200, {"status": "cancelled\u202e&", "credits_used": "<b>"}))
    assert all(line.isprintable() for line in timeline(tale.exchanges))
    drawn = picture(tale.exchanges)
    assert "<script>" not in drawn
    assert "<b>" not in drawn
    assert "\x1b" not in drawn
