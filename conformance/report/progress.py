"""What a user sees while a run goes on: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from conformance.run import Run

_SHORTEST: Final = 1.0
_ENOUGH: Final = 0.05
"""The part of all tests that must be told before a guess at the rest is worth reading: the heaviest come first."""

_BLINK: Final = 0.1
"""Seconds between two changes of the live line."""


class Progress:
    """Counts tests as they end; `total` is how many there will be."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._started = time.monotonic()
        self._family = ""
        self._done = 0
        self._total = 0
        self._pause = self._next_line = 0.0
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def begin(self, total: int, *, pause: float = 0.0) -> None:
        """The number of tests is known; where families alternate, so many seconds are between two lines."""
        self._total, self._pause = total, pause
        if self._stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (BarColumn(24), TextColumn("{task.description}"), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(file=self._stream), transient=True)
            self._task = self._bar.add_task("starting", total=total)
            self._bar.start()

    def told(self, family: str, run: Run) -> None:
        """One more test has told its stories; some of them are told in every process."""
        self._done = min(self._done + 1, self._total)
        if time.monotonic() < self._next_line:
            return
        if self._bar is not None and self._task is not None:
            self._next_line = time.monotonic() + _BLINK
            self._bar.update(self._task, completed=self._done, description=f"{family:<7}{self._spent(run)}")
        elif family != self._family:
            self._family, self._next_line = family, time.monotonic() + self._pause
            self._stream.write(f"{family:<7} {self._done} of {self._total} tests, {self._spent(run)}{self._left()}\n")
            self._stream.flush()

    def end(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def _spent(self, run: Run) -> str:
        limit = run.budget.most_tasks
        tasks = f"{run.budget.tasks} of {limit} tasks" if limit is not None else f"{run.budget.tasks} tasks"
        return f"{run.journal.count()} requests, {tasks}, {run.budget.credits:f} credits spent or expected"

    def _left(self) -> str:
        passed = time.monotonic() - self._started
        if passed < _SHORTEST or self._done <= _ENOUGH * self._total:
            return ""
        return f", about {passed / self._done * (self._total - self._done):.0f} s left"
