"""A story: everything that was said to and about a few tasks, some of it at the same time.

A check asks a story for its *moments* (one exchange each, seen from within the story) and asks each moment what may
be known there. `Moment.before` is the set of states that a task may have been in when the exchange began. It is worked
out from what others were told before and from what may have happened since: the passing of time, a cancel in flight, an
answer that was lost. Reads decide, never hopes: what a cancel's own answer claims is not believed until a later
query confirms it. So `moment.before(task) <= TERMINAL` reads "certainly terminal", and a check that judges only then
never blames a lawful implementation for a race that it won.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Final

from conformance.exchange import ENDED, GIVEN_UP, Exchange, Form, Operation, may_hide_a_task
from conformance.lawful import Acts, Effects, Refusal, Task, effects, effects_without_key
from conformance.sameness import pointed, settled
from conformance.states import ANY, TERMINAL, State, States, cancelled, drifted

OFTEN: Final = 5
"""A trouble that comes so many times in a row, and at no ordinary call between, is no chance (ruling R17)."""

LAG: Final = 0.5
"""Seconds by which what a query shows of a task in flight may be old; of one that has ended it may not (STATE-6)."""

OK: Final = 200
_CREATED: Final = 201
_CLIENT_ERROR: Final = range(400, 500)
_NOT_FOUND: Final = 404
_REQUEST_TIMEOUT: Final = 408
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERROR: Final = range(500, 600)
_NONE: Final = float("-inf")
_DEEPEST_NOTICE: Final = 3


@dataclass(frozen=True)
class Documented:
    """How the contract says that one refusal looks: the status, and the codes that may stand in its envelope."""

    status: int
    codes: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the contract and the profile say about the answers of one target.

    `complaints(schema, document)` are the ways in which a document does not fit one of the contract's schemas. The
    credits left stand in `balance_header`, and under `balance_pointer` in an account's document; `accounts` are the
    accounts of the roles, `former_tasks` the ids of tasks that a revoked key had while it was valid. A body of more
    than `most_bytes` bytes is too large. So many seconds of `notice` after a task has ended, whoever listens to it has
    surely been told.
    """

    refusals: Mapping[str, Documented]
    complaints: Callable[[str, object], Sequence[str]]
    states: Mapping[str, State] = field(default_factory=lambda: {state.value: state for state in State})
    code_at: str = "/error/code"
    volatile: tuple[str, ...] = ()
    documented_envelope: bool = True
    balance_header: str | None = None
    balance_pointer: str | None = None
    accounts: Mapping[str, str] = field(default_factory=dict)
    former_tasks: tuple[str, ...] = ()
    most_bytes: int = 1 << 20
    notice: float = 10.0


