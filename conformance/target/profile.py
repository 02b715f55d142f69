"""The target profile: one TOML file says where a target is, what it calls things, and what a run may do to it.

Settings come from the command line, from the environment and from the file, the first of these that has one. The
file is read strictly, and everything that is wrong with a profile is said at once. A key is never in the file: the file
names the environment variable that holds it, and no text made here ever shows it.
"""

import json
import math
import re
import shutil
import ssl
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum, StrEnum
from functools import cache
from itertools import combinations
from pathlib import Path
from shlex import quote
from types import MappingProxyType, NoneType
from typing import Annotated, Any, Final, Literal, Self, TypeVar, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, to_jsonable_python

from conformance.requirements import catalogue
from conformance.states import State

OWNER: Final = "owner"
"""The role whose tasks a run makes."""

REVOKED: Final = "revoked"
"""The role whose key the target no longer accepts."""

ROLE_VARIABLES: Final = {f"CONFORMANCE_{role.upper()}_KEY": role for role in (OWNER, "other", REVOKED)}
"""Environment variables that hold the keys of the usual roles, with or without a file."""

_USUAL: Final = {role: variable for variable, role in ROLE_VARIABLES.items()}

OTHER_VARIABLES: Final = frozenset({"CONFORMANCE_TARGET", "CONFORMANCE_REPORT_DIR"})
"""Environment variables with our prefix that are no settings of a profile."""

_PREFIX: Final = "CONFORMANCE_"
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_LARGEST_FILE: Final = 1 << 20
_LONGEST_QUOTE: Final = 80
_MOST_ELEMENTS: Final = 20
_SHORTEST_SCRUBBED: Final = 6
_RESERVED_ROLES: Final = frozenset({"nobody"})
_PASTED: Final = frozenset({"key", "secret", "value", "token", "api_key", "apikey", "password", "bearer"})
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_PLAIN_VARIABLE: Final = re.compile(r"(?=.{1,20}$|.*_)[A-Z_][A-Z0-9_]{0,99}")
_KEY_LIKE: Final = re.compile(r"(?i)(sk|pk|rk|bearer)[-_ ]|(?=\S*\d)(?=\S*[A-Z])[A-Z0-9+=-]{24,}$")
_CERTAINLY_A_KEY: Final = re.compile(r"(?i)(sk|pk|rk)[-_]\S{12,}")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]{1,60}")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

Step = str | int
Location = tuple[Step, ...]
Found = TypeVar("Found")


class Capability(StrEnum):
    """What a target may lack; rows that need it are then not observable."""

    ACCOUNTING = "accounting"
    OTHER_KEY = "other_key"
    SIBLING_KEY = "sibling_key"
    REVOKED_KEY = "revoked_key"
    FAILED_STATE = "failed_state"
    COMPLETED_STATE = "completed_state"
    RUNNING_STATE = "running_state"
    EVENT_STREAM = "event_stream"
    CALLBACK = "callback"


@dataclass(frozen=True)
class _Place:
    """Where a profile stands: the folder that its relative paths start from, and the environment."""

    folder: Path = field(default_factory=Path)
    environ: Mapping[str, str] = field(default_factory=dict)


# --- values: each function returns what it was given, or says what is allowed instead -----------------------------


