"""Bad days: whatever is lost, late or refused on the way, nothing is blamed on the target, and nothing is left behind.

The whole matrix: each trouble in each phase, between a run in this process and the reference service. A trouble is
passing (the next attempt succeeds) or stubborn (every attempt of the call meets it).
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from bad_line import BadLine, Trouble, bad_line, saying
from conftest import REFERENCE_PROFILE, Recorded, order_for, recorded
from small_target import Target
from stand_in import Heard, answer
from told import NOT_FOUND, UNAVAILABLE, UNKNOWN, Tale, Told, refusal

from conformance.checks import CHECKS
from conformance.exchange import Form
from conformance.journal import Journal
from conformance.report.summary import summarise
from conformance.run import Run, Unreachable
from conformance.states import State
from conformance.target.call import Call, by
from conformance.target.loading import load
from conformance.target.provision import OutOfReach
from conformance.teller import Teller
from conformance.verdict import ExitCode, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import BeginRun

TIMEOUT: Final = 0.4
RETRIES: Final = 1
PATIENT: Final = 10.0
"""Seconds that a cell may take at the most; most take a tenth of it."""

TROUBLES: Final = {
    "429": saying(429),
    "429, in a moment": saying(429, retry_after="0.1"),
    "429, at a time": saying(429, x_ratelimit_reset="0.1"),
    "502": saying(502),
    "503, at a date": saying(503, retry_after=formatdate(0, usegmt=True)),
    "504": saying(504),
    "reset before it came": Trouble(passes=None, ends=-1, says=b""),
    "reset after it came": Trouble(ends=-1),
    "no answer, and it never came": Trouble(passes=None),
    "no answer, though it came": Trouble(hangs=True),
    "late": Trouble(passes=TIMEOUT * 2),
    "half a head": Trouble(ends=30),
    "half a body": Trouble(ends=300),
    "closed at once": Trouble(ends=0),
    "closed after the answer": Trouble(closes=True),
}
STUBBORN: Final = ("429", "504", "reset after it came", "no answer, though it came", "late", "half a body")
PHASES: Final = ("a sign of life", "account", "submit", "query before", "cancel", "query after", "sweep")


@pytest.fixture(scope="module")
def line(service: dict[str, Any]) -> Iterator[BadLine]:
    """The bad line before the reference service."""
    with bad_line(service["base_url"]) as made:
        yield made


@pytest.fixture
def run(line: BadLine, service_environ: dict[str, str], tmp_path: Path) -> Iterator[Run]:
    """A run of all rows over the line, that waits for little."""
    line.armed.clear()
    line.answers.clear()
    settings = {"limits.timeout": str(TIMEOUT), "limits.retries": str(RETRIES), "limits.patience": "2"}
    made = load(REFERENCE_PROFILE, environ=service_environ, base_url=line.base_url, overrides=settings)
    order = order_for(made, tmp_path, tuple(CHECKS))
    with contextlib.closing(Journal.create(tmp_path / "journal.sqlite")) as journal:
        yield Run(replace(order, depth=replace(order.depth, shared=0)), journal)


def live(run: Run) -> Iterator[tuple[str, Callable[[], object]]]:
    """A small run, phase by phase: one task is cancelled, another is left to the sweep."""
    yield "a sign of life", run.begin
    story = Teller(run, "a bad day", tuple(CHECKS)).story(alone=True)
    yield "account", story.account
    made: list[Any] = []
    yield "submit", lambda: made.append(story.task(State.PENDING))
    [task] = made
    yield "query before", lambda: story.query(task)
    yield "cancel", lambda: story.cancel(by(Form.PATH, task))
    yield "query after", lambda: story.query(task)
    story.account()
    story.query(task, form=Form.OUT_TASK_ID, fresh=True)
    story.verify()
    Teller(run, "another", ()).story().task(State.PENDING)


def tell(run: Run, line: BadLine, phase: str, troubles: list[Trouble]) -> None:
    """Tell a small run, with troubles in one of its phases; what cannot be told is left out, as the suite does it."""
    try:
        for name, act in live(run):
            line.armed[:] = troubles if name == phase else []
            act()
            line.armed.clear()
    except Unreachable as error:
        run.journal.obstacle(run.order.only, str(error))
    except OutOfReach as error:
        run.journal.obstacle(run.order.only, str(error))
    line.armed[:] = troubles if phase == "sweep" else []
    run.sweep()
    line.armed.clear()
    run.close()


def still_running(line: BadLine, service: dict[str, Any]) -> dict[str, str | None]:
    """The tasks that were ever submitted over the line and have not ended, by what the service itself says."""
    made = {match[1].decode() for said in line.answers for match in re.finditer(rb'"task_id": ?"(task_\w+)"', said)}
    found = {}
    for role, task_id in product(("owner", "other"), made):
        headers = {"authorization": f"Bearer {service['keys'][role]}"}
        url = f"{service['base_url']}/tasks/query"
        said = httpx.post(url, json={"task_id": task_id}, headers=headers, trust_env=False).json()
        found[task_id] = found.get(task_id) or said.get("status")
    assert None not in found.values()
    return {task_id: status for task_id, status in found.items() if status in {"pending", "running"}}


CELLS: Final = [
    pytest.param(phase, [trouble] * times, id=f"{name}{' for long' * (times > 1)} at {phase}")
    for name, trouble in TROUBLES.items()
    for phase in PHASES
    for times in ((1, RETRIES + 1) if name in STUBBORN else (1,))
]


@pytest.mark.parametrize(("phase", "troubles"), CELLS)
def test_a_bad_day_is_nobodys_fault(
    run: Run, line: BadLine, service: dict[str, Any], phase: str, troubles: list[Trouble]
) -> None:
    """Nothing is blamed, nothing hangs, nothing is left running; what could not be learned is said to be open."""
    started = time.monotonic()
    tell(run, line, phase, troubles)
    assert time.monotonic() - started < PATIENT
    summary = summarise(run.journal)
    assert summary.exit_code in {ExitCode.PASSED, ExitCode.INCONCLUSIVE}
    assert [row.requirement.id for row in summary.asked if row.ruling.broken] == []
    assert still_running(line, service) == {}
    if len(troubles) == 1:
        assert summary.rows[0].requirement.id == "IDENT-1"
        assert summary.rows[0].ruling.verdict is Verdict.PASS


# what our own input provokes (R17)

PAIR: Final = {"task_id": UNKNOWN, "out_task_id": "boat"}


def in_turns(times: int, *, pair: Told = UNAVAILABLE, between: Told = NOT_FOUND, path: str | None = None) -> Tale:
    """A pair of identifiers that is sent so many times, an ordinary cancel between each two."""
    tale = Tale()
    tale.submitted()
    for turn in range(times):
        if turn:
            tale.cancel(None if path else {"task_id": UNKNOWN}, path=path, answer=between)
        tale.cancel(PAIR, answer=pair)
    return tale


def test_a_5xx_that_a_call_provokes_each_time_is_held_against_the_target() -> None:
    """The same call gets it again and again, and the ordinary ones between get through."""
    tale = in_turns(5)
    assert (tale.judged("IDENT-4"), tale.judged("ERR-1")) == ("broken", "broken")
    assert tale.findings("IDENT-4")[0].got.startswith("503")


@pytest.mark.parametrize(
    "tale",
    [
        pytest.param(in_turns(4), id="not often enough"),
        pytest.param(in_turns(5, between=UNAVAILABLE), id="ordinary ones get it too"),
        pytest.param(in_turns(5, between=None), id="ordinary ones get nothing"),
        pytest.param(in_turns(5, path=UNKNOWN), id="ordinary ones go another way"),
        pytest.param(in_turns(5, pair=refusal(429, "slow_down")), id="too many requests"),
        pytest.param(in_turns(5, pair=None), id="nothing at all"),
    ],
)
def test_what_may_be_the_infrastructures_trouble_is_not(tale: Tale) -> None:
    """Nothing is certain, so nothing is said."""
    assert tale.judged("IDENT-4") == "undecided"
    assert tale.blamed == []


def test_trouble_that_passes_is_not_provoked() -> None:
    """Once the same call was answered, it was not the call."""
    tale = in_turns(5)
    tale.cancel(PAIR, answer=refusal(400, "invalid_param"))
    assert tale.blamed == []


def test_a_target_that_is_asked_to_act_may_be_out_of_service() -> None:
    """What stands behind it may be away, while unknown tasks are still refused."""
    tale = Tale()
    task = tale.submitted(holds=60)
    for _ in range(9):
        tale.cancel({"task_id": task.task_id}, answer=UNAVAILABLE)
        tale.cancel({"task_id": UNKNOWN}, answer=NOT_FOUND)
    assert tale.blamed == []


class FallsOverPairs(Target):
    """Answers 503 wherever a body has two identifiers; or else to every third cancel."""

    def __init__(self, *, pairs: bool) -> None:
        super().__init__(answer, honest=10**6)
        self._pairs = pairs
        self._cancels = 0

    def __call__(self, heard: Heard) -> bytes:
        """Answer one request."""
        self._cancels += "/cancel" in heard.path
        falls = len(heard.document) > 1 if self._pairs and heard.content else self._cancels % 3 == 1
        status, document = self._honest(heard)
        return answer(503, {}) if falls and "/cancel" in heard.path else answer(status, document)


@pytest.mark.parametrize(("pairs", "verdict"), [(True, Verdict.FAIL), (False, Verdict.INCONCLUSIVE)])
def test_a_call_that_gets_a_5xx_is_sent_in_turns_with_others(
    begin_run: BeginRun, pairs: bool, verdict: Verdict
) -> None:
    """So that it is known whose trouble it is."""
    run, _ = begin_run(FallsOverPairs(pairs=pairs), only=("IDENT-4",), limits__retries=0)
    story = Teller(run, "a pair", ("IDENT-4",)).story()
    task = story.task(State.PENDING)
    story.cancel(Call(body={"task_id": task.task_id, "out_task_id": task.out_task_id}))
    story.verify()
    [row] = summarise(run.journal).asked
    assert row.ruling.verdict is verdict


# whole runs

ROWS: Final = "IDENT-1,STATE-1,STATE-3,IDEMP-3,PARITY-2"
RunOverTheLine = Callable[..., Recorded]


@pytest.fixture
def run_over_the_line(line: BadLine, service_environ: dict[str, str], tmp_path: Path) -> Iterator[RunOverTheLine]:
    """Runs the command over the line, with what befalls each request."""

    def run(befalls: Callable[[int], Trouble | None], *options: str) -> Recorded:
        count = iter(range(10**6))
        line.armed.clear()
        line.answers.clear()
        line.plan = lambda _: befalls(next(count))
        target = ["--target", str(REFERENCE_PROFILE), "--base-url", line.base_url, "--only", ROWS, "--seed", "3"]
        limits = ["--set", "limits.timeout=10", "--set", "limits.patience=2"]
        where = ["--depth", "smoke", "--report-dir", "r"]
        return recorded(
            tmp_path / "r", "run", *target, *limits, *where, *options, environ=service_environ, cwd=tmp_path
        )

    yield run
    line.plan = lambda _: None


def blamed(run: Recorded) -> list[str]:
    """The rows that the run holds against its target."""
    assert run.code in {0, 3}, run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    return [row for row, verdict in run.verdicts.items() if verdict in {"fail", "warn"}]


DEAD: Final = Trouble(passes=None, ends=-1, says=b"")


def test_a_target_that_comes_back_is_judged_to_the_end(
    run_over_the_line: RunOverTheLine, line: BadLine, service: dict[str, Any]
) -> None:
    """It is away for some requests, with a task half made, and the stories after that are told as ever."""
    run = run_over_the_line(lambda number: DEAD if 14 <= number < 20 else None, "--set", "limits.retries=1")
    assert blamed(run) == []
    assert set(run.verdicts.values()) == {"pass"}
    assert still_running(line, service) == {}


def test_a_target_that_does_not_come_back_ends_the_run(run_over_the_line: RunOverTheLine) -> None:
    """After three silent stories nobody is asked any more, and the reports say why."""
    run = run_over_the_line(lambda number: DEAD if number >= 14 else None, "--set", "limits.retries=1")
    assert blamed(run) == []
    assert run.code == 3
    assert re.search(r"http://127.0.0.1:\d+/v1 no longer answers \(.*\): the run broke off before its end", run.stdout)
    open_rows = {said["reason"] for said in run.summary["requirements"].values() if said["verdict"] == "inconclusive"}
    assert all("disconnected" in reason for reason in open_rows)


def test_connections_that_are_closed_between_requests_cost_nothing(run_over_the_line: RunOverTheLine) -> None:
    """Each is closed as soon as it has answered, without a word; the next request goes over a new one."""
    run = run_over_the_line(lambda _: Trouble(closes=True))
    assert blamed(run) == []
    assert set(run.verdicts.values()) == {"pass"}


def test_a_name_that_nobody_knows_is_said_in_a_sentence(service_environ: dict[str, str], tmp_path: Path) -> None:
    """Nothing was sent, and nothing is blamed."""
    where = ["--base-url", "http://no-such-host.invalid/v1", "--only", ROWS, "--report-dir", "r"]
    limits = ["--set", "limits.retries=0", "--set", "limits.timeout=5"]
    run = recorded(tmp_path / "r", "run", *where, *limits, environ=service_environ, cwd=tmp_path)
    assert blamed(run) == []
    assert "http://no-such-host.invalid/v1 does not answer (not sent: ConnectError" in run.stdout
