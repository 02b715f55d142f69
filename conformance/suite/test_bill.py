"""Stories about money: what a task shows of its price, and what the account did meanwhile.

They are told when no other task of the run can move the payer's account. It is read before the first submit, at once
after the cancel and before any query, and again at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.exchange import REVOKED, Form
from conformance.states import State
from conformance.strategies import FORMS, dealt, either, forms
from conformance.target.call import Call, by, naming
from conformance.target.credentials import deciding_over, in_the_other_header
from conformance.target.profile import OWNER
from conformance.target.provision import AUTO

if TYPE_CHECKING:
    from conformance.teller import Teller

pytestmark = pytest.mark.quiet

_TWICE: Final = 2


@pytest.mark.aims("BILL-1", "BILL-2", "BILL-8")
@pytest.mark.quiet(payer="another")
@pytest.mark.stories(3)
@pytest.mark.parametrize("form", FORMS)
@given(named=either(), first=either())
def test_paying_for_a_pending_task(teller: Teller, form: Form, named: bool, first: bool) -> None:
    """A pending task is cancelled twice, and each time the account stands where it stood before the submit."""
    story = teller.story(alone=True)
    story.account()
    task = story.task(out=AUTO if named or form is Form.OUT_TASK_ID else None)
    if first:
        story.query(task)
    for _ in range(_TWICE):
        story.cancel(by(form, task))
        story.account()
    story.query(task)
    story.abreast(*story.readings(), lambda: story.query(task, form=Form.OUT_TASK_ID, fresh=True))
    story.verify()


@pytest.mark.aims("BILL-3", "BILL-4", "BILL-8", "BILL-10")
@pytest.mark.quiet(payer="another")
@pytest.mark.stories(3)
@pytest.mark.parametrize("form", FORMS)
@given(named=either())
def test_paying_for_a_running_task(teller: Teller, form: Form, named: bool) -> None:
    """A running task is cancelled twice; the account has moved by what the answer shows, at once."""
    story = teller.story(alone=True)
    story.account()
    task = story.task(State.RUNNING, out=AUTO if named or form is Form.OUT_TASK_ID else None)
    for _ in range(_TWICE):
        story.cancel(by(form, task))
        story.account()
    story.query(task)
    story.abreast(*story.readings(), lambda: story.query(task, fresh=True))
    story.verify()


@pytest.mark.aims("BILL-7")
@pytest.mark.stories(2)
@pytest.mark.parametrize(
    "state",
    [
        pytest.param(State.COMPLETED, marks=pytest.mark.aims("BILL-5")),
        pytest.param(State.FAILED, marks=pytest.mark.aims("BILL-6")),
    ],
)
@given(calls=st.permutations(FORMS))
def test_paying_for_an_ended_task(teller: Teller, state: State, calls: list[Form]) -> None:
    """The cancel of a task that has ended moves nothing, however often it is sent."""
    _insist(teller, state, calls)


@pytest.mark.aims("BILL-7", "BILL-8")
@pytest.mark.quiet(payer="another")
@pytest.mark.stories(2)
@given(calls=st.permutations(FORMS))
def test_paying_for_a_cancelled_task(teller: Teller, calls: list[Form]) -> None:
    """Neither does a further cancel of one that was cancelled and seen so."""
    _insist(teller, State.CANCELLED, calls)


@pytest.mark.aims("BILL-7", "ISO-7")
@pytest.mark.stories(3)
@given(form=dealt(FORMS), keyless=either())
def test_paying_for_a_refusal(teller: Teller, form: Form, keyless: bool) -> None:
    """Calls that are refused, for their form, their task or their key, are free."""
    story = teller.story(alone=True)
    task = story.task()
    story.query(task)
    story.account()
    both = {"task_id": task.task_id, "out_task_id": task.out_task_id}
    for call in (Call(), Call(body=both), Call(raw=b"{"), Call(body={"task_id": 1}), naming(form, "none-1")):
        story.cancel(call)
        story.account()
    if keyless:
        story.cancel(by(form, task), credential=teller.run.client.strangers["nobody:none"])
        story.account()
    elif REVOKED in teller.run.order.profile.keys:
        story.cancel(by(form, task), role=REVOKED)
        story.account()
    story.query(task)
    story.cancel(by(form, task))
    story.query(task)
    story.verify()


@pytest.mark.aims("BILL-9", "BILL-2", "BILL-4")
@pytest.mark.luck
@pytest.mark.quiet(payer="another")
@pytest.mark.stories(2)
@given(
    states=st.lists(st.sampled_from((State.PENDING, State.RUNNING, State.RUNNING)), min_size=2, max_size=4),
    calls=st.lists(forms, min_size=4, max_size=8),
)
def test_paying_for_several_tasks(teller: Teller, states: list[State], calls: list[Form]) -> None:
    """Several tasks of different prices live at once, are cancelled in turn, some twice; the account adds up."""
    story = teller.story(alone=True)
    story.account()
    tasks = story.tasks_in(states)
    for index, form in enumerate(calls):
        story.cancel(by(form, tasks[index % len(tasks)]))
    story.account()
    story.look()
    story.account()
    story.verify()


@pytest.mark.aims("BILL-9", "AUTH-7")
@pytest.mark.quiet(payer="everybody")
@pytest.mark.stories(1)
@given(form=dealt(FORMS))
def test_paying_with_the_key_that_decides(teller: Teller, form: Form) -> None:
    """Running tasks are cancelled by the other header, and by both with two valid keys: the owner's account pays."""
    profile = teller.run.order.profile
    others = profile.others[:1]
    decided = [deciding_over(other, profile.secret(other)) for other in others for _ in range(2)]
    story = teller.story(alone=True)
    story.account(story.role, *others)
    tasks = story.tasks_in([State.RUNNING] * (1 + len(decided)))
    for task, credential in zip(tasks, (in_the_other_header(OWNER, profile.auth.header), *decided), strict=True):
        story.cancel(by(form, task), credential=credential)
        story.account(story.role, *others)
    story.look()
    story.account()
    story.verify()


def _insist(teller: Teller, state: State, calls: list[Form]) -> None:
    """Cancel a task that has ended, again and again; the account is read before, between and after."""
    story = teller.story(alone=True)
    task = story.task(state)
    story.query(task)
    story.account()
    for form in calls:
        story.cancel(by(form, task))
        story.account()
    story.query(task)
    story.account()
    story.verify()
