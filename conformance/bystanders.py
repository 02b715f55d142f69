"""Tasks that end by themselves, and are left alone while others are cancelled: whether they get to their end.

Nothing says when a task must have ended. But where one submitted later, by the same recipe, has long ended, and where
that happens each time that cancels were sent beside, and never where none were, it is the cancels that kept it from its
work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from conformance.lawful import Task
from conformance.states import ENDS_BY_ITSELF, LIVE, State
from conformance.story import OFTEN, Moment, Story

PATIENCE = 2.0
"""How much longer than a later one took, in units of that, a task is waited for before it counts as kept."""


@dataclass(frozen=True)
class Bystander:
    """A task that nothing has ended, and what was seen of it: the calls sent beside, and the last read that tells.

    It was `kept` from its end where it was seen live long after a later one of its kind had ended by itself.
    """

    task: Task
    beside: tuple[Moment, ...]
    last: Moment
    kept: bool


def bystanders(story: Story) -> list[Bystander]:
    """Those of the story's tasks that were submitted before another of their kind, in the order of their submits."""
    found: list[Bystander] = []
    for kind, role in sorted({(task.wanted, task.role) for task in story.tasks if task.wanted in ENDS_BY_ITSELF}):
        tasks = [task for task in story.tasks if (task.wanted, task.role) == (kind, role) and task.submitted_at]
        alone = [task for task in tasks if not _was_cancelled(story, task, tasks[-1])]
        found += [each for one, next_ in pairwise(alone) if (each := _bystander(story, one, next_)) is not None]
    return sorted(found, key=lambda each: each.task.submitted_at or 0.0)


def are_kept(seen: list[Bystander]) -> bool:
    """Whether it is the calls beside that kept bystanders from their end, and no chance.

    Each of those that calls were sent beside was kept, none of the others, and they came in turns.
    """
    disturbed = [index for index, each in enumerate(seen) if each.beside]
    in_turns = all(later - earlier > 1 for earlier, later in pairwise(disturbed))
    return len(disturbed) >= OFTEN and in_turns and all(each.kept is bool(each.beside) for each in seen)


def _bystander(story: Story, task: Task, later: Task) -> Bystander | None:
    """A task with one of its kind that was submitted later, if both were seen."""
    reads, ends = story.reads_of(task), _ends_of(story, later)
    end = next(ends, None)
    if not reads or end is None or task.submitted_at is None or later.submitted_at is None:
        return None
    lasted = end.exchange.ended_at - later.submitted_at
    long_after = end.exchange.ended_at + PATIENCE * lasted
    beside = [
        each
        for each in (*story.cancels, *story.probes)
        if task.submitted_at <= each.exchange.sent_at and each.exchange.ended_at <= later.submitted_at
    ]
    live = [each for each in reads if each.state in LIVE and each.exchange.sent_at >= long_after]
    return Bystander(task, tuple(beside), live[-1] if live else reads[-1], kept=live != [])


def _was_cancelled(story: Story, task: Task, last: Task) -> bool:
    """Whether a call may have ended the task before the last one was submitted: after that, all are ended."""
    before = [each for each in story.cancels if each.exchange.sent_at < (last.submitted_at or 0.0)]
    return any(each.may_have_acted(task) for each in before)


def _ends_of(story: Story, task: Task) -> Iterator[Moment]:
    return (each for each in story.endings_of(task) if each.state is not State.CANCELLED)
