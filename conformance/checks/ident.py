"""IDENT: exactly one identifier must resolve."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.findings import (
    acts,
    answered_lawfully,
    broken,
    difference,
    held,
    left_alone,
    refused,
    refused_as,
)
from conformance.checks.registry import check
from conformance.exchange import ABSENT, Form, Named
from conformance.lawful import ORDINARY, Refusal, Task, confusable, well_formed
from conformance.states import LIVE, TERMINAL
from conformance.story import OK, Moment, Story
from conformance.verdict import Judgement


@check("IDENT-1")
def path_form_cancels_without_a_body(story: Story) -> Iterator[Judgement]:
    """A path and nothing else acts on the task that it names."""
    for moment, task in _acting(story, Form.PATH):
        if moment.exchange.request.named.bare and moment.before(task) & LIVE:
            yield acts(moment, task)


@check("IDENT-2")
def task_id_in_the_body_does_as_the_path_does(story: Story) -> Iterator[Judgement]:
    """The body form by `task_id` acts on its task, and answers for an ended one as the path form does."""
    yield from _as_by_path(story, Form.TASK_ID)


@check("IDENT-3")
def out_task_id_in_the_body_does_as_the_path_does(story: Story) -> Iterator[Judgement]:
    """The body form by `out_task_id` acts on its task, and answers for an ended one as the path form does."""
    yield from _as_by_path(story, Form.OUT_TASK_ID)


@check("IDENT-4")
def both_identifiers_are_refused(story: Story) -> Iterator[Judgement]:
    """Two identifiers in one body are refused, whatever they name."""
    for moment in story.plain_cancels:
        if _names_both(moment.exchange.request.named):
            yield refused(moment, Refusal.INVALID_PARAM)


@check("IDENT-5")
def refused_pairs_leave_their_tasks_alone(story: Story) -> Iterator[Judgement]:
    """What a refused pair of identifiers named goes on as it was."""
    for moment in story.plain_cancels:
        if _names_both(moment.exchange.request.named) and moment.refused:
            yield from (left_alone(moment, task) for task in _mentioned(moment))


@check("IDENT-6")
def no_identifier_is_refused(story: Story) -> Iterator[Judgement]:
    """A cancel that names nothing is refused."""
    for moment in story.plain_cancels:
        named = moment.exchange.request.named
        if not named.given and named.readable:
            yield refused(moment, Refusal.INVALID_PARAM)


@check("IDENT-7")
def the_path_wins(story: Story) -> Iterator[Judgement]:
    """Where path and body name two tasks, or one twice, the path's is acted on, if it is the caller's (ruling R2)."""
    for moment in story.plain_cancels:
        named = moment.exchange.request.named
        if (_differ(named) or _repeats(named)) and moment.certain and moment.task is not None:
            yield acts(moment, moment.task)
        elif _repeats(named) and moment.task is None:
            yield answered_lawfully(moment)


@check("IDENT-8")
def the_bodys_task_is_left_alone(story: Story) -> Iterator[Judgement]:
    """Where path and body name two tasks, the body's is left alone, and a path that is unknown stays unknown (R2)."""
    for moment in story.plain_cancels:
        named = moment.exchange.request.named
        if not _differ(named):
            continue
        if moment.task is None:
            yield answered_lawfully(moment)
        for task in _mentioned(moment):
            if named.task_id == task.task_id and task.role == moment.role:
                yield left_alone(moment, task)


@check("IDENT-9")
def a_path_beside_an_out_task_id_acts_on_the_path_or_on_nothing(story: Story) -> Iterator[Judgement]:
    """One of the two answers of ruling R1; whatever was not acted on is left alone."""
    for moment in story.plain_cancels:
        named = moment.exchange.request.named
        if named.path is None or not isinstance(named.out_task_id, str) or not named.out_task_id:
            continue
        yield answered_lawfully(moment)
        for task in _mentioned(moment):
            if task.role == moment.role and not moment.may_have_acted(task):
                yield left_alone(moment, task)


@check("IDENT-10")
def unknown_identifiers_are_not_found(story: Story) -> Iterator[Judgement]:
    """An identifier that names nothing, and resembles nothing, is not found."""
    for moment in story.plain_cancels:
        named = moment.exchange.request.named
        if named.form and not moment.task and not named.extra and Refusal.ANY not in moment.effects:
            if _mentioned(moment) or _resembled(moment):
                continue
            yield answered_lawfully(moment)


