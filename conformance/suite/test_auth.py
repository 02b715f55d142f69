"""Stories without a valid key: every way to have none, for tasks that exist and for tasks that do not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from conformance.checks.auth import ENOUGH_CALLS
from conformance.exchange import NOBODY, REVOKED, Form
from conformance.lawful import Task
from conformance.states import TERMINAL, State
from conformance.strategies import FORMS, batches, dealt, either, odd_cancels, randoms
from conformance.target.call import Call, by, naming
from conformance.target.credentials import deciding_over, in_the_other_header, probes, revoked, strangers
from conformance.target.provision import AUTO, OutOfReach, fresh_identifier

if TYPE_CHECKING:
    from random import Random

    from conformance.target.credentials import Credential
    from conformance.teller import Teller, Telling

_STRANGERS = strangers("authorization")
_NO_KEY = f"{NOBODY}:none"
_PARTS = 4
_OTHER_STATES = (State.RUNNING, State.CANCELLED, State.COMPLETED, State.FAILED)
_MALFORMED = "task_123"
_BAD_BODIES = (b"", b"{", b"[]", b'{"task_id": "a", "out_task_id": "b"}', b"{}", b'"x"', b"\xff")


@pytest.mark.aims("AUTH-1", "AUTH-4", "AUTH-5", "AUTH-6", "ERR-6")
@pytest.mark.calls(18)
@pytest.mark.parametrize(
    "state", [State.PENDING, *(pytest.param(each, marks=pytest.mark.stories(1)) for each in _OTHER_STATES)]
)
@given(malformed=dealt((Form.PATH, Form.TASK_ID)))
def test_calling_without_any_key(teller: Teller, state: State, malformed: Form) -> None:
    """No key, in each form, for a task in each state, for one that does not exist, and for what is no task id.

    Where the task has ended, all of it comes again when its owner has cancelled it in each form, too.
    """
    story = teller.story()
    task = story.task(state)
    credential = teller.run.client.strangers[_NO_KEY]
    story.query(task)
    _call_in_each_form(story, task, credential)
    if state in TERMINAL:
        for form in FORMS:
            story.cancel(by(form, task))
        _call_in_each_form(story, task, credential)
    story.cancel(naming(malformed, _MALFORMED), credential=credential)
    story.query(task)
    story.verify()


@pytest.mark.aims("AUTH-1", "AUTH-4", "AUTH-5")
@pytest.mark.stories(1)
def test_calling_without_any_key_behind_the_other_header(teller: Teller) -> None:
    """No key, on connections on which the owner's has just come, in the other documented header."""
    story = teller.story()
    task = story.task()
    story.query(task)
    valid = in_the_other_header("owner", teller.run.order.profile.auth.header)
    for _ in range(teller.run.client.kept_open):
        story.cancel(naming(Form.PATH, story.unknown(task)), credential=valid)
    _call_in_each_form(story, task, teller.run.client.strangers[_NO_KEY])
    story.query(task)
    story.verify()


@pytest.mark.aims("AUTH-2", "AUTH-4", "AUTH-5", "ERR-6")
@pytest.mark.stories(1)
@pytest.mark.calls(35)
@pytest.mark.parametrize("keys", batches([each for each in _STRANGERS if each != _NO_KEY], 4), ids=" + ".join)
@given(state=dealt((State.PENDING, *_OTHER_STATES)))
def test_calling_without_a_valid_key(teller: Teller, keys: tuple[str, ...], state: State) -> None:
    """Each spoiled key, in each form, for a task that exists and for one that does not; then the owner looks."""
    story = teller.story()
    task = story.task_like(state)
    story.query(task)
    for key in keys:
        if key in teller.run.client.strangers:  # some need a header that has schemes
            _call_in_each_form(story, task, teller.run.client.strangers[key])
            story.query(task)
    story.verify()


