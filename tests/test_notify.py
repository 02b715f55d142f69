"""NOTIFY on stories told by hand: who listened, what was told, and what a network may have done to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from told import UNAVAILABLE, Line, Tale, showing, terms

from conformance.exchange import GIVEN_UP
from conformance.states import State

if TYPE_CHECKING:
    from conformance.lawful import Task

CUT = "ConnectionResetError: by peer"
PING = b'{"type": "ping"}'


def listened(tale: Tale, *, streams: int = 1, state: str = "pending") -> tuple[Task, list[Line]]:
    """A task on which streams are open that have told its state, and which is then cancelled, and seen cancelled."""
    task = tale.submitted(state, holds=60)
    lines = [tale.stream(task) for _ in range(streams)]
    for line in lines:
        line.tells(state)
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    tale.query(task, "cancelled")
    return task, lines


def called(tale: Tale) -> tuple[Task, Line, Line]:
    """A cancelled task with a callback URL; and the URL of a task that completed, which was told."""
    other, task = tale.submitted("completed"), tale.submitted(holds=60)
    witness, line = tale.callback_url(other), tale.callback_url(task)
    tale.query(other, "completed")
    witness.calls("completed")
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    tale.query(task, "cancelled")
    return task, line, witness


# NOTIFY-1: the stream


@pytest.mark.parametrize("end", ["ended", GIVEN_UP, CUT, None])
def test_a_stream_that_tells_what_cancel_answered_last_of_all_holds(end: str | None) -> None:
    """However it ends after that, or does not."""
    tale = Tale()
    _, [line] = listened(tale)
    line.tells("cancelled")
    if end is not None:
        line.ends(end)
    assert tale.judged("NOTIFY-1") == "held"
    assert tale.blamed == []


def test_a_running_task_may_have_completed_within_the_cancel() -> None:
    """Then the stream tells that (ruling R6)."""
    tale = Tale()
    task = tale.submitted("running")
    line = tale.stream(task)
    line.tells("running")
    tale.cancel(path=task, answer=showing(task, "completed"))
    line.tells("completed")
    line.ends()
    assert tale.judged("NOTIFY-1") == "held"


@pytest.mark.parametrize("told", ["completed", "failed"])
def test_another_end_is_broken(told: str) -> None:
    """Be it told instead of the right one, or after it."""
    for first in ([], ["cancelled"]):
        tale = Tale()
        _, [line] = listened(tale)
        for status in (*first, told):
            line.tells(status)
        assert tale.judged("NOTIFY-1") == "broken"


@pytest.mark.parametrize("told", [["running"], [], ["cancelled", "running"], [PING]])
def test_an_end_without_the_state_is_broken(told: list[str | bytes]) -> None:
    """The stream was open, and ended as HTTP has it, with another last word or none."""
    tale = Tale()
    _, [line] = listened(tale)
    for each in told:
        line.tells(each)
    line.ends()
    assert tale.judged("NOTIFY-1") == "broken"
    assert tale.blamed == ["NOTIFY-1"]


def test_a_stream_that_told_nothing_at_all_is_broken_by_its_end() -> None:
    """Its head had come before the cancel."""
    tale = Tale()
    task = tale.submitted(holds=60)
    line = tale.stream(task)
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    line.ends()
    assert tale.judged("NOTIFY-1") == "broken"


def test_a_stream_that_was_cut_proves_nothing() -> None:
    """A network may do that."""
    tale = Tale()
    _, [line] = listened(tale)
    line.ends(CUT)
    assert tale.judged("NOTIFY-1") == "undecided"


def test_a_stream_that_ended_before_the_cancel_was_not_open() -> None:
    """Nobody was listening, and a target may end its streams when it likes to."""
    tale = Tale()
    task = tale.submitted(holds=60)
    line = tale.stream(task)
    line.tells("pending")
    line.ends()
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    assert tale.judged("NOTIFY-1") == "undecided"


def test_a_stream_opened_while_the_cancel_was_under_way_was_not_open() -> None:
    """What it tells still counts; what it leaves out does not."""
    tale = Tale()
    task = tale.submitted(holds=60)
    line = tale.stream(task)
    tale.cancel(path=task, answer=showing(task, "cancelled"), sent=tale.now - 0.05)
    line.ends()
    assert tale.judged("NOTIFY-1") == "undecided"


def test_a_silent_stream_that_lives_on_is_broken_after_the_notice() -> None:
    """A comment after the cancel's answer proves that nothing is stuck on the way."""
    tale = Tale()
    _, [line] = listened(tale)
    tale.wait(9)
    line.tells(b": still here")
    tale.wait(1)
    line.ends(GIVEN_UP)
    assert tale.judged("NOTIFY-1") == "broken"


