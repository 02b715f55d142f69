"""Requests and answers are read as what they are, however hostile."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from conformance.exchange import (
    ABSENT,
    MALFORMED,
    UNAVAILABLE,
    Answer,
    Exchange,
    Form,
    Operation,
    Request,
    parsed,
)

JSON = (("Content-Type", "application/json"),)
DEEP = b'{"task_id": "a", "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"


def cancel(
    content: bytes | None = None, path_id: str | None = None, headers: tuple[tuple[str, str], ...] = JSON
) -> Request:
    """A cancel with that body."""
    return Request(
        operation=Operation.CANCEL,
        role="owner",
        method="POST",
        url=f"https://target.example/v1/tasks/cancel{'' if path_id is None else f'/{path_id}'}",
        headers=headers if content else (),
        content=content,
        path_id=path_id,
    )


@pytest.mark.parametrize(
    "content",
    [b"{", b"{}x", b"\xff{}", b"NaN", b'{"a": Infinity}', b"", b"[" * 100_000, b'{"a": 1,}', b"'a'", b"\xef\xbb\xbf{}"],
    ids=repr,
)
def test_what_a_strict_reader_refuses_is_malformed(content: bytes) -> None:
    """Cut off, with garbage behind, badly encoded, or Python's own idea of JSON."""
    assert parsed(content) is MALFORMED


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"1.50", Decimal("1.50")),
        (b"9" * 5000, Decimal("9" * 5000)),
        (b"1e99999999999999999999", Decimal("Infinity")),
        (b"-1e99999999999999999999", Decimal("-Infinity")),
        (b'"\\ud800"', "\ud800"),
    ],
    ids=["exact", "long", "huge", "hugely negative", "half a character"],
)
def test_numbers_and_strings_are_read_without_loss(content: bytes, value: object) -> None:
    """No number is too long to be read, and none is rounded."""
    assert parsed(content) == value


def test_no_document_is_too_deep() -> None:
    """What lies deeper than anybody looks is left out; what lies above is there."""
    document = parsed(DEEP)
    assert isinstance(document, dict)
    assert document["task_id"] == "a"
    assert len(json.dumps(document)) < 500
    assert parsed(DEEP[:-1]) is MALFORMED


@pytest.mark.parametrize(
    ("content", "path_id", "forms", "form"),
    [
        (None, "a", {Form.PATH}, Form.PATH),
        (b'{"task_id": "a"}', None, {Form.TASK_ID}, Form.TASK_ID),
        (b'{"out_task_id": "a", "x": 1}', None, {Form.OUT_TASK_ID}, Form.OUT_TASK_ID),
        (b'{"task_id": "a", "out_task_id": "b"}', None, {Form.TASK_ID, Form.OUT_TASK_ID}, None),
        (b'{"out_task_id": "b"}', "a", {Form.PATH, Form.OUT_TASK_ID}, None),
        (b'{"task_id": null}', None, {Form.TASK_ID}, None),
        (b'{"task_id": ""}', None, {Form.TASK_ID}, None),
        (b'{"task_id": 1}', None, {Form.TASK_ID}, None),
        (b"{}", None, {Form.BODY}, None),
        (None, None, {Form.BODY}, None),
        (b"[", None, {Form.BODY}, None),
        (b"[", "a", {Form.PATH}, None),
    ],
)
def test_a_cancel_names_what_was_on_the_wire(
    content: bytes | None, path_id: str | None, forms: set[Form], form: Form | None
) -> None:
    """The forms used are read from the bytes; there is one form only where there is one usable identifier."""
    named = cancel(content, path_id).named
    assert named.forms == forms
    assert named.form is form
    assert named.identifier == ("a" if form else None)


@pytest.mark.parametrize(
    "request_",
    [
        cancel(b'{"task_id": "a"}', headers=()),
        cancel(b'{"task_id": "a"}', headers=(("content-type", "text/plain"),)),
        cancel(b'{"task_id": "a"}', headers=(("content-type", "Application/JSON"),)),
        cancel(b'{"task_id": "a"}', headers=(("content-type", "application/json; charset=UTF-16"),)),
        cancel(b'{"task_id": "a", "task_id": "a"}'),
        cancel(b'{"task_id": "a", "x": {"y": 1, "y": 2}}'),
        cancel(b'{"task_id": "a", "x": "\\u0000"}'),
        cancel(b'{"task_id": "a", "x": "\\ud800"}'),
        cancel(b'{"task_id": "a", "x": "' + b"x" * 600 + b'"}'),
        cancel(b'{"task_id": "a"' + b" " * 5000 + b"}"),
        cancel(b'\xef\xbb\xbf{"task_id": "a"}'),
        cancel(b'{"task_id": "a", "x": 1e99999}'),
        cancel(DEEP),
        cancel(b'{"task_id": "a", "x": NaN}'),
        cancel(b' /* { */ {"task_id": "a"}'),
        cancel('{"task_id": "a"}'.encode("utf-16")),
        cancel('{"task_id": "a"}'.encode("utf-32-be")),
        cancel(b'{"task_id": "a"}', headers=(*JSON, ("transfer-encoding", "chunked"))),
        cancel(b'{"task_id": "a", "__proto__": 1}'),
        cancel(b'{"task_id": "a", "x": [{"constructor": {"prototype": {}}}]}'),
    ],
    ids=[
        *("no type", "another type", "capitals", "another charset", "doubled", "doubled inside"),
        *("NUL", "half", "long", "large", "BOM", "huge", "deep", "NaN", "a comment", "UTF-16", "UTF-32"),
        *("chunks", "a prototype", "a constructor's prototype"),
    ],
)
def test_an_odd_dress_is_seen(request_: Request) -> None:
    """What may be refused for its looks alone is odd, and its identifier is read all the same (R18, R19)."""
    assert request_.named.odd
    assert request_.named.identifier == "a"


