"""The service: what submit, query and cancel mean, apart from HTTP.

A cancel is four steps: which identifier is meant (`target`), which task that is (`seek`), ending it (`stop`), and
showing it (`show_cancelled`). The faults take one step wrong each.
"""

from __future__ import annotations

import json
import math
import secrets
import time
import zlib
from dataclasses import dataclass
from typing import Any, Final

from conformance.reference.models import model_for
from conformance.reference.refusal import Refused
from conformance.reference.store import Store, Task

OWNER: Final = "sk-byts-sandbox-owner"
SIBLING: Final = "sk-byts-sandbox-sibling"
OTHER: Final = "sk-byts-sandbox-other"
REVOKED: Final = "sk-byts-sandbox-revoked"
KEYS: Final = {"owner": OWNER, "sibling": SIBLING, "other": OTHER, "revoked": REVOKED}
"""The sandbox keys by their roles; the sibling shares the owner's account."""

ACCOUNTS: Final = {"sandbox-owner": (OWNER, SIBLING), "sandbox-other": (OTHER,), "sandbox-revoked": (REVOKED,)}

REVOKED_PENDING: Final = "task_01JZREV0KEDPENDNG000000001"
REVOKED_COMPLETED: Final = "task_01JZREV0KEDDONE0000000002"
"""Two tasks that the revoked key submitted while it was good."""

IDENTIFIERS: Final = ("task_id", "out_task_id")
TERMINAL: Final = ("completed", "failed", "cancelled")

_MILLION: Final = 1_000_000
_ON_KEY: Final = 100_000 * _MILLION
_ON_ACCOUNT: Final = 1_000_000 * _MILLION
_LONGEST_OUT_ID: Final = 1024
_NEVER: Final = 1 << 62
_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

Document = dict[str, Any]


@dataclass(frozen=True)
class Identifier:
    """What names a task: the documented field, and its value."""

    field: str
    value: str


@dataclass(frozen=True)
class CancelCall:
    """One call of cancel, by whose key, with the path's id if there is one and the body's fields."""

    key: str
    path: str | None
    body: Document


