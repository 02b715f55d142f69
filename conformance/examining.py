"""A target examined step by step before its first run: what is there, what is missing, and what to write for it.

The steps are told as they are taken. All but the last cost nothing: queries and cancels of tasks that nobody has. The
last brings one task into each state, through the budget's gate, and ends what it began.
"""

from __future__ import annotations

import ssl
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from conformance.account import charge
from conformance.exchange import NOBODY
from conformance.report.text import neutral, printable
from conformance.requirements import catalogue, needing
from conformance.sameness import pointed
from conformance.states import LIVE, TERMINAL, State
from conformance.target.budget import BudgetSpent
from conformance.target.call import Call
from conformance.target.callback import Deaf, is_loopback, place
from conformance.target.looking import Grade, Look, Seen, place_of, state_like, status_in
from conformance.target.profile import OWNER, REVOKED
from conformance.target.provision import OutOfReach
from conformance.target.reach import addresses, knock, security
from conformance.target.settings import example, written
from conformance.target.tables import Capability
from conformance.verdict import ExitCode

if TYPE_CHECKING:
    from conformance.exchange import Exchange
    from conformance.run import Run
    from conformance.target.profile import Profile
    from conformance.target.provision import Stage
    from conformance.target.tables import Way

_COLUMN: Final = 22
_WIDTH: Final = 80
_WITHIN: Final = 10.0
_FEW_DAYS: Final = 14
_SLOW: Final = 10
_FIRST_PAUSE, _LONGEST_PAUSE, _SLOWER = 0.05, 1.0, 1.2
_REFUSED: Final = 401
_LONGEST: Final = 160
_SUCCESSES: Final = range(200, 300)
_BILLED: Final = (State.RUNNING, State.COMPLETED)
_PENDING_ROWS: Final = ("STATE-1", "BILL-1", "BILL-2", "RACE-4")
"""The rows that nothing but a pending task shows; no capability is named after it, for whoever has a queue has it."""

_CAPABILITIES: Final = {
    State.RUNNING: Capability.RUNNING_STATE,
    State.COMPLETED: Capability.COMPLETED_STATE,
    State.FAILED: Capability.FAILED_STATE,
}
_IN_ORDER: Final = (State.COMPLETED, State.FAILED, State.RUNNING, State.PENDING)
"""The slow ones first, and last what is soonest over."""

_KEYS: Final = {"other": Capability.OTHER_KEY, REVOKED: Capability.REVOKED_KEY}


