"""From what was asked for on the command line to an exit code: the run, its reports, and what is printed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from conformance import forked
from conformance.account import noise
from conformance.contract import Contract, ContractError
from conformance.depth import DEPTHS
from conformance.interpreter import with_room
from conformance.journal import Journal, JournalError
from conformance.report.progress import Progress
from conformance.report.summary import Summary, judge_again, summarise
from conformance.report.text import STYLES, closing, messages, overview, printable, table
from conformance.requirements import catalogue, selected
from conformance.run import Order
from conformance.target.complaints import ProfileError
from conformance.target.distance import NEAR
from conformance.target.loading import load, remembered
from conformance.target.profile import OWNER, Profile
from conformance.verdict import MUSTS, ExitCode, Gate, Verdict

if TYPE_CHECKING:
    from conformance.certificate.issue import Notary
    from conformance.life import Replay
    from conformance.soak.keeper import Load
    from conformance.sweeping import Swept

_REFERENCE_PROFILE: Final = Path(__file__).parent / "target" / "reference.toml"
_REFERENCE_KEYS: Final = ("CONFORMANCE_OWNER_KEY", "CONFORMANCE_OTHER_KEY", "CONFORMANCE_REVOKED_KEY")
_SIBLING: Final = "REFERENCE_SIBLING_KEY"
"""A second key of the owner's account, for profiles that name one."""

_NEAR_JOBS: Final = 2
_MOST_WAITING: Final = 2
_MOST_JOBS: Final = 8
_MOST_IN_FLIGHT: Final = 2000
"""Requests that a profile may have in flight at the most."""

_LONGEST_START: Final = 20.0
_SEEDS: Final = 10**6
_UNUSED_PLUGINS: Final = (
    *("cacheprovider", "doctest", "junitxml", "logging", "pastebin", "setuponly", "setupplan", "stepwise"),
    *("threadexception", "unittest", "unraisableexception"),
)
_LONGEST_TRACE: Final = 8000


class UsageProblem(Exception):
    """What was asked for cannot be done; nothing was sent. The text says what to write instead."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options of one run, as they were given."""

    target: Path | None = None
    base_url: str | None = None
    overrides: tuple[str, ...] = ()
    contract: Path | None = None
    depth: str = "standard"
    only: str = ""
    stories: str = ""
    keyword: str = ""
    jobs: int | None = None
    seed: int | None = None
    report_dir: Path | None = None
    fault: str | None = None
    stranger: str | None = None
    gate: Gate = MUSTS


def carry_out(asked: Asked, environ: Mapping[str, str]) -> ExitCode:
    """Run the suite as asked, write and print its reports, and say how it ended.

    Raises:
        UsageProblem: something is wrong with what was asked for.
    """
    return _carried_out(asked, environ)[1].exit_code


def judged(asked: Asked, environ: Mapping[str, str]) -> tuple[Path, Summary]:
    """The report folder and the summary of a run as asked, of which nothing but the journal is written yet.

    Raises:
        UsageProblem: something is wrong with what was asked for.
    """
    with _target(asked, environ) as profile:
        order = _order(asked, profile)
        _tell_stories(order, asked.keyword, Progress(sys.stderr), _jobs(asked, environ, order))
    with contextlib.closing(Journal.open(order.report_dir / "journal.sqlite")) as journal:
        return order.report_dir, summarise(journal, gate=asked.gate)


def _carried_out(asked: Asked, environ: Mapping[str, str]) -> tuple[Path, Summary]:
    """The report folder and the summary of a run as asked, once its reports are written and printed."""
    folder, summary = judged(asked, environ)
    write_reports(summary, folder)
    show(summary)
    print(f"results in {folder}")  # noqa: T201 - the command's output
    if summary.notes.get("our_fault"):
        print(summary.notes["our_fault"], file=sys.stderr)  # noqa: T201 - the command's output
    return folder, summary


