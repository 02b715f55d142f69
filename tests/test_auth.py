"""The checks of AUTH on stories told by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from told import INVALID_KEY, INVALID_PARAM, NOT_FOUND, UNAVAILABLE, UNKNOWN, Tale, Told, refusal, showing, terms

from conformance.lawful import Task

FORMER = "task_01HQX9F2P6Y8VEX3CRZ8GXJVE7"
BEARER = ("authorization", "Bearer $KEY")
HEADER = ("x-api-key", "$KEY")
WRONG_BEARER = ("authorization", "Bearer sk-byts-none")
WRONG_HEADER = ("x-api-key", "sk-byts-none")
ROLES = [
    ("AUTH-1", "nobody"),
    ("AUTH-1", "nobody:none"),
    ("AUTH-2", "nobody:truncated"),
    ("AUTH-2", "nobody:empty"),
    ("AUTH-2", "nobody:scheme Basic"),
    ("AUTH-3", "revoked"),
]


def pending() -> tuple[Tale, Task]:
    """A pending task that was looked at."""
    tale = Tale()
    task = tale.submitted(holds=60)
    tale.query(task, "pending")
    return tale, task


@pytest.mark.parametrize(("row", "role"), ROLES)
@pytest.mark.parametrize("form", ["path", "task_id", "out_task_id"])
@pytest.mark.parametrize(
    ("answer", "judged"),
    [
        (INVALID_KEY, "held"),
        ("200", "broken"),
        (NOT_FOUND, "broken"),
        (INVALID_PARAM, "broken"),
        (refusal(401, "unauthorized"), "broken"),
        (refusal(403, "invalid_api_key"), "broken"),
        (refusal(500, "internal"), "broken"),
        (UNAVAILABLE, "undecided"),
        (None, "undecided"),
    ],
    ids=str,
)
def test_without_a_valid_key_the_answer_is_401(row: str, role: str, form: str, answer: Any, judged: str) -> None:  # noqa: ANN401
    """No key, a wrong one, a revoked one; in each form, and in no other row (AUTH-1, AUTH-2, AUTH-3)."""
    tale, task = pending()
    call: dict[str, Any] = {"path": task} if form == "path" else {"body": {form: getattr(task, form)}}
    tale.cancel(**call, role=role, answer=showing(task, "cancelled") if answer == "200" else answer)
    others = {"AUTH-1", "AUTH-2", "AUTH-3"} - {row}
    assert tale.judged(row) == judged
    assert {tale.judged(other) for other in others} == {"silent"}


@pytest.mark.parametrize(("row", "role"), ROLES)
def test_a_malformed_identifier_may_be_noticed_first(row: str, role: str) -> None:
    """400 before 401 is a matter of order (R10); for a well-formed one it is not (AUTH-1, AUTH-2, AUTH-3)."""
    for identifier, judged in (("boat", "undecided"), (UNKNOWN, "broken")):
        tale, _ = pending()
        tale.cancel(path=identifier, role=role, answer=INVALID_PARAM)
        assert tale.judged(row) == judged


@pytest.mark.parametrize(("row", "role"), ROLES)
@pytest.mark.parametrize("dress", ["extra", "content type", "both", "unreadable"])
@pytest.mark.parametrize(
    ("answer", "judged"), [(INVALID_KEY, "silent"), (refusal(415, "media_type"), "silent"), ("200", "broken")]
)
def test_an_odd_call_without_a_key_is_not_accepted_either(
    row: str,
    role: str,
    dress: str,
    answer: Any,  # noqa: ANN401
    judged: str,
) -> None:
    """It may be refused for something else, and may not be answered with a task (AUTH-1, AUTH-2, AUTH-3)."""
    tale, task = pending()
    body = {"task_id": task.task_id}
    calls: dict[str, dict[str, Any]] = {
        "extra": {"body": {**body, "force": True}},
        "content type": {"body": body, "content_type": None},
        "both": {"body": {**body, "out_task_id": task.out_task_id}},
        "unreadable": {"body": b"{", "path": task},
    }
    tale.cancel(**calls[dress], role=role, answer=showing(task, "cancelled") if answer == "200" else answer)
    assert tale.judged(row) == judged


ODD: dict[str, dict[str, Any]] = {
    "NUL": {"path": "{}\0"},
    "a percent sign": {"path": "{}%"},
    "a folder": {"path": "x/{}"},
    "a long path": {"path": "{}" + "x" * 4000},
    "an empty path": {"path": ""},
    "NUL in a body": {"body": {"out_task_id": "{}\0"}},
    "NUL beside": {"body": {"task_id": 7, "note": "\0"}},
    "NUL behind a body": {"body": b'{"task_id": "x"}\0'},
    "bad UTF-8": {"body": b'{"task_id": "\xff"}'},
    "another type": {"body": {"task_id": 7}, "content_type": "text/plain"},
}
"""Calls that a server, a proxy or a firewall may refuse before anybody has looked for a key."""


@pytest.mark.parametrize("role", [role for _, role in ROLES])
@pytest.mark.parametrize("call", ODD.values(), ids=[*ODD])
@pytest.mark.parametrize("answer", [INVALID_PARAM, NOT_FOUND, (403, b"<html>"), (400, b""), (307, b"")], ids=str)
def test_what_is_odd_may_be_refused_by_whoever_stands_in_front(role: str, call: dict[str, Any], answer: Told) -> None:
    """And compares with nothing that comes to the service itself (AUTH-1, AUTH-2, AUTH-3, AUTH-5, AUTH-6)."""
    tale, task = pending()
    path = call.get("path")
    tale.cancel(path=task, role=role, answer=INVALID_KEY)
    tale.cancel(path=UNKNOWN, role=role, answer=INVALID_KEY)
    tale.cancel(**call if path is None else {"path": path.format(task.task_id)}, role=role, answer=answer)
    tale.query(task, "pending")
    assert tale.blamed == []


@pytest.mark.parametrize("role", [role for _, role in ROLES])
@pytest.mark.parametrize(
    ("later", "judged"), [("pending", "held"), ("cancelled", "broken"), (None, "undecided"), (NOT_FOUND, "broken")]
)
@pytest.mark.parametrize("answer", [INVALID_KEY, None])
def test_a_call_without_a_key_does_nothing(role: str, later: Any, judged: str, answer: Told) -> None:  # noqa: ANN401
    """Whatever its answer, and were it lost (AUTH-4)."""
    tale, task = pending()
    tale.cancel(path=task, role=role, answer=answer)
    if later is not None:
        tale.query(task, later)
    assert tale.judged("AUTH-4") == judged


@pytest.mark.parametrize(("seconds", "judged"), [(0.0, "undecided"), (0.6, "broken")])
def test_an_old_look_is_nobodys_doing(seconds: float, judged: str) -> None:
    """A copy may lag, and show a task waiting that was told to run; one that long ran was put back (AUTH-4)."""
    tale = Tale()
    task = tale.submitted("running", holds=60)
    tale.query(task, "running")
    tale.cancel(path=task, role="nobody", answer=INVALID_KEY)
    tale.wait(seconds)
    tale.query(task, "pending")
    assert tale.judged("AUTH-4") == judged
    if judged == "undecided":
        tale.query(task, "running")
        assert tale.judged("AUTH-4") == "held"


def test_it_does_not_matter_which_call_without_a_key_did_it() -> None:
    """The law forbids it to each of them (AUTH-4); another key's cancel between them is a suspect of its own."""
    for between, judged in (("nobody:truncated", "broken"), ("other", "undecided")):
        tale, task = pending()
        for role in ("nobody", between):
            tale.cancel(path=task, role=role, answer=NOT_FOUND if role == "other" else INVALID_KEY)
        tale.query(task, "cancelled")
        assert tale.judged("AUTH-4") == judged


