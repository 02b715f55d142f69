"""One run: what it judges, with what, and everything that its stories share."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import conformance
from conformance.account import LEDGER, noise
from conformance.checks import judgements
from conformance.exchange import ABSENT, Answer, Exchange, Form
from conformance.lawful import Task
from conformance.requirements import catalogue
from conformance.states import TERMINAL, State
from conformance.story import Story
from conformance.target.budget import Budget
from conformance.target.call import Call, by
from conformance.target.client import Client
from conformance.target.ears import Ears
from conformance.target.profile import Capability
from conformance.target.provision import OutOfReach, Provision
from conformance.verdict import Judgement, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from conformance.contract import Contract
    from conformance.depth import Depth
    from conformance.journal import Journal
    from conformance.target.profile import Profile
    from conformance.teller import Telling

_ULID: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_FEW: Final = 12
_LEDGER_AIMS: Final = ("BILL-9",)
_KEY_REFUSED: Final = (401, 403)
_OVER: Final = (200, 404)
_SURELY_PENDING: Final = 10.0
_SILENT_STORIES: Final = 3
_ROUNDS: Final = 2
_IDLE: Final = 0.2
"""How many seconds nothing of ours happens, at the least, between two readings of an account."""


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
    """The parts of one run, made once and shared by all of its stories."""

    def __init__(self, order: Order, journal: Journal) -> None:
        self.order = order
        self.journal = journal
        profile = order.profile
        terms = terms_notes(profile)
        self.terms = order.contract.terms(**terms)
        self.client = Client(profile, order.contract, journal)
        self.ears = Ears(profile, self.client, journal, self.cannot_show)
        journal.mask = self.client.mask.text
        self.budget = Budget(most_tasks=profile.budget.tasks, most_credits=profile.budget.credits)
        self.provision = Provision(
            profile=profile,
            contract=order.contract,
            client=self.client,
            journal=journal,
            budget=self.budget,
            terms=self.terms,
            saw_end=self.saw_end,
        )
        self.tellings: list[Telling] = []
        self.silence = ""
        """Why nothing could be learned at all."""
        self.fell_silent = ""
        """Why nothing more could be learned."""
        self._silent_stories = 0
        self.account_url, self.account_header = profile.account.url, profile.account.header
        self._ledger_story = journal.begin_story(LEDGER, _LEDGER_AIMS, alone=True)
        self._ledger: list[Exchange] = []
        self._ends: dict[str, Exchange] = {}
        self._write_down(terms)

    def begin(self) -> None:
        """Ask for a sign of life, and start the slow tasks on their way.

        Raises:
            Unreachable: nothing can be learned from this target.
        """
        story = self.journal.begin_story("a sign of life", ())
        [*_, exchange] = self.client.query(story, "owner", "task_id", self.unknown_task_id())
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
        self._find_the_account(exchange.answer)
        self.read_accounts()
        self.provision.order(self.order.depth.shared)

    def _cancels_speak_json(self, story: int) -> bool:
        """Whether the endpoint under test, at least, answers in JSON."""
        [*_, exchange] = self.client.cancel(story, "owner", Call(path=self.unknown_task_id()))
        return exchange.answer is not None and isinstance(exchange.answer.document, dict)

    def _find_the_account(self, answer: Answer) -> None:
        """Where the profile names no place for the credits left, take the documented header, if it is there (R16)."""
        header = self.order.contract.balance_header
        if self.account_url is None and self.account_header is None and header is not None and answer.header(header):
            self.account_header = header
            self.terms = replace(self.terms, balance_header=header)
            self.journal.note("terms", {**terms_notes(self.order.profile), "balance_header": header})
        if self.account_url is None and self.account_header is None:
            reason = "the target shows no balance: its answers lack the documented header, and [account] names none"
            self.cannot_show(Capability.ACCOUNTING, reason)

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

    def worth_another_look(self) -> list[Telling]:
        """The stories to look at again, as many as the depth has it, once every task in them is past its natural end.

        This is the one wait that all stories share. Those that have just ended are left out, if there are others.
        """
        watch, now = self.order.depth.watch, time.monotonic()
        first = [each for each in self.tellings if each.lingers or each.watched_until or each.is_listening]
        others = [telling for telling in self.tellings if telling not in first]
        looks = max(1, self.order.depth.looks - len(first))
        ended = [telling for telling in others if telling.alone_until + watch < now]
        rest = ended if len(ended) >= looks else others
        step = max(1, len(rest) // looks)
        chosen = [*first, *rest[::step]][: max(len(first), self.order.depth.looks)]
        until = max(
            (max(each.watched_until, each.listens_until(), each.alone_until + watch) for each in chosen), default=now
        )
        self.read_accounts()
        time.sleep(max(_IDLE, until - now))
        self.read_accounts()
        return chosen

    def saw_end(self, task_id: str, exchange: Exchange) -> None:
        """An exchange showed that a task has ended."""
        self.journal.end_task(task_id)
        self._ends.setdefault(task_id, exchange)

    def read_accounts(self) -> None:
        """Read every account that can be read, for the sum over the whole run."""
        for role in ("owner", *self.order.profile.others):
            if self.account_url is not None:
                self._ledger += self.client.account(self._ledger_story, role, self.account_url)
            if self.account_header is not None:
                unknown = self.unknown_task_id()
                self._ledger += self.client.query(self._ledger_story, role, "task_id", unknown)

    def close_accounts(self) -> list[Judgement]:
        """Judge the account over the whole run: what broke. Others' movements are written down as noise."""
        tasks = [task for task in self.journal.task_records() if task.submitted_at is not None]
        for task in tasks:
            self.journal.cast(self._ledger_story, task)
        others = {each.number: each for each in (*self._ends.values(), *self.journal.unheard_submits())}
        for number in others:
            self.journal.retell(self._ledger_story, number)
        story = Story(tasks, [*self._ledger, *others.values()], self.terms, LEDGER, alone=True)
        if moved := noise(story):
            self.journal.note("noise", moved)
        found = list(judgements(story, [row for row in self.order.only if row in _LEDGER_AIMS]))
        self.journal.judge(self._ledger_story, found, ())
        return [judgement for judgement in found if judgement.outcome is Outcome.BROKEN and not moved]

    def is_quiet(self) -> bool:
        """Wait until no known task of the run can move an account by itself any more; whether that is so."""
        self.provision.settle()
        for task in self.journal.live_tasks():
            if task.pending_until < time.monotonic() + _SURELY_PENDING:
                telling = next((each for each in self.tellings if task.task_id in each.lingers), None)
                if telling is not None:
                    telling.end(task)
                else:
                    self.end(self.journal.begin_story("made quiet", ()), task)
        self.provision.unheard[:] = [task for task in self.provision.unheard if not self._is_over(task)]
        live = self.journal.live_tasks()
        return all(task.pending_until > time.monotonic() for task in live)

    def _is_over(self, unheard: Task) -> bool:
        """Cancel a task that there may be, by its own name; whether there is certainly none in flight any more."""
        if unheard.out_task_id is None:
            return False
        story = self.journal.begin_story("made quiet", ())
        [*_, told] = self._cancel_unheard(story, unheard.role, unheard.out_task_id)
        return told.answer is not None and told.answer.status in _OVER

    def _cancel_unheard(self, story: int, role: str, out_task_id: str) -> list[Exchange]:
        return self.client.cancel(story, role, Call(body={"out_task_id": out_task_id}))

    def sweep(self) -> int:
        """Cancel every task of the run that was never seen to be terminal, or never seen at all; how many are left."""
        story, self.client.unanswered = self.journal.begin_story("nothing is left running", ()), 0
        left = self.journal.live_tasks()
        for _ in range(_ROUNDS):
            left = [task for task in left if not self.client.asks_in_vain and self.end(story, task)[-1].unavailable]
        unheard = {(each.request.role, each.request.named.out_task_id) for each in self.journal.unheard_submits()}
        for role, out_task_id in unheard:
            if isinstance(out_task_id, str) and not self.client.asks_in_vain:
                self._cancel_unheard(story, role, out_task_id)
        return len(self.journal.live_tasks())

    def end(self, story: int, task: Task) -> list[Exchange]:
        """Cancel one task, in the first form that works; every attempt that it took."""
        attempts: list[Exchange] = []
        for form in (Form.PATH, Form.OUT_TASK_ID):
            attempts += self.client.cancel(story, task.role, by(form, task))
            for exchange in attempts:
                shown = exchange.answer.document if exchange.answer and exchange.answer.status == 200 else ABSENT  # noqa: PLR2004
                name = shown.get("status") if isinstance(shown, dict) else None
                if isinstance(name, str) and self.terms.states.get(name) in TERMINAL:
                    self.saw_end(task.task_id, exchange)
                    return attempts
        return attempts

    def close(self) -> None:
        """Write down that the run came to its end, and close what it held."""
        self.journal.note("ended", time.time())
        self.journal.note("tasks", self.budget.tasks)
        self.journal.note("credits", str(self.budget.credits))
        self.ears.close()
        self.client.close()

    def _write_down(self, terms: dict[str, Any]) -> None:
        order = self.order
        for key, value in {
            "suite": conformance.__version__,
            "started": time.time(),
            "clock": time.monotonic(),
            "target": order.profile.public(),
            "name": order.profile.name or order.profile.base_url,
            "base_url": order.profile.base_url,
            "contract": order.contract.text,
            "contract_source": order.contract.source,
            "contract_sha256": order.contract.digest,
            "depth": order.depth.name,
            "seed": order.seed,
            "only": list(order.only),
            "terms": terms,
            "not_observable": not_observable(order.profile),
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
        "notice": profile.limits.notice,
    }


def not_observable(profile: Profile) -> dict[str, str]:
    """The rows that the target cannot show, each with what its profile says of that."""
    absent = {each.capability.value: each.reason for each in profile.absent}
    return {row.id: f"{need}: {absent[need]}" for row in catalogue().values() for need in row.needs if need in absent}
