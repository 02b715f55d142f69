"""A run begins with a sign of life, ends in order however it ends, and leaves nothing running."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from click.testing import CliRunner
from conftest import (
    REFERENCE_PROFILE,
    SMOKE_ROWS,
    Recorded,
    clean_environment,
    judged_again,
    order_for,
    recorded,
    suite_command,
)
from stand_in import KEY, OTHER_KEY, Heard, answer, nowhere, profile, standing_in
from test_suite import TESTS, aims, names
from told import terms

from conformance.account import estimate, readings
from conformance.cli import main
from conformance.depth import DEPTHS
from conformance.journal import Journal
from conformance.lawful import Task
from conformance.reference.faults import FAULTS
from conformance.report.summary import terms_of
from conformance.requirements import catalogue
from conformance.run import Run, Unreachable
from conformance.running import reference_service
from conformance.states import State
from conformance.target.provision import OutOfReach
from conformance.teller import Teller

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import BeginRun, RunSuite

DEGENERATE = [name for name, made in FAULTS.items() if made.degenerate]
EVERYWHERE = "IDENT-4,STATE-3,IDEMP-5,PARITY-1,ERR-3,AUTH-2,ISO-1,BILL-7"
UNAUTHORISED = answer(401, {"error": {"code": "invalid_api_key", "message": "No.", "type": "authentication_error"}})
UNKNOWN = answer(404, {"error": {"code": "task_not_found", "message": "No.", "type": "invalid_request_error"}})
_LONGEST = 60.0


def at_the_service(service: dict[str, Any]) -> list[str]:
    """The options that name the reference service as a target of the user's own."""
    return ["--target", str(REFERENCE_PROFILE), "--base-url", service["base_url"]]


# a sign of life


def silence(says: bytes, begin_run: BeginRun) -> str:
    """Why nothing can be learned from a target that answers so."""
    run, _ = begin_run(lambda _: says, limits__retries=0)
    with pytest.raises(Unreachable) as caught:
        run.begin()
    return str(caught.value)


@pytest.mark.parametrize(("code", "unseen"), [("/error/code", set()), ("/code", {"ERR-2"})])
def test_another_envelope_is_not_the_documented_one(begin_run: BeginRun, code: str, unseen: set[str]) -> None:
    """Where the profile names another place for the code, no run can show the documented envelope (ERR-2, R12)."""
    run, _ = begin_run(lambda _: UNKNOWN, errors__code=code)
    assert set(run.journal.notes()["not_observable"]) == unseen


def test_nobody_there_is_said_in_a_sentence(journal: Journal, tmp_path: Path) -> None:
    """With the address, and what to look at."""
    made = profile(nowhere(), limits__retries=0)
    run = Run(order_for(made, tmp_path), journal)
    with pytest.raises(Unreachable, match=rf"{made.base_url} does not answer .*refused.*check base_url"):
        run.begin()
    run.close()


@pytest.mark.parametrize("content", [b"<html><title>Log in</title></html>", b"", b"[]", b"404 page not found"])
def test_what_is_no_such_api_is_said_in_a_sentence(begin_run: BeginRun, content: bytes) -> None:
    """A login page, an empty answer, a router's own 404."""
    said = silence(answer(200, content=content, content_type="text/html"), begin_run)
    assert "answered 200 with 'text/html'" in said
    assert "check base_url (does it end in /v1?)" in said


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_said_in_a_sentence(begin_run: BeginRun, status: int) -> None:
    """With the variable that holds it, and without the key."""
    said = silence(UNAUTHORISED.replace(b"401", str(status).encode(), 1), begin_run)
    assert f"refuses the owner's key, which is in CONFORMANCE_OWNER_KEY: {status}" in said
    assert KEY not in said


def test_a_target_that_refuses_every_submit_is_no_reason_to_stop(begin_run: BeginRun) -> None:
    """There are rows that need no task of ours."""
    run, _ = begin_run(lambda _: UNKNOWN)
    run.begin()
    assert "submit was not accepted" in run.provision.out_of_reach(State.COMPLETED)


# sweeping