def test_two_silent_streams_are_broken_and_one_is_not() -> None:
    """One connection may hang in the network."""
    for streams, verdict in ((1, "undecided"), (2, "broken")):
        tale = Tale()
        _, lines = listened(tale, streams=streams)
        tale.wait(20)
        for line in lines:
            line.ends(GIVEN_UP)
        assert tale.judged("NOTIFY-1") == verdict


def test_silent_streams_of_two_tasks_are_broken_beside_others_that_told() -> None:
    """As many as there are processes may be told in one of them alone; of two connections not both hang."""
    tale = Tale()
    lines = {}
    for name in ("one", "two"):
        task = tale.submitted(holds=60)
        lines[name] = [tale.stream(task), tale.stream(task)]
        tale.cancel(path=task, answer=showing(task, "cancelled"))
    for told, _ in lines.values():
        told.tells("cancelled")
        told.ends()
    tale.wait(20)
    for _, silent in lines.values():
        silent.ends(GIVEN_UP)
    assert tale.judged("NOTIFY-1") == "broken"


def test_a_stream_beside_one_that_told_may_hang() -> None:
    """The target has told; what became of the other telling is the network's."""
    tale = Tale()
    _, [one, other] = listened(tale, streams=2)
    one.tells("cancelled")
    one.ends(GIVEN_UP)
    tale.wait(20)
    other.ends(GIVEN_UP)
    assert tale.judged("NOTIFY-1") == "held"
    assert tale.blamed == []


def test_the_profile_says_how_long_to_wait_for_notice() -> None:
    """What is given up before that is undecided."""
    for notice, verdict in ((10.0, "broken"), (60.0, "undecided")):
        tale = Tale(terms(notice=notice))
        _, lines = listened(tale, streams=2)
        tale.wait(20)
        for line in lines:
            line.ends(GIVEN_UP)
        assert tale.judged("NOTIFY-1") == verdict


@pytest.mark.parametrize(
    "told",
    [
        b"cancelled",
        b'{"status": "canceled"}',
        b'{"old": {"status": "pending"}, "new": {"status": "cancelled"}}',
        b'{"task_id": "task_of_somebody", "status": "completed"}',
        b"\xff\xfe{",
        b'{"state": 5}',
    ],
)
def test_what_cannot_be_read_is_undecided(told: bytes) -> None:
    """It may have told of the end in words of its own."""
    tale = Tale()
    _, [line] = listened(tale)
    line.tells(told, name="status" if told.startswith(b"\xff") else "")
    line.ends()
    assert tale.judged("NOTIFY-1") == "undecided"


def test_an_event_may_say_it_by_its_name() -> None:
    """Data or not."""
    tale = Tale()
    _, [line] = listened(tale)
    line.tells(b"", name="task.cancelled")
    line.ends()
    assert tale.judged("NOTIFY-1") == "undecided"


def test_a_stream_of_which_nothing_can_be_read_is_undecided() -> None:
    """Numbers, say."""
    tale = Tale()
    task = tale.submitted(holds=60)
    line = tale.stream(task)
    line.tells(b"1")
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    line.tells(b"4")
    line.ends()
    assert tale.judged("NOTIFY-1") == "undecided"


