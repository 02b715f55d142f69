"""The checks of IDENT on stories told by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from told import (
    INVALID_KEY,
    INVALID_PARAM,
    NOT_FOUND,
    UNAVAILABLE,
    UNKNOWN,
    Document,
    Tale,
    Told,
    refusal,
    showing,
)

from conformance.contract import Contract
from conformance.lawful import Task, confusable
from conformance.strategies import SHAPES, TAKEN_FOR_NOTHING, batches, generated_bodies, lone_misses, shaped

BODY_FORMS = [("IDENT-2", "task_id"), ("IDENT-3", "out_task_id")]


def named(task: Task, field: str) -> dict[str, object]:
    """The body that names a task in that field."""
    return {field: getattr(task, field)}


def pending_pair() -> tuple[Tale, Task, Task]:
    """A story of two pending tasks that were looked at."""
    tale = Tale()
    tasks = tale.submitted(holds=60), tale.submitted(holds=60)
    for task in tasks:
        tale.query(task, "pending")
    return tale, *tasks


def looked_at(tale: Tale, *seen: tuple[Task, str]) -> Tale:
    """The story with a later query of each of the tasks."""
    for task, status in seen:
        tale.query(task, status)
    return tale


@pytest.mark.parametrize(
    ("answered", "later", "judged"),
    [
        ("cancelled", "cancelled", "held"),
        ("completed", "completed", "held"),
        ("cancelled", "pending", "broken"),
        ("running", "cancelled", "broken"),
    ],
)
def test_a_bare_path_cancels(answered: str, later: str, judged: str) -> None:
    """A path without a body ends its task, and the task stays ended (IDENT-1)."""
    tale = Tale()
    task = tale.submitted()
    tale.cancel(path=task, answer=showing(task, answered))
    assert looked_at(tale, (task, later)).judged("IDENT-1") == judged


@pytest.mark.parametrize(
    ("answer", "judged"),
    [
        (NOT_FOUND, "broken"),
        (refusal(415, "content_type"), "broken"),
        (refusal(500, "internal"), "broken"),
        ((200, b"ok"), "broken"),
        ((200, {"task_id": UNKNOWN, "status": "cancelled"}), "broken"),
        (UNAVAILABLE, "undecided"),
        (None, "undecided"),
    ],
)
def test_a_bare_path_is_answered_with_its_task(answer: Told, judged: str) -> None:
    """A body must not be asked for; what the infrastructure kept back is nobody's fault (IDENT-1, R17)."""
    tale = Tale()
    tale.cancel(path=tale.submitted(), answer=answer)
    assert tale.judged("IDENT-1") == judged


def test_a_path_with_a_body_or_of_an_ended_task_is_no_story_for_ident_1() -> None:
    """Only a bare path counts, and only on a task that may be live."""
    tale = Tale()
    task = tale.submitted()
    tale.cancel({}, path=task, answer=showing(task, "cancelled"))
    tale.query(task, "cancelled")
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    assert tale.judged("IDENT-1") == "silent"


@pytest.mark.parametrize(("row", "field"), BODY_FORMS)
@pytest.mark.parametrize(
    ("status", "answer", "judged"),
    [
        ("pending", "cancelled", "held"),
        ("pending", NOT_FOUND, "broken"),
        ("pending", INVALID_PARAM, "broken"),
        ("pending", None, "undecided"),
        ("pending", UNAVAILABLE, "undecided"),
    ],
)
def test_the_body_cancels_as_the_path_does(row: str, field: str, status: str, answer: Any, judged: str) -> None:  # noqa: ANN401
    """Each body form ends a live task (IDENT-2, IDENT-3)."""
    tale = Tale()
    task = tale.submitted()
    tale.query(task, status)
    tale.cancel(named(task, field), answer=showing(task, answer) if isinstance(answer, str) else answer)
    assert tale.judged(row) == judged