def test_what_may_have_been_made_is_cancelled_too(begin_run: BeginRun) -> None:
    """A submit that was never answered may have made a task: it is cancelled by its own name."""
    run, server = begin_run(lambda heard: b"" if "submit" in heard.path else UNKNOWN, limits__retries=0)
    body: dict[str, object] = {"model": "boat", "params": {}, "out_task_id": "boat-1"}
    run.client.submit(1, "owner", body)
    run.client.unanswered = 0
    assert run.sweep() == 0
    assert [heard.document for heard in server.heard] == [body, {"out_task_id": "boat-1"}]


def test_an_account_is_haunted_while_there_may_be_a_task_that_nobody_knows(begin_run: BeginRun) -> None:
    """A submit whose answer was lost may have made one; once its name is cancelled or unknown, it moves nothing."""
    there = [UNKNOWN, b"", b""]
    run, _ = begin_run(lambda heard: b"" if "submit" in heard.path else there.pop(), limits__retries=0)
    with pytest.raises(OutOfReach):
        run.provision.submit(1, State.RUNNING)
    teller = Teller(run, "money", ())
    assert [teller.story(alone=True).told().haunted for _ in range(3)] == [True, True, False]
    with pytest.raises(OutOfReach):
        run.provision.submit(1, State.RUNNING, out_task_id=None)
    assert teller.story(alone=True).told().haunted
    told = [story for _, story in run.journal.stories(run.terms)]
    assert [story.haunted for story in told if story.title == "money"] == [True, True, False, True]


def test_an_unknown_id_looks_like_a_known_one(begin_run: BeginRun) -> None:
    """Of the target's own shape, so that its shape is no reason to refuse it."""
    run, _ = begin_run(lambda _: UNKNOWN)
    for known in ("task_01JZ8Q4M7T9V2K5XNB3CWEH6RD", "3f2b8c1e-9d4a-4c6b-8e2f-1a2b3c4d5e6f", "gen_abcdef0123456789"):
        made = run.unknown_task_id(known)
        assert made != known
        assert (
            re.sub(r"[a-z]", "a", re.sub(r"[0-9]", "0", re.sub(r"[A-Z]", "A", made)))[:5]
            == re.sub(r"[a-z]", "a", re.sub(r"[0-9]", "0", re.sub(r"[A-Z]", "A", known)))[:5]
        )
        assert len(made) == len(known)


# whole runs


def test_the_sound_service_passes(smoke: Recorded) -> None:
    """Every row that was asked for, with exit code 0."""
    assert smoke.code == 0, smoke.stdout + smoke.stderr
    assert set(smoke.verdicts) == set(SMOKE_ROWS.split(","))
    assert set(smoke.verdicts.values()) == {"pass"}
    assert smoke.summary["run"]["left_running"] == 0


def test_no_key_is_in_anything_that_a_run_leaves(smoke: Recorded, service: dict[str, Any]) -> None:
    """Not in a file, not on the terminal."""
    left = b"".join(path.read_bytes() for path in smoke.folder.rglob("*") if path.is_file())
    left += smoke.stdout.encode() + smoke.stderr.encode()
    assert [role for role, key in service["keys"].items() if key.encode() in left] == []
    assert b"$KEY" in left


def test_the_sum_over_the_whole_run_knows_what_each_task_was_to_cost(
    service: dict[str, Any], service_environ: dict[str, str], tmp_path: Path
) -> None:
    """That may stand in the answer of a submit alone; without it a late refund would be taken for somebody else's."""
    options = ["--depth", "smoke", "--only", "BILL-9", "--report-dir", "r"]
    run = recorded(tmp_path / "r", "run", *at_the_service(service), *options, environ=service_environ, cwd=tmp_path)
    with contextlib.closing(Journal.open(run.journal)) as journal:
        ledger = journal.story(journal.pool.learned("ledger"), terms())
        assert ledger.tasks
        assert [task for task in ledger.tasks if estimate(ledger, task) is None] == []


