"""Stories with two keys: what is one's is nobody else's, and nobody else can tell."""

from __future__ import annotations

from functools import partial
from itertools import cycle, islice
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from conformance.beside import work_beside
from conformance.checks.iso import ENOUGH_LOOKS, ENOUGH_TIMES
from conformance.exchange import Form
from conformance.states import TERMINAL, State
from conformance.strategies import FORMS, dealt, either, odd_cancels, randoms
from conformance.target.call import Call, by, cancelling, naming
from conformance.target.credentials import in_the_other_header
from conformance.target.provision import AUTO, OutOfReach, fresh_identifier

if TYPE_CHECKING:
    from conformance.lawful import Task
    from conformance.teller import Teller, Telling

pytestmark = pytest.mark.several_keys

_SHARED = {State.COMPLETED, State.FAILED}
_STATES = (State.PENDING, State.RUNNING, State.CANCELLED, State.COMPLETED, State.FAILED)
_PARTS = 4
_LOOKING = 5
"""So many odd calls come between two looks at the task that they name."""
_TOGETHER = 3
_UNKNOWN_EACH = 3
"""Unknown tasks for each foreign one: with few, what goes by the identifier alone might fall on one side by chance."""


@pytest.mark.aims("ISO-1", "ISO-2")
@pytest.mark.stories(1)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("state", _STATES)
@given(turned=either(), named=either())
def test_cancelling_a_foreign_task(teller: Teller, state: State, form: Form, turned: bool, named: bool) -> None:
    """Another key, in either header, cancels a task in each state and form, and its owner sees nothing of it.

    The task has an `out_task_id` or none. One that has ended is cancelled by its owner, too, and by the other again.
    """
    out = AUTO if named or form is Form.OUT_TASK_ID else None
    header = teller.run.order.profile.auth.header
    for other in teller.others():
        mine, theirs = (other, "owner") if turned and state not in _SHARED else ("owner", other)
        story = teller.story()
        task = story.task(state, role=mine, out=out)
        story.query(task)
        story.cancel(by(form, task), role=theirs)
        story.query(task)
        if state is State.PENDING:
            story.cancel(by(form, task), credential=in_the_other_header(theirs, header))
        for role in (mine, theirs) if state in TERMINAL else ():
            story.cancel(by(form, task), role=role)
        own = story.task(role=theirs)
        story.cancel(by(form, own), role=theirs)
        story.query(own)
        story.query(task)
        story.verify()


@pytest.mark.aims("ISO-2")
@pytest.mark.luck
@pytest.mark.stories(1)
@pytest.mark.calls(40)
@pytest.mark.parametrize("part", range(_PARTS))
@given(state=dealt((State.PENDING, State.RUNNING)))
def test_cancelling_a_foreign_task_oddly(teller: Teller, part: int, state: State) -> None:
    """Another key cancels a task that lives by two identifiers, by odd bodies, paths and methods: it lives on."""
    for other in teller.others():
        story = teller.story()
        task = story.task(state)
        story.query(task)
        calls = odd_cancels(task)
        for first in range(part, len(calls), _PARTS * _LOOKING):
            for call in calls[first : first + _PARTS * _LOOKING : _PARTS]:
                story.cancel(call, role=other)
            [living] = story.still_live(task, state=state)
            if living is not task:
                task, calls = living, odd_cancels(living)
        own = story.task(role=other)
        story.cancel(by(Form.PATH, own), role=other)
        story.cancel(by(Form.PATH, task))
        story.verify()


@pytest.mark.aims("ISO-2", "STATE-7")
@pytest.mark.stories(3)
@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING])
@given(form=dealt(FORMS), turned=either())
def test_cancelling_beside_foreign_work(teller: Teller, state: State, form: Form, turned: bool) -> None:
    """Two keys have the same work done, in the same state; one of them cancels its own task, twice."""
    for other in teller.others():
        mine, theirs = (other, "owner") if turned else ("owner", other)
        story, variant = teller.story(), teller.told
        _, own = (story.task(state, role=role, variant=variant) for role in (mine, theirs))
        story.look()
        for _ in range(2):
            story.cancel(by(form, own), role=theirs)
        story.look()
        story.verify()


@pytest.mark.aims("ISO-4", "BILL-9")
@pytest.mark.stories(3)
@pytest.mark.calls(18)
@given(first=either(), form=dealt(FORMS), state=dealt((State.RUNNING, State.PENDING, State.PENDING)))
def test_sharing_an_out_task_id(teller: Teller, first: bool, form: Form, state: State) -> None:
    """Two keys use one `out_task_id`: each cancels its own task only, also when that has ended and the other lives."""
    for other in teller.others():
        story, shared = teller.story(), fresh_identifier()
        mine = story.task_like(state, out=shared, variant=1)
        theirs = story.named(shared, role=other, like=State(mine.wanted), variant=1)
        if theirs is None:
            raise OutOfReach(f"submit does not take one out_task_id for the keys of owner and {other}")
        story.wait(theirs)
        for task in (mine, theirs) if first else (theirs, mine):
            for _ in range(2):
                story.cancel(by(Form.OUT_TASK_ID, task), role=task.role)
                story.look()
        story.cancel(by(form, mine))
        story.look()
        story.verify()


@pytest.mark.aims("ISO-4", "RACE-5")
@pytest.mark.luck
@pytest.mark.stories(2)
@pytest.mark.calls(25)  # it takes as long
@given(choice=randoms)
def test_cancelling_what_shares_a_name_at_once(teller: Teller, choice: Random) -> None:
    """Two keys use one `out_task_id`, and both cancel by it at the same time: each its own task, as many as may be."""
    turns = teller.most_at_once // 2
    for other in teller.others():
        story, shared = teller.story(), fresh_identifier()
        mine, theirs = story.task(out=shared), story.named(shared, role=other)
        if theirs is None:
            raise OutOfReach(f"submit does not take one out_task_id for the keys of owner and {other}")
        calls = [cancelling(task, Form.OUT_TASK_ID) for task in (mine, theirs) for _ in range(turns)]
        choice.shuffle(calls)
        story.at_once(*calls)
        story.look()
        story.verify()


