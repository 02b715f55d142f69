"""The checks of ISO on stories told by hand."""

from __future__ import annotations

from typing import Any

import pytest
from told import INVALID_KEY, INVALID_PARAM, NOT_FOUND, UNAVAILABLE, UNKNOWN, Document, Tale, Told, refusal, showing

from conformance.lawful import Task

STATES = ("pending", "running", "completed", "failed", "cancelled")
STRANGE = "render-of-nobody-7"


def foreign(state: str = "pending", *, out: str = "render-of-other-7") -> tuple[Tale, Task]:
    """Another key's task that was looked at."""
    tale = Tale()
    task = tale.submitted(state, out=out, role="other", holds=60 if state == "pending" else None)
    tale.query(task, state)
    return tale, task


def calls_for(task: Task) -> list[dict[str, Any]]:
    """The three forms."""
    return [{"path": task}, {"body": {"task_id": task.task_id}}, {"body": {"out_task_id": task.out_task_id}}]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("form", [0, 1, 2])
@pytest.mark.parametrize(
    ("answer", "judged"),
    [
        (NOT_FOUND, "held"),
        ("200", "broken"),
        (refusal(403, "forbidden"), "broken"),
        (refusal(404, "not_found"), "broken"),
        (UNAVAILABLE, "undecided"),
        (None, "undecided"),
    ],
)
def test_a_foreign_task_is_not_found(state: str, form: int, answer: Any, judged: str) -> None:  # noqa: ANN401
    """404 in each form and in each state (ISO-1)."""
    tale, task = foreign(state)
    tale.cancel(**calls_for(task)[form], answer=showing(task, state) if answer == "200" else answer)
    assert tale.judged("ISO-1") == judged


@pytest.mark.parametrize("shown", ["x-api-key", "authorization"])
@pytest.mark.parametrize(
    ("answer", "later", "blamed"),
    [
        (NOT_FOUND, "pending", []),
        (INVALID_KEY, "pending", []),
        (UNAVAILABLE, "pending", []),
        ("200", "pending", ["ISO-1"]),
        (refusal(403, "forbidden"), "pending", ["ISO-1"]),
        ("200", "cancelled", ["ISO-1", "ISO-2"]),
        (NOT_FOUND, "cancelled", ["ISO-2"]),
    ],
)
def test_the_other_header_opens_no_foreign_task(shown: str, answer: Any, later: str, blamed: list[str]) -> None:  # noqa: ANN401
    """404 too, or 401, where that header is not known; and nothing is touched (ISO-1, ISO-2)."""
    tale, task = foreign()
    tale.cancel(path=task, answer=NOT_FOUND)
    tale.query(task, "pending")
    tale.probe(task, (shown, "$KEY"), answer=showing(task, "cancelled") if answer == "200" else answer)
    tale.query(task, later)
    assert [row for row in tale.blamed if row.startswith("ISO")] == blamed


def test_an_own_task_is_no_foreign_one() -> None:
    """What is one's own is found, also under an identifier that another key uses too (ISO-1)."""
    tale, task = foreign()
    own = tale.submitted(out=task.out_task_id)
    tale.cancel({"out_task_id": task.out_task_id}, answer=showing(own, "cancelled"))
    assert (tale.judged("ISO-1"), tale.blamed) == ("silent", [])


def test_an_odd_identifier_of_another_may_be_refused_as_odd() -> None:
    """What no task of this key is called may be invalid (ISO-1, R18)."""
    tale, task = foreign(out="x" * 900)
    tale.cancel({"out_task_id": task.out_task_id}, answer=INVALID_PARAM)
    assert tale.judged("ISO-1") == "held"


@pytest.mark.parametrize(
    ("before", "after", "judged"),
    [
        ("pending", "pending", "held"),
        ("completed", "completed", "held"),
        ("pending", "cancelled", "broken"),
        ("running", "cancelled", "broken"),
        ("running", "completed", "undecided"),
        ("completed", "cancelled", "broken"),
    ],
)
@pytest.mark.parametrize("answer", [NOT_FOUND, None])
def test_a_foreign_task_goes_on(before: str, after: str, judged: str, answer: Told) -> None:
    """As if nothing had been sent, even where the answer was lost (ISO-2)."""
    tale, task = foreign(before)
    tale.cancel(path=task, answer=answer)
    tale.query(task, after)
    assert tale.judged("ISO-2") == judged


