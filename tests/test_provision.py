"""Tasks come into their states by the profile's ways, within the budget, and what is out of reach says why."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from stand_in import Heard, answer, profile, standing_in
from told import CONTRACT

from conformance.states import State
from conformance.target import provision
from conformance.target.client import Client
from conformance.target.provision import NotAccepted, OutOfReach, Provision
from conformance.teller import Teller

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import BeginRun

    from conformance.journal import Journal
    from conformance.target.budget import Budget

MODEL = {"model": "boat", "params": {}}
EVERY_STATE = {f"states__{state}__submit": MODEL for state in ("pending", "running", "completed", "failed")}


@dataclass
class Target:
    """A target in small: each task is read so often before it reaches its end."""

    ends: str = "completed"
    reads: int = 2
    left: dict[str, int] = field(default_factory=dict)
    more: dict[str, object] = field(default_factory=dict)

    def __call__(self, heard: Heard) -> bytes:
        """Answer submits and queries."""
        if heard.path.endswith("/submit"):
            task_id = f"task_{len(self.left) + 1}"
            self.left[task_id] = self.reads
            return answer(201, {"task_id": task_id, "status": "pending", **self.more})
        task_id = heard.document["task_id"]
        if task_id not in self.left:
            return answer(404, {"error": {"code": "task_not_found"}})
        self.left[task_id] -= 1
        return answer(200, {"task_id": task_id, "status": self.ends if self.left[task_id] <= 0 else "pending"})


@dataclass
class Kitchen:
    """A provision, the budget that it spends, and what it sends."""

    provision: Provision
    budget: Budget
    heard: list[Heard]
    journal: Journal

    @property
    def submits(self) -> list[Any]:
        """The bodies that were submitted."""
        return [heard.document for heard in self.heard if heard.path.endswith("/submit")]


Open = Callable[..., Kitchen]


@pytest.fixture
def kitchen(begin_run: BeginRun) -> Open:
    """Makes a provision over a stand-in."""

    def begin(says: Callable[[Heard], bytes], **settings: object) -> Kitchen:
        run, server = begin_run(says, **settings)
        return Kitchen(run.provision, run.budget, server.heard, run.journal)

    return begin


def refuse(_: Heard) -> bytes:
    """Take no task."""
    return answer(400, {"error": {"code": "invalid_param", "message": "No such model."}})


# submit and wait


def test_a_task_is_waited_for(kitchen: Open) -> None:
    """It is asked for until it is where its recipe leads."""
    made = kitchen(Target("completed", reads=3), **EVERY_STATE)
    stage = made.provision.bring(1, made.provision.submit(1, State.COMPLETED))
    assert stage.state is State.COMPLETED
    assert len(made.heard) == 4
    assert made.journal.live_tasks() == []


def test_the_contract_has_the_recipe_that_the_profile_has_not(kitchen: Open) -> None:
    """Its examples are the default ways into a state."""
    made = kitchen(Target())
    made.provision.submit(1, State.PENDING, out_task_id=None)
    assert made.submits == [CONTRACT.submit_body(State.PENDING)]


def test_a_state_that_is_passed_by_is_out_of_reach(kitchen: Open) -> None:
    """A task that has failed is never going to be seen running."""
    made = kitchen(Target("failed", reads=1), **EVERY_STATE)
    with pytest.raises(OutOfReach, match="was to be running was seen failed"):
        made.provision.bring(1, made.provision.submit(1, State.RUNNING))


def test_a_state_that_does_not_come_is_out_of_reach(kitchen: Open) -> None:
    """The reason names the seconds, and where to write more of them."""
    made = kitchen(Target(reads=10**6), **EVERY_STATE, states__failed__within=0.2)
    started = time.monotonic()
    with pytest.raises(OutOfReach, match=r"no task was seen failed within 0\.2 s;.*\[states\.failed\]"):
        made.provision.bring(1, made.provision.submit(1, State.FAILED))
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("stated", [True, False])
def test_where_no_limit_is_stated_others_tell_how_long_to_wait(
    kitchen: Open, monkeypatch: pytest.MonkeyPatch, stated: bool
) -> None:
    """Many times as long as another of its kind took; what the profile states is waited for."""
    monkeypatch.setattr(provision, "_LEAST_WITHIN", 0.1)
    monkeypatch.setattr(provision, "_LONGER", 2)
    target = Target(reads=1)
    more: dict[str, object] = {"states__completed__within": 0.4} if stated else {}
    made = kitchen(target, **EVERY_STATE, **more)
    made.provision.bring(1, made.provision.submit(1, State.COMPLETED))
    target.reads = 10**6
    with pytest.raises(OutOfReach, match=r"no task was seen completed within [0-9.]+ s") as told:
        made.provision.bring(1, made.provision.submit(1, State.COMPLETED))
    assert ("within 0.4 s" in str(told.value)) is stated


def test_a_refused_submit_is_out_of_reach(kitchen: Open) -> None:
    """The reason quotes the refusal."""
    made = kitchen(refuse, **EVERY_STATE)
    with pytest.raises(NotAccepted, match=r"submit was not accepted: 400 .*No such model"):
        made.provision.submit(1, State.PENDING)


@pytest.mark.parametrize("said", [{}, [], "task_1", {"task_id": 7}, {"task_id": ""}, {"task_id": None}], ids=str)
def test_a_submit_without_a_task_id_is_not_accepted(kitchen: Open, said: object) -> None:
    """There is nothing to wait for, or to cancel."""
    made = kitchen(lambda _: answer(200, said), **EVERY_STATE)
    with pytest.raises(NotAccepted):
        made.provision.submit(1, State.PENDING)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]"])
def test_a_query_that_shows_nothing_ends_the_wait(kitchen: Open, content: bytes) -> None:
    """Nobody waits ten minutes for a target that answers something else."""
    target = Target()
    made = kitchen(lambda heard: target(heard) if "submit" in heard.path else answer(200, content=content))
    with pytest.raises(OutOfReach, match="a query of a submitted task was answered 200"):
        made.provision.bring(1, made.provision.submit(1, State.COMPLETED))


def test_a_state_out_of_reach_is_not_tried_again(kitchen: Open) -> None:
    """Slow tasks are ordered once; what was refused then is refused to every story with the same words."""
    made = kitchen(refuse, **EVERY_STATE)
    made.provision.order(2)
    sent = len(made.heard)
    for _ in range(3):
        with pytest.raises(OutOfReach, match="No such model"):
            made.provision.shared(State.COMPLETED, 0)
    assert len(made.heard) == sent


def test_shared_tasks_are_made_once(kitchen: Open) -> None:
    """As many as were ordered, however many stories want one, with an `out_task_id` or without."""
    made = kitchen(Target("completed"), **EVERY_STATE)
    made.provision.order(2)
    found = {
        named: {made.provision.shared(State.COMPLETED, index, named=named).task.out_task_id for index in range(9)}
        for named in (True, False)
    }
    assert [len(names) for names in found.values()] == [1, 1]
    assert found[False] == {None}
    assert len(made.submits) == 4


def test_a_dismissed_task_is_nobodys(kitchen: Open) -> None:
    """A shared task that has moved is not handed out again."""
    made = kitchen(Target("completed"), **EVERY_STATE)
    made.provision.order(1)
    made.provision.dismiss(made.provision.shared(State.COMPLETED, 0).task)
    with pytest.raises(OutOfReach, match="no task stayed completed"):
        made.provision.shared(State.COMPLETED, 0)


def test_certainty_comes_from_the_profile(kitchen: Open) -> None:
    """Without `holds` nothing is certain of a live task; with it, so many seconds from its submit."""
    made = kitchen(Target(), **EVERY_STATE, states__pending__holds=30)
    sure = made.provision.submit(1, State.PENDING).task
    assert sure.submitted_at is not None
    assert sure.pending_until == sure.submitted_at + 30
    unsure = made.provision.submit(1, State.RUNNING).task
    assert (unsure.pending_until, unsure.live_until) == (float("-inf"), float("-inf"))


def test_an_out_task_id_is_new_each_time(kitchen: Open) -> None:
    """Two submits never meet by their names, and one without a name has none."""
    made = kitchen(Target(), **EVERY_STATE)
    for _ in range(2):
        made.provision.submit(1, State.PENDING)
    made.provision.submit(1, State.PENDING, out_task_id=None)
    first, second, third = made.submits
    assert first["out_task_id"] != second["out_task_id"]
    assert "out_task_id" not in third


def test_a_task_that_is_submitted_again_is_as_old_as_before(kitchen: Open) -> None:
    """Its second submit, answered with the same task, promises nothing anew (R25)."""
    known = answer(200, {"task_id": "task_1", "status": "pending"})
    made = kitchen(lambda _: known, **EVERY_STATE, states__pending__holds=60)
    first, again = (made.provision.submit(1, State.PENDING, out_task_id="boat").task for _ in range(2))
    assert again.pending_until > first.pending_until
    assert made.journal.task_records() == [first]


def test_a_submit_is_sent_again_to_the_letter(begin_run: BeginRun) -> None:
    """Whatever variants the recipe has, and by the same role; a task without a name is not submitted again."""
    variants = [{"model": f"boat-{number}", "params": {}} for number in range(3)]
    run, server = begin_run(Target(), states__pending__submit=MODEL, states__pending__variants=variants)
    story = Teller(run, "again", ()).story()
    task = story.task(out="boat")
    story.submit_again(task)
    story.submit_again(story.task(out=None))
    submits = [heard.document for heard in server.heard if heard.path.endswith("/submit")]
    assert submits[0] == submits[1]
    assert len(submits) == 3


def test_another_task_stands_in_for_one_that_has_ended(begin_run: BeginRun) -> None:
    """What lives remains; so a story has living tasks as long as it needs them."""
    run, server = begin_run(Target(reads=2), **EVERY_STATE)
    story = Teller(run, "batch", ()).story()
    ending, living = story.task(), story.task()
    story.query(ending)
    another, same = story.still_live(ending, living)
    assert same is living
    assert another not in {ending, living}
    assert len([heard for heard in server.heard if heard.path.endswith("/submit")]) == 3


# the budget


def test_no_submit_passes_the_budget(kitchen: Open) -> None:
    """What would pass it is not sent, and says what to raise."""
    made = kitchen(Target(), **EVERY_STATE, budget__tasks=2)
    for _ in range(2):
        made.provision.submit(1, State.PENDING)
    with pytest.raises(OutOfReach, match=r"budget of 2 tasks is spent; raise budget\.tasks"):
        made.provision.submit(1, State.PENDING)
    assert len(made.submits) == 2


def test_prices_are_those_of_the_profile(kitchen: Open) -> None:
    """Where it names one, the target's estimate does not matter."""
    estimate = Target(more={"estimated_credits": 99})
    made = kitchen(estimate, **EVERY_STATE, states__running__credits=1.5, budget__credits=3)
    for _ in range(2):
        made.provision.submit(1, State.RUNNING)
    with pytest.raises(OutOfReach, match=r"raise budget\.credits"):
        made.provision.submit(1, State.RUNNING)
    assert made.budget.credits == Decimal(3)