def test_a_cancel_with_the_key_explains_what_happened() -> None:
    """The owner's own cancel is not held against the stranger (AUTH-4)."""
    tale, task = pending()
    tale.cancel(path=task, role="nobody", answer=INVALID_KEY)
    tale.lost(path=task)
    tale.query(task, "cancelled")
    assert (tale.judged("AUTH-4"), tale.blamed) == ("undecided", [])


@pytest.mark.parametrize("role", ["nobody", "nobody:truncated", "revoked"])
@pytest.mark.parametrize(
    ("known", "unknown", "judged"),
    [
        (INVALID_KEY, INVALID_KEY, "held"),
        (INVALID_KEY, NOT_FOUND, "broken"),
        (refusal(403, "forbidden"), INVALID_KEY, "broken"),
        (refusal(401, "not_yours"), INVALID_KEY, "broken"),
        ((401, {"error": {**INVALID_KEY[1]["error"], "owner": "x"}}), INVALID_KEY, "broken"),  # type: ignore[dict-item]
        (UNAVAILABLE, INVALID_KEY, "silent"),
        (INVALID_KEY, None, "silent"),
    ],
    ids=str,
)
def test_the_refusal_does_not_tell_what_exists(role: str, known: Told, unknown: Told, judged: str) -> None:
    """The same answer whether the task exists or not (AUTH-5, R10)."""
    tale, task = pending()
    tale.cancel(path=task, role=role, answer=known)
    tale.cancel(path=UNKNOWN, role=role, answer=unknown)
    assert tale.judged("AUTH-5") == judged