@pytest.mark.parametrize(("after", "judged"), [("pending", "held"), ("cancelled", "broken")])
@pytest.mark.parametrize("odd", ["content type", "extra", "doubled", "both", "said twice", "method", "wrong field"])
def test_a_foreign_task_goes_on_however_it_was_named(odd: str, after: str, judged: str) -> None:
    """Whatever may become of such a call by itself: it is not the caller's task (ISO-2)."""
    tale, task = foreign()
    body = {"task_id": task.task_id}
    calls: dict[str, dict[str, Any]] = {
        "content type": {"body": body, "content_type": "text/plain"},
        "extra": {"body": {**body, "force": True}},
        "doubled": {"body": b'{"task_id": "x", "task_id": "%s"}' % task.task_id.encode()},
        "both": {"body": {**body, "out_task_id": task.out_task_id}},
        "said twice": {"body": body, "path": task},
        "method": {"path": task, "method": "DELETE"},
        "wrong field": {"body": {"out_task_id": task.task_id}},
    }
    tale.cancel(**calls[odd], answer=NOT_FOUND)
    tale.query(task, after)
    assert tale.judged("ISO-2") == judged


@pytest.mark.parametrize(
    ("holds", "after", "judged"),
    [(60, "pending", "broken"), (60, "running", "held"), (None, "pending", "held"), (None, "running", "held")],
)
def test_a_foreign_task_that_runs_does_not_wait_again(holds: int | None, after: str, judged: str) -> None:
    """As long as the profile promises that it does not end; afterwards nobody knows what it may do (ISO-2, R25)."""
    tale = Tale()
    task = tale.submitted("running", role="other", holds=holds)
    tale.query(task, "running")
    tale.cancel(path=task, answer=NOT_FOUND)
    tale.wait(0.6)
    tale.query(task, after)
    assert tale.judged("ISO-2") == judged


@pytest.mark.parametrize(
    ("mine", "after", "judged"),
    [
        ("pending", "pending", "held"),
        ("running", "running", "held"),
        ("pending", "cancelled", "broken"),
        ("running", "cancelled", "broken"),
        ("running", "completed", "undecided"),
    ],
)
@pytest.mark.parametrize("answered", [True, False])
def test_the_cancel_of_an_own_task_leaves_anothers_alone(mine: str, after: str, judged: str, *, answered: bool) -> None:
    """Whatever that key's task does; what was refused has ended no task of its own, and is blamed elsewhere (ISO-2)."""
    tale, task = foreign(mine)
    own = tale.submitted(mine)
    tale.cancel(path=own, answer=showing(own, "cancelled") if answered else NOT_FOUND)
    tale.query(task, after)
    assert tale.judged("ISO-2") == (judged if answered else "silent")


@pytest.mark.parametrize("before", ["running", "completed"])
@pytest.mark.parametrize(("calls", "judged"), [(["owner", "owner"], "broken"), (["owner", "nobody:none"], "undecided")])
def test_whichever_of_several_foreign_calls_did_it(before: str, calls: list[str], judged: str) -> None:
    """The rule is the same for all of them, and another for a call without a key (ISO-2, AUTH-4)."""
    tale, task = foreign(before)
    for role in calls:
        tale.cancel(path=task, answer=NOT_FOUND, role=role)
    tale.query(task, "cancelled")
    assert tale.judged("ISO-2") == judged
    assert tale.judged("AUTH-4") == ("silent" if judged == "broken" else judged)


@pytest.mark.parametrize("first", [True, False])
def test_what_its_owner_may_have_done_is_nobody_elses(first: bool) -> None:
    """Where the owner cancels an ended task too, whatever has changed in it was not certainly the other key (ISO-2)."""
    tale, task = foreign("completed")
    calls = [{"role": "owner"}, {"role": "other"}]
    for call in calls if first else reversed(calls):
        own = call["role"] == task.role
        tale.cancel(path=task, answer=showing(task, "completed", cancels=1) if own else NOT_FOUND, **call)
    tale.query(task, showing(task, "completed", cancels=1))
    assert (tale.judged("ISO-2"), tale.judged("IDEMP-4")) == ("undecided", "broken")


def test_its_owner_may_cancel_it() -> None:
    """What the owner did is no work of the other key (ISO-2)."""
    tale, task = foreign()
    tale.cancel(path=task, answer=NOT_FOUND)
    tale.cancel(path=task, answer=showing(task, "cancelled"), role="other")
    tale.query(task, "cancelled")
    assert (tale.judged("ISO-2"), tale.blamed) == ("undecided", [])


