"""Stories about which task a cancel names: every form, both, neither, the wrong one, and what resembles it."""

from __future__ import annotations

import secrets
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.exchange import Form
from conformance.states import State
from conformance.strategies import (
    EXTRA_NAMES,
    FORMS,
    MALFORMED_TASK_IDS,
    MISREADINGS,
    SHAPES,
    TAKEN_FOR_NOTHING,
    UNUSABLE_BESIDE,
    WORDS_OF_PROGRAMS,
    WRONG_VALUES,
    aliases,
    dealt,
    either,
    extras,
    likely_misses,
    lone_misses,
    matched,
    may_name_another,
    near_misses,
    randoms,
    shaped,
    synonyms,
)
from conformance.target.call import Call, by, in_plain_letters, name_of, naming
from conformance.target.provision import AUTO, fresh_identifier

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from conformance.teller import Teller

    Headers = tuple[tuple[str, str], ...]

_WRONG_FORMS = (Form.TASK_ID, Form.OUT_TASK_ID)
_TAKING = ((), (("accept", "*/*"),), (("accept", "application/json, text/plain, */*"),))
"""What callers say that they take: nothing else than JSON, and what curl and the libraries of browsers say."""

_TWICE = (
    *((pair, State.PENDING) for pair in ("one task", "two tasks", "first unknown", "second unknown", "none")),
    *product(("one task", "two tasks"), (State.RUNNING, State.CANCELLED, State.COMPLETED)),
    ("second unknown", State.COMPLETED),
)
"""Of two identifiers in one body: what they name, and the state of the first task."""

_MORE = ("nothing", "the same", "other work")
"""What is submitted under the `out_task_id` of a task, once it is there."""

_ROWS = {Form.PATH: "IDENT-1", Form.TASK_ID: "IDENT-2", Form.OUT_TASK_ID: "IDENT-3"}
_AMONG_OTHERS = (*product(FORMS, (True,), (True, False)), (Form.TASK_ID, False, True), (Form.OUT_TASK_ID, False, False))
"""Of an identifier among unknown fields: the form, whether it names a task, and whether they come first."""


@pytest.mark.aims("STATE-1", "STATE-3", "STATE-6", "PARITY-1", "PARITY-2", "PARITY-4", "PARITY-5")
@pytest.mark.stories(4)
@pytest.mark.parametrize("form", [pytest.param(form, marks=pytest.mark.aims(row)) for form, row in _ROWS.items()])
@given(named=either(), first=either(), fresh=either(), announced=either(), more=dealt(_MORE), taking=dealt(_TAKING))
def test_cancelling_in_each_form(
    teller: Teller, form: Form, taking: Headers, *, named: bool, first: bool, fresh: bool, announced: bool, more: str
) -> None:
    """A pending task is cancelled by the form; queried before or not, with an `out_task_id` or without.

    Its submit was sent once, or once more to the letter, as by a caller who got no answer, or other work was refused
    that came under its name. Where there is no body, that is announced by a length of 0, or as in the seed's own
    example not at all. The caller takes JSON alone, or anything.
    """
    story = teller.story()
    task = story.task(out=AUTO if named or form is Form.OUT_TASK_ID else None)
    if more == "the same":
        story.submit_again(task)
    if more == "other work" and not story.submit_other_work(task):
        story.verify()  # the name is two tasks', and submit is not what is judged
        return
    if first:
        story.query(task, form=form)
    story.cancel(replace(by(form, task), announced=announced, headers=taking), fresh=fresh)
    story.query(task, form=Form.OUT_TASK_ID if first else Form.TASK_ID, fresh=not fresh)
    story.query(task, form=Form.TASK_ID if first else Form.OUT_TASK_ID)
    story.verify()


