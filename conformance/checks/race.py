"""RACE: what a cancel owes to those who call at the same time, and to the task that moves meanwhile.

Every order in which the overlapping calls may lawfully have taken effect is allowed; what none of them explains is
broken. Two facts carry most of it: a task has one terminal state and one price, whoever is told of them and whenever,
and what was answered before a call began cannot be undone for that call.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from conformance.account import Window, expected, readings
from conformance.checks.bill import charged, judged, same_charge
from conformance.checks.findings import acts, answered, broken, held, left_alone, not_found, refused_as, undecided
from conformance.checks.findings import unavailable as out_of_service
from conformance.checks.registry import check
from conformance.lawful import Refusal, Task
from conformance.states import TERMINAL
from conformance.story import OK, Moment, Notice, Story
from conformance.verdict import Judgement, Outcome
from conformance.windows import (
    Step,
    beside_other_keys,
    beside_pollers,
    beside_submits,
    clashing,
    raced,
    twins,
)

_NOT_MET = {
    "end": "no cancel of this story was under way when such a task completed",
    "start": "no cancel of this story was under way when such a task started",
}
_NOT_FOUND = 404
_SERVER_ERRORS = range(500, 600)


@check("RACE-1")
def simultaneous_cancels_answer_alike(story: Story) -> Iterator[Judgement]:
    """Each of several simultaneous cancels answers 200, and all of them with one terminal state and one charge.

    A 5xx that comes whenever they meet, and at no meeting of others between, is an answer of the target's own (R17).
    """
    for moment, task, others in twins(story):
        if moment.status in _SERVER_ERRORS and clashing(story):
            yield broken(moment, f"200 showing task {task.task_id} in a terminal state", answered(moment))
            continue
        told = _ended(moment, task)
        if told is not None:
            yield told
            continue
        for other in others:
            if _ended(other, task) is None:
                yield _alike(moment, other)


@check("RACE-2")
def one_side_of_a_race_with_completion_wins(story: Story) -> Iterator[Judgement]:
    """A cancel that meets completion: its answer, every query and the account tell of one end, and of one price."""
    yield from _one_end(story, "end")


@check("RACE-3")
def what_was_told_is_not_taken_back(story: Story) -> Iterator[Judgement]:
    """Once anybody was told a terminal state of a task that is polled and cancelled, no later call sees another."""
    tasks = {task.task_id: task for task, _ in beside_pollers(story)}
    for task in tasks.values():
        observers = sorted(_observers(story, task), key=lambda each: each.exchange.sent_at)
        for seen in observers:
            ended = (each for each in (*observers, *_told_unasked(story, task)) if each.state in TERMINAL)
            told = [each for each in ended if each.exchange.ended_at <= seen.exchange.sent_at]
            other = next((each for each in told if each.state is not seen.state), None)
            if other is not None:
                wanted = (
                    f"status {other.state}, as exchange {other.exchange.number} was answered before this call began"
                )
                yield broken(seen, wanted, f"status {seen.state}")
            elif told:
                yield held(seen)


@check("RACE-4")
def a_race_with_the_start_has_one_end(story: Story) -> Iterator[Judgement]:
    """A cancel that meets the start: the task has ended, and what it shows to have cost is what the account lost."""
    yield from _one_end(story, "start")


@check("RACE-5")
def a_foreign_cancel_beside_the_owners_is_refused(story: Story) -> Iterator[Judgement]:
    """The owner's cancel answers 200 and another key's 404, whichever came first."""
    for moment, task, other in beside_other_keys(story):
        yield acts(moment, task)
        yield not_found(other)


@check("RACE-6")
def a_cancel_beside_the_submit_finds_all_or_nothing(story: Story) -> Iterator[Judgement]:
    """A cancel by the name of a task that is being submitted: 404, and the task goes on; or 200, and it has ended."""
    for moment, submit in beside_submits(story):
        name = submit.exchange.request.named.out_task_id
        task = next((each for each in story.tasks if each.out_task_id == name and each.role == submit.role), None)
        if task is None or moment.exchange.unavailable:
            yield out_of_service(moment)
        elif any(refused_as(moment, effect) for effect in moment.effects if isinstance(effect, Refusal)):
            yield left_alone(moment, task)
        elif moment.status != OK or not moment.shows(task) or moment.state not in TERMINAL:
            yield broken(moment, f"404 task_not_found, or 200 showing task {task.task_id} ended", answered(moment))
        else:
            yield _whole(moment, task)


def _one_end(story: Story, step: Step) -> Iterator[Judgement]:
    race = list(raced(story, step))
    for moment, task, met in race:
        told = _ended(moment, task) or _contradiction(story, moment, task)
        if told is not None:
            yield told
        else:
            yield held(moment) if met else undecided(moment, _NOT_MET[step])
    met_once = any(met for _, _, met in race)
    paid = _paid(story, race[-1][0]) if race else ()
    yield from (each for each in paid if met_once or each.outcome is Outcome.BROKEN)


def _ended(moment: Moment, task: Task) -> Judgement | None:
    """What is wrong with an answer that should show the task ended."""
    if moment.exchange.unavailable:
        return out_of_service(moment)
    if moment.status != OK or not moment.shows(task) or moment.state not in TERMINAL:
        return broken(moment, f"200 showing task {task.task_id} in a terminal state", answered(moment))
    return None


def _alike(moment: Moment, other: Moment) -> Judgement:
    number = other.exchange.number
    if moment.state is not other.state:
        return broken(moment, f"status {other.state}, as the simultaneous exchange {number}", f"status {moment.state}")
    if not same_charge(moment, other):
        return broken(moment, f"{charged(other)}, as the simultaneous exchange {number}", charged(moment))
    return held(moment)


def _contradiction(story: Story, moment: Moment, task: Task) -> Judgement | None:
    """Another end than the cancel's answer shows, or another price, or a task that is back in flight."""
    number = moment.exchange.number
    for seen in story.endings_of(task):
        if seen.state is not moment.state:
            return broken(seen, f"status {moment.state}, as exchange {number} answered", f"status {seen.state}")
        if not same_charge(seen, moment):
            return broken(seen, f"{charged(moment)}, as exchange {number} answered", charged(seen))
    for read in moment.later_reads(task):
        if read.state is not None and read.state not in TERMINAL:
            return broken(read, f"status {moment.state}, as exchange {number} answered", f"status {read.state}")
    return None