@pytest.mark.parametrize(
    "told",
    [
        {"status": "cancelled"},
        {"data": {"status": "cancelled", "task_id": "task_01HQX9F2P6Y80001VEX3CRZ8GX"}},
        {"type": "update", "status": "ok", "data": {"task": {"status": "cancelled"}}},
        {"from": {"state": "pending"}, "to": {"status": "cancelled"}, "again": {"status": "cancelled"}},
    ],
)
def test_a_state_is_read_wherever_it_stands(told: dict[str, object]) -> None:
    """Bare, or inside one object or two."""
    tale = Tale()
    _, [line] = listened(tale)
    line.tells(told)
    line.ends()
    assert tale.judged("NOTIFY-1") == "held"


def test_states_have_the_names_that_the_profile_has_for_them() -> None:
    """On a stream as in a query."""
    tale = Tale(terms(states={"cancelled": "stopped"}))
    task = tale.submitted(holds=60)
    line = tale.stream(task)
    tale.cancel(path=task, answer=showing(task, "stopped"))
    line.tells("stopped")
    assert tale.judged("NOTIFY-1") == "held"


@pytest.mark.parametrize(("status", "kind"), [(404, "application/json"), (200, "text/html"), (503, "text/plain")])
def test_a_target_without_streams_is_not_judged(status: int, kind: str) -> None:
    """Whatever it says in their place."""
    tale = Tale()
    task = tale.submitted(holds=60)
    line = tale.stream(task, status=status, kind=kind)
    line.ends()
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    assert tale.judged("NOTIFY-1") == "undecided"


def test_a_stream_is_not_held_against_a_target_that_contradicts_itself() -> None:
    """Whether the task was cancelled or completed is for other rows to judge."""
    tale = Tale()
    task = tale.submitted("running")
    line = tale.stream(task)
    line.tells("running")
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    tale.query(task, "completed")
    line.tells("completed")
    line.ends()
    assert tale.judged("NOTIFY-1") == "undecided"


@pytest.mark.parametrize("answer", [None, UNAVAILABLE])
def test_a_cancel_without_an_answer_answered_nothing(answer: object) -> None:
    """There is no state to end with."""
    tale = Tale()
    task = tale.submitted(holds=60)
    line = tale.stream(task)
    tale.cancel(path=task, answer=None if answer is None else UNAVAILABLE)
    line.ends()
    assert tale.judged("NOTIFY-1") == "silent"


def test_the_state_may_come_after_a_lost_cancel_and_before_the_next() -> None:
    """The first one took effect, and its answer is lost."""
    tale = Tale()
    task = tale.submitted(holds=60)
    line = tale.stream(task)
    tale.lost(path=task)
    line.tells("cancelled")
    line.ends()
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    assert tale.judged("NOTIFY-1") == "held"


def test_another_tasks_stream_is_another_matter() -> None:
    """A stream is held against the cancels of its own task."""
    tale = Tale()
    task, neighbour = tale.submitted(holds=60), tale.submitted(holds=60)
    line = tale.stream(neighbour)
    line.tells("pending")
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    line.ends()
    assert tale.judged("NOTIFY-1") == "silent"


def test_events_know_their_state_and_task_and_prove_nothing_before_they_were_read() -> None:
    """So that other checks can take them for what an observer was told."""
    tale = Tale()
    task, [line] = listened(tale)
    asked = tale.now
    line.tells("cancelled")
    [first, last] = tale.story.events
    assert (first.state, last.state, last.task) == (State.PENDING, State.CANCELLED, task)
    assert last.exchange.ended_at > asked > last.exchange.sent_at


# NOTIFY-2: the callback


def test_a_callback_that_is_told_once_holds() -> None:
    """For the cancelled task as for the one that completed."""
    tale = Tale()
    _, line, witness = called(tale)
    line.calls("cancelled")
    for each in (line, witness):
        each.closes()
    assert {finding.outcome.value for finding in tale.findings("NOTIFY-2")} == {"held"}
    assert [call.state for call in tale.story.callbacks] == [State.COMPLETED, State.CANCELLED]


