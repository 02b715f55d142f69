"""What the users of a soak do again and again: short lawful lives, refusals, and calls that meet.

Each is a story like those of the suite, told among the stories of all other users. It judges nothing: that is done from
the journal when the load is over, so that judging does not slow down what is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from conformance.exchange import Form
from conformance.states import ENDS_BY_ITSELF, State
from conformance.target.call import Call, asking, by, cancelling, naming
from conformance.target.provision import fresh_identifier
from conformance.windows import stretch

if TYPE_CHECKING:
    from conformance.lawful import Task
    from conformance.teller import Teller, Telling

Deed = Callable[["Teller", Random], None]

_FORMS: Final = (Form.PATH, Form.TASK_ID, Form.OUT_TASK_ID)
_BY_TASK: Final = (Form.TASK_ID, Form.OUT_TASK_ID)
_VARIANTS: Final = 12
_TOGETHER: Final = 3
_OFTEN: Final = 0.5
_WIDTH: Final = 0.003
"""Seconds over which calls that are to meet are spread."""
_SHOTS: Final = 3
"""How many tasks are aimed at for one that was watched to its end."""


@dataclass(frozen=True)
class Habit:
    """Something that a user does again and again, `weight` times for each time of one that weighs 1."""

    name: str
    aims: tuple[str, ...]
    weight: int
    deed: Deed


HABITS: Final[list[Habit]] = []


def habit(*aims: str, weight: int) -> Callable[[Deed], Deed]:
    """Register a function as a habit of every user, in stories that aim at some rows."""

    def registered(deed: Deed) -> Deed:
        HABITS.append(Habit(deed.__name__, aims, weight, deed))
        return deed

    return registered


@habit(
    *("STATE-1", "STATE-3", "STATE-6", "IDENT-1", "IDENT-2", "IDENT-3", "IDEMP-3", "IDEMP-5", "BILL-1"),
    *("PARITY-1", "PARITY-2", "PARITY-3", "PARITY-4", "PARITY-5"),
    weight=6,
)
def cancelling_before_it_starts(teller: Teller, choice: Random) -> None:
    """A pending task is cancelled in one form and then in another, and asked for after each."""
    story = teller.story()
    _cancel_twice(story, story.begin(State.PENDING, variant=choice.randrange(_VARIANTS)), choice)
    story.verify()


@habit("STATE-2", "STATE-3", "STATE-6", "IDEMP-5", "BILL-3", "PARITY-2", weight=3)
def cancelling_while_it_runs(teller: Teller, choice: Random) -> None:
    """A task is watched until it runs, cancelled in one form and then in another, and asked for after each."""
    story = teller.story()
    task = story.begin(State.RUNNING, variant=choice.randrange(_VARIANTS))
    story.wait(task)
    _cancel_twice(story, task, choice)
    story.verify()


@habit("IDEMP-1", "IDEMP-2", "IDEMP-4", weight=2)
def cancelling_what_has_ended(teller: Teller, choice: Random) -> None:
    """A completed or failed task, which all users share, is asked for, cancelled, and asked for; this costs nothing."""
    story = teller.story()
    task = story.task(choice.choice(sorted(ENDS_BY_ITSELF)))
    story.query(task)
    story.cancel(by(choice.choice(_FORMS), task), fresh=choice.random() < _OFTEN)
    story.query(task, form=choice.choice(_BY_TASK), fresh=choice.random() < _OFTEN)
    story.verify()


@habit("IDENT-4", "IDENT-5", "IDENT-10", "ERR-1", weight=1)
def being_refused(teller: Teller, choice: Random) -> None:
    """Nothing is named that there is, and then too much is; the task that was named stays as it was."""
    story = teller.story()
    task = story.begin(State.PENDING, variant=choice.randrange(_VARIANTS))
    for form in _FORMS:
        story.cancel(naming(form, story.unknown(task)), fresh=choice.random() < _OFTEN)
    story.cancel(Call(body={"task_id": task.task_id, "out_task_id": task.out_task_id}))
    story.query(task)
    _cancel_twice(story, task, choice)
    story.verify()


@habit("RACE-1", weight=3)
def cancelling_at_once(teller: Teller, choice: Random) -> None:
    """Several cancels of one task leave together, in any forms."""
    story = teller.story()
    state = choice.choice((State.PENDING, State.RUNNING))
    task = story.begin(state, variant=choice.randrange(_VARIANTS))
    if state is State.RUNNING:
        story.wait(task)
    story.at_once(*(cancelling(task, choice.choice(_FORMS)) for _ in range(_some(teller))))
    story.query(task, fresh=True)
    story.verify()


@habit("RACE-3", weight=2)
def polling_while_it_is_cancelled(teller: Teller, choice: Random) -> None:
    """Pollers ask by both identifiers shortly before, during and after a cancel."""
    story = teller.story()
    task = story.begin(State.RUNNING, variant=choice.randrange(_VARIANTS))
    story.wait(task)
    pollers = [asking(task, form=form, after=choice.random() * 2 * _WIDTH) for form in _BY_TASK][: _some(teller) - 1]
    story.at_once(cancelling(task, choice.choice(_FORMS), after=choice.random() * _WIDTH), *pollers)
    for form in _BY_TASK:
        story.query(task, form=form, fresh=True)
    story.verify()


@habit("RACE-5", "ISO-1", "ISO-2", weight=2)
def cancelling_beside_another_key(teller: Teller, choice: Random) -> None:
    """Another key cancels a task, first alone and then beside the owner; it cancels one of its own, too."""
    other = choice.choice(teller.others())
    story = teller.story()
    task = story.begin(State.PENDING, variant=choice.randrange(_VARIANTS))
    form = choice.choice(_FORMS)
    story.cancel(by(form, task), role=other)
    story.query(task)
    calls = [cancelling(task, choice.choice(_FORMS)), cancelling(task, form, role=other)]
    choice.shuffle(calls)
    story.at_once(*calls)
    story.query(task, fresh=True)
    own = story.begin(State.PENDING, variant=choice.randrange(_VARIANTS), role=other)
    story.cancel(by(form, own), role=other)
    story.verify()


@habit("RACE-6", weight=2)
def cancelling_while_it_is_submitted(teller: Teller, choice: Random) -> None:
    """A task is cancelled by its name while it is being submitted; what was missed is cancelled afterwards."""
    story = teller.story()
    delays = [choice.random() * _WIDTH for _ in range(_some(teller) - 1)]
    task = story.submit_beside(fresh_identifier(), *delays)
    story.query(task, form=Form.OUT_TASK_ID, fresh=True)
    story.cancel(by(Form.OUT_TASK_ID, task))
    story.query(task)
    story.verify()


@habit("RACE-2", weight=1)
def cancelling_as_it_completes(teller: Teller, choice: Random) -> None:
    """One task is watched to its end, and shows when the next ones are to be cancelled, among pollers.

    What each of these shows corrects the aim at the next.
    """
    story = teller.story()
    story.wait(story.begin(State.COMPLETED, variant=0, races="end"))
    for _ in range(_SHOTS):
        aim = stretch(story.told(), "end")
        if aim is None:
            break
        task = story.begin(State.COMPLETED, variant=0, races="end")
        born = task.submitted_at or time.monotonic()
        teller.pause(max(0.0, born + choice.uniform(aim.low, aim.high) - time.monotonic()))
        pollers = [asking(task, after=choice.random() * _WIDTH) for _ in range(_some(teller) - 1)]
        story.at_once(cancelling(task, choice.choice(_FORMS)), *pollers)
        story.query(task, fresh=True)
    story.verify()


def _cancel_twice(story: Telling, task: Task, choice: Random) -> None:
    if choice.random() < _OFTEN:
        story.query(task, form=choice.choice(_BY_TASK))
    for form in choice.sample(_FORMS, 2):
        story.cancel(by(form, task), fresh=choice.random() < _OFTEN)
        story.query(task, form=choice.choice(_BY_TASK), fresh=choice.random() < _OFTEN)


def _some(teller: Teller) -> int:
    """How many calls leave together: few, for there are many users.

    Raises:
        OutOfReach: the profile allows one only.
    """
    return min(_TOGETHER, teller.most_at_once)


class Turns:
    """What one user does next: at random by weight, and for a while not what could not be done just now."""

    def __init__(self, choice: Random, rest: float = 1.0) -> None:
        self._choice = choice
        self._rest = rest
        self._until: dict[str, float] = {}

    def next(self, now: float) -> Habit | None:
        """A habit whose turn it is, none while all of them rest."""
        able = [each for each in HABITS if self._until.get(each.name, 0.0) <= now]
        return self._choice.choices(able, [each.weight for each in able])[0] if able else None

    def rest(self, tired: Habit, now: float) -> None:
        """A habit could not be told to its end: a state is out of reach, or the budget is spent."""
        self._until[tired.name] = now + self._rest
