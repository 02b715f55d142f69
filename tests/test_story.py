"""Belief: the states that a task may be in, by what was told and by what may have happened since."""

from __future__ import annotations

import pytest
from told import INVALID_PARAM, NOT_FOUND, UNAVAILABLE, UNKNOWN, Tale, Told, refusal, showing, terms

from conformance.exchange import Form, Operation, Request
from conformance.lawful import Refusal, Task
from conformance.states import ANY, LIVE, TERMINAL, State
from conformance.story import Moment

PENDING, RUNNING, COMPLETED, FAILED, CANCELLED = (frozenset({state}) for state in State)
ENDED = COMPLETED | FAILED


def last_cancel(tale: Tale) -> Moment:
    """The last cancel of the story."""
    return tale.story.cancels[-1]


def before(tale: Tale, task: Task) -> frozenset[State]:
    """What is believed of `task` when a cancel begins now."""
    tale.cancel(path=UNKNOWN, answer=NOT_FOUND)
    return last_cancel(tale).before(task)


def test_of_a_task_that_nobody_saw_nothing_is_certain() -> None:
    """A task that the profile names may be in any state."""
    tale = Tale()
    assert before(tale, tale.given()) == ANY


def test_a_submitted_task_may_have_gone_on() -> None:
    """Without a promise a new task may have started and ended by itself, but not be cancelled."""
    tale = Tale()
    assert before(tale, tale.submitted()) == LIVE | ENDED


def test_a_promise_makes_certain_until_it_is_over() -> None:
    """As long as the profile says, a pending task is pending (R25)."""
    tale = Tale()
    task = tale.submitted(holds=60)
    assert before(tale, task) == PENDING
    tale.wait(60)
    assert before(tale, task) == LIVE | ENDED


def test_a_running_task_with_a_promise_runs_on() -> None:
    """A promise on running leaves out the end only, and needs a read that showed the start."""
    tale = Tale()
    task = tale.submitted("running", holds=60)
    assert before(tale, task) == LIVE
    tale.query(task, "running")
    assert before(tale, task) == RUNNING
    tale.wait(60)
    assert before(tale, task) == RUNNING | ENDED


def test_a_pending_read_is_no_promise() -> None:
    """That a task was just read as pending does not make it certain that it still is (R25)."""
    tale = Tale()
    task = tale.submitted()
    tale.query(task, "pending")
    assert before(tale, task) == LIVE | ENDED


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_terminal_read_is_certain_for_ever(status: str) -> None:
    """Nothing follows a terminal state, whatever is sent."""
    tale = Tale()
    task = tale.submitted()
    tale.query(task, status)
    tale.lost(path=task)
    tale.wait(1000)
    assert before(tale, task) == {State(status)}


def test_what_a_cancel_claims_is_not_yet_believed() -> None:
    """Only a later query confirms the answer of a cancel: reads decide, never hopes."""
    tale = Tale()
    task = tale.submitted(holds=60)
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    assert before(tale, task) == PENDING | CANCELLED
    tale.query(task, "cancelled")
    assert before(tale, task) == CANCELLED


@pytest.mark.parametrize(
    "answer", [None, UNAVAILABLE, refusal(500, "internal"), refusal(504, "late"), refusal(408, "slow")]
)
def test_an_answer_that_was_lost_widens_belief(answer: Told) -> None:
    """A cancel without an answer of its own may have taken effect, and may do so still."""
    tale = Tale()
    task = tale.submitted(holds=60)
    tale.cancel(path=task, answer=answer)
    assert before(tale, task) == PENDING | CANCELLED
    tale.query(task, "pending")
    assert before(tale, task) == PENDING | CANCELLED


@pytest.mark.parametrize("answer", [INVALID_PARAM, NOT_FOUND, refusal(429, "rate_limit"), refusal(409, "conflict")])
def test_a_refusal_does_not_widen_belief(answer: Told) -> None:
    """What was refused has done nothing, lawfully."""
    tale = Tale()
    task = tale.submitted(holds=60)
    tale.cancel(path=task, answer=answer)
    assert before(tale, task) == PENDING


def test_a_cancel_in_flight_widens_belief() -> None:
    """While a cancel is on its way the task may be before or after it; once a later read says so, it is before none."""
    tale = Tale()
    task = tale.submitted(holds=60)
    tale.cancel(path=task, sent=101, ended=103, answer=showing(task, "cancelled"))
    tale.cancel(path=UNKNOWN, sent=102, ended=102.5, answer=NOT_FOUND)
    tale.query(task, "pending", sent=102.1, ended=102.2)
    tale.cancel(path=UNKNOWN, sent=102.6, ended=102.7, answer=NOT_FOUND)
    assert [moment.before(task) for moment in tale.story.cancels] == [PENDING, PENDING | CANCELLED, PENDING | CANCELLED]