def certify(asked: Asked, environ: Mapping[str, str], notary: Notary, out: Path | None) -> ExitCode:
    """Run the suite as asked and write the certificate that the run merits; why not, where it merits none.

    Raises:
        UsageProblem: something is wrong with what was asked for.
    """
    from conformance.certificate.statement import NotCertified

    if out is not None:
        _writable(out.parent)
    folder, _ = _carried_out(asked, environ)
    out = out or folder / "certificate.json"
    try:
        said = notary.issue(folder / "journal.sqlite", out)
    except NotCertified as error:
        lines, code = ["not certified:", *(f"  {reason}" for reason in error.reasons)], error.code
    else:
        lines, code = ["certified:", *(f"  {line}" for line in said), f"certificate in {out}"], ExitCode.PASSED
    print("\n".join(map(printable, lines)))  # noqa: T201 - the command's output
    return code


def judge_recorded(path: Path, report_dir: Path | None, gate: Gate = MUSTS) -> ExitCode:
    """Judge a journal again and print what comes of it.

    Raises:
        UsageProblem: the file is no journal.
    """
    with _recorded(path) as journal:
        judge_again(journal)
        summary = summarise(journal, gate=gate)
    if report_dir is not None:
        write_reports(summary, report_dir)
    show(summary)
    return summary.exit_code


def report(path: Path, wanted: Mapping[str, Path], *, anew: bool, gate: Gate = MUSTS) -> ExitCode:
    """Write a recorded run down in the forms that are wanted, each at its path; judge it `anew` before, or not.

    Raises:
        UsageProblem: the file is no journal, or a report cannot be written.
    """
    from conformance.report.forms import write

    with _recorded(path) as journal:
        if anew:
            judge_again(journal)
        summary = summarise(journal, gate=gate)
        for form, where in wanted.items():
            try:
                write(form, where, summary, journal)
            except OSError as error:
                raise UsageProblem(f"{where}: cannot be written: {error}") from error
    return summary.exit_code


@contextlib.contextmanager
def _recorded(path: Path) -> Iterator[Journal]:
    """The journal of a run that is over; what is wrong with it is the user's to know."""
    try:
        with contextlib.closing(Journal.open(path)) as journal:
            yield journal
    except JournalError as error:
        raise UsageProblem(str(error)) from error
    except sqlite3.Error as error:
        raise UsageProblem(f"{path}: cannot be judged: {error}; judge a copy that can be written") from error
    except KeyError as error:
        raise UsageProblem(f"{path}: the run ended before it wrote down what it was ({error})") from error


def plan(asked: Asked, environ: Mapping[str, str]) -> ExitCode:
    """Say what a run as asked would submit, cost and take, by a rehearsal with the built-in service.

    Raises:
        UsageProblem: something is wrong with what was asked for.
    """
    from conformance import planning

    with tempfile.TemporaryDirectory() as name, reference_service() as started:
        folder = Path(name)
        stage = _reference_profile(started, {"keys.sibling.env": _SIBLING})
        named = _named_target(asked, environ)
        target = named or _reference_profile(started, dict(_override(text) for text in asked.overrides))
        order = _order(replace(asked, report_dir=folder), target)
        try:
            latency = None if named is None else planning.latency(order)
        except planning.Silent as error:
            print(f"Nothing can be planned: {printable(str(error))}")  # noqa: T201 - the command's output
            return ExitCode.INCONCLUSIVE
        rehearsal = planning.rehearsed(order, stage, folder)
        _tell_stories(rehearsal, asked.keyword, Progress(io.StringIO()))
        with contextlib.closing(Journal.open(folder / "journal.sqlite")) as journal:
            if fault := journal.notes().get("our_fault"):
                print(fault, file=sys.stderr)  # noqa: T201 - the command's output
                return ExitCode.OUR_FAULT
            made = planning.plan(order, journal, latency)
    asked_of = "nothing was sent" if named is None else "free queries were sent, and nothing that costs"
    lines = [f"A run at {asked.depth} depth against {target.name or target.base_url} would take about:"]
    lines += [*planning.told(made), f"({asked_of}; the stories were rehearsed with the built-in service)"]
    print("\n".join(map(printable, lines)))  # noqa: T201 - the command's output
    return ExitCode.INCONCLUSIVE if made.left else ExitCode.PASSED


