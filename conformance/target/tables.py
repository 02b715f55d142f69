"""The tables of a profile: what may be set in each, what a setting means, and what stands where nothing is set."""

import json
from datetime import date
from enum import StrEnum
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from conformance.states import State
from conformance.target.values import (
    AccountUrl,
    Address,
    BaseUrl,
    Body,
    Command,
    CommonPath,
    Credits,
    HeaderName,
    Place,
    Pointer,
    RequirementId,
    Seconds,
    Socket,
    TaskPath,
    Text,
)


class Table(BaseModel):
    """A table of the file: strict, frozen, and closed."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class Key(Table):
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
        self._secret = SecretStr(Place.of(info).environ.get(self.env, ""))
        return self


class Auth(Table):
    """How a key is sent."""

    header: Literal["authorization", "x-api-key"] = Field(
        default="authorization", description="header that carries the key", examples=["x-api-key"]
    )


class Paths(Table):
    """Paths relative to the base URL, each in place of the contract's."""

    submit: CommonPath | None = Field(default=None, description="path of submit", examples=["/tasks/submit"])
    query: CommonPath | None = Field(default=None, description="path of query", examples=["/tasks/query"])
    cancel_task: TaskPath | None = Field(
        default=None, description="path of cancel by task id", examples=["/tasks/cancel/{task_id}"]
    )
    cancel: CommonPath | None = Field(
        default=None, description="path of cancel by an identifier in the body", examples=["/tasks/cancel"]
    )
    stream: TaskPath | None = Field(
        default=None, description="path of a task's event stream", examples=["/tasks/stream/{task_id}"]
    )


class Query(Table):
    """How a task is asked for."""

    method: Literal["POST", "GET"] | None = Field(
        default=None,
        description="POST has the identifier in a JSON body, GET as a parameter; by default the contract's",
        examples=["POST"],
    )


class StateNames(Table):
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


class Errors(Table):
    """Where a refusal says what is wrong (ruling R12)."""

    code: Pointer = Field(
        default="/error/code", description="JSON pointer to a refusal's code (R12)", examples=["/error/code"]
    )


class Volatile(Table):
    """What may differ between two reads of one terminal task (ruling R9)."""

    pointers: tuple[Pointer, ...] = Field(
        default=(),
        strict=False,
        description="JSON pointers into a task, * for any element, that are not compared (R9)",
        examples=[["/progress", "/output/*/url"]],
    )


class Hook(Table):
    """A command or a URL of the user's own that is told a state, and names a task in it."""

    command: Command | None = Field(
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


class Way(Table):
    """A way into one state."""

    submit: Body | None = Field(
        default=None,
        description="body to submit, without out_task_id",
        examples=[{"model": "video-1", "params": {"prompt": "a paper boat"}}],
    )
    variants: tuple[Body, ...] = Field(
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
        description="seconds to wait for the state at the most, more than 0 and up to 86400; without it, some minutes,"
        " and no more than 20 times as long as such a task was seen to take, but at least 20",
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


class Ways(Table):
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


class Account(Table):
    """Where the credits left can be read, if anywhere (ruling R16)."""

    header: HeaderName | None = Field(
        default=None,
        description="response header with the credits left (R16)",
        examples=["X-Quota-Remaining-Credits"],
    )
    url: AccountUrl | None = Field(
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


class Limits(Table):
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
        description="further attempts after 429, 502 to 599 and resets, a whole number from 0 to 100 (R17)",
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


class Callback(Table):
    """Where the target can call us; without a word, on the loopback that it is on itself."""

    url: BaseUrl | None = Field(
        default=None,
        description="URL at which the target reaches the suite; a path is put after it",
        examples=["https://hooks.example.com/conformance"],
    )
    listen: Socket | None = Field(
        default=None, description="address and port at which the suite listens for that", examples=["0.0.0.0:8765"]
    )

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.url is None) != (self.listen is None):
            raise ValueError("url and listen together, or neither")
        return self


class Allowance(Table):
    """What a run may spend; without a figure there is no limit."""

    credits: Credits | None = Field(default=None, description="credits for one run, 0 or more", examples=[20.0])
    tasks: int | None = Field(
        default=None,
        ge=0,
        le=10**9,
        description="tasks submitted in one run, a whole number, 0 or more",
        examples=[200],
    )


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


class Absent(Table):
    """A capability that the target does not have: rows that need it are not observable."""

    capability: Capability = Field(strict=False, description="what the target lacks", examples=["accounting"])
    reason: Text = Field(description="why, quoted in reports", examples=["the sandbox sends no account headers"])


class Known(Table):
    """A requirement known to be broken, until a date."""

    requirement: RequirementId = Field(description="the id of the row", examples=["IDENT-4"])
    reason: Text = Field(description="why, quoted in reports", examples=["fixed in the next release"])
    expires: date = Field(
        description="last day on which it is excused, a date without quotes", examples=[date(2027, 1, 31)]
    )
