"""BILL: what cancelling costs, by what a task shows and by what its account does.

Each check names the sentence that it rests on. Where the account is asked, `conformance.account` says what a window
between two readings proves; a window in which anything else may have moved proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from conformance.account import Window, agrees, around, charge, expected, readings, sightings
from conformance.checks.findings import broken, held, quoted, undecided
from conformance.checks.registry import check
from conformance.exchange import ABSENT
from conformance.lawful import Task
from conformance.states import TERMINAL, State
from conformance.story import OK, Moment, Story
from conformance.verdict import Judgement

_SEVERAL = 2


@check("BILL-1")
def cancelled_pending_tasks_show_no_charge(story: Story) -> Iterator[Judgement]:
    """Rests on "free cancel": no `credits_used` above 0, in the answer and ever after (ruling R7)."""
    for cancel, task in _first_cancels(story):
        last = cancel.last_read(task)
        sure = cancel.during(task) <= {State.PENDING}
        if not sure and (last is None or last.state is not State.PENDING):
            continue
        for moment in _shown_from(story, cancel, task):
            cost = charge(moment.shown)
            if cost == 0:
                yield held(moment)
            elif sure:
                yield broken(moment, "credits_used absent or 0: the task was cancelled while pending", _charged(moment))
            else:
                yield undecided(moment, "the task may have started before the cancel (R25)")


@check("BILL-2")
def cancelled_pending_tasks_move_no_account(story: Story) -> Iterator[Judgement]:
    """Rests on "what you're charged: $0": from before the submit to after the cancel, the account stands still."""
    for cancel, task in _first_cancels(story):
        if cancel.during(task) <= {State.PENDING} and cancel.status == OK:
            yield from _over_its_life(story, cancel, task)


@check("BILL-3")
def charges_of_cancelled_tasks_are_final(story: Story) -> Iterator[Judgement]:
    """Rests on "if present, that's the final amount": a number of at least 0 that every later answer shows again."""
    for cancel, task in _first_cancels(story):
        last = cancel.last_read(task)
        if cancel.status != OK or not cancel.shows(task) or last is None or last.state is not State.RUNNING:
            continue
        first = charge(cancel.shown)
        if first is None or first < 0:
            yield broken(cancel, "credits_used a number of at least 0, or absent", _charged(cancel))
            continue
        for moment in _shown_from(story, cancel, task):
            if moment is not cancel:
                wanted = f"{_charged(cancel)}, as exchange {cancel.exchange.number} answered: it is final"
                yield held(moment) if charge(moment.shown) == first else broken(moment, wanted, _charged(moment))


@check("BILL-4")
def the_account_moved_when_the_cancel_answered(story: Story) -> Iterator[Judgement]:
    """Rests on "refund … happens during the cancel, not after": by its answer the account has moved by the charge."""
    for cancel, task in _first_cancels(story):
        last = cancel.last_read(task)
        if cancel.status == OK and last is not None and last.state is State.RUNNING:
            yield from _over_its_life(story, cancel, task)


@check("BILL-5")
def completed_tasks_stay_settled(story: Story) -> Iterator[Judgement]:
    """Rests on "no change": neither `credits_used` nor the account moves by the cancel of a completed task."""
    yield from _settled(story, State.COMPLETED)


@check("BILL-6")
def failed_tasks_stay_settled(story: Story) -> Iterator[Judgement]:
    """Rests on "no change": neither `credits_used` nor the account moves by the cancel of a failed task."""
    yield from _settled(story, State.FAILED)


@check("BILL-7")
def the_call_itself_is_free(story: Story) -> Iterator[Judgement]:
    """Rests on "the cancel call itself is free": where no task moves the account, neither does the call."""
    for moment in story.cancels:
        for window in around(story, moment):
            if expected(story, window) == 0:
                yield judged(moment, window, Decimal(0))


@check("BILL-8")
def repeated_cancels_refund_once(story: Story) -> Iterator[Judgement]:
    """Rests on "cancel is idempotent": after several cancels the account stands where one would have left it."""
    for task in story.tasks:
        cancels = [moment for moment in story.cancels if moment.task is task and moment.status == OK]
        if len(cancels) >= _SEVERAL and task.submitted_at is not None:
            yield from _over_its_life(story, cancels[-1], task)


@check("BILL-9")
def the_account_adds_up(story: Story) -> Iterator[Judgement]:
    """Rests on the whole table of charges: over several tasks the account moves by the sum of what they show."""
    if len(story.tasks) < _SEVERAL:
        return
    for series in readings(story).values():
        window = Window(series[0], series[-1])
        cost = expected(story, window)
        if cost is not None and any(task.submitted_at is not None for task in story.tasks):
            yield judged(series[-1].moment, window, cost)


@check("BILL-10")
def cancelled_tasks_cost_no_more_than_estimated(story: Story) -> Iterator[Judgement]:
    """More than the estimate is noted, not failed (ruling R15)."""
    for cancel, task in _first_cancels(story):
        cost, estimate = charge(cancel.shown), _estimate(story, task)
        last = cancel.last_read(task)
        if cancel.status != OK or cost is None or estimate is None or last is None or last.state is not State.RUNNING:
            continue
        if cost <= estimate:
            yield held(cancel)
        else:
            yield broken(cancel, f"at most the estimated {estimate} credits", _charged(cancel))


def judged(moment: Moment, window: Window, cost: Decimal) -> Judgement:
    """Whether the account moved by `cost` in a window: a finding that others' movements make uncertain."""
    first, last = window.first.moment.exchange.number, window.last.moment.exchange.number
    between = f"between exchanges {first} and {last}"
    if agrees(window, cost):
        return replace(held(moment), account=True)
    wanted = f"the account of {window.first.role} to go down by {cost} credits {between}"
    got = f"from {window.first.credits} to {window.last.credits}: by {window.spent}"
    return replace(broken(moment, wanted, got), account=True)


