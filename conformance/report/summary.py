"""The fold: what all judgements of a journal add up to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from conformance.account import LEDGER, noise
from conformance.checks import CHECKS, judgements
from conformance.contract import Contract
from conformance.report.bill import Bill, bill
from conformance.requirements import Requirement, catalogue
from conformance.verdict import (
    MUSTS,
    Circumstances,
    ExitCode,
    Gate,
    Judgement,
    Outcome,
    Ruling,
    Verdict,
    exit_code,
    ruling,
)
from conformance.windows import hits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.exchange import Exchange
    from conformance.journal import Journal
    from conformance.story import Terms

_MOST_KEPT = 20
_BEFORE: Final = 6
_AFTER: Final = 3
_MOST_NAMED: Final = 4
_NAMED: Final = re.compile(r"exchanges? (\d{1,9})(?: and (\d{1,9}))?")
WORST_FIRST = tuple(Verdict)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One requirement with what the run says of it, the first exchange that broke it, and those that it met.

    The `scene` is that exchange amid the others of its story, with those that it met and those that the finding names.
    """

    requirement: Requirement
    ruling: Ruling
    evidence: Exchange | None = None
    history: tuple[Exchange, ...] = ()
    scene: tuple[Exchange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A run: its verdicts in the catalogue's order, what it was, and what it took.

    The `submits` are the tasks that the target accepted.
    """

    rows: tuple[Row, ...]
    notes: Mapping[str, Any]
    requests: int
    submits: int
    meetings: Mapping[str, int]
    volleys: tuple[tuple[str, int, float], ...]
    bill: Bill
    gate: Gate = MUSTS

    @property
    def exit_code(self) -> ExitCode:
        """What the run says to its caller."""
        return self.code_at(self.gate)

    def code_at(self, gate: Gate) -> ExitCode:
        """What the run would say at some gate."""
        rulings = (row.ruling for row in self.rows)
        return exit_code(rulings, sound=not self.notes.get("our_fault"), whole=not self.broke_off, gate=gate)

    @property
    def broke_off(self) -> bool:
        """Whether the run was interrupted, lost its target, or ended without a word."""
        return bool({"interrupted", "fell_silent"} & self.notes.keys()) or "ended" not in self.notes

    @property
    def asked(self) -> list[Row]:
        """The rows that were judged, the worst verdicts first."""
        asked = [row for row in self.rows if row.ruling.verdict is not Verdict.PLANNED]
        return sorted(asked, key=lambda row: WORST_FIRST.index(row.ruling.verdict))

    @property
    def planned(self) -> list[Row]:
        """The rows whose checks are still to come."""
        return [row for row in self.rows if row.ruling.verdict is Verdict.PLANNED]

    def count(self, verdict: Verdict, level: str | None = None) -> int:
        """How many rows, of one level or of all, have that verdict."""
        return sum(row.ruling.verdict is verdict and level in {None, row.requirement.level} for row in self.asked)


def terms_of(journal: Journal) -> Terms:
    """How the answers in a journal are to be read, by the contract and the profile of its run."""
    notes = journal.notes()
    return Contract(notes["contract"], notes["contract_source"]).terms(**notes["terms"])


def judge_again(journal: Journal) -> None:
    """Put the checks of this suite to every story of a recorded run, in place of the judgements it was given."""
    terms, only, aims = terms_of(journal), journal.notes()["only"], journal.aims()
    journal.unjudge()
    for number, story in list(journal.stories(terms)):
        ledger = story.title == LEDGER
        if not aims[number]:
            continue  # housekeeping: a sign of life, tasks on their way, the sweep at the end
        rows = [row for row in only if row in aims[number]] if ledger else only
        if ledger:
            journal.judge(number, judgements(story, rows), ())
        else:
            journal.judge(number, judgements(story, rows), story.forms_seen, hits(story))
        if ledger and (moved := noise(story)):
            journal.note("noise", moved)


def summarise(journal: Journal, *, today: date | None = None, gate: Gate = MUSTS) -> Summary:
    """The verdicts of a journal's judgements, as they stand in it, and what they mean at a gate.

    `today` decides which known failures are stale.
    """
    notes = journal.notes()
    only = set(notes.get("only", CHECKS))
    today = today or date.today()  # noqa: DTZ011 - an expiry is a day of the user's own calendar
    facts = Circumstances(
        accepted=journal.accepted(),
        obstacles=journal.obstacles(),
        not_observable=notes.get("not_observable", {}),
        known=notes.get("known", {}),
        noise=notes.get("noise", ""),
        expired=frozenset(row for row, day in notes.get("expires", {}).items() if date.fromisoformat(day) < today),
    )
    found = _by_requirement(journal)
    rows = []
    for requirement in catalogue().values():
        if requirement.id in only and not requirement.planned:
            rows.append(
                _row(
                    journal,
                    requirement,
                    ruling(requirement.id, requirement.level, found.get(requirement.id, []), facts),
                )
            )
        elif requirement.planned:
            rows.append(Row(requirement=requirement, ruling=_planned(requirement)))
    return Summary(
        rows=tuple(rows),
        notes=notes,
        requests=journal.count(),
        submits=sum(task.submitted_at is not None for task in journal.task_records()),
        meetings=journal.meetings(),
        volleys=tuple(journal.volleys()),
        bill=bill(journal),
        gate=gate,
    )


def _by_requirement(journal: Journal) -> dict[str, list[Judgement]]:
    found: dict[str, list[Judgement]] = {}
    for counted in journal.judgements():
        judgements_on = found.setdefault(counted.judgement.requirement, [])
        kept = counted.times if counted.judgement.outcome is not Outcome.BROKEN else min(counted.times, _MOST_KEPT)
        judgements_on += [counted.judgement] * kept
    return found


def _row(journal: Journal, requirement: Requirement, made: Ruling) -> Row:
    if not made.broken:
        return Row(requirement=requirement, ruling=made)
    first = made.broken[0]
    history = journal.each(first.history)
    return Row(
        requirement=requirement,
        ruling=made,
        evidence=None if first.exchange is None else journal.exchange(first.exchange),
        history=history,
        scene=_scene(journal, first, history),
    )


def _scene(journal: Journal, finding: Judgement, history: tuple[Exchange, ...]) -> tuple[Exchange, ...]:
    near = () if finding.exchange is None else journal.around(finding.exchange, before=_BEFORE, after=_AFTER)
    said = _NAMED.findall(f"{finding.wanted} {finding.got}")[:_MOST_NAMED]
    named = journal.each(int(number) for pair in said for number in pair if number)
    return tuple(
        sorted({each.number: each for each in (*near, *named, *history)}.values(), key=lambda each: each.sent_at)
    )


def _planned(requirement: Requirement) -> Ruling:
    return Ruling(requirement=requirement.id, level=requirement.level, verdict=Verdict.PLANNED)
