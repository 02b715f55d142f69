"""ISO: one key's tasks are nobody else's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from statistics import median
from typing import Final

from conformance.account import around, expected
from conformance.checks.bill import judged, payers
from conformance.checks.findings import (
    answered_lawfully,
    broken,
    held,
    kept_from_work,
    left_alone,
    not_found,
    premises,
    refused,
    touches,
    undecided,
)
from conformance.checks.likeness import look, rank_test, separation, switches
from conformance.checks.registry import check
from conformance.exchange import ABSENT, Form
from conformance.lawful import Acts, Refusal, Task
from conformance.story import Moment, Story
from conformance.verdict import Judgement

ENOUGH_LOOKS: Final = 6
"""Calls of each group that it takes to say that something separates them."""

_TELLING: Final = 8
"""Characters that an identifier has which no answer shows by chance."""

ENOUGH_TIMES: Final = 40
_FALSE_ALARMS: Final = 1e-6
"""Of one test. A run makes a few dozen at the most, and is to raise a false alarm once in 10,000 times at the most."""


@check("ISO-1")
def foreign_tasks_are_not_found(story: Story) -> Iterator[Judgement]:
    """With another key, a task is unknown, in every form and in every state (ruling R23)."""
    for moment, _ in _foreign(story, story.cancels):
        if moment.task is None:
            yield not_found(moment)
    for moment, _ in _foreign(story, story.probes):
        yield refused(moment, Refusal.TASK_NOT_FOUND, Refusal.INVALID_KEY)  # that header may be unknown here


@check("ISO-2")
def foreign_tasks_go_on(story: Story) -> Iterator[Judgement]:
    """What another key's cancel named goes on as if nothing had been sent, and so does its owner's account.

    So does what it did not name, when it ended a task of its own.
    """
    for moment, task in _reaching_abroad(story):
        yield left_alone(moment, task)
        yield from _stands_still(story, moment, task.role)
    for moment, own in story.answered_cancels:
        if own.role == moment.role:
            others = (task for task in story.tasks if task.role != moment.role and not touches(moment, task))
            yield from (left_alone(moment, task) for task in others)
    yield from kept_from_work(story, foreign=True)


@check("ISO-3")
def foreign_and_unknown_look_alike(story: Story) -> Iterator[Judgement]:
    """Over many calls nothing separates the 404 for foreign tasks, or one of them, from that for unknown ones (R11)."""
    for moment, task in _foreign(story, story.cancels):
        if untold := _untold_identifier(moment, task):
            yield broken(moment, "no word of a task that is not the caller's", f"its identifier {untold!r:.80}")
    for form, foreign, unknown in _groups(story):
        groups = [group for group in (foreign, *_by_name(foreign)) if _is_much(group, unknown, ENOUGH_LOOKS)]
        separated = ((group, separation(group, unknown)) for group in groups)
        told, aspect = next((each for each in separated if each[1]), (foreign, ""))
        if aspect:
            theirs, nobodys = look(told[0])[aspect], look(unknown[0])[aspect]
            wanted = f"the {aspect} of the answers for unknown tasks, in the {form} form: {nobodys!s:.160}"
            yield broken(told[0], wanted, f"{theirs!s:.160}, each of {len(told)} times")
        elif groups:
            yield held(foreign[0], premises=premises(foreign[0]))


@check("ISO-4")
def the_same_out_task_id_is_two_tasks(story: Story) -> Iterator[Judgement]:
    """Where two keys use one `out_task_id`, each names its own task only."""
    for moment in story.plain_cancels:
        named, own = moment.exchange.request.named, moment.task
        if named.form is not Form.OUT_TASK_ID or own is None or named.extra:
            continue
        twins = [task for task in story.tasks if task.role != moment.role and task.out_task_id == own.out_task_id]
        if twins:
            yield answered_lawfully(moment)
        yield from (left_alone(moment, twin) for twin in twins)


@check("ISO-5")
def the_path_decides_between_own_and_foreign(story: Story) -> Iterator[Judgement]:
    """Of an own and a foreign identifier the path's decides, and the foreign task is left alone (rulings R1, R2)."""
    for moment in story.plain_cancels:
        named = moment.exchange.request.named
        inside = [value for value in (named.task_id, named.out_task_id) if value is not ABSENT]
        foreign = [*filter(moment.mentions_foreign, story.tasks)]
        if named.path is None or not inside or not foreign or all(value == named.path for value in inside):
            continue
        yield answered_lawfully(moment)
        mentioned = [task for task in story.tasks if moment.mentions(task)]
        yield from (left_alone(moment, task) for task in mentioned if not moment.may_have_acted(task))


