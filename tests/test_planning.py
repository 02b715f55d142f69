"""A plan says beforehand what a run takes, by rehearsing its stories, and costs the target nothing but free queries."""

from __future__ import annotations

import contextlib
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import REFERENCE_PROFILE, Recorded, RunSuite, order_for, recorded
from stand_in import KEY, KEYS, OTHER_KEY, answer, profile, standing_in

from conformance import planning
from conformance.journal import Journal
from conformance.lawful import Task
from conformance.states import State
from conformance.verdict import Judgement, Outcome

ROWS = ("STATE-1", "STATE-2", "IDEMP-1")
TOLERANCE = 0.1
"""By how much, at the most, a plan and a run of the same seed on the reference service differ."""
ANOTHER_TRY = 4
"""So many tasks more, or fewer, are raced as they complete, where a race is tried once more."""

_UNKNOWN = answer(404, {"error": {"code": "task_not_found"}})


def figures(stdout: str) -> dict[str, int]:
    """The figures that a plan begins its lines with, by the words that follow."""
    found = re.findall(r"^ *(\d+)  (?:tasks by the (\w+) recipe|(tasks|requests))", stdout, re.MULTILINE)
    return {state or what: int(figure) for figure, state, what in found}


def test_a_plan_agrees_with_a_run(
    service: dict[str, Any], service_environ: dict[str, str], run_suite: RunSuite, tmp_path: Path
) -> None:
    """Tasks by recipe, tasks in all, and requests, within a tenth, or the few of a race that was tried once more."""
    options = ["--depth", "smoke", "--only", "STATE,IDEMP,BILL", "--seed", "5"]
    planned = run_suite("plan", *options)
    assert planned.code == 0, planned.stdout + planned.stderr
    target = ["--target", str(REFERENCE_PROFILE), "--base-url", service["base_url"]]
    run = recorded(tmp_path / "r", "run", *target, *options, "--report-dir", "r", environ=service_environ, cwd=tmp_path)
    told = figures(planned.stdout)
    with contextlib.closing(Journal.open(run.journal)) as journal:
        done: dict[str, int] = {"requests": journal.count(), "tasks": 0}
        for expense in journal.pool.expenses():
            done[expense.state] = done.get(expense.state, 0) + 1
            done["tasks"] += 1
    assert told.keys() == done.keys()
    for name, count in done.items():
        few = ANOTHER_TRY if name == State.COMPLETED else 1
        assert told[name] == pytest.approx(count, rel=TOLERANCE, abs=few), name


def test_a_plan_sends_free_queries_and_nothing_else(run_suite: RunSuite) -> None:
    """No submit, no cancel, and no key in what it prints."""
    with standing_in(lambda _: _UNKNOWN) as server:
        options = ["--base-url", server.base_url, "--depth", "smoke", "--only", "STATE-1", "--set", "budget.tasks=1"]
        planned = run_suite("plan", *options, environ=KEYS)
    assert {heard.path for heard in server.heard} == {"/v1/tasks/query"}
    assert planned.code == 3, planned.stdout + planned.stderr
    assert "not within the budget of 1 tasks: 1 of" in planned.stdout
    assert "left inconclusive: STATE-1" in planned.stdout
    assert re.search(r"requests, \d+ s at the least: \d+ ms each, 5 at once", planned.stdout)
    assert not {KEY, OTHER_KEY} & set(re.findall(r"\S+", planned.stdout + planned.stderr))


def test_a_silent_target_cannot_be_planned_for(run_suite: RunSuite) -> None:
    """It is said in a sentence, with the exit code of what is not proven."""
    planned = run_suite("plan", "--base-url", "http://127.0.0.1:9/v1", environ=KEYS)
    assert planned.code == 3
    assert "Nothing can be planned: http://127.0.0.1:9/v1 does not answer" in planned.stdout
    assert "Traceback" not in planned.stderr


# by hand


def rehearsal(journal: Journal, *prices: tuple[str, str]) -> Journal:
    """A rehearsal in which each story submits one task of a state, and holds one row."""
    shared = journal.begin_story("tasks on the way to their states", ())
    journal.pool.book(shared, "completed", lambda *_: None)
    for state, row in prices:
        story = journal.begin_story("a story", [row])
        number = journal.pool.book(story, state, lambda *_: None)
        task = Task(task_id=f"task_{story}", out_task_id=None, role="owner")
        journal.keep_task(task)
        journal.cast(story, task, own=True)
        journal.pool.made(number, task.task_id)
        journal.judge(story, [Judgement(outcome=Outcome.HELD, requirement=row)], ())
    return journal


