"""What checks say, and the three laws that most of them rest on.

A call *acts on* a task, or is *refused* as documented, and what it does not act on is *left alone*.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from conformance.bystanders import Bystander, are_kept, bystanders
from conformance.exchange import MALFORMED, Form, Missing
from conformance.lawful import Acts, Refusal, Task, confusable
from conformance.sameness import differences
from conformance.states import ENDS_BY_ITSELF, LIVE, TERMINAL, State
from conformance.story import OK, Moment, Story
from conformance.verdict import Judgement, Outcome, Premise

_OWNER: Final = "owner"
_LONGEST_QUOTE: Final = 240
_MOST_DIFFERENCES: Final = 3
_ABOUT_KEYS: Final = {401}
_REDIRECTS: Final = range(300, 400)
_CERTAIN: Final = ({State.PENDING}, {State.RUNNING})
"""What may be believed of a task that the profile promises to be in one state still (ruling R25)."""


def held(moment: Moment, *, premises: frozenset[Premise] = frozenset()) -> Judgement:
    """The law was kept."""
    return Judgement(outcome=Outcome.HELD, exchange=moment.exchange.number, premises=premises)


def broken(moment: Moment, wanted: str, got: str) -> Judgement:
    """The law was broken: what was wanted, and what came instead."""
    return Judgement(outcome=Outcome.BROKEN, exchange=moment.exchange.number, wanted=wanted, got=got)


def undecided(moment: Moment, why: str) -> Judgement:
    """Nothing certain can be said."""
    return Judgement(outcome=Outcome.UNDECIDED, exchange=moment.exchange.number, why=why)


def acts(moment: Moment, task: Task) -> Judgement:
    """The cancel answers 200 with this very task, ended, and no later query shows the task live."""
    if moment.exchange.unavailable:
        return unavailable(moment)
    if moment.status != OK and moment.follows_another(task):
        return undecided(moment, f"the task may have ended before, which is for IDEMP to judge: {answered(moment)}")
    if moment.status != OK or not moment.shows(task) or moment.state not in TERMINAL:
        return broken(moment, f"200 showing task {task.task_id} in a terminal state", answered(moment))
    read = moment.next_read(task)
    if read is not None and read.state in LIVE:
        number = moment.exchange.number
        return broken(read, f"a task no longer in flight, as exchange {number} answered 200", f"status {read.state}")
    return held(moment)


def refused(moment: Moment, *lawful: Refusal) -> Judgement:
    """The cancel is refused in one of the `lawful` ways; holds only where its form is accepted otherwise."""
    if moment.unavailable:
        return unavailable(moment)
    if any(refused_as(moment, refusal) for refusal in lawful):
        return held(moment, premises=premises(moment))
    if moment.status == OK and moment.names_a_ghost:
        return undecided(moment, "a submit of that out_task_id had no answer, and may have made the task")
    return broken(moment, " or ".join(documented(moment, refusal) for refusal in lawful), answered(moment))


def not_found(moment: Moment) -> Judgement:
    """What is not the caller's is not found; what submit took of one key for a name, cancel may call odd of another."""
    named = moment.exchange.request.named
    return answered_lawfully(moment) if named.form is Form.OUT_TASK_ID else refused(moment, Refusal.TASK_NOT_FOUND)


def answered_lawfully(moment: Moment) -> Judgement:
    """The answer is one of the lawful effects of the call."""
    if moment.status == OK and moment.task is not None:
        return acts(moment, moment.task)
    refusals = sorted(effect for effect in moment.effects if isinstance(effect, Refusal))
    if refusals:
        judgement = refused(moment, *refusals)
        if judgement.outcome is Outcome.BROKEN and moment.task is not None:
            return broken(moment, f"200 showing task {moment.task.task_id}, or {judgement.wanted}", judgement.got)
        return judgement
    [effect] = moment.effects
    assert isinstance(effect, Acts)  # noqa: S101 - an effect is either
    return acts(moment, effect.task)


def left_alone(moment: Moment, task: Task) -> Judgement:
    """What later queries show of `task` is explained without this cancel, be its effect at once or delayed."""
    if moment.may_have_acted(task):
        return undecided(moment, f"the cancel may lawfully have acted on task {task.task_id}")
    previous, judgement = moment.last_read(task), None
    for read in moment.later_reads(task):
        if read.exchange.sent_at < moment.story.fresh_from(read, task):
            continue
        if judgement is None:
            judgement = _untouched(moment, read, task, previous)
        elif _late(moment, previous, read, task):
            return _blamed(moment, read, task, f"task {task.task_id} in flight: nobody cancelled it")
        if judgement.outcome is Outcome.BROKEN or read.state in TERMINAL:
            break
        previous = read
    if judgement is None:
        number = moment.exchange.number
        return undecided(moment, f"no query after exchange {number} looked at task {task.task_id}")
    return judgement


