"""What a story listens to enters its journal, and what a target lacks is said, not asked for again."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
from conftest import order_for
from stand_in import KEY, Heard, answer, profile
from told import CONTRACT

from conformance.exchange import GIVEN_UP, Form, Operation
from conformance.report.summary import judge_again, summarise
from conformance.run import Run
from conformance.states import State
from conformance.target.call import by
from conformance.target.callback import Reply
from conformance.target.loading import load
from conformance.teller import Teller, Telling

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import BeginRun

    from conformance.journal import Journal

ROWS = ("NOTIFY-1", "NOTIFY-2")
SHORT = {"limits__retries": 0, "limits__notice": 0.2}
NO_ROUTE = answer(404, {"error": {"code": "not_found", "message": "No such route."}})


class Target:
    """A target in small: it takes tasks, cancels them, and has whatever streams a test gives it."""

    def __init__(self, stream: bytes = NO_ROUTE, *, refuses_callbacks: bool = False) -> None:
        self.stream = stream
        self.refuses_callbacks = refuses_callbacks
        self.states: dict[str, str] = {}
        self.urls: dict[str, str] = {}

    def __call__(self, heard: Heard) -> bytes:
        """Answer one call."""
        if "/stream/" in heard.path:
            return self.stream
        if heard.path.endswith("/submit"):
            return self.submit(heard.document)
        task_id = heard.path.rpartition("/")[2] if "/cancel/" in heard.path else heard.document["task_id"]
        if "/cancel" in heard.path:
            self.states[task_id] = "cancelled"
        return answer(200, {"task_id": task_id, "status": self.states[task_id]})

    def submit(self, body: dict[str, Any]) -> bytes:
        """Take a task, if its callback is to the target's liking."""
        if "callback_url" in body and self.refuses_callbacks:
            return answer(400, {"error": {"code": "invalid_param", "message": "https only"}})
        task_id = f"task_{len(self.states) + 1}"
        self.states[task_id] = "pending"
        self.urls[task_id] = body.get("callback_url", "")
        return answer(200, {"task_id": task_id, "status": "pending"})

    def call(self, task_id: str, status: str, **more: str) -> None:
        """Call the URL of a task."""
        content = json.dumps({"task_id": task_id, "status": status, **more}).encode()
        with urlopen(Request(self.urls[task_id], content, method="POST"), timeout=5) as response:  # noqa: S310 - ours
            assert response.status == 200


def begun(begin_run: BeginRun, target: Target, **settings: object) -> tuple[Run, list[Heard], Telling]:
    """A run against a small target, all that the target hears, and a story."""
    run, server = begin_run(target, only=ROWS, **{**SHORT, **settings})
    return run, server.heard, Teller(run, "listening", ROWS).story()


def unseen(run: Run) -> dict[str, str]:
    """The rows that the target cannot show, with the reasons."""
    return dict(run.journal.notes()["not_observable"])


def verdicts(run: Run) -> dict[str, str]:
    """What the journal adds up to, as it stands."""
    return {
        row.requirement.id: row.ruling.verdict.value
        for row in summarise(run.journal).rows
        if row.requirement.id in ROWS
    }


# streams


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (NO_ROUTE, "answered 404 with 'application/json'"),
        (answer(405, {}), "answered 405"),
        (answer(501, {}), "answered 501"),
        (answer(200, content=b"<html>", content_type="text/html"), "answered 200 with 'text/html'"),
    ],
)
def test_a_target_without_streams_is_asked_once_and_not_observable(
    begin_run: BeginRun, stream: bytes, said: str
) -> None:
    """With what it answered, and what to write if its streams are elsewhere."""
    run, heard, story = begun(begin_run, Target(stream))
    task = story.task()
    for _ in range(3):
        story.listen(task)
    story.cancel(by(Form.PATH, task))
    story.verify()
    assert sum("/stream/" in each.path for each in heard) == 1
    assert said in unseen(run)["NOTIFY-1"]
    assert "write [paths] stream" in unseen(run)["NOTIFY-1"]
    assert verdicts(run)["NOTIFY-1"] == "not observable"
    assert story.broken == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_stream_that_is_out_of_order_is_asked_for_again(begin_run: BeginRun, status: int) -> None:
    """The next story may find it in order (ruling R17)."""
    run, heard, story = begun(begin_run, Target(answer(status, {})))
    task = story.task()
    for _ in range(2):
        story.listen(task)
    story.cancel(by(Form.PATH, task))
    story.verify()
    assert sum("/stream/" in each.path for each in heard) == 2
    assert "NOTIFY-1" not in unseen(run)
    assert verdicts(run)["NOTIFY-1"] == "inconclusive"


