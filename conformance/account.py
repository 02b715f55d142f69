"""What an account's movement means: exact sums over windows between two readings of the credits left.

A target may charge a task from the start, as a hold, when it runs, or only when it is final: all are lawful. What the
norm does say is where the account stands *in the end*: a task that had ended before a window does not move the account
in it (its billing is settled), a task that was submitted and has ended within the window moved it by exactly its
`credits_used`, and one that certainly stayed pending all the time moves nothing after its submit was answered. A window
in which some task is none of these says nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import combinations, pairwise

from conformance.exchange import ABSENT, NO_TASK
from conformance.lawful import Task
from conformance.sameness import pointed
from conformance.states import State
from conformance.story import OK, Moment, Story

LEDGER = "the account over the whole run"
"""The title of the story of all tasks of a run; it is judged by what it aims at, the sum, and by nothing else."""

REST = 1.0
"""Seconds after which nothing of ours moves an account any more that moves it late."""

_LENGTH = 0.1
"""Seconds that a window lasts at the least in which an account is seen to stand still."""

_LONGEST = 40
_MOST_AMOUNTS = 60
_NOTHING = Decimal(0)
_NEVER = float("inf")
_COINCIDENCES = 2
_MOST_HOLDS = 6
_NO_MONEY = Decimal("1e-9")
_NOISE_OF_A_FLOAT = Decimal("1e-14")


@dataclass(frozen=True)
class Reading:
    """The credits left on the account of `role`, as one exchange told them; `source` is header or document."""

    role: str
    source: str
    credits: Decimal
    moment: Moment

    @property
    def sent_at(self) -> float:
        """The instant before which the reading says nothing."""
        return self.moment.exchange.sent_at

    @property
    def ended_at(self) -> float:
        """The instant after which it says nothing."""
        return self.moment.exchange.ended_at


@dataclass(frozen=True)
class Window:
    """Two readings of one source, the first wholly before the second."""

    first: Reading
    last: Reading

    @property
    def spent(self) -> Decimal:
        """The credits by which the account went down."""
        return self.first.credits - self.last.credits

    @property
    def places(self) -> int:
        """The exponent of the last place that the account shows, by all of its readings: zeros may be left out."""
        series = readings(self.first.moment.story)[self.first.role, self.first.source]
        return min(0, *(_exponent(each.credits) for each in series))

    def slack(self, amount: Decimal) -> Decimal:
        """By how much a movement may differ from `amount` and still show it: rounding, and what floats do to digits.

        An account that shows fewer places than prices have may hide the rest of an earlier one.
        """
        noise = max(_NO_MONEY, abs(self.first.credits) * _NOISE_OF_A_FLOAT, abs(self.last.credits) * _NOISE_OF_A_FLOAT)
        finest = min(_exponent(amount.normalize()), _finest_price(self.first.moment.story))
        rounded = Decimal(1).scaleb(self.places) if amount and finest < self.places else _NOTHING
        return max(noise, rounded)


@lru_cache(maxsize=8)
def readings(story: Story) -> dict[tuple[str, str], list[Reading]]:
    """All readings of a story by role and source, in order; the answers of cancels and submits read nothing certain."""
    found: dict[tuple[str, str], list[Reading]] = {}
    for moment in (*story.queries, *story.accounts):
        for source, left in _credits(moment):
            reading = Reading(moment.role, source, left, moment)
            found.setdefault((moment.role, source), []).append(reading)
    return {key: sorted(series, key=lambda each: each.sent_at) for key, series in found.items()}


def around(story: Story, moment: Moment, *, role: str | None = None, since: float | None = None) -> Iterator[Window]:
    """The windows from the last reading before `moment` (or before `since`) to the first one after it, by source."""
    start = moment.exchange.sent_at if since is None else since
    for (reader, _), series in readings(story).items():
        if reader != (role or moment.role):
            continue
        first = next((each for each in reversed(series) if each.ended_at <= start), None)
        last = next((each for each in series if each.sent_at >= moment.exchange.ended_at), None)
        if first is not None and last is not None:
            yield Window(first, last)


def undisturbed(story: Story, window: Window) -> Window:
    """The window, prolonged to the last reading before anything but a query is sent."""
    told = (*story.cancels, *story.submits, *story.probes)
    end = min((each.exchange.sent_at for each in told if each.exchange.sent_at >= window.last.ended_at), default=_NEVER)
    series = readings(story)[window.first.role, window.first.source]
    return Window(window.first, [each for each in series if each.ended_at <= end][-1])


def expected(story: Story, window: Window, *, free: Task | None = None) -> Decimal | None:
    """The credits that the story's tasks have cost between two readings, none where that is not certain.

    What a `free` task shows of its price is not believed.
    """
    sums = possible(story, window, free=free)
    return next(iter(sums)) if len(sums) == 1 else None


def possible(story: Story, window: Window, *, free: Task | None = None) -> set[Decimal]:
    """The credits that the tasks may have cost between two readings, none where that is not certain.

    Two sums are lawful where another key of the same account has spent too: what is left may be told of the account,
    and of the key.
    """
    if not story.alone or window.last.ended_at > story.alone_until or _may_hide_a_task(story, window):
        return set()
    return _sums(story, window, story.tasks, free=free)


def _sums(story: Story, window: Window, tasks: Iterable[Task], *, free: Task | None = None) -> set[Decimal]:
    """What some tasks have cost the account, and the key, between two readings; none where that is not certain."""
    of_the_key, of_the_account = _NOTHING, _NOTHING
    for task in tasks:
        if _account(story, task.role) != _account(story, window.first.role):
            continue
        cost = _cost(story, task, window)
        if cost is None:
            return set()
        cost = _NOTHING if task is free else cost
        of_the_account += cost
        of_the_key += cost if task.role == window.first.role else _NOTHING
    return {of_the_key, of_the_account}


def may_be_holds(window: Window, cost: Decimal) -> bool:
    """Whether holds on tasks that were pending all the time explain what has gone beside a `cost`.

    Nothing says when a hold is seen. Each is placed once: what has gone since before the submits is the sum of some of
    them, too, beside what other tasks have cost meanwhile, as far as that is certain.
    """
    story = window.first.moment.story
    waiting = [
        (task, price)
        for task in story.tasks
        if task.submitted_at is not None
        and task.submitted_at < window.last.sent_at
        and window.last.ended_at <= task.pending_until
        and _account(story, task.role) == _account(story, window.first.role)
        and not story.stopped_before(task, window.last.moment)
        and (price := estimate(story, task))
    ][:_MOST_HOLDS]
    sums = {
        sum((price for _, price in some), _NOTHING)
        for count in range(1, len(waiting) + 1)
        for some in combinations(waiting, count)
    }
    if not any(agrees(window, total + cost) for total in sums):
        return False
    held = [task for task, _ in waiting]
    begun = min(task.submitted_at for task in held if task.submitted_at is not None)
    series = readings(story)[window.first.role, window.first.source]
    before = next((each for each in reversed(series) if each.ended_at <= begun), None)
    if before is None:
        return True
    whole = Window(before, window.last)
    costs = _sums(story, whole, [task for task in story.tasks if task not in held])
    return not costs or any(agrees(whole, total + cost) for total in sums for cost in costs)


def has_to_itself(story: Story, task: Task, window: Window) -> bool:
    """Whether `task` alone can have cost anything between two readings, so that its own charge is what is judged."""
    others = (
        each for each in story.tasks if each is not task and _account(story, each.role) == _account(story, task.role)
    )
    return all(_cost(story, each, window) == 0 for each in others)


def agrees(window: Window, cost: Decimal) -> bool:
    """Whether the account moved by `cost`: exactly, or to the last place that the account shows."""
    return abs(window.spent - cost) <= window.slack(cost)


def amount(value: object) -> Decimal | None:
    """A JSON number of a size that money has, else none."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    exact = Decimal(value)
    if not exact:
        return _NOTHING
    return exact if exact.is_finite() and abs(exact.adjusted()) < _LONGEST else None