@pytest.mark.aims("IDENT-4", "IDENT-5", "ERR-1", "ERR-2")
@pytest.mark.stories(12)
@given(way=dealt(_TWICE), turned=either())
def test_naming_a_task_twice(teller: Teller, way: tuple[str, State], turned: bool) -> None:
    """Two identifiers in one body, in either order, naming one task, two, or none at all."""
    pair, state = way
    story = teller.story()
    one = story.task(state)
    other = one if pair == "one task" else story.task(State.PENDING)
    story.look()
    task_id = story.unknown(one) if pair in {"first unknown", "none"} else one.task_id
    out = f"{other.out_task_id}-x" if pair in {"second unknown", "none"} or not other.out_task_id else other.out_task_id
    pairs = [("task_id", task_id), ("out_task_id", out)]
    story.cancel(Call(body=dict(reversed(pairs) if turned else pairs)))
    story.look()
    if pair == "one task":
        story.leave(one)
    story.verify()


@pytest.mark.aims("IDENT-6", "ERR-1", "ERR-2", "STATE-1")
@pytest.mark.stories(6)
@given(fields=st.dictionaries(st.sampled_from(EXTRA_NAMES), st.integers(), max_size=2))
def test_naming_no_task(teller: Teller, fields: dict[str, int]) -> None:
    """No body, an empty object, unknown fields: while a task is there that could be taken for the one meant.

    Some of those fields hold its identifiers, under names that nobody documented. Beside a path an empty object says
    nothing more.
    """
    story = teller.story()
    task = story.task()
    story.cancel(Call())
    story.cancel(Call(body={}))
    story.query(task)
    story.cancel(Call(body=fields))
    story.query(task)
    story.cancel(Call(body=synonyms(task.task_id, task.out_task_id)))
    story.query(task)
    story.cancel(Call(path=task.task_id, body={}))
    story.query(task)
    story.verify()


@pytest.mark.aims("IDENT-7", "IDENT-8")
@pytest.mark.stories(8)
@given(
    state=dealt((State.PENDING, State.PENDING, State.CANCELLED, State.COMPLETED)),
    path=dealt(("own", "own", "unknown")),
    named=either(),
    twice=either(),
)
def test_naming_another_task_in_the_body(teller: Teller, state: State, path: str, named: bool, twice: bool) -> None:
    """The path names one task, or none, well-formed or not, and the body's `task_id` another, or the same."""
    story = teller.story()
    inside = story.task(State.PENDING, out=AUTO if named else None)
    task = story.task(state)
    story.look()
    story.cancel(Call(path=task.task_id if path == "own" else story.unknown(task), body={"task_id": inside.task_id}))
    story.look()
    story.cancel(Call(path="no-such-task", body={"task_id": inside.task_id}))
    story.look()
    story.cancel(Call(path=inside.task_id, body={"task_id": inside.task_id if twice else story.unknown(task)}))
    story.look()
    story.verify()


@pytest.mark.aims("IDENT-9")
@pytest.mark.stories(2)
@pytest.mark.parametrize("path", ["own", "same", "unknown", "malformed", "own, and a third"])
@given(state=dealt((State.PENDING, State.CANCELLED)))
def test_naming_an_out_task_id_beside_the_path(teller: Teller, path: str, state: State) -> None:
    """The path names one task, or none, and the body's `out_task_id` another, or the same; its `task_id` a third."""
    story = teller.story()
    inside = story.task(State.PENDING)
    task = inside if path == "same" else story.task(state)
    body = {"out_task_id": inside.out_task_id}
    if path == "own, and a third":
        body["task_id"] = story.task().task_id
    story.look()
    named = {"unknown": story.unknown(task), "malformed": "no-such-task"}.get(path, task.task_id)
    story.cancel(Call(path=named, body=body))
    story.look()
    story.verify()


@pytest.mark.aims("IDENT-10", "ERR-1", "ERR-2", "ERR-6")
@pytest.mark.stories(3)
@pytest.mark.parametrize("form", FORMS)
@given(named=either(), tail=st.text("abcdefgh0123456789", min_size=8, max_size=16))
def test_naming_an_unknown_task(teller: Teller, form: Form, named: bool, tail: str) -> None:
    """An identifier of the right shape that names nothing, beside a task that lives."""
    story = teller.story()
    task = story.task(out=AUTO if named else None)
    story.cancel(naming(form, f"{tail}-unknown" if form is Form.OUT_TASK_ID else story.unknown(task)))
    story.query(task)
    story.cancel(by(form, task))
    story.query(task)
    story.verify()