def test_prices_are_learned_where_nobody_names_them(kitchen: Open) -> None:
    """A budget in credits holds without prices in the profile: the first estimate tells what the next task may cost."""
    made = kitchen(Target(more={"estimated_credits": 2.5}), **EVERY_STATE, budget__credits=6)
    for _ in range(2):
        made.provision.submit(1, State.RUNNING)
    with pytest.raises(OutOfReach, match=r"raise budget\.credits"):
        made.provision.submit(1, State.RUNNING)
    assert made.budget.credits == Decimal(5)


def test_of_tasks_that_cost_there_are_no_more_than_need_be(kitchen: Open) -> None:
    """Where the profile names a price, one shared task is enough, and it has a name; failed ones are free here."""
    made = kitchen(Target("completed"), **EVERY_STATE, states__completed__credits=1.5)
    made.provision.order(2, paid=1)
    assert [expense.state for expense in made.journal.pool.expenses()] == ["completed", "failed", "failed"]
    assert ["out_task_id" in body for body in made.submits] == [True, True, False]
    assert made.provision.shared(State.COMPLETED, 0, named=False).task.out_task_id is not None


def test_what_a_task_was_seen_to_cost_is_what_it_cost(kitchen: Open) -> None:
    """What was expected of it gives way, and makes room for others."""
    ended = {"credits_used": 0.25}
    target = Target("completed", reads=1)
    made = kitchen(
        lambda heard: (
            answer(200, {"task_id": heard.document["task_id"], "status": "completed", **ended})
            if heard.path.endswith("query")
            else target(heard)
        ),
        **EVERY_STATE,
        states__completed__credits=2,
        budget__credits=2,
    )
    for _ in range(2):
        made.provision.bring(1, made.provision.submit(1, State.COMPLETED))
        assert made.budget.most_credits is not None
        made.budget.most_credits += Decimal("0.25")
    assert made.budget.credits == Decimal("0.5")


