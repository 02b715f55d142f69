"""A run in several processes is one run: one budget, one cap, one set of shared tasks, one report, one end."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import REFERENCE_PROFILE, Recorded, clean_environment, recorded, suite_command

from conformance.exchange import Operation
from conformance.journal import Journal
from conformance.running import reference_service

CAP = 3
ROWS = "IDEMP-1,IDEMP-2,ISO-1,AUTH-6,BILL-1,RACE-3,STATE-2,NOTIFY-1"
_LONGEST = 100.0


@pytest.fixture(scope="module")
def far() -> Iterator[dict[str, Any]]:
    """A service that is far away, runs few tasks at a time, and refuses what passes its cap."""
    options = ["--latency", "0.03", "--in-flight", str(CAP), "--at-most-running", "4"]
    with reference_service(options=options) as started:
        yield started


@pytest.fixture(scope="module")
def keys(far: dict[str, Any]) -> dict[str, str]:
    """The variables that hold its keys."""
    return {f"CONFORMANCE_{role.upper()}_KEY": far["keys"][role] for role in ("owner", "other", "revoked")}


def options(far: dict[str, Any], *more: str) -> list[str]:
    """The options of a run against it."""
    target = ["--target", str(REFERENCE_PROFILE), "--base-url", far["base_url"], "--set", f"limits.in_flight={CAP}"]
    return [*target, "--depth", "smoke", "--seed", "11", "--report-dir", "results", *more]


@pytest.fixture(scope="module")
def side_by_side(
    far: dict[str, Any], keys: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Recorded, Journal]]:
    """A run of stories of every kind; nobody said in how many processes."""
    folder = tmp_path_factory.mktemp("far")
    run = recorded(folder / "results", "run", *options(far, "--only", ROWS), environ=keys, cwd=folder)
    with contextlib.closing(Journal.open(run.journal)) as journal:
        yield run, journal


@dataclass(frozen=True, kw_only=True)
class Told:
    """A story, the process that told it, and from when to when it did."""

    teller: str
    title: str
    alone: bool
    accounts: frozenset[str]
    begun: float
    ended: float

    def disturbs(self, other: Told) -> bool:
        """Whether another story was told at the same time, on an account that this one may have moved."""
        return bool(self.accounts & other.accounts) and self.begun < other.ended and other.begun < self.ended


def stories(journal: Journal) -> list[Told]:
    """All stories of a run, of which those that list no accounts may have moved any."""
    rows = journal.connection.execute(
        "SELECT teller, title, alone, accounts, min(sent_at), alone_until FROM story"
        " JOIN exchange ON story = story.number WHERE aims != '' AND alone_until < 9e99 GROUP BY story.number"
    )
    return [
        Told(
            teller=teller,
            title=title,
            alone=bool(alone),
            accounts=frozenset(json.loads(accounts or '["owner", "other"]')),
            begun=begun,
            ended=ended,
        )
        for teller, title, alone, accounts, begun, ended in rows
    ]


def tellers(journal: Journal) -> set[str]:
    """The processes that told stories."""
    return {told.teller for told in stories(journal)}


def test_a_far_target_is_told_by_several_processes(side_by_side: tuple[Recorded, Journal]) -> None:
    """As many as may be in flight; all passes, as in one process, and nothing is left."""
    run, journal = side_by_side
    assert run.code == 0, run.stdout + run.stderr
    assert set(run.verdicts.values()) == {"pass"}
    assert len(tellers(journal)) == CAP
    assert run.summary["run"]["left_running"] == 0
    assert journal.live_tasks() == []


def test_the_cap_is_never_passed(side_by_side: tuple[Recorded, Journal]) -> None:
    """The target, which counts for itself, never had to refuse; and more than one was in flight at a time."""
    _, journal = side_by_side
    exchanges = list(journal.exchanges())
    assert [each.number for each in exchanges if each.answer and each.answer.status == 429] == []
    told = {Operation.STREAM, Operation.CALLBACK}
    asked = [each for each in exchanges if each.request.operation not in told]
    changes = sorted([(each.sent_at, 1) for each in asked] + [(each.ended_at, -1) for each in asked])
    assert max(itertools.accumulate(change for _, change in changes)) == CAP


def test_processes_share_their_completed_tasks(side_by_side: tuple[Recorded, Journal]) -> None:
    """Stories of different processes are about one and the same task, and it was submitted once."""
    _, journal = side_by_side
    rows = journal.connection.execute(
        "SELECT task_id, count(DISTINCT teller) FROM cast_ JOIN story ON story = number"
        " WHERE NOT own AND aims != '' GROUP BY task_id"
    ).fetchall()
    assert max(count for _, count in rows) > 1
    states = [state for _, state in journal.pool.shared()]
    assert sorted(states) == ["completed", "failed"]


def test_stories_about_accounts_are_told_alone(side_by_side: tuple[Recorded, Journal]) -> None:
    """While one is told, no other is that may move its account; and each knows that it was alone."""
    _, journal = side_by_side
    told = stories(journal)
    alone = [each for each in told if each.alone]
    assert {each.title.partition("[")[0] for each in alone} >= {"test_paying_for_a_pending_task"}
    assert {"other"} in [each.accounts for each in alone]
    for one, other in itertools.permutations(told, 2):
        assert not (one.alone and other.disturbs(one)), (one, other)


def test_what_is_told_with_one_key_is_sent_with_the_owners(side_by_side: tuple[Recorded, Journal]) -> None:
    """So that it can move his account alone, beside stories about another."""
    _, journal = side_by_side
    rows = journal.connection.execute(
        "SELECT DISTINCT accounts, role FROM exchange JOIN story ON story = story.number WHERE accounts IS NOT NULL"
    ).fetchall()
    assert "other" not in {role for accounts, role in rows if json.loads(accounts) == ["owner"]}
    assert ('["other"]', "other") in rows


def test_progress_and_reports_are_those_of_one_run(side_by_side: tuple[Recorded, Journal]) -> None:
    """One count of all tests, requests and tasks, and no word of processes."""
    run, journal = side_by_side
    lines = [line for line in run.stderr.splitlines() if line]
    assert all(re.match(r"[A-Z]+ +\d+ of \d+ tests, \d+ requests, \d+ tasks, ", line) for line in lines), run.stderr
    assert run.summary["requests"] == journal.count()
    assert len(lines) < 12
    assert "gw0" not in run.stdout + run.stderr


def test_no_key_is_in_what_several_processes_leave(
    side_by_side: tuple[Recorded, Journal], keys: dict[str, str]
) -> None:
    """They were handed down by a pipe alone."""
    run, _ = side_by_side
    left = b"".join(path.read_bytes() for path in run.folder.rglob("*") if path.is_file())
    left += run.stdout.encode() + run.stderr.encode()
    assert [name for name, key in keys.items() if key.encode() in left] == []


def phrased(journal: Journal) -> dict[str, list[list[str]]]:
    """How the cancels of each test were phrased, story by story, whatever identifiers there were."""
    names = {name for task in journal.task_records() for name in task.identifiers}
    found: dict[str, list[list[str]]] = {}
    stories = journal.connection.execute("SELECT number, title FROM story WHERE aims != '' ORDER BY number").fetchall()
    sent: dict[int, list[str]] = {}
    rows = journal.connection.execute(
        "SELECT story, number FROM exchange WHERE operation = ?", (Operation.CANCEL.value,)
    )
    for story, number in rows.fetchall():
        exchange = journal.exchange(number)
        assert exchange is not None
        content = (exchange.request.content or b"").decode(errors="replace")
        for name in names:
            content = content.replace(json.dumps(name), '"…"')
        content = re.sub(r'"(task_[0-9A-Z]{26}|[0-9a-f]{10}-conformance)[^"]*"', '"…"', content)
        sent.setdefault(story, []).append(f"{exchange.request.method} {exchange.request.path_id is not None} {content}")
    for number, title in stories:
        found.setdefault(title, []).append(sent.get(number, []))
    return found


def test_a_seed_says_the_same_in_any_number_of_processes(
    far: dict[str, Any], keys: dict[str, str], tmp_path: Path
) -> None:
    """Every test tells the same calls, whichever process tells it, and beside whatever others."""
    found = []
    for jobs in ("1", "3"):
        (folder := tmp_path / jobs).mkdir()
        rows = "IDENT-4,IDENT-7,IDENT-15,IDEMP-3"
        more = ["--only", f"{rows},IDENT-1,IDENT-2,IDENT-3", "--stories", rows, "--jobs", jobs]
        run = recorded(folder / "results", "run", *options(far, *more), environ=keys, cwd=folder)
        assert run.code == 0, run.stdout + run.stderr
        with contextlib.closing(Journal.open(run.journal)) as journal:
            found.append({title: told for title, told in phrased(journal).items() if "living" not in title})
    assert found[0].keys() == found[1].keys()
    assert found[0] == found[1]
    assert sum(len(story) for told in found[0].values() for story in told) > 20


def test_the_budget_holds_in_all_processes_together(far: dict[str, Any], keys: dict[str, str], tmp_path: Path) -> None:
    """Not a task more than there is, whoever asks; the rest stays open for that reason, and the run ends in order."""
    more = ["--only", "IDENT,STATE-1", "--jobs", "3", "--set", "budget.tasks=20"]
    run = recorded(tmp_path / "results", "run", *options(far, *more), environ=keys, cwd=tmp_path)
    assert run.code == 3, run.stdout + run.stderr
    assert run.summary["submits"] == 20
    assert "the budget of 20 tasks is spent; raise budget.tasks" in run.stdout
    assert run.summary["run"]["left_running"] == 0


# ends that nobody planned


class Begun:
    """A run in several processes that is well under way."""

    def __init__(self, far: dict[str, Any], keys: dict[str, str], folder: Path) -> None:
        more = ["--only", "IDENT", "--jobs", "3", "--depth", "standard"]
        self.journal = folder / "results" / "journal.sqlite"
        self.process = subprocess.Popen(
            suite_command("run", *options(far, *more)),
            env=clean_environment(keys),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        give_up = time.monotonic() + _LONGEST
        while len(self.rows("SELECT task_id FROM task")) < 15:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < give_up
            time.sleep(0.05)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What is in its journal by now."""
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(self.journal)) as connection:
            return connection.execute(statement).fetchall()
        return []

    @property
    def children(self) -> list[int]:
        """The processes that tell its stories."""
        return [
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/stat")
            if path.read_text(encoding="utf-8").rpartition(")")[2].split()[1] == str(self.process.pid)
        ]

    def kill_in_a_story(self) -> None:
        """Kill one of the processes while each of them tells a story."""
        children = self.children
        told = "SELECT DISTINCT teller FROM story WHERE alone_until > 9e99 AND aims != '' AND teller GLOB 'gw*'"
        for child in children:
            os.kill(child, signal.SIGSTOP)
        while len(self.rows(told)) < len(children):
            for number, wait in ((signal.SIGCONT, 0.02), (signal.SIGSTOP, 0.01)):
                for child in children:
                    os.kill(child, number)
                time.sleep(wait)
        os.kill(children[0], signal.SIGKILL)
        for child in children[1:]:
            os.kill(child, signal.SIGCONT)

    def end(self) -> tuple[int, str]:
        """Wait for its end; the exit code, and all that it said."""
        stdout, stderr = self.process.communicate(timeout=_LONGEST)
        return self.process.returncode, stdout + stderr


