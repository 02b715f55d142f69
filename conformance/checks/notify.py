"""NOTIFY: who else is told how a task ended, over an open event stream and at its callback URL.

Whoever listens is to be told what cancel answered and query shows. Where these two disagree there is nothing to hold a
notice against: other rows judge that. What is told in a way that cannot be read is undecided, and so is what a network
may have swallowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from conformance.checks.findings import broken, held, undecided
from conformance.checks.registry import check
from conformance.lawful import Task
from conformance.states import TERMINAL
from conformance.story import Hearing, Moment, Notice, Story
from conformance.verdict import Judgement

_ANSWERED: Final = range(200, 300)
_AT_ONCE: Final = 1.0
"""Seconds within which a call was answered, so that no patience of the caller's had run out."""


@check("NOTIFY-1")
def streams_end_with_what_cancel_answered(story: Story) -> Iterator[Judgement]:
    """An event stream that was open when the cancel left tells the state that it answered, last of all."""
    for stream in story.streams:
        answer = _first_answer(story, stream.task)
        last = stream.notices[-1] if stream.notices else stream.end
        if answer is not None and last is not None:
            yield _agreed(last, stream.task) or _ends_with(stream, answer)


@check("NOTIFY-2")
def callbacks_tell_the_end_once(story: Story) -> Iterator[Judgement]:
    """The callback URL of a task that has ended is told its state, and is not told again once we have answered."""
    for url in story.callback_urls:
        seen = story.endings_of(url.task)
        if seen:
            yield _agreed(seen[0], url.task) or _told_once(url, seen[0])


def _first_answer(story: Story, task: Task) -> Moment | None:
    """The first cancel that showed the task ended."""
    return next((each for each in story.stops_showing(task) if each.state in TERMINAL), None)


def _agreed(moment: Moment, task: Task) -> Judgement | None:
    """That there is nothing to hold notices against, where cancels and queries show different ends."""
    states = {each.state for each in moment.story.endings_of(task) if each.state is not None}
    shown = " and ".join(sorted(states))
    return undecided(moment, f"cancels and queries show the task {shown}") if len(states) > 1 else None


def _ends_with(stream: Hearing, answer: Moment) -> Judgement:
    """What the stream told, against what the cancel answered."""
    wanted = f"status {answer.state} on the open event stream, as exchange {answer.exchange.number} answered"
    other = _another_end(stream, answer)
    if other is not None:
        return broken(other, wanted, f"status {other.state}")
    if stream.told and stream.told[-1].state is answer.state:
        return held(stream.told[-1])
    if stream.end is None:
        return undecided(stream.notices[-1], "the stream was not followed to its end")
    if not stream.is_open_at(answer.exchange.sent_at):
        return undecided(stream.end, f"no stream was open when the cancel left: {_how(stream)}")
    return _ends_without(stream, stream.end, answer, wanted)


def _ends_without(stream: Hearing, end: Notice, answer: Moment, wanted: str) -> Judgement:
    """An open stream did not tell, last of all, what the cancel answered: how it ended says whose fault that is."""
    last = f"status {stream.told[-1].state}" if stream.told else "no word"
    if _is_unreadable(stream):
        return undecided(end, "the stream told something that cannot be read")
    if stream.ended:
        return broken(end, wanted, f"its end, after {last}")
    if not stream.given_up:
        return undecided(end, f"the stream was cut: {end.exchange.lost}")
    notice = answer.story.terms.notice
    listened = end.exchange.ended_at - answer.exchange.ended_at
    if listened < notice:
        return undecided(end, f"nobody listened for longer than {listened:.1f} s after the cancel")
    if not _is_alive(stream, answer):
        return undecided(end, "the stream fell silent, and may have been lost on the way")
    return broken(end, f"{wanted}, within {notice:g} s", f"a stream that goes on after {last}")


def _is_alive(stream: Hearing, answer: Moment) -> bool:
    """Whether the silence is the target's: on a line that lives on, or on two of them, which no network lets hang."""
    silent = [each for each in answer.story.streams if each.given_up and _is_silent(each, answer.story)]
    return len(silent) > 1 or any(each.exchange.ended_at > answer.exchange.ended_at for each in stream.notices)


def _is_silent(stream: Hearing, story: Story) -> bool:
    """Whether it was open when its task was cancelled, and told no end."""
    answer = _first_answer(story, stream.task)
    told = any(notice.state in TERMINAL for notice in stream.told)
    return answer is not None and not told and stream.is_open_at(answer.exchange.sent_at)


def _told_once(url: Hearing, seen: Moment) -> Judgement:
    """What came to the URL, against what the target shows of the task: the exchange that shows it can be sent again."""
    wanted = f"status {seen.state} told to the callback URL, once, as exchange {seen.exchange.number} shows it"
    other = _another_end(url, seen)
    if other is not None:
        return broken(seen, wanted, f"status {other.state} in exchange {other.exchange.number}")
    told = [call for call in url.told if call.state is seen.state]
    again = _told_again(told)
    if again is not None:
        numbers = f"exchanges {told[0].exchange.number} and {again.exchange.number}"
        return broken(seen, wanted, f"the same twice, in {numbers}, of which the first was answered at once")
    if told:
        return held(told[0])
    return _untold(url, seen, wanted)


def _untold(url: Hearing, seen: Moment, wanted: str) -> Judgement:
    """That nothing came is certain only where the target was heard to call elsewhere, and was waited for."""
    story, end = seen.story, url.end
    if _is_unreadable(url):
        return undecided(seen, "the callback URL was told something that cannot be read")
    waited = end.exchange.ended_at - seen.exchange.ended_at if end is not None else 0.0
    if waited < story.terms.notice:
        return undecided(seen, "the callback URL was not listened to for long enough")
    witness = next((call for call in story.callbacks if call.task != url.task and call.state in TERMINAL), None)
    if witness is None:
        return undecided(seen, "no callback came, for this task or another: perhaps the target cannot reach the suite")
    number = witness.exchange.number
    return broken(seen, wanted, f"no call within {waited:.1f} s, while another task's URL was told (exchange {number})")


def _told_again(told: list[Notice]) -> Notice | None:
    """The first call that follows one which was answered whole, with a 2xx, and before anybody's patience ran out."""
    for first, second in pairwise(told):
        call = first.exchange
        if call.answer is not None and call.answer.status in _ANSWERED and call.took <= _AT_ONCE:
            return second
    return None


def _another_end(heard: Hearing, shown: Moment) -> Notice | None:
    """The first notice that tells of another end than the one shown."""
    return next((each for each in heard.told if each.state in TERMINAL and each.state is not shown.state), None)


def _is_unreadable(heard: Hearing) -> bool:
    """Whether some of what was told, though it cannot be read, may have told of the end."""
    told = [notice for notice in heard.notices if notice.has_content]
    return any(notice.hints_at_an_end for notice in told) or (bool(told) and not heard.told)


def _how(stream: Hearing) -> str:
    head = stream.notices[0] if stream.notices else stream.end
    return f"{head.status}" if head is not None and head.status is not None else "nothing was heard of it before"
