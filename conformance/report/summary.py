"""The fold: what all judgements of a journal add up to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from conformance.account import LEDGER, noise
from conformance.checks import CHECKS, judgements
from conformance.contract import Contract
from conformance.exchange import Operation
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
_MOST_BEFORE: Final = 10
_CANCELLING: Final = {Operation.CANCEL, Operation.PROBE}
_MOVING: Final = {Operation.SUBMIT, *_CANCELLING}
WORST_FIRST = tuple(Verdict)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One requirement with what the run says of it, the first exchange that broke it, and those that it met.

    The `history` are the calls that met; `calls` are these, or else those that the finding speaks of. The `scene` is
    the exchange amid the others of its story, with all of these.
    """

    requirement: Requirement
    ruling: Ruling
    evidence: Exchange | None = None
    history: tuple[Exchange, ...] = ()
    calls: tuple[Exchange, ...] = ()
    scene: tuple[Exchange, ...] = ()

    @property
    def plainness(self) -> int:
        """How well a finding tells by itself what the target does; what sorts first is the plainest.

        One on the answer to a single cancel is plainer than one that compares answers, and that plainer than one on
        what a query showed.
        """
        if not self.ruling.broken:
            return 0
        if _said_of(self.ruling.broken[0]):
            return 1
        return 0 if self.evidence is not None and self.evidence.request.operation in _CANCELLING else 2


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
    def seconds(self) -> float | None:
        """How long it took; None where it broke off."""
        ended = self.notes.get("ended")
        return None if ended is None else float(ended) - float(self.notes.get("started", 0))

    @cached_property
    def asked(self) -> list[Row]:
        """The rows that were judged, the worst verdicts first, and of what is broken the plainest."""
        asked = [row for row in self.rows if row.ruling.verdict is not Verdict.PLANNED]
        return sorted(asked, key=lambda row: (WORST_FIRST.index(row.ruling.verdict), row.plainness))

    @property
    def broken(self) -> list[Row]:
        """The rows that are broken, known or not, in the order in which they explain themselves."""
        return [row for row in self.asked if row.ruling.broken]

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
    for number, story in journal.stories(terms):
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
        obstacles={**_left_out(notes), **journal.obstacles()},
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


def _left_out(notes: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Why nothing may have been learned of rows whose own stories were left out on purpose."""
    if keyword := notes.get("keyword"):
        return dict.fromkeys(notes["only"], (f"-k {keyword} may have left its stories out; write a run without -k",))
    left = [row for row in notes.get("only", ()) if row not in notes.get("told", notes["only"])]
    return {row: (f"its own stories were left out; leave out --stories, or write --stories {row}",) for row in left}


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
    called = calls(journal, first)
    return Row(
        requirement=requirement,
        ruling=made,
        evidence=None if first.exchange is None else journal.exchange(first.exchange),
        history=called if first.history else (),
        calls=called,
        scene=_scene(journal, first, called),
    )


def calls(journal: Journal, finding: Judgement) -> tuple[Exchange, ...]:
    """The calls that met; or, where a finding is not on the answer to one cancel by itself, those that explain it.

    These are the calls of which it speaks and, before a reading of an account or of a task, those that may have changed
    what was read.
    """
    if finding.history:
        return journal.each(finding.history)
    found = None if finding.exchange is None else journal.exchange(finding.exchange)
    spoken = _said_of(finding)
    if found is None or (not spoken and found.request.operation in _CANCELLING):
        return ()
    before: tuple[Exchange, ...] = ()
    if finding.account or not spoken:
        before = journal.around(max(spoken, default=found.number), before=_MOST_BEFORE, after=0)
    since = min(spoken, default=0)
    moving = [each for each in before if each.number > since and each.request.operation in _MOVING]
    return _in_order(*journal.each(spoken), found, *moving)


def _said_of(finding: Judgement) -> list[int]:
    """The numbers of the exchanges that a finding names."""
    pairs = _NAMED.findall(f"{finding.wanted} {finding.got}")[:_MOST_NAMED]
    return [int(number) for pair in pairs for number in pair if number]


def _scene(journal: Journal, finding: Judgement, called: tuple[Exchange, ...]) -> tuple[Exchange, ...]:
    near = () if finding.exchange is None else journal.around(finding.exchange, before=_BEFORE, after=_AFTER)
    return _in_order(*near, *journal.each(_said_of(finding)), *called)


def _in_order(*exchanges: Exchange) -> tuple[Exchange, ...]:
    """Each of them once, in the order of sending."""
    return tuple(sorted({each.number: each for each in exchanges}.values(), key=lambda each: each.sent_at))


def _planned(requirement: Requirement) -> Ruling:
    return Ruling(requirement=requirement.id, level=requirement.level, verdict=Verdict.PLANNED)
