"""How far away a target is: whether a run waits for processors, or for answers on their way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from conformance.exchange import Exchange

NEAR: Final = 0.02
"""Seconds in which a target near by answers: there nothing is won by asking side by side."""

_MOST: Final = 3


def soonest(ask: Callable[[], Exchange]) -> Exchange:
    """The exchange that was answered soonest of a few, and the only one where that was near by.

    A first connection, or a busy moment, is no distance. Where the first is not answered, nothing more is asked, and it
    is the one.
    """
    best = ask()
    for _ in range(_MOST - 1):
        if best.answer is None or best.took < NEAR:
            break
        best = min(best, ask(), key=_how_far)
    return best


def _how_far(exchange: Exchange) -> float:
    return exchange.took if exchange.answer is not None else float("inf")