@pytest.mark.parametrize(("row", "field"), BODY_FORMS)
@pytest.mark.parametrize(
    ("by_path", "by_body", "judged"),
    [
        ({"credits_used": 1.5}, {"credits_used": 1.5}, "held"),
        ({"credits_used": 1.5}, {"credits_used": 0}, "broken"),
        ({"credits_used": 1.5, "x": [1]}, {"x": [1], "credits_used": 1.5}, "held"),
        ({"note": "a"}, {}, "broken"),
        ({"url": "https://x/y?s=1"}, {"url": "https://x/y?s=2"}, "held"),
    ],
)
def test_the_body_answers_as_the_path_does(
    row: str, field: str, by_path: dict[str, object], by_body: dict[str, object], judged: str
) -> None:
    """For an ended task both forms answer the same, whichever was asked first."""
    for order in (1, -1):
        tale = Tale()
        task = tale.submitted()
        tale.query(task, "completed")
        calls: list[dict[str, Any]] = [
            {"path": task, "answer": showing(task, "completed", **by_path)},
            {"body": named(task, field), "answer": showing(task, "completed", **by_body)},
        ]
        for call in calls[::order]:
            tale.cancel(**call)
        assert tale.judged(row) == judged


@pytest.mark.parametrize(
    ("answer", "judged"),
    [(INVALID_PARAM, "held"), (NOT_FOUND, "broken"), (refusal(400, "bad_request"), "broken"), (None, "undecided")],
)
@pytest.mark.parametrize("pair", ["one task", "two tasks", "none"])
def test_both_identifiers_are_refused(pair: str, answer: Told, judged: str) -> None:
    """Whatever two identifiers in one body name, the answer is 400 `invalid_param` (IDENT-4)."""
    tale, one, other = pending_pair()
    bodies = {
        "one task": {"task_id": one.task_id, "out_task_id": one.out_task_id},
        "two tasks": {"task_id": one.task_id, "out_task_id": other.out_task_id},
        "none": {"task_id": UNKNOWN, "out_task_id": "none"},
    }
    tale.cancel(bodies[pair], answer=answer)
    assert tale.judged("IDENT-4") == judged


def test_both_identifiers_are_not_acted_on() -> None:
    """A 200 for two identifiers is wrong, however good it looks (IDENT-4)."""
    tale, one, _ = pending_pair()
    tale.cancel({"task_id": one.task_id, "out_task_id": one.out_task_id}, answer=showing(one, "cancelled"))
    assert tale.judged("IDENT-4") == "broken"


def test_a_refusal_rests_on_its_forms_being_accepted() -> None:
    """What was refused counts only where the same key and the same forms were accepted (IDENT-4)."""
    tale, one, other = pending_pair()
    tale.cancel({"task_id": one.task_id, "out_task_id": other.out_task_id}, answer=INVALID_PARAM)
    [finding] = tale.findings("IDENT-4")
    assert {form for _, form in finding.premises} == {"task_id", "out_task_id"}


def refusable(row: str, one: Task, other: Task) -> dict[str, Any]:
    """The call of each row that must leave `other` alone."""
    calls: dict[str, dict[str, Any]] = {
        "IDENT-5": {"body": {"task_id": one.task_id, "out_task_id": other.out_task_id}},
        "IDENT-8": {"path": UNKNOWN, "body": {"task_id": other.task_id}},
        "IDENT-9": {"path": one, "body": {"out_task_id": other.out_task_id}},
        "IDENT-11": {"body": {"out_task_id": f" {other.out_task_id}"}},
        "IDENT-12": {"body": {"out_task_id": other.task_id}},
        "IDENT-14": {"body": {"task_id": [other.task_id]}},
    }
    return calls[row]


REFUSABLE = ("IDENT-5", "IDENT-8", "IDENT-9", "IDENT-11", "IDENT-12", "IDENT-14")
LAWFUL = {"IDENT-5": INVALID_PARAM, "IDENT-9": INVALID_PARAM, "IDENT-14": INVALID_PARAM}


@pytest.mark.parametrize("row", REFUSABLE)
@pytest.mark.parametrize(
    ("later", "judged"),
    [
        (["pending"], "held"),
        (["running"], "broken"),
        (["cancelled"], "broken"),
        (["pending", "cancelled"], "broken"),
        ([NOT_FOUND], "broken"),
        (["pending", "completed"], "held"),
    ],
)
def test_what_was_refused_touches_nothing(row: str, later: list[Any], judged: str) -> None:
    """At once or later, a task that a refused call named must not be seen to have moved by it."""
    tale, one, other = pending_pair()
    tale.cancel(**refusable(row, one, other), answer=LAWFUL.get(row, NOT_FOUND))
    for answer in later:
        tale.query(other, answer)
    assert tale.judged(row) == judged