@pytest.mark.aims("AUTH-1", "AUTH-2", "AUTH-4")
@pytest.mark.luck
@pytest.mark.stories(1)
@pytest.mark.calls(45)
@pytest.mark.parametrize("part", range(_PARTS))
@given(stranger=dealt([*_STRANGERS]))
def test_calling_oddly_without_a_valid_key(teller: Teller, part: int, stranger: str) -> None:
    """Two identifiers, odd bodies, paths, content types: with no key and with a spoiled one, in turns."""
    spoiled = teller.run.client.strangers.get(stranger) or teller.run.client.strangers[_NO_KEY]
    story = teller.story()
    task = story.task()
    story.query(task)
    for number, call in enumerate(odd_cancels(task)[part::_PARTS]):
        story.cancel(call, credential=spoiled if number % 2 else teller.run.client.strangers[_NO_KEY])
    story.query(task)
    story.cancel(by(Form.PATH, task))
    story.verify()


@pytest.mark.aims("AUTH-5")
@pytest.mark.stories(1)
@pytest.mark.calls(26)
@pytest.mark.parametrize("form", FORMS)
@given(stranger=dealt([*_STRANGERS]), choice=randoms)
def test_learning_without_a_valid_key_what_exists(teller: Teller, form: Form, stranger: str, choice: Random) -> None:
    """Many calls for a task that exists and for some that do not, in random order: nothing tells one from the other."""
    credential = teller.run.client.strangers.get(stranger) or teller.run.client.strangers[_NO_KEY]
    story = teller.story()
    task = story.task()
    for _ in range(ENOUGH_CALLS):
        pair = [by(form, task), naming(form, _unknown(story, form, task))]
        choice.shuffle(pair)
        for call in pair:
            story.cancel(call, credential=credential)
    story.query(task)
    story.verify()


@pytest.mark.aims("AUTH-5")
@pytest.mark.stories(1)
@pytest.mark.calls(26)
@given(form=dealt((Form.PATH, Form.TASK_ID)), choice=randoms)
def test_learning_by_a_revoked_key_what_was_its_own(teller: Teller, form: Form, choice: Random) -> None:
    """Many calls for what were its tasks, or for somebody's, and for some that do not exist, in random order."""
    key = teller.run.order.profile.keys.get(REVOKED)
    if key is None:
        return  # another story says so
    story = teller.story()
    task = story.task()
    there = [naming(form, former) for former in key.former_tasks] or [by(form, task)]
    for number in range(ENOUGH_CALLS):
        pair = [there[number % len(there)], naming(form, story.unknown(task))]
        choice.shuffle(pair)
        for call in pair:
            story.cancel(call, role=REVOKED)
    story.query(task)
    story.verify()


@pytest.mark.aims("AUTH-6")
@pytest.mark.stories(7)
@given(stranger=dealt([*_STRANGERS]), body=dealt(_BAD_BODIES), path=either())
def test_calling_badly_without_a_valid_key(teller: Teller, stranger: str, body: bytes, path: bool) -> None:
    """A body that would be refused by itself, without a valid key."""
    story = teller.story()
    task = story.task()
    credential = teller.run.client.strangers.get(stranger) or teller.run.client.strangers[_NO_KEY]
    both = path and body.startswith(b'{"task')
    story.cancel(Call(path=task.task_id if both else None, raw=body or None), credential=credential)
    story.query(task)
    story.verify()


