"""The checks of ERR on stories told by hand."""

from __future__ import annotations

from typing import Any

import pytest
from told import INVALID_KEY, INVALID_PARAM, NOT_FOUND, UNAVAILABLE, UNKNOWN, Tale, Told, refusal, showing, terms

CALLS: dict[str, tuple[dict[str, Any], Told]] = {
    "neither": ({"body": {}}, INVALID_PARAM),
    "both": ({"body": {"task_id": UNKNOWN, "out_task_id": "none"}}, INVALID_PARAM),
    "unknown": ({"path": UNKNOWN}, NOT_FOUND),
    "no key": ({"path": UNKNOWN, "role": "nobody"}, INVALID_KEY),
    "revoked key": ({"body": {"out_task_id": "none"}, "role": "revoked"}, INVALID_KEY),
}
HOSTILE = [
    {"error": {"code": []}},
    {"error": {"code": None}},
    {"error": "invalid_param"},
    {"code": "invalid_param"},
    [],
]


@pytest.mark.parametrize("call", CALLS)
def test_a_documented_refusal_holds(call: str) -> None:
    """Each refusal has its status and its code (ERR-1)."""
    tale = Tale()
    tale.submitted()
    sent, answer = CALLS[call]
    tale.cancel(**sent, answer=answer)
    assert (tale.judged("ERR-1"), tale.judged("ERR-2")) == ("held", "held")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "answer",
    [refusal(400, "bad_request"), refusal(403, "invalid_api_key"), refusal(404, "not_found"), refusal(500, "internal")],
    ids=str,
)
def test_another_status_or_code_is_seen(call: str, answer: Told) -> None:
    """A refusal by another name is none (ERR-1)."""
    tale = Tale()
    tale.submitted()
    tale.cancel(**CALLS[call][0], answer=answer)
    assert tale.judged("ERR-1") == "broken"


@pytest.mark.parametrize("body", HOSTILE, ids=str)
def test_a_code_in_another_place_or_shape_is_seen(body: object) -> None:
    """The code is a string at `error.code`, whatever else is sent (ERR-1, ERR-2, R12)."""
    tale = Tale()
    tale.cancel({}, answer=(400, body))
    assert (tale.judged("ERR-1"), tale.judged("ERR-2")) == ("broken", "broken")


@pytest.mark.parametrize(
    ("message", "judged"),
    [
        ("No such task.", "held"),
        ("Fatal: an exception was thrown, see https://docs.example.com/app/errors/404.", "held"),
        ("Neither task_id nor out_task_id; select one from the list.", "held"),
        ('Traceback (most recent call last):\n  File "/srv/app.py", line 3', "broken"),
        ("null\n\tat com.acme.Cancel.run(Cancel.java:61)", "broken"),
        ("com.acme.json.MismatchedInputException: no String", "broken"),
        ("panic: runtime error\n\ngoroutine 7 [running]", "broken"),
        ("SELECT id FROM tasks WHERE id = 'x'", "broken"),
        (r"C:\new\app\tasks.cs", "broken"),
        ("asked keys-3.internal", "broken"),
    ],
)
def test_internals_are_seen_in_a_refusal(message: str, judged: str) -> None:
    """Whatever JSON makes of its line ends and tabs (ERR-6)."""
    tale = Tale()
    tale.cancel({}, answer=(400, {"error": {"message": message, "type": "x", "param": None, "code": "invalid_param"}}))
    assert tale.judged("ERR-6") == judged


def test_a_profile_may_name_another_place() -> None:
    """Where the code stands elsewhere by the profile, the documented envelope is not asked for (R12)."""
    tale = Tale(terms(code_at="/code"))
    tale.cancel({}, answer=(400, {"code": "invalid_param"}))
    assert (tale.judged("ERR-1"), tale.judged("ERR-2")) == ("held", "undecided")


@pytest.mark.parametrize("answer", [None, UNAVAILABLE])
def test_what_was_not_answered_is_undecided(answer: Told) -> None:
    """The infrastructure's trouble is no refusal (ERR-1, R17)."""
    tale = Tale()
    tale.cancel({}, answer=answer)
    assert (tale.judged("ERR-1"), tale.judged("ERR-2")) == ("undecided", "silent")


