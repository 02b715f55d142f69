"""The fewest exchanges of a story that still show what is broken: for a reader, who is to see it at a glance.

What was judged stays the whole story. An exchange is left out where the same finding, to the letter, comes of the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from conformance.exchange import Exchange
from conformance.story import Story
from conformance.verdict import Judgement

_MOST_TRIES = 600


def reduced(story: Story, finding: Judgement, check: Callable[[Story], Iterable[Judgement]]) -> tuple[int, ...]:
    """The numbers of the exchanges that it takes to make `check` find the same as in the whole story."""
    kept, size, tries = list(story.exchanges), max(1, len(story.exchanges) // 2), 0
    while size and tries < _MOST_TRIES:
        start = 0
        while start < len(kept) and tries < _MOST_TRIES:
            rest, tries = kept[:start] + kept[start + size :], tries + 1
            if _shows(story, rest, finding, check):
                kept = rest
            else:
                start += size
        size //= 2
    return tuple(sorted(exchange.number for exchange in kept))


def _shows(
    story: Story, exchanges: Sequence[Exchange], finding: Judgement, check: Callable[[Story], Iterable[Judgement]]
) -> bool:
    return any(
        (each.outcome, each.exchange, each.wanted, each.got)
        == (finding.outcome, finding.exchange, finding.wanted, finding.got)
        for each in check(story.told_by(exchanges))
    )