def test_a_refused_submit_takes_nothing_of_the_budget(kitchen: Open) -> None:
    """The next one may be sent."""
    refusing = kitchen(refuse, **EVERY_STATE, budget__tasks=1)
    for state in (State.PENDING, State.RUNNING):
        with pytest.raises(NotAccepted):
            refusing.provision.submit(1, state)


def test_a_pending_task_is_expected_to_be_free(kitchen: Open) -> None:
    """It is cancelled before it costs anything."""
    made = kitchen(Target(more={"estimated_credits": 2.5}), **EVERY_STATE, budget__credits=1)
    for _ in range(3):
        made.provision.submit(1, State.PENDING)
    assert made.budget.credits == 0


# tasks that are there already


def test_fixed_tasks_are_used_and_never_swept(kitchen: Open) -> None:
    """Nothing is submitted for a state that the profile names tasks for, and they are not the run's to end."""
    target = Target("completed", left={"task_given": 1})
    made = kitchen(target, **EVERY_STATE, states__completed__tasks=["task_given"])
    made.provision.order(1)
    assert made.provision.shared(State.COMPLETED, 0).task.task_id == "task_given"
    assert made.journal.live_tasks() == [task for task in made.journal.live_tasks() if task.wanted == "failed"]
    assert len(made.submits) == 1


