"""Faults about money: what a task shows of its price, what its account does, and what the call itself costs."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Final

from conformance.reference.app import Api
from conformance.reference.faults.fault import Fault
from conformance.reference.faults.rows import MONEY, SHAPES
from conformance.reference.faults.tampering import overwrite
from conformance.reference.refusal import Refused
from conformance.reference.service import OWNER, REVOKED, TERMINAL, CancelCall, Document, Service
from conformance.reference.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from conformance.reference.store import Task

CENT: Final = 10_000
_SETTLES: Final = 0.02
FEE: Final = 1000
LATER: Final = 600_000


def take(store: Store, key: str, amount: int) -> None:
    """Take `amount` from a key and its account, for nothing."""
    execute = store.connection.execute
    execute("UPDATE keys SET remaining = remaining - ? WHERE secret = ?", (amount, key))
    execute(
        "UPDATE accounts SET remaining = remaining - ? WHERE name = (SELECT account FROM keys WHERE secret = ?)",
        (amount, key),
    )


def bill(store: Store, task: Task, amount: int) -> Task:
    """Make `amount` the price of a task that has ended, and take it from its account."""
    store.charge(task, amount)
    return overwrite(store, task, used=amount)


# --- BILL-1, 2: pending tasks ---


class ChargesPendingTasks(Fault, Service):
    """Bills a cancelled pending task at its estimate, and takes the money."""

    breaks = ("BILL-1", "BILL-2")
    also = (*MONEY, *SHAPES)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Bill what was ordered."""
        ended = super().stop(call, task)
        return bill(self.store, ended, task.estimate) if task.status == "pending" else ended


class TakesACentForPendingTasks(Fault, Service):
    """Takes a cent for a cancelled pending task, and does not show it."""

    breaks = ("BILL-2", "BILL-9")
    also = ("BILL-8", *MONEY, *SHAPES)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Take a fee for the place in the queue."""
        if task.status == "pending":
            self.store.charge(task, CENT)
        return super().stop(call, task)


class ShowsAChargeForPendingTasks(Fault, Service):
    """Shows half a credit used on a cancelled pending task, and takes nothing."""

    breaks = ("BILL-1", "BILL-9")
    also = ("BILL-8", *MONEY, *SHAPES)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Write a bill that nobody collects."""
        ended = super().stop(call, task)
        return overwrite(self.store, ended, used=500_000) if task.status == "pending" else ended


# --- BILL-3, 4, 10: running tasks ---


class _Wavering(Service):
    """Shows a task that was cancelled while it ran otherwise from its first query on."""

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.ran: set[str] = set()

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Remember what ran."""
        if task.status == "running":
            self.ran.add(task.id)
        return super().stop(call, task)

    def query(self, key: str, body: Document) -> Document:
        """Show what was thought of meanwhile."""
        document = super().query(key, body)
        return self.waver(document) if document["task_id"] in self.ran else document

    def waver(self, document: Document) -> Document:
        """Think again about the price of a cancelled task."""
        raise NotImplementedError


class RaisesTheChargeAfterwards(Fault, _Wavering):
    """Shows a tenth more for a cancelled running task in every query than the cancel answered."""

    breaks = ("BILL-3", "PARITY-2")
    also = ("BILL-4", "BILL-8", "BILL-9", "BILL-10", "IDEMP-4", "STATE-6", "IDENT-2", "IDENT-3", *MONEY, *SHAPES)

    def waver(self, document: Document) -> Document:
        """Round up."""
        used = document.get("credits_used")
        return document | ({"credits_used": used * 1.1} if used else {})


class BillsAfterTheAnswer(Fault, _Wavering):
    """Shows no charge in the answer to the cancel of a running task, and one in every query."""

    breaks = ("BILL-3", "PARITY-2")
    also = ("BILL-4", "BILL-8", "BILL-9", "IDEMP-4", "STATE-6", *MONEY, *SHAPES)

    def show_cancelled(self, call: CancelCall, task: Task) -> Document:
        """Leave the price for later."""
        document = super().show_cancelled(call, task)
        if task.id in self.ran:
            document.pop("credits_used", None)
        return document

    def waver(self, document: Document) -> Document:
        """Show the price as it is."""
        return document


class WithdrawsTheCharge(Fault, _Wavering):
    """Shows the charge of a cancelled running task in the answer to the cancel, and never again."""

    breaks = ("BILL-3", "PARITY-2")
    also = ("BILL-4", "BILL-8", "BILL-9", "IDEMP-4", "STATE-6", *MONEY, *SHAPES)

    def waver(self, document: Document) -> Document:
        """Forget it."""
        document.pop("credits_used", None)
        return document


class ShowsANegativeCharge(Fault, Service):
    """Shows what it refunds of a cancelled running task as a negative charge."""

    breaks = ("BILL-3",)
    also = ("BILL-4", "BILL-8", "BILL-9", "PARITY-1", *MONEY, *SHAPES)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Turn the sign round."""
        ended = super().stop(call, task)
        if task.status == "running" and ended.status == "cancelled":
            return overwrite(self.store, ended, used=(ended.used or 0) - task.estimate)
        return ended