class Moment:
    """One exchange of a story, and what may be known there."""

    def __init__(self, story: Story, exchange: Exchange) -> None:
        self.story = story
        self.exchange = exchange
        self._before: dict[str, States] = {}

    @property
    def role(self) -> str:
        """Whose key the request carried."""
        return self.exchange.request.role

    @cached_property
    def effects(self) -> Effects:
        """All that may lawfully follow from this request; a query is read as a cancel is."""
        request = self.exchange.request
        if request.operation is Operation.CANCEL and request.method != "POST":
            return frozenset({Refusal.ANY})  # R13
        tasks = self.story.tasks_before(self._over_at)
        if not request.keyed:
            return effects_without_key(request.named, tasks)
        found = effects(request.named, self.role, tasks)
        early = [task for task in _acted_on(found) if self.exchange.sent_at < self.story.known_at(task)]
        if early:  # it raced the submit
            found |= effects(request.named, self.role, [task for task in tasks if task not in early])
        return found

    @cached_property
    def _over_at(self) -> float:
        """The instant from which it means no task that is yet to be submitted: the target has answered for good."""
        over = self.exchange.answer is not None and not self.exchange.unavailable
        return self.exchange.ended_at if over else float("inf")

    def _was_over_before(self, task: Task) -> bool:
        return self._over_at <= _born(task)

    @cached_property
    def task(self) -> Task | None:
        """The task that this request may act on, or ask about; of several, the one that the answer shows."""
        found = _acted_on(self.effects)
        return found[0] if len(found) == 1 else next((task for task in found if self.shows(task)), None)

    @cached_property
    def certain(self) -> bool:
        """Whether acting on its task is the only lawful effect, or the only one that is answered 200."""
        return self.task is not None and (len(self.effects) == 1 or self.status == OK)

    @cached_property
    def plain(self) -> bool:
        """Whether this is a cancel as the norm knows it: a POST with a valid key, in no odd dress (R13, R18, R19)."""
        request = self.exchange.request
        return request.method == "POST" and request.keyed and not request.named.odd

    @property
    def is_account(self) -> bool:
        """Whether this request asked for an account."""
        return self.exchange.request.operation is Operation.ACCOUNT

    @property
    def status(self) -> int | None:
        """The status of the answer, none where it was lost."""
        return self.exchange.answer.status if self.exchange.answer else None

    @cached_property
    def document(self) -> object:
        """The JSON value of the answer."""
        return self.exchange.answer.document if self.exchange.answer else None

    @cached_property
    def shown(self) -> dict[str, object] | None:
        """The task that a 200 answer shows, where it shows one; a submit's may be a 201 (ruling R24)."""
        created = self.status == _CREATED and self.exchange.request.operation is Operation.SUBMIT
        return self.document if (self.status == OK or created) and isinstance(self.document, dict) else None

    @cached_property
    def state(self) -> State | None:
        """The state that the answer shows, by the target's names of states."""
        name = self.shown.get("status") if self.shown else None
        return self.story.terms.states.get(name) if isinstance(name, str) else None

    @cached_property
    def code(self) -> object:
        """What stands in the place of the error code (ruling R12)."""
        return pointed(self.document, self.story.terms.code_at)

    @property
    def refused(self) -> bool:
        """Whether the answer is a refusal by the target itself."""
        return self.status in _CLIENT_ERROR and not self.exchange.unavailable

    @cached_property
    def unavailable(self) -> bool:
        """Whether this says nothing of the target (ruling R17): it gave no answer of its own, or none of this input."""
        return self.exchange.unavailable and not self._provoked

    @cached_property
    def _provoked(self) -> bool:
        """Whether a call that may be refused gets its 5xx for what it says: each time, and ordinary ones between never.

        Those between go the same way, by the path or by the body, and all of them are answered.
        """
        if self.status not in _SERVER_ERROR or self.certain:
            return False
        request = self.exchange.request
        alike = [each for each in (*self.story.cancels, *self.story.probes) if each.exchange.request == request]
        between = [each for each in self.story.cancels if each.plain and each not in alike and each.goes_as(self)]
        if any(each.status not in _SERVER_ERROR for each in alike) or not between:
            return False
        turns = [each for each in pairwise(alike) if any(other.lies_between(*each) for other in between)]
        spared = all(not each.exchange.unavailable for each in between if each.lies_between(alike[0], alike[-1]))
        return spared and len(turns) >= OFTEN - 1

    def lies_between(self, first: Moment, last: Moment) -> bool:
        """Whether it began when `first` was over, and was over when `last` began."""
        return first.exchange.ended_at <= self.exchange.sent_at and self.exchange.ended_at <= last.exchange.sent_at

    def goes_as(self, other: Moment) -> bool:
        """Whether it takes the same route as another cancel."""
        return (self.exchange.request.path_id is None) is (other.exchange.request.path_id is None)

    @property
    def names_a_ghost(self) -> bool:
        """Whether its `out_task_id` may be that of a task of which nobody was told: its submit had no answer."""
        name, ended = self.exchange.request.named.out_task_id, self.exchange.ended_at
        if not isinstance(name, str):
            return False
        submits = [each for each in self.story.submits if each.role == self.role and each.exchange.sent_at < ended]
        return may_hide_a_task([each.exchange for each in submits if each.exchange.request.named.out_task_id == name])

    @property
    def telling(self) -> bool:
        """Whether the answer of this query is evidence on its task: that it is there, or that it is not."""
        return self.status in {OK, _NOT_FOUND}

    def complaints(self, schema: str) -> Sequence[str]:
        """What speaks against the answer by one of the contract's schemas."""
        document = self.document
        if self.shown is not None and self.state is not None:
            document = {**self.shown, "status": self.state.value}
        return self.story.complaints(schema, document, self.exchange.answer.content if self.exchange.answer else b"")

    def shows(self, task: Task) -> bool:
        """Whether the answer shows a task of that id."""
        return self.shown is not None and self.shown.get("task_id") == task.task_id

    def mentions(self, task: Task) -> bool:
        """Whether one of the identifiers is, to the letter, one of the task's, which may have been there by then."""
        return not self._was_over_before(task) and any(
            value in task.identifiers for value in self.exchange.request.named.given if isinstance(value, str)
        )

    def mentions_foreign(self, task: Task) -> bool:
        """Whether `task` is another key's, and mentioned."""
        return task.role != self.role and self.mentions(task)

    def before(self, task: Task) -> States:
        """The states that `task` may have been in when this exchange began."""
        if task.task_id not in self._before:
            start = self.exchange.sent_at
            self._before[task.task_id] = self.story.belief(task, start, start, apart=self)
        return self._before[task.task_id]

    def during(self, task: Task) -> States:
        """The states that `task` may have been in at any instant of this exchange, its own effect apart."""
        start, end = self.exchange.sent_at, self.exchange.ended_at
        return self.before(task) | self.story.belief(task, start, end, apart=self)

    def last_read(self, task: Task) -> Moment | None:
        """The latest query that had shown `task` when this exchange began."""
        return self.story.last_read(task, self.exchange.sent_at)

    def later_reads(self, task: Task) -> Iterator[Moment]:
        """The queries of `task` by its owner that began after this exchange had ended, answered or refused."""
        for read in self.story.queries_of(task):
            if read.exchange.sent_at >= self.exchange.ended_at and not read.exchange.unavailable:
                yield read

    def next_read(self, task: Task) -> Moment | None:
        """The first of the later reads."""
        return next(self.later_reads(task), None)

    def follows_another(self, task: Task) -> bool:
        """Whether `task` had certainly ended, or another cancel of it may have taken effect by the end of this one."""
        return self.before(task) <= TERMINAL or self.story.stopped_before(task, self)

    def may_have_acted(self, task: Task) -> bool:
        """Whether this cancel, to judge by its answer, may have taken effect on `task`; of several, on one only."""
        if not self.exchange.sent or (self.status in _CLIENT_ERROR and self.status != _REQUEST_TIMEOUT):
            return False
        acted = _acted_on(self.effects)
        acted = [each for each in acted if self.shows(each)] or acted
        return any(task.task_id == each.task_id for each in acted)

    def may_act_until(self, instant: float) -> bool:
        """Whether its effect may have come as late as `instant`; only a 200 says that it has come."""
        return self.status != OK or self.exchange.ended_at > instant