def said(message: str, **more: object) -> tuple[int, Document]:
    """A 404 in so many words."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": "task_not_found", **more}
    return 404, {"error": error}


def interleaved(of_theirs: Any, of_nobodys: Any, *, count: int = 6, **more: Any) -> Tale:  # noqa: ANN401
    """So many calls for a foreign and for an unknown task, in turn; each answer is made of the number of its call."""
    tale, task = foreign()
    for number in range(count):
        tale.cancel({"out_task_id": task.out_task_id}, answer=of_theirs(number), **more)
        tale.cancel({"out_task_id": STRANGE}, answer=of_nobodys(number), **more)
    return tale


@pytest.mark.parametrize(
    ("theirs", "nobodys", "judged"),
    [
        (lambda _: NOT_FOUND, lambda _: NOT_FOUND, "held"),
        (lambda _: said("No render-of-other-7."), lambda _: said(f"No {STRANGE}."), "held"),
        (lambda n: said(f"No. (req-a{n}c4e5f6)"), lambda n: said(f"No. (req-b{n}d5f6a7)"), "held"),
        (lambda n: said(f"2026-05-25T10:00:0{n}Z: no"), lambda n: said(f"2026-05-25T11:00:0{n}Z: no"), "held"),
        (lambda n: said("No.", id=f"z{n}"), lambda n: said("No.", id=f"z{n + 20}"), "held"),
        (lambda n: said("No!" if n else "No."), lambda _: said("No."), "held"),
        (lambda _: said("Not yours."), lambda _: said("No."), "broken"),
        (lambda _: said("No.", type="permission_error"), lambda _: said("No."), "broken"),
        (lambda _: said("No.", owner=7), lambda _: said("No."), "broken"),
        (lambda _: refusal(403, "task_not_found"), lambda _: NOT_FOUND, "broken"),
        (lambda _: (404, b"no such task"), lambda _: (404, b"not your task"), "broken"),
        (lambda _: UNAVAILABLE, lambda _: NOT_FOUND, "silent"),
    ],
)
def test_foreign_and_unknown_look_alike(theirs: Any, nobodys: Any, judged: str) -> None:  # noqa: ANN401
    """Identifiers, dates and request ids apart; only what separates all of them counts (ISO-3, R11)."""
    assert interleaved(theirs, nobodys).judged("ISO-3") == judged


def test_a_foreign_name_that_is_refused_as_odd_is_no_match_for_an_unknown_one() -> None:
    """What submit took of one key, cancel may call odd for another (ISO-3, R5)."""
    tale, task = foreign(out="für mich")
    for _ in range(9):
        tale.cancel({"out_task_id": task.out_task_id}, answer=INVALID_PARAM)
        tale.cancel({"out_task_id": STRANGE}, answer=NOT_FOUND)
    assert (tale.judged("ISO-3"), tale.blamed) == ("silent", [])


@pytest.mark.parametrize(
    ("count", "of_the_running", "judged"),
    [(6, said("It runs."), "broken"), (6, said("No."), "held"), (5, said("It runs."), "held")],
)
def test_each_foreign_task_is_compared_by_itself(count: int, of_the_running: Told, judged: str) -> None:
    """What is said of one of them, that runs, all of its calls together, is nowhere said of unknown ones (ISO-3)."""
    tale, pending = foreign()
    running = tale.submitted("running", out="render-of-other-8", role="other")
    for _ in range(count):
        for out_task_id, answer in ((running.out_task_id, of_the_running), (pending.out_task_id, said("No."))):
            tale.cancel({"out_task_id": out_task_id}, answer=answer)
            tale.cancel({"out_task_id": STRANGE}, answer=said("No."))
    assert tale.judged("ISO-3") == judged


def test_it_does_not_matter_which_foreign_call_did_it() -> None:
    """The law forbids it to each of them (ISO-2)."""
    tale, task = foreign()
    for call in calls_for(task):
        tale.cancel(**call, answer=NOT_FOUND)
    tale.query(task, "cancelled")
    assert tale.judged("ISO-2") == "broken"


def test_header_names_are_compared() -> None:
    """A header that only foreign tasks bring gives them away; their values do not matter (ISO-3)."""
    for name, judged in (("X-Request-Id", "held"), ("X-Owner", "broken"), ("X-Cache", "broken")):
        tale, task = foreign()
        for number in range(6):
            tale.cancel(path=task, answer=NOT_FOUND, adding=((name, f"theirs-{number}"),))
            adding = ((name, f"nobody-{number}"),) if judged == "held" else ()
            tale.cancel(path=UNKNOWN, answer=NOT_FOUND, adding=adding)
        assert tale.judged("ISO-3") == judged


@pytest.mark.parametrize(
    ("message", "judged"),
    [
        ("No task matches {0.out_task_id}.", "broken"),
        ("No task matches {0.task_id}.", "silent"),
        ("No such task.", "silent"),
    ],
)
def test_no_answer_names_a_foreign_task_as_the_call_did_not(message: str, judged: str) -> None:
    """Once is enough: nobody guesses an identifier. What the call itself carried may be echoed (ISO-3, R11)."""
    tale, task = foreign()
    tale.cancel(path=task.task_id, role="owner", answer=said(message.format(task)))
    assert tale.judged("ISO-3") == judged


def test_few_calls_or_one_after_the_other_separate_nothing() -> None:
    """What changed with time must not pass for what tells tasks apart (ISO-3)."""
    few = interleaved(lambda _: said("Not yours."), lambda _: said("No."), count=5)
    tale, task = foreign()
    for named, answer in ((task.out_task_id, said("Not yours.")), (STRANGE, said("No."))):
        for _ in range(9):
            tale.cancel({"out_task_id": named}, answer=answer)
    assert (few.judged("ISO-3"), tale.judged("ISO-3")) == ("silent", "silent")


@pytest.mark.parametrize(
    ("answer", "twin_later", "judged"),
    [
        ("own", "pending", "held"),
        ("twin", "pending", "broken"),
        ("own", "cancelled", "broken"),
        (NOT_FOUND, "pending", "broken"),
        (None, "pending", "held"),
    ],
)
def test_one_out_task_id_is_two_tasks(answer: Any, twin_later: str, judged: str) -> None:  # noqa: ANN401
    """Each key cancels its own (ISO-4)."""
    tale, twin = foreign()
    own = tale.submitted(out=twin.out_task_id, holds=60)
    shown = {"own": showing(own, "cancelled"), "twin": showing(twin, "cancelled")}
    tale.cancel({"out_task_id": twin.out_task_id}, answer=shown[answer] if isinstance(answer, str) else answer)
    tale.query(twin, twin_later)
    assert tale.judged("ISO-4") == judged


def test_a_cancel_that_races_the_submit_may_find_nothing() -> None:
    """Before the submit is answered, the owner's own task may be unknown (ISO-4)."""
    tale, twin = foreign()
    tale.submitted(out=twin.out_task_id, ended=tale.now + 10)
    tale.cancel({"out_task_id": twin.out_task_id}, answer=NOT_FOUND, sent=tale.now - 9)
    assert tale.judged("ISO-4") == "held"