@pytest.mark.aims("ISO-5")
@pytest.mark.stories(3)
@pytest.mark.parametrize("field", ["task_id", "out_task_id"])
@given(own_path=either())
def test_mixing_own_and_foreign(teller: Teller, field: str, own_path: bool) -> None:
    """An own id in the path with a foreign one in the body, and the reverse."""
    for other in teller.others():
        story = teller.story()
        own, foreign = story.task(), story.task(role=other)
        story.look()
        path, inside = (own, foreign) if own_path else (foreign, own)
        value = inside.task_id if field == "task_id" else inside.out_task_id
        story.cancel(Call(path=path.task_id, body={field: value}))
        story.look()
        story.verify()


@pytest.mark.aims("ISO-2", "ISO-3", "ISO-6")
@pytest.mark.stories(1)
@pytest.mark.calls(95)
@pytest.mark.independent
@pytest.mark.parametrize("form", FORMS)
@given(choice=randoms)
def test_telling_foreign_from_unknown(teller: Teller, form: Form, choice: Random) -> None:
    """Many calls for foreign tasks, each in a state of its own, and for unknown ones: nothing tells them apart.

    The three forms together have all five states.
    """
    whole = teller.run.order.depth.stories >= 1
    count = ENOUGH_TIMES + 2 if whole else 8
    states = Random(teller.run.order.seed).sample(_STATES, len(_STATES))  # noqa: S311 - the same in every process
    for other in teller.others():
        first = _TOGETHER * (FORMS.index(form) + len(FORMS) * teller.told)
        story = teller.story()
        chosen = islice(cycle(states), first, first + (_TOGETHER if whole else 1))
        foreign = [story.task_like(state) for state in chosen]
        own = story.task(role=other)
        names = [task.out_task_id or "" if form is Form.OUT_TASK_ID else task.task_id for task in foreign]
        unknown = [
            fresh_identifier() if form is Form.OUT_TASK_ID else story.unknown(task) for task in foreign * _UNKNOWN_EACH
        ]
        for pair in zip(_shuffled(names, count, choice), _shuffled(unknown, count, choice), strict=True):
            calls = [naming(form, name) for name in choice.sample(pair, 2)]
            story.abreast(*(partial(story.cancel, call, role=other) for call in calls))
        story.look()
        story.cancel(by(form, own), role=other)
        story.verify()


@pytest.mark.aims("ISO-3")
@pytest.mark.stories(3)
@pytest.mark.calls(36)
@given(form=dealt(FORMS), choice=randoms)
def test_telling_fresh_foreign_tasks_from_unknown(teller: Teller, form: Form, choice: Random) -> None:
    """Foreign tasks that nobody has asked for yet, and unknown ones, each once, in turns: nothing tells them apart."""
    for other in teller.others():
        story = teller.story()
        own = story.task(role=other)
        for task in [story.task() for _ in range(ENOUGH_LOOKS + 1)]:
            unknown = fresh_identifier() if form is Form.OUT_TASK_ID else story.unknown(task)
            calls = [by(form, task), naming(form, unknown)]
            choice.shuffle(calls)
            for call in calls:
                story.cancel(call, role=other)
        story.look()
        story.cancel(by(form, own), role=other)
        story.verify()


@pytest.mark.aims("ISO-2")
@pytest.mark.stories(1)
@pytest.mark.calls(120)  # it takes as long
@given(form=dealt(FORMS))
def test_leaving_a_foreign_task_to_its_work(teller: Teller, form: Form) -> None:
    """A task gets to its end, though another key tries to cancel it while it waits, and while it runs."""
    for other in teller.others():
        story = teller.story()

        def call(story: Telling, task: Task, _: Task, role: str = other) -> None:
            story.cancel(by(form, task), role=role)

        work_beside(story, call, call, lasts=teller.run.provision.lasted(State.FAILED))
        story.verify()


@pytest.mark.aims("ISO-4", "ISO-2")
@pytest.mark.stories(1)
@pytest.mark.calls(110)  # it takes as long
def test_leaving_a_namesake_to_its_work(teller: Teller) -> None:
    """A task gets to its end, though another key cancels its own, elder one of the same name, while both live."""
    for other in teller.others():
        story = teller.story()

        def call(story: Telling, _: Task, elder: Task, role: str = other) -> None:
            story.cancel(by(Form.OUT_TASK_ID, elder), role=role)

        work_beside(story, call, call, lasts=teller.run.provision.lasted(State.FAILED), rival=other)
        story.verify()


def _shuffled(names: list[str], count: int, choice: Random) -> list[str]:
    """So many of `names`, each as often as any other, in random order."""
    return choice.sample([*islice(cycle(names), count)], count)


@pytest.mark.aims("ISO-7", "ISO-2")
@pytest.mark.stories(2)
@pytest.mark.quiet(payer="everybody")
@given(form=dealt(FORMS))
def test_paying_for_foreign_calls(teller: Teller, form: Form) -> None:
    """Foreign calls move neither the caller's account nor the owner's."""
    for other in teller.others():
        story = teller.story(alone=True)
        task = story.task()
        story.query(task)
        story.account(story.role, other)
        story.cancel(by(form, task), role=other)
        story.account(story.role, other)
        story.query(task)
        own = story.task(role=other)
        story.cancel(by(form, own), role=other)
        story.query(own)
        story.verify()