@check("IDENT-11")
def identifiers_match_to_the_letter(story: Story) -> Iterator[Judgement]:
    """An accepted identifier, however odd, acts on its own task; one that merely resembles it acts on nothing."""
    for moment in story.plain_cancels:
        named = moment.exchange.request.named
        if named.form is None or named.extra:
            continue
        resembled = _resembled(moment)
        if moment.certain and moment.task and (resembled or not ORDINARY.match(named.identifier or "")):
            yield acts(moment, moment.task)
        elif moment.task is None and resembled and not _mentioned(moment):
            yield answered_lawfully(moment)
        yield from (left_alone(moment, task) for task in resembled if task is not moment.task)


@check("IDENT-12")
def the_wrong_field_does_not_resolve(story: Story) -> Iterator[Judgement]:
    """A task id is no `out_task_id`, and the reverse."""
    for moment in story.plain_cancels:
        named = moment.exchange.request.named
        if named.form is None or named.extra:
            continue
        crossed = [task for task in _mentioned(moment) if task is not moment.task and task.role == moment.role]
        if crossed:
            yield answered_lawfully(moment)
        yield from (left_alone(moment, task) for task in crossed)


@check("IDENT-13")
def malformed_task_ids_are_not_found(story: Story) -> Iterator[Judgement]:
    """A plain string that is no well-formed task id is unknown rather than invalid (ruling R5)."""
    known = [task.task_id for task in story.tasks]
    for moment in story.plain_cancels:
        named = moment.exchange.request.named
        text = named.identifier or ""
        if named.form not in {Form.PATH, Form.TASK_ID} or moment.task or not ORDINARY.match(text):
            continue
        if well_formed(text, known) or _mentioned(moment) or named.extra:
            continue
        if refused_as(moment, Refusal.INVALID_PARAM) or refused_as(moment, Refusal.TASK_NOT_FOUND):
            yield refused(moment, Refusal.TASK_NOT_FOUND)


@check("IDENT-14")
def unusable_identifiers_are_refused(story: Story) -> Iterator[Judgement]:
    """`null`, empty and wrongly typed identifiers are answered as rulings R3 and R4 say, and touch nothing."""
    for moment in story.plain_cancels:
        if not moment.exchange.request.named.unusable:
            continue
        yield answered_lawfully(moment)
        yield from (left_alone(moment, task) for task in story.tasks if not moment.may_have_acted(task))


@check("IDENT-15")
def unknown_fields_change_nothing(story: Story) -> Iterator[Judgement]:
    """Beside one identifier, fields that the contract does not know do not change the outcome."""
    for moment in story.plain_cancels:
        named = moment.exchange.request.named
        if named.extra and named.form:
            yield answered_lawfully(moment)


def _acting(story: Story, form: Form) -> Iterator[tuple[Moment, Task]]:
    """The cancels in that one form, without any oddity, that name a task of their caller."""
    for moment in story.plain_cancels:
        named = moment.exchange.request.named
        if named.form is form and moment.certain and moment.task and not named.extra:
            yield moment, moment.task


def _as_by_path(story: Story, form: Form) -> Iterator[Judgement]:
    for moment, task in _acting(story, form):
        if form is Form.OUT_TASK_ID and not ORDINARY.match(moment.exchange.request.named.identifier or ""):
            continue  # IDENT-11
        if not moment.before(task) <= TERMINAL:
            yield acts(moment, task)
            continue
        for other, same in _acting(story, Form.PATH):
            if same is task and other.before(task) <= TERMINAL and _comparable(moment, other):
                yield _alike(moment, other)


def _comparable(moment: Moment, other: Moment) -> bool:
    return not moment.exchange.unavailable and not other.exchange.unavailable and other.status == OK


def _alike(moment: Moment, other: Moment) -> Judgement:
    if moment.status == other.status and moment.story.same(moment.document, other.document):
        return held(moment)
    wanted = f"what the path form answered in exchange {other.exchange.number}"
    return broken(moment, wanted, difference(moment, other))


def _names_both(named: Named) -> bool:
    both = isinstance(named.task_id, str) and isinstance(named.out_task_id, str)
    return named.path is None and both and bool(named.task_id) and bool(named.out_task_id)


def _repeats(named: Named) -> bool:
    return named.path is not None and named.path == named.task_id and named.out_task_id is ABSENT


def _differ(named: Named) -> bool:
    inside = named.task_id
    return (
        named.path is not None
        and isinstance(inside, str)
        and inside not in {"", named.path}
        and named.out_task_id is ABSENT
    )


def _mentioned(moment: Moment) -> list[Task]:
    return [task for task in moment.story.tasks if moment.mentions(task)]


def _resembled(moment: Moment) -> list[Task]:
    """The caller's tasks that the identifier of this call resembles without naming them."""
    text = moment.exchange.request.named.identifier or ""
    return [
        task
        for task in moment.story.tasks
        if task.role == moment.role
        and not moment.mentions(task)
        and any(confusable(text, identifier) for identifier in task.identifiers)
    ]
