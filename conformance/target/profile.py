"""The target profile: one TOML file says where a target is, what it calls things, and what a run may do to it."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field, PrivateAttr, ValidationInfo, field_serializer, model_validator

from conformance.states import State
from conformance.target.mask import Mask
from conformance.target.tables import (
    Absent,
    Account,
    Allowance,
    Auth,
    Callback,
    Errors,
    Key,
    Known,
    Limits,
    Paths,
    Query,
    StateNames,
    Table,
    Volatile,
    Ways,
)
from conformance.target.values import BaseUrl, CertificateFile, Place, RoleName, Text

OWNER: Final = "owner"
"""The role whose tasks a run makes."""

REVOKED: Final = "revoked"
"""The role whose key the target no longer accepts."""


class Profile(Table):
    """Everything that a run knows about its target; made by `load`."""

    name: Text | None = Field(default=None, description="the target's name in reports", examples=["staging"])
    version: Text | None = Field(
        default=None, description="which version of the target this is, for certificates", examples=["2026.11.2"]
    )
    base_url: BaseUrl = Field(
        description="where the API is; paths are put after it", examples=["https://staging.example.com/v1"]
    )
    ca_bundle: CertificateFile | None = Field(
        default=None,
        description="file of CA certificates (PEM), relative to the profile's folder",
        examples=["ca.pem"],
    )
    keys: Mapping[RoleName, Key] = Field(
        description="the keys by role: owner, and any others", examples=[{"owner": {"env": "STAGING_OWNER_KEY"}}]
    )
    auth: Auth = Field(default=Auth(), description="how a key is sent", examples=[{"header": "x-api-key"}])
    paths: Paths = Field(
        default=Paths(),
        description="paths unlike the contract's",
        examples=[{"cancel_task": "/tasks/cancel/{task_id}"}],
    )
    query: Query = Field(default=Query(), description="how a task is asked for", examples=[{"method": "POST"}])
    state_names: StateNames = Field(
        default=StateNames(), description="the target's names of the states", examples=[{"pending": "queued"}]
    )
    errors: Errors = Field(default=Errors(), description="where refusals differ", examples=[{"code": "/error/code"}])
    volatile: Volatile = Field(
        default=Volatile(), description="what is not compared (R9)", examples=[{"pointers": ["/progress"]}]
    )
    states: Ways = Field(
        default=Ways(), description="ways into the states", examples=[{"pending": {"holds": 30.0, "within": 60.0}}]
    )
    account: Account = Field(
        default=Account(), description="where credits are read", examples=[{"header": "X-Quota-Remaining-Credits"}]
    )
    callback: Callback = Field(
        default=Callback(),
        description="where the target can call us",
        examples=[{"url": "https://hooks.example.com/conformance", "listen": "0.0.0.0:8765"}],
    )
    limits: Limits = Field(default=Limits(), description="what a run keeps to", examples=[{"timeout": 30.0}])
    budget: Allowance = Field(
        default=Allowance(), description="what a run may spend", examples=[{"credits": 20.0, "tasks": 200}]
    )
    absent: tuple[Absent, ...] = Field(
        default=(),
        strict=False,
        description="what the target lacks",
        examples=[[{"capability": "accounting", "reason": "the sandbox sends no account headers"}]],
    )
    known: tuple[Known, ...] = Field(
        default=(),
        strict=False,
        description="requirements known to be broken",
        examples=[[{"requirement": "IDENT-4", "reason": "fixed in the next release", "expires": date(2027, 1, 31)}]],
    )
    _source: Path | None = PrivateAttr(default=None)

    @property
    def source(self) -> Path | None:
        """The file that the profile was read from, if there was one."""
        return self._source

    @property
    def owner(self) -> Key:
        """The key whose tasks a run makes."""
        return self.keys[OWNER]

    @property
    def others(self) -> tuple[str, ...]:
        """The roles besides the owner and the revoked key, in the profile's order (ruling R23)."""
        return tuple(role for role in self.keys if role not in {OWNER, REVOKED})

    def secret(self, role: str) -> str:
        """The key of `role`, in clear: for requests alone."""
        return self.keys[role].secret.get_secret_value()

    @property
    def mask(self) -> Mask:
        """What takes the keys out of whatever is written or shown."""
        return Mask(map(self.secret, self.keys))

    def account_of(self, role: str) -> str:
        """The name of the account that the key of `role` is on (ruling R23)."""
        return self.keys[role].account or role

    def state_name(self, state: State) -> str:
        """What the target calls `state`."""
        return str(getattr(self.state_names, state))

    def state_of(self, name: str) -> State | None:
        """The state that the target calls `name`, or None."""
        return next((state for state in State if self.state_name(state) == name), None)

    def absent_reason(self, capability: str) -> str | None:
        """Why the target lacks `capability`, or None where the profile does not say that it does."""
        return next((each.reason for each in self.absent if each.capability == capability), None)

    def public(self) -> dict[str, Any]:
        """The profile as JSON, for journals and reports: names of variables, but no key, and files without folders."""
        return {"source": self.source and self.source.name, **self.model_dump(mode="json", exclude_none=True)}

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Self:
        self._source = Place.of(info).source
        return self

    @field_serializer("ca_bundle")
    def _shown(self, bundle: Path | None) -> str | None:
        return bundle.name if bundle else None


def schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors: what may stand elsewhere is not demanded, and TOML knows no null."""
    made: dict[str, Any] = _without_null(Profile.model_json_schema())
    for table in (made, made["$defs"]["Key"]):  # these may come from the environment
        table.pop("required")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "Profile of a cancel endpoint"}


def _without_null(node: Any) -> Any:  # noqa: ANN401 - a JSON Schema is any JSON
    if isinstance(node, list):
        return [_without_null(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {name: _without_null(each) for name, each in node.items() if each is not None}
    choices = [each for each in kept.pop("anyOf", ()) if each != {"type": "null"}]
    return {**kept, **choices[0]} if len(choices) == 1 else {**kept, **({"anyOf": choices} if choices else {})}
