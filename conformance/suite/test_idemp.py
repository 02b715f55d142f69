"""Stories about cancelling what has ended: once, many times, in every form, at once and later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.exchange import Form
from conformance.states import State
from conformance.strategies import FORMS, dealt, either, forms
from conformance.target.call import by
from conformance.target.provision import AUTO

if TYPE_CHECKING:
    from conformance.teller import Teller

_AIMS = {State.COMPLETED: "IDEMP-1", State.FAILED: "IDEMP-2", State.CANCELLED: "IDEMP-3"}


@pytest.mark.parametrize("state", [pytest.param(state, marks=pytest.mark.aims(row)) for state, row in _AIMS.items()])
@pytest.mark.aims("IDEMP-4", "IDEMP-5", "PARITY-2", "IDENT-2", "IDENT-3")
@pytest.mark.stories(5)
@given(calls=st.permutations(FORMS), more=st.lists(forms, max_size=2), named=dealt((True, True, False)))
def test_cancelling_a_terminal_task(
    teller: Teller, state: State, calls: list[Form], more: list[Form], named: bool
) -> None:
    """However it is phrased, and however often, a cancel does not move a task that has ended."""
    story = teller.story()
    task = story.task(state, out=AUTO if named else None)
    for form in (*calls, *more):
        story.cancel(by(form, task))
    story.query(task)
    story.query(task, form=Form.OUT_TASK_ID, fresh=True)
    story.verify()


@pytest.mark.parametrize("state", [pytest.param(state, marks=pytest.mark.aims(row)) for state, row in _AIMS.items()])
@pytest.mark.aims("IDEMP-4", "PARITY-1", "PARITY-3", "PARITY-6")
@pytest.mark.stories(1)
@pytest.mark.parametrize("form", FORMS)
@given(fresh=either())
def test_asking_before_and_after(teller: Teller, state: State, form: Form, fresh: bool) -> None:
    """Query, cancel and query of a task that has ended show one and the same task."""
    story = teller.story()
    task = story.task(state)
    story.query(task, fresh=fresh)
    story.cancel(by(form, task), fresh=not fresh)
    story.query(task, fresh=fresh)
    story.verify()


@pytest.mark.aims("IDEMP-3", "IDEMP-5", "STATE-3")
@pytest.mark.stories(5)
@given(calls=st.lists(forms, min_size=3, max_size=7), fresh=either(), named=either())
def test_cancelling_a_pending_task_again(teller: Teller, calls: list[Form], fresh: bool, named: bool) -> None:
    """From the first cancel on, every further one gives the first one's answer."""
    story = teller.story()
    task = story.task(out=AUTO if named else None)
    for form in calls:
        story.cancel(by(form, task), fresh=fresh)
    story.query(task)
    story.verify()


@pytest.mark.aims("IDEMP-5", "STATE-2", "STATE-3")
@pytest.mark.stories(4)
@given(calls=st.lists(forms, min_size=2, max_size=4))
def test_cancelling_a_running_task_again(teller: Teller, calls: list[Form]) -> None:
    """However the cancel of a running task ended it, further ones answer the same."""
    story = teller.story()
    task = story.task(State.RUNNING)
    for form in calls:
        story.cancel(by(form, task))
    story.query(task)
    story.query(task, form=Form.OUT_TASK_ID)
    story.verify()
