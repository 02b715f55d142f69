"""One run: what it judges, with what, and everything that its stories share."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import conformance
from conformance.account import LEDGER, charge, noise, readings
from conformance.checks import judgements
from conformance.exchange import Answer, Exchange, task_told, unheard
from conformance.journal import MAIN, Journal, Kept
from conformance.lawful import Task
from conformance.payers import Payers
from conformance.requirements import catalogue, catalogue_digest
from conformance.states import ENDS_BY_ITSELF, State
from conformance.sweeping import Sweeper
from conformance.target.abreast import abreast
from conformance.target.budget import Budget
from conformance.target.call import Call
from conformance.target.client import Client
from conformance.target.distance import NEAR, soonest
from conformance.target.ears import Ears
from conformance.target.profile import OWNER
from conformance.target.provision import OutOfReach, Provision
from conformance.target.tables import Capability
from conformance.verdict import Judgement, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from conformance.contract import Contract
    from conformance.depth import Depth
    from conformance.target.profile import Profile
    from conformance.teller import Telling

_ULID: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_FEW: Final = 12
_LEDGER_AIMS: Final = ("BILL-9",)
_ENVELOPE: Final = "ERR-2"
"""The row that is about the documented envelope, and about no other."""

_KEY_REFUSED: Final = (401, 403)
_ONLY_OF_TASKS: Final = "only answers about tasks tell the credits left"
_SILENT_STORIES: Final = 3


@dataclass(frozen=True, kw_only=True)
class Order:
    """What was asked for: the target, the contract, the depth, the rows, the seed, and where the results go.

    The rows that are judged are in `only`; the stories that are told aim at the rows in `told`.
    """

    profile: Profile
    contract: Contract
    depth: Depth
    only: tuple[str, ...]
    told: tuple[str, ...]
    seed: int
    report_dir: Path


class Unreachable(Exception):
    """The target gives no sign of life, or is no such API; the text says which, and what to look at."""


class Run:
    """The parts of one run, made once in each of its processes and shared by all stories told there."""

    def __init__(self, order: Order, journal: Journal) -> None:
        self.order = order
        self.journal = journal
        self.pool = journal.pool
        profile = order.profile
        self.terms = order.contract.terms(**terms_notes(profile))
        self.client = Client(profile, order.contract, journal)
        self.ears = Ears(profile, self.client, journal, self.cannot_show)
        journal.mask = self.client.mask.text
        self.client.count_streams = self.ears.count_streams
        self.budget = Budget(self.pool, most_tasks=profile.budget.tasks, most_credits=profile.budget.credits)
        self.provision = Provision(
            profile=profile,
            contract=order.contract,
            client=self.client,
            journal=journal,
            budget=self.budget,
            terms=self.terms,
            saw_end=self.saw_end,
        )
        self.sweeper = Sweeper(
            journal=journal,
            client=self.client,
            terms=self.terms,
            saw_end=self.saw_end,
        )
        self.silence = ""
        """Why nothing could be learned at all."""
        self.fell_silent = ""
        """Why nothing more could be learned."""
        self._silent_stories = 0
        self.listening: dict[int, Telling] = {}
        """The stories told in this process that still listen to a stream or at a URL, by their numbers."""
        self.account_url, self.account_header = profile.account.url, profile.account.header
        self.ledger = 0
        """The story of the account over the whole run."""
        self.payers = Payers(self)
        self._ends: dict[str, Decimal | None] = {}
        self._settled: dict[str, str] = {}
        if journal.teller == MAIN:
            self._write_down()

    @property
    def breadth(self) -> int:
        """How many requests of one story are sent side by side, where they do not depend on one another."""
        return self.sweeper.breadth

    def begin(self) -> None:
        """Ask for a sign of life, and start the slow tasks on their way.

        Raises:
            Unreachable: nothing can be learned from this target.
        """
        self.ledger = self.journal.begin_story(LEDGER, _LEDGER_AIMS, alone=True)
        self.pool.learn("ledger", self.ledger)
        story = self.journal.begin_story("a sign of life", ())
        exchange = soonest(lambda: self.client.query(story, "owner", "task_id", self.unknown_task_id())[-1])
        base = self.order.profile.base_url
        if exchange.answer is None:
            raise Unreachable(f"{base} does not answer ({exchange.lost}); check base_url and that the service is up")
        if not isinstance(exchange.answer.document, dict) and not self._cancels_speak_json(story):
            kind = exchange.answer.header("content-type") or "no content type"
            raise Unreachable(
                f"{exchange.request.url} answered {exchange.answer.status} with {kind!r:.60} where JSON was wanted;"
                " check base_url (does it end in /v1?) and [paths]"
            )
        if exchange.answer.status in _KEY_REFUSED:
            variable = self.order.profile.owner.env
            raise Unreachable(
                f"{base} refuses the owner's key, which is in {variable}: {exchange.answer.status};"
                f" check {variable} and [auth] header"
            )
        self._find_the_account([exchange.answer])
        self.pool.learn(
            _ONLY_OF_TASKS, self.account_header is None or exchange.answer.header(self.account_header) is None
        )
        self.sweeper.breadth = 1 if exchange.took < NEAR else self.order.profile.limits.in_flight
        self.pool.learn("breadth", self.breadth)
        self.read_accounts()
        self.provision.order(self.order.depth.shared, self.order.depth.paid)
        self._find_the_account(each.answer for each in self.journal.submits() if task_told(each.answer))
        if not self.tells_credits:
            reason = "the target shows no balance: its answers lack the documented header, and [account] names none"
            self.cannot_show(Capability.ACCOUNTING, reason)
        self.payers.choose()

    def join(self) -> None:
        """Take part in a run that another process has begun."""
        self.ledger, self.sweeper.breadth = self.pool.learned("ledger"), self.pool.learned("breadth")
        self._use_header(self.journal.notes()["terms"]["balance_header"])
        self.provision.join()

    def _cancels_speak_json(self, story: int) -> bool:
        """Whether the endpoint under test, at least, answers in JSON."""
        [*_, exchange] = self.client.cancel(story, "owner", Call(path=self.unknown_task_id()))
        return exchange.answer is not None and isinstance(exchange.answer.document, dict)

    def _find_the_account(self, answers: Iterable[Answer | None]) -> None:
        """Where the profile names no place for the credits left, take the documented header, if it is there (R16)."""
        header = self.order.contract.balance_header
        if self.tells_credits or header is None:
            return
        if any(answer and answer.header(header) is not None for answer in answers):
            self._use_header(header)
            self.journal.note("terms", {**terms_notes(self.order.profile), "balance_header": header})

    def cannot_show(self, capability: Capability, reason: str) -> None:
        """Write down what the target turned out to lack; what its profile says of that goes before."""
        unseen = {row.id: reason for row in catalogue().values() if capability in row.needs}
        self.journal.note("not_observable", unseen | self.journal.notes()["not_observable"])

    def expect_life(self) -> None:
        """After several stories in a row without any answer, ask for a sign of life before another one is told.

        Raises:
            OutOfReach: there was none, now or before.
        """
        if self._silent_stories >= _SILENT_STORIES and not self.fell_silent:
            self.client.unanswered = 0
            story = self.journal.begin_story("a sign of life", ())
            [*_, exchange] = self.client.query(story, "owner", "task_id", self.unknown_task_id())
            self._silent_stories = 0
            if exchange.answer is None:
                self.fell_silent = f"{self.order.profile.base_url} no longer answers ({exchange.lost})"
                self.journal.note("fell_silent", self.fell_silent)
                self.journal.obstacle(self.order.only, self.fell_silent)
        if self.fell_silent:
            raise OutOfReach(self.fell_silent)

    def told(self, asked: int) -> None:
        """A story of so many exchanges was told: count how many in a row had no answer."""
        self._silent_stories = self._silent_stories + 1 if 0 < asked <= self.client.unanswered else 0

    def _use_header(self, header: str | None) -> None:
        self.account_header = header
        self.terms = replace(self.terms, balance_header=header)

    def unknown_task_id(self, like: str | None = None) -> str:
        """A well-formed task id that names nothing: of the shape of `like`, else of the documented shape."""
        prefix, separator, rest = (like or "").rpartition("_")
        if sum(map(str.isalnum, rest)) < _FEW or not rest.isascii():
            return "task_0" + "".join(secrets.choice(_ULID) for _ in range(25))
        made = [
            _like(char, rest) if index not in _FIXED.get(len(rest), {0}) else char for index, char in enumerate(rest)
        ]
        return prefix + separator + "".join(made)

    def wanted(self, requirements: Iterable[str]) -> bool:
        """Whether any of the rows is asked for in this run."""
        return bool(set(requirements) & set(self.order.only))

    def worth_another_look(self) -> list[tuple[float, Kept]]:
        """The stories to look at again, as many as the depth has it, with the instant from which that is of use.

        By then every task in them is past its natural end. Those that have just ended are left out, if any others are
        there.
        """
        watch, now = self.order.depth.watch, time.monotonic()
        kept = self.journal.stories_told()
        wanted = {State(task.wanted) for each in kept for task in each.own}
        if any(self.provision.lasted(state) is None for state in wanted & ENDS_BY_ITSELF):
            self.provision.settle()  # how long such tasks last is seen on the shared ones
        due = {each.number: self.watched_until(each.own) for each in kept}
        first = [each for each in kept if each.lingers or due[each.number] or each.is_held]
        numbers = {each.number for each in first}
        others = [each for each in kept if each.number not in numbers]
        looks = max(1, self.order.depth.looks - len(first))
        ended = [each for each in others if each.until + watch < now]
        rest = ended if len(ended) >= looks else others
        step = max(1, len(rest) // looks)
        chosen = [*first, *rest[::step]][: max(len(first), self.order.depth.looks)]
        return [(max(due[each.number], each.until + watch), each) for each in chosen]

    def takes_up(self, story: int) -> bool:
        """Whether it is for this process to go on with a story that was told to its end."""
        return self.journal.take_up(story) or story in self.listening

    def listens_until(self, story: int) -> float:
        """The instant by which a story that listens in this process has surely heard all."""
        return self.listening[story].listens_until() if story in self.listening else 0.0

    def watched_until(self, own: Iterable[Task]) -> float:
        """The instant by which each of the tasks would have ended undisturbed, as far as that is known."""
        due = (self.provision.due(task).due for task in own)
        return max((instant for instant in due if instant is not None), default=0.0)

    def saw_end(self, task_id: str, exchange: Exchange) -> None:
        """An exchange showed that a task has ended, and what it has cost; most are seen so many times."""
        cost = self._cost(exchange.answer.document if exchange.answer else None)
        if task_id in self._ends and cost in {None, self._ends[task_id]}:
            return
        self._ends[task_id] = cost
        self.journal.end_task(task_id, exchange.number)
        if cost is not None:
            self.budget.settle(task_id, cost)

    def _cost(self, document: object) -> Decimal | None:
        """What a task that has ended cost; of one that completed and shows no price nobody knows."""
        shown = document if isinstance(document, dict) else {}
        completed = shown.get("status") == self.order.profile.state_name(State.COMPLETED)
        return None if completed and "credits_used" not in shown else charge(shown)

    @property
    def tells_credits(self) -> bool:
        """Whether it is known where the target tells what is left on an account."""
        return self.account_url is not None or self.account_header is not None

    def read_accounts(self) -> None:
        """Read every account that can be read, for the sum over the whole run."""
        roles = (OWNER, *self.order.profile.others) if self.tells_credits else ()
        abreast([partial(self.read_account, self.ledger, role) for role in roles], self.breadth)

    def read_account(self, story: int, role: str) -> list[Exchange]:
        """Ask what is left on the account of `role`, wherever that is told: every attempt that it took.

        The header is asked for by itself only where the document comes without it.
        """
        asked = [] if self.account_url is None else self.client.account(story, role, self.account_url)
        header, answer = self.account_header, asked[-1].answer if asked else None
        if header is not None and (answer is None or answer.header(header) is None):
            asked += self.client.query(story, role, "task_id", self._asked_for_credits(role))
        return asked

    @property
    def is_restless(self) -> bool:
        """Whether some account moved between the last two times that all were read."""
        read = readings(self.journal.story(self.ledger, self.terms)).values()
        return any(len(series) > 1 and series[-1].credits != series[-2].credits for series in read)

    def _asked_for_credits(self, role: str) -> str:
        """The task id to ask for where only the header is of interest: nobody's, or that of a task long settled.

        Of the latter where answers about nobody's task do not have the header, and such a task is known.
        """
        if not self._settled.get(role) and self.pool.learned(_ONLY_OF_TASKS):
            ended = (task.task_id for task in self.journal.ended_tasks() if task.role == role)
            self._settled[role] = next(ended, "")
        return self._settled.get(role) or self.unknown_task_id()

    def close_accounts(self) -> list[Judgement]:
        """Judge the account over the whole run: what broke. Others' movements are written down as noise."""
        made = {task.task_id: task for task in self.journal.task_records() if task.submitted_at is not None}
        submits = self.journal.submits()
        told = [each for each in submits if task_told(each.answer) in made]
        with self.journal.transaction():
            self.journal.cast(self.ledger, *made.values())
            self.journal.retell(self.ledger, *self.journal.ends())
            self.journal.retell(self.ledger, *(each.number for each in (*told, *unheard(submits))))
        story = self.journal.story(self.ledger, self.terms)
        if moved := noise(story):
            self.journal.note("noise", moved)
        found = list(judgements(story, [row for row in self.order.only if row in _LEDGER_AIMS]))
        self.journal.judge(self.ledger, found, ())
        return [judgement for judgement in found if judgement.outcome is Outcome.BROKEN and not moved]

    def sweep(self) -> int:
        """Cancel every task of the run that was never seen to be terminal, or never seen at all; how many are left."""
        self.journal.bury(self.journal.teller, time.monotonic())  # an interrupt may have left something under way
        return len(self.sweeper.sweep().left)

    def close(self) -> None:
        """Write down that the run came to its end, and close what it held."""
        self.journal.note("ended", time.time())
        self.leave()

    def leave(self) -> None:
        """Close what this process holds of the run."""
        self.ears.close()
        self.client.close()

    def _write_down(self) -> None:
        order = self.order
        for key, value in {
            "suite": conformance.__version__,
            "started": time.time(),
            "clock": time.monotonic(),
            "target": order.profile.public(),
            "name": order.profile.name or order.profile.base_url,
            "base_url": order.profile.base_url,
            "contract": order.contract.text,
            "contract_source": order.contract.name,
            "contract_sha256": order.contract.digest,
            "depth": order.depth.name,
            "seed": order.seed,
            "only": list(order.only),
            "told": list(order.told),
            "catalogue_sha256": catalogue_digest(),
            "terms": terms_notes(order.profile),
            "not_observable": not_observable(order.profile, documented_envelope=self.terms.documented_envelope),
            "known": {each.requirement: each.reason for each in order.profile.known},
            "expires": {each.requirement: each.expires.isoformat() for each in order.profile.known},
        }.items():
            self.journal.note(key, value)


