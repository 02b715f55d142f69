"""The suite judged: nothing may break on what is lawful, and every fault must be seen, by the rows it names."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from conformance.reference.faults import FAULTS
from conformance.reference.strangers import STRANGERS
from conformance.requirements import catalogue
from conformance.verdict import ExitCode

_LONGEST_RUN: Final = 300.0
_BROKEN: Final = {"fail", "warn"}
_OPEN: Final = {"inconclusive", "not observable"}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run of the suite against the reference service: sound, with a fault, or as a stranger."""

    fault: str | None
    stranger: str | None
    broken: frozenset[str]
    passed: frozenset[str]
    unproven: frozenset[str]
    exit_code: int
    seconds: float
    trouble: str = ""

    @property
    def name(self) -> str:
        """What was tried."""
        return self.fault or self.stranger or "sound"

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
        made = STRANGERS[stranger]
        blamed, left_open = self.broken - {*made.lacks}, self.unproven - {*made.unproven}
        said = [f"a lawful service was blamed: {', '.join(sorted(blamed))}"] if blamed else []
        return "; ".join([*said, f"left open: {', '.join(sorted(left_open))}"] if left_open else said)


def judge_ourselves(*, depth: str, seed: int, jobs: int, keyword: str) -> ExitCode:
    """Try the sound service, strangers and faults, print the matrix, and say whether the suite may be trusted."""
    judged = {row.id for row in catalogue().values() if not row.planned}
    chosen = [
        name for name, made in FAULTS.items() if keyword in name and (_degenerate(name) or judged & {*made.breaks})
    ]
    trials: list[Trial] = []
    started = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(try_out, depth, seed)]
        futures += [pool.submit(try_out, depth, seed, stranger=name) for name in STRANGERS if keyword in name]
        futures += [pool.submit(try_out, depth, seed, fault=name) for name in chosen]
        for future in as_completed(futures):
            trials.append(future.result())
            _print_trial(trials[-1], len(trials), len(futures))
    wrong = [trial for trial in trials if trial.complaint]
    faults = [trial for trial in trials if trial.fault and not _degenerate(trial.fault)]
    seen = sum(not trial.complaint for trial in faults)
    click.echo(
        f"\n{seen} of {len(faults)} faults seen by just the rows they name, in {time.monotonic() - started:.0f} s"
    )
    strangers = [trial for trial in trials if trial.stranger]
    spared = sum(not trial.complaint for trial in strangers)
    click.echo(f"{spared} of {len(strangers)} strangers blamed for nothing, and left open only for what they are")
    _print_uncaught(judged, faults)
    for trial in wrong:
        click.echo(click.style(f"✗ {trial.name}: {trial.complaint}", fg="red"))
    return ExitCode.FAILED if wrong else ExitCode.PASSED


def try_out(depth: str, seed: int, *, fault: str | None = None, stranger: str | None = None) -> Trial:
    """Run the suite once, in a process of its own."""
    variant = ["--fault", fault] if fault else ["--stranger", stranger] if stranger else []
    rows: dict[str, Any] = {}
    started, code, said, trouble = time.monotonic(), -1, "", ""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "conformance", "run", "--depth", depth, "--seed", str(seed)]
        try:
            done = subprocess.run(  # noqa: S603 - ourselves
                [*command, "--report-dir", folder, *variant, *_aimed(fault)],
                capture_output=True,
                text=True,
                timeout=_LONGEST_RUN,
                check=False,
            )
            code, said = done.returncode, (done.stderr or done.stdout)[-2000:]
            rows = json.loads((Path(folder) / "summary.json").read_text())["requirements"]
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            trouble = f"the run failed: {error} {said}"
    verdicts = {row: told["verdict"] for row, told in rows.items()}
    return Trial(
        fault=fault,
        stranger=stranger,
        broken=frozenset(row for row, verdict in verdicts.items() if verdict in _BROKEN),
        passed=frozenset(row for row, verdict in verdicts.items() if verdict == "pass"),
        unproven=frozenset(row for row, verdict in verdicts.items() if verdict in _OPEN),
        exit_code=code,
        seconds=time.monotonic() - started,
        trouble=f"the suite was at fault: {said}" if code == ExitCode.OUR_FAULT else trouble,
    )


def _aimed(fault: str | None) -> list[str]:
    """A fault is told the stories that aim at the rows it names, judged by every check; all others all stories."""
    if fault is None or _degenerate(fault):
        return []
    judged = [row.id for row in catalogue().values() if not row.planned]
    return ["--stories", ",".join(row for row in judged if row in FAULTS[fault].breaks)]


def _degenerate(name: str) -> bool:
    return bool(getattr(FAULTS[name], "degenerate", False))


def _print_trial(trial: Trial, count: int, total: int) -> None:
    mark = click.style("✗", fg="red") if trial.complaint else click.style("✓", fg="green")
    broken = ", ".join(row for row in catalogue() if row in trial.broken) or "nothing broken"
    click.echo(f"{mark} [{count:>3}/{total}] {trial.name:<44} {trial.seconds:5.1f} s  {broken}")


def _print_uncaught(judged: set[str], faults: list[Trial]) -> None:
    caught: dict[str, int] = {row: sum(row in trial.broken for trial in faults) for row in catalogue() if row in judged}
    click.echo("rows by the number of faults that broke them: " + ", ".join(f"{r} {n}" for r, n in caught.items()))