def charge(document: object) -> Decimal | None:
    """The final charge that a task's document shows: absent and `null` mean none; not a number is no charge at all."""
    used = document.get("credits_used", ABSENT) if isinstance(document, dict) else ABSENT
    return _NOTHING if used is ABSENT or used is None else amount(used)


def estimate(story: Story, task: Task) -> Decimal | None:
    """The credits that a task was said to cost, by the first query or else the submit that named a price."""
    seen = (*story.reads_of(task), *story.submits_showing(task))
    shown = (amount(each.shown.get("estimated_credits")) for each in seen if each.shown)
    return next((value for value in shown if value is not None), None)


def settlement(story: Story, task: Task) -> tuple[float, Moment] | None:
    """The instant by which the billing of `task` was certainly over, and the answer that shows its price, if any.

    A cancel in flight may still be at its refund when others are shown its effect; one whose answer was lost is over
    when a later one is answered.
    """
    seen = story.endings_of(task)
    if not seen:
        return None
    shown = seen[0].exchange.ended_at
    stopping = story.stops_of(task)
    over = max([shown, *(_over(each, stopping) for each in stopping if each.exchange.sent_at < shown)])
    return over, [each for each in seen if each.exchange.ended_at <= over][-1]


def _over(cancel: Moment, stopping: list[Moment]) -> float:
    """The instant by which a cancel has certainly done what it does."""
    end = cancel.exchange.ended_at
    if not cancel.exchange.unavailable:
        return end
    later = [each for each in stopping if each.status == OK and each.exchange.sent_at >= end]
    return min((each.exchange.ended_at for each in later), default=_NEVER)