@pytest.mark.parametrize(
    ("its_own", "times", "judged"), [(True, 12, "broken"), (True, 11, "held"), (False, 12, "silent")]
)
def test_a_revoked_key_is_not_told_what_was_its_own(its_own: bool, times: int, judged: str) -> None:
    """Nor by the message alone, where that is ever the same for tasks that the key had, by the profile (AUTH-5)."""
    tale = Tale(replace(terms(), former_tasks=(FORMER,) if its_own else ()))
    status, document = INVALID_KEY
    revoked = status, {"error": {**document["error"], "message": "This key was revoked."}}
    for _ in range(times):
        tale.cancel(path=FORMER, role="revoked", answer=revoked)
        tale.cancel(path=UNKNOWN, role="revoked", answer=INVALID_KEY)
    assert tale.judged("AUTH-5") == judged
    assert tale.blamed == (["AUTH-5"] if judged == "broken" else [])


def test_another_form_may_be_refused_in_other_words() -> None:
    """It is no word of the task (AUTH-5)."""
    tale, task = pending()
    for number in range(12):
        tale.cancel(path=task, role="nobody", answer=INVALID_KEY)
        worded = refusal(401, "invalid_api_key")[1] | {"form": "body"}
        tale.cancel({"out_task_id": f"none-{number}"}, role="nobody", answer=(401, worded))
    assert tale.judged("AUTH-5") != "broken"


def test_only_like_is_compared_with_like() -> None:
    """Another form and another spoiled key may be refused in other words (AUTH-5)."""
    tale, task = pending()
    tale.cancel(path=task, role="nobody", answer=INVALID_KEY)
    tale.cancel({"task_id": UNKNOWN}, role="nobody", answer=(401, {"error": {"code": "invalid_api_key"}}))
    tale.cancel(path=UNKNOWN, role="revoked", answer=(401, {"error": {"code": "invalid_api_key"}}))
    assert (tale.judged("AUTH-5"), tale.blamed) == ("silent", ["ERR-2"])


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", None, b'{"task_id": "a", "out_task_id": "b"}', b'{"task_id": 7}'])
@pytest.mark.parametrize(
    ("answer", "judged"),
    [(INVALID_KEY, "held"), (INVALID_PARAM, "broken"), (None, "undecided"), (UNAVAILABLE, "undecided")],
)
def test_a_bad_body_does_not_hide_a_bad_key(body: bytes | None, answer: Told, judged: str) -> None:
    """401 comes first: a recommendation, and no other row's matter (AUTH-6, R10)."""
    tale, task = pending()
    tale.cancel(body, role="nobody:unknown", answer=answer)
    tale.query(task, "pending")
    assert tale.judged("AUTH-6") == judged
    assert tale.blamed == (["AUTH-6"] if judged == "broken" else [])