def test_a_recorded_run_is_judged_the_same_again(smoke: Recorded, tmp_path: Path) -> None:
    """Offline, from the journal alone."""
    copy = tmp_path / "journal.sqlite"
    copy.write_bytes(smoke.journal.read_bytes())
    again = judged_again(copy, tmp_path / "again")
    assert again.code == smoke.code
    assert again.verdicts == smoke.verdicts
    assert {row: said["held"] for row, said in again.summary["requirements"].items()} == {
        row: said["held"] for row, said in smoke.summary["requirements"].items()
    }


@pytest.mark.parametrize("row", ["IDENT-4", "STATE-4"])
def test_a_row_is_proven_by_itself(
    row: str, service: dict[str, Any], service_environ: dict[str, str], tmp_path: Path
) -> None:
    """What other stories of a run would have shown, forms accepted and how long tasks last, is seen to all the same."""
    options = ["--only", row, "--seed", "1", "--report-dir", "r"]
    run = recorded(tmp_path / "r", "run", *at_the_service(service), *options, environ=service_environ, cwd=tmp_path)
    assert (run.code, run.verdicts) == (0, {row: "pass"}), run.stdout


@pytest.mark.parametrize(("row", "seed"), [("RACE-5", "1"), ("AUTH-2", "79"), ("AUTH-3", "41")])
def test_a_row_is_proven_at_whatever_seed(
    row: str, seed: str, service: dict[str, Any], service_environ: dict[str, str], tmp_path: Path
) -> None:
    """However little is told: a test that holds a row only by luck, or only shows the valid key, is not told alone."""
    options = ["--depth", "smoke", "--only", row, "--seed", seed, "--report-dir", "r"]
    run = recorded(tmp_path / "r", "run", *at_the_service(service), *options, environ=service_environ, cwd=tmp_path)
    assert (run.code, run.verdicts) == (0, {row: "pass"}), run.stdout


def test_credits_that_refusals_do_not_tell_are_read_all_the_same(tmp_path: Path) -> None:
    """The documented header is found on a submit's answer, and read off an ended task from then on (R16)."""
    options = ["--depth", "smoke", "--only", "BILL-2,BILL-4,ISO-7", "--stranger", "tells-credits-with-successes-only"]
    run = recorded(tmp_path / "r", "run", *options, "--report-dir", "r", environ={}, cwd=tmp_path)
    assert (run.code, {*run.verdicts.values()}) == (0, {"pass"}), run.stdout


@pytest.mark.parametrize(("stranger", "apart"), [((), False), (("--stranger", "has-its-accounts-elsewhere"), True)])
def test_an_account_is_asked_for_once_where_that_tells_all(
    stranger: tuple[str, ...], apart: bool, tmp_path: Path
) -> None:
    """What two places tell is read from one answer, if that has both; else the header is asked for by itself (R16)."""
    options = ["--depth", "smoke", "--only", "BILL-1", *stranger, "--report-dir", "r"]
    run = recorded(tmp_path / "r", "run", *options, environ={}, cwd=tmp_path)
    assert (run.code, run.verdicts) == (0, {"BILL-1": "pass"}), run.stdout
    with contextlib.closing(Journal.open(run.journal)) as journal:
        told = [story for _, story in journal.stories(terms_of(journal)) if "paying" in story.title]
    assert told
    for story in told:
        asked = len(story.accounts)
        alone = [each for each in story.queries if each.task is None]
        assert len(alone) == (asked if apart else 0)
        assert {source: len(series) >= asked for (_, source), series in readings(story).items()} == {
            "header": True,
            "document": True,
        }


def test_a_spent_budget_ends_in_order(service: dict[str, Any], service_environ: dict[str, str], tmp_path: Path) -> None:
    """Rows stay open with the reason, and the run ends as any other."""
    options = ["--depth", "smoke", "--only", "STATE-1,STATE-2", "--set", "budget.tasks=2", "--report-dir", "r"]
    run = recorded(tmp_path / "r", "run", *at_the_service(service), *options, environ=service_environ, cwd=tmp_path)
    assert run.code == 3, run.stdout + run.stderr
    assert set(run.verdicts.values()) == {"inconclusive"}
    assert "the budget of 2 tasks is spent; raise budget.tasks" in run.stdout
    assert run.summary["submits"] == 2
    assert run.summary["run"]["ended"]


