"""Judgements, what they add up to, and what that means for a gate.

One judgement is one law held against one exchange. A verdict on a requirement is what all judgements of a run add up
to: anything broken fails it, nothing judged proves nothing. A *held* that rests on a refusal counts only where the
same key and the same form were seen to be accepted in the same run (its premises).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final

from conformance.exchange import Form

Premise = tuple[str, Form]
"""A role and a form that must have been seen to be accepted."""


class Outcome(StrEnum):
    """What a check found."""

    HELD = "held"
    BROKEN = "broken"
    UNDECIDED = "undecided"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One finding of a check: broken says what was wanted and got, undecided says why.

    A finding on an `account` is certain only where nobody else moves it. Of calls that met, the `history` are the
    numbers of the fewest exchanges that show the finding by themselves.
    """

    outcome: Outcome
    requirement: str = ""
    exchange: int | None = None
    wanted: str = ""
    got: str = ""
    why: str = ""
    premises: frozenset[Premise] = frozenset()
    account: bool = False
    history: tuple[int, ...] = ()

    def on(self, requirement: str) -> Judgement:
        """The same finding, on `requirement`."""
        return Judgement(
            outcome=self.outcome,
            requirement=requirement,
            exchange=self.exchange,
            wanted=self.wanted,
            got=self.got,
            why=self.why,
            premises=self.premises,
            account=self.account,
            history=self.history,
        )


class Verdict(StrEnum):
    """What a run says about one requirement."""

    FAIL = "fail"
    WARN = "warn"
    KNOWN = "known"
    INCONCLUSIVE = "inconclusive"
    NOT_OBSERVABLE = "not observable"
    PASS = "pass"  # noqa: S105 - a verdict, no password
    PLANNED = "planned"


class ExitCode(IntEnum):
    """What a run's process says to its caller."""

    PASSED = 0
    FAILED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    OUR_FAULT = 4


class Level(StrEnum):
    """From which rows on a gate stops at what is broken."""

    MUST = "must"
    SHOULD = "should"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What an exit code is asked to stop at.

    A gate at SHOULD stops at warnings too, and wants proof of the SHOULD rows as of the MUST rows; one at none lets
    all pass but a fault of the suite's own. Where `proof` is asked for, what is inconclusive counts as failed.
    """

    level: Level = Level.MUST
    proof: bool = False

    def code(self, code: ExitCode) -> ExitCode:
        """What this gate makes of what the verdicts amount to."""
        if code is ExitCode.OUR_FAULT:
            return code
        if self.level is Level.NONE:
            return ExitCode.PASSED
        return ExitCode.FAILED if self.proof and code is ExitCode.INCONCLUSIVE else code

    @property
    def stops_at(self) -> frozenset[Verdict]:
        """The verdicts that fail a run."""
        return frozenset({Verdict.FAIL, Verdict.WARN} if self.level is Level.SHOULD else {Verdict.FAIL})

    @property
    def wants_proof_of(self) -> frozenset[str]:
        """The levels of the rows that must be seen to hold."""
        return frozenset({"MUST", "SHOULD"} if self.level is Level.SHOULD else {"MUST"})

    def __str__(self) -> str:
        level = [] if self.level is Level.MUST else [f"--gate {self.level}"]
        return " ".join([*level, *(["--fail-on-inconclusive"] if self.proof else [])])


MUSTS: Final = Gate()
"""The gate of a run to which nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """A verdict on one requirement, with its counts and its reason."""

    requirement: str
    level: str
    verdict: Verdict
    held: int = 0
    broken: tuple[Judgement, ...] = ()
    undecided: int = 0
    reason: str = ""
    stale: bool = False


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What, beside the judgements, decides verdicts: acceptance seen, what the profile says, others' movements."""

    accepted: frozenset[Premise] = frozenset()
    obstacles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_observable: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    expired: frozenset[str] = frozenset()
    noise: str = ""


def ruling(requirement: str, level: str, judgements: Iterable[Judgement], facts: Circumstances) -> Ruling:
    """What `judgements`, all on `requirement`, add up to.

    `level` is MUST, SHOULD or EXT; a broken SHOULD or EXT row warns.
    """
    held, undecided, why = 0, 0, ""
    broken = []
    for judgement in judgements:
        if judgement.account and facts.noise:
            undecided += 1
            why = why or facts.noise
        elif judgement.outcome is Outcome.BROKEN:
            broken.append(judgement)
        elif judgement.outcome is Outcome.HELD and judgement.premises <= facts.accepted:
            held += 1
        else:
            undecided += 1
            why = why or judgement.why or _unmet(judgement.premises - facts.accepted)
    obstacles = facts.obstacles.get(requirement, ())
    reason = why or (obstacles[0] if obstacles else "no story of this run met its premise")
    verdict, said = _verdict(requirement, level, facts, held=held, broken=broken)
    return Ruling(
        requirement=requirement,
        level=level,
        verdict=verdict,
        held=held,
        broken=tuple(broken),
        undecided=undecided,
        reason=reason if verdict is Verdict.INCONCLUSIVE else said,
        stale=requirement in facts.known and ((held > 0 and not broken) or requirement in facts.expired),
    )


def exit_code(rulings: Iterable[Ruling], *, sound: bool = True, whole: bool = True, gate: Gate = MUSTS) -> ExitCode:
    """The exit code that the verdicts amount to at a gate.

    `sound` is false where the suite itself was at fault, `whole` where the run broke off: it proves nothing then,
    however well it went so far.
    """
    asked = [each for each in rulings if each.verdict is not Verdict.PLANNED]
    if not sound:
        return ExitCode.OUR_FAULT
    if any(each.verdict in gate.stops_at or each.stale for each in asked):
        return gate.code(ExitCode.FAILED)
    bound = [each for each in asked if each.level in gate.wants_proof_of]
    musts = any(each.level == "MUST" for each in bound)
    proven = whole and musts and all(each.verdict in {Verdict.PASS, Verdict.KNOWN} for each in bound)
    return gate.code(ExitCode.PASSED if proven else ExitCode.INCONCLUSIVE)


def _verdict(
    requirement: str, level: str, facts: Circumstances, *, held: int, broken: list[Judgement]
) -> tuple[Verdict, str]:
    if broken and requirement in facts.known and requirement not in facts.expired:
        return Verdict.KNOWN, facts.known[requirement]
    if broken:
        return (Verdict.FAIL if level == "MUST" else Verdict.WARN), broken[0].got
    if held:
        return Verdict.PASS, ""
    if requirement in facts.not_observable:
        return Verdict.NOT_OBSERVABLE, facts.not_observable[requirement]
    return Verdict.INCONCLUSIVE, ""


def _unmet(premises: frozenset[Premise]) -> str:
    forms = " and ".join(sorted(f"{role}'s key in the {form} form" for role, form in premises))
    return f"a refusal proves nothing here: no cancel with {forms} was accepted in this run"