class Service:
    """Submit, query and cancel over one store; at a `speed` of 10 tasks take a tenth of their time."""

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        self.store = store
        self.second = max(1, round(_MILLION / speed))
        self._seed()

    def now(self) -> int:
        """Read the clock, in microseconds."""
        return time.time_ns() // 1000

    # submit

    def submit(self, key: str, body: Document) -> Document:
        """Take on a task, or find the one that the same `out_task_id` made from the same work."""
        task = self.draft(key, body)
        with self.store.transaction():
            if not self.store.add(task):
                task = self.known(task)
        return self.show(task)

    def draft(self, key: str, body: Document) -> Task:
        """Make the task that `body` asks for, priced a little differently each time."""
        params = body.get("params")
        if not isinstance(params, dict):
            raise Refused.invalid("params must be an object.", "params")
        model = model_for(body.get("model"), params)
        work = json.dumps([body["model"], params], sort_keys=True, default=str)
        now, task_id = self.now(), fresh_id()
        starts_at = now + round(model.pending * self.second)
        estimate = model.price + zlib.crc32(work.encode()) % 1000 * 400 + zlib.crc32(task_id.encode()) % 100_000
        return Task(
            id=task_id,
            key=key,
            out_id=_optional_text(body, "out_task_id"),
            work=work,
            status="pending",
            estimate=estimate,
            price=estimate * 98 // 100 if model.outcome == "completed" else None,
            used=None,
            seconds=max(1, math.ceil(model.running)),
            starts_at=starts_at,
            ends_at=starts_at + round(model.running * self.second),
            due=starts_at,
            outcome=model.outcome,
            on_cancel=model.on_cancel,
            callback_url=_optional_text(body, "callback_url"),
        )

    def known(self, draft: Task) -> Task:
        """Find the task whose `out_task_id` the draft repeats, if it is the same work."""
        task = self.look_up(draft.key, Identifier("out_task_id", draft.out_id or ""))
        if task.work != draft.work:
            raise Refused("duplicate_out_task_id", "This out_task_id is in use for different work.", "out_task_id")
        return task

    # query

    def query(self, key: str, body: Document) -> Document:
        """Read the task that `body` names."""
        return self.show(self.look_up(key, named(body)))

    def look_up(self, key: str, identifier: Identifier) -> Task:
        """Find a task as it is now."""
        task = self.find(key, identifier)
        if task is None:
            raise Refused.unknown_task()
        return self.moved(task)

    def find(self, key: str, identifier: Identifier) -> Task | None:
        """Find a task as it was last seen, if this key has it."""
        if not storable(identifier.value):
            return None
        return self.store.find(key, identifier.field, identifier.value)

    def moved(self, task: Task) -> Task:
        """Let a task move by the clock."""
        now = self.now()
        return self.store.advance(task, now) if task.due is not None and task.due <= now else task

    # cancel

    def cancel(self, call: CancelCall) -> Document:
        """End the task that `call` names, and show it."""
        identifier = self.target(call)
        with self.store.transaction():
            task = self.stop(call, self.seek(call, identifier))
        return self.show_cancelled(call, task)

    def target(self, call: CancelCall) -> Identifier:
        """Decide which identifier is meant: the path's, or the only one in the body."""
        if call.path is None:
            return named(call.body)
        if "out_task_id" in call.body:
            raise Refused.invalid("Send an id in the path or out_task_id in the body, not both.", "out_task_id")
        return Identifier("task_id", call.path)

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Find the task that is to end."""
        return self.look_up(call.key, identifier)

    def stop(self, call: CancelCall, task: Task) -> Task:  # noqa: ARG002 - faults ask how the call was phrased
        """End `task` unless it has ended already."""
        return task if task.status in TERMINAL else self.store.cancel(task, self.now(), self.second)

    def show_cancelled(self, call: CancelCall, task: Task) -> Document:  # noqa: ARG002 - likewise
        """Show a task to whoever cancelled it, exactly as query does."""
        return self.show(task)

    # showing

    def show(self, task: Task) -> Document:
        """Show a task with the fields that belong to its state."""
        document: Document = {"task_id": task.id}
        if task.out_id is not None:
            document["out_task_id"] = task.out_id
        document["status"] = task.status
        document |= price_of(task)
        document["estimated_seconds"] = task.seconds
        document |= outcome_of(task)
        return document

    # time and the rest of the world

    def tick(self) -> list[tuple[str, Document]]:
        """Let tasks move that nobody asks for, and list which callback URLs are to be told what."""
        for task in self.store.due(self.now()):
            self.moved(task)
        return [(task.callback_url or "", self.show(task)) for task in self.store.claim_callbacks()]

    def _seed(self) -> None:
        for account, keys in ACCOUNTS.items():
            self.store.open_account(account, _ON_ACCOUNT, [(key, _ON_KEY) for key in keys])
        for task in _former_tasks():
            self.store.add(task)


def named(body: Document) -> Identifier:
    """Read the only identifier in `body`, in either field."""
    given = {field: body[field] for field in IDENTIFIERS if field in body}
    for field, value in given.items():
        if not isinstance(value, str) or not value:
            raise Refused.invalid(f"{field} must be a string that is not empty.", field)
    if len(given) != 1:
        raise Refused.invalid("Send exactly one of task_id and out_task_id.")
    return Identifier(*given.popitem())


def price_of(task: Task) -> Document:
    """Show what a task has cost, or as long as that is open, what it may cost."""
    if task.used is None:
        return {"estimated_credits": task.estimate / _MILLION}
    return {"credits_used": task.used / _MILLION}


def outcome_of(task: Task) -> Document:
    """Show what came of a task; the signature of an output's URL is a new one at each look."""
    if task.status == "completed":
        url = f"https://cdn.example.org/{task.id}.mp4?expires=86400&signature={secrets.token_hex(8)}"
        return {"output": [{"type": "video", "url": url}]}
    if task.status == "failed":
        return {"error_code": "render_failed", "error_message": "The render broke off and was not billed."}
    return {}


def fresh_id() -> str:
    """Make a task id: `task_` and a ULID."""
    number = time.time_ns() // _MILLION << 80 | secrets.randbits(80)
    return "task_" + "".join(_LETTERS[number >> shift & 31] for shift in range(125, -1, -5))


def storable(text: str) -> bool:
    """Whether `text` is Unicode that can be stored at all: it has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _optional_text(body: Document, field: str) -> str | None:
    value = body.get(field)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_OUT_ID or not storable(value):
        raise Refused.invalid(f"{field} must be a string of 1 to {_LONGEST_OUT_ID} characters.", field)
    return value


def _former_tasks() -> tuple[Task, Task]:
    pending = Task(
        id=REVOKED_PENDING,
        key=REVOKED,
        out_id="before-the-revocation",
        work="[]",
        status="pending",
        estimate=_MILLION,
        price=_MILLION,
        used=None,
        seconds=60,
        starts_at=_NEVER,
        ends_at=_NEVER,
        due=_NEVER,
        outcome="completed",
        on_cancel="refund",
    )
    return pending, pending._replace(id=REVOKED_COMPLETED, out_id=None, status="completed", used=_MILLION, due=None)