@pytest.mark.parametrize(
    "request_",
    [
        cancel(path_id="a"),
        cancel(),
        cancel(b'{"task_id": "a", "x": [1, {"y": null}]}'),
        cancel(b'{"task_id": "a", "constructor": "x", "prototype": {"y": 1}}'),
        cancel(b'{"out_task_id": "a\\u0000\\ud83d\\ude00"}'),
        cancel(b'{"task_id": "a"}', headers=(("content-type", "application/json ; charset=utf-8"),)),
        cancel(b'{"task_id": "a"}', headers=(("content-type", 'application/json; profile=x; charset="UTF-8"'),)),
    ],
)
def test_an_ordinary_dress_is_not_odd(request_: Request) -> None:
    """Extra fields, odd identifiers and parameters of the content type are no reason to refuse."""
    assert not request_.named.odd


@pytest.mark.parametrize("name", ["task_id", "out_task_id"])
@pytest.mark.parametrize("value", ["a\0", "\udc00", "a" * 10_000], ids=["NUL", "half", "long"])
def test_beside_a_path_an_odd_identifier_is_an_odd_field(name: str, value: str) -> None:
    """It names nothing there that is acted on, and may be refused for its looks (R2, R18)."""
    content = json.dumps({name: value}).encode()
    assert cancel(content, "a").named.odd
    assert not cancel(json.dumps({name: "b"}).encode(), "a").named.odd


def test_of_a_doubled_key_both_readings_are_kept() -> None:
    """The last value counts, and the first is remembered (R18)."""
    named = cancel(b'{"task_id": "a", "task_id": "b"}').named
    assert named.identifier == "b"
    assert named.otherwise is not None
    assert named.otherwise.identifier == "a"


def test_what_a_query_names_beside_a_body_is_another_reading() -> None:
    """Many a framework gives both for one set of parameters; a path decides, whatever stands behind it (R2, ERR-7)."""
    body = cancel(b'{"task_id": "a"}')
    asked = replace(body, url=f"{body.url}?task_id=b").named
    assert (asked.odd, asked.identifier) == (True, "a")
    assert asked.otherwise is not None
    assert asked.otherwise.identifier == "b"
    path = cancel(path_id="a")
    for request in (replace(body, url=f"{body.url}?force=1"), replace(path, url=f"{path.url}?task_id=b")):
        assert (request.named.odd, request.named.otherwise) == (True, None)


@pytest.mark.parametrize("content", [None, b""])
def test_no_body_is_bare(content: bytes | None) -> None:
    """No byte is no body."""
    named = cancel(content, "a").named
    assert (named.bare, named.readable, named.form) == (True, True, Form.PATH)


def test_a_query_may_name_its_task_in_the_url() -> None:
    """Some targets are queried with GET and a parameter."""
    url = "https://target.example/v1/tasks/query?task_id=a%20b"
    request = Request(operation=Operation.QUERY, role="owner", method="GET", url=url)
    assert request.named.identifier == "a b"


@pytest.mark.parametrize(
    ("role", "keyed"),
    [("owner", True), ("other", True), ("nobody", False), ("nobody:mistyped", False), ("revoked", False)],
)
def test_some_roles_have_no_valid_key(role: str, *, keyed: bool) -> None:
    """A request of nobody's, or with a revoked key, is to be refused."""
    request = Request(operation=Operation.CANCEL, role=role, method="POST", url="https://target.example")
    assert request.keyed is keyed


def test_a_header_is_found_without_regard_to_case() -> None:
    """The first of its name counts."""
    answer = Answer(status=200, headers=(("X-A", "1"), ("x-a", "2")))
    assert (answer.header("x-A"), answer.header("b"), answer.document) == ("1", None, ABSENT)


@pytest.mark.parametrize("status", [None, *sorted(UNAVAILABLE), 200, 404, 500])
def test_a_loss_and_an_overload_are_no_answer_of_the_targets_own(status: int | None) -> None:
    """A lost answer, 429 and the gateway's errors are the infrastructure's (R17); 500 is the target's."""
    answer = None if status is None else Answer(status=status)
    exchange = Exchange(number=1, request=cancel(), sent_at=0, ended_at=1, answer=answer)
    assert exchange.unavailable is (status not in {200, 404, 500})


@pytest.mark.parametrize(
    ("path_id", "written", "odd"),
    [
        ("0a1", "0a1", False),
        ("0a1", "%30a1", True),
        ("0a1", "%30%61%31", True),
        ("a b", "a%20b", False),
        ("a.b", "a%2eb", True),
        ("a/", "a/", True),
        ("a", "a?x=1", True),
    ],
)
def test_a_path_that_is_spelled_in_an_unusual_way_is_odd(path_id: str, written: str, odd: bool) -> None:
    """An escape that nobody needs, also where it ends as what it stands for begins (R18)."""
    request = replace(cancel(path_id=path_id), url=f"http://127.0.0.1/v1/tasks/cancel/{written}")
    assert request.named.odd is odd
