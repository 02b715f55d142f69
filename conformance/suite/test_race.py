"""Stories of calls that meet: cancels with each other, with pollers, with another key, with what the task does itself.

Simultaneous calls leave together, each on a connection of its own. Those that are aimed at a step of the task's own
are sent where the step was seen before, and the aim is corrected after each.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given

from conformance.exchange import Form
from conformance.lawful import Task
from conformance.states import LIVE, TERMINAL, State
from conformance.strategies import FORMS, dealt, either, randoms
from conformance.target.call import Timed, asking, by, cancelling
from conformance.target.callback import Reply
from conformance.target.provision import AUTO, OutOfReach, fresh_identifier
from conformance.windows import Step, raced, stretch

if TYPE_CHECKING:
    from random import Random

    from conformance.exchange import Exchange
    from conformance.teller import Teller, Telling
    from conformance.windows import Stretch

_LIVE = (State.PENDING, State.RUNNING)
_MOST_ROUNDS = 4
_ENOUGH_MET = 2
"""So many cancels are to have met the step before a run of standard depth is content."""

_ROUNDS: Final[dict[Step, int]] = {"start": 2, "end": 1}
_SHOTS: Final[dict[Step, int]] = {"start": 4, "end": 6}
_MOST_SHOTS: Final = 10
"""That many at the end, where they fit into the life of one task."""

_WIDTH = 0.003
_FINE = 0.001
_READY = 0.02
_FILLED = 0.8
_COARSE = 0.1
_SPACE = 1.2
"""Between two volleys, in units of what one takes."""

_LOOKED_AT = 0.5
_LISTENED_TO = 0.25
_PATIENCE = 30.0
_ANSWERED = 0.1
_WORTH_WAITING = 4.0
_TURNS = 4
_SERVER_ERROR = 500


@pytest.mark.aims("RACE-2", "BILL-5", "BILL-6", "BILL-7")
@pytest.mark.stories(1)
@pytest.mark.quiet(payer="another")
@given(choice=randoms)
def test_cancelling_as_it_completes(teller: Teller, choice: Random) -> None:
    """Tasks are cancelled at the age at which such tasks complete, among pollers; the account adds up in the end.

    Those that were left alone are cancelled last, for the first time, and the account is read around that.
    """
    _shots(teller, choice, "end")


@pytest.mark.aims("RACE-4")
@pytest.mark.stories(1)
@pytest.mark.quiet(payer="another")
@given(choice=randoms)
def test_cancelling_as_it_starts(teller: Teller, choice: Random) -> None:
    """Tasks are cancelled at the age at which such tasks start, among pollers, and watched past their natural end."""
    _shots(teller, choice, "start")


@pytest.mark.aims("RACE-1", "BILL-8", "NOTIFY-2")
@pytest.mark.stories(2)
@pytest.mark.quiet(payer="another")
@pytest.mark.parametrize("state", _LIVE)
@pytest.mark.parametrize("variant", [0, 1, 2])
@given(choice=randoms, named=either())
def test_cancelling_at_once(teller: Teller, state: State, variant: int, choice: Random, named: bool) -> None:
    """Several cancels of one task leave together, and once more when it has ended; the account is read at once."""
    story = teller.story(alone=True)
    story.account()
    task = story.begin(state, variant=variant, out=AUTO if named else None, callback=None if variant else Reply.AT_ONCE)
    if state is State.RUNNING:
        story.wait(task)
    for again in (False, True):
        calls = [cancelling(task, choice.choice(FORMS)) for _ in range(teller.most_at_once)]
        heard = story.at_once(*calls[: 3 if again else None])
        if not again and _breaks_down(heard):
            _meet_in_turns(teller, story, state, choice)
        if choice.random() < _LOOKED_AT:
            story.query(task, fresh=True)
        story.account()
    story.query(task, fresh=True)
    story.account()
    story.verify()


def _meet_in_turns(teller: Teller, story: Telling, state: State, choice: Random) -> None:
    """Cancels of nobody's task and of one more task, as many at once, in turns: is it that they meet (ruling R17)?"""
    role, most = story.role, teller.most_at_once
    for _ in range(_TURNS):
        nobody = [Task(task_id=story.unknown(), out_task_id=None, role=role) for _ in range(most)]
        story.at_once(*(cancelling(each, Form.PATH) for each in nobody))
        task = story.task(state)
        if not _breaks_down(story.at_once(*(cancelling(task, choice.choice(FORMS)) for _ in range(most)))):
            return