class ForgetsToCollect(Fault, Service):
    """Shows a charge for a cancelled running task, and leaves the account as it was."""

    breaks = ("BILL-4", "BILL-9")
    also = ("BILL-8", *MONEY, *SHAPES)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Give back what was just taken."""
        ended = super().stop(call, task)
        if task.status == "running" and ended.used:
            self.store.charge(task, -ended.used)
        return ended


class CollectsTheEstimate(Fault, Service):
    """Takes the whole estimate for a cancelled running task that shows less."""

    breaks = ("BILL-4", "BILL-9")
    also = ("BILL-8", *MONEY, *SHAPES)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Keep the hold."""
        ended = super().stop(call, task)
        if task.status == "running":
            self.store.charge(task, task.estimate - (ended.used or 0))
        return ended


class Owing(Service):
    """Moves accounts so many microseconds after the cancel: a part of the service that faults build on."""

    later: ClassVar[int] = LATER

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.debts: list[tuple[int, Task, int]] = []

    def owe(self, task: Task, amount: int) -> None:
        """Take `amount` in a while."""
        self.debts.append((self.now() + self.later, task, amount))

    def tick(self) -> list[tuple[str, Document]]:
        """Take what is due."""
        for debt in [debt for debt in self.debts if debt[0] <= self.now()]:
            self.debts.remove(debt)
            self.store.charge(*debt[1:])
        return super().tick()


class RefundsLater(Fault, Owing):
    """Takes the estimate when a running task is cancelled, and refunds the rest 0.6 s later."""

    breaks = ("BILL-4",)
    also = ("BILL-8", "BILL-9", "BILL-2", "BILL-5", "BILL-6", "BILL-7", "ISO-7", *MONEY, *SHAPES)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Leave the refund to a job."""
        ended = super().stop(call, task)
        rest = task.estimate - (ended.used or 0)
        if task.status == "running":
            self.store.charge(task, rest)
            self.owe(task, -rest)
        return ended


class RefundsInAMoment(RefundsLater):
    """Takes the estimate when a running task is cancelled, and refunds the rest 30 ms later."""

    later = 30_000


class CollectsLater(Fault, Owing):
    """Takes the charge of a cancelled running task 0.6 s after the cancel."""

    breaks = ("BILL-4",)
    also = ("BILL-8", "BILL-9", "BILL-2", "BILL-5", "BILL-6", "BILL-7", "ISO-7", *MONEY, *SHAPES)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Leave the charge to a job."""
        ended = super().stop(call, task)
        if task.status == "running" and ended.used:
            self.store.charge(task, -ended.used)
            self.owe(task, ended.used)
        return ended


class ChargesMoreThanEstimated(Fault, Service):
    """Bills a cancelled running task a tenth above its estimate."""

    breaks = ("BILL-10",)
    also = (*MONEY, *SHAPES)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Add a fee for the trouble."""
        ended = super().stop(call, task)
        if task.status == "running" and ended.used and ended.status == "cancelled":
            self.store.charge(ended, task.estimate * 11 // 10 - ended.used)
            return overwrite(self.store, ended, used=task.estimate * 11 // 10)
        return ended


# --- BILL-5, 6: what has ended ---


class RefundsCompletedTasksInTheAccount(Fault, Service):
    """Refunds a completed task at each cancel, and goes on to show what it cost."""

    breaks = ("BILL-5", "BILL-7")
    also = ("BILL-9", *MONEY, *SHAPES, "AUTH-4")

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Refund whatever is cancelled."""
        if task.status == "completed" and task.used:
            self.store.charge(task, -task.used)
        return super().stop(call, task)