@pytest.mark.parametrize("row", REFUSABLE)
def test_a_task_that_had_ended_is_left_alone_to_the_last_field(row: str) -> None:
    """A refused call that changes the price of an ended task has touched it."""
    for price, judged in ((1.5, "held"), (0, "broken")):
        tale = Tale()
        one, other = tale.submitted(), tale.submitted()
        tale.query(other, showing(other, "completed", credits_used=1.5))
        tale.cancel(**refusable(row, one, other), answer=LAWFUL.get(row, NOT_FOUND))
        tale.query(other, showing(other, "completed", credits_used=price))
        assert tale.judged(row) == judged


@pytest.mark.parametrize("row", REFUSABLE)
def test_nobody_is_blamed_where_another_cancel_may_have_done_it(row: str) -> None:
    """A lawful cancel in flight, or one whose answer was lost, explains what was seen."""
    tale, one, other = pending_pair()
    tale.lost(path=other, sent=101, ended=102)
    tale.cancel(**refusable(row, one, other), answer=LAWFUL.get(row, NOT_FOUND))
    tale.query(other, "pending")
    tale.query(other, "cancelled")
    assert tale.blamed == []


@pytest.mark.parametrize("answer", [UNAVAILABLE, refusal(500, "internal"), None, INVALID_KEY])
def test_what_cannot_be_read_is_undecided(answer: Told) -> None:
    """A query that fails for its own reasons says nothing of the task (IDENT-5)."""
    tale, one, other = pending_pair()
    tale.cancel(**refusable("IDENT-5", one, other), answer=INVALID_PARAM)
    tale.query(other, answer)
    assert tale.judged("IDENT-5") == "undecided"


def test_without_a_promise_a_task_may_end_by_itself() -> None:
    """A task that is completed after a refused call may have done so by itself (R25)."""
    tale = Tale()
    one, other = tale.submitted(), tale.submitted()
    tale.query(other, "running")
    tale.cancel(**refusable("IDENT-5", one, other), answer=INVALID_PARAM)
    tale.query(other, "completed")
    assert tale.judged("IDENT-5") == "undecided"
    tale.query(other, "cancelled")
    assert tale.judged("IDENT-5") == "undecided"


def test_of_two_suspects_none_is_blamed() -> None:
    """Where two refused calls named the task, which of them moved it is not known."""
    tale, one, other = pending_pair()
    tale.cancel(**refusable("IDENT-5", one, other), answer=INVALID_PARAM)
    tale.cancel(**refusable("IDENT-12", one, other), answer=NOT_FOUND)
    tale.query(other, "cancelled")
    assert tale.judged("IDENT-5") == "undecided"
    assert all(finding.outcome != "broken" for finding in tale.findings("IDENT-12"))
    assert tale.judged("STATE-7") == "broken"


@pytest.mark.parametrize("body", [None, {}, {"colour": "red"}, {"taskId": "task_1"}], ids=str)
@pytest.mark.parametrize(
    ("answer", "judged"), [(INVALID_PARAM, "held"), (NOT_FOUND, "broken"), ({}, "broken"), (None, "undecided")]
)
def test_no_identifier_is_refused(body: object, answer: Told, judged: str) -> None:
    """No body, an empty one, unrelated fields: 400 `invalid_param` (IDENT-6)."""
    tale = Tale()
    tale.cancel(body, answer=answer)
    assert tale.judged("IDENT-6") == judged