@pytest.mark.parametrize("field", ["task_id", "out_task_id"])
@pytest.mark.parametrize(
    ("answer", "later", "judged"),
    [
        ("own", "pending", "held"),
        ("own", "cancelled", "broken"),
        ("foreign", "cancelled", "broken"),
        (NOT_FOUND, "pending", "broken"),
        (None, "pending", "held"),
    ],
)
def test_an_own_path_decides(field: str, answer: Any, later: str, judged: str) -> None:  # noqa: ANN401
    """A foreign identifier in the body is nothing (ISO-5, R2)."""
    tale, task = foreign()
    own = tale.submitted(holds=60)
    shown = {"own": showing(own, "cancelled"), "foreign": showing(task, "cancelled")}
    body = {field: getattr(task, field)}
    tale.cancel(body, path=own, answer=shown[answer] if isinstance(answer, str) else answer)
    tale.query(task, later)
    assert tale.judged("ISO-5") == judged


@pytest.mark.parametrize("field", ["task_id", "out_task_id"])
@pytest.mark.parametrize(
    ("answer", "own_later", "judged"),
    [(NOT_FOUND, "pending", "held"), (NOT_FOUND, "cancelled", "broken"), ("own", "cancelled", "broken")],
)
def test_a_foreign_path_decides(field: str, answer: Any, own_later: str, judged: str) -> None:  # noqa: ANN401
    """Then the own identifier in the body is nothing either (ISO-5, R2)."""
    tale, task = foreign()
    own = tale.submitted(holds=60)
    tale.query(own, "pending")
    body = {field: getattr(own, field)}
    tale.cancel(body, path=task, answer=showing(own, "cancelled") if answer == "own" else answer)
    tale.query(own, own_later)
    tale.query(task, "pending")
    assert tale.judged("ISO-5") == judged