def planned(journal: Journal, folder: Path, **settings: object) -> planning.Plan:
    """The plan for a target of those settings."""
    target = profile("http://127.0.0.1:9/v1", **settings)
    return planning.plan(order_for(target, folder, only=ROWS), journal, 0.1)


STORIES = (("pending", "STATE-1"), ("running", "STATE-2"), ("running", "IDEMP-1"), ("running", "STATE-2"))


def test_tasks_are_priced_as_the_profile_says(journal: Journal, tmp_path: Path) -> None:
    """Pending tasks are free unless it says otherwise; of others without a price nobody knows the sum."""
    rehearsal(journal, *STORIES)
    known = planned(journal, tmp_path, states__running__credits=1.5, states__completed__credits=2)
    assert [(need.state, need.tasks, need.credits) for need in known.needs] == [
        (State.PENDING, 1, Decimal(0)),
        (State.RUNNING, 3, Decimal("4.5")),
        (State.COMPLETED, 1, Decimal(2)),
    ]
    assert known.credits == Decimal("6.5")
    unknown = planned(journal, tmp_path, states__running__credits=1.5)
    assert unknown.credits is None
    assert any("write [states.completed] credits" in line for line in planning.told(unknown))


def test_rows_are_left_whose_every_story_comes_too_late(journal: Journal, tmp_path: Path) -> None:
    """The budget lasts for the first stories; a row that holds in one of those is not left."""
    rehearsal(journal, *STORIES)
    tight = planned(journal, tmp_path, budget__tasks=3)
    assert (tight.admitted, tight.tasks, tight.left) == (3, 5, ("IDEMP-1",))
    poor = planned(journal, tmp_path, budget__credits=2, states__running__credits=2, states__completed__credits=1)
    assert (poor.admitted, poor.left) == (2, ("STATE-2", "IDEMP-1"))
    enough = planned(journal, tmp_path, budget__tasks=5)
    assert (enough.admitted, enough.left) == (5, ())


def test_what_the_profile_has_tasks_for_is_not_submitted(journal: Journal, tmp_path: Path) -> None:
    """Fixed ids take the place of shared tasks, and what a hook makes is no part of the budget."""
    rehearsal(journal, *STORIES)
    fixed = planned(journal, tmp_path, states__completed__tasks=["task_1"])
    assert State.COMPLETED not in {need.state for need in fixed.needs}
    hooked = planned(journal, tmp_path, states__running__hook__url="http://127.0.0.1:9/", budget__tasks=2)
    assert hooked.left == ()


def test_the_stage_has_the_keys_and_promises_of_the_target(tmp_path: Path) -> None:
    """Where the target's profile names no other key, and promises nothing, neither does the rehearsal's."""
    environ = {name: f"sk-stage-{name}" for name in ("CONFORMANCE_OWNER_KEY", "CONFORMANCE_OTHER_KEY")}
    stage = planning.Profile.model_validate(
        {
            "base_url": "http://127.0.0.1:1",
            "keys": {role: {"env": env} for role, env in zip(("owner", "other"), environ, strict=True)},
        }
    )
    target = profile("http://127.0.0.1:9/v1", states__running__credits=3)
    order = planning.rehearsed(order_for(target, tmp_path), stage, tmp_path)
    assert set(order.profile.keys) == {"owner", "other"}
    assert order.profile.budget == planning.Allowance()
    alone = order_for(target.model_copy(update={"keys": {"owner": target.keys["owner"]}}), tmp_path)
    assert set(planning.rehearsed(alone, stage, tmp_path).profile.keys) == {"owner"}


def test_a_run_counts_what_was_accepted_and_what_it_cost(smoke: Recorded) -> None:
    """The credits are those that the service shows in the end, by family and by row."""
    with contextlib.closing(Journal.open(smoke.journal)) as journal:
        tasks = {task.task_id for task in journal.task_records() if task.submitted_at is not None}
        shown: dict[str, Decimal] = {}
        for each in journal.exchanges():
            document = each.answer.document if each.answer else None
            if isinstance(document, dict) and document.get("credits_used") is not None:
                shown[str(document["task_id"])] = Decimal(str(document["credits_used"]))
    credits_ = smoke.summary["credits"]
    assert smoke.summary["submits"] == len(tasks)
    assert Decimal(credits_["spent"]) == sum(shown.values()) > 0
    assert sum(map(Decimal, credits_["by_family"].values())) == Decimal(credits_["spent"])
    assert f"{credits_['spent']} credits spent: " in smoke.stdout