@pytest.mark.aims("IDENT-3", "IDENT-10", "STATE-7")
@pytest.mark.stories(2)
@given(named=dealt((Form.OUT_TASK_ID, Form.TASK_ID)), like=dealt((State.PENDING, State.RUNNING)))
def test_naming_a_task_before_it_is_submitted(teller: Teller, named: Form, like: State) -> None:
    """A name is unknown to cancel; then a task is submitted under it, lives, perhaps starts, and is cancelled by it."""
    story = teller.story()
    name = fresh_identifier()
    for _ in range(2):
        story.cancel(naming(Form.OUT_TASK_ID, name))
    task = story.named(name, like=like)
    if task is not None:
        if like is State.RUNNING:
            story.wait(task)
        story.query(task, form=named)
        story.cancel(by(Form.OUT_TASK_ID, task))
        story.query(task)
    story.verify()


@pytest.mark.aims("IDENT-3", "IDENT-10", "IDENT-11", "ERR-1")
@pytest.mark.stories(1)
@pytest.mark.calls(75)
@given(form=dealt((Form.PATH, Form.TASK_ID)), words=st.permutations(TAKEN_FOR_NOTHING))
def test_naming_by_words_of_programs(teller: Teller, form: Form, words: list[str]) -> None:
    """What programs write for nothing, what every object has, and words for many, beside a task without a name.

    Then, in this order, for it is the same words: such a word is a name like any other, once a task was submitted under
    it. Where the same account is judged again and again these names are taken for good, and nothing is told of them.
    """
    story = teller.story()
    task = story.task(out=None)
    for word in dict.fromkeys((*WORDS_OF_PROGRAMS, *MALFORMED_TASK_IDS)):
        if story.is_free(word):
            story.cancel(Call(body={"out_task_id": word}))
        if word not in MALFORMED_TASK_IDS and not may_name_another(word, task.task_id):
            story.cancel(naming(form, word))
    story.query(task)
    story.verify()
    story = teller.story()
    named = [made for word in words if story.is_free(word) and (made := story.named(word)) is not None]
    for task in named:
        story.cancel(by(Form.OUT_TASK_ID, task))
    story.look()
    story.verify()


@pytest.mark.aims("IDENT-11", "STATE-7")
@pytest.mark.stories(1)
@pytest.mark.calls(14)
@pytest.mark.parametrize("shape", SHAPES)
@given(choice=randoms, escaped=either())
def test_naming_odd_tasks(teller: Teller, shape: str, choice: Random, escaped: bool) -> None:
    """An odd `out_task_id` that submit accepted cancels its own task, and neither its look-alikes nor they it.

    One of those is a task's name, too: what it matches as a pattern, if it is one. Every letter beyond ASCII is escaped
    in the JSON of its cancels, or none is.
    """
    story = teller.story()
    written: Callable[[Call], Call] = (lambda call: call) if escaped else in_plain_letters
    identifier = shaped(shape, secrets.token_hex(8)[:15])
    task = story.named(identifier)
    if task is None:
        return  # submit does not take this kind: then it is nobody's identifier
    lone = lone_misses(identifier)
    likely = [miss for miss in likely_misses(identifier) if miss not in lone]
    near = [miss for miss in near_misses(identifier) if miss not in likely and miss not in lone]
    choice.shuffle(likely)
    choice.shuffle(near)
    misses = [*likely, *near[:2]]
    for miss in [*misses, *lone]:
        story.cancel(written(Call(body={"out_task_id": miss})))
    twin = story.named(matched(identifier) if matched(identifier) != identifier else misses[0])
    story.look()
    story.cancel(written(by(Form.OUT_TASK_ID, task)))
    story.look()
    if twin is not None:
        story.cancel(written(by(Form.OUT_TASK_ID, twin)))
        story.look_at(twin)
    story.verify()


