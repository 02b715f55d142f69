"""A soak: the load is judged by the same checks, keeps to every limit, and leaves nothing running however it ends."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx
import pytest
from click.testing import CliRunner
from conftest import REFERENCE_PROFILE, clean_environment, order_for, suite_command
from stand_in import nowhere, profile

import conformance.running
from conformance.cli import main
from conformance.exchange import Answer, Exchange, Operation, Request
from conformance.journal import Journal
from conformance.report.load import exit_code, load, percentiles, text
from conformance.report.summary import summarise
from conformance.requirements import catalogue
from conformance.soak.habits import HABITS, Turns
from conformance.soak.keeper import Load, LoadFailed, made
from conformance.verdict import Gate

_LONGEST: Final = 90.0
_BUDGET: Final = 30
_IN_FLIGHT: Final = 3
_RATE: Final = 100.0
_RACES: Final = {
    "refuses-the-loser": ({"RACE-1"}, "3s"),
    "overwrites-what-just-completed": ({"RACE-1", "RACE-2", "RACE-3"}, "12s"),
    "refunds-twice-at-once": ({"BILL-9"}, "3s"),
}
"""Faults, the rows of which one at least is broken, and a load that is long enough to meet them on a busy machine."""


@dataclass(frozen=True)
class Soaked:
    """A soak that came to an end."""

    code: int
    said: str
    folder: Path

    @property
    def report(self) -> dict[str, Any]:
        """What it wrote for machines."""
        return dict(json.loads((self.folder / "soak.json").read_text(encoding="utf-8")))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What its journal answers."""
        with contextlib.closing(sqlite3.connect(self.folder / "journal.sqlite")) as connection:
            return connection.execute(query).fetchall()