def test_what_the_profile_says_is_absent_is_not_asked_for(begin_run: BeginRun) -> None:
    """Nor is a callback URL given."""
    absent = [{"capability": "event_stream", "reason": "none yet"}, {"capability": "callback", "reason": "none either"}]
    target = Target()
    run, heard, story = begun(begin_run, target, absent=absent)
    task = story.task(callback=Reply.AT_ONCE)
    story.listen(task)
    assert not any("/stream/" in each.path for each in heard)
    assert target.urls == {task.task_id: ""}
    assert unseen(run) == {"NOTIFY-1": "event_stream: none yet", "NOTIFY-2": "callback: none either"}


def test_streams_keep_to_the_limit_on_requests_in_flight(begin_run: BeginRun) -> None:
    """Where one request at a time is allowed, there is no room for a stream beside the story."""
    _, heard, story = begun(begin_run, Target(), limits__in_flight=1)
    story.listen(story.task())
    assert not any("/stream/" in each.path for each in heard)


def test_what_a_stream_told_is_in_the_journal_without_the_key(begin_run: BeginRun) -> None:
    """And a run that is judged again from it is judged the same."""
    told = f'data: {{"status": "cancelled", "echo": "{KEY}"}}\n\n'.encode()
    run, _, story = begun(begin_run, Target(answer(200, content=told, content_type="text/event-stream")))
    task = story.task()
    story.listen(task)
    story.cancel(by(Form.TASK_ID, task))
    story.verify()
    exchanges = [each for each in run.journal.exchanges() if each.request.operation is Operation.STREAM]
    assert [each.answer.document if each.answer and each.answer.content else None for each in exchanges] == [
        None,
        {"status": "cancelled", "echo": "$KEY"},
        None,
    ]
    assert KEY not in repr(exchanges)
    first = verdicts(run)
    judge_again(run.journal)
    assert verdicts(run) == first
    assert first["NOTIFY-1"] == "pass"


def test_streams_count_as_one_request_and_callbacks_as_none(begin_run: BeginRun) -> None:
    """However much is told."""
    told = b'data: {"status": "pending"}\n\n' * 5
    target = Target(answer(200, content=told, content_type="text/event-stream"))
    run, heard, story = begun(begin_run, target)
    task = story.task(callback=Reply.AT_ONCE)
    story.listen(task)
    target.call(task.task_id, "cancelled")
    story.cancel(by(Form.PATH, task))
    story.verify()
    assert len(story.told().events) == 5
    assert len(story.told().callbacks) == 1
    assert run.journal.count() == len(heard)


# callbacks


def test_callbacks_are_bound_to_their_tasks(begin_run: BeginRun) -> None:
    """Each by the URL that was given with its submit."""
    target = Target()
    run, _, story = begun(begin_run, target)
    one, other = (story.task(callback=Reply.AT_ONCE) for _ in range(2))
    for task in (one, other):
        story.cancel(by(Form.PATH, task))
    target.call(other.task_id, "cancelled", echo=KEY)
    story.verify()
    assert [(call.task, call.state) for call in story.told().callbacks] == [(other, State.CANCELLED)]
    assert len(set(target.urls.values())) == 2
    assert KEY not in repr(list(run.journal.exchanges()))


