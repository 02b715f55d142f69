"""The suite judged: nothing may break on what is lawful, and every fault must be seen, by the rows it names."""

from __future__ import annotations

import io
import json
import multiprocessing
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from random import Random
from typing import Any, Final

import click

from conformance import __version__
from conformance.forked import NEEDED
from conformance.reference.faults import FAULTS
from conformance.reference.strangers import STRANGERS, Company
from conformance.requirements import catalogue
from conformance.running import Asked, UsageProblem, interruptible, judged
from conformance.verdict import ExitCode, Ruling, Verdict

_LONGEST_RUN: Final = 300
_LONGEST_WORDS: Final = 2000
_BRIEFLY: Final = 0.1
"""Seconds in which a process that was killed has ended."""

_MOST_TOGETHER: Final = 4
"""Strangers to a service: more would hide who is to blame."""

_OFTEN: Final = 0.95
_DEEPEST: Final = "certify"
_BROKEN: Final = {Verdict.FAIL, Verdict.WARN}
_OPEN: Final = {Verdict.INCONCLUSIVE, Verdict.NOT_OBSERVABLE}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run of the suite against the reference service: sound, with a fault, or as a stranger.

    `met` is how often each requirement was seen broken.
    """

    seed: int
    fault: str | None = None
    stranger: str | None = None
    broken: frozenset[str] = frozenset()
    passed: frozenset[str] = frozenset()
    unproven: frozenset[str] = frozenset()
    seconds: float = 0.0
    met: dict[str, int] = field(default_factory=dict)
    trouble: str = ""

    @property
    def name(self) -> str:
        """What was tried."""
        return self.fault or self.stranger or "sound"

    @property
    def meetings(self) -> int:
        """How often a fault was met: by the row of its own that was seen broken most often."""
        return max((self.met.get(row, 0) for row in FAULTS[self.fault].breaks), default=0) if self.fault else 0

    @property
    def complaint(self) -> str:
        """What is wrong with how the suite judged, empty where nothing is."""
        if self.trouble:
            return self.trouble
        if self.stranger is not None:
            return self._false_alarms(self.stranger)
        if self.fault is None:
            wrong = self.broken | self.unproven
            return f"the sound service: {', '.join(sorted(wrong))} not passed" if wrong else ""
        made = FAULTS[self.fault]
        if getattr(made, "degenerate", False):
            musts = {row for row in self.passed if catalogue()[row].level == "MUST"}
            return f"passed {', '.join(sorted(musts))}" if musts else ""
        judged = {row.id for row in catalogue().values() if not row.planned}
        named = frozenset(made.breaks) & judged
        missed, extra = named - self.broken, self.broken - named - frozenset(made.also)
        said = []
        if named and not self.broken & named:
            said.append("unseen")
        elif missed:
            said.append(f"missed {', '.join(sorted(missed))}")
        if extra:
            said.append(f"also broke {', '.join(sorted(extra))}")
        return "; ".join(said)

    def _false_alarms(self, stranger: str) -> str:
        """What was held against a stranger, or left open, beyond what it says of itself."""
        company = Company.of(stranger)
        blamed, left_open = self.broken - company.lacks, self.unproven - company.unproven
        said = [f"a lawful service was blamed: {', '.join(sorted(blamed))}"] if blamed else []
        return "; ".join([*said, f"left open: {', '.join(sorted(left_open))}"] if left_open else said)


def judge_ourselves(
    *, depth: str, seed: int, jobs: int, keyword: str, times: int = 1, matrix: Path | None = None
) -> ExitCode:
    """Try the sound service, strangers and faults, print the matrix, and say whether the suite may be trusted.

    Each is tried so many `times`, at one seed after the other. Nothing lawful may ever be blamed; a fault may be missed
    once in twenty times. What came of each trial is written to `matrix` as well, as JSON.
    """
    judged = {row.id for row in catalogue().values() if not row.planned}
    chosen = [
        name for name, made in FAULTS.items() if keyword in name and (_degenerate(name) or judged & {*made.breaks})
    ]
    wanted: list[Mapping[str, Any]] = []
    for each in range(seed, seed + times):
        wanted.append({"seed": each})
        wanted += [{"seed": each, "stranger": names} for names in companies(each, keyword)]
        wanted += [{"seed": each, "fault": name} for name in chosen]
    trials: list[Trial] = []
    started = time.monotonic()
    with interruptible(), closing(try_all(depth, wanted, jobs)) as coming:
        for trial in coming:
            trials.append(trial)
            _print_trial(trial, len(trials), len(wanted))
    if matrix is not None:
        matrix.write_text(as_json(trials, depth), encoding="utf-8")
    faults = [trial for trial in trials if trial.fault and not _degenerate(trial.fault)]
    seldom = _seldom_seen(faults)
    wrong = [trial for trial in trials if trial.complaint and (trial not in faults or trial.fault in seldom)]
    seen = sum(not trial.complaint for trial in faults)
    click.echo(
        f"\n{seen} of {len(faults)} faults seen by just the rows they name, in {time.monotonic() - started:.0f} s"
    )
    for name, (caught, tried) in _rates(faults).items() if times > 1 else ():
        click.echo(f"{name:<46} caught {caught} of {tried} times")
    strangers = [(trial, name) for trial in trials if trial.stranger for name in trial.stranger.split("+")]
    spared = sum(not trial.complaint for trial, _ in strangers)
    click.echo(f"{spared} of {len(strangers)} strangers blamed for nothing, and left open only for what they are")
    _print_uncaught(judged, faults)
    for trial in wrong:
        click.echo(click.style(f"✗ {trial.name}, seed {trial.seed}: {trial.complaint}", fg="red"))
    return ExitCode.FAILED if wrong else ExitCode.PASSED


def as_json(trials: list[Trial], depth: str) -> str:
    """What came of each trial: what was tried, the rows that it broke, and what is wrong with that."""
    told = [
        {
            "name": trial.name,
            "kind": "fault" if trial.fault else "stranger" if trial.stranger else "sound",
            "seed": trial.seed,
            "broken": [row for row in catalogue() if row in trial.broken],
            "unproven": [row for row in catalogue() if row in trial.unproven],
            "complaint": trial.complaint,
        }
        for trial in sorted(trials, key=lambda trial: (trial.seed, trial.name))
    ]
    return json.dumps({"suite": __version__, "depth": depth, "trials": told}, indent=1) + "\n"


def _rates(faults: list[Trial]) -> dict[str, tuple[int, int]]:
    """How often each fault was caught, and tried."""
    tried = Counter(trial.name for trial in faults)
    caught = Counter(trial.name for trial in faults if not trial.complaint)
    return {name: (caught[name], tried[name]) for name in sorted(tried)}


def _seldom_seen(faults: list[Trial]) -> set[str]:
    """The faults that were missed more than once in twenty times."""
    return {name for name, (caught, tried) in _rates(faults).items() if caught < _OFTEN * tried}


def companies(seed: int, keyword: str) -> list[str]:
    """Every stranger whose name has the keyword, some to a service where they can be one; each seed mixes them anew."""
    chosen = [name for name in STRANGERS if keyword in name]
    Random(seed).shuffle(chosen)  # noqa: S311 - nothing here is secret
    found: list[str] = []
    for name in chosen:
        open_to_it = (index for index, company in enumerate(found) if _can_be(f"{company}+{name}"))
        if (index := next(open_to_it, None)) is None:
            found.append(name)
        else:
            found[index] += f"+{name}"
    return found


def _can_be(company: str) -> bool:
    """Whether these strangers can be one service, and are few enough."""
    try:
        return len(Company.of(company).members) <= _MOST_TOGETHER
    except ValueError:
        return False


def try_all(depth: str, wanted: Sequence[Mapping[str, Any]], jobs: int) -> Generator[Trial]:
    """What comes of each trial that is wanted, as it comes: so many side by side, each in a process of its own.

    Where nobody asks for more, or on an interrupt, those under way are ended at once.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(NEEDED))  # by the process that all runs are forked from
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        work = partial(_apart, context, depth, folder)
        futures = [pool.submit(work, each) for each in wanted]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(future.done() for future in futures):
                for process in multiprocessing.active_children():
                    process.kill()
                time.sleep(_BRIEFLY)