class ClearsTheChargeOfCompletedTasks(Fault, Service):
    """Removes `credits_used` from a completed task that is cancelled; the money stays where it is."""

    breaks = ("BILL-5", "IDEMP-4")
    also = ("BILL-9", *MONEY, *SHAPES, "AUTH-4")

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Tidy up."""
        ended = super().stop(call, task)
        return overwrite(self.store, ended, used=None) if task.status == "completed" else ended


class ChargesFailedTasks(Fault, Service):
    """Bills a failed task at its estimate when it is cancelled, once."""

    breaks = ("BILL-6", "IDEMP-4")
    also = ("BILL-9", *MONEY, *SHAPES, "AUTH-4")

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Settle what is open."""
        if task.status == "failed" and not task.used:
            return bill(self.store, task, task.estimate)
        return super().stop(call, task)


class TakesMoneyForFailedTasks(Fault, Service):
    """Takes a cent at each cancel of a failed task, and does not show it."""

    breaks = ("BILL-6", "BILL-7")
    also = ("BILL-9", *MONEY, *SHAPES, "AUTH-4")

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Take a fee for the trouble."""
        if task.status == "failed":
            self.store.charge(task, CENT)
        return super().stop(call, task)


class _Once(Service):
    """Moves money at the first cancel of a task that has ended by itself, and never again."""

    state: ClassVar[str]

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.settled: set[str] = set()

    def amount(self, task: Task) -> int:
        """What is taken."""
        raise NotImplementedError

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Look into the list of what was settled."""
        if task.status == self.state and task.id not in self.settled:
            self.settled.add(task.id)
            self.store.charge(task, self.amount(task))
        return super().stop(call, task)


class RefundsCompletedTasksOnce(Fault, _Once):
    """Refunds a completed task at its first cancel alone, and goes on to show what it cost."""

    breaks = ("BILL-5",)
    also = (*MONEY, *SHAPES)
    state = "completed"

    def amount(self, task: Task) -> int:
        """All of it, back."""
        return -(task.used or 0)


class TakesMoneyForFailedTasksOnce(Fault, _Once):
    """Takes a cent at the first cancel of a failed task alone, and does not show it."""

    breaks = ("BILL-6",)
    also = (*MONEY, *SHAPES)
    state = "failed"

    def amount(self, task: Task) -> int:  # noqa: ARG002 - whatever it cost
        """A cent."""
        return CENT


# --- BILL-7, 8, 9: the call, repetitions, sums ---


class ChargesForEachCancel(Fault, Service):
    """Takes a thousandth of a credit for each cancel that is answered."""

    breaks = ("BILL-7", "BILL-2", "BILL-4", "BILL-5", "BILL-6", "BILL-8", "BILL-9")
    also = (*MONEY, *SHAPES)

    def cancel(self, call: CancelCall) -> Document:
        """Count the call."""
        document = super().cancel(call)
        take(self.store, call.key, FEE)
        return document


class ChargesForInvalidCalls(Fault, Service):
    """Takes a thousandth of a credit for each call that is refused with 400."""

    breaks = ("BILL-7", "ISO-7")
    also = ("BILL-9", *MONEY, *SHAPES, "AUTH-4")

    def target(self, call: CancelCall) -> Any:  # noqa: ANN401 - what the service says
        """Count the call all the same."""
        try:
            return super().target(call)
        except Refused:
            take(self.store, call.key, FEE)
            raise


class ChargesForUnknownTasks(Fault, Service):
    """Takes a thousandth of a credit for each call that is refused with 404."""

    breaks = ("BILL-7", "ISO-7")
    also = ("BILL-9", *MONEY, *SHAPES, "AUTH-4")

    def cancel(self, call: CancelCall) -> Document:
        """Count the call all the same."""
        try:
            return super().cancel(call)
        except Refused as refusal:
            if refusal.code == "task_not_found":
                take(self.store, call.key, FEE)
            raise


