"""A cancel as a test means it, before it becomes a request."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from conformance.exchange import ABSENT, Form
from conformance.lawful import Task


@dataclass(frozen=True, kw_only=True)
class Call:
    """The identifiers of one cancel: in the path, in a JSON body, or in a body of raw bytes; and its dress.

    `spelled` is the path's identifier as it stands in the URL, where that is not the usual encoding of it; `suffix`
    follows the URL. A call without a body says so by its length of 0, unless that is not `announced`.
    """

    path: str | None = None
    body: object = ABSENT
    raw: bytes | None = None
    content_type: str | None = "application/json"
    method: str | None = None
    spelled: str | None = None
    suffix: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    chunked: bool = False
    announced: bool = True


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One of several calls that are sent at once: who cancels a task, or `asks` for it, and how.

    It is sent so many seconds `after` the first of them.
    """

    task: Task
    form: Form = Form.PATH
    role: str
    asks: bool = False
    after: float = 0.0


def cancelling(task: Task, form: Form, *, role: str | None = None, after: float = 0.0) -> Timed:
    """A cancel of `task` among simultaneous calls, by its owner or by another role."""
    return Timed(task=task, form=form, role=role or task.role, after=after)


def asking(task: Task, *, form: Form = Form.TASK_ID, after: float = 0.0) -> Timed:
    """A query of `task` among simultaneous calls."""
    return Timed(task=task, form=form, role=task.role, asks=True, after=after)


def by(form: Form, task: Task) -> Call:
    """The cancel of `task` in one form; a task without `out_task_id` is named by its task id instead."""
    if form is Form.PATH:
        return Call(path=task.task_id)
    if form is Form.OUT_TASK_ID and task.out_task_id is not None:
        return Call(body={"out_task_id": task.out_task_id})
    return Call(body={"task_id": task.task_id})


def name_of(form: Form, task: Task) -> str | None:
    """The identifier of `task` that goes with a form."""
    return task.out_task_id if form is Form.OUT_TASK_ID else task.task_id


def in_plain_letters(call: Call) -> Call:
    """The same call, its body in UTF-8 without an escape for any letter."""
    return replace(call, body=ABSENT, raw=json.dumps(call.body, ensure_ascii=False).encode())


def naming(form: Form, identifier: object) -> Call:
    """The cancel, in one form, of whatever the identifier names."""
    if form is Form.PATH:
        return Call(path=str(identifier))
    return Call(body={form.value: identifier})