@pytest.mark.aims("IDENT-11")
@pytest.mark.stories(2)
@pytest.mark.calls(39)
@given(form=dealt((Form.PATH, Form.TASK_ID)))
def test_naming_what_resembles_a_task_id(teller: Teller, form: Form) -> None:
    """A task id that is misread, folded, cut, padded, wrapped, encoded or a pattern names nothing."""
    story = teller.story()
    task = story.task()
    misread = [misreading(task.task_id) for misreading in MISREADINGS]
    story.look()
    for miss in dict.fromkeys([*misread, *near_misses(task.task_id)]):
        if miss != task.task_id and not may_name_another(miss, task.task_id):
            story.cancel(naming(form, miss))
    story.look()
    story.cancel(by(form, task))
    story.look()
    story.verify()


@pytest.mark.aims("IDENT-12")
@pytest.mark.stories(5)
@given(state=dealt(list(State)))
def test_naming_by_the_wrong_field(teller: Teller, state: State) -> None:
    """A task id as `out_task_id`, and the reverse, of a task in each state."""
    story = teller.story()
    task = story.task_like(state)
    story.look()
    for call in (
        Call(body={"out_task_id": task.task_id}),
        Call(body={"task_id": task.out_task_id}),
        Call(path=task.out_task_id),
    ):
        story.cancel(call)
        story.look()
    story.verify()


@pytest.mark.aims("IDENT-12")
@pytest.mark.stories(1)
def test_naming_by_a_string_in_both_fields(teller: Teller) -> None:
    """The task id of one task is the `out_task_id` of another: each is named by its own field."""
    story = teller.story()
    task = story.task()
    story.task(out=task.task_id)
    story.look()
    story.cancel(Call(body={"task_id": task.out_task_id}))
    story.cancel(Call(path=task.out_task_id))
    story.look()
    story.cancel(Call(body={"out_task_id": task.task_id}))
    story.look()
    story.cancel(by(Form.PATH, task))
    story.look()
    story.verify()


@pytest.mark.aims("IDENT-12")
@pytest.mark.stories(1)
def test_naming_a_task_without_a_name_by_its_task_id(teller: Teller) -> None:
    """A task id as `out_task_id`, of a task that was given none and shows none: while it waits, and ended."""
    story = teller.story()
    task = story.task(out=None)
    for _ in range(0 if story.has_a_name(task) else 2):
        story.cancel(Call(body={"out_task_id": task.task_id}))
        story.look()
        story.cancel(by(Form.PATH, task))
        story.look()
    story.verify()


@pytest.mark.aims("IDENT-13")
@pytest.mark.stories(2)
@pytest.mark.calls(25)
@given(form=dealt((Form.PATH, Form.TASK_ID)), identifiers=st.permutations(MALFORMED_TASK_IDS))
def test_naming_no_well_formed_task_id(teller: Teller, form: Form, identifiers: list[str]) -> None:
    """Plain strings that no task id looks like, beside a task that lives."""
    story = teller.story()
    task = story.task()
    story.cancel(by(form, story.task()))
    for identifier in identifiers:
        if not may_name_another(identifier, task.task_id):
            story.cancel(naming(form, identifier))
    story.query(task)
    story.verify()


@pytest.mark.aims("IDENT-14", "ERR-1")
@pytest.mark.stories(1)
@pytest.mark.calls(55)
@pytest.mark.parametrize("form", _WRONG_FORMS)
@given(values=st.permutations(WRONG_VALUES))
def test_naming_with_every_unusable_value(teller: Teller, form: Form, values: list[object]) -> None:
    """Each value that is no identifier, one after the other, beside a task that could be taken for the one meant.

    Alone, in both fields, and then some of them beside an identifier of that task; null and the empty string, which
    may count as none, beside those of tasks of their own. A task without an `out_task_id` stands by.
    """
    story = teller.story()
    task, _ = story.task(), story.task(out=None)
    for value in values:
        story.cancel(Call(body={form.value: value}))
        story.look()
    other = Form.TASK_ID if form is Form.OUT_TASK_ID else Form.OUT_TASK_ID
    for value in values:
        story.cancel(Call(body={other.value: value, form.value: value}))
    for value in UNUSABLE_BESIDE:
        story.cancel(Call(body={other.value: name_of(other, task), form.value: value}))
    story.look()
    for nothing in (None, ""):
        named = story.task()
        story.cancel(Call(body={other.value: name_of(other, named), form.value: nothing}))
        story.query(named)
    story.verify()


