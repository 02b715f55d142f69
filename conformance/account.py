"""What an account's movement means: exact sums over windows between two readings of the credits left.

A target may charge a task from the start, as a hold, when it runs, or only when it is final: all are lawful. What the
norm does say is where the account stands *in the end*: a task that had ended before a window does not move the account
in it (its billing is settled), a task that was submitted and has ended within the window moved it by exactly its
`credits_used`, and one that certainly stayed pending all the time moves nothing after its submit was answered. A window
in which some task is none of these says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from conformance.exchange import ABSENT
from conformance.lawful import Task
from conformance.sameness import pointed
from conformance.states import TERMINAL
from conformance.story import OK, Moment, Story

LEDGER = "the account over the whole run"
"""The title of the story of all tasks of a run; it is judged by what it aims at, the sum, and by nothing else."""

_LONGEST = 40
_MOST_AMOUNTS = 60
_NOTHING = Decimal(0)


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


def expected(story: Story, window: Window) -> Decimal | None:
    """The credits that the story's tasks have cost between two readings, none where that is not certain."""
    if not story.alone or window.last.ended_at > story.alone_until:
        return None
    total = _NOTHING
    for task in story.tasks:
        if _account(story, task.role) != _account(story, window.first.role):
            continue
        cost = _cost(story, task, window)
        if cost is None or (cost and task.role != window.first.role):
            return None
        total += cost
    return total


def agrees(window: Window, cost: Decimal) -> bool:
    """Whether the account moved by `cost`: exactly, or to the last place that the account shows."""
    places = min(_exponent(window.first.credits), _exponent(window.last.credits))
    if _exponent(cost) >= places:
        return window.spent == cost
    return abs(window.spent - cost) <= Decimal(1).scaleb(places)


def charge(document: object) -> Decimal | None:
    """The final charge that a task's document shows: absent and `null` mean none; not a number is no charge at all."""
    used = document.get("credits_used", ABSENT) if isinstance(document, dict) else ABSENT
    if used is ABSENT or used is None:
        return _NOTHING
    if isinstance(used, bool) or not isinstance(used, int | Decimal):
        return None
    return Decimal(used)


def sightings(story: Story, task: Task) -> list[Moment]:
    """Every 200 answer, of queries, cancels and probes, that showed `task` as ended, in the order of their ends."""
    stops = (*story.cancels, *story.probes)
    seen = [*story.reads_of(task), *(moment for moment in stops if moment.status == OK and moment.shows(task))]
    ended = [moment for moment in seen if moment.state in TERMINAL]
    return sorted(ended, key=lambda moment: moment.exchange.ended_at)


def _cost(story: Story, task: Task, window: Window) -> Decimal | None:
    submitted = task.submitted_at
    if submitted is not None and submitted >= window.last.ended_at:
        return _NOTHING
    ended = next(iter(sightings(story, task)), None)
    if ended is not None and ended.exchange.ended_at <= window.first.sent_at:
        return _NOTHING
    if submitted is not None and submitted >= window.first.ended_at:
        if ended is None or ended.exchange.ended_at > window.last.sent_at:
            return None
        return charge(ended.shown)
    if window.last.ended_at <= task.pending_until and story.known_at(task) <= window.first.sent_at:
        touched = any(cancel.may_have_acted(task) for cancel in story.cancels if _overlaps(cancel, window))
        return None if touched else _NOTHING
    return None


def _overlaps(cancel: Moment, window: Window) -> bool:
    return cancel.exchange.sent_at < window.last.ended_at


def _account(story: Story, role: str) -> str:
    return story.terms.accounts.get(role, role)


def _credits(moment: Moment) -> Iterator[tuple[str, Decimal]]:
    answer, terms = moment.exchange.answer, moment.story.terms
    if answer is None:
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


def noise(story: Story) -> str:
    """What moved an account while nothing of ours was under way, if anything did and no task of ours explains it.

    Consecutive readings with nothing but queries between them are an idle window. A movement in one that is the sum of
    up to three amounts of the story's own tasks is a late effect of theirs, and no noise.
    """
    amounts = {amount for task in story.tasks for amount in _amounts(story, task)}
    for (role, _), series in readings(story).items():
        for first, last in pairwise(series):
            moved = first.credits - last.credits
            if moved and not _busy(story, first, last) and not _is_sum(abs(moved), amounts):
                return f"the account of {role} moved by {moved} credits while nothing of this run was under way"
    return ""


def _busy(story: Story, first: Reading, last: Reading) -> bool:
    """Whether a cancel or submit, or a task that may move by itself, lies between two readings."""
    told = (*story.cancels, *story.probes, *story.submits)
    if any(each.exchange.ended_at > first.sent_at and each.exchange.sent_at < last.ended_at for each in told):
        return True
    return any(
        task.submitted_at is not None
        and task.submitted_at < last.ended_at
        and not (task.submitted_at < first.sent_at and last.ended_at <= task.pending_until)
        and not any(seen.exchange.ended_at <= first.sent_at for seen in sightings(story, task))
        for task in story.tasks
    )


def _amounts(story: Story, task: Task) -> Iterator[Decimal]:
    for moment in (*sightings(story, task), *story.reads_of(task)):
        for name in ("credits_used", "estimated_credits"):
            value = moment.shown.get(name) if moment.shown else None
            if isinstance(value, int | Decimal) and not isinstance(value, bool) and value:
                yield abs(Decimal(value))


def _is_sum(moved: Decimal, amounts: set[Decimal]) -> bool:
    some = sorted(amounts)[:_MOST_AMOUNTS]
    pairs = {one + other for one in some for other in some}
    return moved in amounts or moved in pairs or any(moved - one in pairs for one in some)
