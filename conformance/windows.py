"""The windows of a race: which calls really met, and whether a cancel really met the step that it was aimed at.

From outside nobody sees the instant at which a task starts or ends. What is seen is a stretch of its age: the greatest
age at which a task of this kind was still told to be before the step, and the least at which one was told to be past
it. A task is born at some instant of its submit, so every age is known to within that. A cancel that may have been
under way in the stretch may have met the step, and its race was run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final, Literal

from conformance.exchange import Form
from conformance.lawful import Acts, Task
from conformance.states import ENDS_BY_ITSELF, LIVE, State, States
from conformance.story import OFTEN, OK, Moment, Story

Step = Literal["start", "end"]
"""A step that a task takes by itself."""


class RaceWindow(StrEnum):
    """A way in which a cancel meets something else, as a report names it."""

    BEFORE_START = "before the start"
    AT_START = "at the start"
    RUNNING = "during the run"
    WON = "across completion, won"
    LOST = "across completion, lost"
    TWICE = "twice at once"
    POLLER = "beside a poller"
    OTHER_KEY = "beside another key"
    SUBMIT = "beside the submit"


NEEDED: Final = {
    RaceWindow.BEFORE_START: "a body whose task waits some seconds; write it in [states.pending]",
    RaceWindow.AT_START: "a body whose task starts at a steady age; write it in [states.completed]",
    RaceWindow.RUNNING: "a body whose task runs some seconds; write it in [states.running]",
    RaceWindow.WON: "a body whose task completes at a steady age, in [states.completed], and credits for more tries",
    RaceWindow.LOST: "a body whose task completes at a steady age, in [states.completed], and credits for more tries",
    RaceWindow.TWICE: "limits.in_flight of at least 2",
    RaceWindow.POLLER: "limits.in_flight of at least 2",
    RaceWindow.OTHER_KEY: "limits.in_flight of at least 2, and a second key in [keys.other]",
    RaceWindow.SUBMIT: "limits.in_flight of at least 2",
}
"""What would hit a window that was never hit."""

_SERVER_ERROR: Final = range(500, 600)
_BEFORE: Final[dict[str, States]] = {"start": frozenset({State.PENDING}), "end": LIVE}
_PAST: Final[dict[str, States]] = {"start": frozenset({State.RUNNING}) | ENDS_BY_ITSELF, "end": ENDS_BY_ITSELF}


@dataclass(frozen=True)
class Stretch:
    """The ages, in seconds, between which tasks of one kind take a step, as far as a story has seen it."""

    low: float
    high: float

    def meets(self, moment: Moment, task: Task) -> bool:
        """Whether `moment` may have been under way while `task` was of such an age."""
        born, known = _birth(moment.story, task)
        return moment.exchange.sent_at - known <= self.high and moment.exchange.ended_at - born >= self.low


def stretch(story: Story, step: Step) -> Stretch | None:
    """When the tasks that race a step take it; none where the story saw none of them past it.

    No task takes a step before it is submitted.
    """
    early, late = [0.0], []
    for task in story.tasks:
        if task.races != step or task.submitted_at is None:
            continue
        born, known = _birth(story, task)
        for seen in (*story.submits_showing(task), *story.reads_of(task), *story.stops_showing(task)):
            if seen.state in _BEFORE[step] or (step == "end" and seen.state is State.CANCELLED and _is_cancel(seen)):
                early.append(seen.exchange.sent_at - known)
            elif seen.state in _PAST[step]:
                late.append(seen.exchange.ended_at - born)
    if not late:
        return None
    return Stretch(*sorted((max(early), min(late))))


def raced(story: Story, step: Step) -> Iterator[tuple[Moment, Task, bool]]:
    """The first cancel of each task that races a step, and whether it may have met that."""
    where = stretch(story, step)
    for task in (each for each in story.tasks if each.races == step):
        first = next((each for each in story.cancels if each.certain and each.task is task), None)
        if first is not None:
            last = first.last_read(task) or next(iter(story.submits_showing(task)), None)
            over = last is not None and last.state in _PAST[step]
            yield first, task, where is not None and not over and where.meets(first, task)


def overlapping(one: Moment, other: Moment) -> bool:
    """Whether two calls were under way at the same time."""
    return (
        one is not other
        and one.exchange.sent_at < other.exchange.ended_at
        and other.exchange.sent_at < one.exchange.ended_at
    )


def twins(story: Story) -> Iterator[tuple[Moment, Task, list[Moment]]]:
    """Each cancel of a task that others of the same task overlap, with those; all of them plain, by its owner."""
    sure = [moment for moment in story.plain_cancels if moment.certain]
    for moment in sure:
        others = [each for each in sure if each.task is moment.task and overlapping(moment, each)]
        if others and moment.task is not None:
            yield moment, moment.task, others


def clashing(story: Story) -> bool:
    """Whether each time that the first cancels of a task met, one got a 5xx, and ordinary ones between never did.

    Those between name nobody's task. Then it is that they meet, and no trouble of the infrastructure (ruling R17).
    """
    meetings = [each for task in story.tasks if (each := _first_meeting(story, task))]
    ordinary = [moment for moment in story.plain_cancels if moment.task is None]
    between = [each for each in ordinary if any(overlapping(each, other) for other in ordinary)]
    spared = not any(each.exchange.unavailable for each in between)
    turns = [any(each.lies_between(first[-1], second[0]) for each in between) for first, second in pairwise(meetings)]
    failed = all(any(each.status in _SERVER_ERROR for each in meeting) for meeting in meetings)
    return failed and spared and len(meetings) >= OFTEN and all(turns)


def _first_meeting(story: Story, task: Task) -> list[Moment]:
    """The first cancel of a task and those that it met, the last to be answered last; none, if it met none."""
    cancels = [each for each in story.plain_cancels if each.certain and each.task is task]
    met = [each for each in cancels[1:] if overlapping(cancels[0], each)]
    return [cancels[0], *sorted(met, key=lambda each: each.exchange.ended_at)] if met else []


def beside_pollers(story: Story) -> Iterator[tuple[Task, Moment]]:
    """The tasks of which a cancel was under way together with a query, and each such cancel."""
    for moment, task in story.answered_cancels:
        if any(overlapping(moment, query) for query in story.queries_of(task)):
            yield task, moment


def beside_submits(story: Story) -> Iterator[tuple[Moment, Moment]]:
    """The cancels by `out_task_id` that were under way together with the submit of that name, and that submit."""
    for submit in story.submits:
        name = submit.exchange.request.named.out_task_id
        for moment in story.plain_cancels:
            named = moment.exchange.request.named
            same = named.form is Form.OUT_TASK_ID and named.identifier == name and moment.role == submit.role
            if same and overlapping(moment, submit):
                yield moment, submit


def beside_other_keys(story: Story) -> Iterator[tuple[Moment, Task, Moment]]:
    """The owner's cancels of a task that another key's cancel of it overlaps, and that one."""
    foreign = [each for each in story.plain_cancels if not any(isinstance(effect, Acts) for effect in each.effects)]
    for moment in story.plain_cancels:
        for other in foreign if moment.certain and moment.task is not None else ():
            named = other.exchange.request.named
            same = moment.task is not None and named.identifier in moment.task.identifiers and not named.extra
            if same and other.role != moment.role and moment.task and overlapping(moment, other):
                yield moment, moment.task, other


def hits(story: Story) -> dict[str, int]:
    """How often each window was hit in a story, by cancels that were answered."""
    found: Counter[RaceWindow] = Counter()
    for moment, task in story.answered_cancels:
        during = moment.during(task)
        last = moment.last_read(task)
        if State.PENDING in during and during <= {State.PENDING, State.CANCELLED}:
            found[RaceWindow.BEFORE_START] += 1
        elif last is not None and last.state is State.RUNNING and moment.state is State.CANCELLED:
            found[RaceWindow.RUNNING] += 1
    for moment, _, met in raced(story, "end"):
        if met and moment.status == OK:
            found[RaceWindow.WON if moment.state is State.CANCELLED else RaceWindow.LOST] += 1
    found[RaceWindow.AT_START] += sum(met and moment.status == OK for moment, _, met in raced(story, "start"))
    pairs: dict[RaceWindow, Callable[[Story], Iterator[tuple[object, ...]]]] = {
        RaceWindow.TWICE: twins,
        RaceWindow.POLLER: beside_pollers,
        RaceWindow.OTHER_KEY: beside_other_keys,
        RaceWindow.SUBMIT: beside_submits,
    }
    for window, meetings in pairs.items():
        found[window] += sum(1 for _ in meetings(story))
    return {window.value: times for window, times in found.items() if times}


def _birth(story: Story, task: Task) -> tuple[float, float]:
    """The instants between which a task was made: when its submit was sent, and when that was answered."""
    born = task.submitted_at or 0.0
    return born, max(born, story.known_at(task))


def _is_cancel(moment: Moment) -> bool:
    return moment in moment.story.cancels
