"""Random lives: one seed gives one program, programs get smaller, replays are kept and read, and tell the truth."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result
from conftest import RunSuite
from hypothesis import HealthCheck, Phase, given, seed, settings

from conformance.cli import main
from conformance.exchange import Form
from conformance.life import (
    MOST_TASKS,
    Account,
    Cancel,
    CancelAcross,
    CancelBoth,
    Key,
    NoReplay,
    Pause,
    Program,
    Query,
    Replay,
    Step,
    Submit,
    about,
    doubled,
    grounded,
    names,
    patient,
    reduced,
    shrunk,
    with_one_key,
)
from conformance.states import State
from conformance.strategies import programs
from conformance.target.settings import OTHER_VARIABLES, ROLE_VARIABLES

ONE_OF_EACH: Final[Program] = (
    Submit(task=0),
    Submit(task=1, state=State.RUNNING, variant=2, named=False, awaited=True, key=Key.OTHER),
    Cancel(task=1, form=Form.TASK_ID, key=Key.OTHER),
    CancelBoth(task=0, other=1, turned=True),
    CancelAcross(task=1, other=0, field=Form.OUT_TASK_ID),
    Query(task=0, field=Form.OUT_TASK_ID),
    Pause(seconds=0.1),
    Account(key=Key.OTHER),
)


def generated(chance: int, count: int = 12) -> list[Program]:
    """The programs that one seed gives."""
    found: list[Program] = []

    @seed(chance)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs())
    def collect(program: Program) -> None:
        found.append(program)

    collect()
    return found


def counted(predicate: Callable[[Any], bool]) -> tuple[Callable[[Any], bool], list[Any]]:
    """The predicate, and what it was asked."""
    asked: list[Any] = []

    def ask(candidate: Any) -> bool:  # noqa: ANN401 - whatever is made smaller
        asked.append(candidate)
        return predicate(candidate)

    return ask, asked


# --- programs


def test_one_seed_gives_one_program() -> None:
    """The same seed gives the same lives, another one others."""
    assert generated(4711) == generated(4711)
    assert generated(4711) != generated(4712)


def test_programs_are_whole_lives() -> None:
    """Each has 5 to 40 steps on a few tasks, every one submitted before it is named, and all kinds of steps occur."""
    found = [program for chance in range(6) for program in generated(chance)]
    assert all(5 <= len(program) <= 40 for program in found)
    assert all(grounded(program) == program for program in found)
    assert max(task for program in found for step in program for task in names(step)) == MOST_TASKS - 1
    assert {type(step) for program in found for step in program} == {type(step) for step in ONE_OF_EACH}
    assert {step.key for program in found for step in program if isinstance(step, Cancel)} == set(Key)


def test_a_program_is_told_with_one_key_where_there_is_no_other() -> None:
    """Then every step is the owner's, and nothing else changes."""
    assert all(getattr(step, "key", Key.OWNER) is Key.OWNER for step in with_one_key(ONE_OF_EACH))
    assert [type(step) for step in with_one_key(ONE_OF_EACH)] == [type(step) for step in ONE_OF_EACH]


def test_steps_without_their_task_fall_away() -> None:
    """What names a task that is not submitted is left out, and the rest is numbered anew."""
    assert grounded(ONE_OF_EACH[1:]) == (
        Submit(task=0, state=State.RUNNING, variant=2, named=False, awaited=True, key=Key.OTHER),
        Cancel(task=0, form=Form.TASK_ID, key=Key.OTHER),
        Pause(seconds=0.1),
        Account(key=Key.OTHER),
    )


# --- smaller programs


@pytest.mark.parametrize("wanted", [{0}, {39}, {3, 17, 31}, {0, 1, 38, 39}, {5, 6, 7, 8}])
def test_what_breaks_is_reduced_to_what_matters(wanted: set[int]) -> None:
    """Of forty items those remain without which it does not break, and that takes few questions."""
    breaks, asked = counted(lambda kept: wanted <= {*kept})
    assert reduced(range(40), breaks) == tuple(sorted(wanted))
    assert len(asked) <= 160


def test_what_is_left_can_lose_nothing_more() -> None:
    """Also where what matters depends on each other, no single item that is left can go."""
    chance = random.Random(7)  # noqa: S311 - an example
    for _ in range(50):
        pairs = [{chance.randrange(20), chance.randrange(20)} for _ in range(3)]
        breaks, _ = counted(lambda kept, pairs=pairs: any(pair <= {*kept} for pair in pairs))  # type: ignore[misc]
        kept = reduced(range(20), breaks)
        assert breaks(kept)
        assert not any(breaks(kept[:place] + kept[place + 1 :]) for place in range(len(kept)))


def test_what_never_breaks_again_stays_whole() -> None:
    """Where no part breaks, nothing is lost, and the search ends."""
    breaks, asked = counted(lambda _: False)
    assert reduced(range(40), breaks) == tuple(range(40))
    assert len(asked) <= 90