@pytest.fixture
def begun(far: dict[str, Any], keys: dict[str, str], tmp_path: Path) -> Iterator[Begun]:
    """Such a run."""
    run = Begun(far, keys, tmp_path)
    yield run
    if run.process.poll() is None:
        run.process.kill()
        run.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_in_several_processes_is_interrupted_in_order(begun: Begun, number: signal.Signals) -> None:
    """Nothing is left running, nobody goes on, and its report is printed all the same."""
    started = time.monotonic()
    begun.process.send_signal(number)
    code, said = begun.end()
    assert code == 3, said
    assert "the run broke off before its end" in said
    assert "Traceback" not in said
    assert time.monotonic() - started < 15
    assert begun.rows("SELECT count(*) FROM task WHERE NOT ended") == [(0,)]


def test_a_process_that_dies_is_swept_behind_and_told_of(begun: Begun) -> None:
    """Another takes its place; what it was telling stays open, and that it died is the suite's own fault."""
    begun.kill_in_a_story()
    code, said = begun.end()
    assert code == 4, said
    assert "a process of the run died" in said
    assert begun.rows("SELECT count(*) FROM task WHERE NOT ended") == [(0,)]
    reasons = {reason for _, reason in begun.rows("SELECT requirement, reason FROM obstacle")}
    assert "the process that told the story died" in reasons
    assert len(begun.rows("SELECT DISTINCT teller FROM story WHERE teller GLOB 'gw*'")) == 4
    assert begun.rows("SELECT count(*) FROM exchange WHERE ended_at IS NULL") == [(0,)]


