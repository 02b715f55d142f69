"""What is sent and what is accepted comes from the OpenAPI document, whichever it is."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from stand_in import answer
from told import CONTRACT, Tale, refusal, showing

from conformance.contract import Contract, ContractError, Route
from conformance.states import State
from conformance.target.call import Call

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Speak

TEXT = CONTRACT.text
ROUTES = {
    "cancel_task": Route("POST", "/tasks/cancel/{task_id}"),
    "cancel": Route("POST", "/tasks/cancel"),
    "query": Route("POST", "/tasks/query"),
    "submit": Route("POST", "/tasks/submit"),
    "stream": Route("GET", "/tasks/stream/{task_id}"),
}


def changed(*pairs: tuple[str, str]) -> Contract:
    """The contract with some of its text put otherwise, everywhere."""
    text = TEXT
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return Contract(text, "another.yaml")


def judged(contract: Contract, requirement: str, status: int, code: str) -> str:
    """What a check finds in a cancel that names both identifiers and is refused like this."""
    tale = Tale(contract.terms(states={}, code_at="/error/code", volatile=()))
    task = tale.submitted()
    tale.cancel({"task_id": task.task_id}, answer=showing(task, "cancelled"))
    tale.cancel({"task_id": task.task_id, "out_task_id": task.out_task_id}, answer=refusal(status, code))
    return tale.judged(requirement)


def test_the_routes_are_those_of_the_document() -> None:
    """Each is found by its operation id."""
    assert CONTRACT.routes == ROUTES


def test_the_stream_may_be_left_out() -> None:
    """Then it is where the surrounding documentation has it."""
    contract = changed(("operationId: streamTask", "operationId: followTask"), ("/tasks/stream/", "/elsewhere/"))
    assert contract.routes == CONTRACT.routes


def test_another_document_changes_what_is_sent(speak: Speak) -> None:
    """Paths and methods follow it."""
    contract = changed(("/tasks/cancel/{task_id}:", "/jobs/{id}:"), ("/tasks/cancel:", "/jobs:"))
    contract = Contract(contract.text.replace("  /jobs/{id}:\n    post:", "  /jobs/{id}:\n    delete:"))
    wire = speak(lambda _: answer(200, {}), contract=contract)
    wire.client.cancel(1, "owner", Call(path="task_1"))
    wire.client.cancel(1, "owner", Call(body={"task_id": "task_1"}))
    assert [(heard.method, heard.path) for heard in wire.server.heard] == [
        ("DELETE", "/v1/jobs/task_1"),
        ("POST", "/v1/jobs"),
    ]


def test_another_document_changes_what_is_accepted() -> None:
    """Where 422 with a code of its own is documented for a wrong parameter, that passes, and 400 does not."""
    documented = '"{}":\n          $ref: "#/components/responses/InvalidParam"'
    other = changed((documented.format(400), documented.format(422)), ("invalid_param", "bad_request_shape"))
    assert judged(CONTRACT, "IDENT-4", 400, "invalid_param") == "held"
    assert judged(CONTRACT, "IDENT-4", 422, "bad_request_shape") == "broken"
    assert judged(other, "IDENT-4", 422, "bad_request_shape") == "held"
    assert judged(other, "IDENT-4", 400, "invalid_param") == "broken"


def test_another_schema_changes_what_is_valid() -> None:
    """A field that the document requires is missed where it is not there."""
    other = changed(("required: [task_id, status]", "required: [task_id, status, queue]"))
    task = {"task_id": "task_1", "status": "pending"}
    assert CONTRACT.complaints("Task", task) == []
    assert other.complaints("Task", task) == ["/: 'queue' is a required property"]


def test_a_complaint_shows_a_number_as_it_was_sent() -> None:
    """And not as Python writes it down."""
    task = {"task_id": "t", "status": "pending", "estimated_seconds": Decimal("60.5")}
    [said] = CONTRACT.complaints("Task", task)
    assert said.startswith("/estimated_seconds: 60.5 is not of type 'integer'")


def test_a_recipe_is_the_documents_example() -> None:
    """And where there is no example there is no recipe."""
    assert CONTRACT.submit_body(State.COMPLETED) is not None
    example = "              {}:\n                summary: A first frame"
    other = changed((example.format("failed"), example.format("odd")))
    assert other.submit_body(State.FAILED) is None


@pytest.mark.parametrize(
    "value",
    [3, Decimal(3), Decimal("3.0"), Decimal("3e2"), Decimal("1e400"), Decimal("-0.0"), Decimal("1" * 50)],
    ids=str,
)
def test_whole_numbers_are_integers_however_they_are_spelled(value: object) -> None:
    """JSON has one kind of number, and numbers are read exactly."""
    said = CONTRACT.complaints("Task", {"task_id": "t", "status": "pending", "estimated_seconds": value})
    assert said == []


@pytest.mark.parametrize("value", [Decimal("3.5"), Decimal("Infinity"), True, "3", Decimal("1e-400")], ids=str)
def test_what_is_no_whole_number_is_no_integer(value: object) -> None:
    """A fraction, a boolean, a text."""
    said = CONTRACT.complaints("Task", {"task_id": "t", "status": "pending", "estimated_seconds": value})
    assert len(said) == 1
    assert said[0].startswith("/estimated_seconds: ")


def test_complaints_are_few_and_short() -> None:
    """A megabyte of nonsense does not become a megabyte of report."""
    said = CONTRACT.complaints("Task", {"task_id": [0] * 9000, "status": "x" * 9000, "output": [7] * 900})
    assert 0 < len(said) <= 5
    assert max(map(len, said)) <= 300


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "not an OpenAPI document", id="empty"),
        pytest.param("paths: [", "not an OpenAPI document", id="no YAML"),
        pytest.param("just: text", "paths", id="no paths"),
        pytest.param("paths: {}", "no operation has operationId cancelTask; give the route that name", id="no routes"),
        pytest.param("paths: {/x: 7}", "not an OpenAPI document", id="paths of another kind"),
        pytest.param(
            TEXT.replace("operationId: queryTask", "operationId: find"), "operationId queryTask", id="one missing"
        ),
    ],
)
def test_what_is_no_contract_is_named(tmp_path: Path, text: str, said: str) -> None:
    """The complaint says which file, what is missing, and what to write."""
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContractError, match=said) as caught:
        Contract.load(path)
    assert str(path) in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """No such file, a folder, bytes that are no text."""
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("none.yaml", ".", "bytes.yaml"):
        with pytest.raises(ContractError, match="cannot be read"):
            Contract.load(tmp_path / name)
