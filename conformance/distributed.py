"""A run in several processes, by pytest-xdist: one makes it, the others tell its stories, all share its journal.

The process that the user has started keeps the run: it begins it when the others have found their tests, follows what
they report, and at the end, however it comes, dismisses them and sweeps behind them. Nothing of theirs is told by one
that has been dismissed, or whose keeper has died: the journal lets it send no more.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final

import pytest

from conformance.journal import Journal
from conformance.phases import Phases, Place
from conformance.plugin import begin, end
from conformance.run import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xdist.workermanage import WorkerController

    from conformance.report.progress import Progress
    from conformance.run import Order

_ORDER: Final = "conformance_order"
_KEEPER: Final = "conformance_keeper"
_PAUSE: Final = 5.0
_PLACES: Final = "where each test has its place"


def handed_down(config: pytest.Config) -> Order:
    """The order as the keeper of the run has it, with the keys, which went through no file."""
    given: dict[str, Any] = config.workerinput  # type: ignore[attr-defined]  # xdist puts it there
    with suppress(ValueError):  # only the main thread may; elsewhere no signal arrives
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the keeper has been told too, and dismisses this process
    order: Order = pickle.loads(given[_ORDER])  # noqa: S301 - from the process that started this one, over a pipe
    return order


def tell_places(config: pytest.Config, order: Order, places: Sequence[tuple[int, int, float]]) -> None:
    """What `Phases` is to know of the tests that this process has found: the `Place` of each."""
    with closing(_journal(config, order)) as journal:
        journal.pool.learn(_PLACES, places)


def joined(config: pytest.Config, order: Order) -> Run:
    """This process's part of a run that its keeper has begun."""
    journal = _journal(config, order)
    run = Run(order, journal)
    run.silence = journal.notes().get("silence", "")
    if not run.silence:
        run.join()
    return run


def _journal(config: pytest.Config, order: Order) -> Journal:
    given: dict[str, Any] = config.workerinput  # type: ignore[attr-defined]  # likewise
    return Journal.join(order.report_dir / "journal.sqlite", given["workerid"], keeper=given[_KEEPER])


class Keeper:
    """The hooks of the process that keeps a run whose stories others tell."""

    def __init__(self, order: Order, journal: Journal, progress: Progress | None) -> None:
        self.run = Run(order, journal)
        self._order = order
        self._progress = progress
        self._begun = False

    def pytest_configure_node(self, node: WorkerController) -> None:
        """Hand the order down to a process that is about to start."""
        node.workerinput |= {_ORDER: pickle.dumps(self._order), _KEEPER: os.getpid()}

    def pytest_xdist_make_scheduler(self, config: pytest.Config) -> Phases:
        """Side by side first, then one process an account, and so on."""
        return Phases(config, self._places, self.run.payers.are_apart)

    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """The first process has found its tests: begin, so that the slow tasks are on their way when all have."""
        if self._begun or not ids:
            return
        self._begun = True
        if self._progress is not None:
            self._progress.begin(len(ids), pause=_PAUSE)
        begin(self.run)

    def pytest_testnodedown(self, node: WorkerController, error: object | None) -> None:
        """A process has gone; if it died, what it was telling is told by nobody, and that is the suite's own fault."""
        journal = self.run.journal
        for aims in journal.bury(node.gateway.id, time.monotonic()):
            journal.obstacle(aims, "the process that told the story died")
        if error and "keyboard-interrupt" not in str(error):
            journal.note("our_fault", f"a process of the run died ({error}); its tasks are cancelled with the others")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Nothing more is sent by the others; xdist then waits for them to go."""
        self.run.journal.dismiss()

    def _places(self) -> list[Place]:
        return [Place(*each) for each in self.run.pool.learned(_PLACES)]

    def finish(self) -> None:
        """Sweep behind all of them, and end the run."""
        self.run.journal.bury(None, time.monotonic())
        end(self.run)
