"""Stories about what a cancel does to a task in each state, to its neighbours, and to work that is wanted again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.beside import see_it_start, work_beside
from conformance.exchange import Form
from conformance.states import State
from conformance.strategies import FORMS, dealt, either
from conformance.target.call import by, naming
from conformance.target.provision import AUTO, fresh_identifier

if TYPE_CHECKING:
    from conformance.lawful import Task
    from conformance.teller import Teller, Telling

_TRIOS = (
    (State.PENDING, State.PENDING, State.PENDING),
    (State.RUNNING, State.PENDING, State.PENDING),
    (State.RUNNING, State.RUNNING, State.PENDING),
)
_PARTS = ("-1", "_2", ".3", ":4", "/5")
_LONG: Final = 1.6
"""Seconds in which much that watches over a queue has come by once, or more often."""


@pytest.mark.aims("STATE-1", "STATE-3", "STATE-4", "STATE-6")
@pytest.mark.stories(6)
@given(form=dealt(FORMS), named=either(), looks=st.integers(0, 2))
def test_cancelling_a_pending_task(teller: Teller, form: Form, named: bool, looks: int) -> None:
    """A pending task is cancelled, seen through both identifiers, and seen again when its submit is sent once more."""
    story = teller.story()
    task = story.task(out=AUTO if named or form is Form.OUT_TASK_ID else None)
    for _ in range(looks):
        story.query(task)
    story.cancel(by(form, task))
    story.query(task, fresh=True)
    story.query(task, form=Form.OUT_TASK_ID, fresh=True)
    if task.out_task_id is not None:
        story.submit_again(task)
        story.query(task)
    story.verify()


@pytest.mark.aims("STATE-1", "STATE-3", "STATE-4", "STATE-6")
@pytest.mark.stories(1)
@pytest.mark.deep
@pytest.mark.calls(400)  # it takes as long
@given(form=dealt(FORMS))
def test_cancelling_a_stuck_task(teller: Teller, form: Form) -> None:
    """A task that has waited for long is cancelled."""
    story = teller.story()
    task = story.task()
    teller.pause(_LONG)
    story.cancel(by(form, task))
    story.query(task)
    story.query(task, form=Form.OUT_TASK_ID)
    story.verify()


@pytest.mark.aims("STATE-2", "STATE-3", "STATE-6")
@pytest.mark.stories(3)
@pytest.mark.parametrize("form", FORMS)
@given(named=either())
def test_cancelling_a_running_task(teller: Teller, form: Form, named: bool) -> None:
    """A running task is cancelled by each form, and seen through both identifiers."""
    story = teller.story()
    task = story.task(State.RUNNING, out=AUTO if named or form is Form.OUT_TASK_ID else None)
    story.cancel(by(form, task))
    story.query(task, form=Form.OUT_TASK_ID)
    story.query(task, fresh=True)
    story.verify()


@pytest.mark.aims("STATE-4", "STATE-5")
@pytest.mark.stories(4)
@pytest.mark.parametrize("like", [State.COMPLETED, State.FAILED])
@given(form=dealt(FORMS), runs=dealt((False, False, False, True)), again=either())
def test_cancelling_what_would_have_ended_soon(
    teller: Teller, like: State, form: Form, *, runs: bool, again: bool
) -> None:
    """A task that would have completed, or failed, is cancelled before, waiting or running; it is watched past that.

    Its submit was sent once, or twice, as by a caller who got no answer.
    """
    story = teller.story()
    task = story.task(State.PENDING, like=like)
    if again:
        story.submit_again(task)
    if runs:
        see_it_start(story, task)
    story.cancel(by(form, task))
    story.query(task)
    story.query(task, form=Form.OUT_TASK_ID)
    story.verify()


@pytest.mark.aims("STATE-7")
@pytest.mark.stories(3)
@pytest.mark.calls(15)
@pytest.mark.parametrize("states", _TRIOS)
@given(
    form=dealt(FORMS),
    similar=dealt(("head", "tail", "none")),
    chosen=dealt((0, 1, 2)),
)
def test_cancelling_one_of_three(
    teller: Teller, states: tuple[State, State, State], form: Form, similar: str, chosen: int
) -> None:
    """Of three tasks with the same parameters, submitted together, one is cancelled and the others go on.

    Their names have one head or one tail, or they have none.
    """
    story = teller.story()
    stem = fresh_identifier()
    names = {"head": "{0}-{1}", "tail": "{1}-{0}", "none": ""}
    made = [names[similar].format(stem, index) or None for index in range(3)]
    variant = teller.told  # the same of all three
    tasks = [story.task(state, out=out, variant=variant) for state, out in zip(states, made, strict=True)]
    story.look()
    story.cancel(by(form, tasks[chosen]))
    story.look()
    story.verify()


@pytest.mark.aims("STATE-7")
@pytest.mark.stories(1)
@pytest.mark.calls(140)  # it takes as long
@given(form=dealt(FORMS))
def test_leaving_a_task_to_its_work(teller: Teller, form: Form) -> None:
    """A task gets to its end, though tasks in other states, others of its kind and nobody's are cancelled beside."""
    story = teller.story()
    ended = [story.task(State.CANCELLED), story.task_like(State.COMPLETED)]
    running = story.task_like(State.RUNNING)

    mates: list[Task] = []

    def while_it_waits(story: Telling, _: Task, elder: Task) -> None:
        for other in (elder, *ended, running):
            story.cancel(by(form, other))
        story.cancel(naming(form, story.unknown(running)))
        mates.append(story.begin(State.FAILED, variant=0))

    def while_it_runs(story: Telling, _: Task, __: Task) -> None:
        mate = mates.pop()
        see_it_start(story, mate)
        for other in (mate, *ended, running, story.task()):
            story.cancel(by(form, other))

    work_beside(story, while_it_waits, while_it_runs, lasts=teller.run.provision.lasted(State.FAILED))
    story.verify()


@pytest.mark.aims("STATE-7")
@pytest.mark.stories(3)
@pytest.mark.calls(22)
@given(form=dealt(FORMS))
def test_cancelling_the_head_of_a_series(teller: Teller, form: Form) -> None:
    """A task is cancelled whose `out_task_id` others go on from, as the parts of a series are named."""
    story = teller.story()
    stem = fresh_identifier()
    task = story.task(out=stem)
    for part in _PARTS:
        story.named(f"{stem}{part}")
    story.look()
    story.cancel(by(form, task))
    story.look()
    story.verify()


@pytest.mark.aims("STATE-8")
@pytest.mark.stories(3)
@given(form=dealt(FORMS), stuck=dealt((State.PENDING, State.RUNNING)))
def test_submitting_the_work_again(teller: Teller, form: Form, stuck: State) -> None:
    """After the cancel of a stuck task the work is submitted again, with other parameters and a new identifier."""
    story = teller.story()
    task, other = story.begin(stuck, variant=0), story.begin(State.RUNNING, variant=1)  # which shows that it is taken
    for each in (other, task):
        story.cancel(by(form, each))
        story.query(each)
    story.again(task, State.RUNNING, variant=1)
    story.verify()
