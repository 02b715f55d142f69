"""On whose accounts stories about money are told, and when an account has nothing to move it but the story at hand.

The account of another key pays for most of these stories, where a profile names one that has its own: so one process
can tell them while others tell what the owner's key alone is sent for, which may move his account and no other. That it
moves no other is not taken on trust: until the accounts were seen to be two, such a story has all of them to itself.
"""

from __future__ import annotations

import time
from decimal import Decimal
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
_APART: Final = "its account is another"
_SURELY_PENDING: Final = 10.0


class Payers:
    """The accounts of the keys of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._account_of = run.order.profile.account_of
        self._roles = (OWNER, *run.order.profile.others)
        self._all = frozenset(map(self._account_of, self._roles))
        self._charged = Decimal(0)

    def choose(self) -> None:
        """Settle which key pays beside the owner's: the first that has its own account, which shows what his shows."""
        shown = self._readings()
        sources = {role: {source for reader, source in shown if reader == role} for role in self._roles}
        others = [role for role in self._roles if self._account_of(role) != self._account_of(OWNER)]
        fit = (
            role
            for role in others
            if sources[role] == sources[OWNER] and bool(sources[role]) is self._run.tells_credits
        )
        self._run.pool.learn(_ANOTHER, next(fit, OWNER))

    def role(self, payer: Payer) -> str:
        """The role whose key speaks for a payer: the owner's for everybody."""
        return str(self._run.pool.learned(_ANOTHER) or OWNER) if payer == "another" else OWNER

    def excuse_another(self) -> None:
        """Stories cannot be told on another account: from now on they are told on the owner's."""
        self._run.pool.learn(_ANOTHER, OWNER)

    @property
    def owners(self) -> frozenset[str]:
        """The account that calls with the owner's key may move."""
        return frozenset({self._account_of(OWNER)})

    def accounts(self, payer: Payer) -> frozenset[str]:
        """The accounts that a story on the account of a payer is to have to itself."""
        apart = self._run.journal.teller == MAIN or self._run.pool.learned(_APART)
        return frozenset({self._account_of(self.role(payer))}) if apart and payer != "everybody" else self._all

    def are_apart(self) -> bool:
        """Whether the payers' accounts were seen to be two, by now; asked where several processes tell stories.

        They are where the owner's has moved by what his tasks have cost for good, and the other, which was read
        afterwards, by less. Where no account is observable, nothing can be mistaken.
        """
        pool, another = self._run.pool, self.role("another")
        if pool.learned(_APART) is None and another != OWNER:
            charged = pool.charged()
            if not self._run.tells_credits or (charged > 2 * self._charged and self._have_parted(another)):
                pool.learn(_APART, value=True)
            self._charged = max(charged, self._charged)
        return bool(pool.learned(_APART))

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

    def _have_parted(self, another: str) -> bool:
        his = {task.task_id for task in self._run.journal.ended_tasks() if self._account_of(task.role) in self.owners}
        charges = (each.charged for each in self._run.pool.expenses() if each.task_id in his)
        cost = sum((charged for charged in charges if charged is not None), Decimal(0))
        self._run.read_accounts()
        between = time.monotonic()
        self._run.read_accounts()
        moved: dict[str, dict[str, Decimal]] = {OWNER: {}, another: {}}
        for (role, source), (first, *later) in self._readings().items():
            for each in later:
                if role in moved and (each.ended_at <= between if role == OWNER else each.sent_at >= between):
                    moved[role][source] = first.credits - each.credits
        mine, theirs = moved[OWNER], moved[another]
        return bool(mine) and all(by >= cost > theirs.get(source, cost) for source, by in mine.items())

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
