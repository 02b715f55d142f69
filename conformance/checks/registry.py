"""Which check judges which requirement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from conformance.checks.history import reduced
from conformance.story import Story
from conformance.verdict import Judgement, Outcome

Check = Callable[[Story], Iterator[Judgement]]

CHECKS: dict[str, Check] = {}

_OF_CALLS_THAT_MEET = "RACE-"


def check(requirement: str) -> Callable[[Check], Check]:
    """Register a function as the check of `requirement`."""

    def registered(function: Check) -> Check:
        if requirement in CHECKS:
            raise ValueError(f"{requirement} has a check already")
        CHECKS[requirement] = function
        return function

    return registered


def judgements(story: Story, requirements: Iterable[str] | None = None) -> Iterator[Judgement]:
    """All findings on `story`, of every check or of those of the `requirements` alone."""
    for requirement in CHECKS if requirements is None else requirements:
        if requirement in CHECKS:
            found = list(CHECKS[requirement](story))
            if requirement.startswith(_OF_CALLS_THAT_MEET):
                found = _with_history(story, found, CHECKS[requirement])
            yield from (judgement.on(requirement) for judgement in found)


def _with_history(story: Story, found: list[Judgement], check: Check) -> list[Judgement]:
    """The findings, the first broken one with its history."""
    first = next((judgement for judgement in found if judgement.outcome is Outcome.BROKEN), None)
    return [
        replace(judgement, history=reduced(story, judgement, check)) if judgement is first else judgement
        for judgement in found
    ]
