"""How a story is told of a task that is left to its work, while others are cancelled beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from conformance.bystanders import PATIENCE
from conformance.states import TERMINAL, State
from conformance.target.provision import OutOfReach, fresh_identifier

if TYPE_CHECKING:
    from conformance.lawful import Task
    from conformance.teller import Telling

_TURNS: Final = 4
_FIRST_PAUSE: Final = 0.005
_SLOWER: Final = 1.25
_LONGEST_START: Final = 30.0

Calls = Callable[["Telling", "Task", "Task"], None]
"""What is sent beside a task, which is given with another of its kind that was submitted just before it."""


def work_beside(story: Telling, waits: Calls, runs: Calls, *, lasts: float | None, rival: str | None = None) -> None:
    """A task that ends by itself has calls sent beside it while it `waits` and while it `runs`; it gets to its end.

    Where it does not, when one that was submitted later has long ended, others are watched: in turns, with such calls
    beside and without. It is one of those that fail, which cost nothing, and usually `lasts` so many seconds; where the
    target shows none, the story is not told. The elder one may be a `rival` key's, of the same `out_task_id`.
    """
    within = _LONGEST_START if lasts is None else PATIENCE * lasts
    disturbed = partial(_ends_in_time, story, waits, runs, within, rival)
    try:
        for _ in range(0 if disturbed() else _TURNS):
            if not _ends_in_time(story, _nothing, _nothing, 0.0, rival) or disturbed():
                return
    except OutOfReach:
        return


def _nothing(_story: Telling, _task: Task, _elder: Task) -> None:
    """Send nothing."""


def _ends_in_time(story: Telling, waits: Calls, runs: Calls, within: float, rival: str | None) -> bool:
    """Whether a task that has an elder ends by itself, not much later than one submitted when the calls were sent.

    Those beside what runs are sent when it was seen to start, or had so many seconds for that.
    """
    elder = story.begin(State.FAILED, variant=0, role=rival)
    named = None if rival is None else elder.out_task_id
    task = story.named(named or fresh_identifier(), like=State.FAILED, variant=0)
    if task is None:
        raise OutOfReach("the name is taken, or refused")
    waits(story, task, elder)
    see_it_start(story, task, within)
    runs(story, task, elder)
    later = story.begin(State.FAILED, variant=0)
    begun = time.monotonic()
    story.wait(later)
    now, pause = time.monotonic(), _FIRST_PAUSE
    give_up = now + (PATIENCE + 1) * (now - begun)
    while story.shows(story.query(task)) not in TERMINAL:
        if time.monotonic() > give_up:
            return False
        time.sleep(pause)
        pause *= _SLOWER
    return True


def see_it_start(story: Telling, task: Task, within: float = _LONGEST_START) -> None:
    """Ask for a pending task, ever less often, until it is seen to have started, or has waited too long."""
    pause, give_up = _FIRST_PAUSE, time.monotonic() + within
    while story.shows(story.query(task)) is State.PENDING and time.monotonic() < give_up:
        time.sleep(pause)
        pause *= _SLOWER