def doctor(asked: Asked, environ: Mapping[str, str], *, paid: bool) -> ExitCode:
    """Examine a target step by step, and tell what is missing; what costs is done only where it is `paid` for.

    Raises:
        UsageProblem: something is wrong with what was asked for.
    """
    from conformance.examining import examine
    from conformance.run import Run

    folder = asked.report_dir or Path("reports") / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ-doctor")
    with _target(asked, environ) as profile:
        order = _order(replace(asked, report_dir=folder, depth="smoke"), profile)
        with contextlib.closing(Journal.create(folder / "journal.sqlite")) as journal, interruptible():
            code = examine(Run(order, journal), paid=paid, tell=_say)
    _say(f"exchanges in {folder / 'journal.sqlite'} (exit {int(code)})")
    return code


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the command's output


def soak(asked: Asked, load: Load, environ: Mapping[str, str]) -> ExitCode:
    """Have many users call the target at once, judge all that they heard, and write and print what came of it.

    Raises:
        UsageProblem: something is wrong with what was asked for, or locust is not installed.
    """
    from conformance.report import load as reported
    from conformance.run import Run
    from conformance.soak import keeper

    if find_spec("locust") is None:
        raise UsageProblem("a soak needs locust: pip install 'cancel-conformance[soak]'")
    if not _is_named(asked, environ):  # nobody else calls the built-in service
        asked = replace(asked, overrides=(f"limits.in_flight={min(load.users * 2, _MOST_IN_FLIGHT)}", *asked.overrides))
    with _target(asked, environ) as profile:
        if _is_named(asked, environ) and profile.budget.tasks is None:
            raise UsageProblem("a soak submits as many tasks as it may: say how many, such as --set budget.tasks=500")
        order = _order(asked, profile)
        with contextlib.closing(Journal.create(order.report_dir / "journal.sqlite")) as journal, interruptible():
            keeper.keep(Run(order, journal), load)
    with contextlib.closing(Journal.open(order.report_dir / "journal.sqlite")) as journal:
        summary, made = summarise(journal, gate=asked.gate), reported.load(journal)
    write_reports(summary, order.report_dir)
    (order.report_dir / "soak.json").write_text(reported.document(made, summary), encoding="utf-8")
    show(summary)
    print(f"{reported.text(made)}\nresults in {order.report_dir}")  # noqa: T201 - the command's output
    if summary.notes.get("our_fault"):
        print(summary.notes["our_fault"], file=sys.stderr)  # noqa: T201 - the command's output
    return reported.exit_code(summary, made)


def sweep(path: Path, asked: Asked, environ: Mapping[str, str]) -> ExitCode:
    """Cancel what a run that came to no end of its own has left, and say what was ended and what was not.

    Raises:
        UsageProblem: the file is no journal, or something is wrong with the profile.
    """
    try:
        Journal.open(path).close()
    except JournalError as error:
        raise UsageProblem(str(error)) from error
    with contextlib.closing(Journal.join(path, "sweep")) as journal:
        profile = _profile_of(journal, asked, environ)
        swept = _sweep(journal, profile)
    for name in swept.ended:
        print(f"ended  {printable(name)}")  # noqa: T201 - the command's output
    for name, reason in swept.left.items():
        print(f"left   {printable(name)}: {printable(reason)}")  # noqa: T201 - the command's output
    print(f"{len(swept.ended)} ended, {len(swept.left)} left")  # noqa: T201 - the command's output
    return ExitCode.INCONCLUSIVE if swept.left else ExitCode.PASSED


def _profile_of(journal: Journal, asked: Asked, environ: Mapping[str, str]) -> Profile:
    """The profile of a recorded run: the one that is named, else what the journal remembers of it."""
    notes = journal.notes()
    if "terms" not in notes:
        raise UsageProblem(f"{journal.path}: the run ended before it wrote down what its target was; nothing was sent")
    try:
        if asked.target is None:
            return remembered(notes["target"], environ)
        profile = load(asked.target, environ=environ, overrides=dict(_override(text) for text in asked.overrides))
    except ProfileError as error:
        raise UsageProblem(str(error)) from error
    if profile.base_url != notes["base_url"]:
        raise UsageProblem(
            f"{journal.path} is of a run against {notes['base_url']}, and the profile is for {profile.base_url};"
            " give the profile of that run"
        )
    return profile