class Mark(StrEnum):
    """What a finding amounts to, by the mark that stands before it."""

    GOOD = "✓"
    NOTE = "·"
    OPEN = "?"
    WRONG = "✗"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one step has found: what to write for it, and the rows that it leaves open until then.

    After one that `ends` it all there are no further steps.
    """

    mark: Mark
    step: str
    seen: str
    write: str = ""
    leaves: tuple[str, ...] = ()
    ends: bool = False

    def lines(self) -> list[str]:
        """The finding for a reader."""
        told = [f"{self.mark} {self.step:<{_COLUMN}}{printable(self.seen)}"]
        parts = {"leaves open": textwrap.wrap(", ".join(self.leaves), _WIDTH), "write": self.write.splitlines()}
        for name, lines in parts.items():
            names = [name, *[""] * len(lines)]
            told += [f"{'':<{_COLUMN + 2}}{name:<13}{neutral(line)}" for name, line in zip(names, lines, strict=False)]
        return told


def exit_code(findings: list[Finding]) -> ExitCode:
    """What findings amount to: something is wrong, a row that binds stays open, or all is well."""
    if any(each.mark is Mark.WRONG for each in findings):
        return ExitCode.FAILED
    left = {row for each in findings for row in each.leaves if catalogue()[row].level == "MUST"}
    return ExitCode.INCONCLUSIVE if left else ExitCode.PASSED


class Examination:
    """The steps that are taken with one target; those that submit tasks only where that is `paid` for."""

    def __init__(self, run: Run, *, paid: bool) -> None:
        self._run = run
        self._profile = run.order.profile
        self._client = run.client
        self._paid = paid
        self._story = run.journal.begin_story("an examination", ())
        self._answered: Exchange | None = None
        self._look = Look(self._profile, run.order.contract, run.journal)

    @cached_property
    def _better(self) -> Seen:
        """What the target shows to whoever tries other settings, too."""
        return self._look.take()

    def findings(self) -> Iterator[Finding]:
        """What each step finds, as soon as it does."""
        steps: list[Callable[[], Iterator[Finding]]] = [self._way, self._api, self._keys, self._routes]
        steps += [self._accounts, self._ears, self._limits, self._states]
        for step in steps:
            for finding in step():
                yield finding
                if finding.ends:
                    return

    # the way there

    def _way(self) -> Iterator[Finding]:
        """The name, a connection, and how it is secured."""
        url, parts = self._profile.base_url, urlsplit(self._profile.base_url)
        try:
            known = addresses(url)
        except OSError as error:
            yield _wrong("address", f"{parts.hostname} has none: {error}", example("base_url"), ends=True)
            return
        yield _good("address", f"{parts.hostname} is {', '.join(known[:3])}{' and others' if len(known) > 3 else ''}")  # noqa: PLR2004
        try:
            yield _good("connection", f"by TCP within {_time(knock(url, _WITHIN))}")
        except OSError as error:
            yield _wrong("connection", f"none: {error}; check base_url and that the service is up", ends=True)
            return
        yield self._secured() if parts.scheme == "https" else _unsecured(parts.hostname or "")

    def _secured(self) -> Finding:
        try:
            found = security(self._profile.base_url, _WITHIN, self._profile.ca_bundle)
        except ssl.SSLCertVerificationError as error:
            seen = f"its certificate is not valid: {error.verify_message}"
            return _wrong("TLS", seen, example("ca_bundle"), ends=True)
        except OSError as error:
            return _wrong("TLS", f"none: {error}; is this an http:// address?", ends=True)
        mark = Mark.GOOD if found.days > _FEW_DAYS else Mark.NOTE
        seen = f"{found.version}; its certificate is valid for {found.days:.0f} days"
        return Finding(mark=mark, step="TLS", seen=seen)

    # what answers

    def _api(self) -> Iterator[Finding]:
        """Whether what answers there is such an API, in the way that the profile has it."""
        self._answered = self._query(OWNER)
        grade, base_url = self._look.grade(self._answered), self._profile.base_url
        took = _time(self._answered.took)
        if grade is Grade.FOUND:
            yield _good("API", f"an unknown task is not found, as documented, within {took}")
            return
        better = self._better
        if better.grade.outdoes(grade):
            seen = f"{_told(self._answered)}, but it answers as documented with other settings"
            yield _wrong("API", seen, _settings(better.settings), ends=True)
        elif grade is Grade.REFUSED:
            write = f"export {self._profile.owner.env}='<the key>'"
            yield _wrong("owner key", f"refused in both headers, it is in {self._profile.owner.env}", write, ends=True)
        elif grade is Grade.SILENT:
            seen = f"{better.trouble}; check base_url (does it end in /v1?) and [paths]"
            yield _wrong("API", seen, f"{example('base_url')}\n{example('paths.query')}", ends=True)
        elif grade is Grade.INVALID:
            yield _note("API", f"an id of the documented shape is invalid at {base_url} (R5)")
        else:
            yield _wrong(
                "API", f"a query for an unknown task is answered with {_told(self._answered)}, not as documented"
            )

    def _keys(self) -> Iterator[Finding]:
        """Each key is accepted, or refused, as it should be."""
        yield _good("owner key", f"{self._profile.owner.env} is accepted")
        for role in self._profile.others:
            yield self._accepted(role)
        if REVOKED in self._profile.keys:
            yield self._refused("revoked key", self._query(REVOKED))
        [*_, bare] = self._client.cancel(
            self._story,
            OWNER,
            Call(path=self._run.unknown_task_id()),
            credential=self._client.strangers[f"{NOBODY}:none"],
        )
        yield self._refused("no key", bare)
        missing = {"other": not self._profile.others, REVOKED: REVOKED not in self._profile.keys}
        for role, capability in _KEYS.items():
            if missing[role]:
                write = written(f"keys.{role}.env", f"STAGING_{role.upper()}_KEY")
                yield self._open(f"{role} key", "the profile names none", write, capability)

    def _accepted(self, role: str) -> Finding:
        env, account = self._profile.keys[role].env, self._profile.account_of(role)
        exchange = self._query(role)
        if self._look.grade(exchange) > Grade.REFUSED:
            return _good(f"{role} key", f"{env} is accepted; the profile says that its account is {account!r}")
        return _wrong(f"{role} key", f"{env} is not accepted: {_told(exchange)}", f"export {env}='<the key>'")

    def _refused(self, step: str, exchange: Exchange) -> Finding:
        if exchange.answer is not None and exchange.answer.status == _REFUSED:
            return _good(step, f"refused with {_REFUSED}, as it should be")
        return _wrong(step, f"should be refused with {_REFUSED}: {_told(exchange)}")

    def _routes(self) -> Iterator[Finding]:
        """Cancel in its three forms, each of a task that nobody has."""
        unknown = self._run.unknown_task_id()
        forms = {
            "path": Call(path=unknown),
            "task_id": Call(body={"task_id": unknown}),
            "out_task_id": Call(body={"out_task_id": "nobody-has-this"}),
        }
        for name, call in forms.items():
            [*_, exchange] = self._client.cancel(self._story, OWNER, call)
            yield self._route(f"cancel, {name}", exchange)

    def _route(self, step: str, exchange: Exchange) -> Finding:
        if self._look.grade(exchange) < Grade.INVALID:
            write = _settings(self._better.settings) or example("paths.cancel_task")
            return _wrong(step, f"an unknown task should be 404 task_not_found: {_told(exchange)}", write)
        place_, codes = self._profile.errors.code, self._codes()
        found = place_of(exchange.answer.document, codes) if exchange.answer else None
        if found != place_:
            return _wrong(step, f"the code stands at {found}, not at {place_} (R12)", written("errors.code", found))
        found_none = "an unknown task is not found, as documented"
        return _good(step, found_none if self._look.grade(exchange) is Grade.FOUND else "refused as invalid (R5)")

    def _codes(self) -> set[str]:
        return {code for documented in self._run.terms.refusals.values() for code in documented.codes}

    # what a run is told beside

    def _accounts(self) -> Iterator[Finding]:
        """Where the credits left are told, if anywhere (R16)."""
        account, answer = self._profile.account, self._answered.answer if self._answered else None
        header = account.header or self._run.order.contract.balance_header or ""
        told = answer.header(header) if answer else None
        shown = self._document() if account.url else None
        places = {f"in the header {header}": told, f"at {account.url}": shown}
        for place_, value in places.items():
            if value is not None:
                yield _good("credits left", f"told {place_}: {value[:40]}")
        if told is None and shown is None:
            found = {name: value for name, value in self._better.settings.items() if name.startswith("account.")}
            write = _settings(found) or f"{example('account')}\nor\n{_absence(Capability.ACCOUNTING)}"
            yield self._open(
                "credits left",
                "told in no refusal; a run looks at what is said of tasks, too",
                write,
                Capability.ACCOUNTING,
            )
        elif (account.header and told is None) or (account.url and shown is None):
            silent = next(place_ for place_, value in places.items() if value is None)
            yield _note("credits left", f"nothing is told {silent}, which [account] names")

    def _document(self) -> str | None:
        """The credits left as the account's document tells them."""
        [*_, exchange] = self._client.account(self._story, OWNER, self._profile.account.url or "")
        document = exchange.answer.document if exchange.answer and exchange.answer.status in _SUCCESSES else None
        found = pointed(document, self._profile.account.pointer or "")
        return str(found) if isinstance(found, int | Decimal | str) and not isinstance(found, bool) else None

    def _ears(self) -> Iterator[Finding]:
        """Whether the target could call us."""
        if self._profile.absent_reason(Capability.CALLBACK) is not None:
            return
        try:
            where = place(self._profile)
        except Deaf:
            seen = "the target is on another machine, and the profile does not say how it reaches this one"
            yield self._open("callbacks", seen, example("callback"), Capability.CALLBACK)
        else:
            yield _good("callbacks", f"the target is to call {where.url or 'this machine, on its loopback'}")

    def _limits(self) -> Iterator[Finding]:
        """Whether a run has time and a budget, and is told what it may be certain of."""
        limits, budget = self._profile.limits, self._profile.budget
        took = self._answered.took if self._answered else 0.0
        seen = f"{limits.in_flight} requests at once, {limits.timeout:g} s for each; one answer took {_time(took)}"
        if took * _SLOW > limits.timeout:
            write = written("limits.timeout", float(max(1, round(took * _SLOW * 2))))
            yield _note("limits", f"{seen}: that is tight", write)
        else:
            yield _good("limits", seen)
        if budget.tasks is None and budget.credits is None:
            yield _note("budget", "none: nothing bounds what a run may submit but its depth", example("budget"))
        else:
            most = {"tasks": budget.tasks, "credits": budget.credits}
            yield _good("budget", ", ".join(f"{value} {name}" for name, value in most.items() if value is not None))
        for state in sorted(LIVE):
            way = self._profile.states.get(state)
            if way is None or way.holds is None:
                seen = f"nothing says how long a {state} task surely lasts; less can be decided about such tasks (R25)"
                yield _note("certainty", seen, example(f"states.{state}.holds"))

    # the states, which cost

    def _states(self) -> Iterator[Finding]:
        """Bring a task into each state, and end those that live."""
        if not self._paid:
            yield _note("states", "left out, as asked for; nothing was submitted")
            return
        absent = [state for state, capability in _CAPABILITIES.items() if self._profile.absent_reason(capability)]
        wanted = [state for state in _IN_ORDER if state not in absent]
        yield _note("states", _cost(self._profile, wanted))
        for state in absent:
            yield self._open(f"{state} task", "", "", _CAPABILITIES[state])
        yield from Visits(self._run, self._story).findings(wanted)

    def _query(self, role: str) -> Exchange:
        [*_, exchange] = self._client.query(self._story, role, "task_id", self._run.unknown_task_id())
        return exchange

    def _open(self, step: str, seen: str, write: str, capability: Capability) -> Finding:
        """Something that is missing, and the rows that need it; where the profile says so, in its words."""
        reason = self._profile.absent_reason(capability)
        if reason is not None:
            seen, write = f"not there, as the profile says: {reason}", ""
        return Finding(mark=Mark.OPEN, step=step, seen=seen, write=write, leaves=needing(capability))


