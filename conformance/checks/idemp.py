"""IDEMP: cancelling what has ended, once and again."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.findings import answered, broken, difference, held, unavailable
from conformance.checks.registry import check
from conformance.lawful import Task
from conformance.states import TERMINAL, State
from conformance.story import OK, Moment, Story
from conformance.verdict import Judgement, Outcome


@check("IDEMP-1")
def completed_tasks_answer_200(story: Story) -> Iterator[Judgement]:
    """A cancel of a completed task answers 200 `completed`."""
    yield from _answers_with(story, State.COMPLETED)


@check("IDEMP-2")
def failed_tasks_answer_200(story: Story) -> Iterator[Judgement]:
    """A cancel of a failed task answers 200 `failed`."""
    yield from _answers_with(story, State.FAILED)


@check("IDEMP-3")
def cancelled_tasks_answer_200(story: Story) -> Iterator[Judgement]:
    """A cancel of a cancelled task answers 200 `cancelled`."""
    yield from _answers_with(story, State.CANCELLED)


@check("IDEMP-4")
def terminal_tasks_do_not_move(story: Story) -> Iterator[Judgement]:
    """Query before, cancel's answer and query after show the same task."""
    for moment, task in _on_ended(story):
        last = moment.last_read(task)
        answered_with_it = moment.status == OK and moment.shows(task)
        if answered_with_it:
            yield _same(moment, last)
        for read in moment.later_reads(task):
            if read.shows(task):
                judgement = _same(read, last)
                if answered_with_it or judgement.outcome is Outcome.BROKEN:
                    yield judgement
                break


@check("IDEMP-5")
def further_cancels_answer_the_same(story: Story) -> Iterator[Judgement]:
    """Every cancel after one that was answered gives the same answer, in any form and at any later time.

    One after another whose answer was lost is no other: it is owed a 200, whether that has ended the task or not.
    """
    accepted: dict[str, list[Moment]] = {}
    for moment in story.cancels:
        task = moment.task
        if task is None or not moment.certain:
            continue
        before = accepted.setdefault(task.task_id, [])
        earlier = next((each for each in before if each.exchange.ended_at <= moment.exchange.sent_at), None)
        if earlier is not None:
            yield unavailable(moment) if moment.exchange.unavailable else _same(moment, earlier)
        elif moment.status != OK and not moment.exchange.unavailable and _repeats_a_lost_one(moment, task):
            yield broken(moment, f"200 showing task {task.task_id} in a terminal state", answered(moment))
        if moment.status == OK and moment.shows(task) and moment.state in TERMINAL:
            before.append(moment)


def _repeats_a_lost_one(moment: Moment, task: Task) -> bool:
    """Whether the task may have ended by an earlier cancel, and it is not certain in which state it was met."""
    earlier = (each for each in moment.story.stops_of(task) if each.exchange.ended_at <= moment.exchange.sent_at)
    return any(earlier) and not moment.before(task) <= TERMINAL


def _on_ended(story: Story) -> Iterator[tuple[Moment, Task]]:
    """The cancels of tasks that had certainly ended."""
    for moment in story.cancels:
        if moment.certain and moment.task is not None and moment.before(moment.task) <= TERMINAL:
            yield moment, moment.task


def _answers_with(story: Story, state: State) -> Iterator[Judgement]:
    for moment, task in _on_ended(story):
        if moment.before(task) != {state}:
            continue
        if moment.exchange.unavailable:
            yield unavailable(moment)
        elif moment.status == OK and moment.shows(task) and moment.state is state:
            yield held(moment)
        else:
            yield broken(moment, f"200 with status {state}", answered(moment))


def _same(moment: Moment, earlier: Moment | None) -> Judgement:
    assert earlier is not None  # noqa: S101 - certainly ended means that a query said so
    if moment.status == OK and moment.story.same(moment.document, earlier.document):
        return held(moment)
    return broken(moment, f"the task as exchange {earlier.exchange.number} showed it", difference(moment, earlier))