class Notice(Moment):
    """A moment at which the target told of a task unasked: an event of a stream, or a call to the callback URL.

    An event's exchange began when its stream was asked for: it proves what was told by the instant at which it ended.
    """

    @cached_property
    def task(self) -> Task | None:
        """The task whose stream, or whose callback URL, this is."""
        request = self.exchange.request
        mine = (task for task in self.story.tasks if task.role == request.role)
        return next((task for task in mine if task.task_id == request.path_id), None)

    @cached_property
    def told(self) -> object:
        """The JSON value that was told."""
        request = self.exchange.request
        return request.document if request.operation is Operation.CALLBACK else self.document

    @cached_property
    def state(self) -> State | None:
        """The state that was told of the task; none where it cannot be read for certain.

        Of the objects in one another, the outermost that has a known status says it, if it has no other task's id.
        """
        objects = [self.told] if isinstance(self.told, dict) else []
        for _ in range(_DEEPEST_NOTICE):
            states = {self._state_in(each) for each in objects} - {None}
            if states:
                return states.pop() if len(states) == 1 else None
            objects = [inner for each in objects for inner in each.values() if isinstance(inner, dict)]
        return None

    @property
    def has_content(self) -> bool:
        """Whether this is more than a sign of life: no head of an answer, no comment, no end."""
        return bool(self._content or self._name) and not self._content.startswith(b":")

    @cached_property
    def hints_at_an_end(self) -> bool:
        """Whether it cannot be read, and yet speaks of a state, or of an ended task, in some way."""
        text = f"{self._name} {self._content.decode(errors='replace')}".lower()
        names = {name.lower() for name, state in self.story.terms.states.items() if state in TERMINAL}
        return self.state is None and any(word in text for word in {*names, *TERMINAL, "cancel", "stat"})

    @property
    def _content(self) -> bytes:
        if self.exchange.request.operation is Operation.CALLBACK:
            return self.exchange.request.content or b""
        return self.exchange.answer.content if self.exchange.answer else b""

    @property
    def _name(self) -> str:
        return (self.exchange.answer and self.exchange.answer.header("event")) or ""

    def _state_in(self, document: dict[str, object]) -> State | None:
        name, task_id = document.get("status"), document.get("task_id")
        if isinstance(task_id, str) and task_id != self.exchange.request.path_id:
            return None
        return self.story.terms.states.get(name) if isinstance(name, str) else None


