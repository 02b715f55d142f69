"""What judgements add up to, and what a gate makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.exchange import Form
from conformance.verdict import (
    Circumstances,
    ExitCode,
    Gate,
    Judgement,
    Level,
    Outcome,
    Ruling,
    Verdict,
    exit_code,
    ruling,
)

PATH = ("owner", Form.PATH)
HELD = Judgement(outcome=Outcome.HELD)
REFUSED = Judgement(outcome=Outcome.HELD, premises=frozenset({PATH}))
BROKEN = Judgement(outcome=Outcome.BROKEN, wanted="200", got="404")
UNDECIDED = Judgement(outcome=Outcome.UNDECIDED, why="the answer was lost")


def ruled(*found: Judgement, level: str = "MUST", **facts: Any) -> Ruling:  # noqa: ANN401 - any circumstance
    """The ruling on STATE-1."""
    return ruling("STATE-1", level, found, Circumstances(**facts))


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([], Verdict.INCONCLUSIVE),
        ([UNDECIDED], Verdict.INCONCLUSIVE),
        ([REFUSED], Verdict.INCONCLUSIVE),
        ([HELD], Verdict.PASS),
        ([HELD, UNDECIDED], Verdict.PASS),
        ([HELD, BROKEN], Verdict.FAIL),
        ([BROKEN], Verdict.FAIL),
    ],
)
def test_a_verdict_is_what_the_judgements_add_up_to(found: list[Judgement], verdict: Verdict) -> None:
    """Anything broken fails; nothing judged proves nothing."""
    assert ruled(*found).verdict is verdict


def test_a_ruling_counts_what_it_heard() -> None:
    """Held, broken and undecided are all told."""
    said = ruled(HELD, HELD, BROKEN, UNDECIDED)
    assert (said.held, said.broken, said.undecided, said.reason) == (2, (BROKEN,), 1, "404")


def test_a_refusal_counts_only_where_the_form_was_accepted() -> None:
    """On a target that accepts nothing a refusal proves nothing, and the reason says so."""
    assert ruled(REFUSED, accepted=frozenset({PATH})).verdict is Verdict.PASS
    assert "owner's key in the path form" in ruled(REFUSED, accepted=frozenset({("other", Form.PATH)})).reason


@pytest.mark.parametrize(
    ("found", "facts", "reason"),
    [
        ([], {}, "no story of this run met its premise"),
        ([], {"obstacles": {"STATE-1": ("no pending task",)}}, "no pending task"),
        ([UNDECIDED], {"obstacles": {"STATE-1": ("no pending task",)}}, "the answer was lost"),
    ],
)
def test_an_inconclusive_row_says_why(found: list[Judgement], facts: dict[str, Any], reason: str) -> None:
    """What was met in a story comes before what kept a story from being told."""
    assert ruled(*found, **facts).reason == reason


@pytest.mark.parametrize(
    ("level", "verdict"), [("MUST", Verdict.FAIL), ("SHOULD", Verdict.WARN), ("EXT", Verdict.WARN)]
)
def test_only_a_must_fails(level: str, verdict: Verdict) -> None:
    """A recommendation that is not kept is a warning."""
    assert ruled(BROKEN, level=level).verdict is verdict


@pytest.mark.parametrize(
    ("found", "verdict"), [([], Verdict.NOT_OBSERVABLE), ([HELD], Verdict.PASS), ([BROKEN], Verdict.FAIL)]
)
def test_not_observable_is_what_nothing_was_seen_of(found: list[Judgement], verdict: Verdict) -> None:
    """The profile's word counts only where the run saw nothing after all."""
    assert ruled(*found, not_observable={"STATE-1": "no accounting"}).verdict is verdict