def test_services_that_are_none_pass_nothing(tmp_path: Path) -> None:
    """Answering nothing, or always the same, keeps no MUST row, whichever family asks."""

    def score(fault: str) -> tuple[int, list[str]]:
        options = ["--depth", "smoke", "--only", EVERYWHERE, "--set", "limits.retries=0"]
        options += ["--fault", fault, "--report-dir", fault]
        run = recorded(tmp_path / fault, "run", *options, environ={}, cwd=tmp_path)
        passed = [row for row, verdict in run.verdicts.items() if verdict == "pass"]
        return run.code, [row for row in passed if catalogue()[row].level == "MUST"]

    with ThreadPoolExecutor(2) as pool:
        scores = dict(zip(DEGENERATE, pool.map(score, DEGENERATE), strict=True))
    assert {fault: passed for fault, (_, passed) in scores.items()} == {fault: [] for fault in DEGENERATE}
    assert {code for code, _ in scores.values()} <= {1, 3}
    assert len(scores) >= 3


# runs that are cut off


class Cut:
    """A run that a signal ended when it was well under way."""

    def __init__(self, service: dict[str, Any], environ: dict[str, str], folder: Path, number: signal.Signals) -> None:
        options = ["--depth", "standard", "--only", "STATE,IDENT", "--report-dir", str(folder)]
        process = subprocess.Popen(
            suite_command("run", *at_the_service(service), *options),
            env=clean_environment(environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.journal = folder / "journal.sqlite"
        wait_until(lambda: len(self.tasks()) > 40 and self.leaves_something_alive(), process)
        process.send_signal(number)
        self.stdout, self.stderr = process.communicate(timeout=_LONGEST)
        self.code = process.returncode

    def leaves_something_alive(self) -> bool:
        """Whether a story that was told to its end has left a task in flight, to look at it again."""
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(self.journal)) as connection:
            left = "SELECT 1 FROM cast_ JOIN task USING (task_id) WHERE lingers AND NOT ended"
            return connection.execute(left).fetchone() is not None
        return False

    def tasks(self) -> list[tuple[str, str]]:
        """The tasks that the run has made so far, each with its role."""
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(self.journal)) as connection:
            rows = connection.execute("SELECT record FROM task").fetchall()
            return [(task["task_id"], task["role"]) for task in (json.loads(record) for (record,) in rows)]
        return []


def states_of(tasks: list[tuple[str, str]], service: dict[str, Any]) -> dict[str, str]:
    """What the service says of each task, to the key that made it."""
    found = {}
    for task_id, role in tasks:
        headers = {"authorization": f"Bearer {service['keys'][role]}"}
        shown = httpx.post(
            f"{service['base_url']}/tasks/query", json={"task_id": task_id}, headers=headers, trust_env=False
        )
        found[task_id] = shown.json()["status"]
    return found


def wait_until(met: Any, process: subprocess.Popen[str]) -> None:  # noqa: ANN401 - a question without arguments
    """Wait for something that a running process does."""
    give_up = time.monotonic() + _LONGEST
    while not met():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.fixture(scope="module")