class Visits:
    """Tasks on their way into the states, all at once, each told of as it gets there."""

    def __init__(self, run: Run, story: int) -> None:
        self._run = run
        self._story = story
        self._profile = run.order.profile
        self._under_way: dict[State, tuple[Stage, float]] = {}
        self._strange: set[str] = set()
        self._lived = False

    def findings(self, states: Sequence[State]) -> Iterator[Finding]:
        """What becomes of one task for each of the states, the slow ones sent on their way first."""
        pause = _FIRST_PAUSE
        for state in states:
            yield from self._begin(state)
        while self._under_way:
            for state in reversed(list(self._under_way)):
                yield from self._glance(state)
            time.sleep(pause if self._under_way else 0.0)
            pause = min(pause * _SLOWER, _LONGEST_PAUSE)
        if not self._lived:
            seen = "none could be had, and without them nothing is proven: a refusal counts where others are accepted"
            yield Finding(mark=Mark.OPEN, step="live tasks", seen=seen, leaves=tuple(catalogue()))

    def _begin(self, state: State) -> Iterator[Finding]:
        way = self._profile.states.get(state)
        if way is not None and way.tasks:
            yield from (self._fixed(state, task_id) for task_id in way.tasks)
            return
        since = time.monotonic()
        try:
            stage = self._run.provision.submit(self._story, state)
        except OutOfReach as error:
            spent = isinstance(error.__cause__, BudgetSpent)
            yield self._missed(state, str(error), example("budget") if spent else _another_body(state))
        else:
            self._under_way[state] = (stage, stage.task.submitted_at or since)

    def _glance(self, state: State) -> Iterator[Finding]:
        stage, since = self._under_way[state]
        try:
            there, why = self._run.provision.look(self._story, stage, since), ""
        except OutOfReach as error:
            there, why = False, str(error)
        yield from self._words(stage.exchanges[-1])
        meant = self._meant(stage.exchanges[-1])
        if meant is None and not why and (word := status_in(stage.exchanges[-1])):
            why = f"a task that was to be {state} was seen {word!r}, and nobody knows what that means"
        if there or (meant is state and not why):
            del self._under_way[state]
            yield from self._reached(state, stage, stage.exchanges[-1].ended_at - since)
        elif why or meant in TERMINAL or (state is State.PENDING and meant is State.RUNNING):
            del self._under_way[state]
            yield from self._broken_promise(state, meant, stage.exchanges[-1].ended_at - since)
            why = why or f"a task that was to be {state} was seen {meant} instead"
            yield self._missed(state, why, _another_body(state))

    def _broken_promise(self, state: State, meant: State | None, age: float) -> Iterator[Finding]:
        """A task that has left its state before the profile says that it surely may (R25)."""
        way = self._profile.states.get(state)
        if way is not None and way.holds is not None and meant not in {None, state} and age < way.holds:
            seen = f"[states.{state}] holds = {way.holds:g} is not so: a task was {meant} after {_time(age)} (R25)"
            yield _wrong("certainty", seen, written(f"states.{state}.holds", 0.0))

    def _reached(self, state: State, stage: Stage, took: float) -> Iterator[Finding]:
        step, seen, last = f"{state} task", f"seen within {_time(took)}", stage.exchanges[-1]
        if state in LIVE:
            self._lived = True
            last = self._run.sweeper.end(self._story, stage.task)[-1]
            yield from self._words(last)
            if self._meant(last) not in TERMINAL:
                yield _wrong(step, f"{seen}; its cancel does not end it: {_told(last)}")
                return
            seen = f"{seen}; its cancel showed {status_in(last)}"
        self._run.saw_end(stage.task.task_id, last)
        yield _good(step, f"{seen}; {_charged(last)}")

    def _meant(self, exchange: Exchange) -> State | None:
        """The state that an answer shows, by the profile's words, else by what such a word usually means."""
        word = status_in(exchange)
        return None if word is None else self._run.terms.states.get(word) or state_like(word)

    def _words(self, exchange: Exchange) -> Iterator[Finding]:
        """Tell of each word for a state that the profile does not have, once."""
        word = status_in(exchange)
        if word is None or word in self._run.terms.states or word in self._strange:
            return
        self._strange.add(word)
        meant = state_like(word)
        write = written(f"state_names.{meant or State.PENDING}", word)
        doubt = "" if meant else ", and which may be any of the five"
        yield _wrong("state names", f"an answer shows a state {word!r}, which the profile does not name{doubt}", write)

    def _missed(self, state: State, why: str, write: str) -> Finding:
        """A state that no task got into; beside what is to be written for it, a profile may say that there is none."""
        if state not in _CAPABILITIES:
            return Finding(mark=Mark.OPEN, step=f"{state} task", seen=why, write=write, leaves=_PENDING_ROWS)
        capability = _CAPABILITIES[state]
        write = f"{write}\nor\n{_absence(capability)}"
        return Finding(mark=Mark.OPEN, step=f"{state} task", seen=why, write=write, leaves=needing(capability))

    def _fixed(self, state: State, task_id: str) -> Finding:
        [*_, exchange] = self._run.client.query(self._story, OWNER, "task_id", task_id)
        word = status_in(exchange)
        if word is not None and self._run.terms.states.get(word) is state:
            return _good(f"{state} task", f"{task_id} is {word}")
        write = written(f"states.{state}.tasks", [f"<the id of a {state} task>"])
        return self._missed(state, f"{task_id} of the profile is not {state}: {_told(exchange)}", write)