def _sweep(journal: Journal, profile: Profile) -> Swept:
    from conformance.run import Run

    order = Order(
        profile=profile,
        contract=Contract(journal.notes()["contract"], journal.notes()["contract_source"]),
        depth=DEPTHS["smoke"],
        only=(),
        told=(),
        seed=0,
        report_dir=journal.path.parent,
    )
    run = Run(order, journal)
    try:
        swept = run.sweeper.sweep()
    finally:
        run.leave()
    journal.note("left_running", len(swept.left))
    return swept


def replay(path: Path, asked: Asked, environ: Mapping[str, str]) -> ExitCode:
    """Tell the program of a replay again, step by step, and say whether it still breaks its requirement.

    Raises:
        UsageProblem: the file holds no replay, or something is wrong with what was asked for.
    """
    from conformance.life import NoReplay, Replay

    try:
        kept = Replay.read(path)
    except NoReplay as error:
        raise UsageProblem(str(error)) from error
    folder = asked.report_dir or Path("reports") / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ-replay")
    with _target(asked, environ) as profile:
        order = _order(replace(asked, only=kept.requirement, report_dir=folder), profile)
        order = replace(order, depth=replace(order.depth, shared=0))
        with contextlib.closing(Journal.create(folder / f"{path.stem}.sqlite")) as journal, interruptible():
            hindrance = _retell(kept, order, journal)
            summary = summarise(journal)
    return _show_replayed(summary, hindrance)


def _retell(kept: Replay, order: Order, journal: Journal) -> str:
    """Tell the program and print its steps; what kept it from its end, if anything did."""
    from conformance.life import Life, outcome, prove_forms
    from conformance.run import Run, Unreachable
    from conformance.teller import Teller

    roles = ("owner", *order.profile.others)
    run = Run(order, journal)
    try:
        run.begin()
        print(f"{kept.requirement} in {kept.size}, told to {order.profile.name or order.profile.base_url}\n")  # noqa: T201
        life = Life(Teller(run, "a replay", (kept.requirement,)).story(alone=True), kept.program, roles)
        for number, told in enumerate(life.tell(), start=1):
            print(f"  {number:>3}  {told.step}  →  {outcome(life, told)}")  # noqa: T201 - the command's output
        life.telling.judge()
        if moved := noise(life.telling.told()):
            journal.note("noise", moved)
        prove_forms(Teller(run, "each form is accepted", (kept.requirement,)), roles)
    except Unreachable as error:
        return str(error)
    except KeyboardInterrupt:
        return "it was interrupted"
    else:
        return life.stuck
    finally:
        run.sweep()
        run.close()


def _show_replayed(summary: Summary, hindrance: str) -> ExitCode:
    """Print what came of a replay: still broken, fixed, or why nobody can tell."""
    [row] = summary.asked
    if row.ruling.broken:
        print("\n".join(["", "still broken", "", *messages(summary)]))  # noqa: T201 - the command's output
        return ExitCode.FAILED
    if row.ruling.held and not hindrance and row.ruling.verdict is Verdict.PASS:
        print("\nfixed")  # noqa: T201 - the command's output
        return ExitCode.PASSED
    print(f"\ncannot tell: {printable(hindrance or row.ruling.reason)}")  # noqa: T201 - the command's output
    return ExitCode.INCONCLUSIVE


def write_reports(summary: Summary, folder: Path) -> None:
    """Write the run's page, JSON summary, JUnit and Allure results, and pictures of calls that met, into `folder`."""
    from conformance.report.allure import write_allure
    from conformance.report.forms import ALWAYS
    from conformance.report.timeline import picture

    folder.mkdir(parents=True, exist_ok=True)
    for name, form in ALWAYS.items():
        (folder / name).write_text(form(summary), encoding="utf-8")
    write_allure(summary, folder / "allure")
    for old in folder.glob("timeline-*.svg"):
        old.unlink()
    for row in summary.asked:
        if row.history:
            (folder / f"timeline-{row.requirement.id}.svg").write_text(picture(row.history), encoding="utf-8")


