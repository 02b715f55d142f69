"""PARITY: a cancel's answer has the shape of a query's."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.findings import answered, as_queried, broken, held, quoted, undecided
from conformance.checks.registry import check
from conformance.exchange import ABSENT
from conformance.lawful import Task
from conformance.states import LIVE
from conformance.story import OK, Moment, Story
from conformance.verdict import Judgement


@check("PARITY-1")
def answers_fit_the_task_schema(story: Story) -> Iterator[Judgement]:
    """Every 200 fits the schema of a task."""
    for moment, _ in story.answered_cancels:
        yield _fits(moment, "Task")


@check("PARITY-2")
def answers_equal_the_next_query(story: Story) -> Iterator[Judgement]:
    """A cancel's answer is what a query right after it shows."""
    for moment, task in story.answered_cancels:
        if moment.state in LIVE:
            continue  # STATE-2: a task that goes on differs from itself a moment later
        read = moment.next_read(task)
        if read is None:
            yield undecided(moment, "no query followed")
        elif read.status != OK:
            yield undecided(moment, f"the query that followed showed no task: {answered(read)}")
        else:
            yield as_queried(moment, read)


@check("PARITY-3")
def documented_fields_have_their_types(story: Story) -> Iterator[Judgement]:
    """Each documented field is of its type, and `status` is one of the five names."""
    for moment, _ in story.answered_cancels:
        if moment.shown is not None:
            complaints = [text for text in moment.complaints("Task") if not text.startswith("/:")]
            wanted = "documented fields of the documented types"
            yield broken(moment, wanted, complaints[0]) if complaints else held(moment)


@check("PARITY-4")
def answers_show_the_task_asked_for(story: Story) -> Iterator[Judgement]:
    """`task_id` is the task's own, and `out_task_id`, where it is shown, is as submitted (ruling R8)."""
    for moment, task in story.answered_cancels:
        if moment.shown is None:
            continue
        if not moment.shows(task):
            yield broken(moment, f"task_id {task.task_id}", f"task_id {quoted(moment.shown.get('task_id', ABSENT))}")
        elif task.out_task_id is not None and moment.shown.get("out_task_id") not in (None, task.out_task_id):
            wanted = f"out_task_id {quoted(task.out_task_id)}, as submitted"
            yield broken(moment, wanted, f"out_task_id {quoted(moment.shown['out_task_id'])}")
        else:
            yield _out_task_id(moment, task)


@check("PARITY-5")
def answers_are_one_json_object(story: Story) -> Iterator[Judgement]:
    """A 200 is one JSON object, and its content type says so."""
    for moment, _ in story.answered_cancels:
        kind = (moment.exchange.answer.header("content-type") if moment.exchange.answer else None) or "none"
        essence = kind.split(";")[0].strip().lower()
        if moment.shown is None:
            yield broken(moment, "one JSON object", answered(moment))
        elif essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json")):
            yield held(moment)
        else:
            yield broken(moment, "content type application/json", f"content type {quoted(kind)[1:-1]}")


@check("PARITY-6")
def fields_belong_to_their_states(story: Story) -> Iterator[Judgement]:
    """`output`, the error fields and the estimate stand only where the surrounding documentation puts them."""
    for moment, _ in story.answered_cancels:
        if moment.shown is not None and not moment.complaints("Task"):
            yield _fits(moment, "TaskByState")


def _fits(moment: Moment, schema: str) -> Judgement:
    complaints = moment.complaints(schema)
    return broken(moment, f"an answer that fits the schema {schema}", complaints[0]) if complaints else held(moment)


def _out_task_id(moment: Moment, task: Task) -> Judgement:
    """Where a query of the task shows its `out_task_id`, the cancel's answer does (ruling R8)."""
    assert moment.shown is not None  # noqa: S101 - the caller asked
    if task.out_task_id is None or moment.shown.get("out_task_id") == task.out_task_id:
        return held(moment)
    read = moment.next_read(task)
    if read is None or read.shown is None:
        return undecided(moment, "no query tells whether the out_task_id is shown on a terminal task (R8)")
    if read.shown.get("out_task_id") == task.out_task_id:
        return broken(moment, f"out_task_id {quoted(task.out_task_id)}, as submitted", "no out_task_id")
    return held(moment)