def examine(run: Run, *, paid: bool, tell: Callable[[str], object]) -> ExitCode:
    """Take all steps, tell of each, and end whatever they have begun; what it amounts to."""
    found: list[Finding] = []
    whole = False
    try:
        for finding in Examination(run, paid=paid).findings():
            found.append(finding)
            tell("\n".join(finding.lines()))
        whole = True
    except KeyboardInterrupt:
        tell("interrupted")
    finally:
        for finding in _ended(run):
            found.append(finding)
            tell("\n".join(finding.lines()))
        run.close()
    code = exit_code(found)
    return ExitCode.INCONCLUSIVE if code is ExitCode.PASSED and not whole else code


def _ended(run: Run) -> Iterator[Finding]:
    """What is left of what was begun."""
    left = run.sweep()
    if left:
        write = f"cancel-conformance sweep {run.journal.path}"
        yield _wrong("the end", f"{left} tasks may still be running", write)
    elif run.budget.tasks:
        yield _good(
            "the end", f"{run.budget.tasks} tasks were submitted and have ended; {run.budget.credits:f} credits"
        )


def _cost(profile: Profile, states: Sequence[State]) -> str:
    """What the tasks of these states may cost, by what the profile says of their prices."""
    ways = {state: profile.states.get(state) for state in states}
    made = {state: way for state, way in ways.items() if not (way and (way.tasks or way.hook))}
    prices = [_price(state, way) for state, way in made.items()]
    total = f"at most {sum(filter(None, prices), Decimal(0)):f} credits"
    if None in prices:
        total = "a price that nobody knows; write credits = … below [states.running] and [states.completed]"
    return f"{len(made)} tasks are submitted now, for {total}; --free leaves this out"