def show(summary: Summary) -> None:
    """Print the messages of what is broken, the table, and the closing lines; in colours on a terminal alone."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    if lines := overview(summary):
        console.print(Text("\n".join(lines)), end="\n\n")
    for text in messages(summary):
        console.print(Text(text), end="\n\n")
    for row in summary.broken:
        if text := summary.notes.get("reproductions", {}).get(row.requirement.id):
            console.print(Text(text), end="\n\n")
    for verdict, line in table(summary):
        console.print(Text(line, style=STYLES.get(verdict, "")))
    console.print()
    console.print(Text(closing(summary)))


@contextlib.contextmanager
def _target(asked: Asked, environ: Mapping[str, str]) -> Iterator[Profile]:
    """The profile of the target; where none is named, the reference service, started for the time of the run."""
    named = _named_target(asked, environ)
    if named is not None:
        yield named
        return
    with reference_service(asked.fault, asked.stranger) as started:
        yield _reference_profile(started, dict(_override(text) for text in asked.overrides))


def _is_named(asked: Asked, environ: Mapping[str, str]) -> bool:
    return bool(asked.target or asked.base_url or environ.get("CONFORMANCE_BASE_URL"))


def _named_target(asked: Asked, environ: Mapping[str, str]) -> Profile | None:
    """The profile of the target that is named, if one is."""
    overrides = dict(_override(text) for text in asked.overrides)
    if not _is_named(asked, environ):
        return None
    if asked.fault or asked.stranger:
        option = "--fault" if asked.fault else "--stranger"
        raise UsageProblem(f"{option} goes with the built-in reference service; leave out the target")
    try:
        return load(asked.target, environ=environ, base_url=asked.base_url, overrides=overrides)
    except ProfileError as error:
        raise UsageProblem(str(error)) from error


def _reference_profile(started: Mapping[str, Any], overrides: Mapping[str, str] | None = None) -> Profile:
    """The profile of the reference service that has `started`."""
    keys = {f"CONFORMANCE_{role.upper()}_KEY": key for role, key in started["keys"].items()}
    kept = {name: keys[name] for name in _REFERENCE_KEYS} | {_SIBLING: started["keys"]["sibling"]}
    try:
        return load(_REFERENCE_PROFILE, environ=kept, base_url=started["base_url"], overrides=overrides or {})
    except ProfileError as error:
        raise UsageProblem(str(error)) from error


@contextlib.contextmanager
def reference_service(
    fault: str | None = None, stranger: str | None = None, options: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """The reference service in a process of its own, with `options` of its own: what it says of itself as it starts.

    What tells the stories is loaded while it starts, and while it ends, what comes of them is written.

    Raises:
        UsageProblem: it does not start.
    """
    command = [sys.executable, "-m", "conformance.reference", "--port", "0", "--until-stdin-closes"]
    variant = ["--fault", fault] if fault else ["--stranger", stranger] if stranger else []
    command += [*variant, *options]
    process = subprocess.Popen(  # noqa: S603 - ours; in a session of its own, so that it outlives a Ctrl-C until the end
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # where a fault breaks it down, its traces are nobody's concern here
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101 - it was asked for
    assert process.stdout is not None  # noqa: S101 - it was asked for
    try:
        forked.load()
        line = process.stdout.readline()
        if not line:
            raise UsageProblem(f"the reference service did not start; see what {' '.join(command[1:])} says")
        yield json.loads(line)
    finally:
        process.stdin.close()
        threading.Thread(target=_see_off, args=(process, process.stdout)).start()


def _see_off(process: subprocess.Popen[str], said: IO[str]) -> None:
    try:
        process.wait(_LONGEST_START)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    said.close()


def _order(asked: Asked, profile: Profile) -> Order:
    rows = [row.id for row in catalogue().values() if not row.planned]
    contract = _contract(asked.contract)
    try:
        chosen = selected(asked.only) or rows
    except ValueError as error:
        raise UsageProblem(f"--only {asked.only}: {error}") from error
    only = tuple(row for row in chosen if row in rows)
    if not only:
        raise UsageProblem(f"--only {asked.only}: these rows are planned and have no check yet")
    return Order(
        profile=profile,
        contract=contract,
        depth=DEPTHS[asked.depth],
        only=only,
        told=_told(asked) or only,
        seed=secrets.randbelow(_SEEDS) if asked.seed is None else asked.seed,
        report_dir=_writable(asked.report_dir or _new_folder()),
    )


def _contract(path: Path | None) -> Contract:
    try:
        return Contract.load(path)
    except ContractError as error:
        raise UsageProblem(str(error)) from error
    except ValueError as error:  # a date that is none is YAML's to read, and no error of YAML's
        raise UsageProblem(f"{path}: not an OpenAPI document for this suite: {error}") from error


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UsageProblem(f"{folder}: results cannot be written there: {error}; give another --report-dir") from error
    return folder


def _told(asked: Asked) -> tuple[str, ...]:
    try:
        return tuple(selected(asked.stories))
    except ValueError as error:
        raise UsageProblem(f"--stories {asked.stories}: {error}") from error


def _new_folder() -> Path:
    """`reports/` and the time, with `reports/latest` pointing there."""
    folder = Path("reports") / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    latest = folder.parent / "latest"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        latest.unlink(missing_ok=True)
        latest.symlink_to(folder.name, target_is_directory=True)
    return folder


def _tell_stories(order: Order, keyword: str, progress: Progress, jobs: int = 1) -> None:
    """Run pytest in this process, its own report kept aside unless the fault is ours."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)  # meant for the tests of whoever starts the run
    import pytest

    from conformance import plugin

    report, mask = io.StringIO(), order.profile.mask
    path = order.report_dir / "journal.sqlite"
    arguments = ["--pyargs", "conformance.suite", "-p", "conformance.plugin", "--capture=no", "--noconftest"]
    arguments += [f"-pno:{name}" for name in _UNUSED_PLUGINS]
    arguments += ["-p", "xdist.plugin", "-n", str(jobs)] if jobs > 1 else []
    arguments += [
        "-c",
        os.devnull,
        "--rootdir",
        str(Path(__file__).parent),
        "--tb=short",
        "--assert=plain",
        "-q",
    ]
    arguments += ["-k", keyword] if keyword else []
    processes = forked.fork(jobs) if jobs > 1 else []
    try:
        with (
            interruptible(),
            contextlib.closing(Journal.create(path)) as journal,
            contextlib.redirect_stdout(report),
        ):
            handover = plugin.Handover(order, progress, journal, processes)
            code = with_room(lambda: pytest.main(arguments, plugins=[handover]))
    finally:
        progress.end()
    if keyword and code in {pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.USAGE_ERROR}:
        raise UsageProblem(f"-k {keyword}: it chooses no test among those asked for; write part of a test's name")
    with contextlib.closing(Journal.open(path)) as journal:
        journal.mask = mask.text
        journal.note("keyword", keyword)
        if handover.uncollected:
            journal.note("our_fault", handover.uncollected[-_LONGEST_TRACE:])
        elif code == pytest.ExitCode.INTERRUPTED:
            journal.note("interrupted", value=True)
        elif code in {pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR}:
            journal.note("our_fault", report.getvalue()[-_LONGEST_TRACE:] or f"pytest: {pytest.ExitCode(code).name}")