def _apart(context: ForkServerContext, depth: str, folder: str, wanted: Mapping[str, Any]) -> Trial:
    """One trial, in a process that pytest and the plugin have for themselves."""
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, depth, folder, wanted))
    with receiver:
        with sender:
            process.start()
        made: Trial | None = None
        with suppress(EOFError, OSError):  # where it dies before its first word, or amid it
            made = receiver.recv()
    process.join()
    return made or Trial(**wanted, trouble=f"its process ended with {process.exitcode}, and said nothing")


def _send(sender: Connection, depth: str, folder: str, wanted: Mapping[str, Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits for the trial ends it
    sender.send(try_out(depth, folder, **wanted))


def try_out(depth: str, within: str, *, seed: int, fault: str | None = None, stranger: str | None = None) -> Trial:
    """Run the suite once, with a folder `within` another for its reports."""
    depth = _DEEPEST if fault and FAULTS[fault].rare else depth
    rulings: dict[str, Ruling] = {}
    settings = Company.of(stranger).settings if stranger else {}
    started, said, trouble = time.monotonic(), io.StringIO(), ""
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(_LONGEST_RUN)
    with tempfile.TemporaryDirectory(dir=within) as folder:
        asked = Asked(
            depth=depth,
            seed=seed,
            fault=fault,
            stranger=stranger,
            overrides=tuple(f"{key}={value}" for key, value in settings.items()),
            report_dir=Path(folder),
            stories=_aimed(fault),
            jobs=1,  # the runs themselves are side by side
        )
        try:
            with redirect_stdout(said), redirect_stderr(said):
                _, summary = judged(asked, {})
            rulings = {row.requirement.id: row.ruling for row in summary.rows}
            if summary.exit_code is ExitCode.OUR_FAULT:
                trouble = f"the suite was at fault: {str(summary.notes.get('our_fault'))[-_LONGEST_WORDS:]}"
            if time.monotonic() - started >= _LONGEST_RUN:
                trouble = f"the run took more than {_LONGEST_RUN} s"
        except (OSError, ValueError, UsageProblem) as error:
            trouble = f"the run failed: {error} {said.getvalue()[-_LONGEST_WORDS:]}"
    signal.alarm(0)

    def among(verdicts: set[Verdict]) -> frozenset[str]:
        return frozenset(row for row, ruling in rulings.items() if ruling.verdict in verdicts)

    return Trial(
        fault=fault,
        stranger=stranger,
        seed=seed,
        broken=among(_BROKEN),
        passed=among({Verdict.PASS}),
        unproven=among(_OPEN),
        seconds=time.monotonic() - started,
        met={row: len(ruling.broken) for row, ruling in rulings.items() if ruling.broken},
        trouble=trouble,
    )


def _aimed(fault: str | None) -> str:
    """A fault is told the stories that aim at the rows it names, judged by every check; all others all stories."""
    if fault is None or _degenerate(fault):
        return ""
    return ",".join(row.id for row in catalogue().values() if not row.planned and row.id in FAULTS[fault].breaks)


def _degenerate(name: str) -> bool:
    return bool(getattr(FAULTS[name], "degenerate", False))


def _print_trial(trial: Trial, count: int, total: int) -> None:
    mark = click.style("✗", fg="red") if trial.complaint else click.style("✓", fg="green")
    broken = ", ".join(row for row in catalogue() if row in trial.broken) or "nothing broken"
    met = f"met {trial.meetings:>3} times" if trial.fault else ""
    click.echo(f"{mark} [{count:>3}/{total}] {trial.name:<46} {trial.seconds:5.1f} s  {met:<14}  {broken}")


def _print_uncaught(judged: set[str], faults: list[Trial]) -> None:
    caught: dict[str, int] = {row: sum(row in trial.broken for trial in faults) for row in catalogue() if row in judged}
    click.echo("rows by the number of faults that broke them: " + ", ".join(f"{r} {n}" for r, n in caught.items()))
    once = sorted(trial.name for trial in faults if trial.meetings == 1)
    click.echo(f"faults that were met but once: {', '.join(once) or 'none'}")
