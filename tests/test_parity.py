"""The checks of PARITY on stories told by hand."""

from __future__ import annotations

from typing import Any

import pytest
from told import INVALID_PARAM, NOT_FOUND, UNAVAILABLE, UNKNOWN, Tale, Told, showing, terms

from conformance.lawful import Task


def cancelled(answer: Told, *later: Told, tale: Tale | None = None) -> tuple[Tale, Task]:
    """The story of one cancel with that answer, and of the queries after it; a document is completed by the task."""
    tale = tale or Tale()
    task = tale.submitted()
    first, *rest = [
        {"task_id": task.task_id, "out_task_id": task.out_task_id, "status": "cancelled", **told}
        if isinstance(told, dict)
        else told
        for told in (answer, *later)
    ]
    tale.cancel(path=task, answer=first)
    for told in rest:
        tale.query(task, told)
    return tale, task


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"credits_used": None, "output": None, "error_code": None, "estimated_seconds": None, "out_task_id": None},
        {"queue_position": 3, "nested": {"a": [1]}},
        {"estimated_seconds": 35.0, "credits_used": 0},
        {"output": [{"type": "video", "url": "https://x/y", "width": 3}]},
    ],
    ids=str,
)
def test_a_lawful_answer_fits_the_schemas(fields: dict[str, Any]) -> None:
    """Extra fields and `null` in the place of absent ones are no fault (PARITY-1, PARITY-3, R14, R21)."""
    tale, _ = cancelled(fields)
    assert (tale.judged("PARITY-1"), tale.judged("PARITY-3")) == ("held", "held")


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "canceled"},
        {"status": 3},
        {"credits_used": "1.5"},
        {"credits_used": True},
        {"credits_used": -1},
        {"estimated_seconds": 3.5},
        {"estimated_credits": []},
        {"output": {}},
        {"output": [7]},
        {"error_message": 1},
        {"out_task_id": 7},
    ],
    ids=str,
)
def test_a_field_of_a_wrong_type_is_seen(fields: dict[str, Any]) -> None:
    """Documented fields have the documented types, and `status` one of five names (PARITY-1, PARITY-3)."""
    tale, _ = cancelled(fields)
    assert (tale.judged("PARITY-1"), tale.judged("PARITY-3")) == ("broken", "broken")


def test_a_field_that_is_missing_is_a_matter_of_the_schema() -> None:
    """Without `status` an answer is no task, though no field has a wrong type (PARITY-1, PARITY-3)."""
    tale = Tale()
    task = tale.submitted()
    tale.cancel(path=task, answer={"task_id": task.task_id})
    assert (tale.judged("PARITY-1"), tale.judged("PARITY-3")) == ("broken", "held")


def test_a_target_has_its_own_names_of_states() -> None:
    """The schema is asked with the documented name in the place of the target's (PARITY-1, PARITY-3)."""
    tale, _ = cancelled({"status": "aborted"}, tale=Tale(terms(states={"cancelled": "aborted"})))
    assert (tale.judged("PARITY-1"), tale.judged("PARITY-3")) == ("held", "held")


@pytest.mark.parametrize(
    ("answer", "later", "judged"),
    [
        ({"credits_used": 0.4}, [{"credits_used": 0.4}], "held"),
        ({"x": 1}, [{"x": 1}], "held"),
        ({"u": "https://x/y?s=1"}, [{"u": "https://x/y?s=2"}], "held"),
        ({}, [UNAVAILABLE, None, {}], "held"),
        ({"credits_used": 0.4}, [{}], "broken"),
        ({}, [{"output": None}], "broken"),
        ({"x": 1}, [{}], "broken"),
        ({}, [{"status": "completed"}], "broken"),
        ((200, b"{"), [{}], "broken"),
        ({}, [], "undecided"),
        ({}, [NOT_FOUND], "undecided"),
        ({"status": "running"}, [{"status": "completed"}], "silent"),
        (INVALID_PARAM, [{}], "silent"),
        (None, [{}], "silent"),
    ],
)
def test_an_answer_equals_the_next_query(answer: Told, later: list[Told], judged: str) -> None:
    """Every field that cancel shows, a query right after it shows, and no other (PARITY-2, R9, R14, R21)."""
    tale, _ = cancelled(answer, *later)
    assert tale.judged("PARITY-2") == judged


