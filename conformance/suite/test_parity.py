"""Stories in which cancel and query are asked side by side, for each terminal state and each form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from conformance.exchange import Form
from conformance.states import State
from conformance.strategies import FORMS, either
from conformance.target.call import by
from conformance.target.provision import AUTO

if TYPE_CHECKING:
    from conformance.teller import Teller

_ALL = ("PARITY-1", "PARITY-2", "PARITY-3", "PARITY-4", "PARITY-5", "PARITY-6")


@pytest.mark.aims(*_ALL)
@pytest.mark.stories(1)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING, State.CANCELLED, State.COMPLETED, State.FAILED])
@given(named=either(), by_out=either())
def test_asking_cancel_and_query(teller: Teller, state: State, form: Form, named: bool, by_out: bool) -> None:
    """What cancel answers, a query right after it shows again, by whichever identifier it is asked."""
    story = teller.story()
    task = story.task(state, out=AUTO if named or form is Form.OUT_TASK_ID else None)
    story.cancel(by(form, task))
    story.query(task, form=Form.OUT_TASK_ID if by_out else Form.TASK_ID)
    story.verify()
