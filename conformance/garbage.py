"""How seldom cycles are looked for: a process of ours loads much, makes few of them, and ends."""

from __future__ import annotations

import atexit
import gc
from functools import cache
from typing import Final

_MANY: Final = 200_000
"""So many objects more, some 60 MB, make a search worth its time: about what one process of a standard run makes."""


@cache
def collect_seldom() -> None:
    """Look for cycles where many objects were made since, and not once more as the process ends: they end with it."""
    gc.set_threshold(_MANY)
    atexit.register(gc.freeze)
