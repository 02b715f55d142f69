"""Ways into each state, through the public API alone: submit, wait, cancel, or what the profile offers instead."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from conformance.account import amount
from conformance.exchange import Exchange, may_hide_a_task
from conformance.lawful import Task
from conformance.states import LIVE, TERMINAL, State
from conformance.target.budget import BudgetSpent
from conformance.target.hook import HookFailed, ask

if TYPE_CHECKING:
    from conformance.contract import Contract
    from conformance.journal import Journal
    from conformance.story import Terms
    from conformance.target.budget import Budget
    from conformance.target.client import Client
    from conformance.target.profile import Profile
    from conformance.target.tables import Hook

AUTO: Final = "\0auto"
"""In place of an `out_task_id`: an ordinary one of our own."""

_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 2.0
_WITHIN: Final = {State.PENDING: 30.0, State.RUNNING: 120.0, State.COMPLETED: 600.0, State.FAILED: 600.0}
_LEAST_WITHIN: Final = 20.0
_LONGER: Final = 20
"""Where the profile names no limit, a task is waited for so many times as long as any of its kind was seen to take."""

_SHARED: Final = (State.COMPLETED, State.FAILED)
_BILLED: Final = (State.RUNNING, State.COMPLETED)
_OVER: Final = 1.2
_ACCEPTED: Final = range(200, 300)


class OutOfReach(Exception):
    """A task could not be brought into the state wanted; the text says why and what would help."""


class NotAccepted(OutOfReach):
    """The target refused the submit; `exchanges` tell how, `proven` whether it took the same body before."""

    def __init__(self, text: str, exchanges: list[Exchange], *, proven: bool) -> None:
        super().__init__(text)
        self.exchanges = exchanges
        self.proven = proven


@dataclass(frozen=True)
class Recipe:
    """How a task gets into `state`: the body to submit, and how long it then holds at the least, in seconds.

    It is waited for `within` so many seconds; none where the profile does not say. The price is none where neither the
    profile nor the target has named one.
    """

    state: State
    body: dict[str, Any] | None
    holds: float | None
    within: float | None
    price: Decimal | None


@dataclass
class Stage:
    """A task in the making, with what was heard of it so far."""

    task: Task
    recipe: Recipe
    exchanges: list[Exchange]
    state: State | None = None
    next_glance: float = 0.0

    @property
    def on_its_way(self) -> bool:
        """Whether the task has not been seen to end."""
        return self.state is None or self.state in LIVE


class Provision:
    """Brings tasks into states for one run; terminal ones are shared, live ones are made anew each time."""

    def __init__(
        self,
        *,
        profile: Profile,
        contract: Contract,
        client: Client,
        journal: Journal,
        budget: Budget,
        terms: Terms,
        saw_end: Callable[[str, Exchange], None],
    ) -> None:
        self._profile = profile
        self._contract = contract
        self._client = client
        self._journal = journal
        self._budget = budget
        self._terms = terms
        self._saw_end = saw_end
        self._story = journal.begin_story("tasks on the way to their states", ())
        self._pool = journal.pool
        self._shared: dict[State, list[Stage]] = {state: [] for state in _SHARED}
        self._test, self._made = "", dict.fromkeys(State, 0)

    def recipe(self, state: State, variant: int = 0) -> Recipe:
        """The profile's way into `state`, or the contract's example of one, in one of its variants."""
        given = self._profile.states.get(state)
        bodies = [given.submit, *given.variants] if given and given.submit else [self._contract.submit_body(state)]
        body = bodies[variant % len(bodies)]
        return Recipe(
            state=state,
            body=dict(body) if body else None,
            holds=given.holds if given else None,
            within=given.within if given else None,
            price=self._price(state),
        )

    def deal(self, test: str) -> None:
        """Begin with another variant of each recipe for each test, by its name: the same in whichever process."""
        if test != self._test:
            self._test, self._made = test, dict.fromkeys(State, zlib.crc32(test.encode()))

    def turn(self, state: State) -> int:
        """The variant of a recipe whose turn it is."""
        self._made[state] += 1
        return self._made[state] - 1

    def order(self, count: int, paid: int | None = None) -> None:
        """Start `count` tasks on their way into each of the slow states, so that they are ready when wanted.

        Where the profile says that such a task costs credits, there are no more than `paid`; the first has a name.
        """
        for state in _SHARED:
            for task_id in self._fixed_ids(state):
                self._share(self._fixed(task_id, state))
            given = self._profile.states.get(state)
            wanted = count if paid is None or given is None or not given.credits else min(count, paid)
            while len(self._shared[state]) < wanted and not self.out_of_reach(state):
                out_task_id = None if len(self._shared[state]) % 2 else AUTO
                try:
                    self._share(self.submit(self._story, state, out_task_id=out_task_id))
                except OutOfReach as error:
                    self._give_up(state, str(error))

    def join(self) -> None:
        """Take over the shared tasks that another process of the run has ordered."""
        known = {task.task_id: task for task in self._journal.task_records()}
        for task_id, state in self._pool.shared():
            self._shared[State(state)].append(
                Stage(task=known[task_id], recipe=self.recipe(State(state)), exchanges=[])
            )

    def out_of_reach(self, state: State) -> str:
        """Why a state proved out of reach, so that it is not tried again; empty where it did not."""
        return str(self._pool.learned(f"{state} is out of reach") or "")

    def _give_up(self, state: State, reason: str) -> None:
        if not self.out_of_reach(state):
            self._pool.learn(f"{state} is out of reach", reason)

    def _share(self, stage: Stage) -> None:
        self._shared[stage.recipe.state].append(stage)
        self._pool.share(stage.task.task_id, stage.recipe.state.value)

    def _price(self, state: State) -> Decimal | None:
        given = self._profile.states.get(state)
        if given is not None and given.credits is not None:
            return given.credits
        return self._budget.known_price(state.value) if state in _BILLED else Decimal(0)

    def submit(
        self,
        story: int,
        state: State,
        *,
        role: str = "owner",
        out_task_id: str | None = AUTO,
        after: str | None = None,
        variant: int | None = None,
        callback_url: str | None = None,
        send: Callable[[str, dict[str, object]], list[Exchange]] | None = None,
    ) -> Stage:
        """Submit a task by the recipe of `state`; it is not waited for. Its `callback_url` is to be told of its end.

        `send` is given the role and the body, where the request is to go out in another way than by itself.

        Raises:
            OutOfReach: there is no recipe, the budget is spent, or the target does not accept it.
        """
        if reason := self.out_of_reach(state):
            raise OutOfReach(reason)
        recipe, given = (
            self.recipe(state, self.turn(state) if variant is None else variant),
            self._profile.states.get(state),
        )
        if given is not None and given.hook is not None and role == "owner":
            return self._hooked(recipe, given.hook)
        if recipe.body is None:
            raise OutOfReach(f"nothing says how to get a {state} task; write [states.{state}] submit = {{…}}")
        body = dict(recipe.body)
        if out_task_id is not None:
            body["out_task_id"] = fresh_identifier() if out_task_id == AUTO else out_task_id
        if callback_url is not None:
            body["callback_url"] = callback_url
        try:
            expense = self._budget.admit(story, state.value, recipe.price)
        except BudgetSpent as error:
            raise OutOfReach(str(error)) from error
        exchanges = send(role, body) if send else self._client.submit(story, role, body)
        stage = self._submitted(recipe, role, body, exchanges, expense)
        stage.task = replace(stage.task, after=after)
        self._journal.begin_task(stage.task)
        return stage

    def bring(self, story: int, stage: Stage) -> Stage:
        """Wait until the task of `stage` is in the state of its recipe.

        Raises:
            OutOfReach: it went past the state, or did not reach it in time.
        """
        since, pauses = stage.task.submitted_at or time.monotonic(), _pauses()
        while not self.look(story, stage, since):
            time.sleep(next(pauses))
        return stage

    def look(self, story: int, stage: Stage, since: float) -> bool:
        """Ask once for the task of `stage`; whether it is in the state of its recipe, on the way to it `since` then.

        Raises:
            OutOfReach: it went past the state, or did not reach it in time.
        """
        wanted = stage.recipe.state
        self._read(story, stage)
        if stage.state is wanted:
            self._learn(stage)
            return True
        if stage.state in TERMINAL:
            raise OutOfReach(f"a task that was to be {wanted} was seen {stage.state} instead")
        if self._client.asks_in_vain:
            raise OutOfReach(f"the target does not answer: {stage.exchanges[-1].lost}")
        if time.monotonic() > since + (within := self._within(stage.recipe)):
            raise OutOfReach(
                f"no task was seen {wanted} within {within:g} s;"
                f" write another submit body or a larger within in [states.{wanted}]"
            )
        return False

    def shared(self, state: State, index: int, *, named: bool = True) -> Stage:
        """One of the shared tasks in a terminal state, waited for where need be; `named` by an `out_task_id` or not.

        Raises:
            OutOfReach: no task gets into that state.
        """
        usable = [stage for stage in self._shared[state] if stage.on_its_way or stage.state is state]
        if not usable:
            self._give_up(state, f"no task stayed {state}")
            raise OutOfReach(self.out_of_reach(state))
        fitting = [stage for stage in usable if (stage.task.out_task_id is not None) is named] or usable
        stage = fitting[index % len(fitting)]
        if stage.on_its_way:
            try:
                self.bring(self._story, stage)
            except OutOfReach as error:
                self._shared[state].remove(stage)
                if not self._shared[state]:
                    self._give_up(state, str(error))
                    raise
                return self.shared(state, index, named=named)
        return stage

    def glance(self) -> None:
        """Look at the shared tasks on their way, ever less often: so that the run learns how long such tasks last."""
        now = time.monotonic()
        for stage in [stage for stages in self._shared.values() for stage in stages if stage.on_its_way]:
            if stage.task.submitted_at is None or now < stage.next_glance:
                continue
            stage.next_glance = now + max(_FIRST_PAUSE * 4, (now - stage.task.submitted_at) / 4)
            if self._pool.may_glance(stage.task.task_id, now, stage.next_glance):
                with contextlib.suppress(OutOfReach):
                    self._read(self._story, stage)
                if stage.state is stage.recipe.state:
                    self._learn(stage)

    def settle(self) -> None:
        """Wait until every shared task has ended, or is known not to."""
        for state, stages in self._shared.items():
            for stage in [stage for stage in stages if stage.on_its_way]:
                try:
                    self.bring(self._story, stage)
                except OutOfReach as error:
                    stages.remove(stage)
                    if not stages:
                        self._give_up(state, str(error))

    def dismiss(self, task: Task) -> None:
        """A shared task is no longer in its state: nobody is to have it again."""
        for stages in self._shared.values():
            stages[:] = [stage for stage in stages if stage.task.task_id != task.task_id]

    def lasted(self, state: State) -> float | None:
        """How many seconds, from its submit, a task of this recipe took to end by itself, by the soonest seen."""
        lasted = self._pool.learned(f"a {state} task lasted")
        return None if lasted is None else float(lasted)

    def due(self, task: Task) -> Task:
        """`task` with the time by which it would have ended undisturbed, as far as the run has learned it."""
        lasted = self.lasted(State(task.wanted))
        if lasted is None or task.submitted_at is None:
            return task
        return replace(task, due=task.submitted_at + lasted * _OVER + _FIRST_PAUSE)

    def _submitted(
        self, recipe: Recipe, role: str, body: dict[str, Any], exchanges: list[Exchange], expense: int
    ) -> Stage:
        last, out_task_id = exchanges[-1], body.get("out_task_id")
        document = last.answer.document if last.answer and isinstance(last.answer.document, dict) else {}
        accepted = last.answer is not None and last.answer.status in _ACCEPTED
        task_id = document.get("task_id") if accepted else None
        made = task_id if isinstance(task_id, str) else ""
        named = out_task_id is not None
        unheard = any(map(may_hide_a_task, [exchanges] if named else ([each] for each in exchanges)))
        if unheard:
            self._pool.haunt(role, out_task_id)
        if made or unheard:
            self._learn_price(recipe, expense, document.get("estimated_credits"))
        else:
            self._budget.refuse(expense)
        if not made:
            raise self._not_accepted(recipe, role, body, exchanges)
        self._budget.accept(expense, made)
        self._pool.learn(_taken(recipe), value=True)
        submitted_at = exchanges[0].sent_at
        holds = submitted_at + recipe.holds if recipe.holds is not None else float("-inf")
        task = Task(
            task_id=made,
            out_task_id=out_task_id,
            role=role,
            wanted=recipe.state.value,
            submitted_at=submitted_at,
            pending_until=holds if recipe.state is State.PENDING else float("-inf"),
            live_until=holds if recipe.state in LIVE else float("-inf"),
        )
        return Stage(task=task, recipe=recipe, exchanges=list(exchanges))

    def _not_accepted(self, recipe: Recipe, role: str, body: dict[str, Any], exchanges: list[Exchange]) -> NotAccepted:
        last = exchanges[-1]
        proven = bool(self._pool.learned(_taken(recipe)))
        reason = f"submit was not accepted: {_short(last)}"
        if not proven and role == "owner" and _is_ordinary(body, recipe) and _is_final(last):
            reason = f"{reason}; write a submit body that the target takes in [states.{recipe.state}]"
            self._give_up(recipe.state, reason)
        return NotAccepted(reason, exchanges, proven=proven)

    def _learn_price(self, recipe: Recipe, expense: int, estimate: object) -> None:
        """Where the profile names no price, expect of the next task what the target estimated for this one."""
        given = self._profile.states.get(recipe.state)
        if recipe.state in _BILLED and (given is None or given.credits is None):
            said = amount(estimate)
            self._budget.price(expense, recipe.state.value, None if said is None else max(said, Decimal(0)))

    def _read(self, story: int, stage: Stage) -> None:
        [*_, exchange] = self._client.query(story, stage.task.role, "task_id", stage.task.task_id)
        stage.exchanges.append(exchange)
        document = exchange.answer.document if exchange.answer else None
        if exchange.answer and not exchange.unavailable and not isinstance(document, dict):
            raise OutOfReach(f"a query of a submitted task was answered {_short(exchange)}")
        name = document.get("status") if isinstance(document, dict) else None
        stage.state = self._terms.states.get(name) if isinstance(name, str) else None
        if exchange.answer and exchange.answer.status not in _ACCEPTED and not exchange.unavailable:
            raise OutOfReach(f"a query of a submitted task was answered {_short(exchange)}")
        if stage.state in TERMINAL:
            self._saw_end(stage.task.task_id, exchange)

    def _within(self, recipe: Recipe) -> float:
        """The seconds for which a task is waited for: as the profile says, or far more than others of its kind took."""
        if recipe.within is not None:
            return recipe.within
        took = self._pool.learned(_slowest(recipe))
        return _WITHIN[recipe.state] if took is None else min(_WITHIN[recipe.state], max(_LEAST_WITHIN, _LONGER * took))

    def _learn(self, stage: Stage) -> None:
        """Remember how long the task took into the state of its recipe."""
        if stage.task.submitted_at is None:
            return
        took, topic = stage.exchanges[-1].ended_at - stage.task.submitted_at, _slowest(stage.recipe)
        self._pool.learn(topic, max(took, self._pool.learned(topic) or 0.0))
        if stage.state in TERMINAL:
            topic = f"a {stage.recipe.state} task lasted"
            self._pool.learn(topic, min(took, self._pool.learned(topic) or took))

    def _fixed_ids(self, state: State) -> list[str]:
        given = self._profile.states.get(state)
        return list(given.tasks) if given else []

    def _fixed(self, task_id: str, state: State) -> Stage:
        task = Task(task_id=task_id, out_task_id=None, role="owner", wanted=state.value)
        self._journal.keep_task(task)
        self._journal.end_task(task_id)
        return Stage(task=task, recipe=self.recipe(state), exchanges=[])

    def _hooked(self, recipe: Recipe, hook: Hook) -> Stage:
        """A task that the profile's hook has put into the state (ruling R25: it is certain to hold from then on)."""
        try:
            task_id, out_task_id = ask(hook, recipe.state, self._within(recipe))
        except HookFailed as error:
            raise OutOfReach(f"the hook of [states.{recipe.state}] failed: {error}") from error
        holds = time.monotonic() + recipe.holds if recipe.holds is not None else float("-inf")
        task = Task(
            task_id=task_id,
            out_task_id=out_task_id,
            role="owner",
            wanted=recipe.state.value,
            pending_until=holds if recipe.state is State.PENDING else float("-inf"),
            live_until=holds if recipe.state in LIVE else float("-inf"),
        )
        self._journal.keep_task(task)
        return Stage(task=task, recipe=recipe, exchanges=[])


def _taken(recipe: Recipe) -> str:
    return f"the target takes {json.dumps(recipe.body)}"


def _slowest(recipe: Recipe) -> str:
    return f"a task took so long to be {recipe.state}, of {json.dumps(recipe.body)}"


def fresh_identifier() -> str:
    """An ordinary `out_task_id` that nobody has used."""
    return f"{secrets.token_hex(5)}-conformance"


def _is_ordinary(body: dict[str, Any], recipe: Recipe) -> bool:
    """Whether a body asks for nothing beyond the recipe that a target may dislike."""
    added = body.keys() - (recipe.body or {}).keys()
    return added <= {"out_task_id"} and body.get("out_task_id", "-conformance").endswith("-conformance")


def _is_final(exchange: Exchange) -> bool:
    """Whether a refused submit would be refused again: it is neither a lack of means nor of time."""
    return exchange.answer is not None and exchange.answer.status in {400, 404, 415, 422}


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 1.3, _LONGEST_PAUSE)


def _short(exchange: Exchange) -> str:
    if exchange.answer is None:
        return f"by nothing ({exchange.lost})"
    return f"{exchange.answer.status} {json.dumps(exchange.answer.content[:160].decode(errors='replace'))[1:-1]}"
