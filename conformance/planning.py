"""What a run would submit, cost and take, before it does: the stories are rehearsed with the built-in service.

Nothing is kept by hand: the very stories that the run would tell are told to the reference service on this machine,
under what the target's profile says of keys and prices, and the rehearsal's journal is read. The target itself is sent
a query or three, which are free, for a sign of life and its latency.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from conformance.journal import Journal
from conformance.states import State
from conformance.target.client import Client
from conformance.target.distance import soonest
from conformance.target.profile import REVOKED, Profile
from conformance.target.tables import Account, Allowance, Limits
from conformance.verdict import Outcome

if TYPE_CHECKING:
    from conformance.pool import Expense
    from conformance.run import Order

_STAND_INS: Final = ("other", "sibling")
_HELD_BY_THE_SERVICE: Final = 55.0
_BILLED: Final = (State.RUNNING, State.COMPLETED)


@dataclass(frozen=True, kw_only=True)
class Need:
    """The tasks of one recipe that a run submits, and what one of them may cost, if the profile says so."""

    state: State
    tasks: int
    price: Decimal | None
    by_hook: bool

    @property
    def may_bill(self) -> bool:
        """Whether such a task may cost anything."""
        return self.state in _BILLED if self.price is None else self.price > 0

    @property
    def credits(self) -> Decimal | None:
        """What all of them may cost, none where nobody knows."""
        return self.tasks * (self.price or Decimal(0)) if self.price is not None or not self.may_bill else None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run would take. The rows `left` would stay inconclusive, for want of budget alone."""

    needs: tuple[Need, ...]
    requests: int
    budget: Allowance
    admitted: int
    left: tuple[str, ...]
    latency: float | None
    in_flight: int

    @property
    def tasks(self) -> int:
        """The tasks that would be submitted."""
        return sum(need.tasks for need in self.needs)

    @property
    def credits(self) -> Decimal | None:
        """The credits that they may cost at the most, none where that is not known."""
        known = [need.credits for need in self.needs]
        return None if None in known else sum((each or Decimal(0) for each in known), Decimal(0))

    @property
    def seconds(self) -> float | None:
        """The time that the requests alone take, at the least."""
        return None if self.latency is None else self.requests * self.latency / self.in_flight


def latency(order: Order) -> float:
    """Seconds that the target takes to answer a query, for a task that is nobody's, when it is not held up.

    Raises:
        Silent: it gives no answer.
    """
    patient = order.profile.limits.model_copy(update={"retries": 0})
    profile = order.profile.model_copy(update={"limits": patient})
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(Journal.create(Path(folder) / "journal.sqlite")) as journal,
        contextlib.closing(Client(profile, order.contract, journal)) as client,
    ):
        story = journal.begin_story("a sign of life", ())
        exchange = soonest(lambda: client.query(story, "owner", "task_id", _UNKNOWN)[-1])
    if exchange.answer is None:
        raise Silent(f"{order.profile.base_url} does not answer ({exchange.lost})")
    return exchange.took


class Silent(Exception):
    """The target gives no sign of life; the text says how."""


def rehearsed(order: Order, stage: Profile, folder: Path) -> Order:
    """The order with the reference service, whose profile is `stage`, in the target's place."""
    target = order.profile
    stand_ins = dict(zip(target.others, _STAND_INS, strict=False)) | {"owner": "owner", REVOKED: REVOKED}
    keys = {
        role: stage.keys[stand_ins[role]].model_copy(update={"account": target.account_of(role)})
        for role in target.keys
        if role in stand_ins
    }
    ways = {}
    for state in (State.PENDING, State.RUNNING, State.COMPLETED, State.FAILED):
        given, own = target.states.get(state), stage.states.get(state)
        holds = None if given is None or given.holds is None else min(given.holds, _HELD_BY_THE_SERVICE)
        kept = {"credits": given.credits if given else None, "holds": holds if own and own.holds else None}
        ways[state.value] = own.model_copy(update=kept) if own else None
    profile = stage.model_copy(
        update={
            "keys": keys,
            "states": stage.states.model_copy(update=ways),
            "account": stage.account if target.account.header or target.account.url else Account(),
            "budget": Allowance(),
            "limits": Limits(),
            "absent": target.absent,
        }
    )
    return replace(order, profile=profile, report_dir=folder)


