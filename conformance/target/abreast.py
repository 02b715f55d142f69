"""Calls side by side: what does not depend on one another need not wait for one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from conformance.interpreter import with_room

T = TypeVar("T")


def abreast(calls: Sequence[Callable[[], T]], most: int) -> list[T]:
    """What the calls return, in their order; up to `most` of them at a time, each in a thread of its own.

    All of them are made, and then the first that failed is heard of.
    """
    if most <= 1 or len(calls) <= 1:
        return [call() for call in calls]
    with ThreadPoolExecutor(min(most, len(calls))) as pool:
        futures = [pool.submit(with_room, call) for call in calls]
    return [future.result() for future in futures]
