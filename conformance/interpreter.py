"""What CPython does for programs unlike ours, and is kept from: with its stack, and in search of cycles."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Callable
from functools import cache
from typing import Final, TypeVar

_WORDS: Final = 1 << 15
"""The stack that one call of `with_room` claims: its piece of the interpreter's has room for as much again.

That is 256 KiB. The deepest calls of a run, below pytest, Hypothesis and httpx, come to a quarter of it.
"""

_MANY: Final = 200_000
"""So many objects more, some 60 MB, make a search worth its time: about what one process of a standard run makes."""

Result = TypeVar("Result")


def with_room(work: Callable[[], Result]) -> Result:
    """What some work comes to, done within one piece of the interpreter's stack.

    CPython lays its calls on pieces of 16 KiB, and gives one back as soon as the first call on it returns. Where calls
    go to and fro over an edge, which is a matter of chance, each costs two system calls and new pages.
    """
    return work()


with_room.__code__ = with_room.__code__.replace(co_stacksize=_WORDS)


@cache
def collect_seldom() -> None:
    """Look for cycles where many objects were made since, and not once more as the process ends: they end with it."""
    gc.set_threshold(_MANY)
    atexit.register(gc.freeze)