def plan(order: Order, rehearsal: Journal, latency: float | None) -> Plan:
    """What the order would take of its target, by the journal of its rehearsal."""
    profile = order.profile
    expenses = list(_needed(rehearsal, profile))
    refused = _refused(expenses, profile)
    admitted = [each for each in expenses if each not in refused]
    return Plan(
        needs=tuple(_needs(expenses, profile)),
        requests=rehearsal.count(),
        budget=profile.budget,
        admitted=len(admitted),
        left=_left(order, rehearsal, refused),
        latency=latency,
        in_flight=profile.limits.in_flight,
    )


def _needed(rehearsal: Journal, profile: Profile) -> Iterator[Expense]:
    """The submits that the target would be sent, in their order: not those that the profile names tasks for."""
    aims = rehearsal.aims()
    given = {state: len(way.tasks) for state in State if (way := profile.states.get(state))}
    for expense in rehearsal.pool.expenses():
        state = State(expense.state)
        if not aims[expense.story] and given.get(state, 0) > 0:
            given[state] -= 1
            continue
        yield expense


def _needs(expenses: list[Expense], profile: Profile) -> Iterator[Need]:
    for state in State:
        tasks = sum(each.state == state.value for each in expenses)
        if tasks:
            way = profile.states.get(state)
            price = way.credits if way else None
            yield Need(state=state, tasks=tasks, price=price, by_hook=bool(way and way.hook))


def _refused(expenses: list[Expense], profile: Profile) -> list[Expense]:
    """The submits for which the budget has no room, were all as dear as the profile expects."""
    most_tasks, most_credits = profile.budget.tasks, profile.budget.credits
    tasks, credits_, refused = 0, Decimal(0), []
    for expense in expenses:
        way = profile.states.get(State(expense.state))
        if way is not None and way.hook is not None:
            continue  # nothing is submitted by us
        price = (way.credits if way else None) or Decimal(0)
        if (most_tasks is not None and tasks >= most_tasks) or (
            most_credits is not None and credits_ + price > most_credits
        ):
            refused.append(expense)
        else:
            tasks, credits_ = tasks + 1, credits_ + price
    return refused


def _left(order: Order, rehearsal: Journal, refused: list[Expense]) -> tuple[str, ...]:
    """The rows that hold in no story which goes without the tasks that were refused, and in some story with them."""
    cut = {each.story for each in refused} | rehearsal.stories_with([each.task_id or "" for each in refused])
    held: Mapping[bool, set[str]] = {True: set(), False: set()}
    for counted in rehearsal.judgements():
        if counted.judgement.outcome is Outcome.HELD:
            held[counted.story in cut].add(counted.judgement.requirement)
    return tuple(row for row in order.only if row in held[True] - held[False])


def told(plan: Plan) -> list[str]:
    """The plan for a reader."""
    lines = []
    for need in plan.needs:
        cost = "free" if not need.may_bill else _cost(need)
        hook = ", made by the hook" if need.by_hook else ""
        lines.append(f"{need.tasks:>6}  tasks by the {need.state} recipe{hook}: {cost}")
    total = "unknown" if plan.credits is None else f"at most {plan.credits:f}"
    lines += [f"{plan.tasks:>6}  tasks in all, credits: {total}", f"{plan.requests:>6}  requests{_seconds(plan)}"]
    return [*lines, *_budgeted(plan)]


def _cost(need: Need) -> str:
    if need.credits is None:
        return f"each may bill, nobody knows how much; write [states.{need.state}] credits = …"
    return f"each may bill {need.price:f} credits, {need.credits:f} in all"


def _seconds(plan: Plan) -> str:
    if plan.latency is None or plan.seconds is None:
        return ""
    return (
        f", {plan.seconds:.0f} s at the least: {plan.latency * 1000:.0f} ms each, {plan.in_flight} at once;"
        " and the wait for what must end by itself"
    )


def _budgeted(plan: Plan) -> list[str]:
    allowed = [f"{plan.budget.tasks} tasks"] if plan.budget.tasks is not None else []
    allowed += [f"{plan.budget.credits:f} credits"] if plan.budget.credits is not None else []
    if not allowed:
        return ["no budget is set: nothing bounds what a run may submit but its depth; write [budget] tasks, credits"]
    within = " and ".join(allowed)
    if plan.admitted == plan.tasks:
        known = "" if plan.credits is not None or plan.budget.credits is None else ", as far as prices are known"
        return [f"within the budget of {within}{known}"]
    left = ", ".join(plan.left) or "no row, but fewer stories are told of some"
    return [
        f"not within the budget of {within}: {plan.admitted} of {plan.tasks} tasks would be submitted",
        f"left inconclusive: {left}",
    ]


_UNKNOWN: Final = "task_00000000000000000000000000"