@pytest.mark.parametrize("form", ["path", "task_id"])
@pytest.mark.parametrize(
    ("answer", "blamed"),
    [(INVALID_KEY, []), (INVALID_PARAM, ["AUTH-6"]), (NOT_FOUND, ["AUTH-1", "AUTH-5", "ERR-1"]), (UNAVAILABLE, [])],
)
def test_a_malformed_identifier_does_not_hide_that_there_is_no_key(form: str, answer: Told, blamed: list[str]) -> None:
    """400 is against the recommendation alone, 404 is none of the answers without a key (AUTH-1, AUTH-6, R10)."""
    tale, task = pending()
    for named, said in ((task.task_id, INVALID_KEY), ("task_123", answer)):
        call: dict[str, Any] = {"path": named} if form == "path" else {"body": {form: named}}
        tale.cancel(**call, role="nobody", answer=said)
    tale.query(task, "pending")
    assert tale.blamed == blamed


@pytest.mark.parametrize(
    ("role", "shown", "right", "wrong"),
    [
        ("owner", [HEADER], "200", INVALID_KEY),
        ("owner", [BEARER], "200", INVALID_KEY),
        ("owner", [HEADER, WRONG_BEARER], "200", INVALID_KEY),
        ("nobody:x-api-key", [WRONG_HEADER, BEARER], INVALID_KEY, "200"),
    ],
    ids=str,
)
def test_either_header_carries_the_key(role: str, shown: list[tuple[str, str]], right: Any, wrong: Any) -> None:  # noqa: ANN401
    """And `x-api-key` decides; that a target does otherwise breaks nothing else (AUTH-7)."""
    for answer, judged in ((right, "held"), (wrong, "broken"), (None, "undecided"), (UNAVAILABLE, "undecided")):
        tale, task = pending()
        tale.probe(task, *shown, role=role, answer=showing(task, "cancelled") if answer == "200" else answer)
        tale.query(task, "cancelled" if answer == "200" else "pending")
        assert tale.judged("AUTH-7") == judged
        assert set(tale.blamed) <= {"AUTH-7"}


def test_the_key_that_decides_against_a_call_keeps_it_from_acting() -> None:
    """A refusal that ends the task all the same is none (AUTH-7)."""
    for later, judged in (("pending", "held"), ("cancelled", "broken")):
        tale, task = pending()
        tale.probe(task, WRONG_HEADER, BEARER, role="nobody:x-api-key", answer=INVALID_KEY)
        tale.query(task, later)
        assert tale.judged("AUTH-7") == judged


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEARER"])
@pytest.mark.parametrize(("answer", "judged"), [("200", "held"), (INVALID_KEY, "broken"), (None, "undecided")])
def test_the_scheme_has_no_case(scheme: str, answer: Any, judged: str) -> None:  # noqa: ANN401
    """However the scheme is written, the key is read; AUTH-7 has no say in it (AUTH-8)."""
    tale, task = pending()
    shown = ("authorization", f"{scheme} $KEY")
    tale.probe(task, shown, answer=showing(task, "cancelled") if answer == "200" else answer)
    assert (tale.judged("AUTH-8"), tale.judged("AUTH-7")) == (judged, "silent")


def test_a_target_without_schemes_has_none_to_match() -> None:
    """Where the keys come in `x-api-key`, the case of a scheme is no matter (AUTH-8)."""
    tale = Tale()
    tale.shown = (HEADER,)
    task = tale.submitted()
    tale.probe(task, ("authorization", "bearer $KEY"), answer=INVALID_KEY)
    assert tale.judged("AUTH-8") == "undecided"


def test_a_refusal_counts_where_the_owner_is_accepted() -> None:
    """It rests on the same form, with the key of the task's owner (AUTH-1, AUTH-5)."""
    tale, task = pending()
    for path in (task, UNKNOWN):
        tale.cancel(path=path, role="nobody", answer=INVALID_KEY)
    for row in ("AUTH-1", "AUTH-5"):
        assert {premise for finding in tale.findings(row) for premise in finding.premises} == {("owner", "path")}
