"""Which check judges which requirement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from conformance.story import Story
from conformance.verdict import Judgement

Check = Callable[[Story], Iterator[Judgement]]

CHECKS: dict[str, Check] = {}


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
            for judgement in CHECKS[requirement](story):
                yield judgement.on(requirement)