@pytest.mark.parametrize(
    ("acted_on", "judged_7", "judged_8"),
    [("path", "held", "held"), ("body", "broken", "broken"), ("none", "broken", "held")],
)
def test_the_path_wins(acted_on: str, judged_7: str, judged_8: str) -> None:
    """Of two tasks the path's is cancelled, and the body's is not (IDENT-7, IDENT-8, R2)."""
    tale, one, other = pending_pair()
    answers: dict[str, Told] = {
        "path": showing(one, "cancelled"),
        "body": showing(other, "cancelled"),
        "none": INVALID_PARAM,
    }
    tale.cancel({"task_id": other.task_id}, path=one, answer=answers[acted_on])
    looked_at(tale, (other, "cancelled" if acted_on == "body" else "pending"))
    assert tale.judged("IDENT-7") == judged_7
    assert tale.judged("IDENT-8") == judged_8


@pytest.mark.parametrize(("acted_on", "judged"), [(True, "held"), (False, "broken")])
def test_a_body_may_name_the_paths_task_again(acted_on: bool, judged: str) -> None:
    """The path wins over the same `task_id` as well: there is nothing to refuse (IDENT-7, R2)."""
    tale, one, _ = pending_pair()
    answer = showing(one, "cancelled") if acted_on else INVALID_PARAM
    tale.cancel({"task_id": one.task_id}, path=one, answer=answer)
    assert tale.judged("IDENT-7") == judged


@pytest.mark.parametrize("path", [UNKNOWN, "foreign"])
@pytest.mark.parametrize(("answer", "judged"), [(NOT_FOUND, "held"), (INVALID_PARAM, "broken"), ("200", "broken")])
def test_a_path_that_names_nothing_may_be_said_twice(path: str, answer: Any, judged: str) -> None:  # noqa: ANN401
    """The body says no more than the path does (IDENT-7, R2)."""
    tale = Tale()
    task = tale.submitted(role="other", holds=60)
    named = task.task_id if path == "foreign" else path
    tale.cancel({"task_id": named}, path=named, answer=showing(task, "cancelled") if answer == "200" else answer)
    assert tale.judged("IDENT-7") == judged


@pytest.mark.parametrize("more", [{}, {"force": True}])
@pytest.mark.parametrize(("answer", "judged"), [(NOT_FOUND, "held"), (INVALID_PARAM, "broken"), ("200", "broken")])
def test_an_unknown_path_stays_unknown(answer: Any, judged: str, more: Document) -> None:  # noqa: ANN401
    """A body does not help a path that names nothing (IDENT-8, R2)."""
    tale = Tale()
    task = tale.submitted(holds=60)
    body = {"task_id": task.task_id, **more}
    tale.cancel(body, path=UNKNOWN, answer=showing(task, "cancelled") if answer == "200" else answer)
    assert tale.judged("IDENT-8") == judged


@pytest.mark.parametrize(
    ("answered", "one_later", "other_later", "judged"),
    [
        ("path", "cancelled", "pending", "held"),
        ("400", "pending", "pending", "held"),
        ("400", "cancelled", "pending", "broken"),
        ("path", "cancelled", "cancelled", "broken"),
        ("body", "pending", "cancelled", "broken"),
        ("404", "pending", "pending", "broken"),
        ("lost", "cancelled", "pending", "held"),
    ],
)
def test_a_path_beside_an_out_task_id_has_two_lawful_answers(
    answered: str, one_later: str, other_later: str, judged: str
) -> None:
    """400 touching nothing, or 200 acting on the path's task; never on the other (IDENT-9, R1)."""
    tale, one, other = pending_pair()
    answers: dict[str, Told] = {
        "path": showing(one, "cancelled"),
        "body": showing(other, "cancelled"),
        "400": INVALID_PARAM,
        "404": NOT_FOUND,
        "lost": None,
    }
    tale.cancel({"out_task_id": other.out_task_id}, path=one, answer=answers[answered])
    assert looked_at(tale, (one, one_later), (other, other_later)).judged("IDENT-9") == judged
    assert (tale.blamed == []) == (judged == "held")