def test_without_its_keeper_a_run_stops_at_once(begun: Begun, keys: dict[str, str], tmp_path: Path) -> None:
    """When the process that would sweep is killed the others send nothing more; what is left is swept by hand."""
    begun.process.kill()
    begun.process.communicate()
    time.sleep(1)
    [(sent,)] = begun.rows("SELECT count(*) FROM exchange")
    time.sleep(1)
    assert begun.rows("SELECT count(*) FROM exchange") == [(sent,)]
    [(live,)] = begun.rows("SELECT count(*) FROM task WHERE NOT ended")
    assert live
    swept = recorded(tmp_path, "sweep", str(begun.journal), environ=keys, cwd=tmp_path)
    assert swept.code == 0, swept.stdout + swept.stderr
    assert begun.rows("SELECT count(*) FROM task WHERE NOT ended") == [(0,)]


def test_pytest_by_itself_deals_out_stories_too(far: dict[str, Any], keys: dict[str, str], tmp_path: Path) -> None:
    """`-n` is all it takes: the same phases, the same verdicts, the same exit code."""
    (tmp_path / "far.toml").write_text(
        REFERENCE_PROFILE.read_text(encoding="utf-8").replace("http://127.0.0.1", far["base_url"])
        + f"\n[limits]\nin_flight = {CAP}\n",
        encoding="utf-8",
    )
    command = ["--pyargs", "conformance.suite", "-n", "2", "--target", "far.toml", "--depth", "smoke"]
    [python, *_] = suite_command()
    done = subprocess.run(
        [python, "-m", "pytest", *command, "--only", "IDEMP,BILL-1", "-p", "no:schemathesis", "--report-dir", "r"],
        env=clean_environment(keys),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 of 6 MUST rows passed" in done.stdout
    with contextlib.closing(Journal.open(tmp_path / "r" / "journal.sqlite")) as journal:
        assert len(tellers(journal)) == 2
        assert journal.live_tasks() == []


def test_where_no_test_is_chosen_that_is_said(far: dict[str, Any], keys: dict[str, str], tmp_path: Path) -> None:
    """In a sentence, and not by the process that deals out what the others found."""
    run = recorded(tmp_path, "run", *options(far, "-k", "no_such_test", "--jobs", "2"), environ=keys, cwd=tmp_path)
    assert run.code == 2
    assert "it chooses no test" in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


def test_the_tests_of_others_are_dealt_out_too(keys: dict[str, str], tmp_path: Path) -> None:
    """Also where they are all that is left; their marks are their own, whatever they are called."""
    theirs = "import pytest\n@pytest.mark.last\n@pytest.mark.calls\n@pytest.mark.parametrize('n', range(3))\n"
    (tmp_path / "test_theirs.py").write_text(f"{theirs}def test_theirs(n):\n    pass\n", encoding="utf-8")
    [python, *_] = suite_command()
    command = ["--pyargs", "conformance.suite", "test_theirs.py", "-n", "2", "-k", "theirs", "-p", "no:schemathesis"]
    done = subprocess.run(
        [python, "-m", "pytest", *command, "--target", str(REFERENCE_PROFILE), "--report-dir", "r"],
        env=clean_environment(keys),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    assert "INTERNALERROR" not in done.stdout
