"""Stories about odd and unreadable input, each beside a task that must not be touched, and that is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.exchange import Form
from conformance.states import State
from conformance.strategies import (
    CONTENT_TYPES,
    DRESSES,
    FORMS,
    METHODS,
    ODD,
    SPELLINGS,
    UNREADABLE,
    batches,
    dealt,
    either,
    generated_bodies,
)
from conformance.target.call import Call, by, name_of, naming

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.teller import Teller

_together = " + ".join
"""How the cases of one story stand in its title."""


@pytest.mark.aims("ERR-3", "ERR-6", "ERR-7")
@pytest.mark.stories(1)
@pytest.mark.calls(25)
@pytest.mark.parametrize("bodies", batches(UNREADABLE, 5), ids=_together)
@given(first=either())
def test_sending_what_is_no_object(teller: Teller, bodies: tuple[str, ...], first: bool) -> None:
    """Cut off, with garbage behind, badly encoded, or no object: in the body form, and beside a path."""
    story = teller.story()
    task = story.task()
    if first:
        story.query(task)
    for body in bodies:
        story.cancel(Call(raw=UNREADABLE[body](task.task_id)))
        [task] = story.still_live(task)
        story.cancel(Call(path=task.task_id, raw=UNREADABLE[body](task.task_id)))
        [task] = story.still_live(task)
    story.cancel(by(Form.TASK_ID, task))
    story.verify()


@pytest.mark.aims("ERR-7", "ERR-6", "IDENT-2")
@pytest.mark.stories(1)
@pytest.mark.calls(30)
@pytest.mark.parametrize("bodies", batches(ODD, 5), ids=_together)
@given(path=either())
def test_sending_odd_bodies(teller: Teller, bodies: tuple[str, ...], path: bool) -> None:
    """Doubled keys, NUL, great length and depth, huge numbers, a byte order mark: readable, and odd.

    In the body form, and every second one then beside the path of the other task.
    """
    story = teller.story()
    task, witness = story.task(), story.task()
    story.look()
    for number, body in enumerate(bodies):
        story.cancel(Call(raw=ODD[body](task.task_id, witness.task_id)))
        task, witness = story.still_live(task, witness)
        if path == number % 2:
            story.cancel(Call(path=witness.task_id, raw=ODD[body](witness.task_id, task.task_id)))
            task, witness = story.still_live(task, witness)
    story.cancel(by(Form.TASK_ID, task))
    story.verify()


@pytest.mark.aims("ERR-7", "STATE-1")
@pytest.mark.stories(1)
@pytest.mark.calls(30)
@pytest.mark.parametrize("kinds", batches(CONTENT_TYPES, 4), ids=lambda kinds: _together(map(str, kinds)))
@given(form=dealt((Form.TASK_ID, Form.OUT_TASK_ID)))
def test_sending_another_content_type(teller: Teller, kinds: tuple[str | None, ...], form: Form) -> None:
    """A JSON body under another content type or none."""
    _dressed(teller, form, [Call(content_type=kind) for kind in kinds])


@pytest.mark.aims("ERR-7")
@pytest.mark.stories(1)
@pytest.mark.calls(25)
@given(form=dealt((Form.TASK_ID, Form.OUT_TASK_ID)))
def test_sending_in_an_odd_dress(teller: Teller, form: Form) -> None:
    """In chunks, after `Expect`, with a query behind the path."""
    _dressed(teller, form, DRESSES)


@pytest.mark.aims("ERR-7")
@pytest.mark.stories(3)
@pytest.mark.parametrize("field", ["task_id", "out_task_id"])
@given(form=dealt(FORMS))
def test_naming_another_task_behind_the_path(teller: Teller, field: str, form: Form) -> None:
    """A query behind the path names another task than the call does."""
    story = teller.story()
    task, witness = story.task(), story.task()
    story.look()
    story.cancel(replace(by(form, task), suffix=f"?{urlencode({field: name_of(Form(field), witness)})}"))
    story.look()
    story.cancel(by(form, task))
    story.cancel(by(Form.PATH, witness))
    story.verify()


@pytest.mark.stories(1)
@pytest.mark.calls(20)  # it takes as long
@pytest.mark.parametrize(
    "surplus",
    [
        *(pytest.param(each, marks=pytest.mark.aims("ERR-7")) for each in (-1, 0)),
        *(pytest.param(each, marks=pytest.mark.aims("ERR-4", "ERR-7")) for each in (1, 4096)),
    ],
)
@given(chunked=either())
def test_sending_a_large_body(teller: Teller, surplus: int, chunked: bool) -> None:
    """A body of just the documented size, a byte less, a byte more: it names a task that lives.

    What is too large also comes beside a path, where a target may overlook it.
    """
    story = teller.story()
    task, other = story.task(), story.task()
    story.look()
    size = teller.run.order.contract.most_bytes + surplus
    head = json.dumps({"task_id": task.task_id, "note": ""}).encode()
    large = head[:-2] + b"x" * (size - len(head)) + head[-2:]
    story.cancel(Call(raw=large, chunked=chunked))
    story.query(task)
    if surplus > 0:
        story.cancel(Call(path=other.task_id, raw=large.replace(b"task_id", b"comment", 1), chunked=chunked))
        story.query(other)
    story.cancel(by(Form.TASK_ID, task))
    story.cancel(by(Form.OUT_TASK_ID, task))
    story.verify()


@pytest.mark.aims("ERR-7", "IDENT-11")
@pytest.mark.stories(1)
@pytest.mark.calls(25)
@pytest.mark.parametrize("spellings", batches(SPELLINGS, 5), ids=_together)
def test_spelling_the_path_oddly(teller: Teller, spellings: tuple[str, ...]) -> None:
    """Percent-encodings that nobody needs, a slash at the end, dots, NUL: in the path of a task that lives."""
    story = teller.story()
    task, witness = story.task(), story.task()
    story.look()
    for spelling in spellings:
        identifier, spelled = SPELLINGS[spelling](task.task_id)
        story.cancel(Call(path=identifier, spelled=spelled))
        task, witness = story.still_live(task, witness)
    story.cancel(by(Form.PATH, task))
    story.cancel(by(Form.PATH, witness))
    story.verify()


@pytest.mark.aims("ERR-5")
@pytest.mark.stories(1)
@pytest.mark.calls(35)
@pytest.mark.parametrize("methods", batches(METHODS, 4), ids=_together)
@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING])
@given(form=dealt((Form.TASK_ID, Form.OUT_TASK_ID)))
def test_using_another_method(teller: Teller, methods: tuple[str, ...], state: State, form: Form) -> None:
    """Every other method, on both routes, with the identifier of a task that lives.

    Behind the path's there may be a slash, or, without any in the path, a query that names it.
    """
    story = teller.story()
    task = story.task(state)
    story.query(task)
    for method in methods:
        for each in (Form.PATH, form):
            call = by(each, task)
            story.cancel(Call(path=call.path, body=call.body, method=method))
            [task] = story.still_live(task, state=state)
        identifier, spelled = SPELLINGS["a slash behind"](task.task_id)
        story.cancel(Call(path=identifier, spelled=spelled, method=method))
        [task] = story.still_live(task, state=state)
        story.cancel(Call(suffix=f"?{urlencode({form.value: name_of(form, task)})}", method=method))
        [task] = story.still_live(task, state=state)
    for each in FORMS:
        story.cancel(by(each, task))
    story.verify()


@pytest.mark.aims("ERR-1", "ERR-3", "ERR-7", "IDENT-4", "IDENT-6", "IDENT-14")
@pytest.mark.luck
@pytest.mark.deep
@pytest.mark.stories(12)
@given(data=st.data(), path=st.integers(0, 1 << 16))
def test_sending_generated_bodies(teller: Teller, data: st.DataObject, path: int) -> None:
    """What a generator makes of the contract's own schemas in order to be refused, beside a task that lives."""
    body = data.draw(generated_bodies(teller.run.order.contract))  # first: what is drawn must not depend on the target
    story = teller.story()
    task = story.task()
    story.cancel(Call(path=task.task_id if path % 4 == 0 else None, body=body))
    story.query(task)
    story.cancel(naming(Form.TASK_ID, task.task_id))
    story.verify()


def _dressed(teller: Teller, form: Form, dresses: Sequence[Call]) -> None:
    """Cancel a task of its own in each of these dresses, and then as anybody would."""
    story = teller.story()
    witness = story.task()
    story.query(witness)
    for dress in dresses:
        task = story.task()
        story.query(task)
        story.cancel(replace(dress, raw=json.dumps(by(form, task).body).encode()))
        story.look_at(task, witness)
        story.cancel(by(form, task))
    story.cancel(by(Form.PATH, witness))
    story.verify()