def test_a_program_is_reduced_to_the_known_minimum() -> None:
    """Two cancels of one task that follow each other are found in a life of forty steps, with the task's submit."""

    def breaks(program: Program) -> bool:
        cancels = [step for step in grounded(program) if isinstance(step, Cancel)]
        return any(one.task == two.task for one, two in pairwise(cancels))

    found = next(program for program in generated(3, 40) if len(program) > 25 and breaks(program))
    ask, asked = counted(breaks)
    smallest = shrunk(found, ask)
    assert [type(step) for step in smallest] == [Submit, Cancel, Cancel]
    assert len(asked) <= 120


def test_one_task_stands_for_two() -> None:
    """Where it does not matter that two tasks are named, one is enough."""
    program = (Submit(task=0), Submit(task=1), Query(task=1), CancelBoth(task=0, other=1))
    smallest = shrunk(program, lambda steps: any(isinstance(step, CancelBoth) for step in grounded(steps)))
    assert smallest == (Submit(task=0), CancelBoth(task=0, other=0))


def test_a_program_is_told_twice_over_with_other_tasks() -> None:
    """The second half is the first, with tasks of its own."""
    twice = doubled((Submit(task=0), Cancel(task=0), Account()))
    assert twice == (Submit(task=0), Cancel(task=0), Account(), Submit(task=1), Cancel(task=1), Account())
    assert grounded(twice) == twice


def test_a_patient_program_waits_for_what_is_to_run() -> None:
    """A pending task is not waited for."""
    submits = (Submit(task=0, state=State.RUNNING), Submit(task=1))
    assert [step.awaited for step in patient(submits) if isinstance(step, Submit)] == [True, False]


def test_steps_about_some_tasks_alone() -> None:
    """What names another task is left out; pauses and accounts are about none."""
    kinds = [type(step) for step in about(ONE_OF_EACH, [1])]
    assert kinds == [Submit, Cancel, Pause, Account]


# --- replays


def a_replay(program: Program = ONE_OF_EACH) -> Replay:
    """A replay of a program."""
    return Replay(requirement="BILL-9", program=program, found_in=31, seed=4711)


def test_a_replay_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    """Every kind of step, and all that was known of it."""
    path = a_replay().write(tmp_path)
    assert path.name == "replay-BILL-9.json"
    assert Replay.read(path) == a_replay()


def test_generated_programs_come_back_as_they_were_kept(tmp_path: Path) -> None:
    """Whatever is generated is a lawful replay."""
    for program in generated(5):
        assert Replay.read(a_replay(program).write(tmp_path)).program == program


def test_a_replay_tells_each_step_in_words() -> None:
    """No two steps read the same, and every one names its tasks."""
    said = [str(step) for step in ONE_OF_EACH]
    assert len(set(said)) == len(said)
    assert all(f"task {task}" in str(step) for step in ONE_OF_EACH for task in names(step))


def changed(**fields: object) -> dict[str, object]:
    """The document of a replay with some fields changed, or left out (`...`)."""
    document = {**a_replay().document(), **fields}
    return {name: value for name, value in document.items() if value is not ...}