def _untouched(moment: Moment, read: Moment, task: Task, last: Moment | None) -> Judgement:
    """What the first query after the cancel says."""
    if not read.telling or (last is None and not _visible(read, task)):
        return undecided(moment, f"the task cannot be read: {answered(read)}")
    if last is not None and not _visible(read, task):
        return _vanished(moment, read, task, last)
    if last is not None and last.state in TERMINAL:
        return _unmoved(moment, read, task, last)
    lawful = moment.story.belief(task, moment.exchange.sent_at, read.exchange.ended_at, apart=moment)
    if read.state in LIVE and (read.state in lawful or lawful not in _CERTAIN):
        return held(moment, premises=premises(moment))
    if read.state in lawful or moment.story.stopped_before(task, read):
        return undecided(moment, f"task {task.task_id} may have ended without this cancel before it was looked at")
    return _blamed(moment, read, task, f"task {task.task_id} untouched: {' or '.join(sorted(lawful))}")


def _vanished(moment: Moment, read: Moment, task: Task, last: Moment) -> Judgement:
    if moment.story.stopped_before(task, read):
        return undecided(moment, f"task {task.task_id}, which was itself cancelled, cannot be read: {answered(read)}")
    return _blamed(moment, read, task, f"task {task.task_id} as exchange {last.exchange.number} showed it")


def _unmoved(moment: Moment, read: Moment, task: Task, last: Moment) -> Judgement:
    if moment.story.same(last.document, read.document):
        return held(moment, premises=premises(moment))
    wanted = f"task {task.task_id} as exchange {last.exchange.number} showed it"
    return _blamed(moment, read, task, wanted, difference(read, last))


def _late(moment: Moment, previous: Moment | None, read: Moment, task: Task) -> bool:
    """Whether a later read shows a cancellation that nothing explains but this cancel, for want of a closer suspect."""
    story = moment.story
    if previous is None or previous.state not in LIVE or read.state is not State.CANCELLED:
        return False
    if State.CANCELLED in story.belief(task, read.exchange.sent_at, read.exchange.ended_at, apart=moment):
        return False
    since, until = previous.exchange.sent_at, read.exchange.ended_at
    closer = any(each.exchange.ended_at > since and each.exchange.sent_at < until for each in story.cancels)
    return not closer and not story.stopped_before(task, read) and blamable(moment, task, read)


def _visible(read: Moment, task: Task) -> bool:
    return read.state is not None and read.shows(task)


def blamable(moment: Moment, task: Task, read: Moment) -> bool:
    """Whether no unlawful cause lies between the two reads around it but this cancel, or others of its kind.

    A cancel that may act on the task is a lawful cause, unless the task had ended: then it, too, is to change nothing.
    Of several calls that the same rule forbids to act, whichever did has broken it.
    """
    last = moment.last_read(task)
    since = last.exchange.sent_at if last else float("-inf")
    ended = last is not None and last.state in TERMINAL
    rule = _forbidden(moment, task)
    return not any(
        other is not moment
        and (not rule or _forbidden(other, task) != rule)
        and other.may_act_until(since)
        and other.exchange.sent_at < read.exchange.ended_at
        and touches(other, task)
        and (ended or not other.may_have_acted(task))
        for other in moment.story.cancels
    )


def _forbidden(moment: Moment, task: Task) -> str:
    """By which row a call is kept from a task: for its method, for want of a key or identifier, for its other key."""
    named = moment.exchange.request.named
    if moment.exchange.request.method != "POST":
        return "ERR-5"
    if not moment.exchange.request.keyed:
        return "AUTH-4"
    if moment.plain and moment.role == task.role and named.given and named.unusable == named.given:
        return "IDENT-14"
    return "ISO-2" if moment.mentions_foreign(task) and moment.task is None else ""


def touches(moment: Moment, task: Task) -> bool:
    """Whether a cancel names `task`, or something that a sloppy comparison takes for it."""
    if moment.mentions(task):
        return True
    request = moment.exchange.request
    if not request.named.readable and _quotes(request.content, task):
        return True
    readings = filter(None, (request.named, request.named.otherwise))
    given = [value for named in readings for value in named.given if isinstance(value, str)]
    return any(
        value == identifier or confusable(value, identifier) for value in given for identifier in task.identifiers
    )


def _quotes(content: bytes | None, task: Task) -> bool:
    """Whether an unreadable body contains one of the task's identifiers, in whatever encoding of Unicode."""
    text = (content or b"").replace(b"\0", b"")
    return any(identifier.encode(errors="replace") in text for identifier in task.identifiers)