_FIXED: Final[dict[int, set[int]]] = {36: {0, 8, 13, 14, 18, 19, 23}, 32: {0, 12, 16}}
"""Positions in UUIDs that tell their version; elsewhere only the first character is kept, for a ULID's range."""


def _like(char: str, rest: str) -> str:
    same = [other for other in rest if (other.isdigit(), other.isupper()) == (char.isdigit(), char.isupper())]
    return secrets.choice([other for other in same if other.isalnum()]) if char.isalnum() else char


def terms_notes(profile: Profile) -> dict[str, Any]:
    """What of a profile decides how answers are read: enough to judge a journal without it."""
    return {
        "states": {state.value: profile.state_name(state) for state in State},
        "code_at": profile.errors.code,
        "volatile": list(profile.volatile.pointers),
        "balance_header": profile.account.header,
        "balance_pointer": profile.account.pointer,
        "accounts": {role: profile.account_of(role) for role in profile.keys},
        "former_tasks": [former for key in profile.keys.values() for former in key.former_tasks],
        "notice": profile.limits.notice,
    }


def not_observable(profile: Profile, *, documented_envelope: bool) -> dict[str, str]:
    """The rows that the target cannot show, each with what its profile says of that."""
    absent = {each.capability.value: each.reason for each in profile.absent}
    unseen = {row.id: f"{need}: {absent[need]}" for row in catalogue().values() for need in row.needs if need in absent}
    if not documented_envelope:
        unseen[_ENVELOPE] = "errors.code names another place than the documented one (R12)"
    return unseen