def _cost(story: Story, task: Task, window: Window) -> Decimal | None:
    submitted = task.submitted_at
    if submitted is not None and submitted >= window.last.ended_at:
        return _NOTHING
    settled = settlement(story, task)
    if settled is not None and settled[0] <= window.first.sent_at:
        return _NOTHING
    if submitted is not None and submitted >= window.first.ended_at:
        return None if settled is None or settled[0] > window.last.sent_at else _price(settled[1])
    if window.last.ended_at <= task.pending_until and story.known_at(task) <= window.first.sent_at:
        return None if story.stopped_before(task, window.last.moment) else _NOTHING
    return None


def _price(seen: Moment) -> Decimal | None:
    """What an ended task cost; that an absent charge is none is not said of one that may have completed by itself."""
    used = seen.shown.get("credits_used") if seen.shown else None
    if used is None and seen.state is State.COMPLETED:
        return None
    return charge(seen.shown)


def _may_hide_a_task(story: Story, window: Window) -> bool:
    """Whether a submit on the account may have made a task that the story does not know: its answer was lost."""
    known = {(task.role, identifier) for task in story.tasks for identifier in task.identifiers}
    for submit in story.submits:
        if submit.exchange.sent_at >= window.last.ended_at or submit.status in NO_TASK:
            continue
        asked = submit.exchange.request.document
        told = [asked.get("out_task_id") if isinstance(asked, dict) else None]
        told += [submit.document.get("task_id")] if isinstance(submit.document, dict) else []
        same = _account(story, submit.role) == _account(story, window.first.role)
        if same and not any((submit.role, each) in known for each in told if isinstance(each, str)):
            return True
    return False


def _account(story: Story, role: str) -> str:
    return story.terms.accounts.get(role, role)


def _credits(moment: Moment) -> Iterator[tuple[str, Decimal]]:
    answer, terms = moment.exchange.answer, moment.story.terms
    if answer is None or moment.exchange.unavailable:
        return
    if terms.balance_header is not None and (text := answer.header(terms.balance_header)) is not None:
        yield from (("header", value) for value in _decimals(text))
    if terms.balance_pointer is not None and moment.is_account and answer.status == OK:
        found = pointed(moment.document, terms.balance_pointer)
        if not isinstance(found, bool) and isinstance(found, int | Decimal | str):
            yield from (("document", value) for value in _decimals(str(found)))


def _decimals(text: str) -> Iterator[Decimal]:
    try:
        value = Decimal(text.strip()[:_LONGEST])
    except InvalidOperation:
        return
    if value.is_finite() and abs(value.adjusted()) < _LONGEST:
        yield value


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


@lru_cache(maxsize=8)
def noise(story: Story) -> str:
    """What moved an account while nothing of ours was under way, if anything did and no task of ours explains it.

    Consecutive readings with nothing but queries between them are an idle window. A movement in one that is the sum of
    up to three amounts of the story's own tasks, of those that ended last before it, is a late effect of theirs, and no
    noise. So is one of any amount that they may have cost, where it comes whenever cancelled tasks would have ended, at
    least twice, and at no other time; and any that follows something of ours, if the account then came to rest.
    """
    for (role, _), series in readings(story).items():
        windows = [Window(first, last) for first, last in pairwise(series) if not _busy(story, first, last)]
        moved = [each for each in windows if abs(each.spent) > each.slack(_NOTHING) and not _is_sum(story, each)]
        late = len(moved) >= _COINCIDENCES and all(_may_be_late(story, each) for each in moved)
        if moved and not late and not _came_to_rest(story, windows, moved):
            return f"the account of {role} moved by {moved[0].spent} credits while nothing of ours was under way"
    return ""


