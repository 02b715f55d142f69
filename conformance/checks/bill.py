"""BILL: what cancelling costs, by what a task shows and by what its account does.

Each check names the sentence that it rests on. Where the account is asked, `conformance.account` says what a window
between two readings proves; a window in which anything else may have moved proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from conformance.account import (
    Window,
    agrees,
    around,
    charge,
    estimate,
    expected,
    has_to_itself,
    may_be_holds,
    noise,
    possible,
    readings,
    settlement,
    undisturbed,
)
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
        seen = _shown_from(story, cancel, task)
        # A cancel whose answer was lost may never have come; an end before the task could start was a cancel's.
        took = cancel.status == OK or (seen != [] and seen[0].exchange.ended_at <= task.pending_until)
        sure = took and _found_pending(cancel, task)
        if not sure and not _last_seen(cancel, task, State.PENDING):
            continue
        for moment in seen:
            if charge(moment.shown) == 0:
                yield held(moment)
            elif sure:
                yield broken(moment, "credits_used absent or 0: the task was cancelled while pending", charged(moment))
            else:
                yield undecided(moment, "the task may have started before the cancel (R25)")


@check("BILL-2")
def cancelled_pending_tasks_move_no_account(story: Story) -> Iterator[Judgement]:
    """Rests on "what you're charged: $0": from before the submit to after the cancel, the account stands still."""
    for cancel, task in _first_cancels(story):
        if cancel.status != OK:
            continue
        if _found_pending(cancel, task):
            yield from _over_its_life(story, cancel, task, free=task)
        elif _last_seen(cancel, task, State.PENDING):
            shown = [charge(seen.shown) for seen in _shown_from(story, cancel, task)]
            if any(shown):
                yield undecided(cancel, "the task may have started before the cancel (R25)")
            else:
                yield from _over_its_life(story, cancel, task)


@check("BILL-3")
def charges_of_cancelled_tasks_are_final(story: Story) -> Iterator[Judgement]:
    """Rests on "if present, that's the final amount": a number of at least 0 that every later answer shows again."""
    for cancel, task in _first_cancels(story):
        if cancel.status != OK or not cancel.shows(task) or not _last_seen(cancel, task, State.RUNNING):
            if not _found_pending(cancel, task):
                yield from _changing(story, task)
            continue
        first = charge(cancel.shown)
        if first is None or first < 0:
            yield broken(cancel, "credits_used a number of at least 0, or absent", charged(cancel))
            continue
        for moment in story.endings_of(task):
            if moment.exchange.sent_at >= cancel.exchange.ended_at:
                yield held(moment) if same_charge(moment, cancel) else _not_final(moment, cancel)


def _changing(story: Story, task: Task) -> Iterator[Judgement]:
    """Other charges of a cancelled task than the first that was shown when its billing was over: it has run, then."""
    settled = settlement(story, task)
    over = settled[0] if settled else float("inf")
    shown = [seen for seen in story.endings_of(task) if seen.state is State.CANCELLED]
    final = [seen for seen in shown if seen.exchange.sent_at >= over or seen.exchange.ended_at == over]
    for seen in final[1:]:
        if not same_charge(seen, final[0]) and (charge(seen.shown) != 0 or charge(final[0].shown) != 0):
            yield _not_final(seen, final[0])


def _not_final(moment: Moment, first: Moment) -> Judgement:
    wanted = f"{charged(first)}, as exchange {first.exchange.number} answered: it is final"
    return broken(moment, wanted, charged(moment))


@check("BILL-4")
def the_account_moved_when_the_cancel_answered(story: Story) -> Iterator[Judgement]:
    """Rests on "refund … happens during the cancel, not after": by its answer the account has moved by the charge."""
    for cancel, task in _first_cancels(story):
        if cancel.status == OK and _last_seen(cancel, task, State.RUNNING):
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
        for role in payers(story, moment):
            yield from _stands_still(story, moment, role)


@check("BILL-8")
def repeated_cancels_refund_once(story: Story) -> Iterator[Judgement]:
    """Rests on "cancel is idempotent": after several cancels the account stands where one would have left it."""
    for task in story.tasks:
        cancels = [moment for moment in story.cancels if moment.may_have_acted(task)]
        answered = [moment for moment in cancels if moment.status == OK]
        if len(cancels) >= _SEVERAL and answered and task.submitted_at is not None:
            yield from _over_its_life(story, answered[-1], task)


@check("BILL-9")
def the_account_adds_up(story: Story) -> Iterator[Judgement]:
    """Rests on the whole table of charges: over several tasks the account moves by the sum of what they show."""
    if len(story.tasks) < _SEVERAL or not story.alone:
        return
    for series in readings(story).values():
        if series[0].ended_at > series[-1].sent_at:
            continue
        window = Window(series[0], series[-1])
        tasks = [task for task in story.tasks if _within(task, window)]
        sums = possible(story, window)
        if tasks and not sums:
            yield undecided(series[-1].moment, "what some task has cost is not certain")
            continue
        fits = any(agrees(window, cost) for cost in sums)
        if sums and (len(tasks) >= _SEVERAL or not fits):
            yield judged(series[-1].moment, window, min(sums, key=lambda cost: abs(window.spent - cost)))


@check("BILL-10")
def cancelled_tasks_cost_no_more_than_estimated(story: Story) -> Iterator[Judgement]:
    """More than the estimate is noted, not failed (ruling R15)."""
    for cancel, task in _first_cancels(story):
        if cancel.status != OK or not cancel.shows(task) or not _last_seen(cancel, task, State.RUNNING):
            continue
        cost, price = charge(cancel.shown), estimate(story, task)
        if cost is None or price is None:
            continue
        if cost <= price:
            yield held(cancel)
        else:
            yield broken(cancel, f"at most the estimated {price} credits", charged(cancel))


def judged(moment: Moment, window: Window, cost: Decimal) -> Judgement:
    """Whether the account moved by `cost` in a window: a finding that others' movements make uncertain."""
    first, last = window.first.moment.exchange.number, window.last.moment.exchange.number
    between = f"between exchanges {first} and {last}"
    if agrees(window, cost) and cost and not window.spent:
        return replace(undecided(moment, f"the account shows too few places for {cost} credits"), account=True)
    if agrees(window, cost):
        return replace(held(moment), account=True)
    if moved := noise(window.first.moment.story) or _haunt(window.first.moment.story):
        return replace(undecided(moment, moved), account=True)
    if may_be_holds(window, cost):
        return replace(undecided(moment, "a hold on a pending task may have been placed meanwhile"), account=True)
    wanted = f"{window.first.role}'s account {_moving(cost, 'to stay as it is', 'to go')} {between}"
    got = f"it {_moving(window.spent, 'stayed', 'went')}, from {window.first.credits} to {window.last.credits}"
    return replace(broken(moment, wanted, got), account=True)