def _price(state: State, way: Way | None) -> Decimal | None:
    if way is not None and way.credits is not None:
        return way.credits
    return None if state in _BILLED else Decimal(0)


def _good(step: str, seen: str) -> Finding:
    return Finding(mark=Mark.GOOD, step=step, seen=seen)


def _note(step: str, seen: str, write: str = "") -> Finding:
    return Finding(mark=Mark.NOTE, step=step, seen=seen, write=write)


def _wrong(step: str, seen: str, write: str = "", *, ends: bool = False) -> Finding:
    return Finding(mark=Mark.WRONG, step=step, seen=seen, write=write, ends=ends)


def _unsecured(host: str) -> Finding:
    if is_loopback(host):
        return _good("TLS", "none, and the target is on this machine")
    return _note("TLS", "none: keys go over the network in the clear", example("base_url"))


def _another_body(state: State) -> str:
    return written(f"states.{state}.submit", {"model": "<one of the target's>", "params": {"prompt": "a paper boat"}})


def _absence(capability: Capability) -> str:
    return written("absent", [{"capability": capability.value, "reason": "<why>"}])


def _settings(seen: Mapping[str, Any]) -> str:
    """The lines that give each of some settings its value."""
    return "\n".join(written(name, value) for name, value in seen.items())


def _told(exchange: Exchange) -> str:
    """What came back, in a few words."""
    if exchange.answer is None:
        return f"no answer ({exchange.lost})"
    text = exchange.answer.content[:_LONGEST].decode(errors="replace")
    return f"{exchange.answer.status} {text}{'…' if len(exchange.answer.content) > _LONGEST else ''}"


def _charged(exchange: Exchange) -> str:
    cost = charge(exchange.answer.document if exchange.answer else None)
    return "no charge" if not cost else f"{cost:f} credits"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