def _printable(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("one line of printable text, not empty")
    if _CERTAINLY_A_KEY.fullmatch(text):
        raise ValueError("a text for reports; a key goes into an environment variable")
    return text


def _web_address(text: str) -> str:
    address = urlsplit(text) if text.isascii() and text.isprintable() and not set(" \\") & set(text) else urlsplit("")
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise ValueError("an address that begins with http:// or https:// and a host, in ASCII, without spaces")
    if address.port == 0 or "@" in address.netloc:
        raise ValueError("an address without user name and password; a key goes into an environment variable")
    return text


def _base_url(text: str) -> str:
    _web_address(text)
    if set("?#{}") & set(text):
        raise ValueError("an address without query, fragment and placeholders; paths are put after it")
    return text.rstrip("/")


def _path(text: str) -> str:
    if not text.startswith("/") or not text.isascii() or not text.isprintable() or set(" ?#{}\\") & set(text):
        raise ValueError("a path that begins with / and has no spaces, query, fragment or placeholder")
    return text


def _path_of_a_task(text: str) -> str:
    if text.count("{task_id}") != 1:
        raise ValueError("a path with {task_id} in it, once")
    _path(text.replace("{task_id}", ""))
    return text


def _account_url(text: str) -> str:
    return _path(text) if text.startswith("/") else _web_address(text)


def _pointer(text: str) -> str:
    if not text.startswith("/") or re.search("~(?![01])", text) or not text.isprintable():
        raise ValueError("a JSON pointer: it begins with /, and has ~0 for ~ and ~1 for / inside a name")
    return text


def _socket(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not re.fullmatch(r"\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+", host) or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ValueError("an address and a port from 1 to 65535, as 0.0.0.0:8765")
    return text


def _header_name(text: str) -> str:
    if not _HEADER_NAME.fullmatch(text):
        raise ValueError("the name of an HTTP header: letters, digits and dashes")
    return text


def _role(text: str) -> str:
    if not re.fullmatch("[a-z][a-z0-9_]{0,31}", text) or text in _RESERVED_ROLES:
        raise ValueError("a role's name: small letters, digits and underscores, at most 32 (`nobody` is taken)")
    return text


def _requirement(text: str) -> str:
    if text not in catalogue():
        near = get_close_matches(text.upper(), catalogue(), n=1)
        raise ValueError(f"the id of a requirement{_meant(near)}; the command `requirements` lists them")
    return text


def _body(document: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(document, allow_nan=False)
        to_jsonable_python(document)  # its limit on depth is that of `Profile.public`
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError("what JSON can say: no dates, no times, no inf, no nan, and not too deep") from error
    if "out_task_id" in document:
        raise ValueError("a body without out_task_id: every task of a run gets its own")
    return document


def _amount(value: object) -> object:
    return Decimal(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _certificates(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str):
        raise ValueError("a string")  # noqa: TRY004 - pydantic collects ValueErrors only
    bundle = _place(info).folder / value
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(bundle)
    except (OSError, ValueError) as error:
        why = "there is no such file" if isinstance(error, FileNotFoundError) else "this one cannot be read as that"
        raise ValueError(f"a file of certificates in PEM format, found from the profile's folder; {why}") from error
    return bundle


def _program(command: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    place, name = _place(info), command[0]
    found = None if "/" in name else shutil.which(name, path=place.environ.get("PATH"))
    found = found or shutil.which(str(place.folder / name))
    if found is None:
        raise ValueError("a program found on PATH or from the profile's folder, and executable (chmod +x)")
    return (found, *command[1:])


def _place(info: ValidationInfo) -> _Place:
    return info.context if isinstance(info.context, _Place) else _Place()


Text = Annotated[str, AfterValidator(_printable)]
Pointer = Annotated[str, AfterValidator(_pointer)]
CommonPath = Annotated[str, AfterValidator(_path)]
Address = Annotated[str, AfterValidator(_web_address)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Credits = Annotated[
    Decimal, BeforeValidator(_amount), Field(ge=0, le=10**9), WithJsonSchema({"type": "number", "minimum": 0})
]


# --- the tables of a profile ---------------------------------------------------------------------------------------


class _Table(BaseModel):
    """A table of the file: strict, frozen, and closed."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class Key(_Table):
    """A key of one role; the key itself is in an environment variable, never in the file."""

    env: str = Field(description="name of the environment variable that holds the key", examples=["STAGING_OWNER_KEY"])
    account: Text = Field(
        default="",
        description="whose account the key is on, `owner` or any other name; by default the role's own name (R23)",
        examples=["other"],
    )
    former_tasks: tuple[Text, ...] = Field(
        default=(),
        strict=False,
        description="ids of tasks that a revoked key had submitted while it was valid",
        examples=[["task_01HQX9F2P6Y8VEX3CRZ8GXJVD9"]],
    )
    _secret: SecretStr = PrivateAttr(default=SecretStr(""))

    @property
    def secret(self) -> SecretStr:
        """The key, hidden from repr, str and every dump."""
        return self._secret

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Self:
        self._secret = SecretStr(_place(info).environ.get(self.env, ""))
        return self


class Auth(_Table):
    """How a key is sent."""

    header: Literal["authorization", "x-api-key"] = Field(
        default="authorization", description="header that carries the key", examples=["x-api-key"]
    )


class Paths(_Table):
    """Paths relative to the base URL, each in place of the contract's."""

    submit: CommonPath | None = Field(default=None, description="path of submit", examples=["/tasks/submit"])
    query: CommonPath | None = Field(default=None, description="path of query", examples=["/tasks/query"])
    cancel_task: Annotated[str, AfterValidator(_path_of_a_task)] | None = Field(
        default=None, description="path of cancel by task id", examples=["/tasks/cancel/{task_id}"]
    )
    cancel: CommonPath | None = Field(
        default=None, description="path of cancel by an identifier in the body", examples=["/tasks/cancel"]
    )
    stream: Annotated[str, AfterValidator(_path_of_a_task)] | None = Field(
        default=None, description="path of a task's event stream", examples=["/tasks/stream/{task_id}"]
    )


class Query(_Table):
    """How a task is asked for."""

    method: Literal["POST", "GET"] | None = Field(
        default=None,
        description="POST has the identifier in a JSON body, GET as a parameter; by default the contract's",
        examples=["POST"],
    )


class StateNames(_Table):
    """What the target calls the documented states."""

    pending: Text = Field(default="pending", description="the target's name of pending", examples=["queued"])
    running: Text = Field(default="running", description="the target's name of running", examples=["processing"])
    completed: Text = Field(default="completed", description="the target's name of completed", examples=["done"])
    failed: Text = Field(default="failed", description="the target's name of failed", examples=["error"])
    cancelled: Text = Field(default="cancelled", description="the target's name of cancelled", examples=["canceled"])

    @model_validator(mode="after")
    def _differ(self) -> Self:
        for one, other in combinations(State, 2):
            if getattr(self, one) == getattr(self, other):
                raise ValueError(f"five different names; {one} and {other} are both {json.dumps(getattr(self, one))}")
        return self


class Errors(_Table):
    """Where a refusal says what is wrong (ruling R12)."""

    code: Pointer = Field(
        default="/error/code", description="JSON pointer to a refusal's code (R12)", examples=["/error/code"]
    )


class Volatile(_Table):
    """What may differ between two reads of one terminal task (ruling R9)."""

    pointers: tuple[Pointer, ...] = Field(
        default=(),
        strict=False,
        description="JSON pointers into a task, * for any element, that are not compared (R9)",
        examples=[["/progress", "/output/*/url"]],
    )


class Hook(_Table):
    """A command or a URL of the user's own that is told a state, and names a task in it."""

    command: Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(_program)] | None = Field(
        default=None,
        strict=False,
        description="program and arguments; the state is added as the last argument",
        examples=[["./to_state.sh"]],
    )
    url: Address | None = Field(
        default=None, description="address that the state is POSTed to", examples=["http://127.0.0.1:9000/to-state"]
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("either a command or a url, one of the two")
        return self

    @field_serializer("command")
    def _shown(self, command: tuple[str, ...] | None) -> list[str] | None:
        return [Path(command[0]).name, *command[1:]] if command else None


class Way(_Table):
    """A way into one state."""

    submit: Annotated[dict[str, Any], AfterValidator(_body)] | None = Field(
        default=None,
        description="body to submit, without out_task_id",
        examples=[{"model": "video-1", "params": {"prompt": "a paper boat"}}],
    )
    variants: tuple[Annotated[dict[str, Any], AfterValidator(_body)], ...] = Field(
        default=(),
        strict=False,
        description="more bodies that lead here, such as models that bill otherwise; tasks are made of each in turn",
        examples=[[{"model": "video-2", "params": {"prompt": "a paper kite"}}]],
    )
    holds: Seconds | None = Field(
        default=None,
        description="seconds, from its submit, that a task stays in this state at the least, 0 to 86400;"
        " for running: that it does not end (R25)",
        examples=[30.0],
    )
    within: Annotated[Seconds, Field(gt=0)] | None = Field(
        default=None,
        description="seconds to wait for the state at the most, more than 0 and up to 86400",
        examples=[60.0],
    )
    credits: Credits | None = Field(
        default=None, description="credits that a task is expected to cost, 0 or more", examples=[1.5]
    )
    tasks: tuple[Text, ...] = Field(
        default=(),
        strict=False,
        description="ids of tasks that are completed, or failed, already; live ones are the run's own to end",
        examples=[["task_01HQX9F2P6Y8VEX3CRZ8GXJVD9"]],
    )
    hook: Hook | None = Field(
        default=None,
        description="who puts a task into the state: a command or a url",
        examples=[{"command": ["./to_state.sh"]}],
    )


class Ways(_Table):
    """The ways into the four states that a task is not cancelled into."""

    pending: Way | None = Field(default=None, description="the way into pending", examples=[{"holds": 30.0}])
    running: Way | None = Field(default=None, description="the way into running", examples=[{"holds": 30.0}])
    completed: Way | None = Field(default=None, description="the way into completed", examples=[{"within": 60.0}])
    failed: Way | None = Field(default=None, description="the way into failed", examples=[{"within": 60.0}])

    @field_validator("pending", "running")
    @classmethod
    def _ends_no_tasks_of_others(cls, way: Way | None) -> Way | None:
        if way is not None and way.tasks:
            raise ValueError(
                "no tasks here: a run ends every live task that it is given, and needs many;"
                " submit = { … } or hook makes them"
            )
        return way

    def get(self, state: State) -> Way | None:
        """The way into `state`, where the profile gives one."""
        return getattr(self, state, None)


class Account(_Table):
    """Where the credits left can be read, if anywhere (ruling R16)."""

    header: Annotated[str, AfterValidator(_header_name)] | None = Field(
        default=None,
        description="response header with the credits left (R16)",
        examples=["X-Quota-Remaining-Credits"],
    )
    url: Annotated[str, AfterValidator(_account_url)] | None = Field(
        default=None,
        description="address of the account: from the host's root where it begins with /, or absolute",
        examples=["/api/v1/me/account"],
    )
    pointer: Pointer | None = Field(
        default=None,
        description="JSON pointer to the credits left in what `url` answers",
        examples=["/balance/available_usd"],
    )

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.url is None) != (self.pointer is None):
            raise ValueError("url and pointer together, or neither")
        return self


class Limits(_Table):
    """What a run keeps to, whatever it asks (ruling R17)."""

    in_flight: int = Field(
        default=5,
        ge=1,
        le=2000,
        description="requests at once, open event streams among them, a whole number from 1 to 2000",
        examples=[5],
    )
    rate: float | None = Field(
        default=None,
        gt=0,
        le=10_000,
        allow_inf_nan=False,
        description="requests per second, more than 0 and up to 10000; none by default",
        examples=[10.0],
    )
    timeout: Annotated[Seconds, Field(gt=0)] = Field(
        default=30.0,
        description="seconds that one whole exchange may take, more than 0 and up to 86400",
        examples=[30.0],
    )
    retries: int = Field(
        default=4,
        ge=0,
        le=100,
        description="further attempts after 429, 502, 503, 504 and resets, a whole number from 0 to 100 (R17)",
        examples=[4],
    )
    patience: Seconds = Field(
        default=60.0,
        description="seconds that the attempts of one exchange may wait in all, 0 to 86400 (R17)",
        examples=[60.0],
    )

    notice: Seconds = Field(
        default=10.0,
        description="seconds after which an event stream, or a callback URL, has surely been told, 0 to 86400",
        examples=[10.0],
    )


class Callback(_Table):
    """Where the target can call us; without a word, on the loopback that it is on itself."""

    url: Annotated[str, AfterValidator(_base_url)] | None = Field(
        default=None,
        description="URL at which the target reaches the suite; a path is put after it",
        examples=["https://hooks.example.com/conformance"],
    )
    listen: Annotated[str, AfterValidator(_socket)] | None = Field(
        default=None, description="address and port at which the suite listens for that", examples=["0.0.0.0:8765"]
    )

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.url is None) != (self.listen is None):
            raise ValueError("url and listen together, or neither")
        return self


class Allowance(_Table):
    """What a run may spend; without a figure there is no limit."""

    credits: Credits | None = Field(default=None, description="credits for one run, 0 or more", examples=[20.0])
    tasks: int | None = Field(
        default=None,
        ge=0,
        le=10**9,
        description="tasks submitted in one run, a whole number, 0 or more",
        examples=[200],
    )


class Absent(_Table):
    """A capability that the target does not have: rows that need it are not observable."""

    capability: Capability = Field(strict=False, description="what the target lacks", examples=["accounting"])
    reason: Text = Field(description="why, quoted in reports", examples=["the sandbox sends no account headers"])


class Known(_Table):
    """A requirement known to be broken, until a date."""

    requirement: Annotated[str, AfterValidator(_requirement)] = Field(
        description="the id of the row", examples=["IDENT-4"]
    )
    reason: Text = Field(description="why, quoted in reports", examples=["fixed in the next release"])
    expires: date = Field(
        description="last day on which it is excused, a date without quotes", examples=[date(2027, 1, 31)]
    )


class Profile(_Table):
    """Everything that a run knows about its target; made by `load`."""

    name: Text | None = Field(default=None, description="the target's name in reports", examples=["staging"])
    version: Text | None = Field(
        default=None, description="which version of the target this is, for certificates", examples=["2026.11.2"]
    )
    base_url: Annotated[str, AfterValidator(_base_url)] = Field(
        description="where the API is; paths are put after it", examples=["https://staging.example.com/v1"]
    )
    ca_bundle: Annotated[Path, BeforeValidator(_certificates)] | None = Field(
        default=None,
        description="file of CA certificates (PEM), relative to the profile's folder",
        examples=["ca.pem"],
    )
    keys: Mapping[Annotated[str, AfterValidator(_role)], Key] = Field(
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


def written(setting: str, value: object) -> str:
    """The lines of a profile that give a setting, by its dotted name, a value."""
    path = tuple(setting.split("."))
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return _table(path, value)
    return _table(path[:-1], {path[-1]: value})


def example(setting: str) -> str:
    """The lines of a profile that give a setting, by its dotted name, the value that documentation shows."""
    return _snippet(tuple(setting.split(".")))


# --- complaints ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """One thing that is wrong: where, the dotted key, what was given, what is allowed and means what, what to write."""

    where: str
    key: str
    given: str
    allowed: str
    write: str
    means: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}, line {self.line}"
        rows = {"given": self.given, "allowed": self.allowed, "means": self.means, "write": self.write}
        told = [f"  {name:<9}{text.replace(chr(10), chr(10) + ' ' * 11)}" for name, text in rows.items() if text]
        return "\n".join([f"{place}: {self.key}", *told])

    def without(self, secrets: Sequence[str]) -> "Complaint":
        """The same complaint with every one of `secrets` blotted out."""
        texts = {name: getattr(self, name) for name in ("where", "key", "given", "allowed", "write")}
        for secret in secrets:
            texts = {name: text.replace(secret, "…") for name, text in texts.items()}
        return replace(self, **texts)


class ProfileError(Exception):
    """A profile cannot be used; the text is every complaint about it."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        self.complaints = tuple(sorted(complaints, key=lambda each: each.line or 0))
        super().__init__(self.complaints)

    def __str__(self) -> str:
        count = len(self.complaints)
        head = "The profile cannot be used:" if count == 1 else f"The profile cannot be used, for {count} reasons:"
        return "\n\n".join([head, *map(str, self.complaints)])


def load(
    path: Path | None,
    *,
    environ: Mapping[str, str],
    base_url: str | None = None,
    overrides: Mapping[str, str] = _NOTHING,
    options: Mapping[str, str] = _NOTHING,
) -> Profile:
    """The profile in the file at `path`, under the settings in `environ`, under those of the command line.

    Those come as `--set`, unless `options` name another option that gives a setting.

    Raises:
        ProfileError: it cannot be used; every reason is in there.
    """
    draft = _Draft(path, environ)
    draft.read_file()
    draft.hear_environment()
    for key, text in overrides.items():
        draft.hear(_Heard(tuple(key.split(".")), text, option=options.get(key, f"--set {key}=")))
    if base_url is not None:
        draft.hear(_Heard(("base_url",), base_url, option="--base-url "))
    draft.check_keys()
    return draft.profile()


def remembered(public: Mapping[str, Any], environ: Mapping[str, str]) -> Profile:
    """What a journal keeps of a profile, enough to speak to its target again; the keys are in the environment.

    Raises:
        ProfileError: it cannot be used without the file, or a key is missing.
    """
    draft = _Draft(None, environ)
    draft.take({name: public[name] for name in _REMEMBERED if name in public})
    if "ca_bundle" in public:
        raise ProfileError([_NO_CERTIFICATES])
    draft.check_keys()
    return draft.profile()


@dataclass(frozen=True)
class _Heard:
    """A setting from outside the file, and the `option` or the variable that gave it."""

    path: tuple[str, ...]
    text: str
    variable: str = ""
    option: str = ""

    @property
    def where(self) -> str:
        return f"environment variable {self.variable}" if self.variable else "command line"

    def with_value(self, value: str) -> str:
        """What to write for another value."""
        return f"export {self.variable}={quote(value)}" if self.variable else f"{self.option}{quote(value)}"


class _Draft:
    """A profile in the making: its document so far, where each setting came from, and what is wrong with it."""

    def __init__(self, source: Path | None, environ: Mapping[str, str]) -> None:
        self._source = source
        self._environ = environ
        self._folder = (source.absolute().parent if source else Path.cwd()).resolve()
        self._document: dict[str, Any] = {}
        self._lines: dict[Location, int] = {}
        self._heard: dict[Location, _Heard] = {}
        self._complaints: dict[Location, Complaint] = {}

    def read_file(self) -> None:
        """Take the document from the file, if there is one; nothing else can be said of a file that is no TOML."""
        if self._source is None:
            return
        text = _text_of(self._source)
        try:
            self._document = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise ProfileError([_no_toml(self._source, text, error)]) from None
        self._lines = _lines(text)
        self._look_for_pasted_keys()

    def take(self, document: Mapping[str, Any]) -> None:
        """Take a document that was read before; keys that are no longer valid are of no use in it."""
        keys = {role: dict(key) for role, key in document.get("keys", {}).items() if role != REVOKED}
        self._document = {**document, "keys": keys}

    def hear_environment(self) -> None:
        """Take the settings that are in environment variables."""
        named = set(self._variables().values())
        for name, text in sorted(self._environ.items()):
            if name in ROLE_VARIABLES:
                self.hear(_Heard(("keys", ROLE_VARIABLES[name], "env"), name, variable=name))
            elif name.startswith(_PREFIX) and name not in OTHER_VARIABLES and name not in named:
                path = tuple(name.removeprefix(_PREFIX).lower().split("__"))
                self.hear(_Heard(path, text, variable=name))

    def hear(self, heard: _Heard) -> None:
        """Put a setting over what the document says, or complain that there is none of that name."""
        known = _field(heard.path)
        if known is None or _inner(known.annotation)[0] is not None:
            self._complaints[heard.path] = _unheard_of(heard)
            return
        table = self._document
        for step in heard.path[:-1]:
            table = table.setdefault(step, {})
            if not isinstance(table, dict):  # the file's own mistake, and complained of as such
                return
        table[heard.path[-1]] = _spoken(known, heard)
        self._heard[heard.path] = heard

    def check_keys(self) -> None:
        """Complain of keys that are missing, in the wrong place, unusable, or the same."""
        self._document.setdefault("keys", {})
        keys = self._keys()
        if isinstance(self._document["keys"], dict):
            keys.setdefault(OWNER, {})
        self._look_for_pasted_keys()
        for role, key in keys.items():
            if isinstance(key, dict):
                self._check_key(role, key)
                key.setdefault("account", role)
        self._check_that_keys_differ()

    def profile(self) -> Profile:
        """The profile, if there is nothing to complain of."""
        place = _Place(self._folder, self._environ)
        made: Profile | None = None
        try:
            made = Profile.model_validate(self._document, context=place)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._understand(detail)
        if self._complaints or made is None:
            raise ProfileError([each.without(self._secrets()) for each in self._complaints.values()])
        made._source = self._source  # noqa: SLF001 - its own module
        return made

    def _keys(self) -> dict[str, Any]:
        keys = self._document.get("keys")
        return keys if isinstance(keys, dict) else {}

    def _variables(self) -> dict[str, str]:
        """The variable of each role that names one properly."""
        named = {role: key.get("env") for role, key in self._keys().items() if isinstance(key, dict)}
        return {role: env for role, env in named.items() if isinstance(env, str) and _VARIABLE.fullmatch(env)}

    def _secrets(self) -> list[str]:
        values = (self._environ.get(env, "") for env in {*self._variables().values(), *ROLE_VARIABLES})
        return sorted((value for value in values if len(value) >= _SHORTEST_SCRUBBED), key=len, reverse=True)

    def _look_for_pasted_keys(self) -> None:
        for role, key in self._keys().items():
            if isinstance(key, str):
                self._complain_of_pasted(("keys", role), key)
            elif isinstance(key, dict):
                for name in key:
                    if name.lower() in _PASTED or (name == "env" and _is_no_variable(key[name])):
                        self._complain_of_pasted(("keys", role, name), key[name])

    def _check_key(self, role: str, key: dict[str, Any]) -> None:
        env = key.get("env")
        if isinstance(env, str) and not _is_no_variable(env):
            self._check_variable(role, env)
        elif env is None and {name.lower() for name in key} & _PASTED:
            key["env"] = _variable(role)  # what is missing has been said
        elif env is None:
            write = f"{_naming(role)}\n{_OR_EXPORT}{_export(_USUAL[role])}" if role in _USUAL else _naming(role)
            write = write if self._source else _export(_USUAL.get(role, _variable(role)))
            self._complain(("keys", role, "env"), given="nothing", allowed=_ENV, write=write)

    def _check_variable(self, role: str, env: str) -> None:
        value = self._environ.get(env)
        if value is None:
            what = "which is not set"
        elif not value:
            what = "which is set but empty"
        elif not all("!" <= char <= "~" for char in value):
            what = f"which holds {_unusable(value)}"
        else:
            return
        plain = _PLAIN_VARIABLE.fullmatch(env) and not _KEY_LIKE.match(env)
        write = _export(env) if plain else f"{_naming(role)}\n{_AND_EXPORT}{_export(_variable(role))}"
        if ("keys", role, "env") in self._heard and role != OWNER:
            write = f"{write}\nor, where there is no such key: unset {env}"
        given = f"{env if plain else _masked(env)}, {what}"
        allowed = "the name of an environment variable that holds a key: ASCII, without spaces and line ends"
        self._complain(("keys", role, "env"), given=given, allowed=allowed, write=write)

    def _check_that_keys_differ(self) -> None:
        first: dict[str, str] = {}
        for role, env in self._variables().items():
            value = self._environ.get(env, "")
            earlier = first.setdefault(value, role)
            if value and earlier != role:
                self._complain(
                    ("keys", role, "env"),
                    given=f"{env}, which holds the same key as that of {_dotted((earlier,))}",
                    allowed="a key of its own for each role: the target could not tell them apart",
                    write=f"export {env}='<another key>'\nor take out [keys.{_dotted((role,))}]",
                )

    def _complain_of_pasted(self, path: Location, value: object) -> None:
        role = str(path[1])
        self._complain(
            path,
            given=f"{_masked(value)}, which looks like the key itself; take it out, and renew it if it was shared",
            allowed=_ENV,
            write=f"{_naming(role)}\n{_AND_EXPORT}{_export(_variable(role))}",
        )

    def _understand(self, error: ErrorDetails) -> None:
        """Turn a complaint of pydantic's into one of ours."""
        path = tuple(step for step in error["loc"] if step != "[key]")
        if any(path[:length] in self._complaints for length in range(1, len(path) + 1)):
            return
        if error["type"] == "extra_forbidden":
            self._complain_of_unknown(path)
            return
        given = "nothing" if error["type"] == "missing" else _shown(path, error["input"])
        known = _field(_described(path))
        self._complain(
            path,
            given=given,
            allowed=_allowed(error),
            means=known.description or "" if known else "",
            write=self._advice(path, _nearest(error)),
        )

    def _complain_of_unknown(self, path: Location) -> None:
        *above, name = path
        siblings = _settings_in(tuple(above))
        near = get_close_matches(str(name), siblings, n=1)
        elsewhere = [other for other in _FIELDS if other[-1] == name and not {"*", "[]"} & set(other)]
        write = "nothing: take it out"
        if near:
            write = self._advice((*above, near[0]), ())
        elif elsewhere:
            write = _snippet(elsewhere[0])
        allowed = f"one of {', '.join(siblings)}{_meant(near)}"
        self._complain(path, given="no setting of this name", allowed=allowed, write=write)

    def _advice(self, path: Location, near: Sequence[str]) -> str:
        """What to write for the setting at `path`, in the place where it was given."""
        heard, described = self._heard.get(path), _FIELDS.get(_generic(path))
        if heard is not None and described is not None:
            example = near[0] if near else _example(described)
            return heard.with_value(example if isinstance(example, str) else _toml(example))
        snippet = _snippet(path, near)
        if path != ("base_url",):
            return snippet
        export = f"export CONFORMANCE_BASE_URL={_example(_FIELDS['base_url',])}"
        return f"{snippet}\n{_OR_EXPORT}{export}" if self._source else export

    def _complain(self, path: Location, *, given: str, allowed: str, write: str, means: str = "") -> None:
        """Remember the first complaint about a setting: others follow from it."""
        heard, line = _at_or_above(path, self._heard), _at_or_above(path, self._lines)
        complaint = Complaint(
            where=heard.where if heard else str(self._source or "without a file"),
            line=None if heard else line,
            key=_dotted(path),
            given=given,
            allowed=allowed,
            means=means,
            write=write,
        )
        self._complaints.setdefault(path, complaint)


_REMEMBERED: Final = ("name", "base_url", "keys", "auth", "paths", "query", "state_names", "errors", "limits")
_NO_CERTIFICATES: Final = Complaint(
    where="the journal",
    key="ca_bundle",
    given="the name of a file of certificates, and not the file",
    allowed="the profile itself",
    write="--target staging.toml",
)


# --- the file ------------------------------------------------------------------------------------------------------


def _text_of(source: Path) -> str:
    """The text of a file.

    Raises:
        ProfileError: there is none, or it is not readable as text.
    """
    try:
        with source.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise ProfileError([_no_file(source, "a file of more than 1 MiB")])
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        reason = "a file that does not exist"
    except IsADirectoryError:
        reason = "a folder"
    except UnicodeDecodeError as error:
        reason = f"a file that is not UTF-8: byte {error.start} cannot be decoded"
    except (OSError, ValueError) as error:
        reason = f"a file that cannot be read: {getattr(error, 'strerror', None) or error}"
    raise ProfileError([_no_file(source, reason)])


def _no_file(source: Path, reason: str) -> Complaint:
    return Complaint(
        where=str(source),
        key="the file",
        given=reason,
        allowed=f"a TOML file in UTF-8, of at most 1 MiB{_meant(_files_near(source))}",
        write=f"into such a file, at the least:\n{_SHORTEST_PROFILE}",
    )


def _files_near(source: Path) -> list[str]:
    try:
        folder = source if source.is_dir() else source.parent
        names = {each.name: str(each) for each in folder.glob("*.toml")}
    except (OSError, ValueError):
        return []
    near = list(names) if source.is_dir() and len(names) == 1 else get_close_matches(source.name, names, n=1)
    return [names[name] for name in near]


def _no_toml(source: Path, text: str, error: Exception) -> Complaint:
    at = re.search(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error), re.DOTALL)
    reason = "arrays or tables too deep in one another" if isinstance(error, RecursionError) else str(error)
    line, column = text.count("\n") + 1, None
    if at:
        reason, line, column = at[1], int(at[2] or line), at[3]
    return Complaint(
        where=str(source),
        line=line if at else None,
        key=f"column {column}" if column else "the end of the file" if at else "the file",
        given=f"what is no TOML: {reason[:_LONGEST_QUOTE]}",
        allowed='TOML: [table] lines, and name = value lines with strings in "quotes"',
        write=_SHORTEST_PROFILE,
    )


def _lines(text: str) -> dict[Location, int]:
    """The number of the line on which each table and each setting begins, found without parsing."""
    found: dict[Location, int] = {}
    table: Location = ()
    seen: Counter[Location] = Counter()
    for number, line in enumerate(map(str.strip, text.split("\n")), start=1):
        if line.startswith("["):
            table = _names(line.lstrip("[").partition("]")[0])
            if line.startswith("[["):
                seen[table] += 1
                table = (*table, seen[table] - 1)
            found.setdefault(table, number)
        elif "=" in line and not line.startswith("#"):
            names = _names(line.partition("=")[0])
            for length in range(1, len(names) + 1):
                found.setdefault((*table, *names[:length]), number)
    return found


def _names(dotted: str) -> Location:
    return tuple(name.strip(" \t\"'") for name in dotted.split("."))


# --- what may be set, found in the models ---------------------------------------------------------------------------


def _inner(annotation: object) -> tuple[type[BaseModel] | None, tuple[str, ...]]:
    """The table that a setting is made of, if any, and the step to it: `*` for any name, `[]` for any index."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ()
    origin = get_origin(annotation)
    step = ("[]",) if origin is tuple else ("*",) if origin is Mapping else ()
    for argument in get_args(annotation):
        model, below = _inner(argument)
        if model is not None:
            return model, (*step, *below)
    return None, ()


def _fields(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for name, described in model.model_fields.items():
        yield (*above, name), described
        inner, step = _inner(described.annotation)
        if inner is not None:
            yield from _fields(inner, (*above, name, *step))


_FIELDS: Final[Mapping[Location, FieldInfo]] = dict(_fields(Profile))
_STEPS: Final = frozenset(path[:length] for path in _FIELDS for length in range(len(path) + 1))


def _generic(path: Location) -> Location:
    """A path with `*` for the names that the user chose, and `[]` for indices."""
    found: Location = ()
    for step in path:
        named = (*found, "[]" if isinstance(step, int) else step)
        found = named if named in _STEPS else (*found, "*")
    return found


def _field(path: Location) -> FieldInfo | None:
    return _FIELDS.get(_generic(path))


def _at_or_above(path: Location, table: Mapping[Location, Found]) -> Found | None:
    """What `table` has of a path, or of the nearest path above it."""
    return next((table[path[:length]] for length in range(len(path), 0, -1) if path[:length] in table), None)


def _described(path: Location) -> Location:
    """The innermost part of a path that is a setting or a table of its own."""
    while len(path) > 1 and _field(path) is None:
        path = path[:-1]
    return path


@cache
def _settings_in(table: Location) -> tuple[str, ...]:
    above = _generic(table)
    return tuple(str(path[-1]) for path in _FIELDS if path[:-1] == above)


@cache
def _variable_names() -> tuple[str, ...]:
    """Every environment variable that is a setting and has a fixed name."""
    plain = [path for path in _FIELDS if not {"*", "[]"} & set(path) and _inner(_FIELDS[path].annotation)[0] is None]
    return (*ROLE_VARIABLES, *OTHER_VARIABLES, *(_PREFIX + "__".join(map(str, path)).upper() for path in plain))


def _unheard_of(heard: _Heard) -> Complaint:
    if heard.variable:
        near = get_close_matches(heard.variable, _variable_names(), n=1)
        allowed = f"{_PREFIX} and a setting in capitals, with __ for a dot{_meant(near)}"
        write = f"unset {heard.variable}"
        write = f"{write}\nexport {near[0]}='<the value>'" if near else write
    else:
        names = [".".join(map(str, path)) for path in _FIELDS if "[]" not in path]
        near = get_close_matches(".".join(heard.path), names, n=1)
        allowed = f"--set and the dotted name of a setting{_meant(near)}"
        write = f"--set {near[0] if near else 'limits.timeout'}=<the value>"
    return Complaint(
        where=heard.where,
        key=_dotted(heard.path),
        given="no setting of this name, or a whole table",
        allowed=allowed,
        write=write,
    )


def _spoken(known: FieldInfo, heard: _Heard) -> object:
    """The value that a text from outside the file stands for: a string where one is wanted, else what TOML reads."""
    if heard.path == ("ca_bundle",):
        return str(Path.cwd() / heard.text)
    if _takes_text(known.annotation):
        return heard.text
    try:
        return tomllib.loads(f"value = {heard.text.strip()}")["value"]
    except (ValueError, RecursionError):
        return heard.text


def _takes_text(annotation: object) -> bool:
    if isinstance(annotation, type):
        return issubclass(annotation, str | Path | Enum)
    if get_origin(annotation) in {tuple, Mapping, dict}:
        return False
    return any(isinstance(part, str) or _takes_text(part) for part in get_args(annotation) if part is not NoneType)


# --- how complaints put things --------------------------------------------------------------------------------------

_AND_EXPORT: Final = "and in the shell: "
_OR_EXPORT: Final = "or in the shell: "
_ENV: Final = "env, the name of an environment variable that holds the key; the key itself is never in the file"
_SHORTEST_PROFILE: Final = 'base_url = "https://staging.example.com/v1"\n[keys.owner]\nenv = "STAGING_OWNER_KEY"'
_KINDS: Final = {
    "float_type": "a number, without quotes",
    "int_type": "a whole number, without quotes",
    "decimal_type": "a number, without quotes",
    "is_instance_of": "a number, without quotes",
    "finite_number": "a finite number",
    "string_type": 'a string, in "quotes"',
    "date_type": "a date such as 2027-01-31, without quotes",
    "tuple_type": "an array, in [brackets]",
    "dict_type": "a table",
    "mapping_type": "a table",
    "model_type": "a table",
    "too_short": "at least one element",
    "missing": "required",
}


def _allowed(error: ErrorDetails) -> str:
    """What this mistake should have been, in short."""
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return _KINDS.get(error["type"], message) + _meant(_nearest(error))


def _nearest(error: ErrorDetails) -> list[str]:
    """The one of a few allowed words that a wrong one resembles."""
    if error["type"] not in {"enum", "literal_error"} or not isinstance(error["input"], str):
        return []
    words = {word.lower(): word for word in re.findall("'([^']*)'", error.get("ctx", {}).get("expected", ""))}
    return [words[word] for word in get_close_matches(error["input"].lower(), words, n=1)]


def _meant(near: Sequence[str]) -> str:
    return f" (did you mean {near[0]}?)" if near else ""


def _naming(role: str) -> str:
    return f'[keys.{_dotted((role,))}]\nenv = "{_variable(role)}"'


def _export(variable: str) -> str:
    return f"export {variable}='<the key>'"


def _is_no_variable(env: object) -> bool:
    return isinstance(env, str) and not _VARIABLE.fullmatch(env)


def _variable(role: str) -> str:
    return f"STAGING_{role.upper()}_KEY" if re.fullmatch("[a-z][a-z0-9_]{0,31}", role) else "STAGING_KEY"


def _unusable(key: str) -> str:
    if key != key.strip():
        return "white space before or after the key"
    if any(char.isspace() for char in key):
        return "white space in the key"
    return (
        "a control character"
        if any(ord(char) < ord(" ") or char == "\x7f" for char in key)
        else "a non-ASCII character"
    )


def _masked(value: object) -> str:
    if not isinstance(value, str):
        return f"{_kind(value)} (not shown)"
    mark = re.match("(sk|pk|rk)[-_]", value)
    return f"{mark[0] if mark else ''}… ({len(value)} characters, not shown)"


def _kind(value: object) -> str:
    kinds = {bool: "a boolean", int: "a number", float: "a number", list: "an array", dict: "a table", str: "a string"}
    return kinds.get(type(value), "a value")


def _shown(path: Location, value: object) -> str:
    """A value as it may be shown: short, on one line, without anything that may be secret."""
    private = path[:1] == ("keys",) and not {"account", "former_tasks"} & set(path)
    if private or (isinstance(value, str) and _KEY_LIKE.match(value)):
        return _masked(value)
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict | list) for each in value)):
        return _kind(value)
    if isinstance(value, list):
        return _cut(f"[{', '.join(_shown(path, each) for each in value[:_MOST_ELEMENTS])}]")
    if isinstance(value, str) and "://" in value:
        value = re.sub(r"[?#].*", "?…", re.sub(r"(?<=://).*@", "…@", value, flags=re.DOTALL), flags=re.DOTALL)
    return _cut(_toml(value))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1]}…"


def _dotted(path: Location) -> str:
    """A path as one writes it, `known[0].reason`; a name that may be a key is masked."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            plain = _BARE.fullmatch(step) and not _KEY_LIKE.match(step)
            text += ("." if text else "") + (step if plain else f'"… ({len(step)} characters)"')
    return text


def _example(described: FieldInfo) -> Any:  # noqa: ANN401 - any value of TOML
    return (described.examples or [""])[0]


def _snippet(path: Location, near: Sequence[str] = ()) -> str:
    """Lines of TOML that set what is at `path`, by its example or by the word that was meant."""
    path = _described(path)
    described = _field(path)
    if described is None:
        return _SHORTEST_PROFILE
    example = near[0] if near else _example(described)
    if _inner(described.annotation)[0] is not None:
        return _table(path, example)
    return _table(path[:-1], {str(path[-1]): example})


def _table(path: Location, rows: Any) -> str:  # noqa: ANN401 - any value of TOML
    if isinstance(rows, list):
        return _table((*path, 0), rows[0])
    if all(isinstance(row, dict) for row in rows.values()) and path in {("keys",), ("states",)}:
        return "\n".join(_table((*path, name), row) for name, row in rows.items())
    names = ".".join(str(step) for step in path if not isinstance(step, int))
    header = [] if not path else [f"[[{names}]]"] if isinstance(path[-1], int) else [f"[{names}]"]
    return "\n".join([*header, *(f"{name} = {_toml(row)}" for name, row in rows.items())])


def _toml(value: object) -> str:
    """A value in TOML's notation, or as near to it as a value that is no TOML can be."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(value) if math.log2(abs(value) + 1) < 256 else "a very large number"  # noqa: PLR2004
    return str(value)