def _first_cancels(story: Story) -> Iterator[tuple[Moment, Task]]:
    """The first cancel of each task that may have found it live."""
    for task in story.tasks:
        cancels = [moment for moment in story.cancels if moment.task is task]
        if cancels and cancels[0].certain and not cancels[0].before(task) <= TERMINAL:
            yield cancels[0], task


def _shown_from(story: Story, cancel: Moment, task: Task) -> list[Moment]:
    """The cancel's answer and every later one that shows the task as ended."""
    return [seen for seen in sightings(story, task) if seen.exchange.ended_at >= cancel.exchange.ended_at]


def _over_its_life(story: Story, cancel: Moment, task: Task) -> Iterator[Judgement]:
    """From before the submit to the first reading after the cancel, and to the last of the story."""
    if task.submitted_at is None:
        return
    for window in around(story, cancel, since=task.submitted_at):
        cost = expected(story, window)
        if cost is None:
            yield undecided(cancel, "another task may have moved the account meanwhile")
            continue
        yield judged(cancel, window, cost)
        series = readings(story)[window.first.role, window.first.source]
        late = Window(window.first, series[-1])
        if late.last is not window.last and (cost := expected(story, late)) is not None:
            yield judged(late.last.moment, late, cost)


def _settled(story: Story, state: State) -> Iterator[Judgement]:
    for moment in story.cancels:
        task = moment.task
        if task is None or not moment.certain or moment.before(task) != {state}:
            continue
        last, read = moment.last_read(task), moment.next_read(task)
        for seen in (moment, read):
            if last is not None and seen is not None and seen.shows(task) and seen.state is state:
                wanted = f"{_charged(last)}, as exchange {last.exchange.number} showed"
                same = charge(seen.shown) == charge(last.shown)
                yield held(seen) if same else broken(seen, wanted, _charged(seen))
        for window in around(story, moment):
            if expected(story, window) == 0:
                yield judged(moment, window, Decimal(0))


def _charged(moment: Moment) -> str:
    value = moment.shown.get("credits_used", ABSENT) if moment.shown else ABSENT
    return "no credits_used" if value is ABSENT else f"credits_used {quoted(value)}"


def _estimate(story: Story, task: Task) -> Decimal | None:
    for read in story.reads_of(task):
        value = read.shown.get("estimated_credits") if read.shown else None
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return Decimal(value)
    return None