def with_step(**fields: object) -> dict[str, object]:
    """The document of a replay whose second step is another."""
    cancel = {"do": "cancel", "task": 0, "form": "path", "key": "owner", **fields}
    [first, *_] = changed()["program"]  # type: ignore[misc]
    return changed(program=[first, {name: value for name, value in cancel.items() if value is not ...}])


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "the document is []; allowed is a JSON object"),
        (changed(format="har"), 'format is "har"; allowed is'),
        (changed(format=...), "format is missing"),
        (changed(version=2), "version is 2; this suite reads version 1"),
        (changed(requirement="BILL-99"), 'requirement is "BILL-99"; allowed is an id of the catalogue'),
        (changed(requirement=["BILL-9"]), 'requirement is ["BILL-9"]'),
        (changed(program=[]), "program is []; allowed is a list of 1 to 200 steps"),
        (changed(program="all"), 'program is "all"'),
        (changed(program=[7]), "program[0] is 7; allowed is a JSON object"),
        (changed(seed=-1), "seed is -1; allowed is a whole number"),
        (with_step(do="destroy"), 'program[1].do is "destroy"; allowed: submit, cancel,'),
        (with_step(do=["cancel"]), 'program[1].do is ["cancel"]'),
        (with_step(form="body"), 'program[1].form is "body"; allowed: "path", "task_id", "out_task_id"'),
        (with_step(form=...), "program[1].form is missing"),
        (with_step(force=True), "program[1].force is not known; allowed: do, task, form, key"),
        (with_step(key="sk-byts-1"), 'program[1].key is "sk-byts-1"; allowed: "owner", "other"'),
        (with_step(task=3), "program[1] names a task that no earlier step submits; allowed: [0]"),
        (with_step(task=True), "program[1].task is true; allowed is a number from 0"),
        (with_step(task=0.0), "program[1].task is 0.0; allowed is a whole number"),
        (changed(program=[{"do": "wait", "seconds": 1e9}]), "program[0].seconds is 1000000000.0; allowed is a number"),
        (changed(program=changed()["program"][:1] * 2), "program[1]: task 0 is submitted twice"),  # type: ignore[index]
    ],
)
def test_what_is_no_replay_is_refused_in_a_sentence(document: object, said: str, tmp_path: Path) -> None:
    """The sentence names the file, what is wrong, and what is allowed."""
    path = tmp_path / "replay.json"
    path.write_text(json.dumps(document))
    with pytest.raises(NoReplay) as refused:
        Replay.read(path)
    assert f"{path}: {said}" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[" * 900 + b"]" * 900, "the document is"),
        (b'{"seconds": NaN}', "format is missing"),
        (b" " * ((1 << 20) + 1), "is too large"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(content: bytes, said: str, tmp_path: Path) -> None:
    """Whatever the bytes, there is no traceback."""
    path = tmp_path / "replay.json"
    path.write_bytes(content)
    with pytest.raises(NoReplay, match=r"replay\.json: ") as refused:
        Replay.read(path)
    assert said in str(refused.value)


# --- against the reference service


def steps_of(path: Path) -> list[Step]:
    """The program in a file."""
    return list(Replay.read(path).program)


def replayed(path: Path, *options: str, environ: dict[str, str] | None = None) -> Result:
    """What `cancel-conformance replay` says of a file."""
    forgotten = dict.fromkeys((*ROLE_VARIABLES, *OTHER_VARIABLES, "CONFORMANCE_BASE_URL"))
    return CliRunner().invoke(main, ["replay", str(path), *options], env={**forgotten, **(environ or {})})


def test_a_fault_is_lived_through_made_smaller_and_replayed(run_suite: RunSuite, tmp_path: Path) -> None:
    """A broken run leaves a program of few steps; it breaks again on the fault, and not on the sound service."""
    fault = ["--fault", "accepts-both-identifiers"]
    ran = run_suite("run", *fault, "-k", "life", "--only", "BILL-9,IDENT-4", "--seed", "3", "--report-dir", "results")
    assert ran.code == 1, ran.stderr
    assert "IDENT-4 is broken by 2 steps (found in a random life of" in ran.stdout
    assert "curl -X POST" in ran.stdout.partition("IDENT-4 is broken by")[2]

    path = ran.folder / "replay-IDENT-4.json"
    assert f"cancel-conformance replay results/{path.name} --fault …" in ran.stdout
    assert [type(step) for step in steps_of(path)] == [Submit, CancelBoth]
    assert "sk-byts" not in path.read_text()

    again = run_suite("replay", str(path), *fault, "--report-dir", "again")
    assert (again.code, "still broken" in again.stdout) == (1, True)
    assert "IDENT-4 MUST" in again.stdout
    assert (tmp_path / "again" / "replay-IDENT-4.sqlite").is_file()

    sound = run_suite("replay", str(path), "--report-dir", "sound")
    assert (sound.code, sound.stdout.splitlines()[-1]) == (0, "fixed")


def test_a_replay_of_a_service_that_proves_nothing_cannot_tell(tmp_path: Path) -> None:
    """Where no task can be submitted, nobody knows whether it is fixed; no traceback, and a reason."""
    path = a_replay((Submit(task=0), CancelBoth(task=0, other=0))).write(tmp_path)
    said = replayed(path, "--fault", "answers-404-to-all", "--report-dir", str(tmp_path))
    assert said.exit_code == 3, said.output
    assert "cannot tell: submit was not accepted" in said.stdout


def test_a_program_for_two_keys_is_not_told_with_one(tmp_path: Path, service: dict[str, Any]) -> None:
    """Where the second key is missing, nobody can tell."""
    path = a_replay((Submit(task=0), Cancel(task=0, key=Key.OTHER))).write(tmp_path)
    environ = {"CONFORMANCE_OWNER_KEY": service["keys"]["owner"]}
    said = replayed(path, "--base-url", service["base_url"], "--report-dir", str(tmp_path), environ=environ)
    assert said.exit_code == 3, said.output
    assert "cannot tell: the program needs a second key" in said.stdout


@pytest.mark.parametrize(("name", "said"), [("x.json", "format is missing"), ("none.json", "cannot be read")])
def test_a_file_that_is_no_replay_is_a_usage_error(name: str, said: str, tmp_path: Path) -> None:
    """It is said before anything is sent."""
    (tmp_path / "x.json").write_text("{}")
    result = replayed(tmp_path / name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{name}: {said}" in result.stderr


def test_the_sound_service_survives_random_lives(run_suite: RunSuite) -> None:
    """Nothing breaks, and no file is kept."""
    ran = run_suite("run", "-k", "life", "--only", "BILL,IDENT-4", "--seed", "8", "--report-dir", "results")
    assert "broken" not in ran.verdicts.values()
    assert "fail" not in ran.verdicts.values()
    assert ran.verdicts["BILL-9"] == "pass"
    assert not list(ran.folder.glob("replay-*"))
