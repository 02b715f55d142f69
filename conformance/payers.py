"""On whose accounts stories about money are told, and when an account has nothing to move it but the story at hand.

The account of another key pays for some of these stories, where a profile names one that has its own: so two processes
can tell them at once, one on each account. That what one account does is never seen on the other is not taken on
trust. Until both were seen to move differently, a story has all accounts to itself.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from conformance.account import Reading, readings
from conformance.journal import MAIN
from conformance.target.abreast import abreast
from conformance.target.profile import OWNER

if TYPE_CHECKING:
    from collections.abc import Collection

    from conformance.lawful import Task
    from conformance.run import Run

Payer = Literal["another", "owner", "everybody"]
"""Whose account pays, as a test has it: `another` is the owner too, where no other key will do."""

_ANOTHER: Final = "another key pays"
_APART: Final = "its account moves by itself"
_SURELY_PENDING: Final = 10.0


class Payers:
    """The accounts of the keys of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._account_of = run.order.profile.account_of
        self._roles = (OWNER, *run.order.profile.others)
        self._all = frozenset(map(self._account_of, self._roles))

    def choose(self) -> None:
        """Settle which key pays beside the owner's: the first that has its own account, which shows what his shows."""
        shown = self._readings()
        sources = {role: {source for reader, source in shown if reader == role} for role in self._roles}
        observable = self._run.account_url is not None or self._run.account_header is not None
        others = [role for role in self._roles if self._account_of(role) != self._account_of(OWNER)]
        fit = (role for role in others if sources[role] == sources[OWNER] and bool(sources[role]) is observable)
        self._run.pool.learn(_ANOTHER, next(fit, OWNER))

    def role(self, payer: Payer) -> str:
        """The role whose key speaks for a payer: the owner's for everybody."""
        return str(self._run.pool.learned(_ANOTHER) or OWNER) if payer == "another" else OWNER

    def excuse_another(self) -> None:
        """Stories cannot be told on another account: from now on they are told on the owner's."""
        self._run.pool.learn(_ANOTHER, OWNER)

    def accounts(self, payer: Payer) -> frozenset[str]:
        """The accounts that a story on the account of a payer is to have to itself."""
        one = payer != "everybody" and self._are_apart()
        return frozenset({self._account_of(self.role(payer))}) if one else self._all

    def are_quiet(self, accounts: Collection[str] | None = None) -> bool:
        """Wait until no known task of the run can move these accounts by itself, or any at all; whether that is so."""
        self._run.provision.settle()
        on = self._all if accounts is None else accounts
        surely = time.monotonic() + _SURELY_PENDING
        unsure = [task for task in self._live_on(on) if task.pending_until < surely]
        abreast([partial(self._make_quiet, task) for task in unsure], self._run.breadth)
        for ghost, role, out_task_id in self._run.pool.ghosts():
            here = out_task_id is not None and self._account_of(role) in on
            if here and self._run.sweeper.lay(self._quietening(), role, str(out_task_id)):
                self._run.pool.lay(ghost)
        return all(task.pending_until > time.monotonic() for task in self._live_on(on))

    def _are_apart(self) -> bool:
        """Whether the payers' accounts are two: one process alone need not know, of several one looks, while all wait.

        They are where each source of the owner's readings shows that they have moved differently since the run began.
        """
        run = self._run
        if run.journal.teller == MAIN or run.pool.learned(_APART) is not None:
            return run.journal.teller == MAIN or bool(run.pool.learned(_APART))
        story = run.journal.begin_story("whether two accounts are one", (), accounts=self._all)
        try:
            if run.pool.learned(_APART) is None:
                run.pool.learn(_APART, self._moved_differently())
        finally:
            run.journal.leave_story(story)
        return bool(run.pool.learned(_APART))

    def _moved_differently(self) -> bool:
        another = self.role("another")
        if another == OWNER or not self.are_quiet():
            return False
        self._run.read_accounts()
        moved = {key: series[0].credits - series[-1].credits for key, series in self._readings().items()}
        sources = [source for role, source in moved if role == OWNER]
        return all(moved.get((another, each), moved[OWNER, each]) != moved[OWNER, each] for each in sources)

    def _readings(self) -> dict[tuple[str, str], list[Reading]]:
        """What the accounts showed whenever all of them were read."""
        return readings(self._run.journal.story(self._run.ledger, self._run.terms))

    def _live_on(self, accounts: Collection[str]) -> list[Task]:
        return [task for task in self._run.journal.live_tasks() if self._account_of(task.role) in accounts]

    def _make_quiet(self, task: Task) -> None:
        """End a task; the story that has kept it until now is told of that."""
        journal = self._run.journal
        story = journal.lingering_in(task.task_id)
        if story is not None:
            journal.linger(story, task.task_id, still=False)
        self._run.sweeper.end(story or self._quietening(), task)

    def _quietening(self) -> int:
        return self._run.journal.begin_story("made quiet", ())
