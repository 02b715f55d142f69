"""AUTH: without a valid key there is nothing to be had, and nothing to be learned."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from conformance.checks.findings import (
    acts,
    answered,
    as_queried,
    broken,
    held,
    left_alone,
    premises,
    refused,
    refused_as,
    undecided,
)
from conformance.checks.likeness import look
from conformance.checks.registry import check
from conformance.exchange import NOBODY, REVOKED
from conformance.lawful import Refusal
from conformance.story import OK, Moment, Story
from conformance.verdict import Judgement, Outcome

_NO_KEY: Final = {NOBODY, f"{NOBODY}:none"}
ENOUGH_CALLS: Final = 12
"""Calls of each kind that it takes to say that the answers for it are ever the same.

What comes and goes by chance, a header of every other answer, falls so once in four million times at the most.
"""
_COMPARED: Final = ("status", "code", "fields")
_KEY_HEADERS: Final = {"authorization", "x-api-key"}
_OTHER_CASE: Final = re.compile(r"(?!Bearer )(?i:bearer) ")


@check("AUTH-1")
def calls_without_a_key_are_refused(story: Story) -> Iterator[Judgement]:
    """No key at all: 401."""
    yield from _turned_away(story, lambda role: role in _NO_KEY)


@check("AUTH-2")
def calls_with_a_wrong_key_are_refused(story: Story) -> Iterator[Judgement]:
    """A key that is unknown, mistyped, cut, empty, or comes under a wrong scheme: 401."""
    yield from _turned_away(story, lambda role: role not in _NO_KEY and not role.startswith(REVOKED))


@check("AUTH-3")
def calls_with_a_revoked_key_are_refused(story: Story) -> Iterator[Judgement]:
    """A revoked key: 401, for its own former tasks too."""
    yield from _turned_away(story, lambda role: role.startswith(REVOKED))


@check("AUTH-4")
def refused_calls_do_nothing(story: Story) -> Iterator[Judgement]:
    """What a call without a valid key names is left alone."""
    for moment in story.cancels:
        if not moment.exchange.request.keyed:
            yield from (left_alone(moment, task) for task in story.tasks if moment.mentions(task))


@check("AUTH-5")
def the_refusal_does_not_tell_what_exists(story: Story) -> Iterator[Judgement]:
    """Without a valid key the answer is the same whether the task exists or not (ruling R10)."""
    calls = [moment for moment in _keyless(story) if not (moment.exchange.unavailable or _called_malformed(moment))]
    for moment in filter(_names_a_task, calls):
        form = moment.exchange.request.named.form
        for other in calls:
            if not _names_a_task(other) and other.role == moment.role and other.exchange.request.named.form is form:
                yield _alike(moment, other)
    for role, form in dict.fromkeys((moment.role, moment.exchange.request.named.form) for moment in calls):
        alike = (each for each in calls if each.role == role and each.exchange.request.named.form is form)
        yield from _told_apart([*alike])


@check("AUTH-6")
def a_bad_key_comes_before_a_bad_body(story: Story) -> Iterator[Judgement]:
    """What is malformed, body or identifier, or names too much or nothing, does not hide a bad key (ruling R10).

    What a server in front of the service may refuse by itself, an odd path or a body that is no text, is not judged.
    """
    for moment in story.cancels:
        request = moment.exchange.request
        if request.keyed or request.method != "POST" or request.named.odd:
            continue
        unreadable = not request.named.readable and _is_text(request.content or b"")
        plain = Refusal.ANY not in moment.effects and (request.named.form is None or _called_malformed(moment))
        if unreadable or plain:
            yield refused(moment, Refusal.INVALID_KEY)


@check("AUTH-7")
def either_header_carries_the_key(story: Story) -> Iterator[Judgement]:
    """`x-api-key` works like `Authorization: Bearer`, down to the fields of the answer, and decides beside it."""
    for moment in story.probes:
        names = {name.lower() for name, _ in moment.exchange.request.headers} & _KEY_HEADERS
        if _scheme_in_other_case(moment) or (moment.task is None and moment.exchange.request.keyed):
            continue
        if moment.exchange.request.keyed and moment.task is not None:
            told, read = acts(moment, moment.task), moment.next_read(moment.task)
            if told.outcome is Outcome.HELD and read is not None and read.status == OK:
                told = as_queried(moment, read)
            yield told
        elif len(names) > 1:
            yield refused(moment, Refusal.INVALID_KEY)
            untouched = (left_alone(moment, task) for task in story.tasks if moment.mentions(task))
            yield from (each for each in untouched if each.outcome is Outcome.BROKEN)


@check("AUTH-8")
def the_scheme_has_no_case(story: Story) -> Iterator[Judgement]:
    """The name of the scheme is matched without regard to case."""
    for moment in story.probes:
        if not _scheme_in_other_case(moment) or moment.task is None:
            continue
        if any(_shows_key_in_x_api_key(each) for each in (*story.submits, *story.queries)):
            yield undecided(moment, "this target's keys come in x-api-key, which has no scheme")
        else:
            yield acts(moment, moment.task)


def _keyless(story: Story) -> Iterator[Moment]:
    """The well-formed calls of one identifier without a valid key: nothing but that is to be refused in them."""
    for moment in story.cancels:
        request = moment.exchange.request
        if request.keyed or request.method != "POST" or request.named.form is None or request.named.extra:
            continue
        if Refusal.ANY not in moment.effects:
            yield moment


def _turned_away(story: Story, has_no_key: Callable[[str], bool]) -> Iterator[Judgement]:
    """401; a 400 for what may be a malformed identifier is a matter of order, which is a recommendation (R5, R10).

    What comes in an odd dress, or does not name one thing, may be refused for that; but never accepted.
    """
    well_formed = [*_keyless(story)]
    for moment in story.cancels:
        request = moment.exchange.request
        if request.keyed or request.method != "POST" or not has_no_key(moment.role):
            continue
        if moment in well_formed and _called_malformed(moment):
            yield undecided(moment, "the identifier may be malformed, and 400 may come before 401 (R10)")
        elif moment in well_formed or moment.status == OK:
            yield refused(moment, Refusal.INVALID_KEY)


def _called_malformed(moment: Moment) -> bool:
    """Whether it was answered 400 for an identifier that may be malformed."""
    return moment.effects != {Refusal.INVALID_KEY} and refused_as(moment, Refusal.INVALID_PARAM)


def _is_text(content: bytes) -> bool:
    try:
        return content.decode().replace("\n", "").isprintable()
    except UnicodeDecodeError:
        return False


def _names_a_task(moment: Moment) -> bool:
    """Whether there is such a task: one of the story, or one that a revoked key had."""
    former, given = moment.story.terms.former_tasks, moment.exchange.request.named.given
    return any(map(moment.mentions, moment.story.tasks)) or any(value in former for value in given)


def _told_apart(calls: list[Moment]) -> Iterator[Judgement]:
    """Whatever is ever the same for tasks that exist, and ever the same for those that do not, is one and the same."""
    there = [call for call in calls if _names_a_task(call)]
    strange = [call for call in calls if not _names_a_task(call)]
    if min(len(there), len(strange)) < ENOUGH_CALLS:
        return
    looks = [[*map(look, group)] for group in (there, strange)]
    for aspect in looks[0][0]:
        mine, theirs = ({each[aspect] for each in group} for group in looks)
        if len(mine) == len(theirs) == 1 and mine != theirs:
            wanted = f"the {aspect} of the answers for tasks that do not exist: {theirs.pop()!s:.160}"
            yield broken(there[0], wanted, f"{mine.pop()!s:.160}, each of {len(there)} times")


def _alike(moment: Moment, other: Moment) -> Judgement:
    mine, theirs = look(moment), look(other)
    differing = [aspect for aspect in _COMPARED if mine[aspect] != theirs[aspect]]
    if differing:
        wanted = f"the {differing[0]} of exchange {other.exchange.number}, where the task does not exist"
        return broken(moment, wanted, answered(moment))
    return held(moment, premises=premises(moment))


def _scheme_in_other_case(moment: Moment) -> bool:
    headers = moment.exchange.request.headers
    return any(name.lower() == "authorization" and _OTHER_CASE.match(value) for name, value in headers)


def _shows_key_in_x_api_key(moment: Moment) -> bool:
    return any(name.lower() == "x-api-key" for name, _ in moment.exchange.request.headers)