@pytest.mark.parametrize(
    "call", [{"path": UNKNOWN}, {"body": {"task_id": UNKNOWN}}, {"body": {"out_task_id": "none-1"}}]
)
@pytest.mark.parametrize(
    ("answer", "judged"),
    [
        (NOT_FOUND, "held"),
        (INVALID_PARAM, "broken"),
        (refusal(404, "not_found"), "broken"),
        ({"task_id": UNKNOWN, "status": "cancelled"}, "broken"),
        (refusal(500, "internal"), "broken"),
        (UNAVAILABLE, "undecided"),
        (None, "undecided"),
    ],
)
def test_an_unknown_identifier_is_not_found(call: dict[str, Any], answer: Told, judged: str) -> None:
    """404 `task_not_found`, in each of the three forms (IDENT-10)."""
    tale = Tale()
    tale.submitted()
    tale.cancel(**call, answer=answer)
    assert tale.judged("IDENT-10") == judged


@pytest.mark.parametrize("name", ["für mich", "a b", "x/y", "50%"])
@pytest.mark.parametrize(
    ("answer", "judged"),
    [(NOT_FOUND, "held"), (INVALID_PARAM, "held"), ({"task_id": UNKNOWN, "status": "cancelled"}, "broken")],
)
def test_an_unusual_name_is_not_found_either(name: str, answer: Told, judged: str) -> None:
    """It may be refused for its looks, and is nobody's (IDENT-10, R5)."""
    tale = Tale()
    tale.submitted()
    tale.cancel({"out_task_id": name}, answer=answer)
    assert tale.judged("IDENT-10") == judged


@pytest.mark.parametrize("told", [UNAVAILABLE, None])
def test_a_nameless_submit_without_an_answer_explains_no_other_name(told: Told) -> None:
    """What it may have made has no `out_task_id`: a call without any means something else (IDENT-10)."""
    tale = Tale()
    tale.submitted(out=None, answer=told)
    tale.tasks.clear()
    tale.cancel(path=UNKNOWN, answer={"task_id": UNKNOWN, "status": "cancelled"})
    assert tale.judged("IDENT-10") == "broken"


@pytest.mark.parametrize(
    ("told", "judged"), [(UNAVAILABLE, "undecided"), (refusal(409, "duplicate_out_task_id"), "broken")]
)
def test_a_name_whose_submit_had_no_answer_may_be_known(told: Told, judged: str) -> None:
    """The task may be there, though nobody was told so; where the submit was refused, it is not (IDENT-10)."""
    tale = Tale()
    task = tale.submitted(answer=told)
    tale.tasks.clear()
    tale.cancel({"out_task_id": task.out_task_id}, answer=showing(task, "cancelled"))
    assert tale.judged("IDENT-10") == judged


@pytest.mark.parametrize(("answer", "advice"), [(NOT_FOUND, "held"), (INVALID_PARAM, "broken")])
def test_a_malformed_task_id_may_be_refused_as_invalid(answer: Told, advice: str) -> None:
    """404 is recommended, 400 is lawful (IDENT-10, IDENT-13, R5)."""
    tale = Tale()
    tale.submitted()
    tale.cancel(path="boat", answer=answer)
    assert tale.judged("IDENT-10") == "held"
    assert tale.judged("IDENT-13") == advice


def test_of_what_was_not_answered_nothing_is_advised() -> None:
    """A malformed id whose answer was lost is no matter for a recommendation (IDENT-13)."""
    tale = Tale()
    tale.submitted()
    tale.lost(path="boat")
    assert tale.judged("IDENT-13") == "silent"


@pytest.mark.parametrize(
    ("identifier", "near"),
    [
        ("render", "RENDER"),
        ("render", " render"),
        ("render", "render-2"),
        ("render", "rend%"),
        ("rénder", "re\u0301nder"),
        ("1", "1.0"),
        ("a\0b", "a"),
    ],
)
def test_identifiers_match_to_the_letter(identifier: str, near: str) -> None:
    """What merely resembles an identifier is not found, and its own task is cancelled (IDENT-11)."""
    for misled, judged in ((False, "held"), (True, "broken")):
        tale = Tale()
        task = tale.submitted(out=identifier, holds=60)
        tale.cancel({"out_task_id": near}, answer=showing(task, "cancelled") if misled else NOT_FOUND)
        assert tale.judged("IDENT-11") == judged