class ChargesForKeylessCalls(Fault, Api):
    """Takes a thousandth of a credit from the owner of the task that a call without a valid key names."""

    breaks = ("BILL-7", "ISO-7")
    also = ("BILL-9", *MONEY, *SHAPES, "AUTH-4")

    async def respond(self, request: Request) -> Response:
        """Count the call against somebody."""
        response = await super().respond(request)
        if response.status_code == 401 and "cancel" in request.url.path:  # noqa: PLR2004 - HTTP's
            take(self.service.store, OWNER, FEE)
        return response


class ChargesForRevokedKeys(Fault, Api):
    """Takes a thousandth of a credit from the owner at each cancel with a revoked key."""

    breaks = ("BILL-7",)
    also = ("BILL-9", "ISO-7", *MONEY, *SHAPES, "AUTH-4")

    async def respond(self, request: Request) -> Response:
        """Count the call before it is refused."""
        shown = request.headers.get("x-api-key") or request.headers.get("authorization", "")
        if shown.endswith(REVOKED) and "cancel" in request.url.path:
            take(self.service.store, OWNER, FEE)
        return await super().respond(request)


class RefundsAtEachRepetition(Fault, Service):
    """Refunds a cancelled task again, by its estimate, at every further cancel."""

    breaks = ("BILL-8", "BILL-7", "BILL-9")
    also = ("BILL-2", "BILL-4", *MONEY, *SHAPES)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Refund without looking."""
        if task.status == "cancelled":
            self.store.charge(task, -task.estimate)
        return super().stop(call, task)


class RefundsTheChargeAtARepetition(Fault, Service):
    """Refunds what a cancelled task cost at the second cancel, and shows the charge as before."""

    breaks = ("BILL-8",)
    also = ("BILL-4", "BILL-7", "BILL-9", *MONEY, *SHAPES)

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.cancels: Counter[str] = Counter()

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Refund what stands on the bill."""
        self.cancels[task.id] += 1
        if task.status == "cancelled" and task.used and self.cancels[task.id] == 2:  # noqa: PLR2004 - the second
            self.store.charge(task, -task.used)
        return super().stop(call, task)


class BillsAnotherTask(Fault, Service):
    """Takes for a cancelled running task what the one cancelled before it cost, if that was a moment ago."""

    breaks = ("BILL-9",)
    also = ("BILL-4", "BILL-8", *MONEY, *SHAPES)

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.last: tuple[int, int] | None = None

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Read the price from a variable that all calls share."""
        ended = super().stop(call, task)
        if task.status not in TERMINAL and call.key == OWNER and task.status == "running":
            at, price = self.last or (0, 0)
            if self.now() - at < LATER:
                self.store.charge(ended, price - (ended.used or 0))
            self.last = (self.now(), ended.used or 0)
        return ended


class ForgetsTheBillOfWhoHangsUp(Fault, Api):
    """Writes the charge of a cancelled running task down after the rest, unless the caller has gone."""

    breaks = ("BILL-9",)
    also = MONEY

    async def cancel(self, key: str, request: Request) -> Response:
        """Look whether there is anybody left to bill."""
        call = CancelCall(key, request.path_params.get("task_id"), await self.body(request))
        was_live = self.service.seek(call, self.service.target(call)).due is not None
        document = self.service.cancel(call)
        if was_live and document.get("credits_used"):
            await asyncio.sleep(_SETTLES)
            if await request.is_disconnected():
                take(self.service.store, key, -round(document["credits_used"] * 1_000_000))
        return self.answer_cancel(document)


class BillsANameOnce(Fault, Store):
    """Books the charges of each `out_task_id` once, whoever's tasks bear it."""

    breaks = ("BILL-9",)
    also = (*MONEY, "ISO-4")

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self._booked: dict[str, str] = {}

    def charge(self, task: Task, amount: int) -> None:
        """Take a second booking for a repeat."""
        if task.out_id is None or self._booked.setdefault(task.out_id, task.id) == task.id:
            super().charge(task, amount)
