"""The theory of states: what may follow what, by itself and by a cancel."""

import pytest

from conformance.states import ANY, LIVE, TERMINAL, State, States, cancelled, drifted

PENDING, RUNNING, COMPLETED, FAILED, CANCELLED = (frozenset({state}) for state in State)


def test_every_state_is_either_live_or_terminal() -> None:
    """The two sets have no state in common, and between them all."""
    assert set(State) == ANY == LIVE | TERMINAL
    assert not LIVE & TERMINAL


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_a_terminal_state_stays(state: State) -> None:
    """Neither time nor a cancel moves a task that has ended."""
    assert drifted(frozenset({state})) == cancelled(frozenset({state})) == {state}


@pytest.mark.parametrize(
    ("states", "later"),
    [(PENDING, LIVE | COMPLETED | FAILED), (RUNNING, RUNNING | COMPLETED | FAILED), (PENDING | CANCELLED, ANY)],
)
def test_time_alone_cancels_nothing(states: States, later: States) -> None:
    """A live task may have gone on by itself, as far as it likes, but never to `cancelled`."""
    assert drifted(states) == later


@pytest.mark.parametrize(
    ("states", "started", "ended", "later"),
    [
        (PENDING, False, False, PENDING),
        (PENDING, True, False, LIVE),
        (RUNNING, True, False, RUNNING),
        (RUNNING, False, False, RUNNING),
        (COMPLETED, False, False, COMPLETED),
    ],
)
def test_a_promise_leaves_steps_out(states: States, *, started: bool, ended: bool, later: States) -> None:
    """What certainly has not happened yet is no part of the belief, and what was seen stays in it."""
    assert drifted(states, started=started, ended=ended) == later


@pytest.mark.parametrize(("states", "after"), [(PENDING, CANCELLED), (RUNNING, TERMINAL), (LIVE, TERMINAL)])
def test_a_cancel_leaves_nothing_in_flight(states: States, after: States) -> None:
    """A pending task ends as cancelled; a running one may be past the point of no return (R6)."""
    assert cancelled(states) == after
