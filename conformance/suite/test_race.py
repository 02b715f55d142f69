"""Stories of calls that meet: cancels with each other, with pollers, with another key, with what the task does itself.

Simultaneous calls leave together, each on a connection of its own. Those that are aimed at a step of the task's own
are sent where the step was seen before, and the aim is corrected after each.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given

from conformance.exchange import Form
from conformance.states import LIVE, State
from conformance.strategies import FORMS, dealt, either, randoms
from conformance.target.call import Timed, asking, by, cancelling
from conformance.target.provision import AUTO, OutOfReach, fresh_identifier
from conformance.windows import Step, raced, stretch

if TYPE_CHECKING:
    from random import Random

    from conformance.lawful import Task
    from conformance.teller import Teller, Telling
    from conformance.windows import Stretch

_LIVE = (State.PENDING, State.RUNNING)
_MOST_ROUNDS = 4
_ROUNDS: Final[dict[Step, int]] = {"start": 2, "end": 1}
_SHOTS: Final[dict[Step, int]] = {"start": 4, "end": 6}
_WIDTH = 0.003
_FINE = 0.001
_READY = 0.02
_FILLED = 0.8
_SPACE = 1.5
"""Between two volleys, in units of what it takes to make one ready."""

_LOOKED_AT = 0.5
_LISTENED_TO = 0.25
_PATIENCE = 30.0
_WORTH_WAITING = 4.0


@pytest.mark.aims("RACE-1", "BILL-8", "NOTIFY-2")
@pytest.mark.stories(2)
@pytest.mark.quiet
@pytest.mark.parametrize("state", _LIVE)
@pytest.mark.parametrize("variant", [0, 1, 2])
@given(choice=randoms, named=either())
def test_cancelling_at_once(teller: Teller, state: State, variant: int, choice: Random, named: bool) -> None:
    """Several cancels of one task leave together, and once more when it has ended; the account is read at once."""
    story = teller.story(alone=True)
    story.account()
    task = story.begin(state, variant=variant, out=AUTO if named else None, callback=not variant)
    if state is State.RUNNING:
        story.wait(task)
    for again in (False, True):
        calls = [cancelling(task, choice.choice(FORMS)) for _ in range(teller.most_at_once)]
        story.at_once(*calls[: 3 if again else None])
        if choice.random() < _LOOKED_AT:
            story.query(task, fresh=True)
        story.account()
    story.query(task, fresh=True)
    story.account()
    story.verify()


@pytest.mark.aims("RACE-1", "BILL-8", "BILL-9")
@pytest.mark.stories(5)
@pytest.mark.quiet
@given(choice=randoms)
def test_cancelling_several_tasks_at_once(teller: Teller, choice: Random) -> None:
    """Tasks of different prices are cancelled together, some twice; the account adds up."""
    story = teller.story(alone=True)
    story.account()
    most = teller.most_at_once
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
@pytest.mark.quiet
@pytest.mark.parametrize("state", _LIVE)
@given(choice=randoms, form=dealt(FORMS))
def test_polling_while_it_is_cancelled(teller: Teller, state: State, choice: Random, form: Form) -> None:
    """Pollers ask by both identifiers shortly before, during and after a cancel, each on a connection of its own."""
    story = teller.story()
    task = story.task(state)
    if choice.random() < _LISTENED_TO:
        story.listen(task)
    pollers = [_poller(task, choice) for _ in range(teller.most_at_once - 1)]
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
    most = teller.most_at_once
    for other in teller.others():
        story = teller.story()
        task = story.task(state)
        story.query(task)
        together = choice.choice((0.0, _WIDTH / 2))
        others = [together, *(choice.random() * _WIDTH for _ in range(most - 2))]
        calls = [cancelling(task, mine, after=together)]
        calls += [cancelling(task, theirs, role=other, after=after) for after in others]
        choice.shuffle(calls)
        story.at_once(*calls)
        story.query(task, fresh=True)
        own = story.task(role=other)
        story.cancel(by(theirs, own), role=other)
        story.verify()


@pytest.mark.aims("RACE-6")
@pytest.mark.stories(10)
@given(choice=randoms, prompt=either())
def test_cancelling_while_it_is_submitted(teller: Teller, choice: Random, prompt: bool) -> None:
    """A task is cancelled by its name while it is being submitted, sooner and later; what was missed is cancelled."""
    delays = [choice.random() * _WIDTH for _ in range(choice.choice((1, 1, min(3, teller.most_at_once - 1))))]
    if prompt:
        delays = [0.0, *delays][: teller.most_at_once - 1]
    story = teller.story()
    task = story.submit_beside(fresh_identifier(), *delays)
    story.query(task, form=Form.OUT_TASK_ID, fresh=True)
    story.query(task, fresh=True)
    story.cancel(by(Form.OUT_TASK_ID, task))
    story.query(task)
    story.verify()


def _poller(task: Task, choice: Random, width: float = _WIDTH) -> Timed:
    form = choice.choice((Form.TASK_ID, Form.OUT_TASK_ID))
    return asking(task, form=form, after=choice.random() * 2 * width)


def _shots(teller: Teller, choice: Random, step: Step) -> None:
    """A scout shows when such tasks take the step; others are cancelled about that age, one after the other."""
    story = teller.story(alone=True)
    story.account()
    lasts = teller.run.provision.lasted(State.COMPLETED)
    if lasts is None:
        raise OutOfReach("no task was seen to complete by itself, so no cancel can be aimed at what it does on the way")
    scout = _scout(story, step)
    round_trip = min(each.ended_at - each.sent_at for each in story.exchanges)
    ready = max(_READY, 4 * round_trip)
    brief = teller.run.order.depth.stories < 1
    shots, rounds = (_SHOTS[step] // 2, 1) if brief else (_SHOTS[step], _ROUNDS[step])
    apart = _SPACE * ready + max(each.ended_at - each.sent_at for each in story.exchanges)
    beside = step == "end" and shots * apart < lasts * _FILLED  # then all are submitted before the scout takes the step
    if not beside:
        _watch(story, scout, lasts)
    age = lasts if beside else _aim(story, step).low
    together = max(1, min(shots, int(age * _FILLED / apart)))
    for number in range(_MOST_ROUNDS):
        if number >= rounds and any(met for _, _, met in raced(story.told(), step)):
            break
        for first in range(0, shots, together):
            batch = []
            for index in range(first, min(first + together, shots)):
                time.sleep(_SPACE * ready if together > 1 else 0)
                batch.append(story.begin(State.COMPLETED, variant=index, races=step))
            if beside and number == first == 0:
                _watch(story, scout, lasts)
            for task in batch:
                _shoot(story, task, choice, round_trip=round_trip, pollers=teller.most_at_once - 1)
        story.account()
        story.look()
        story.wait_out(0.0 if brief else _WORTH_WAITING)  # what comes with their natural end comes by itself
        story.look()
        story.account()
    story.verify()


def _scout(story: Telling, step: Step) -> Task:
    """A task that is left alone until it has taken the step.

    Raises:
        OutOfReach: it cannot be submitted.
    """
    scout = story.begin(State.COMPLETED, variant=0, races=step)
    if scout.submitted_at is None:
        raise OutOfReach("a race begins with a submit; write [states.completed] submit beside the hook")
    return scout


def _watch(story: Telling, scout: Task, lasts: float) -> None:
    """Ask for the scout, ever more often towards the step, until it has taken it; then cancel it.

    Raises:
        OutOfReach: it does not take it.
    """
    assert scout.submitted_at is not None  # noqa: S101 - it would be no scout
    to_end = scout.races == "end"
    before = LIVE if to_end else {State.PENDING}
    patience = max(_PATIENCE, 3 * lasts)
    while (age := time.monotonic() - scout.submitted_at) < patience:
        state = story.shows(story.query(scout))
        if state is not None and state not in before:
            story.cancel(by(Form.PATH, scout))
            return
        far = to_end and age < lasts * _FILLED
        time.sleep(lasts / 20 if far else max(_FINE, lasts / 200 if to_end else age / 50))
    raise OutOfReach(f"a task was watched for {patience:.0f} s and did not {scout.races}")


def _shoot(story: Telling, task: Task, choice: Random, *, round_trip: float, pollers: int) -> None:
    """Cancel a task about the age at which such tasks were seen to take the step, with pollers around that instant."""
    assert task.submitted_at is not None  # noqa: S101 - the scout's was known, and this one is like it
    assert task.races  # noqa: S101 - likewise
    aim = _aim(story, task.races)
    age = aim.low - round_trip + choice.random() * (aim.high - aim.low + round_trip)
    width = max(_WIDTH, aim.high - aim.low)
    start_at = task.submitted_at + age - width
    time.sleep(max(0.0, start_at - max(_READY, 4 * round_trip) - time.monotonic()))
    calls = [_poller(task, choice, width) for _ in range(pollers)]
    story.at_once(cancelling(task, choice.choice(FORMS), after=width), *calls, start_at=start_at)


def _aim(story: Telling, step: Step) -> Stretch:
    """The ages between which such tasks take the step, by all that the story has seen so far."""
    where = stretch(story.told(), step)
    assert where is not None  # noqa: S101 - the scout was seen to take it
    return where