@pytest.mark.aims("AUTH-3", "AUTH-4", "AUTH-5")
@pytest.mark.stories(2)
@pytest.mark.calls(12)
@pytest.mark.parametrize("form", FORMS)
@given(state=dealt((State.PENDING, State.CANCELLED)), way=dealt((0, 1)))
def test_calling_with_a_revoked_key(teller: Teller, form: Form, state: State, way: int) -> None:
    """A revoked key, for somebody's task, none, and those that were its own, each on a connection of its own.

    It is shown in the target's own way, and then in another one that is documented.
    """
    key = teller.run.order.profile.keys.get(REVOKED)
    if key is None:
        raise OutOfReach("the profile names no revoked key; write [keys.revoked] or set CONFORMANCE_REVOKED_KEY")
    story = teller.story()
    task = story.task(state)
    story.query(task)
    story.cancel(by(form, task), role=REVOKED, fresh=True)
    story.cancel(naming(form, _unknown(story, form, task)), role=REVOKED, fresh=True)
    other = revoked(teller.run.order.profile.auth.header)[way]
    former_tasks = [naming(form, former) for former in key.former_tasks if form is not Form.OUT_TASK_ID]
    former_tasks += [replace(call, body={}) for call in former_tasks if form is Form.PATH]
    for call in former_tasks:
        story.cancel(call, role=REVOKED, fresh=True)
    for call in (by(form, task), *former_tasks):
        story.cancel(call, credential=other, fresh=True)
    story.query(task)
    story.verify()


@pytest.mark.aims("AUTH-7", "AUTH-1")
@pytest.mark.stories(1)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("state", _OTHER_STATES)
def test_cancelling_by_the_other_header(teller: Teller, state: State, form: Form) -> None:
    """The key in the other documented header cancels as it does in its own, whatever has become of the task.

    The same call without any key, just after it, is refused.
    """
    story = teller.story()
    task = story.task_like(state)
    story.query(task)
    header = teller.run.order.profile.auth.header
    story.cancel(by(form, task), credential=in_the_other_header("owner", header))
    story.cancel(by(form, task), credential=teller.run.client.strangers[_NO_KEY])
    story.query(task)
    story.verify()


@pytest.mark.stories(1)
@pytest.mark.parametrize(
    "way",
    [pytest.param(way, marks=pytest.mark.aims("AUTH-8" if way.startswith("scheme") else "AUTH-7")) for way in probes()],
)
@given(form=dealt(FORMS))
def test_showing_the_key_in_another_way(teller: Teller, way: str, form: Form) -> None:
    """The other header, both headers, the scheme in another case."""
    story = teller.story()
    task = story.task()
    story.cancel(by(form, task), credential=probes()[way])
    story.query(task)
    story.verify()


@pytest.mark.aims("AUTH-7")
@pytest.mark.stories(1)
@pytest.mark.several_keys
@given(form=dealt(FORMS))
def test_showing_two_valid_keys(teller: Teller, form: Form) -> None:
    """Both headers, each with a key that is valid: the owner's is the one that decides."""
    profile = teller.run.order.profile
    story = teller.story()
    for other in profile.others[:1]:
        task = story.task()
        story.cancel(by(form, task), credential=deciding_over(other, profile.secret(other)))
        story.query(task)
    story.verify()


@pytest.mark.aims("AUTH-1", "AUTH-2", "AUTH-3", "AUTH-4", "AUTH-5", "AUTH-6")
@pytest.mark.luck
@pytest.mark.stories(1)
@pytest.mark.parametrize("form", FORMS)
@given(named=either())
def test_calling_with_the_valid_key(teller: Teller, form: Form, named: bool) -> None:
    """What the refusals of the other stories rest on: with the owner's key, each form is accepted."""
    story = teller.story()
    task = story.task(out=AUTO if named or form is Form.OUT_TASK_ID else None)
    story.cancel(by(form, task))
    story.query(task)
    story.verify()


def _call_in_each_form(story: Telling, task: Task, credential: Credential) -> None:
    """Without a valid key, cancel a task, and one that does not exist; by the path with a body, too."""
    for form in FORMS:
        story.cancel(by(form, task), credential=credential)
        story.cancel(naming(form, _unknown(story, form, task)), credential=credential)
    story.cancel(Call(path=task.task_id, body={}), credential=credential)


def _unknown(story: Telling, form: Form, task: Task) -> str:
    return fresh_identifier() if form is Form.OUT_TASK_ID else story.unknown(task)