@pytest.mark.parametrize(("misled", "judged"), [(False, "held"), (True, "broken")])
def test_a_look_alike_means_nothing_before_it_is_submitted(misled: bool, judged: str) -> None:
    """What a call named is judged by the tasks that were there, not by one that bears the name later (IDENT-11)."""
    tale = Tale()
    task = tale.submitted(out="rénder", holds=60)
    tale.cancel({"out_task_id": "re\u0301nder"}, answer=showing(task, "cancelled") if misled else NOT_FOUND)
    tale.submitted(out="re\u0301nder", holds=60)
    assert tale.judged("IDENT-11") == judged
    assert tale.judged("IDENT-12") == "silent"


@pytest.mark.parametrize("answer", [None, UNAVAILABLE])
def test_a_call_without_an_answer_may_mean_what_is_submitted_after_it(answer: Told) -> None:
    """It may still be on its way, and cancel the task that bears the name by then (IDENT-10, STATE-7)."""
    tale = Tale()
    tale.cancel({"out_task_id": "render"}, answer=answer)
    task = tale.submitted(out="render", holds=60)
    tale.query(task, "cancelled")
    assert tale.judged("IDENT-10") == "silent"
    assert tale.judged("STATE-7") != "broken"


@pytest.mark.parametrize("identifier", ["Straße 7", "渲染-1", "a/b?c", "x" * 300, "a\0b", " ", "null", "🎬"])
@pytest.mark.parametrize(("answer", "judged"), [("cancelled", "held"), (INVALID_PARAM, "broken"), (None, "undecided")])
def test_an_odd_identifier_that_submit_took_cancels_its_task(identifier: str, answer: Any, judged: str) -> None:  # noqa: ANN401
    """Whatever submit accepted, cancel accepts (IDENT-11)."""
    tale = Tale()
    task = tale.submitted(out=identifier)
    told = showing(task, answer) if isinstance(answer, str) else answer
    tale.cancel({"out_task_id": identifier}, answer=told)
    assert tale.judged("IDENT-11") == ("silent" if identifier == "null" else judged)


def test_a_twin_is_left_alone() -> None:
    """Of two tasks with similar identifiers only the one that was named is cancelled (IDENT-11)."""
    for later, judged in (("pending", "held"), ("cancelled", "broken")):
        tale = Tale()
        task, twin = tale.submitted(out="render", holds=60), tale.submitted(out="Render", holds=60)
        tale.query(twin, "pending")
        tale.cancel({"out_task_id": "render"}, answer=showing(task, "cancelled"))
        assert looked_at(tale, (twin, later)).judged("IDENT-11") == judged


@pytest.mark.parametrize(
    "call",
    [
        lambda task: {"body": {"out_task_id": task.task_id}},
        lambda task: {"body": {"task_id": task.out_task_id}},
        lambda task: {"path": task.out_task_id},
    ],
)
@pytest.mark.parametrize(
    ("answer", "judged"),
    [(NOT_FOUND, "held"), ("cancelled", "broken"), (refusal(500, "x"), "broken"), (None, "undecided")],
)
def test_the_wrong_field_does_not_resolve(call: Any, answer: Any, judged: str) -> None:  # noqa: ANN401
    """A task id is no `out_task_id`, and the reverse (IDENT-12)."""
    tale = Tale()
    task = tale.submitted(holds=60)
    tale.cancel(**call(task), answer=showing(task, answer) if isinstance(answer, str) else answer)
    assert tale.judged("IDENT-12") == judged


def test_a_malformed_task_id_may_be_invalid_in_the_wrong_field_too() -> None:
    """An `out_task_id` sent as `task_id` is no well-formed one: 400 is lawful (IDENT-12, R5)."""
    tale = Tale()
    task = tale.submitted(holds=60)
    tale.cancel({"task_id": task.out_task_id}, answer=INVALID_PARAM)
    assert tale.judged("IDENT-12") == "held"


