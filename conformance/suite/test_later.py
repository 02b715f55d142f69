"""The last stories go on: everything is looked at once more, when all of it would have ended by itself."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import cycle, product
from typing import TYPE_CHECKING, Final

import pytest

from conformance.account import REST
from conformance.checks import CHECKS
from conformance.exchange import Form
from conformance.life import prove_forms
from conformance.states import State
from conformance.strategies import FORMS, METHODS
from conformance.target.abreast import abreast
from conformance.target.call import by
from conformance.target.provision import OutOfReach
from conformance.teller import Telling
from conformance.verdict import Outcome

if TYPE_CHECKING:
    from conformance.journal import Kept
    from conformance.teller import Teller
    from conformance.verdict import Judgement

_SEEN_LATER: Final = (
    *("IDENT-5", "STATE-1", "STATE-2", "STATE-3", "STATE-4", "STATE-5", "STATE-6", "STATE-7"),
    *("IDEMP-3", "IDEMP-5", "BILL-1", "BILL-3", "BILL-9", "ISO-2", "AUTH-4", "ERR-5"),
    *("NOTIFY-1", "NOTIFY-2"),
)
_LOOKS: Final = "what is worth another look, and when"
_IDLE: Final = 0.15
"""How many seconds nothing of ours happens between two readings of an account."""


@pytest.mark.aims(*CHECKS)
@pytest.mark.last
def test_having_each_form_accepted(teller: Teller) -> None:
    """Where a refusal proves nothing yet, for no such call was accepted with that key, one is sent that should be."""
    prove_forms(teller, sorted({role for role, _ in teller.run.journal.unmet()}))


@pytest.mark.aims(*_SEEN_LATER)
@pytest.mark.last
def test_leaving_tasks(teller: Teller) -> None:
    """Have tasks to look at again that nothing else leaves alive, and settle what every process is to look at.

    The accounts are read before, around a moment in which nothing is done.
    """
    run = teller.run
    _read_at_rest(teller)
    if run.order.depth.watch and run.wanted({"STATE-1", "STATE-3", "STATE-6", "BILL-1"}):
        _leave_a_task_waiting(teller)
    if run.order.depth.watch and run.wanted({"STATE-2", "STATE-7", "BILL-9", "ISO-2"}):
        _leave_a_task_running(teller)
    if run.order.depth.watch and run.wanted({"ISO-2"}):
        _leave_tasks_to_other_keys(teller)
    if run.order.depth.watch and run.wanted({"ERR-5"}):
        _leave_a_task_to_other_methods(teller)
    run.pool.learn(_LOOKS, [(instant, kept.number) for instant, kept in run.worth_another_look()])


@pytest.mark.aims(*_SEEN_LATER)
@pytest.mark.last
@pytest.mark.everywhere
def test_looking_again(teller: Teller) -> None:
    """One wait for all stories together; then queries and further cancels, each form in its turn."""
    run = teller.run
    told = {kept.number: kept for kept in run.journal.stories_told()}
    settled = zip(run.pool.learned(_LOOKS) or (), cycle((None, *FORMS)), strict=False)
    looks = [(max(instant, run.listens_until(number)), told[number], form) for (instant, number), form in settled]
    looks.sort(key=lambda look: look[0])  # the soonest first, so that all share one wait
    found = abreast([partial(_look_again, teller, *look) for look in looks], run.breadth)
    teller.broken += [judgement for new in found for judgement in new]


@pytest.mark.aims("BILL-2", "BILL-4", "BILL-7", "BILL-8", "BILL-9", "ISO-7")
@pytest.mark.last
def test_closing_the_accounts(teller: Teller) -> None:
    """Over the whole run, what went from each account is what its tasks show, and nobody else moves it."""
    _read_at_rest(teller)
    teller.broken += teller.run.close_accounts()


def _read_at_rest(teller: Teller) -> None:
    """Read the accounts around a moment in which nothing is done; and once more a while later, if one moved in it."""
    for rest in (0.0, REST):
        teller.pause(rest)
        teller.run.read_accounts()
        teller.pause(_IDLE)
        teller.run.read_accounts()
        if not teller.run.is_restless:
            return


def _leave_a_task_waiting(teller: Teller) -> None:
    """Have a task that has waited for some time when it is cancelled."""
    story = teller.story()
    with suppress(OutOfReach):
        task = story.task()
        story.query(task)
        story.leave(task)
    story.verify()


def _leave_a_task_running(teller: Teller) -> None:
    """Have a task that has run for some time when it is cancelled, if any can be brought to run.

    Others' keys have tried that in vain before, and another task was cancelled that ran for the same work.
    """
    story = teller.story()
    with suppress(OutOfReach):
        task = story.task(State.RUNNING, variant=0)
        for other in teller.run.order.profile.others:
            story.cancel(by(Form.PATH, task), role=other)
        story.query(task)
        story.leave(task)
        twin = story.task(State.RUNNING, variant=0)
        story.cancel(by(Form.PATH, twin))
    story.verify()


def _leave_tasks_to_other_keys(teller: Teller) -> None:
    """Have tasks that wait when another key cancels them, and that should start and end as if nothing had been sent."""
    for other in teller.run.order.profile.others:
        story = teller.story()
        with suppress(OutOfReach):
            task = story.task(State.PENDING, like=State.FAILED)
            for form in FORMS:
                story.cancel(by(form, task), role=other)
            story.leave(task)
        story.verify()


def _leave_a_task_to_other_methods(teller: Teller) -> None:
    """Have a task that waits when all but POST is sent to it, and that should start and end all the same."""
    story = teller.story()
    with suppress(OutOfReach):
        task = story.task(State.PENDING, like=State.FAILED)
        calls = [replace(by(form, task), method=method) for method, form in product(METHODS, FORMS)]
        story.abreast(*(partial(story.cancel, call) for call in calls))
        story.query(task)
        story.leave(task)
    story.verify()


def _look_again(teller: Teller, instant: float, kept: Kept, form: Form | None) -> list[Judgement]:
    """What is newly broken by a look at a story from some instant on, if no other process has gone on with it."""
    if not teller.run.takes_up(kept.number):
        return []
    told = teller.run.journal.judgements(kept.number)
    known = {each.judgement.requirement for each in told if each.judgement.outcome is Outcome.BROKEN}
    teller.pause(instant - time.monotonic())
    telling = Telling.resumed(teller, kept.number)
    telling.look_again(kept, cancel_as=form)
    return [judgement for judgement in telling.broken if judgement.requirement not in known]