def test_progress_is_no_end() -> None:
    """It may be told as often as one likes, late too."""
    tale = Tale()
    _, line, _ = called(tale)
    for status in ("pending", "running", "cancelled", "running"):
        line.calls(status)
    assert tale.judged("NOTIFY-2") == "held"


@pytest.mark.parametrize("told", ["completed", "failed"])
def test_a_callback_that_is_told_another_end_is_broken(told: str) -> None:
    """Instead of the right one, or after it."""
    for first in ([], ["cancelled"]):
        tale = Tale()
        _, line, _ = called(tale)
        for status in (*first, told):
            line.calls(status)
        assert tale.judged("NOTIFY-2") == "broken"
        assert tale.blamed == ["NOTIFY-2"]


def test_a_callback_that_is_told_twice_is_broken() -> None:
    """One after the other, or both at once."""
    for late in (0.0, 5.0):
        tale = Tale()
        _, line, _ = called(tale)
        now = tale.now
        line.calls("cancelled", at=now)
        line.calls("cancelled", at=now + late)
        assert tale.judged("NOTIFY-2") == "broken"


@pytest.mark.parametrize(("status", "takes"), [(None, 0.01), (413, 0.01), (200, 1.5)])
def test_a_call_that_was_not_answered_at_once_may_be_repeated(status: int | None, takes: float) -> None:
    """The caller could not know that it had been heard; after the first good answer it could."""
    tale = Tale()
    _, line, _ = called(tale)
    line.calls("cancelled", status=status, takes=takes)
    line.calls("cancelled")
    assert tale.judged("NOTIFY-2") == "held"
    line.calls("cancelled")
    assert tale.judged("NOTIFY-2") == "broken"


def test_a_callback_that_never_comes_is_broken_where_another_did() -> None:
    """After the time that the profile allows, and not before."""
    for waited, verdict in ((9.0, "held"), (11.0, "broken")):
        tale = Tale()
        _, line, witness = called(tale)
        tale.wait(waited)
        line.closes()
        witness.closes()
        assert tale.judged("NOTIFY-2") == verdict


def test_where_no_callback_ever_comes_the_target_may_not_reach_us() -> None:
    """Nothing is certain then."""
    tale = Tale()
    task = tale.submitted(holds=60)
    line = tale.callback_url(task)
    tale.cancel(path=task, answer=showing(task, "cancelled"))
    tale.wait(60)
    line.closes()
    assert tale.judged("NOTIFY-2") == "undecided"


@pytest.mark.parametrize(
    "told",
    [b"status=cancelled", b'{"status": "canceled"}', b"\x1f\x8b\x08\x00", b'{"task_id": "x", "status": "failed"}'],
)
def test_a_call_that_cannot_be_read_is_undecided(told: bytes) -> None:
    """It may be the one that was to come."""
    tale = Tale()
    _, line, witness = called(tale)
    line.calls(told)
    tale.wait(20)
    line.closes()
    witness.closes()
    assert "broken" not in {finding.outcome.value for finding in tale.findings("NOTIFY-2")}


def test_a_task_that_was_not_seen_to_end_owes_no_call() -> None:
    """Whatever was told."""
    tale = Tale()
    task = tale.submitted(holds=60)
    line = tale.callback_url(task)
    tale.query(task, "pending")
    line.calls("running")
    line.closes()
    assert tale.judged("NOTIFY-2") == "silent"


def test_a_callback_is_not_held_against_a_target_that_contradicts_itself() -> None:
    """One of its answers is wrong already."""
    tale = Tale()
    task, line, _ = called(tale)
    tale.query(task, "completed")
    line.calls("completed")
    assert "broken" not in {finding.outcome.value for finding in tale.findings("NOTIFY-2")}


def test_listening_changes_no_belief() -> None:
    """What is told unasked confirms nothing: only queries do."""
    tale = Tale()
    task = tale.submitted()
    tale.stream(task).tells("cancelled")
    tale.callback_url(task).calls("cancelled")
    tale.query(task, "pending")
    assert tale.story.queries[-1].before(task) > {State.PENDING, State.RUNNING}
