"""Stories that others listen to: event streams opened before the cancel, and callback URLs given with the submit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given

from conformance.beside import see_it_start
from conformance.exchange import Form
from conformance.states import State
from conformance.strategies import FORMS, dealt, either
from conformance.target.call import by
from conformance.target.callback import Reply

if TYPE_CHECKING:
    from conformance.lawful import Task
    from conformance.teller import Teller

pytestmark = pytest.mark.listens

_ROTATIONS = tuple((*FORMS[start:], *FORMS[:start]) for start in range(3))
"""Each form is the first or the last of any two of them."""

_UNTIL_IT_IS_NOTICED: Final = 0.05
"""Seconds in which a target notices that a connection was closed."""


@pytest.mark.aims("NOTIFY-1", "NOTIFY-2", "ISO-2")
@pytest.mark.stories(1)
@pytest.mark.calls(70)  # it takes as long
@pytest.mark.several_keys
@pytest.mark.parametrize("running", [False, True])
@given(forms=dealt(_ROTATIONS), late=either())
def test_listening_to_cancels(teller: Teller, running: bool, forms: tuple[Form, ...], late: bool) -> None:
    """Of a running and a pending task one is cancelled twice, under three or four streams, and the other once.

    Another key tries to cancel that one before.
    """
    story = teller.story()
    tasks = (story.task_like(State.RUNNING, callback=Reply.AT_ONCE), story.task(callback=Reply.AT_ONCE))
    task, other = tasks if running else reversed(tasks)
    story.listen(task, task, task, other)
    story.cancel(by(forms[0], task))
    if late:
        story.listen(task)
    story.cancel(by(forms[1], task))
    for role in teller.run.order.profile.others:
        story.cancel(by(forms[2], other), role=role)
    story.cancel(by(forms[2], other))
    story.look()
    story.verify()


@pytest.mark.aims("NOTIFY-1", "NOTIFY-2", "ISO-2")
@pytest.mark.stories(1)
@pytest.mark.calls(130)  # it takes as long
@pytest.mark.several_keys
@given(form=dealt(FORMS), early=either())
def test_listening_to_what_ends_by_itself(teller: Teller, form: Form, early: bool) -> None:
    """Of two tasks that would soon complete, both listened to, one is cancelled before that and the other after it.

    Another key cancels the other one as well, in each form as soon as it is there, and when it has ended, and changes
    nothing.
    """
    story = teller.story()
    completing = story.begin(State.COMPLETED, variant=0, callback=Reply.AT_ONCE)
    others = teller.run.order.profile.others
    for role in others:
        for each in FORMS:
            story.cancel(by(each, completing), role=role)
    cancelled = story.begin(State.COMPLETED, variant=0, callback=Reply.AT_ONCE)
    story.listen(cancelled, *([completing] if early else []))
    story.cancel(by(form, cancelled))
    story.query(cancelled)
    story.wait(completing)
    story.cancel(by(form, completing))
    for role in others:
        story.cancel(by(form, completing), role=role)
    story.query(completing)
    story.verify()


@pytest.mark.aims("NOTIFY-1", "NOTIFY-2")
@pytest.mark.stories(1)
@pytest.mark.calls(90)  # it takes as long
@given(form=dealt(FORMS))
def test_listening_to_work_that_is_broken_off(teller: Teller, form: Form) -> None:
    """A task that would soon complete is cancelled when it was seen to start, and listened to past that.

    Another one ends by itself, which shows that the target calls.
    """
    story = teller.story()
    other = story.begin(State.FAILED, variant=0, callback=Reply.AT_ONCE)
    task = story.begin(State.COMPLETED, variant=0, callback=Reply.AT_ONCE)
    story.listen(task)
    see_it_start(story, task)
    story.cancel(by(form, task))
    story.query(task)
    story.wait(other)
    story.verify()


@pytest.mark.aims("STATE-1", "STATE-2", "NOTIFY-1")
@pytest.mark.stories(1)
@pytest.mark.calls(60)  # it takes as long
@given(form=dealt(FORMS))
def test_cancelling_when_a_listener_has_left(teller: Teller, form: Form) -> None:
    """Streams of a running and of a pending task were opened, and left, before these are cancelled."""
    story = teller.story()
    tasks = story.task_like(State.RUNNING), story.task()
    story.listen(*tasks)
    story.stop_listening()
    teller.pause(_UNTIL_IT_IS_NOTICED)
    for task in tasks:
        story.cancel(by(form, task))
        story.query(task)
    story.verify()


@pytest.mark.aims("NOTIFY-2", "STATE-1", "STATE-2", "STATE-4", "STATE-6")
@pytest.mark.stories(1)
@pytest.mark.deep
@pytest.mark.calls(90)
@given(forms=dealt(_ROTATIONS))
def test_telling_a_receiver_that_fails(teller: Teller, forms: tuple[Form, ...]) -> None:
    """Running and pending tasks are cancelled, whose URLs answer late or with an error.

    That is no trouble of the tasks, nor of those that ended by themselves, also when they are looked at again.
    """
    story = teller.story()
    tasks: list[Task] = []
    for reply, first, then in zip((Reply.LATE, Reply.ERROR), forms, forms[1:], strict=False):
        ended = story.task_like(State.FAILED, callback=reply)
        stopped = story.task_like(State.RUNNING, callback=reply), story.task(callback=reply)
        for task in stopped:
            story.cancel(by(first, task))
            story.query(task)
        story.cancel(by(then, ended))
        tasks += [*stopped, ended]
    for task in tasks:
        story.cancel(by(forms[2], task))
    story.look()
    story.verify()