def test_what_is_told_late_belongs_to_the_story_still(begin_run: BeginRun) -> None:
    """Until the last look, which waits for as long as the profile allows; then nobody listens."""
    target = Target()
    run, _, story = begun(begin_run, target)
    told, untold = (story.task(callback=Reply.AT_ONCE) for _ in range(2))
    for task in (told, untold):
        story.cancel(by(Form.PATH, task))
        story.query(task)
    story.verify()
    assert story.is_listening
    assert story.listens_until() > story.alone_until
    target.call(told.task_id, "cancelled")
    assert story.listens_until() > story.alone_until
    [(_, kept)] = run.worth_another_look()
    assert kept.is_held
    instant = run.listens_until(kept.number)
    assert instant >= story.alone_until + 0.2
    time.sleep(max(0.0, instant - time.monotonic()))
    again = Telling.resumed(Teller(run, "looking again", ()), kept.number)
    again.look_again(kept, cancel_as=None)
    assert not story.is_listening
    assert [(each.requirement, each.got[:7]) for each in again.broken] == [("NOTIFY-2", "no call")]
    assert {each.end and each.end.exchange.lost for each in again.told().callback_urls} == {GIVEN_UP}
    assert verdicts(run)["NOTIFY-2"] == "warn"


def test_where_all_was_told_nobody_waits_for_more(begin_run: BeginRun) -> None:
    """The last look comes as soon as it would without listeners."""
    target = Target()
    _, _, story = begun(begin_run, target, limits__notice=60)
    task = story.task(callback=Reply.AT_ONCE)
    story.cancel(by(Form.PATH, task))
    target.call(task.task_id, "cancelled")
    story.verify()
    assert story.listens_until() == 0.0


def test_a_target_that_refuses_callback_urls_is_given_none(begin_run: BeginRun) -> None:
    """The task is made without, the row is not observable, and the state stays within reach."""
    target = Target(refuses_callbacks=True)
    run, heard, story = begun(begin_run, target)
    tasks = [story.task(callback=Reply.AT_ONCE) for _ in range(2)]
    assert [task.task_id for task in tasks] == ["task_1", "task_2"]
    assert sum("callback_url" in each.document for each in heard if each.path.endswith("/submit")) == 1
    assert "refuses the same body with one" in unseen(run)["NOTIFY-2"]
    assert not run.provision.out_of_reach(State.PENDING)


def test_a_submit_that_was_sent_twice_proves_nothing_of_its_callback(begin_run: BeginRun) -> None:
    """It may have made two tasks, and each of them calls."""
    target = Target()
    lost = [answer(503, {})]
    run, _ = begin_run(lambda heard: lost.pop() if lost and "/submit" in heard.path else target(heard), only=ROWS)
    story = Teller(run, "listening", ROWS).story()
    story.task(callback=Reply.AT_ONCE)
    assert not story.is_listening


def test_a_target_elsewhere_calls_nobody(journal: Journal, tmp_path: Path) -> None:
    """Unless the profile says where; the reason says what to write."""
    environ = {"CONFORMANCE_OWNER_KEY": KEY}
    made = load(None, environ=environ, base_url="https://staging.example.com/v1")
    run = Run(order_for(made, tmp_path, ROWS), journal)
    assert run.ears.subscribe() is None
    assert "write [callback]" in unseen(run)["NOTIFY-2"]
    run.close()


def test_a_port_that_is_taken_is_a_reason_and_no_failure(journal: Journal, tmp_path: Path) -> None:
    """The other rows are judged all the same."""
    made = profile("http://127.0.0.1:1/v1", callback__url="http://127.0.0.1:1", callback__listen="192.0.2.1:9")
    run = Run(order_for(made, tmp_path, ROWS), journal)
    assert run.ears.subscribe() is None
    assert "cannot be listened at" in unseen(run)["NOTIFY-2"]
    run.close()


def test_the_terms_know_the_notice(begin_run: BeginRun) -> None:
    """Judged again, a journal is judged by the same patience; an old one by the usual."""
    run, _, _ = begun(begin_run, Target())
    assert run.terms.notice == 0.2
    assert CONTRACT.terms(**{**run.journal.notes()["terms"], "notice": 7}).notice == 7
    assert CONTRACT.terms(states={}, code_at="/c", volatile=()).notice == 10
