"""Stories that others listen to: event streams opened before the cancel, and callback URLs given with the submit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from conformance.exchange import Form
from conformance.states import State
from conformance.strategies import FORMS, dealt, either
from conformance.target.call import by

if TYPE_CHECKING:
    from conformance.teller import Teller


@pytest.mark.aims("NOTIFY-1", "NOTIFY-2")
@pytest.mark.stories(1)
@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING])
@given(forms=dealt([(one, other) for one in FORMS for other in FORMS if one is not other]), late=either())
def test_listening_to_a_cancel(teller: Teller, state: State, forms: tuple[Form, Form], late: bool) -> None:
    """Two streams are open on a task, and perhaps a third is opened after its cancel; it is cancelled twice."""
    story = teller.story()
    task = story.task(state, callback=True)
    for _ in range(2):
        story.listen(task)
    story.cancel(by(forms[0], task))
    if late:
        story.listen(task)
    story.cancel(by(forms[1], task))
    story.query(task)
    story.verify()


@pytest.mark.aims("NOTIFY-1", "NOTIFY-2")
@pytest.mark.stories(1)
@given(form=dealt(FORMS), early=either())
def test_listening_to_what_ends_by_itself(teller: Teller, form: Form, early: bool) -> None:
    """Of two tasks that would soon complete, both listened to, one is cancelled before that and the other after it."""
    story = teller.story()
    completing = story.begin(State.COMPLETED, variant=0, callback=True)
    cancelled = story.begin(State.COMPLETED, variant=0, callback=True)
    story.listen(cancelled)
    if early:
        story.listen(completing)
    story.cancel(by(form, cancelled))
    story.query(cancelled)
    story.wait(completing)
    story.cancel(by(form, completing))
    story.query(completing)
    story.verify()
