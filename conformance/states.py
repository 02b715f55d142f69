"""The five states of a task, and what may follow what.

A task is born *pending*. By itself it may start (*running*) and end (*completed* or *failed*); it may do all of that
between any two looks at it. A cancel ends a pending task as *cancelled*. A running one it ends as *cancelled* too, or
finds past the point of no return, and then the task ends as *completed* or *failed* within the cancel (ruling R6).
The last three states are terminal: nothing follows them.

An observer therefore never knows *the* state of a task, only the set of states that it may be in. The two functions
below widen such a set: by the passing of time, and by a cancel that may have taken effect.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """The documented name of a task's state."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


States = frozenset[State]

LIVE: States = frozenset({State.PENDING, State.RUNNING})
TERMINAL: States = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})
ANY: States = LIVE | TERMINAL

ENDS_BY_ITSELF: States = frozenset({State.COMPLETED, State.FAILED})

_BY_ITSELF: dict[State, States] = {
    State.PENDING: LIVE | ENDS_BY_ITSELF,
    State.RUNNING: ENDS_BY_ITSELF | {State.RUNNING},
    State.COMPLETED: frozenset({State.COMPLETED}),
    State.FAILED: frozenset({State.FAILED}),
    State.CANCELLED: frozenset({State.CANCELLED}),
}

_BY_CANCEL: dict[State, States] = {
    State.PENDING: frozenset({State.CANCELLED}),
    State.RUNNING: TERMINAL,
    State.COMPLETED: frozenset({State.COMPLETED}),
    State.FAILED: frozenset({State.FAILED}),
    State.CANCELLED: frozenset({State.CANCELLED}),
}


def drifted(states: States, *, started: bool = True, ended: bool = True) -> States:
    """Where a task in one of `states` may be a while later, nobody interfering.

    Where it is certain that no such task can have `started` (or `ended`) yet, that step is left out (ruling R25).
    """
    reached = frozenset().union(*(_BY_ITSELF[state] for state in states))
    if not ended:
        reached -= ENDS_BY_ITSELF - states
    if not started:
        reached -= (ENDS_BY_ITSELF | {State.RUNNING}) - states
    return reached


def cancelled(states: States) -> States:
    """Where a cancel that took effect may have left a task that was in one of `states`."""
    return frozenset().union(*(_BY_CANCEL[state] for state in states))