def test_a_moment_knows_nothing_of_its_own_effect() -> None:
    """Before and during are asked with the cancel itself left out, and others that overlap left in."""
    tale = Tale()
    task = tale.submitted(holds=60)
    tale.cancel(path=task, sent=101, ended=103, answer=showing(task, "cancelled"))
    alone = last_cancel(tale)
    assert (alone.before(task), alone.during(task)) == (PENDING, PENDING)
    tale.cancel(path=task, sent=102, ended=104, answer=showing(task, "cancelled"))
    first, second = tale.story.cancels
    assert (first.before(task), first.during(task)) == (PENDING, PENDING | CANCELLED)
    assert second.before(task) == PENDING | CANCELLED


def test_a_running_task_may_end_in_any_way_by_a_cancel() -> None:
    """Past the point of no return a cancel finds the task completed or failed (R6)."""
    tale = Tale()
    task = tale.submitted("running", holds=60)
    tale.query(task, "running")
    tale.lost(path=task)
    assert before(tale, task) == RUNNING | TERMINAL


def test_a_query_that_is_still_on_its_way_tells_nothing() -> None:
    """Known is what had been answered when the exchange began."""
    tale = Tale()
    task = tale.submitted(holds=60)
    tale.query(task, "cancelled", sent=101, ended=105)
    tale.cancel(path=UNKNOWN, sent=102, answer=NOT_FOUND)
    assert last_cancel(tale).before(task) == PENDING


def test_a_cancel_that_races_the_submit_may_find_nothing() -> None:
    """Until its submit was answered a task need not be there."""
    tale = Tale()
    task = tale.submitted(ended=105)
    tale.cancel({"out_task_id": task.out_task_id}, sent=101, answer=NOT_FOUND)
    racing = last_cancel(tale)
    assert not racing.certain
    assert Refusal.TASK_NOT_FOUND in racing.effects
    tale.cancel({"out_task_id": task.out_task_id}, sent=105, answer=NOT_FOUND)
    assert last_cancel(tale).certain


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS", "HEAD"])
def test_another_method_cancels_nothing(method: str) -> None:
    """A cancel is a POST; whatever else is sent to its routes acts on no task (R13)."""
    tale = Tale()
    task = tale.submitted(holds=60)
    tale.cancel(path=task, method=method, answer=refusal(405, "method"))
    assert last_cancel(tale).effects == {Refusal.ANY}
    assert not last_cancel(tale).plain
    tale.cancel(path=task, method=method, answer=(200, b""))
    assert before(tale, task) == PENDING


def test_a_call_without_a_key_cancels_nothing() -> None:
    """Whoever has no valid key names nobody's task."""
    tale = Tale()
    task = tale.submitted(holds=60)
    tale.cancel(path=task, role="nobody", answer=None)
    assert before(tale, task) == PENDING


def test_of_a_doubled_key_the_answer_tells_the_reading() -> None:
    """Either value may count; what the answer shows is the task acted on (R18)."""
    tale = Tale()
    one, other = tale.submitted(), tale.submitted()
    body = f'{{"task_id": "{one.task_id}", "task_id": "{other.task_id}"}}'.encode()
    for task in (one, other):
        tale.cancel(body, answer=showing(task, "cancelled"))
        assert last_cancel(tale).task is task
    tale.lost(body)
    assert last_cancel(tale).task is None
    assert all(last_cancel(tale).may_have_acted(task) for task in (one, other))


def test_a_target_may_have_its_own_names_of_states() -> None:
    """What the profile calls pending is pending; a name that it does not know is no state."""
    tale = Tale(terms(states={"pending": "queued"}))
    task = tale.submitted()
    tale.query(task, "queued")
    tale.query(task, "rendering")
    assert [read.state for read in tale.story.queries] == [State.PENDING, None]
    assert len(tale.story.reads_of(task)) == 1


def test_accepted_forms_are_those_that_cancelled() -> None:
    """A 200 that shows the very task, ended, is what makes refusals of that key and form count."""
    tale = Tale()
    task = tale.submitted()
    tale.cancel(path=task, answer=NOT_FOUND)
    tale.cancel({"task_id": task.task_id}, answer=showing(task, "running"))
    assert tale.story.forms_seen == frozenset()
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    tale.cancel({"out_task_id": task.out_task_id}, answer=showing(task, "cancelled"))
    assert tale.story.forms_seen == {("owner", form) for form in (Form.PATH, Form.OUT_TASK_ID, Form.BODY)}


def test_a_task_of_a_hook_is_as_certain_as_its_promise() -> None:
    """A task that nobody saw submitted, but that the hook promises to hold, is pending for so long (R25)."""
    tale = Tale()
    tale.tasks.append(Task(task_id="task_1", out_task_id=None, role="owner", pending_until=150, live_until=150))
    assert before(tale, tale.tasks[0]) == PENDING


def test_reads_are_of_the_owners_queries_alone() -> None:
    """What another key was told of a task is no read of it."""
    tale = Tale()
    task = tale.submitted()
    tale.query(task, "pending")
    stranger = Request(
        operation=Operation.QUERY, role="other", method="GET", url=f"https://t.example/?task_id={task.task_id}"
    )
    assert not Moment(tale.story, tale.exchanges[-1].__class__(number=9, request=stranger, sent_at=1, ended_at=2)).task
    assert [read.exchange.number for read in tale.story.queries_of(task)] == [2]
