"""The contract is valid OpenAPI, and what it shows is what it says."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

CONTRACT = yaml.safe_load((Path(__file__).parents[1] / "openapi" / "cancel-task.yaml").read_text(encoding="utf-8"))
REGISTRY: Registry[Any] = Registry().with_resource(
    "urn:contract", Resource.from_contents(CONTRACT, default_specification=DRAFT202012)
)
OPERATIONS = {operation["operationId"]: operation for path in CONTRACT["paths"].values() for operation in path.values()}
RESPONSES = CONTRACT["components"]["responses"]
SCHEMAS = CONTRACT["components"]["schemas"]
PINNED = {
    "InvalidParam": "invalid_param",
    "InvalidKey": "invalid_api_key",
    "TaskNotFound": "task_not_found",
    "DuplicateOutTaskId": "duplicate_out_task_id",
}
TASK = {"task_id": "task_1", "status": "cancelled"}


def fits(value: object, schema: str) -> bool:
    """Whether a value is valid against the schema at a JSON pointer into the contract."""
    return Draft202012Validator({"$ref": f"urn:contract#{quote(schema)}"}, registry=REGISTRY).is_valid(value)


def examples(node: object = CONTRACT, at: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every example in the contract: its name, the pointer to its schema, its value."""
    if isinstance(node, list):
        for index, child in enumerate(node):
            yield from examples(child, f"{at}/{index}")
    elif isinstance(node, dict):
        shown = node.get("examples")
        if isinstance(shown, list):
            yield from ((f"{at}/examples/{index}", at, value) for index, value in enumerate(shown))
        elif isinstance(shown, dict):
            yield from ((f"{at}/examples/{name}", f"{at}/schema", entry["value"]) for name, entry in shown.items())
        if "example" in node:
            yield f"{at}/example", f"{at}/schema", node["example"]
        for key, child in node.items():
            if key not in {"example", "examples"}:
                yield from examples(child, f"{at}/{key.replace('~', '~0').replace('/', '~1')}")


def links() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every link that an answer offers, with references followed."""
    for answer, response in RESPONSES.items():
        for name, link in response.get("links", {}).items():
            yield f"{answer}.{name}", CONTRACT["components"]["links"][link["$ref"].rpartition("/")[2]]


def statuses(operation: str) -> dict[str, str]:
    """The statuses that an operation documents, with the names of their answers."""
    return {
        status: response["$ref"].removeprefix("#/components/responses/")
        for status, response in OPERATIONS[operation]["responses"].items()
    }


def test_the_contract_is_valid_openapi() -> None:
    """The document keeps to OpenAPI 3.1."""
    validate(CONTRACT)


def test_an_operation_without_answers_is_not_valid_openapi() -> None:
    """The validator does see a contract that is spoiled."""
    spoiled = copy.deepcopy(CONTRACT)
    spoiled["paths"]["/tasks/cancel"]["post"]["responses"] = "any"
    with pytest.raises(OpenAPIValidationError, match="is not of type"):
        validate(spoiled)


@pytest.mark.parametrize(("schema", "value"), [pytest.param(*rest, id=name) for name, *rest in examples()])
def test_every_example_fits_its_schema(schema: str, value: object) -> None:
    """Parameters, headers, bodies, answers and schemas show only what they allow."""
    assert fits(value, schema)


@pytest.mark.parametrize(
    ("schema", "value"),
    [pytest.param(*rest, id=name) for name, *rest in examples() if "/content/application~1json/examples/" in name],
)
def test_an_example_in_a_list_does_not_fit(schema: str, value: object) -> None:
    """No schema of a body is so loose that it lets anything through."""
    assert not fits([value], schema)


def test_every_answer_and_body_shows_an_example() -> None:
    """Whatever has a content has a schema, and at least one example of it."""
    bodies = [operation["requestBody"] for operation in OPERATIONS.values() if "requestBody" in operation]
    assert len(bodies) == 4
    for described in [*RESPONSES.values(), *bodies]:
        for media in described["content"].values():
            assert media["schema"]
            assert media["examples"]


def test_cancel_shows_every_terminal_state_and_no_other() -> None:
    """The examples of cancel's 200 are tasks that are over, of each kind."""
    shown = RESPONSES["TaskAfterCancel"]["content"]["application/json"]["examples"].values()
    assert {example["value"]["status"] for example in shown} == set(SCHEMAS["TaskStatus"]["x-terminal"])


@pytest.mark.parametrize("status", SCHEMAS["TaskStatus"]["enum"])
def test_query_shows_every_state_with_its_own_fields(status: str) -> None:
    """Query's example of each state keeps to the stricter schema too."""
    shown = RESPONSES["TaskRead"]["content"]["application/json"]["examples"][status]["value"]
    assert shown["status"] == status
    assert fits(shown, "/components/schemas/TaskByState")


@pytest.mark.parametrize("route", ["cancelTask", "cancelTaskByBody", "queryTask"])
def test_both_routes_of_cancel_and_query_document_the_same_refusals(route: str) -> None:
    """A refusal has one status and one code, whichever way it was provoked."""
    refusals = {status: name for status, name in statuses(route).items() if status != "200"}
    assert refusals == {
        "400": "InvalidParam",
        "401": "InvalidKey",
        "404": "TaskNotFound",
        "413": "BodyTooLarge",
        "429": "TooManyRequests",
    }