@pytest.mark.parametrize(
    ("body", "answer", "judged"),
    [
        ({"task_id": None}, INVALID_PARAM, "held"),
        ({"task_id": None}, NOT_FOUND, "broken"),
        ({"task_id": 7}, INVALID_PARAM, "held"),
        ({"task_id": 7}, refusal(422, "validation"), "broken"),
        ({"out_task_id": ""}, NOT_FOUND, "held"),
        ({"out_task_id": ""}, INVALID_PARAM, "held"),
        ({"out_task_id": True}, refusal(500, "internal"), "broken"),
        ({"out_task_id": True}, UNAVAILABLE, "undecided"),
        ({"out_task_id": True}, None, "undecided"),
    ],
)
def test_unusable_identifiers_are_refused(body: Document, answer: Told, judged: str) -> None:
    """`null` and wrong types are 400, an empty string may be 404 too (IDENT-14, R3, R4)."""
    tale = Tale()
    tale.cancel(body, answer=answer)
    assert tale.judged("IDENT-14") == judged


@pytest.mark.parametrize(
    ("answer", "later", "judged"),
    [
        ("own", "cancelled", "held"),
        (INVALID_PARAM, "pending", "held"),
        (INVALID_PARAM, "cancelled", "broken"),
        (NOT_FOUND, "pending", "broken"),
        (None, "cancelled", "undecided"),
    ],
)
def test_null_beside_a_usable_identifier_has_two_lawful_answers(answer: Any, later: str, judged: str) -> None:  # noqa: ANN401
    """400, or acting on the usable one; a lost answer leaves open which (IDENT-14, R3)."""
    tale = Tale()
    task = tale.submitted(holds=60)
    tale.query(task, "pending")
    body = {"task_id": task.task_id, "out_task_id": None}
    tale.cancel(body, answer=showing(task, "cancelled") if answer == "own" else answer)
    assert looked_at(tale, (task, later)).judged("IDENT-14") == judged


@pytest.mark.parametrize(
    ("field", "length", "judged"),
    [("task_id", 0, "broken"), ("out_task_id", 0, "broken"), ("task_id", -1, "held")],
)
def test_which_of_several_that_name_nothing_acted_is_all_the_same(field: str, length: int, judged: str) -> None:
    """What an empty string may bring about later breaks IDENT-14 as `null` does; the beginning of an id is no such."""
    tale = Tale()
    task = tale.submitted(out=None, holds=60)
    tale.cancel({field: task.task_id[:length]}, answer=NOT_FOUND)
    tale.query(task, "pending")
    tale.cancel({"out_task_id": None}, answer=INVALID_PARAM)
    assert looked_at(tale, (task, "cancelled")).judged("IDENT-14") == judged


@pytest.mark.parametrize(("later", "judged"), [("pending", "held"), ("cancelled", "broken")])
def test_what_names_nothing_touches_nobodys_tasks(later: str, judged: str) -> None:
    """Neither the caller's nor another key's (IDENT-14)."""
    tale = Tale()
    task = tale.submitted(role="other", holds=60)
    tale.query(task, "pending")
    tale.cancel({"out_task_id": None}, answer=INVALID_PARAM)
    assert looked_at(tale, (task, later)).judged("IDENT-14") == judged


@pytest.mark.parametrize(
    ("known", "answer", "judged"),
    [
        (True, "cancelled", "held"),
        (True, refusal(400, "invalid_param"), "broken"),
        (True, None, "undecided"),
        (False, NOT_FOUND, "held"),
        (False, INVALID_PARAM, "broken"),
    ],
)
@pytest.mark.parametrize("in_path", [True, False])
def test_unknown_fields_change_nothing(known: bool, answer: Any, judged: str, *, in_path: bool) -> None:  # noqa: ANN401
    """Beside one identifier, fields that nobody documented are ignored (IDENT-15)."""
    tale = Tale()
    task = tale.submitted()
    named = task.task_id if known else UNKNOWN
    body = {"force": True, "status": "completed", **({} if in_path else {"task_id": named})}
    told = showing(task, answer) if isinstance(answer, str) else answer
    tale.cancel(body, path=named if in_path else None, answer=told)
    assert tale.judged("IDENT-15") == judged