@pytest.mark.parametrize(
    ("found", "expired", "verdict", "stale"),
    [
        ([BROKEN], False, Verdict.KNOWN, False),
        ([BROKEN], True, Verdict.FAIL, True),
        ([HELD], False, Verdict.PASS, True),
        ([], False, Verdict.INCONCLUSIVE, False),
        ([UNDECIDED], False, Verdict.INCONCLUSIVE, False),
        ([], True, Verdict.INCONCLUSIVE, True),
    ],
)
def test_a_known_failure_is_excused_until_it_is_over(
    found: list[Judgement], *, expired: bool, verdict: Verdict, stale: bool
) -> None:
    """One that holds again, or is out of date, is stale; one of which nothing was seen is not."""
    said = ruled(*found, known={"STATE-1": "ticket"}, expired=frozenset({"STATE-1"} if expired else ()))
    assert (said.verdict, said.stale) == (verdict, stale)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([("MUST", Verdict.PASS)], ExitCode.PASSED),
        ([("MUST", Verdict.PASS), ("SHOULD", Verdict.WARN), ("EXT", Verdict.INCONCLUSIVE)], ExitCode.PASSED),
        ([("MUST", Verdict.PASS), ("MUST", Verdict.KNOWN)], ExitCode.PASSED),
        ([("MUST", Verdict.PASS), ("MUST", Verdict.INCONCLUSIVE)], ExitCode.INCONCLUSIVE),
        ([("MUST", Verdict.PASS), ("MUST", Verdict.NOT_OBSERVABLE)], ExitCode.INCONCLUSIVE),
        ([("SHOULD", Verdict.PASS)], ExitCode.INCONCLUSIVE),
        ([], ExitCode.INCONCLUSIVE),
        ([("MUST", Verdict.FAIL), ("MUST", Verdict.INCONCLUSIVE)], ExitCode.FAILED),
    ],
)
def test_an_exit_code_tells_the_worst(rows: list[tuple[str, Verdict]], code: ExitCode) -> None:
    """0 only where every MUST was seen to hold, or is excused."""
    assert exit_code(Ruling(requirement="STATE-1", level=level, verdict=verdict) for level, verdict in rows) is code


def test_an_unsound_run_is_our_fault() -> None:
    """Where the suite itself broke down, no verdict counts."""
    assert exit_code([Ruling(requirement="X", level="MUST", verdict=Verdict.FAIL)], sound=False) is ExitCode.OUR_FAULT


def test_a_stale_excuse_fails_the_gate() -> None:
    """A known failure that holds again must be struck from the profile."""
    assert exit_code([ruled(HELD, known={"STATE-1": "ticket"})]) is ExitCode.FAILED


def coded(*rows: tuple[str, Verdict], level: Level = Level.MUST, proof: bool = False, **more: bool) -> int:
    """The exit code of some rows at a gate."""
    rulings = [Ruling(requirement="STATE-1", level=each, verdict=verdict) for each, verdict in rows]
    return int(exit_code(rulings, gate=Gate(level=level, proof=proof), **more))


PROVEN = ("MUST", Verdict.PASS)


@pytest.mark.parametrize(
    ("row", "must", "should", "none"),
    [
        (("MUST", Verdict.PASS), 0, 0, 0),
        (("MUST", Verdict.FAIL), 1, 1, 0),
        (("MUST", Verdict.INCONCLUSIVE), 3, 3, 0),
        (("MUST", Verdict.KNOWN), 0, 0, 0),
        (("SHOULD", Verdict.WARN), 0, 1, 0),
        (("SHOULD", Verdict.KNOWN), 0, 0, 0),
        (("SHOULD", Verdict.INCONCLUSIVE), 0, 3, 0),
        (("EXT", Verdict.WARN), 0, 1, 0),
        (("EXT", Verdict.INCONCLUSIVE), 0, 0, 0),
    ],
)
def test_a_gate_stops_at_what_it_is_asked_to(row: tuple[str, Verdict], must: int, should: int, none: int) -> None:
    """Each row beside one that is proven, at the three levels."""
    assert [coded(PROVEN, row, level=level) for level in (Level.MUST, Level.SHOULD, Level.NONE)] == [must, should, none]


def test_a_gate_that_wants_proof_fails_without() -> None:
    """What would have been 3 is 1, and nothing else is another."""
    assert coded(PROVEN, ("MUST", Verdict.INCONCLUSIVE), proof=True) == 1
    assert coded(PROVEN, ("SHOULD", Verdict.INCONCLUSIVE), proof=True) == 0
    assert coded(PROVEN, ("SHOULD", Verdict.INCONCLUSIVE), proof=True, level=Level.SHOULD) == 1
    assert coded(PROVEN, proof=True) == 0
    assert coded(PROVEN, proof=True, whole=False) == 1
    assert coded(PROVEN, ("MUST", Verdict.INCONCLUSIVE), proof=True, level=Level.NONE) == 0


@pytest.mark.parametrize("level", Level)
def test_no_gate_excuses_the_suite(level: Level) -> None:
    """Our own fault is 4 at every gate."""
    assert coded(PROVEN, level=level, proof=True, sound=False) == 4


@pytest.mark.parametrize(("level", "code"), [(Level.MUST, 1), (Level.SHOULD, 1), (Level.NONE, 0)])
def test_a_stale_excuse_fails_every_gate_that_stops_at_anything(level: Level, code: int) -> None:
    """Also one on a row that is only recommended."""
    stale = ruled(HELD, level="SHOULD", known={"STATE-1": "ticket"})
    proven = Ruling(requirement="STATE-2", level="MUST", verdict=Verdict.PASS)
    assert exit_code([proven, stale], gate=Gate(level=level)) == code
