"""Stories of calls that meet: cancels with each other, with pollers, with another key, with what the task does itself.

Simultaneous calls leave together, each on a connection of its own. Those that are aimed at a step of the task's own
are sent where the step was seen before, and the aim is corrected after each.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from conformance.aim import Aim
from conformance.exchange import Form
from conformance.states import LIVE, State
from conformance.strategies import FORMS, dealt, either, randoms
from conformance.target.call import Timed, asking, by, cancelling
from conformance.target.provision import AUTO, OutOfReach, fresh_identifier

if TYPE_CHECKING:
    from random import Random

    from conformance.lawful import Task
    from conformance.teller import Teller, Telling
    from conformance.windows import Step

_LIVE = (State.PENDING, State.RUNNING)
_SHOTS = 4
_WIDTH = 0.003
_FINE = 0.001
_READY = 0.02
_FILLED = 0.8
_TRUSTED = 0.7
_LOOKED_AT = 0.5
_PATIENCE = 30.0
_WORTH_WAITING = 4.0


@pytest.mark.aims("RACE-1", "BILL-8")
@pytest.mark.stories(2)
@pytest.mark.quiet
@pytest.mark.parametrize("state", _LIVE)
@pytest.mark.parametrize("variant", [0, 1, 2])
@given(choice=randoms, named=either())
def test_cancelling_at_once(teller: Teller, state: State, variant: int, choice: Random, named: bool) -> None:
    """Several cancels of one task leave together, and once more when it has ended; the account is read at once."""
    story = teller.story(alone=True)
    story.account()
    task = story.begin(state, variant=variant, out=AUTO if named else None)
    if state is State.RUNNING:
        story.wait(task)
    for again in (False, True):
        calls = [cancelling(task, choice.choice(FORMS)) for _ in range(teller.at_once)]
        story.at_once(*calls[: 3 if again else None])
        if choice.random() < _LOOKED_AT:
            story.query(task, fresh=True)
        story.account()
    story.query(task, fresh=True)
    story.account()
    story.verify()


@pytest.mark.aims("RACE-1", "BILL-8", "BILL-9")
@pytest.mark.stories(3)
@pytest.mark.quiet
@given(choice=randoms)
def test_cancelling_several_tasks_at_once(teller: Teller, choice: Random) -> None:
    """Tasks of different prices are cancelled together, some twice; the account adds up."""
    story = teller.story(alone=True)
    story.account()
    most = teller.at_once
    tasks = [story.begin(State.RUNNING, variant=index) for index in range(min(3, most))]
    for task in tasks:
        story.wait(task)
    calls = [cancelling(tasks[index % len(tasks)], choice.choice(FORMS)) for index in range(most)]
    choice.shuffle(calls)
    story.at_once(*calls)
    story.account()
    story.look()
    story.account()
    story.verify()


@pytest.mark.aims("RACE-2", "RACE-3")
@pytest.mark.stories(1)
@pytest.mark.quiet
@given(choice=randoms)
def test_cancelling_as_it_completes(teller: Teller, choice: Random) -> None:
    """Tasks are cancelled at the age at which such tasks complete, among pollers; the account adds up in the end."""
    _shots(teller, choice, "end")


@pytest.mark.aims("RACE-4")
@pytest.mark.stories(1)
@pytest.mark.quiet
@given(choice=randoms)
def test_cancelling_as_it_starts(teller: Teller, choice: Random) -> None:
    """Tasks are cancelled at the age at which such tasks start, among pollers, and watched past their natural end."""
    _shots(teller, choice, "start")


@pytest.mark.aims("RACE-3")
@pytest.mark.stories(3)
@pytest.mark.parametrize("state", _LIVE)
@given(choice=randoms, form=dealt(FORMS))
def test_polling_while_it_is_cancelled(teller: Teller, state: State, choice: Random, form: Form) -> None:
    """Pollers ask by both identifiers shortly before, during and after a cancel, each on a connection of its own."""
    most = teller.at_once
    story = teller.story()
    task = story.task(state)
    pollers = [_poller(task, choice) for _ in range(most - 1)]
    story.at_once(cancelling(task, form, after=choice.random() * _WIDTH), *pollers)
    for _ in range(3):
        story.query(task, form=choice.choice((Form.TASK_ID, Form.OUT_TASK_ID)), fresh=True)
    story.verify()


@pytest.mark.aims("RACE-5", "ISO-1", "ISO-2")
@pytest.mark.stories(3)
@pytest.mark.parametrize("state", _LIVE)
@given(choice=randoms, mine=dealt(FORMS), theirs=dealt(FORMS))
def test_cancelling_beside_another_key(teller: Teller, state: State, choice: Random, mine: Form, theirs: Form) -> None:
    """The owner and another key cancel one task at once, now the one a little earlier and now the other."""
    most = teller.at_once
    for other in teller.others():
        story = teller.story()
        task = story.task(state)
        story.query(task)
        calls = [cancelling(task, mine, after=choice.choice((0.0, _WIDTH)))]
        calls += [cancelling(task, theirs, role=other, after=choice.choice((0.0, _WIDTH / 2))) for _ in range(most - 1)]
        choice.shuffle(calls)
        story.at_once(*calls)
        story.query(task, fresh=True)
        own = story.task(role=other)
        story.cancel(by(theirs, own), role=other)
        story.verify()


@pytest.mark.aims("RACE-6")
@pytest.mark.stories(6)
@given(choice=randoms)
def test_cancelling_while_it_is_submitted(teller: Teller, choice: Random) -> None:
    """A task is cancelled by its name while it is being submitted, sooner and later; what was missed is cancelled."""
    aim = teller.run.aims.setdefault("submit", Aim(_FINE, _FINE))
    delays = [aim.age, *(choice.random() * _WIDTH for _ in range(min(2, teller.at_once - 2)))]
    story = teller.story()
    task, cancels = story.submit_beside(fresh_identifier(), *delays)
    aim.correct(early=cancels[0].answer is not None and cancels[0].answer.status == 404)  # noqa: PLR2004 - unknown yet
    story.query(task, form=Form.OUT_TASK_ID, fresh=True)
    story.query(task, fresh=True)
    story.cancel(by(Form.OUT_TASK_ID, task))
    story.query(task)
    story.verify()


def _poller(task: Task, choice: Random, width: float = _WIDTH) -> Timed:
    form = choice.choice((Form.TASK_ID, Form.OUT_TASK_ID))
    return asking(task, form=form, after=choice.random() * 2 * width)


def _shots(teller: Teller, choice: Random, step: Step) -> None:
    """A scout shows when such tasks take the step; then one task after the other is cancelled at that age."""
    most, story = teller.at_once, teller.story(alone=True)
    story.account()
    known = teller.run.aims.get(step)
    aim = teller.run.aims[step] = known if known and choice.random() < _TRUSTED else _scouted(teller, story, step)
    round_trip = min(each.ended_at - each.sent_at for each in story.exchanges)
    ready = max(_READY, 4 * round_trip)
    together = max(1, min(_SHOTS, int(aim.age * _FILLED / (2 * ready))))
    for _ in range(2 if step == "start" else 1):
        for first in range(0, _SHOTS, together):
            batch = []
            for index in range(first, min(first + together, _SHOTS)):
                batch.append(story.begin(State.COMPLETED, variant=index, races=step))
                time.sleep(2 * ready if together > 1 else 0)
            for task in batch:
                _shoot(story, task, aim, choice, ready=ready, pollers=most - 1)
        story.account()
        story.look()
        story.wait_out(_WORTH_WAITING)
        story.look()
        story.account()
    story.verify()


def _shoot(story: Telling, task: Task, aim: Aim, choice: Random, *, ready: float, pollers: int) -> None:
    """Cancel a task at the age aimed at, with pollers around that instant, and correct the aim by what came of it."""
    assert task.submitted_at is not None  # noqa: S101 - the story submitted it
    width = max(_WIDTH, aim.step)
    start_at = max(0.0, task.submitted_at + aim.age - width)
    time.sleep(max(0.0, start_at - ready - time.monotonic()))
    calls = [_poller(task, choice, width) for _ in range(pollers)]
    cancel, *polls = story.at_once(cancelling(task, choice.choice(FORMS), after=width), *calls, start_at=start_at)
    ended = story.shows(cancel)
    if task.races == "end" and ended is not None:
        aim.correct(early=ended is State.CANCELLED)
    elif ended is not None:
        aim.correct(early=not any(story.shows(poll) is State.RUNNING for poll in polls))


def _scouted(teller: Teller, story: Telling, step: Step) -> Aim:
    """Watch one task closely until it takes the step.

    Raises:
        OutOfReach: it does not.
    """
    scout = story.begin(State.COMPLETED, variant=0, races=step)
    born = scout.submitted_at or time.monotonic()
    lasts = teller.run.provision.lasted(State.COMPLETED) or 0.0
    before = LIVE if step == "end" else {State.PENDING}
    low, patience = 0.0, born + max(_PATIENCE, 3 * lasts)
    while time.monotonic() < patience:
        read = story.query(scout)
        state = story.shows(read)
        if state is not None and state not in before:
            high = read.ended_at - born
            story.cancel(by(Form.PATH, scout))
            return Aim((low + high) / 2, max((high - low) / 2, _FINE))
        low = read.sent_at - born if state is not None else low
        far = step == "end" and time.monotonic() - born < lasts * _FILLED
        time.sleep(lasts / 20 if far else max(_FINE, lasts / 200 if step == "end" else low / 50))
    raise OutOfReach(f"a task was watched for {patience - born:.0f} s and did not {step}")