def _breaks_down(heard: list[Exchange]) -> bool:
    """Whether one of some calls got a 5xx that may be the infrastructure's."""
    return any(each.unavailable and each.answer is not None and each.answer.status >= _SERVER_ERROR for each in heard)


@pytest.mark.aims("RACE-1", "BILL-8", "BILL-9")
@pytest.mark.stories(5)
@pytest.mark.quiet(payer="another")
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


@pytest.mark.aims("RACE-3")
@pytest.mark.stories(3)
@pytest.mark.calls(45)  # it takes as long
@pytest.mark.parametrize("state", _LIVE)
@given(choice=randoms, form=dealt(FORMS))
def test_polling_while_it_is_cancelled(teller: Teller, state: State, choice: Random, form: Form) -> None:
    """Pollers ask by both identifiers shortly before, during and after a cancel, each on a connection of its own.

    Then for another task, which is listened to, at all times that a cancel takes.
    """
    story = teller.story()
    task = story.task(state)
    if choice.random() < _LISTENED_TO:
        story.listen(task)
    pollers = [_poller(task, choice) for _ in range(teller.most_at_once - 1)]
    cancel, *_ = story.at_once(cancelling(task, form, after=choice.random() * _WIDTH), *pollers)
    for _ in range(3):
        story.query(task, form=choice.choice((Form.TASK_ID, Form.OUT_TASK_ID)), fresh=True)
    task = story.task(state)
    story.listen(task)
    gap = cancel.took / (teller.most_at_once - 1)
    story.at_once(cancelling(task, form), *(asking(task, after=gap * part) for part in range(1, teller.most_at_once)))
    story.query(task, fresh=True)
    story.verify()


@pytest.mark.aims("RACE-5", "ISO-1", "ISO-2")
@pytest.mark.several_keys
@pytest.mark.stories(3)
@pytest.mark.calls(30)  # it takes as long
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
        delays[0] = 0.0
    story = teller.story()
    task = story.submit_beside(fresh_identifier(), *delays)
    story.query(task, form=Form.OUT_TASK_ID, fresh=True)
    story.query(task, fresh=True)
    story.cancel(by(Form.OUT_TASK_ID, task))
    story.query(task)
    story.verify()