def kept_from_work(story: Story, *, foreign: bool) -> Iterator[Judgement]:
    """Whether tasks that end by themselves did so, though their own key, or a foreign one, sent cancels beside them."""
    seen = bystanders(story)
    for role in dict.fromkeys(each.task.role for each in seen):
        yield from _kept_from_work([each for each in seen if each.task.role == role], foreign=foreign)


def _kept_from_work(seen: list[Bystander], *, foreign: bool) -> Iterator[Judgement]:
    """Whether the tasks of one key did so."""
    disturbed = [each for each in seen if each.beside]
    if not all((call.role != each.task.role) is foreign for each in disturbed for call in each.beside):
        return  # who kept a task from its end is known only where one kind of calls was sent
    for each in disturbed:
        if each.last.state in ENDS_BY_ITSELF:
            yield held(each.last)
    if are_kept(seen):
        last = disturbed[-1].last
        wanted = f"its end, as each of its kind had beside which nothing was sent: the {len(disturbed)} others had none"
        yield broken(last, wanted, f"status {last.state}")


def as_queried(moment: Moment, read: Moment) -> Judgement:
    """The answer is what a query right after it shows."""
    if moment.story.same(moment.document, read.document):
        return held(moment)
    wanted = f"the task as the query right after it showed it, in exchange {read.exchange.number}"
    return broken(moment, wanted, difference(moment, read))


def unavailable(moment: Moment) -> Judgement:
    """The target gave no answer of its own (ruling R17)."""
    return undecided(moment, f"the target was unavailable: {answered(moment)}")


def refused_as(moment: Moment, refusal: Refusal) -> bool:
    """Whether the answer is that refusal, by its documented status and code."""
    if refusal is Refusal.ANY:
        in_path = moment.exchange.request.path_id is not None
        return (moment.refused and moment.status not in _ABOUT_KEYS) or (in_path and moment.status in _REDIRECTS)
    look = moment.story.terms.refusals.get(refusal.value)
    if look is None or moment.status != look.status:
        return False
    return not look.codes or (isinstance(moment.code, str) and moment.code in look.codes)


def documented(moment: Moment, refusal: Refusal) -> str:
    """How the contract says that a refusal looks."""
    look = moment.story.terms.refusals.get(refusal.value)
    return f"{look.status} {' or '.join(sorted(look.codes))}" if look else "a 4xx"


def premises(moment: Moment) -> frozenset[Premise]:
    """What must have been accepted for a refusal of this call to prove anything."""
    request = moment.exchange.request
    role = moment.role if request.keyed else next((task.role for task in moment.story.tasks), _OWNER)
    return frozenset((role, form) for form in request.named.forms)


def answered(moment: Moment) -> str:
    """The answer in a few words: its status, and what it says."""
    answer = moment.exchange.answer
    if answer is None:
        return f"no answer ({moment.exchange.lost})"
    if moment.refused and isinstance(moment.code, str):
        return f"{answer.status} {quoted(moment.code)[1:-1]}"
    if moment.document is MALFORMED:
        return f"{answer.status} with a body that is no JSON: {quoted(answer.content.decode(errors='replace'))}"
    return f"{answer.status} {quoted(moment.document)}" if answer.content else f"{answer.status} without a body"


def difference(moment: Moment, other: Moment) -> str:
    """How the task that `moment` shows differs from the one that `other` showed."""
    if moment.shown is None or other.shown is None:
        return answered(moment)
    places = differences(moment.shown, other.shown, moment.story.terms.volatile)[:_MOST_DIFFERENCES]
    return "; ".join(_change(at[1:], got, wanted) for at, got, wanted in places) or answered(moment)


def _change(name: str, got: object, wanted: object) -> str:
    """What became of one field."""
    if isinstance(wanted, Missing):
        return f"{name} {quoted(got)} where there was none"
    is_now = f"no {name}" if isinstance(got, Missing) else f"{name} {quoted(got)}"
    return f"{is_now} where it was {quoted(wanted)}"


def quoted(value: object) -> str:
    """A JSON value as text, cut short; control characters are escaped."""
    if isinstance(value, Missing):
        return "nothing"
    try:
        text = json.dumps(value, default=_number)
    except (ValueError, RecursionError):
        text = "a value too deep to print"
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"


def _number(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value) if -300 < value.adjusted() < 300 else str(value)  # noqa: PLR2004 - what a float can hold
    raise TypeError(type(value).__name__)


def _blamed(moment: Moment, read: Moment, task: Task, wanted: str, got: str = "") -> Judgement:
    if not blamable(moment, task, read):
        return undecided(moment, "several calls may have done it")
    got = got or (f"status {read.state}" if _visible(read, task) else answered(read))
    return broken(moment, wanted, f"{got} in exchange {read.exchange.number}")