def test_the_stream_tells_of_a_task_until_it_has_ended() -> None:
    """What the example shows are tasks, the last of them over, in the only content that is no JSON."""
    [media] = RESPONSES["TaskEvents"]["content"].items()
    shown = media[1]["examples"]["cancelled"]["value"]
    tasks = [json.loads(line.removeprefix("data: ")) for line in shown.splitlines() if line.startswith("data: ")]
    assert media[0] == "text/event-stream"
    assert all(fits(task, "/components/schemas/TaskByState") for task in tasks)
    assert tasks[-1]["status"] in SCHEMAS["TaskStatus"]["x-terminal"]
    assert {*statuses("streamTask")} == {"200", "401", "404", "429"}


def test_submit_names_a_body_for_every_state_it_can_lead_to() -> None:
    """Without a word in a profile there is a default way into each state but cancelled."""
    body = OPERATIONS["submitTask"]["requestBody"]["content"]["application/json"]
    assert set(body["examples"]) == {"pending", "running", "completed", "failed"}
    assert set(statuses("submitTask")) == {"200", "201", "400", "401", "409", "413", "429"}


@pytest.mark.parametrize(("name", "code"), PINNED.items())
def test_a_refusal_pins_its_documented_code(name: str, code: str) -> None:
    """The code can be read from the schema, and another code does not fit."""
    media = RESPONSES[name]["content"]["application/json"]
    _, pin = media["schema"]["allOf"]
    assert pin["properties"]["error"]["properties"]["code"] == {"const": code}
    spoiled = copy.deepcopy(next(iter(media["examples"].values()))["value"])
    spoiled["error"]["code"] = "teapot"
    assert not fits(spoiled, f"/components/responses/{name}/content/application~1json/schema")


@pytest.mark.parametrize("field", ["message", "type", "code"])
def test_a_refusal_without_a_part_of_its_envelope_does_not_fit(field: str) -> None:
    """Message, type and code are all required."""
    error = {"message": "No.", "type": "invalid_request_error", "code": "invalid_param"}
    assert fits({"error": error}, "/components/schemas/ErrorEnvelope")
    del error[field]
    assert not fits({"error": error}, "/components/schemas/ErrorEnvelope")


@pytest.mark.parametrize("field", sorted(set(SCHEMAS["Task"]["properties"]) - set(SCHEMAS["Task"]["required"])))
def test_an_optional_field_may_be_null_but_not_a_truth_value(field: str) -> None:
    """Null stands for an absent field, and nothing else stands for a value."""
    assert fits(TASK | {field: None}, "/components/schemas/Task")
    assert not fits(TASK | {field: True}, "/components/schemas/Task")


@pytest.mark.parametrize("field", SCHEMAS["Task"]["required"])
def test_a_task_without_a_required_field_does_not_fit(field: str) -> None:
    """A task always has its id and its status, and never as null."""
    assert not fits({name: value for name, value in TASK.items() if name != field}, "/components/schemas/Task")
    assert not fits(TASK | {field: None}, "/components/schemas/Task")


@pytest.mark.parametrize(
    "misplaced",
    [
        {"status": "cancelled", "output": []},
        {"status": "completed", "error_code": "no_frame"},
        {"status": "cancelled", "error_message": "No frame."},
        {"status": "cancelled", "estimated_credits": 1, "credits_used": 1},
    ],
    ids="-".join,
)
def test_a_field_out_of_its_state_is_a_task_all_the_same(misplaced: dict[str, Any]) -> None:
    """Which field belongs to which state is asked by the stricter schema alone."""
    assert fits(TASK | misplaced, "/components/schemas/Task")
    assert not fits(TASK | misplaced, "/components/schemas/TaskByState")


@pytest.mark.parametrize(
    ("identifiers", "usable"),
    [
        ({"task_id": "task_1"}, True),
        ({"out_task_id": "mine", "colour": "red"}, True),
        ({}, False),
        ({"task_id": "task_1", "out_task_id": "mine"}, False),
        ({"task_id": 1}, False),
        ({"out_task_id": ""}, False),
    ],
    ids=str,
)
def test_a_selector_holds_exactly_one_identifier(identifiers: dict[str, Any], usable: bool) -> None:
    """Neither, both, and values that are no names are refused by the schema already."""
    assert fits(identifiers, "/components/schemas/TaskSelector") is usable


def test_submit_leads_to_query_and_to_both_cancels() -> None:
    """From a submitted task a reader of the contract finds every way on."""
    offered = {link["operationId"] for name, link in links() if name.startswith("TaskSubmitted.")}
    assert offered == {"queryTask", "cancelTask", "cancelTaskByBody"}


@pytest.mark.parametrize("link", [pytest.param(link, id=name) for name, link in links()])
def test_every_link_points_at_what_exists(link: dict[str, Any]) -> None:
    """A link names an operation, parameters and fields that the contract has."""
    operation = OPERATIONS[link["operationId"]]
    parameters = {
        CONTRACT["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]["name"]
        for parameter in operation.get("parameters", [])
    }
    assert set(link.get("parameters", {})) == parameters
    sent = link.get("requestBody", {})
    assert set(sent) <= set(SCHEMAS["TaskSelector"]["properties"])
    for expression in (link.get("parameters", {}) | sent).values():
        place, _, field = expression.partition("#/")
        source = {"$response.body": "Task", "$request.body": "SubmitRequest"}[place]
        assert field in SCHEMAS[source]["properties"]
