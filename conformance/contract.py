"""The contract: routes, schemas, documented answers and boundary values, from an OpenAPI document and nowhere else."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator, TypeChecker
from jsonschema.validators import extend

from conformance.requirements import documents, yaml_document
from conformance.states import State
from conformance.story import Documented, Terms

OPERATIONS: Final = {
    "cancel_task": "cancelTask",
    "cancel": "cancelTaskByBody",
    "query": "queryTask",
    "submit": "submitTask",
}
"""Our names of the four routes, and the operation ids that a contract gives them."""

STREAM: Final = "streamTask"
"""The operation id of the event stream, which a contract may leave out."""

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_LONGEST_COMPLAINT: Final = 300
_NUMBER: Final = re.compile(r"Decimal\('([^']*)'\)")
"""A number as Python shows it, where its digits are wanted."""

_MOST_COMPLAINTS: Final = 5
_LARGEST_EXPONENT: Final = 30


class ContractError(Exception):
    """The document is no contract for this suite; the text says where, and what to write."""


@dataclass(frozen=True)
class Route:
    """The method and the path template of one operation."""

    method: str
    path: str


class Contract:
    """One OpenAPI document, asked by the names that this suite has for things."""

    def __init__(self, text: str, source: str = "contract") -> None:
        """Read the document.

        Raises:
            ContractError: it is not readable as OpenAPI, or an operation or response is missing.
        """
        self.text = text
        self.source = source
        try:
            self.document: dict[str, Any] = yaml_document(text)
            self.routes = {name: self._route(operation) for name, operation in OPERATIONS.items()}
            self.routes["stream"] = self._stream_route()
        except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            raise ContractError(f"{source}: not an OpenAPI document for this suite: {error!r:.300}") from error

    @classmethod
    def load(cls, path: Path | None = None) -> Contract:
        """The contract in the file at `path`, or the one that comes with the suite."""
        path = path or documents() / "cancel-task.yaml"
        try:
            return cls(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise ContractError(f"{path}: cannot be read: {error}") from error

    def __reduce__(self) -> tuple[type[Contract], tuple[str, str]]:
        """What another process needs to read the same document: not what was made of it here."""
        return Contract, (self.text, self.source)

    @property
    def name(self) -> str:
        """The name of the file that it came in, without the folders of whoever has it."""
        return PurePath(self.source).name

    @property
    def digest(self) -> str:
        """The SHA-256 of the document's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def refusals(self) -> dict[str, Documented]:
        """The documented refusals of the cancel routes, by the names of their response components."""
        found: dict[str, Documented] = {}
        for operation in ("cancelTask", "cancelTaskByBody"):
            for status, response in self._operation(operation)["responses"].items():
                name = response.get("$ref", "").rpartition("/")[2]
                if name and str(status).isdecimal():
                    found[name] = Documented(int(status), self._codes(response["$ref"]))
        return found

    @cached_property
    def balance_header(self) -> str | None:
        """The name of the header in which, as documented, a query's answer tells the credits left."""
        for response in self._operation("queryTask")["responses"].values():
            told = self._referred(response["$ref"]) if "$ref" in response else response
            for name, header in told.get("headers", {}).items():
                if header.get("$ref", "").endswith("/RemainingCredits"):
                    return str(name)
        return None

    @cached_property
    def most_bytes(self) -> int:
        """The largest body that the documentation allows, in bytes."""
        return int(self.document.get("x-max-body-bytes", 1 << 20))

    @cached_property
    def longest_out_task_id(self) -> int | None:
        """The longest `out_task_id` that submit documents, in characters."""
        limit = self._schema("SubmitRequest").get("properties", {}).get("out_task_id", {}).get("maxLength")
        return int(limit) if limit is not None else None

    def submit_body(self, state: State) -> dict[str, Any] | None:
        """The documented example of a submit that leads into `state`, if there is one."""
        body = self._operation("submitTask")["requestBody"]["content"]["application/json"]
        example = body.get("examples", {}).get(state.value)
        return dict(example["value"]) if example else None

    def complaints(self, schema: str, document: object) -> Sequence[str]:
        """How `document` does not fit the component `schema`, five ways at most: `/pointer: what is wrong`."""
        errors = sorted(self._validator(schema).iter_errors(document), key=lambda error: list(map(str, error.path)))
        said = (f"/{'/'.join(map(str, error.absolute_path))}: {_worded(error.message)}" for error in errors)
        return [text[:_LONGEST_COMPLAINT] for text, _ in zip(said, range(_MOST_COMPLAINTS), strict=False)]

    def terms(
        self,
        *,
        states: Mapping[str, str],
        code_at: str,
        volatile: Sequence[str],
        balance_header: str | None = None,
        balance_pointer: str | None = None,
        accounts: Mapping[str, str] | None = None,
        former_tasks: Sequence[str] = (),
        notice: float = Terms.notice,
    ) -> Terms:
        """What this contract and a profile say together; `states` are the target's names of the documented states."""
        return Terms(
            refusals=self.refusals,
            complaints=self.complaints,
            states={states.get(state.value, state.value): state for state in State},
            code_at=code_at,
            volatile=tuple(volatile),
            documented_envelope=code_at == "/error/code",
            balance_header=balance_header,
            balance_pointer=balance_pointer,
            accounts=accounts or {},
            former_tasks=tuple(former_tasks),
            most_bytes=self.most_bytes,
            notice=notice,
        )

    def _operation(self, operation_id: str) -> dict[str, Any]:
        for item in self.document["paths"].values():
            for method in _METHODS:
                operation: dict[str, Any] = item.get(method, {})
                if operation.get("operationId") == operation_id:
                    return operation
        raise ContractError(f"{self.source}: no operation has operationId {operation_id}; give the route that name")

    def _route(self, operation_id: str) -> Route:
        operation = self._operation(operation_id)
        for path, item in self.document["paths"].items():
            for method in _METHODS:
                if item.get(method) is operation:
                    return Route(method.upper(), path)
        raise ContractError(f"{self.source}: operation {operation_id} has no path")

    def _stream_route(self) -> Route:
        """The route of the event stream; in a contract that is silent, the surrounding documentation's."""
        try:
            return self._route(STREAM)
        except ContractError:
            return Route("GET", "/tasks/stream/{task_id}")

    def _schema(self, name: str) -> dict[str, Any]:
        schema: dict[str, Any] = self.document["components"]["schemas"].get(name, {})
        return schema

    def _codes(self, reference: str) -> frozenset[str]:
        """The error codes that the schema of a response allows."""
        found: set[str] = set()
        for content in self._referred(reference).get("content", {}).values():
            _collect_codes(content.get("schema", {}), found)
        return frozenset(found)

    @cached_property
    def _validators(self) -> dict[str, Any]:
        return {}

    def _validator(self, name: str) -> Any:  # noqa: ANN401 - jsonschema's validators are built at run time
        if name not in self._validators:
            schema = self._inlined({"$ref": f"#/components/schemas/{name}"})
            self._validators[name] = _Validator({**schema, "components": self.document["components"]})
        return self._validators[name]

    def _inlined(self, node: Any, within: tuple[str, ...] = ()) -> Any:  # noqa: ANN401 - a JSON Schema is any JSON
        """A schema with its references to this document in their place, save where they recur; it halves the time."""
        if isinstance(node, list):
            return [self._inlined(each, within) for each in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/") and len(node) == 1 and reference not in within:
            return self._inlined(self._referred(reference), (*within, reference))
        return {key: self._inlined(value, within) for key, value in node.items()}

    def _referred(self, reference: str) -> Any:  # noqa: ANN401 - likewise
        found: Any = self.document
        for token in reference.split("/")[1:]:
            found = found[token.replace("~1", "/").replace("~0", "~")]
        return found


def _collect_codes(schema: Mapping[str, Any], found: set[str]) -> None:
    for part in schema.get("allOf", ()):
        _collect_codes(part, found)
    code = schema.get("properties", {}).get("error", {}).get("properties", {}).get("code", {})
    if "const" in code:
        found.add(code["const"])
    found.update(code.get("enum", ()))


def _is_integer(_: TypeChecker, value: object) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite() and (value.adjusted() > _LARGEST_EXPONENT or value == value.to_integral_value())
    return isinstance(value, int) and not isinstance(value, bool)


_Validator: Any = extend(  # type: ignore[no-untyped-call]  # its types say nothing
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
)


def _worded(complaint: str) -> str:
    return _NUMBER.sub(r"\1", complaint)
