"""ERR: what refusals look like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from conformance.checks.findings import (
    answered,
    answered_lawfully,
    broken,
    held,
    left_alone,
    premises,
    quoted,
    refused,
    unavailable,
    undecided,
)
from conformance.checks.registry import check
from conformance.exchange import MALFORMED
from conformance.lawful import Refusal, Task
from conformance.story import OK, Moment, Story
from conformance.verdict import Judgement

_TOO_LARGE: Final = 413
_FIRST_REFUSAL: Final = 400
_SERVER_ERRORS: Final = range(500, 600)
_MOST_TEXT: Final = 1 << 16
_SHORTEST: Final = 3
_INTERNALS: Final = re.compile(
    r"Traceback \(most recent|File \"[^\"]+\", line \d|\bat [\w.$]+\([\w]+\.(?:java|kt|scala|js|ts|cs|go|py):\d+"
    r"|\b(?:[a-z]\w*\.){2,}[A-Z]\w*(?:Exception|Error)\b|\bgoroutine \d+|panic: |SQLSTATE|\bORA-\d{5}"
    r"|\bSELECT\b[^\"]{1,80}\bFROM\b \w|(?i:\bselect\b[^\"]{1,80}\bfrom \w+ (?:where|limit|order by)\b)"
    r"|(?i:\binsert into \w+ ?\(|\bupdate \w+ set \w+ ?=|\bdelete from \w+ where\b)"
    r"|(?:psycopg|sqlalchemy|sqlite3|pymysql|asyncpg)\."
    r"|(?<![\w/.:])/(?:usr|home|opt|var|srv|app|root|etc)/[\w.-]+/[\w./-]+"
    r"|[A-Z]:\\\\[\w\\\\]+|\b[\w-]+\.(?:internal|local|svc\.cluster\.local|lan)\b|node_modules"
    r"|\.py:\d+|\.go:\d+|\.rs:\d+"
)

_ESCAPES: Final = re.compile(r'\\(?:\\|"|[nrt])')


@check("ERR-1")
def refusals_are_as_documented(story: Story) -> Iterator[Judgement]:
    """A call that is to be refused has the documented status and code."""
    for moment, refusals in _refusable(story):
        if moment.refused or (moment.task is None and moment.status != OK):
            yield refused(moment, *refusals)


@check("ERR-2")
def refusals_come_in_the_envelope(story: Story) -> Iterator[Judgement]:
    """A refusal's body is the documented envelope, as JSON."""
    for moment, _ in _refusable(story):
        if not moment.refused:
            continue
        if not story.terms.documented_envelope:
            yield undecided(moment, "the profile names another place for the error code (R12)")
            continue
        complaints = moment.complaints("ErrorEnvelope")
        kind = (moment.exchange.answer.header("content-type") if moment.exchange.answer else None) or ""
        if moment.document is MALFORMED or complaints:
            yield broken(moment, "the documented error envelope", complaints[0] if complaints else answered(moment))
        elif "json" not in kind.lower():
            yield broken(moment, "an error envelope with a JSON content type", f"content type {kind or 'none'}")
        else:
            yield held(moment, premises=premises(moment))


@check("ERR-3")
def unreadable_bodies_are_refused(story: Story) -> Iterator[Judgement]:
    """What is no JSON object gets a 4xx and touches nothing; beside a path it may be overlooked (ruling R20)."""
    for moment in _keyed(story):
        named = moment.exchange.request.named
        if named.readable:
            continue
        lawful = refused(moment, Refusal.ANY) if named.path is None else answered_lawfully(moment)
        yield _no_server_error(moment) or lawful
        yield from _left_alone(moment, story.tasks)


@check("ERR-4")
def bodies_too_large_are_refused(story: Story) -> Iterator[Judgement]:
    """A body over the documented size: 413."""
    for moment in _keyed(story):
        content = moment.exchange.request.content
        if content is None or len(content) <= story.terms.most_bytes:
            continue
        if moment.exchange.request.path_id is not None and moment.status == OK:
            continue  # beside a path no body is asked for
        if moment.unavailable:
            yield unavailable(moment)
            continue
        if moment.status == _TOO_LARGE:
            yield held(moment, premises=premises(moment))
        elif moment.exchange.request.chunked and moment.refused:
            yield undecided(moment, "a body in chunks may be refused for its untold length, or overlooked")
        else:
            yield broken(moment, "413", answered(moment))


@check("ERR-5")
def other_methods_never_cancel(story: Story) -> Iterator[Judgement]:
    """A method other than POST leaves the task alone, and the server standing (rulings R13, R22)."""
    for moment in story.cancels:
        if moment.exchange.request.method != "POST":
            yield from (failed for failed in [_no_server_error(moment)] if failed)
            yield from _left_alone(moment, story.tasks)


@check("ERR-6")
def refusals_show_no_internals(story: Story) -> Iterator[Judgement]:
    """No stack trace, SQL, file path or internal host name stands in a refusal."""
    for moment in story.cancels:
        if moment.exchange.answer is None or moment.status is None or moment.status < _FIRST_REFUSAL:
            continue
        text = _ESCAPES.sub(_unescaped, moment.exchange.answer.content[:_MOST_TEXT].decode(errors="replace"))
        for value in (urlsplit(moment.exchange.request.url).path, *moment.exchange.request.named.given):
            text = text.replace(str(value), "") if len(str(value)) >= _SHORTEST else text
        found = _INTERNALS.search(text)
        if found:
            yield broken(moment, "a refusal without internals", f"{moment.status} with {quoted(found[0])}")
        elif moment.refused:
            yield held(moment)


@check("ERR-7")
def odd_input_is_read_fairly(story: Story) -> Iterator[Judgement]:
    """Odd but readable: refused, or acted on in one fair reading; never a 5xx, nothing else touched (R18, R19).

    Another key's task that the call names is left to ISO-2: whichever foreign call ended it, that rule is broken.
    """
    for moment in _keyed(story):
        named = moment.exchange.request.named
        if named.readable and (named.odd or Refusal.ANY in moment.effects):
            yield _no_server_error(moment) or answered_lawfully(moment)
            yield from _left_alone(moment, [task for task in story.tasks if not moment.mentions_foreign(task)])


def _keyed(story: Story) -> Iterator[Moment]:
    """The cancels by POST with a valid key."""
    return (each for each in story.cancels if each.exchange.request.keyed and each.exchange.request.method == "POST")


def _no_server_error(moment: Moment) -> Judgement | None:
    """A 5xx that the call's own input provoked (ruling R17)."""
    if moment.status not in _SERVER_ERRORS or moment.unavailable:
        return None
    return broken(moment, "a refusal or a fair reading, never a server error", answered(moment))


def _left_alone(moment: Moment, tasks: Iterable[Task]) -> Iterator[Judgement]:
    """Those of the tasks on which the call may not act."""
    return (left_alone(moment, task) for task in tasks if not moment.may_have_acted(task))


def _unescaped(escape: re.Match[str]) -> str:
    """What JSON escapes, as far as it stands between words; a backslash remains two."""
    return {'"': '"', "\\": escape[0]}.get(escape[0][1], " ")


def _refusable(story: Story) -> Iterator[tuple[Moment, list[Refusal]]]:
    """The cancels that have documented refusals among their lawful effects, and no undocumented one."""
    for moment in story.cancels:
        refusals = sorted(effect for effect in moment.effects if isinstance(effect, Refusal))
        if refusals and Refusal.ANY not in refusals:
            yield moment, refusals
