"""What CPython does for programs unlike ours, and is kept from: with its stack, in search of cycles, and at imports."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, TypeVar

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


@contextmanager
def without(module: str) -> Iterator[None]:
    """Have a library that is imported meanwhile do without an optional `module`, as if that were not installed."""
    loaded: dict[str, Any] = sys.modules
    if module in loaded:
        yield
        return
    loaded[module] = None  # which no import gets past
    try:
        yield
    finally:
        del loaded[module]