@dataclass(frozen=True)
class Hearing:
    """All that was heard of one task over one event stream, or at its callback URL, in order; and how that ended."""

    task: Task
    notices: tuple[Notice, ...]
    end: Notice | None

    @property
    def told(self) -> list[Notice]:
        """The notices that told a state."""
        return [notice for notice in self.notices if notice.state is not None]

    @property
    def ended(self) -> bool:
        """Whether the target closed the stream itself."""
        return self.end is not None and self.end.exchange.lost == ENDED

    @property
    def given_up(self) -> bool:
        """Whether it might have gone on, and nobody listened any longer."""
        return self.end is not None and self.end.exchange.lost == GIVEN_UP

    def is_open_at(self, instant: float) -> bool:
        """Whether the stream had shown itself by then, and was certainly not over."""
        head = self.notices[0].exchange if self.notices else None
        if head is None or head.answer is None or not head.answer.is_event_stream:
            return False
        return head.ended_at <= instant and (self.end is None or self.end.exchange.ended_at > instant)


class Story:
    """What was said to and about `tasks`, in the order in which it was sent; immutable.

    While a story that is `alone` was told, up to `alone_until`, no other task of the run that is known could move the
    accounts that it reads; in one that is `haunted`, a task might that an earlier submit, without a name or an answer,
    had made.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        exchanges: Sequence[Exchange],
        terms: Terms,
        title: str = "",
        *,
        alone: bool = False,
        alone_until: float = float("inf"),
        haunted: bool = False,
    ) -> None:
        self.tasks = tuple(tasks)
        self.exchanges = tuple(sorted(exchanges, key=lambda exchange: (exchange.sent_at, exchange.number)))
        self.terms = terms
        self.title = title
        self.alone = alone
        self.alone_until = alone_until
        self.haunted = haunted
        self._complaints: dict[tuple[str, bytes], Sequence[str]] = {}

    def told_by(self, exchanges: Sequence[Exchange]) -> Story:
        """The same story, told by some of its exchanges alone."""
        return Story(
            self.tasks,
            exchanges,
            self.terms,
            self.title,
            alone=self.alone,
            alone_until=self.alone_until,
            haunted=self.haunted,
        )

    @cached_property
    def cancels(self) -> tuple[Moment, ...]:
        """Every cancel, in the order of sending."""
        return self._moments(Operation.CANCEL)

    @cached_property
    def plain_cancels(self) -> tuple[Moment, ...]:
        """The cancels whose answer the norm says without regard to their dress."""
        return tuple(moment for moment in self.cancels if moment.plain)

    @cached_property
    def queries(self) -> tuple[Moment, ...]:
        """Every query, in the order of sending."""
        return self._moments(Operation.QUERY)

    @cached_property
    def probes(self) -> tuple[Moment, ...]:
        """Every probe, in the order of sending."""
        return self._moments(Operation.PROBE)

    @cached_property
    def accounts(self) -> tuple[Moment, ...]:
        """Every reading of an account's document, in the order of sending."""
        return self._moments(Operation.ACCOUNT)

    @cached_property
    def submits(self) -> tuple[Moment, ...]:
        """Every submit, in the order of sending."""
        return self._moments(Operation.SUBMIT)

    @cached_property
    def events(self) -> tuple[Notice, ...]:
        """Every event of a stream that told a state of one of the tasks, in the order in which they were read."""
        found = [notice for stream in self.streams for notice in stream.told]
        return tuple(sorted(found, key=lambda notice: (notice.exchange.ended_at, notice.exchange.number)))

    @cached_property
    def callbacks(self) -> tuple[Notice, ...]:
        """Every call to a callback URL that told a state of one of the tasks, in the order in which they came."""
        found = [notice for url in self.callback_urls for notice in url.told]
        return tuple(sorted(found, key=lambda notice: (notice.exchange.sent_at, notice.exchange.number)))

    @cached_property
    def streams(self) -> tuple[Hearing, ...]:
        """Every event stream of one of the tasks."""
        by_opening: dict[tuple[str | None, float], list[Notice]] = {}
        for notice in self._notices(Operation.STREAM):
            request = notice.exchange.request
            by_opening.setdefault((request.path_id, notice.exchange.sent_at), []).append(notice)
        return tuple(_hearings(by_opening.values()))

    @cached_property
    def callback_urls(self) -> tuple[Hearing, ...]:
        """What came to the callback URL of each task that was given one."""
        by_url: dict[str, list[Notice]] = {}
        for notice in self._notices(Operation.CALLBACK):
            by_url.setdefault(notice.exchange.request.url, []).append(notice)
        return tuple(_hearings(by_url.values()))

    @cached_property
    def answered_cancels(self) -> tuple[tuple[Moment, Task], ...]:
        """Every cancel that was answered 200 where that is lawful, with the task that it acted on."""
        found = ((moment, moment.task) for moment in self.cancels if moment.status == OK)
        return tuple((moment, task) for moment, task in found if task is not None)

    def queries_of(self, task: Task) -> list[Moment]:
        """The queries of `task` by its owner, whatever they were answered."""
        return self._queries_by_task.get(task.task_id, [])

    def reads_of(self, task: Task) -> list[Moment]:
        """The queries of `task` that showed it in a known state."""
        return self._reads_by_task.get(task.task_id, [])

    def submits_showing(self, task: Task) -> list[Moment]:
        """The submits whose answers show `task` in a known state."""
        return self._submits_by_answer.get(task.task_id, [])

    def stops_of(self, task: Task) -> list[Moment]:
        """The cancels and probes that may have taken effect on `task`."""
        return self._stops_by_task.get(task.task_id, [])

    def stops_showing(self, task: Task) -> list[Moment]:
        """The cancels and probes that were answered 200 with `task`, lawfully or not."""
        return self._stops_by_answer.get(task.task_id, [])

    def endings_of(self, task: Task) -> list[Moment]:
        """Every 200 answer, of queries, cancels and probes, that showed `task` as ended, in the order of their ends."""
        return self._endings_by_task.get(task.task_id, [])

    def complaints(self, schema: str, document: object, content: bytes) -> Sequence[str]:
        """The contract's complaints of a document; one that was sent many times, as `content`, is looked at once."""
        known = (schema, content)
        if known not in self._complaints:
            self._complaints[known] = self.terms.complaints(schema, document)
        return self._complaints[known]

    def tasks_before(self, instant: float) -> Sequence[Task]:
        """The tasks that may have been there before `instant`, in the order of their submits."""
        return self._in_order[: bisect_left(self._in_order, instant, key=_born)]

    def known_at(self, task: Task) -> float:
        """The instant from which `task` is certainly there: when its submit had been answered."""
        return self._known_at.get(task.task_id, _NONE)

    def fresh_from(self, read: Moment, task: Task) -> float:
        """The instant from which on it is no old look, if a read shows a task waiting: one at a copy that lags behind.

        It is past where nobody was told before that the task runs.
        """
        ran = next((each for each in self.reads_of(task) if each.state is State.RUNNING), None)
        if read.state is not State.PENDING or ran is None or ran.exchange.ended_at > read.exchange.sent_at:
            return float("-inf")
        return ran.exchange.ended_at + LAG

    def last_read(self, task: Task, instant: float) -> Moment | None:
        """The latest read of `task` that had ended by `instant`."""
        return next((read for read in reversed(self.reads_of(task)) if read.exchange.ended_at <= instant), None)

    def belief(self, task: Task, known_by: float, instant: float, *, apart: Moment | None = None) -> States:
        """The states that `task` may have been in at `instant`, by what was told up to `known_by`.

        The effect of the moment `apart` is left out. What a target says that contradicts itself is a matter for the
        checks; belief follows the latest read.
        """
        read = self.last_read(task, known_by)
        if read is not None and read.state is not None:
            states, since = frozenset({read.state}), read.exchange.sent_at
        elif task.submitted_at is not None:
            states, since = frozenset({State.PENDING}), task.submitted_at
        elif task.pending_until > _NONE:
            states, since = frozenset({State.PENDING}), _NONE
        else:
            return ANY
        if states <= TERMINAL:
            return states
        states = drifted(states, started=instant > task.pending_until, ended=instant > task.live_until)
        if self._cancelled_between(task, since, instant, apart):
            states |= cancelled(states)
        return states

    def stopped_before(self, task: Task, moment: Moment) -> bool:
        """Whether some other cancel of `task` may have taken effect by the end of `moment`, be it ever so late."""
        return any(
            cancel is not moment and cancel.exchange.sent_at < moment.exchange.ended_at
            for cancel in self.stops_of(task)
        )

    def same(self, one: object, other: object) -> bool:
        """Whether two documents show the same task, what is volatile left out (ruling R9)."""
        return settled(one, self.terms.volatile) == settled(other, self.terms.volatile)

    @cached_property
    def forms_seen(self) -> frozenset[tuple[str, Form]]:
        """The roles and forms of cancels that this story saw accepted: a 200 that shows the very task."""
        seen: set[tuple[str, Form]] = set()
        for moment, task in self.answered_cancels:
            form = moment.exchange.request.named.form
            if form is not None and moment.shows(task) and moment.state in TERMINAL:
                seen.add((moment.role, form))
                if form is not Form.PATH:
                    seen.add((moment.role, Form.BODY))
        return frozenset(seen)

    def _notices(self, operation: Operation) -> Iterator[Notice]:
        return (Notice(self, each) for each in self.exchanges if each.request.operation is operation)

    def _moments(self, operation: Operation) -> tuple[Moment, ...]:
        return tuple(Moment(self, each) for each in self.exchanges if each.request.operation is operation)

    def _cancelled_between(self, task: Task, since: float, instant: float, apart: Moment | None) -> bool:
        return any(
            cancel.exchange.sent_at <= instant and cancel.may_act_until(since)
            for cancel in self.stops_of(task)
            if cancel is not apart
        )

    @cached_property
    def _in_order(self) -> tuple[Task, ...]:
        return tuple(sorted(self.tasks, key=_born))

    @cached_property
    def _stops_by_task(self) -> dict[str, list[Moment]]:
        found: dict[str, list[Moment]] = {}
        for cancel in (*self.cancels, *self.probes):
            for task in _acted_on(cancel.effects):
                if cancel.may_have_acted(task):
                    found.setdefault(task.task_id, []).append(cancel)
        return found

    @cached_property
    def _stops_by_answer(self) -> dict[str, list[Moment]]:
        return _by_task_shown((*self.cancels, *self.probes))

    @cached_property
    def _submits_by_answer(self) -> dict[str, list[Moment]]:
        return _by_task_shown(each for each in self.submits if each.state is not None)

    @cached_property
    def _known_at(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for submit in self.submits:
            document = submit.exchange.answer.document if submit.exchange.answer else None
            task_id = document.get("task_id") if isinstance(document, dict) else None
            if isinstance(task_id, str):
                found[task_id] = min(submit.exchange.ended_at, found.get(task_id, submit.exchange.ended_at))
        return found

    @cached_property
    def _queries_by_task(self) -> dict[str, list[Moment]]:
        found: dict[str, list[Moment]] = {task.task_id: [] for task in self.tasks}
        for query in self.queries:
            if query.task is not None:
                found[query.task.task_id].append(query)
        return found

    @cached_property
    def _reads_by_task(self) -> dict[str, list[Moment]]:
        return {
            task.task_id: [read for read in self.queries_of(task) if read.state is not None and read.shows(task)]
            for task in self.tasks
        }

    @cached_property
    def _endings_by_task(self) -> dict[str, list[Moment]]:
        found: dict[str, list[Moment]] = {}
        for task in self.tasks:
            ended = [each for each in (*self.reads_of(task), *self.stops_showing(task)) if each.state in TERMINAL]
            found[task.task_id] = sorted(ended, key=lambda each: each.exchange.ended_at)
        return found


def _born(task: Task) -> float:
    return _NONE if task.submitted_at is None else task.submitted_at


def _hearings(groups: Iterable[list[Notice]]) -> Iterator[Hearing]:
    """What was heard by each listener; the notice that nobody listens any longer, or that a stream is over, ends it."""
    for notices in groups:
        task, ends = notices[0].task, [notice for notice in notices if _is_end(notice.exchange)]
        if task is not None:
            others = tuple(notice for notice in notices if notice not in ends)
            yield Hearing(task, others, ends[-1] if ends else None)


def _is_end(heard: Exchange) -> bool:
    """Whether nothing was heard here, neither an answer nor a call."""
    return heard.answer is None and heard.request.content is None


def _acted_on(found: Effects) -> list[Task]:
    return [effect.task for effect in found if isinstance(effect, Acts)]


def _by_task_shown(moments: Iterable[Moment]) -> dict[str, list[Moment]]:
    found: dict[str, list[Moment]] = {}
    for moment in moments:
        task_id = moment.shown.get("task_id") if moment.shown else None
        if isinstance(task_id, str):
            found.setdefault(task_id, []).append(moment)
    return found