@pytest.mark.aims("IDENT-14", "ERR-1")
@pytest.mark.stories(8)
@given(
    value=dealt(WRONG_VALUES),
    form=dealt(_WRONG_FORMS),
    beside=dealt(("nothing", "nothing", "usable", "path", "unusable")),
)
def test_naming_with_an_unusable_value(teller: Teller, value: object, form: Form, beside: str) -> None:
    """`null`, empty and wrongly typed identifiers: alone, beside a usable one, or beside the path."""
    story = teller.story()
    task, witness = story.task(), story.task(out=None)
    other = Form.TASK_ID if form is Form.OUT_TASK_ID else Form.OUT_TASK_ID
    body: dict[str, object] = {form.value: value}
    if beside == "usable":
        body[other.value] = name_of(other, task)
    if beside == "unusable":
        body[other.value] = None
    story.look()
    story.cancel(Call(path=task.task_id if beside == "path" else None, body=body))
    story.look_at(task, witness)
    story.verify()


@pytest.mark.aims("IDENT-14")
@pytest.mark.stories(2)
@given(form=dealt(_WRONG_FORMS))
def test_naming_with_a_number_that_is_an_identifier(teller: Teller, form: Form) -> None:
    """The digits of an `out_task_id`, sent as a number, and an identifier inside a list or an object."""
    story = teller.story()
    digits = str(10**11 + story.number)
    task = story.task(out=f"{digits}{int(teller.run.journal.notes()['started']) % 10**6:06d}")
    story.look()
    usable = name_of(form, task)
    unusable: list[object] = [[usable], {"id": usable}, [usable, usable]]
    for value in unusable:
        story.cancel(Call(body={form.value: value}))
    story.cancel(Call(body={"out_task_id": int(task.out_task_id or "0")}))
    story.look()
    story.verify()


@pytest.mark.aims("IDENT-15", "STATE-7")
@pytest.mark.stories(8)
@given(drawn=extras, way=dealt(_AMONG_OTHERS))
def test_naming_a_task_among_unknown_fields(
    teller: Teller, drawn: dict[str, object], way: tuple[Form, bool, bool]
) -> None:
    """Fields that nobody documented, before or after the identifier, beside a path, with a task or without one.

    Those whose names come close to an identifier's hold another task's.
    """
    story = teller.story()
    task, witness = story.task(), story.task()
    form, known, first = way
    call = (
        by(form, task)
        if known
        else naming(form, story.unknown(task) if form is not Form.OUT_TASK_ID else "none-such-1")
    )
    named = call.body if isinstance(call.body, dict) else {}
    fields = {**drawn, **aliases(witness.task_id, witness.out_task_id)}
    story.look()
    story.cancel(Call(path=call.path, body={**fields, **named} if first else {**named, **fields}))
    story.look_at(task, witness)
    story.verify()


@pytest.mark.aims("IDENT-15", "STATE-4")
@pytest.mark.stories(1)
@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.CANCELLED])
def test_insisting_on_the_cancel_of_an_ended_task(teller: Teller, state: State) -> None:
    """A task that has ended is cancelled with every field set that an implementation might know."""
    story = teller.story()
    task = story.task(state)
    story.query(task)
    for form in FORMS:
        call = by(form, task)
        named = call.body if isinstance(call.body, dict) else {}
        story.cancel(Call(path=call.path, body={**named, **dict.fromkeys(EXTRA_NAMES, True)}))
        story.query(task)
    story.verify()