def _moving(spent: Decimal, still: str, moved: str) -> str:
    """A movement of an account in words."""
    return f"{moved} {'down' if spent > 0 else 'up'} by {abs(spent)} credits" if spent else still


def same_charge(one: Moment, other: Moment) -> bool:
    """Whether two answers show the same charge; none and a charge of 0 are not the same (ruling R21)."""
    used = [moment.shown.get("credits_used") if moment.shown else None for moment in (one, other)]
    return (used[0] is None) == (used[1] is None) and charge(one.shown) == charge(other.shown)


def charged(moment: Moment) -> str:
    """The charge that an answer shows, in words."""
    value = moment.shown.get("credits_used", ABSENT) if moment.shown else ABSENT
    return "no credits_used" if value is ABSENT else f"credits_used {quoted(value)}"


def _haunt(story: Story) -> str:
    return "a submit without an answer may have made a task that nobody knows, and it may be billed" * story.haunted


def payers(story: Story, moment: Moment) -> list[str]:
    """The roles whose accounts a call may move: the caller's, and those of the tasks' owners."""
    return list(dict.fromkeys((moment.role, *(task.role for task in story.tasks))))


def _first_cancels(story: Story) -> Iterator[tuple[Moment, Task]]:
    """The first cancel of each task that may have taken effect, where it may have found the task live."""
    for task in story.tasks:
        first = next((moment for moment in story.cancels if moment.may_have_acted(task)), None)
        if first is None or first.before(task) <= TERMINAL:
            continue
        if first.certain:
            yield first, task


def _found_pending(cancel: Moment, task: Task) -> bool:
    """Whether the task had certainly not started when it was cancelled, by this cancel or by one beside it (R25)."""
    during = cancel.during(task)
    return State.PENDING in during and during <= {State.PENDING, State.CANCELLED}


def _last_seen(cancel: Moment, task: Task, state: State) -> bool:
    """Whether the last that was heard of the task before a cancel was this state.

    A submit tells of a pending one, unless its own answer shows another state.
    """
    last = cancel.last_read(task) or next(iter(cancel.story.submits_showing(task)), None)
    if last is None:
        return state is State.PENDING and task.submitted_at is not None
    return last.state is state


def _shown_from(story: Story, cancel: Moment, task: Task) -> list[Moment]:
    """The cancel's answer and every later one that shows the task as ended."""
    return [seen for seen in story.endings_of(task) if seen.exchange.ended_at >= cancel.exchange.ended_at]


def _within(task: Task, window: Window) -> bool:
    return task.submitted_at is not None and window.first.ended_at <= task.submitted_at < window.last.sent_at


def _stands_still(story: Story, moment: Moment, role: str) -> Iterator[Judgement]:
    """Around a call where no task moves the account it stands still: at once, and until something else is sent."""
    for window in around(story, moment, role=role):
        if expected(story, window) == 0:
            yield judged(moment, window, Decimal(0))
            late = undisturbed(story, window)
            if late.last is not window.last and agrees(window, Decimal(0)) and expected(story, late) == 0:
                yield judged(moment, late, Decimal(0))


def _over_its_life(story: Story, cancel: Moment, task: Task, *, free: Task | None = None) -> Iterator[Judgement]:
    """From before the submit to the first reading after the cancel, and to the last of the story."""
    if task.submitted_at is None:
        return
    for window in around(story, cancel, since=task.submitted_at):
        cost = expected(story, window, free=free)
        if cost is None or not has_to_itself(story, task, window):
            yield undecided(cancel, "another task may have moved the account meanwhile")
            continue
        yield judged(cancel, window, cost)
        late = Window(window.first, readings(story)[window.first.role, window.first.source][-1])
        cost = expected(story, late, free=free) if has_to_itself(story, task, late) else None
        if late.last is not window.last and cost is not None:
            yield judged(late.last.moment, late, cost)


def _settled(story: Story, state: State) -> Iterator[Judgement]:
    for moment in story.cancels:
        task = moment.task
        if task is None or not moment.certain or moment.before(task) != {state}:
            continue
        last = moment.last_read(task)
        for seen in (moment, *moment.later_reads(task)):
            if last is not None and seen.shows(task) and seen.state is state:
                wanted = f"{charged(last)}, as exchange {last.exchange.number} showed"
                yield held(seen) if same_charge(seen, last) else broken(seen, wanted, charged(seen))
        for role in payers(story, moment):
            yield from _stands_still(story, moment, role)