def cut(
    service: dict[str, Any], service_environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[signal.Signals, Cut]:
    """Two runs that were cut off, each by another signal, at the same time."""
    signals = [signal.SIGINT, signal.SIGKILL]
    with ThreadPoolExecutor(len(signals)) as pool:
        folders = [tmp_path_factory.mktemp(number.name) for number in signals]
        made = pool.map(lambda number, folder: Cut(service, service_environ, folder, number), signals, folders)
        return dict(zip(signals, made, strict=True))


def test_an_interrupted_run_leaves_nothing_running(cut: dict[signal.Signals, Cut], service: dict[str, Any]) -> None:
    """Every task that it made has ended, and its report is printed all the same."""
    run = cut[signal.SIGINT]
    assert run.code not in {0, 4}, run.stderr
    assert "MUST rows passed" in run.stdout
    assert "broke off" in run.stdout
    assert "Traceback" not in run.stdout + run.stderr
    found = states_of(run.tasks(), service)
    assert len(found) > 12
    assert set(found.values()) <= {"cancelled", "completed", "failed"}


def test_no_interrupt_is_lost_in_the_garbage_collector(
    service: dict[str, Any], service_environ: dict[str, str], tmp_path: Path
) -> None:
    """What Hypothesis would have called there, a run leaves out: Python drops what is raised in it."""
    (tmp_path / "asks.py").write_text(
        "import gc\n\ndef pytest_runtest_teardown():\n    print('called:', [each.__name__ for each in gc.callbacks])\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:schemathesis", "-p", "asks", "-s", "-n", "0", "-q", "--pyargs"]
    options = ["conformance.suite", "--target", str(REFERENCE_PROFILE), "--depth", "smoke", "--only", "IDENT-4"]
    done = subprocess.run(
        [*command, *options],
        env=clean_environment(
            {**service_environ, "PYTHONPATH": str(tmp_path), "CONFORMANCE_BASE_URL": service["base_url"]}
        ),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    assert "called: []" in done.stdout, done.stdout + done.stderr
    assert "gc_callback" not in done.stdout


def test_an_interrupt_where_the_interpreter_knows_no_line_ends_a_run_in_order(tmp_path: Path) -> None:
    """CPython has instructions that are of no line, and pytest breaks down over an interrupt at one of them."""
    program = tmp_path / "interrupted.py"
    program.write_text(
        "import sys\nfrom conformance.cli import main\nfrom conformance.teller import Teller\n\n"
        "def interrupted(*_, **__):\n    raise KeyboardInterrupt\n\n"
        "interrupted.__code__ = interrupted.__code__.replace(co_linetable=b'')\n"
        "Teller.story = interrupted\nmain(sys.argv[1:])\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, str(program), "run", "--only", "IDENT-4", "--jobs", "1", "--report-dir", str(tmp_path / "r")],
        env=clean_environment({}),
        capture_output=True,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "broke off" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_journal_of_a_cut_off_run_is_judged(
    cut: dict[signal.Signals, Cut], tmp_path: Path, number: signal.Signals
) -> None:
    """What was told until then counts, and nothing lawful is blamed; but nothing is proven."""
    run = judged_again(cut[number].journal, tmp_path / "again")
    assert run.code == 3, run.stdout + run.stderr
    assert "fail" not in run.verdicts.values()
    assert "pass" in run.verdicts.values()
    assert "Traceback" not in run.stderr


# sweeping behind a run that came to no end of its own


def sweeping(journal: Path, folder: Path, *options: str, environ: dict[str, str]) -> Recorded:
    """The command `sweep`, on a journal."""
    return recorded(folder, "sweep", str(journal), *options, environ=environ, cwd=folder)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_tests_of_the_folder_have_no_say(run_suite: RunSuite, tmp_path: Path, jobs: str) -> None:
    """A run in somebody's checkout loads no conftest of theirs."""
    (tmp_path / "tests").mkdir()
    for folder in (tmp_path, tmp_path / "tests"):
        (folder / "conftest.py").write_text("raise SystemExit('theirs')\n", encoding="utf-8")
    run = run_suite("run", "--depth", "smoke", "--only", "IDENT-4", "--jobs", jobs)
    assert run.code == 0, run.stdout + run.stderr


def test_a_pytest_that_breaks_down_is_our_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it has said nothing on its way: no run that told nothing for that reason ends as if it were open."""
    monkeypatch.setattr(pytest, "main", lambda *_, **__: pytest.ExitCode.INTERNAL_ERROR)
    result = CliRunner().invoke(main, ["run", "--only", "IDENT-4", "--jobs", "1", "--report-dir", str(tmp_path / "r")])
    assert result.exit_code == 4, result.output
    assert "INTERNAL_ERROR" in result.output


def test_what_a_killed_run_has_left_is_swept(
    cut: dict[signal.Signals, Cut], service: dict[str, Any], service_environ: dict[str, str], tmp_path: Path
) -> None:
    """By the journal alone, the keys from the environment; and then there is nothing left to sweep."""
    killed = cut[signal.SIGKILL]
    journal = tmp_path / "copy.sqlite"
    with (
        contextlib.closing(sqlite3.connect(killed.journal)) as source,
        contextlib.closing(sqlite3.connect(journal)) as to,
    ):
        source.backup(to)
    live = [each for each, state in states_of(killed.tasks(), service).items() if state in {"pending", "running"}]
    assert live
    missing = sweeping(journal, tmp_path, environ={})
    assert missing.code == 2
    assert "CONFORMANCE_OWNER_KEY" in missing.stderr
    swept = sweeping(journal, tmp_path, environ=service_environ)
    left = [line for line in swept.stdout.splitlines() if line.startswith("left  ")]
    assert all("a submit without an out_task_id" in line for line in left)  # it may be under way at the kill
    assert swept.code == (3 if left else 0), swept.stdout + swept.stderr
    assert all(f"ended  {task_id} of " in swept.stdout for task_id in live)
    assert set(states_of(killed.tasks(), service).values()) <= {"cancelled", "completed", "failed"}
    again = sweeping(
        journal,
        tmp_path,
        *at_the_service(service)[:2],
        "--set",
        f"base_url={service['base_url']}",
        environ=service_environ,
    )
    assert (again.code, again.stdout.splitlines()) == (swept.code, [*left, f"0 ended, {len(left)} left"])


def test_what_cannot_be_swept_is_named(tmp_path: Path) -> None:
    """A target that is silent, a task that it does not know, and a submit that was lost: exit code 3, each by name."""
    asked: list[str] = []

    def says(heard: Heard) -> bytes:
        asked.append(heard.path)
        return UNKNOWN

    with standing_in(says) as server:
        made = profile(server.base_url, limits__retries=0)
        with contextlib.closing(Journal.create(tmp_path / "journal.sqlite")) as journal:
            run = Run(order_for(made, tmp_path), journal)
            with contextlib.suppress(Unreachable):
                run.begin()
            journal.keep_task(Task(task_id="task_1", out_task_id=None, role="owner", submitted_at=1.0))
            run.leave()
        done = sweeping(
            journal.path, tmp_path, environ={"CONFORMANCE_OWNER_KEY": KEY, "CONFORMANCE_OTHER_KEY": OTHER_KEY}
        )
    assert done.code == 3, done.stdout + done.stderr
    assert "left   task_1 of owner: its cancel was answered 404" in done.stdout
    assert "0 ended, 1 left" in done.stdout
    silent = sweeping(
        journal.path, tmp_path, environ={"CONFORMANCE_OWNER_KEY": KEY, "CONFORMANCE_OTHER_KEY": OTHER_KEY}
    )
    assert silent.code == 3
    assert "left   task_1 of owner: no answer" in silent.stdout
    assert KEY not in done.stdout + done.stderr + silent.stdout + silent.stderr


def test_a_lost_submit_is_asked_for_by_its_name_and_left_without_one(tmp_path: Path) -> None:
    """By its name once more at the end, if it was before: it may have come late. Without one it counts as left."""
    cancels: list[str] = []

    def says(heard: Heard) -> bytes:
        cancels.extend([str(heard.document)] if heard.path.endswith("/cancel") else [])
        return b"" if heard.path.endswith("/submit") else UNKNOWN

    with standing_in(says) as server:
        made = profile(server.base_url, limits__retries=0)
        with contextlib.closing(Journal.create(tmp_path / "journal.sqlite")) as journal:
            run = Run(order_for(made, tmp_path), journal)
            story = journal.begin_story("two submits are lost", ())
            run.client.submit(story, "owner", {"model": "m", "out_task_id": "boat"})
            [lost] = run.client.submit(story, "owner", {"model": "m"})
            assert run.sweeper.lay(story, "owner", "boat")
            cancels.clear()
            swept = run.sweeper.sweep()
            assert swept.ended == ("whatever boat of owner has made",)
            assert swept.left == {
                f"what exchange {lost.number} of owner may have made": (
                    "a submit without an out_task_id to cancel by, whose answer was lost"
                )
            }
            assert run.sweep() == 1
            assert cancels == ["{'out_task_id': 'boat'}"]
            run.leave()


def test_a_sweep_of_something_else_is_refused(
    cut: dict[signal.Signals, Cut], tmp_path: Path, service_environ: dict[str, str]
) -> None:
    """A file that is no journal, and a profile of another target: nothing is sent."""
    nothing = sweeping(tmp_path / "none.sqlite", tmp_path, environ={})
    assert (nothing.code, nothing.stdout) == (2, "")
    assert "there is no such journal" in nothing.stderr
    journal = cut[signal.SIGINT].journal
    other = sweeping(journal, tmp_path, "--target", str(REFERENCE_PROFILE), environ=service_environ)
    assert other.code == 2
    assert "and the profile is for http://127.0.0.1;" in other.stderr


def test_a_run_that_is_told_to_end_while_it_begins_sweeps_too(tmp_path: Path) -> None:
    """SIGTERM between a submit and its answer: what was made, and what may have been made, is cancelled."""
    running: list[subprocess.Popen[str]] = []

    def says(heard: Heard) -> bytes | Iterator[bytes]:
        if not heard.path.endswith("/submit"):
            return UNKNOWN if "query" in heard.path else answer(200, {"task_id": "task_1", "status": "cancelled"})
        if sum(each.path == heard.path for each in server.heard) == 1:
            return answer(200, {"task_id": "task_1", "status": "pending"})
        running[0].send_signal(signal.SIGTERM)
        return iter(lambda: time.sleep(1) or b"", b"")

    with standing_in(says) as server:
        options = ["--base-url", server.base_url, "--depth", "smoke", "--only", "STATE-1", "--report-dir", "r"]
        process = subprocess.Popen(
            suite_command("run", *options),
            env=clean_environment({"CONFORMANCE_OWNER_KEY": KEY}),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        said, _ = process.communicate(timeout=_LONGEST)
    assert process.returncode == 3, said
    second = [heard.document for heard in server.heard if heard.path.endswith("/submit")][1]
    cancels = [(heard.path, heard.content) for heard in server.heard if "cancel" in heard.path]
    assert ("/v1/tasks/cancel/task_1", b"") in cancels
    assert json.dumps({"out_task_id": second["out_task_id"]}).encode() in [content for _, content in cancels]


# as plain pytest


@pytest.fixture(scope="module")
def plain(
    service: dict[str, Any], service_environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Recorded:
    """The run of `smoke` once more, as plain pytest from another folder, its settings from the environment."""
    folder = tmp_path_factory.mktemp("plain")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:schemathesis",
        "--assert=plain",
        "--pyargs",
        "conformance.suite",
    ]
    options = ["--target", str(REFERENCE_PROFILE), "--depth", "smoke", "--only", SMOKE_ROWS, "--seed", "7"]
    done = subprocess.run(
        [*command, *options, "--report-dir", "out"],
        env=clean_environment({**service_environ, "CONFORMANCE_BASE_URL": service["base_url"]}),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    return Recorded(code=done.returncode, stdout=done.stdout, stderr=done.stderr, folder=folder / "out")


def test_the_suite_runs_as_plain_pytest(plain: Recorded) -> None:
    """With the same options, the same verdicts, and their exit code."""
    assert plain.code == 0, plain.stdout + plain.stderr
    assert "✓ STATE-1" in plain.stdout
    assert "4 rows: 4 pass; 4 of 4 MUST rows passed" in plain.stdout


def collected(environ: dict[str, str], folder: Path, *options: str) -> list[str]:
    """The tests that a run would tell, by module and name; nothing is sent."""
    command = [sys.executable, "-m", "pytest", "-p", "no:schemathesis", "--collect-only", "-q", "--pyargs"]
    done = subprocess.run(
        [*command, "conformance.suite", "--target", str(REFERENCE_PROFILE), *options],
        env=clean_environment(environ),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return re.findall(r"test_\w+\.py::(test_\w+)", done.stdout)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_run_can_begin_at_every_depth(
    depth: str, processes: str, service_environ: dict[str, str], tmp_path: Path
) -> None:
    """Its tests are found and settled; nothing is sent, in however many processes they would be told.

    What takes long is left out of the least of them alone.
    """
    told = collected(service_environ, tmp_path, "--depth", depth, "--seed", "1", "-n", processes)
    assert "test_calling_without_a_valid_key" in told
    assert ("test_sending_generated_bodies" in told) is (depth != "smoke")


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_no_row_is_left_to_luck(seed: int, service_environ: dict[str, str], tmp_path: Path) -> None:
    """However little is told: every row has a story that surely asks for it, also at seeds that would leave it out."""
    told = set(collected(service_environ, tmp_path, "--depth", "smoke", "--seed", str(seed)))
    sure = {
        row
        for _, test in TESTS
        if test.__name__ in told and names(test).isdisjoint({"luck", "last"})
        for row in aims(test)
    }
    assert {row.id for row in catalogue().values() if row.profile == "core"} - sure == set()


@pytest.mark.parametrize(
    ("gate", "code"),
    [((), 1), (("--gate", "none", "--fail-on-inconclusive"), 0)],
    ids=str,
)
def test_plain_pytest_has_the_gate_too(gate: tuple[str, ...], code: int, tmp_path: Path) -> None:
    """A failing row decides the exit code as the gate has it; the tests fail all the same."""
    with reference_service("accepts-both-identifiers") as started:
        keys = {f"CONFORMANCE_{role.upper()}_KEY": started["keys"][role] for role in ("owner", "other", "revoked")}
        command = [sys.executable, "-m", "pytest", "-p", "no:schemathesis", "--pyargs", "conformance.suite"]
        options = ["--target", str(REFERENCE_PROFILE), "--depth", "smoke", "--only", "IDENT-4", "--report-dir", "out"]
        done = subprocess.run(
            [*command, *options, *gate],
            env=clean_environment({**keys, "CONFORMANCE_BASE_URL": started["base_url"]}),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )
    assert done.returncode == code, done.stdout + done.stderr
    assert "1 rows: 1 fail" in done.stdout
    assert "not conformant" in done.stdout


_VARYING = re.compile(r"task_[0-9A-Z]{26}|[0-9a-f]{10}-conformance|\d{17}")


def calls(path: Path) -> dict[tuple[int, str], list[tuple[str, str, str]]]:
    """The submits and cancels of each story in a journal, in order, with what names tasks left out."""
    said: dict[tuple[int, str], list[tuple[str, str, str]]] = {}
    with contextlib.closing(Journal.open(path)) as journal:
        for number, title, operation, url, content in journal.connection.execute(
            "SELECT story.number, title, operation, url, content FROM exchange JOIN story ON story.number = story"
            " WHERE operation IN ('submit', 'cancel') ORDER BY exchange.number"
        ):
            call = operation, _VARYING.sub("…", url), _VARYING.sub("…", repr(content))
            said.setdefault((number, title), []).append(call)
    return said


def test_one_seed_generates_the_same_calls(smoke: Recorded, plain: Recorded) -> None:
    """The stories of two runs say the same in the same order, apart from what the target and chance named.

    When each of them is looked at again is a matter of time.
    """
    one, two = calls(smoke.journal), calls(plain.journal)
    assert len(one) > 5
    assert one == two


def test_the_tests_of_others_are_left_alone(tmp_path: Path) -> None:
    """Their options and fixtures may have our names, and their exit code is their own."""
    (tmp_path / "conftest.py").write_text(
        "import pytest\n"
        "def pytest_addoption(parser):\n"
        "    for name in ('--target', '--depth', '--only', '--seed', '--contract', '--report-dir'):\n"
        "        parser.addoption(name, default='theirs')\n"
        "@pytest.fixture\n"
        "def teller(request):\n"
        "    return request.config.getoption('--target')\n",
        encoding="utf-8",
    )
    (tmp_path / "test_theirs.py").write_text(
        "import sys\ndef test_one(teller):\n    assert teller == 'theirs'\n"
        "    assert 'conformance.teller' not in sys.modules\n"
        "def test_two():\n    assert False\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:schemathesis", "-p", "no:cacheprovider", "--assert=plain", "-q"],
        env=clean_environment({"PYTHONDONTWRITEBYTECODE": "1"}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
    assert "onformance" not in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["conftest.py", "test_theirs.py"]