def _came_to_rest(story: Story, windows: list[Window], moved: list[Window]) -> bool:
    """Whether over the whole run the account stood still in the end, and never moved, when ours had long been done.

    A single story is too short to tell that.
    """
    if story.title != LEDGER:
        return False
    after = [each for each in windows if each.first.sent_at >= moved[-1].last.sent_at]
    return any(_is_rested(story, each) for each in after) and not any(_is_rested(story, each) for each in moved)


def _is_rested(story: Story, window: Window) -> bool:
    """Whether a window of some length begins when what our calls and tasks may do late has surely been done."""
    told = (each.exchange.ended_at for each in (*story.cancels, *story.probes, *story.submits))
    ends = (_seen_to_end(story, task, window) for task in story.tasks)
    last = max((end for end in (*told, *ends) if end <= window.first.sent_at), default=-_NEVER)
    return window.first.sent_at - last >= REST and window.last.sent_at - window.first.ended_at >= _LENGTH


def _may_be_late(story: Story, window: Window) -> bool:
    """Whether the account went down by no more than what tasks were to cost that would have ended in the window."""
    due = [
        task
        for task in story.tasks
        if task.due is not None
        and window.first.ended_at <= task.due <= window.last.sent_at
        and any(seen.state is State.CANCELLED for seen in story.endings_of(task))
    ]
    most = sum((max(_amounts(story, task), default=_NOTHING) for task in due), _NOTHING)
    return _NOTHING < window.spent <= most


def _busy(story: Story, first: Reading, last: Reading) -> bool:
    """Whether anything but queries, or a task that may move by itself, lies between two readings.

    An exchange between them that the story does not know was another story's: its number is missing.
    """
    known = {each.number for each in story.exchanges}
    if not known.issuperset(range(first.moment.exchange.number, last.moment.exchange.number)):
        return True
    told = (*story.cancels, *story.probes, *story.submits)
    if any(each.exchange.ended_at > first.sent_at and each.exchange.sent_at < last.ended_at for each in told):
        return True
    return any(
        task.submitted_at is not None
        and task.submitted_at < last.ended_at
        and not (task.submitted_at < first.sent_at and last.ended_at <= task.pending_until)
        and not any(seen.exchange.ended_at <= first.sent_at for seen in story.endings_of(task))
        for task in story.tasks
    )


def _amounts(story: Story, task: Task) -> set[Decimal]:
    """The amounts that a task may move late: what it shows, and the difference where a hold is partly refunded."""
    seen = (*story.endings_of(task), *story.reads_of(task), *story.submits_showing(task))
    shown = [moment.shown for moment in seen if moment.shown]
    values = [amount(each.get(name)) for each in shown for name in ("credits_used", "estimated_credits")]
    found = {abs(value) for value in values if value}
    return found | {abs(one - other) for one, other in combinations(found, 2)}


@lru_cache(maxsize=8)
def _finest_price(story: Story) -> int:
    """The exponent of the last place of any amount that the story's tasks show."""
    shown = (each for task in story.tasks for each in _amounts(story, task))
    return min((_exponent(each.normalize()) for each in shown), default=0)


def _is_sum(story: Story, window: Window) -> bool:
    some = [_NOTHING, *_lately_open(story, window)]
    slack = max(window.slack(each) for each in some)
    pairs = sorted({one + other for one in some for other in some})
    return any(_is_among(pairs, abs(window.spent) - one, slack) for one in some)


def _lately_open(story: Story, window: Window) -> list[Decimal]:
    """The amounts of so many tasks as are looked at: of those that were seen to end last before the window's end."""
    latest = sorted(story.tasks, key=lambda task: _seen_to_end(story, task, window), reverse=True)
    amounts: dict[Decimal, None] = {}
    for task in latest:
        if len(amounts) >= _MOST_AMOUNTS:
            break
        amounts |= dict.fromkeys(sorted(_amounts(story, task)))
    return [*amounts][:_MOST_AMOUNTS]


def _seen_to_end(story: Story, task: Task, window: Window) -> float:
    """The instant by which `task` was first seen to have ended, before the window's end."""
    ends = (each.exchange.ended_at for each in story.endings_of(task))
    return next((end for end in ends if end <= window.last.sent_at), -_NEVER)


def _is_among(ordered: list[Decimal], value: Decimal, slack: Decimal) -> bool:
    place = bisect_left(ordered, value - slack)
    return place < len(ordered) and ordered[place] <= value + slack