def test_a_query_that_overlaps_the_cancel_is_no_measure() -> None:
    """Only a query after the answer shows the task after the cancel (PARITY-2)."""
    tale = Tale()
    task = tale.submitted()
    tale.cancel(path=task, sent=101, ended=103, answer=showing(task, "cancelled"))
    tale.query(task, "pending", sent=102, ended=104)
    assert tale.judged("PARITY-2") == "undecided"


@pytest.mark.parametrize(
    ("answer", "later", "judged"),
    [
        ({}, [], "held"),
        ({"task_id": UNKNOWN}, [], "broken"),
        ({"task_id": None}, [], "broken"),
        ({"out_task_id": "another"}, [{}], "broken"),
        ({"out_task_id": []}, [{}], "broken"),
        ({"out_task_id": None}, [{}], "broken"),
        ({"out_task_id": None}, [{"out_task_id": None}], "held"),
        ({"out_task_id": None}, [], "undecided"),
        ((200, b"[]"), [], "silent"),
    ],
    ids=str,
)
def test_an_answer_shows_the_task_asked_for(answer: Told, later: list[Told], judged: str) -> None:
    """`task_id` always, and `out_task_id` wherever query shows it (PARITY-4, R8)."""
    tale, _ = cancelled(answer, *later)
    assert tale.judged("PARITY-4") == judged


def test_a_task_without_an_out_task_id_need_not_show_one() -> None:
    """What was not given on submit is not asked for (PARITY-4)."""
    for shown in ({}, {"out_task_id": None}):
        tale = Tale()
        task = tale.submitted(out=None)
        tale.cancel(path=task, answer=showing(task, "cancelled", **shown))
        assert tale.judged("PARITY-4") == "held"


@pytest.mark.parametrize(
    ("kind", "judged"),
    [
        ("application/json", "held"),
        ("Application/JSON; charset=utf-8", "held"),
        ("application/problem+json", "held"),
        ("text/plain", "broken"),
        ("text/json", "broken"),
        ("", "broken"),
    ],
)
def test_an_answer_is_json_by_its_own_word(kind: str, judged: str) -> None:
    """The content type says JSON (PARITY-5)."""
    tale = Tale()
    task = tale.submitted()
    tale.cancel(path=task, answer=(200, showing(task, "cancelled"), kind))
    assert tale.judged("PARITY-5") == judged


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"a": 1}{"b": 2}', b'{"a": NaN}', b"\xff{}"], ids=repr)
def test_an_answer_is_one_object(body: bytes) -> None:
    """Neither nothing, nor a list, nor two objects, nor what is no JSON (PARITY-5, PARITY-1)."""
    tale, _ = cancelled((200, body))
    assert (tale.judged("PARITY-5"), tale.judged("PARITY-1")) == ("broken", "broken")


@pytest.mark.parametrize(
    ("fields", "judged"),
    [
        ({"credits_used": 0.4}, "held"),
        ({"estimated_credits": 1.5}, "held"),
        ({"status": "completed", "output": []}, "held"),
        ({"status": "failed", "error_code": "e", "error_message": "m"}, "held"),
        ({"output": []}, "broken"),
        ({"error_code": "e"}, "broken"),
        ({"status": "completed", "error_message": "m"}, "broken"),
        ({"estimated_credits": 1.5, "credits_used": 0.4}, "broken"),
    ],
    ids=str,
)
def test_fields_belong_to_their_states(fields: dict[str, Any], judged: str) -> None:
    """The surrounding documentation says which field stands where (PARITY-6)."""
    tale, _ = cancelled(fields)
    assert tale.judged("PARITY-6") == judged


@pytest.mark.parametrize(
    "body",
    [b"[" * 9000 + b"]" * 9000, b'{"status": ' + b"9" * 9000 + b"}", b'{"task_id": {"a": [1e99999]}}', b'"\\ud800"'],
)
def test_no_answer_upsets_the_judge(body: bytes) -> None:
    """However hostile an answer, it is a fault of the target's and not of the suite's."""
    for status in (200, 400):
        tale, task = cancelled((status, body))
        tale.query(task, (200, body))
        assert tale.blamed