def _paid(story: Story, moment: Moment) -> Iterator[Judgement]:
    """What the account lost from the first reading on, wherever it is certain what the story's tasks have cost."""
    submitted = [task.submitted_at for task in story.tasks if task.submitted_at is not None]
    for series in readings(story).values():
        told: set[tuple[Decimal, Decimal]] = set()
        for last in (each for each in series[1:] if series[0].ended_at <= each.sent_at):
            window = Window(series[0], last)
            cost = expected(story, window)
            if cost is None or (window.spent, cost) in told:
                continue
            told.add((window.spent, cost))
            if any(series[0].ended_at <= each < last.sent_at for each in submitted):
                yield judged(moment, window, cost)


def _observers(story: Story, task: Task) -> list[Moment]:
    """Whoever was shown the task in a known state: queries, cancels, probes."""
    return [each for each in (*story.reads_of(task), *story.stops_showing(task)) if each.state is not None]


def _told_unasked(story: Story, task: Task) -> list[Notice]:
    """What streams and callback URLs were told of the task; that it was told by then binds whoever asks later."""
    return [each for each in (*story.events, *story.callbacks) if each.task is task]


def _whole(moment: Moment, task: Task) -> Judgement:
    """Whether a task that was cancelled as it was made is found, ended, by whoever asks later."""
    for read in moment.later_reads(task):
        if read.status == _NOT_FOUND or (read.state is not None and read.state is not moment.state):
            return broken(read, f"status {moment.state}, as exchange {moment.exchange.number} answered", answered(read))
    return held(moment)