@pytest.mark.aims("BILL-9", "STATE-3")
@pytest.mark.stories(1)
@pytest.mark.calls(60)  # it takes as long
@given(form=dealt(FORMS))
def test_hanging_up_on_a_cancel(teller: Teller, form: Form) -> None:
    """Tasks are cancelled by callers who do not wait for the answer, and then by one who does.

    What it has cost is seen when the whole run is added up.
    """
    story = teller.story()
    tasks = [*story.tasks_in([State.RUNNING, State.RUNNING]), story.task()]
    for task in tasks:
        story.cancel_and_hang_up(by(form, task))
    teller.pause(_ANSWERED)
    story.look()
    for task in tasks:
        story.cancel(by(form, task))
    story.look()
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
    range_ = _Range(story, step, choice, lasts, teller.most_at_once - 1)
    doomed = _doomed(story) if step == "end" else []
    scout = range_.scout()
    range_.measure()
    brief = teller.run.order.depth.stories < 1
    shots, rounds, enough = (_SHOTS[step], _ROUNDS[step], _ENOUGH_MET) if not brief else (_SHOTS[step] // 2, 1, 1)
    if step == "end" and not brief:
        shots = min(max(shots, range_.room(lasts)), _MOST_SHOTS)
    beside = step == "end" and shots <= range_.room(lasts)  # then all are submitted before the scout takes the step
    if not beside:
        range_.watch(scout)
    for number in range(_MOST_ROUNDS):
        if number >= rounds and sum(met for _, _, met in raced(story.told(), step)) >= enough:
            break
        range_.fire(shots, beside=scout if beside and number == 0 else None)
        story.account()
        story.look()
        story.wait_out(0.0 if brief else _WORTH_WAITING)  # what comes with their natural end comes by itself
        story.look()
        story.account()
    if step == "end":
        _cancel_what_has_ended(story, choice, [*doomed, *range_.scouts])
    story.verify()


def _doomed(story: Telling) -> list[Task]:
    """A task that will have failed when the others have completed, where the target shows any."""
    try:
        return [story.begin(State.FAILED, variant=0)]
    except OutOfReach:
        return []


def _cancel_what_has_ended(story: Telling, choice: Random, tasks: list[Task]) -> None:
    """Cancel tasks that have ended by themselves and were never cancelled; the account is read around each cancel."""
    for task in tasks:
        if story.shows(story.query(task)) in TERMINAL:
            story.account()
            story.cancel(by(choice.choice(FORMS), task))
            story.account()
            story.query(task)
            story.account()


@dataclass
class _Range:
    """Where cancels are aimed at the `step` of tasks that last so many seconds, and `apart` seconds from each other."""

    story: Telling
    step: Step
    choice: Random
    lasts: float
    pollers: int
    round_trip: float = 0.0
    apart: float = 0.0
    scouts: list[Task] = field(default_factory=list)

    def measure(self) -> None:
        """Take from what the story has asked so far how long a call takes."""
        took = [each.took for each in self.story.exchanges]
        self.round_trip = min(took)
        self.apart = _SPACE * self.ready + median(took)

    @property
    def ready(self) -> float:
        """The seconds that it takes to make a volley ready."""
        return max(_READY, 4 * self.round_trip)

    def room(self, age: float) -> int:
        """How many tasks can be submitted, one after the other, before the first is of such an age."""
        return int(age * _FILLED / self.apart)

    def aim(self) -> Stretch:
        """The ages between which such tasks take the step, by all that the story has seen so far."""
        where = stretch(self.story.told(), self.step)
        assert where is not None  # noqa: S101 - the scout was seen to take it
        return where

    def scout(self) -> Task:
        """A task that is left alone until it has taken the step.

        Raises:
            OutOfReach: it cannot be submitted.
        """
        scout = self.story.begin(State.COMPLETED, variant=0, races=self.step)
        if scout.submitted_at is None:
            raise OutOfReach("a race begins with a submit; write [states.completed] submit beside the hook")
        self.scouts.append(scout)
        return scout

    def watch(self, scout: Task) -> None:
        """Ask for the scout, ever more often towards the step, until it has taken it; then cancel it, if it still runs.

        Raises:
            OutOfReach: it does not take it.
        """
        assert scout.submitted_at is not None  # noqa: S101 - it would be no scout
        to_end = self.step == "end"
        before = LIVE if to_end else {State.PENDING}
        patience = max(_PATIENCE, 3 * self.lasts)
        while (age := time.monotonic() - scout.submitted_at) < patience:
            state = self.story.shows(self.story.query(scout))
            if state is not None and state not in before:
                if not to_end:
                    self.story.cancel(by(Form.PATH, scout))
                return
            far = to_end and age < self.lasts * _FILLED
            time.sleep(self.lasts / 20 if far else max(_FINE, self.lasts / 200 if to_end else age / 50))
        raise OutOfReach(f"a task was watched for {patience:.0f} s and did not {self.step}")

    def fire(self, shots: int, *, beside: Task | None) -> None:
        """Submit so many tasks, as many at once as have room, and cancel each; a scout may live `beside` them."""
        together = shots if beside else max(1, min(shots, self.room(self.aim().low)))
        for first in range(0, shots, together):
            batch: list[Task] = []
            for index in range(first, min(first + together, shots)):
                time.sleep(self.apart if batch else 0)
                batch.append(self.story.begin(State.COMPLETED, variant=index, races=self.step))
            if beside and first == 0:
                self.watch(beside)
                if self.aim().high - self.aim().low > self.lasts * _COARSE:  # it was over before anybody looked
                    self.watch(self.scout())
            busy = [self.shoot(task) for task in batch]
            self.apart = max(self.apart, _SPACE * median(busy))

    def shoot(self, task: Task) -> float:
        """Cancel a task about the age at which such tasks take the step, with pollers around that instant.

        Where tasks start sooner than calls can be made ready to leave together, the cancel goes alone. How many seconds
        it took from when it had to begin.
        """
        assert task.submitted_at is not None  # noqa: S101 - the scout's was known, and this one is like it
        aim = self.aim()
        age = aim.low - self.round_trip + self.choice.random() * (aim.high - aim.low + self.round_trip)
        width = min(max(_WIDTH, aim.high - aim.low), _READY)
        start_at = task.submitted_at + age - width
        begins_at = start_at - self.ready
        time.sleep(max(0.0, begins_at - time.monotonic()))
        begun = time.monotonic()
        form = self.choice.choice(FORMS)
        if self.step == "start" and begun > begins_at + _FINE:
            time.sleep(max(0.0, start_at + width - begun))
            self.story.cancel(by(form, task))
            return time.monotonic() - begun
        calls = [_poller(task, self.choice, width) for _ in range(self.pollers)]
        self.story.at_once(cancelling(task, form, after=width), *calls, start_at=start_at)
        return time.monotonic() - begun
