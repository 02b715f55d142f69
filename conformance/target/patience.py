"""How long to wait before asking again: as the target says, else longer each time, with jitter (ruling R17)."""

from __future__ import annotations

import math
import random
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from conformance.exchange import Answer

_TOO_MANY_REQUESTS: Final = 429
_FIRST_WAIT: Final = 0.2
_LONGEST_WAIT: Final = 10.0
_A_YEAR: Final = 366 * 86_400.0


def pause(answer: Answer | None, attempt: int, chance: random.Random) -> float:
    """Seconds to wait after an attempt, the first of them number 1, that brought this answer, or none."""
    wait = min(_FIRST_WAIT * 2.0 ** (attempt - 1), _LONGEST_WAIT) * chance.uniform(0.5, 1.5)
    if answer is None:
        return wait
    asked = _retry_after(answer.header("retry-after"))
    if asked is not None:
        return max(wait, asked)
    reset = _seconds(answer.header("x-ratelimit-reset")) if answer.status == _TOO_MANY_REQUESTS else None
    if reset is not None:
        return max(wait, min(reset if reset < _A_YEAR else reset - time.time(), _LONGEST_WAIT))
    return wait


def _retry_after(text: str | None) -> float | None:
    """Seconds, or the seconds until an HTTP date; none where it is neither."""
    seconds = _seconds(text)
    if seconds is not None or text is None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _seconds(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if value >= 0 else None