@pytest.mark.parametrize(
    "call",
    [
        {"content_type": None, "answer": refusal(415, "media_type")},
        {"content_type": "text/plain", "answer": INVALID_PARAM},
        {"content_type": "application/json; charset=utf-16", "answer": INVALID_PARAM},
        {"method": "GET", "answer": refusal(405, "method")},
        {"method": "OPTIONS", "answer": (204, b"")},
        {"method": "HEAD", "answer": (404, b"")},
        {"role": "nobody", "answer": INVALID_KEY},
        {"role": "nobody:mistyped", "answer": INVALID_KEY},
        {"role": "revoked", "answer": INVALID_KEY},
    ],
    ids=str,
)
@pytest.mark.parametrize("names", ["own", "unknown", "both", "neither", "null", "wrong field", "look-alike"])
def test_an_undocumented_dress_may_be_refused(call: dict[str, Any], names: str) -> None:
    """Another content type, another method, no key: no row of IDENT has a say in the answer (R10, R13, R19)."""
    tale = Tale()
    task = tale.submitted(holds=60)
    bodies: dict[str, object] = {
        "own": {"task_id": task.task_id},
        "unknown": {"task_id": UNKNOWN},
        "both": {"task_id": task.task_id, "out_task_id": task.out_task_id},
        "neither": {},
        "null": {"task_id": None},
        "wrong field": {"out_task_id": task.task_id},
        "look-alike": {"out_task_id": f" {task.out_task_id}"},
    }
    tale.query(task, "pending")
    tale.cancel(bodies[names], **call)
    tale.query(task, "pending")
    assert tale.blamed == []


@pytest.mark.parametrize(
    "tail",
    [b', "x": ' + b"[" * 9000 + b"]" * 9000 + b"}", b', "x": "\\u0000"}', b', "x": "' + b"y" * 9000 + b'"}'],
    ids=["deep", "NUL", "long"],
)
@pytest.mark.parametrize(
    "answer", ["cancelled", refusal(400, "too_deep"), refusal(413, "too_large"), refusal(403, "blocked")]
)
def test_odd_but_readable_input_is_refused_or_acted_on(tail: bytes, answer: Any) -> None:  # noqa: ANN401
    """A deep, long or hardly storable value may be refused, and may be ignored (R18)."""
    tale = Tale()
    task = tale.submitted(holds=60)
    told = showing(task, answer) if isinstance(answer, str) else answer
    tale.cancel(b'{"task_id": "' + task.task_id.encode() + b'"' + tail, answer=told)
    tale.query(task, "cancelled" if isinstance(answer, str) else "pending")
    assert tale.blamed == []


@pytest.mark.parametrize("reading", [0, 1, None])
def test_either_of_two_doubled_keys_may_count(reading: int | None) -> None:
    """The first value, the last one, or a refusal (R18)."""
    tale, *pair = pending_pair()
    body = f'{{"task_id": "{pair[0].task_id}", "task_id": "{pair[1].task_id}"}}'.encode()
    tale.cancel(body, answer=INVALID_PARAM if reading is None else showing(pair[reading], "cancelled"))
    looked_at(tale, *((task, "cancelled" if place == reading else "pending") for place, task in enumerate(pair)))
    assert tale.blamed == []


@pytest.mark.parametrize("shape", SHAPES)
def test_a_look_alike_that_is_always_tried_is_confusable(shape: str) -> None:
    """Else its cancel would be judged by another row; and no two of them are one."""
    name = shaped(shape, "0123456789abcde")
    misses = lone_misses(name)
    assert all(confusable(miss, name) for miss in misses)
    assert len({*misses, name}) == len(misses) + 1


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_a_generated_body_names_no_task_of_another_story(data: st.DataObject) -> None:
    """Such a task may be there for good: a name that was taken for nothing is never given back."""
    body = data.draw(generated_bodies(Contract.load(None)))
    named = [body.get(field) for field in ("task_id", "out_task_id")] if isinstance(body, dict) else []
    assert not any(word in named for word in TAKEN_FOR_NOTHING)


def test_batches_have_every_case_once() -> None:
    """In as few as can be; what stands side by side comes into several, for it may be alike."""
    cases = range(11)
    made = batches(cases, 5)
    assert [len(batch) for batch in made] == [4, 4, 3]
    assert sorted(case for batch in made for case in batch) == [*cases]
    assert all(after - before > 1 for batch in made for before, after in pairwise(batch))