def _jobs(asked: Asked, environ: Mapping[str, str], order: Order) -> int:
    """In how many processes stories are told, if nobody says: in two or four, or, if the target is far, in several.

    A few tests, chosen by their names or their rows, are soonest told where they are found, unless it is far.
    """
    from conformance import planning

    if asked.jobs is not None:
        return asked.jobs
    if asked.keyword:
        return 1
    try:
        far = _is_named(asked, environ) and planning.latency(order) >= NEAR
    except planning.Silent:
        return 1
    if not far and (asked.only or asked.stories):
        return 1
    at_once = min(order.profile.limits.in_flight, _MOST_JOBS if far else min(os.cpu_count() or 1, _NEAR_JOBS))
    return min(at_once + (at_once > 1 and _waiting(order)), _MOST_JOBS)


def _waiting(order: Order) -> int:
    """How many more are worth their start, for as many wait: for accounts to come to rest, and for time to pass."""
    accounts = {order.profile.account_of(role) for role in (OWNER, *order.profile.others)}
    return _MOST_WAITING if order.depth.stories >= 1 and len(accounts) > 1 else 0


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Take SIGTERM as a Ctrl-C meanwhile: what was begun is ended in order."""
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _override(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageProblem(f"--set {text}: wanted KEY=VALUE, such as --set limits.timeout=5")
    return key, value