def soaked(folder: Path, *options: str, environ: dict[str, str] | None = None, cut: int | None = None) -> Soaked:
    """Run a soak to its end, or, once it has made tasks, to the signal `cut`."""
    process = subprocess.Popen(
        suite_command("soak", *options, "--report-dir", str(folder)),
        env=clean_environment(environ or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if cut is not None:
        give_up = time.monotonic() + _LONGEST
        while _tasks(folder) < _BUDGET and time.monotonic() < give_up:
            time.sleep(0.05)
        process.send_signal(cut)
    said, _ = process.communicate(timeout=_LONGEST)
    return Soaked(process.returncode, said, folder)


def _tasks(folder: Path) -> int:
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(folder / "journal.sqlite")) as found:
        return int(found.execute("SELECT count(*) FROM task").fetchone()[0])
    return 0


def at_the_service(service: dict[str, Any]) -> list[str]:
    """The options that name a running reference service."""
    return ["--target", str(REFERENCE_PROFILE), "--base-url", service["base_url"]]


def alive(run: Soaked, service: dict[str, Any]) -> list[str]:
    """The tasks of a soak that the service, asked directly, does not show as ended."""
    found = []
    for task_id, record in run.rows("SELECT task_id, record FROM task"):
        key = service["keys"][json.loads(record)["role"]]
        heard = httpx.post(
            f"{service['base_url']}/tasks/query", json={"task_id": task_id}, headers={"authorization": f"Bearer {key}"}
        )
        if heard.json()["status"] not in {"completed", "failed", "cancelled"}:
            found.append(task_id)
    return found


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Soaked:
    """A soak of the sound built-in service, by locust's own master and two workers."""
    return soaked(tmp_path_factory.mktemp("sound") / "results", "--users", "10", "--time", "5s", "--workers", "2")


def test_a_sound_service_stands_it(sound: Soaked) -> None:
    """Every row at which the habits aim is proven, the account adds up, and nothing is left."""
    assert sound.code == 0, sound.said
    assert "nothing left running" in sound.said
    rows = sound.report["rows"]
    assert {row["verdict"] for row in rows.values()} == {"pass"}
    assert {row for habit in HABITS for row in habit.aims} | {"BILL-9"} <= rows.keys()
    assert all(row["held"] > 0 for row in rows.values())


def test_the_report_says_how_much_there_was(sound: Soaked) -> None:
    """Requests, tasks and answer times are those of the journal, and calls really met.

    Each of the ten users may have been stopped between the admission of a task and the answer of its submit.
    """
    report = sound.report
    [(admitted,)] = sound.rows("SELECT count(*) FROM expense")
    assert 50 < report["tasks"] <= admitted <= report["tasks"] + 10
    assert report["requests"] > 500
    assert report["requests_per_second"] == pytest.approx(report["requests"] / report["seconds"], abs=0.1)
    assert report["left_running"] == 0
    assert set(report["cancels"]) == {"path", "task_id", "out_task_id", "other", "all"}
    for times in report["cancels"].values():
        assert 0 < times["p50"] <= times["p90"] <= times["p95"] <= times["p99"] <= times["max"]
    assert report["windows"]["twice at once"] > 10
    assert f"{report['requests']} requests in" in sound.said
    assert "10 users in 2 processes" in sound.said


def test_both_workers_tell_stories(sound: Soaked) -> None:
    """Locust's master deals the users out to both of its processes, ten in all."""
    tellers = [teller for (teller,) in sound.rows("SELECT DISTINCT teller FROM story WHERE teller != 'main'")]
    assert {teller.rpartition("-")[0] for teller in tellers} == {"worker-1", "worker-2"}
    assert len(tellers) == 10


def test_a_soak_is_judged_again(sound: Soaked) -> None:
    """Its journal is one like any other: `judge` comes to the same."""
    result = CliRunner().invoke(main, ["judge", str(sound.folder / "journal.sqlite")])
    assert result.exit_code == 0, result.output


@pytest.mark.slow
@pytest.mark.parametrize("fault", _RACES)
def test_a_fault_of_races_is_seen(fault: str, tmp_path: Path) -> None:
    """What goes wrong only where calls meet is blamed, by its row, and nothing is left running."""
    rows, long = _RACES[fault]
    run = soaked(tmp_path / "results", "--users", "10", "--time", long, "--fault", fault)
    assert run.code == 1, run.said
    broken = {name for name, row in run.report["rows"].items() if row["broken"]}
    assert broken & rows, run.said
    assert all(f"✗ {row}" in run.said for row in broken)
    assert run.report["left_running"] == 0


@pytest.fixture(scope="module")
def limited(
    service: dict[str, Any], service_environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Soaked:
    """A soak by more users than the limits of the profile have room for."""
    limits = {"budget.tasks": _BUDGET, "limits.in_flight": _IN_FLIGHT, "limits.rate": _RATE}
    options = [text for key, value in limits.items() for text in ("--set", f"{key}={value}")]
    folder = tmp_path_factory.mktemp("limited") / "results"
    options += ["--users", "20", "--time", "4s", "--workers", "2"]
    return soaked(folder, *at_the_service(service), *options, environ=service_environ)


def test_no_task_is_submitted_past_the_budget(limited: Soaked) -> None:
    """The gate holds for all users of all processes, and the last of the budget is spent."""
    assert limited.code in {0, 3}, limited.said
    [(accepted,)] = limited.rows("SELECT count(*) FROM exchange WHERE operation = 'submit' AND status < 300")
    assert accepted == _BUDGET
    assert limited.report["tasks"] == _BUDGET


def test_no_more_is_in_flight_than_may_be(limited: Soaked) -> None:
    """However many users there are, no instant saw more requests under way, and all of the room was used."""
    ends = limited.rows("SELECT sent_at, 1 FROM exchange UNION ALL SELECT ended_at, -1 FROM exchange")
    under_way, most = 0, 0
    for _, change in sorted(ends):
        under_way += change
        most = max(most, under_way)
    assert most == _IN_FLIGHT


def test_the_rate_is_kept_by_all_users_together(limited: Soaked) -> None:
    """No second saw more requests than the rate allows, but for those that had their turns and left together."""
    sent = sorted(instant for (instant,) in limited.rows("SELECT sent_at FROM exchange"))
    assert len(sent) > 2 * _RATE
    for first, instant in enumerate(sent):
        assert sum(instant <= each < instant + 1 for each in sent[first:]) <= _RATE + 2 * _IN_FLIGHT


def test_no_key_is_left_in_anything_that_is_written(limited: Soaked, service: dict[str, Any]) -> None:
    """The keys went to the load's processes through a pipe, and into no file and no output."""
    written = [path for path in limited.folder.rglob("*") if path.is_file()]
    assert {"journal.sqlite", "soak.json", "summary.json"} <= {path.name for path in written}
    for key in service["keys"].values():
        assert key not in limited.said
        assert [path.name for path in written if key.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_soak_that_is_cut_off_leaves_nothing_running(
    number: signal.Signals, service: dict[str, Any], service_environ: dict[str, str], tmp_path: Path
) -> None:
    """Every task that it made has ended, its processes are gone, and what there was of it is judged and reported."""
    options = ["--users", "10", "--time", "10m", "--workers", "1", "--set", "budget.tasks=5000"]
    run = soaked(tmp_path / "results", *at_the_service(service), *options, environ=service_environ, cut=number)
    assert run.code == 3, run.said
    assert "broke off" in run.said
    assert "nothing left running" in run.said
    assert "Traceback" not in run.said
    assert _tasks(run.folder) >= _BUDGET
    assert alive(run, service) == []
    [(open_exchanges,)] = run.rows("SELECT count(*) FROM exchange WHERE ended_at IS NULL")
    assert open_exchanges == 0


@pytest.mark.slow
def test_other_machines_join(service: dict[str, Any], service_environ: dict[str, str], tmp_path: Path) -> None:
    """A worker elsewhere takes its users from the master, and each judges what it heard; the account is left alone."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    shared = [*at_the_service(service), "--set", "budget.tasks=2000"]
    here = ["--users", "6", "--time", "4s", "--master", address, "--expect", "1"]
    with ThreadPoolExecutor(2) as pool:
        master = pool.submit(soaked, tmp_path / "master", *shared, *here, environ=service_environ)
        worker = pool.submit(soaked, tmp_path / "worker", *shared, "--worker", address, environ=service_environ)
    for run in (master.result(), worker.result()):
        assert run.code in {0, 3}, run.said
        assert run.report["requests"] > 50
        assert "BILL-9" not in run.report["rows"]
        assert "the account was not summed up" in run.said
        assert alive(run, service) == []
    assert master.result().report["counted_by_locust"] > master.result().report["requests"]


def test_a_target_that_is_not_there_proves_nothing(tmp_path: Path) -> None:
    """Nothing is asked by anybody, and the exit code says that nothing was learned."""
    options = ["--base-url", nowhere(), "--set", "budget.tasks=5", "--time", "60s"]
    run = soaked(tmp_path / "results", *options, environ={"CONFORMANCE_OWNER_KEY": "sk-byts-not-a-real-key"})
    assert run.code == 3, run.said
    assert "does not answer" in run.said
    assert run.report["requests"] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--base-url", "http://127.0.0.1:9/v1"], "--set budget.tasks=500"),
        (["--time", "soon"], "60s, 10m or 1h30m"),
        (["--time", "0s"], "60s, 10m or 1h30m"),
        (["--master", "somewhere"], "10.0.0.5:5557"),
        (["--fault", "refuses-the-loser", "--stranger", "asks-by-get"], "give one of them"),
        (["--expect", "2"], "--expect goes with --master"),
        (["--master", "127.0.0.1:5557", "--worker", "127.0.0.1:5557"], "give one of them"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_sent(options: list[str], said: str) -> None:
    """Each is a usage error that says what to write instead; a soak without a limit on tasks is one."""
    environ = {"CONFORMANCE_OWNER_KEY": "sk-byts-not-a-real-key"}
    result = CliRunner().invoke(main, ["soak", *options], env=environ)
    assert result.exit_code == 2
    assert said in result.output


def test_without_locust_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional; its absence is a usage error, not a traceback."""
    monkeypatch.setattr(conformance.running, "find_spec", lambda _: None)
    result = CliRunner().invoke(main, ["soak"])
    assert result.exit_code == 2
    assert "pip install 'cancel-conformance[soak]'" in result.output


def test_a_fault_of_our_own_ends_the_load(tmp_path: Path) -> None:
    """Where a user meets what no target can bring about, the load is over, and its trace is handed to the keeper."""
    order = order_for(profile(nowhere()), tmp_path / "nothing is there")
    with pytest.raises(LoadFailed, match=r"they ended with \[4\].*(?s:.)*unable to open database file"):
        made(order, Load(users=2, seconds=60.0, spawn_rate=10.0))


def test_locust_stays_out_of_the_rest_of_the_suite() -> None:
    """The process that keeps a soak, and judges, has Python's own networking."""
    loaded = "import sys, conformance.soak.keeper; print({'locust', 'gevent'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def kept(journal: Journal, content: bytes, *, at: float, took: float, status: int | None) -> None:
    """Write down a cancel by its body, sent at an instant, that took so many seconds; without a status it was lost."""
    url = "http://127.0.0.1/v1/tasks/cancel"
    headers = (("content-type", "application/json"),)
    request = Request(
        operation=Operation.CANCEL, role="owner", method="POST", url=url, headers=headers, content=content
    )
    answer = None if status is None else Answer(status=status, headers=(), content=b"{}")
    lost = "ReadTimeout" if status is None else None
    journal.overhear(1, Exchange(number=0, request=request, sent_at=at, ended_at=at + took, answer=answer, lost=lost))


def test_answer_times_are_those_of_the_load(journal: Journal) -> None:
    """By form, of answers of the target's own, and of nothing that was said before or after."""
    journal.note("load", {"users": 2, "workers": 0, "begun": 10.0, "ended": 20.0})
    kept(journal, b'{"task_id": "task_1"}', at=9.0, took=0.9, status=200)
    for took, status in ((0.001, 200), (0.003, 404), (0.5, 503), (0.7, None)):
        kept(journal, b'{"task_id": "task_1"}', at=11.0, took=took, status=status)
    kept(journal, b'{"out_task_id": "mine"}', at=15.0, took=0.002, status=200)
    kept(journal, b'{"out_task_id": "mine", "task_id": "task_1"}', at=16.0, took=0.004, status=400)
    kept(journal, b'{"task_id": "task_1"}', at=21.0, took=0.9, status=200)
    found = load(journal)
    assert found.requests == 6
    assert found.seconds == pytest.approx(5.004)
    assert found.unavailable == {"503": 1, "no answer": 1}
    assert {form: times["answers"] for form, times in found.cancels.items()} == {
        "task_id": 2,
        "out_task_id": 1,
        "other": 1,
        "all": 4,
    }
    assert found.cancels["task_id"]["p50"] == pytest.approx(1)
    assert found.cancels["task_id"]["max"] == pytest.approx(3)
    assert found.cancels["all"]["p90"] == pytest.approx(4)
    assert "waited out: 503 1, no answer 1" in text(found)


def test_what_is_left_running_is_never_well(sound: Soaked, tmp_path: Path) -> None:
    """A soak whose rows all passed ends with 3 where something could not be ended, and says how much."""
    shutil.copytree(sound.folder, tmp_path / "left")
    with contextlib.closing(Journal.open(tmp_path / "left" / "journal.sqlite")) as journal:
        assert exit_code(summarise(journal), load(journal)) == 0
        journal.note("left_running", 2)
        assert exit_code(summarise(journal), load(journal)) == 3
        assert exit_code(summarise(journal, gate=Gate(proof=True)), load(journal)) == 1
        assert "2 left running" in text(load(journal))


def test_percentiles_are_by_nearest_rank() -> None:
    """Of a hundred times each percentile is the one of its number; of nothing there are none."""
    times = [float(each) for each in range(100, 0, -1)]
    assert percentiles(times) == {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "max": 100}
    assert percentiles([7.0]) == dict.fromkeys(("p50", "p90", "p95", "p99", "max"), 7.0)
    assert percentiles([]) == {}


def test_the_habits_aim_at_rows_that_there_are() -> None:
    """No habit is in vain."""
    assert [row for habit in HABITS for row in habit.aims if row not in catalogue()] == []


def turned(turns: Turns, now: float) -> Iterator[str]:
    """What a user does at one instant, again and again."""
    for _ in range(200):
        habit = turns.next(now)
        yield "" if habit is None else habit.name


def test_a_habit_that_cannot_be_told_rests_for_a_while() -> None:
    """Then others have their turns, and it has its own again later."""
    turns = Turns(Random(1), rest=1.0)  # noqa: S311 - nothing here is secret
    names = [habit.name for habit in HABITS]
    assert set(turned(turns, 0.0)) == set(names)
    turns.rest(HABITS[0], 0.0)
    assert set(turned(turns, 0.5)) == set(names[1:])
    for habit in HABITS[1:]:
        turns.rest(habit, 0.5)
    assert set(turned(turns, 0.9)) == {""}
    assert set(turned(turns, 1.2)) == {names[0]}