@check("ISO-6")
def foreign_and_unknown_take_as_long(story: Story) -> Iterator[Judgement]:
    """A rank test over interleaved calls; it raises a false alarm once in 10,000 runs at the most."""
    for form, foreign, unknown in _groups(story):
        mine, theirs = [_seconds(moment) for moment in foreign], [_seconds(moment) for moment in unknown]
        if not _is_much(foreign, unknown, ENOUGH_TIMES):
            continue
        p, effect = rank_test(mine, theirs)
        if p < _FALSE_ALARMS:
            wanted = f"no difference in time beyond noise between foreign and unknown tasks, in the {form} form"
            medians = f"{median(mine) * 1000:.2f} ms against {median(theirs) * 1000:.2f} ms in the middle"
            yield broken(foreign[0], wanted, f"{medians}, p = {p:.1g}, rank correlation {effect:+.2f}")
        else:
            yield held(foreign[0], premises=premises(foreign[0]))


@check("ISO-7")
def foreign_and_refused_calls_move_no_account(story: Story) -> Iterator[Judgement]:
    """Neither the caller's account nor the owner's moves by a call that may act on nothing, however it is answered."""
    for moment in story.cancels:
        if any(isinstance(effect, Acts) for effect in moment.effects):
            continue
        for role in payers(story, moment):
            yield from _stands_still(story, moment, role)


def _untold_identifier(moment: Moment, task: Task) -> str:
    """The identifier of a foreign task that the answer shows, and the call did not."""
    answer, given = moment.exchange.answer, [value for value in moment.exchange.request.named.given if value]
    if answer is None or moment.task is not None or not moment.refused:
        return ""
    text = answer.content.decode(errors="replace")
    untold = [each for each in task.identifiers if len(each) >= _TELLING and not any(each in str(one) for one in given)]
    return next((each for each in untold if each in text), "")


def _stands_still(story: Story, moment: Moment, role: str) -> Iterator[Judgement]:
    for window in around(story, moment, role=role):
        if expected(story, window) == 0:
            yield judged(moment, window, Decimal(0))
        elif story.alone:
            yield undecided(moment, "another task may have moved the account meanwhile")


def _foreign(story: Story, moments: Iterable[Moment]) -> Iterator[tuple[Moment, Task]]:
    """The plain ones of some calls that name a task of another key, and no task of their own."""
    for moment in moments:
        named = moment.exchange.request.named
        if named.form is None or not moment.plain:
            continue
        for task in story.tasks:
            field = task.out_task_id if named.form is Form.OUT_TASK_ID else task.task_id
            if task.role != moment.role and named.identifier == field:
                yield moment, task


def _reaching_abroad(story: Story) -> Iterator[tuple[Moment, Task]]:
    """The calls with a valid key that name a task of another in whatever way, and none of their own beside it."""
    for moment in (*story.cancels, *story.probes):
        named = moment.exchange.request.named
        named_tasks = [task for task in story.tasks if moment.mentions(task)]
        beside = named.form is None and any(task.role == moment.role for task in named_tasks)
        if moment.exchange.request.keyed and not beside:
            yield from ((moment, task) for task in named_tasks if task.role != moment.role)


def _groups(story: Story) -> Iterator[tuple[Form, list[Moment], list[Moment]]]:
    """By role and form, the calls for foreign tasks and those for unknown ones, where both were answered."""
    foreign = [
        moment
        for moment, _ in _foreign(story, story.cancels)
        if moment.effects == {Refusal.TASK_NOT_FOUND} and not moment.exchange.unavailable
    ]
    for role, form in dict.fromkeys((moment.role, moment.exchange.request.named.form) for moment in foreign):
        if form is None:
            continue
        unknown = [
            moment
            for moment in story.plain_cancels
            if moment.role == role
            and moment.exchange.request.named.form is form
            and moment.effects == {Refusal.TASK_NOT_FOUND}
            and not any(moment.mentions(task) for task in story.tasks)
            and not moment.exchange.unavailable
        ]
        yield form, [each for each in foreign if _is(each, role, form)], unknown


def _by_name(moments: list[Moment]) -> list[list[Moment]]:
    """The calls for each task: tasks may be in different states."""
    found: dict[str | None, list[Moment]] = {}
    for moment in moments:
        found.setdefault(moment.exchange.request.named.identifier, []).append(moment)
    return [*found.values()]


def _is_much(ones: list[Moment], others: list[Moment], enough: int) -> bool:
    """Whether so many calls of each group were interleaved so often that a difference between them counts."""
    return switches(ones, others) >= enough and min(len(ones), len(others)) >= enough


def _is(moment: Moment, role: str, form: Form) -> bool:
    return moment.role == role and moment.exchange.request.named.form is form


def _seconds(moment: Moment) -> float:
    return moment.exchange.took