def test_a_fixed_task_that_is_gone_gives_way_to_the_next(kitchen: Open) -> None:
    """And when none is left, the reason is that of the last."""
    target = Target("completed", left={"task_given": 1})
    made = kitchen(target, states__completed__tasks=["task_gone", "task_given"])
    made.provision.order(2)
    assert made.provision.shared(State.COMPLETED, 0).task.task_id == "task_given"
    made = kitchen(Target(), states__completed__tasks=["task_gone"])
    made.provision.order(1)
    with pytest.raises(OutOfReach, match="answered 404"):
        made.provision.shared(State.COMPLETED, 0)


# hooks


def script(folder: Path, *lines: str) -> list[str]:
    """The command of a hook that does what the lines say."""
    path = folder / "hook.py"
    path.write_text("\n".join(["import json, sys, time, os", *lines]), encoding="utf-8")
    return [sys.executable, str(path)]


def test_a_command_is_told_the_state_and_names_the_task(kitchen: Open, tmp_path: Path) -> None:
    """Its last argument is the state, and the state is certain from then on."""
    command = script(tmp_path, 'print(json.dumps({"task_id": "task_" + sys.argv[-1], "out_task_id": "boat"}))')
    made = kitchen(Target(), states__running__hook__command=command, states__running__holds=20)
    task = made.provision.submit(1, State.RUNNING).task
    assert (task.task_id, task.out_task_id) == ("task_running", "boat")
    assert task.live_until > time.monotonic() + 15
    assert made.heard == []
    assert made.journal.live_tasks() == [task]


def test_a_url_is_told_the_state_and_names_the_task(kitchen: Open) -> None:
    """By POST, without the key."""
    with standing_in(lambda _: answer(200, {"task_id": "task_9"})) as hook:
        made = kitchen(Target(), states__pending__hook__url=hook.base_url)
        task = made.provision.submit(1, State.PENDING).task
    assert (task.task_id, task.out_task_id) == ("task_9", None)
    [heard] = hook.heard
    assert heard.document == {"state": "pending"}
    assert not {"authorization", "x-api-key"} & heard.headers.keys()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sys.exit('no worker is free')", "exited with 1.*no worker is free"),
        ("print('started')", "answered 'started"),
        ("print('[1]')", "answered"),
        ("print('{\"task_id\": 7}')", "no strings"),
        ('print(\'{"task_id": ""}\')', "empty"),
        ("sys.stdout.buffer.write(b'\\xff\\xfe')", "answered"),
        ("time.sleep(20)", "timed out"),
    ],
)
def test_a_hook_that_fails_puts_its_state_out_of_reach(kitchen: Open, tmp_path: Path, line: str, said: str) -> None:
    """The reason quotes the hook, and the run goes on."""
    settings = {"states__running__hook__command": script(tmp_path, line), "states__running__within": 1}
    made = kitchen(Target(), **settings)
    with pytest.raises(OutOfReach, match=rf"hook of \[states\.running\] failed: .*{said}"):
        made.provision.submit(1, State.RUNNING)


def test_a_hook_by_url_that_fails_says_so(kitchen: Open) -> None:
    """A 500 of the user's own service is the user's own affair."""
    with standing_in(lambda _: answer(500, {})) as hook:
        made = kitchen(Target(), states__running__hook__url=hook.base_url)
        with pytest.raises(OutOfReach, match="500"):
            made.provision.submit(1, State.RUNNING)


def test_a_client_is_closed_twice_without_harm(journal: Journal) -> None:
    """The end of a run may come while it ends."""
    client = Client(profile("http://127.0.0.1:9/v1"), CONTRACT, journal)
    client.close()
    client.close()