@pytest.mark.parametrize(
    ("answer", "later", "judged"),
    [("own", "pending", "held"), (INVALID_PARAM, "pending", "held"), ("own", "cancelled", "broken")],
)
def test_two_foreign_identifiers_are_nothing_either(answer: Any, later: str, judged: str) -> None:  # noqa: ANN401
    """Beside an own path (ISO-5, R1)."""
    tale, task = foreign()
    own = tale.submitted(holds=60)
    tale.query(own, "pending")
    body = {"task_id": task.task_id, "out_task_id": task.out_task_id}
    tale.cancel(body, path=own, answer=showing(own, "cancelled") if answer == "own" else answer)
    tale.query(own, "cancelled" if answer == "own" else "pending")
    tale.query(task, later)
    assert tale.judged("ISO-5") == judged


@pytest.mark.parametrize("own_in_path", [True, False])
def test_two_identifiers_may_be_refused(*, own_in_path: bool) -> None:
    """A path beside an `out_task_id`: 400 that touches nothing is lawful too (ISO-5, R1)."""
    tale, task = foreign()
    own = tale.submitted(holds=60)
    path, inside = (own, task) if own_in_path else (task, own)
    tale.query(own, "pending")
    tale.cancel({"out_task_id": inside.out_task_id}, path=path, answer=INVALID_PARAM)
    tale.query(own, "pending")
    tale.query(task, "pending")
    assert (tale.judged("ISO-5"), tale.blamed) == ("held", [])


def timed(theirs: float, nobodys: float, *, count: int = 40) -> Tale:
    """Calls in turn that take so long, give or take."""
    tale, task = foreign()
    for number in range(count):
        for path, seconds in ((task, theirs), (UNKNOWN, nobodys)):
            took = seconds * (1 + number * 7 % count / count)
            tale.cancel(path=path, answer=NOT_FOUND, sent=tale.now, ended=tale.now + took)
    return tale


@pytest.mark.parametrize(
    ("theirs", "nobodys", "count", "judged"),
    [(0.01, 0.01, 40, "held"), (0.0101, 0.01, 40, "held"), (0.02, 0.01, 40, "broken"), (0.02, 0.01, 39, "silent")],
)
def test_foreign_and_unknown_take_as_long(theirs: float, nobodys: float, count: int, judged: str) -> None:
    """Beyond noise, over enough calls (ISO-6)."""
    assert timed(theirs, nobodys, count=count).judged("ISO-6") == judged


@pytest.mark.parametrize("reader", ["owner", "other"])
@pytest.mark.parametrize("answer", [NOT_FOUND, None, "200"])
@pytest.mark.parametrize(("left", "judged"), [(100, "held"), (101.5, "broken")])
def test_a_foreign_call_moves_no_account(reader: str, answer: Any, left: float, judged: str) -> None:  # noqa: ANN401
    """Neither the caller's nor the owner's, however it is answered (ISO-7)."""
    tale, task = foreign()
    tale.alone = True
    tale.left(100, role=reader)
    tale.cancel(path=task, answer=showing(task, "cancelled") if answer == "200" else answer)
    tale.left(left, role=reader)
    assert tale.judged("ISO-7") == judged


def test_a_foreign_call_beside_other_movements_is_undecided() -> None:
    """A task under way may have moved the account (ISO-7)."""
    tale, task = foreign()
    tale.alone = True
    tale.left(100)
    tale.submitted("running")
    tale.cancel(path=task, answer=NOT_FOUND)
    tale.left(98.5)
    assert (tale.judged("ISO-7"), tale.blamed) == ("undecided", [])


def test_an_own_cancel_is_no_foreign_one() -> None:
    """What it moves is for BILL to judge (ISO-7)."""
    tale = Tale(alone=True)
    task = tale.submitted(holds=60)
    tale.left(100)
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    tale.left(101.5)
    assert tale.judged("ISO-7") == "silent"


@pytest.mark.parametrize(
    ("mine", "task_id", "blamed"),
    [(False, "{}", ["ISO-2"]), (False, "{}\0", ["ERR-7"]), (True, "{}\0", ["ERR-7"])],
)
def test_whichever_foreign_call_it_was_the_oddity_is_not_blamed(mine: bool, task_id: str, blamed: list[str]) -> None:
    """Of a plain call and an odd one either may have ended the task (ISO-2); alone, an odd one is (ERR-7)."""
    tale, task = foreign()
    if task_id == "{}":
        tale.cancel(path=task, answer=NOT_FOUND)
    body, role = {"task_id": task_id.format(task.task_id)}, "other" if mine else "owner"
    tale.cancel(body, role=role, content_type="text/plain", answer=NOT_FOUND)
    tale.query(task, "cancelled")
    assert set(tale.blamed) - {"STATE-7"} == set(blamed)