@pytest.mark.parametrize("answer", [INVALID_PARAM, "200"])
def test_each_of_two_lawful_answers_is_right(answer: Any) -> None:  # noqa: ANN401
    """A path beside an `out_task_id` is refused, or acted on and then no matter of ERR (R1)."""
    tale = Tale()
    task = tale.submitted()
    told = showing(task, "cancelled") if answer == "200" else answer
    tale.cancel({"out_task_id": task.out_task_id}, path=task, answer=told)
    assert tale.judged("ERR-1") == ("silent" if answer == "200" else "held")
    assert tale.blamed == []


@pytest.mark.parametrize("answer", [INVALID_PARAM, NOT_FOUND])
def test_a_malformed_task_id_is_refused_in_two_lawful_ways(answer: Told) -> None:
    """404 or 400 for a string that is no task id (ERR-1, R5)."""
    tale = Tale()
    tale.submitted()
    tale.cancel({"task_id": "boat"}, answer=answer)
    assert tale.judged("ERR-1") == "held"


def test_a_bad_key_may_be_noticed_after_a_bad_body() -> None:
    """That 401 comes first is a recommendation, not a matter of ERR-1 (R10)."""
    for answer in (INVALID_PARAM, INVALID_KEY):
        tale = Tale()
        tale.cancel({}, role="nobody", answer=answer)
        assert tale.judged("ERR-1") == "held"


@pytest.mark.parametrize("answer", [refusal(400, "not_json"), (413, b"too large"), (404, b"")], ids=str)
def test_what_is_no_json_may_be_refused_in_any_words(answer: Told) -> None:
    """No code is documented for a body that cannot be read (ERR-1, ERR-2)."""
    tale = Tale()
    tale.cancel(b"{", answer=answer)
    assert (tale.judged("ERR-1"), tale.judged("ERR-2"), tale.blamed) == ("silent", "silent", [])


@pytest.mark.parametrize(
    ("answer", "judged"),
    [
        ((400, INVALID_PARAM[1], "application/problem+json"), "held"),
        ((400, INVALID_PARAM[1], "text/html"), "broken"),
        ((400, {"error": {"code": "invalid_param"}}), "broken"),
        ((400, {"error": {"code": "invalid_param", "message": "No.", "type": "x", "more": 1}, "id": 7}), "held"),
        ((400, b"<html>"), "broken"),
        ((400, b""), "broken"),
    ],
    ids=str,
)
def test_a_refusal_comes_in_the_envelope(answer: Told, judged: str) -> None:
    """Message, type and code, as JSON; more is welcome (ERR-2)."""
    tale = Tale()
    tale.cancel({}, answer=answer)
    assert tale.judged("ERR-2") == judged


def test_a_refusal_without_a_key_rests_on_the_owners_acceptance() -> None:
    """Whether a form works at all is known from a valid key (ERR-1)."""
    tale = Tale()
    tale.submitted()
    tale.cancel(path=UNKNOWN, role="nobody", answer=INVALID_KEY)
    [finding] = tale.findings("ERR-1")
    assert finding.premises == {("owner", "path")}


@pytest.mark.parametrize(
    ("dress", "answer", "judged"),
    [
        ((), (413, b"too large"), "held"),
        ((), INVALID_PARAM, "broken"),
        ((("transfer-encoding", "chunked"),), (413, b"too large"), "held"),
        ((("transfer-encoding", "chunked"),), (411, b"how long?"), "undecided"),
        ((("transfer-encoding", "chunked"),), INVALID_PARAM, "undecided"),
        ((("transfer-encoding", "chunked"),), {"status": "cancelled"}, "broken"),
    ],
)
def test_a_large_body_of_untold_length_may_be_refused_for_that(
    dress: tuple[tuple[str, str], ...], answer: Told, judged: str
) -> None:
    """What comes in chunks need not be counted to be refused, but is not acted on (ERR-4)."""
    tale = Tale()
    task = tale.submitted(holds=60)
    told = showing(task, "cancelled") if isinstance(answer, dict) else answer
    tale.cancel({"task_id": task.task_id, "note": "x" * (1 << 20)}, answer=told, shown=dress)
    assert tale.judged("ERR-4") == judged
