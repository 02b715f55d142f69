"""Strangers that keep their accounts differently: when they charge, what they show of it, and who else spends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from conformance.reference.app import Api
from conformance.reference.refusal import Refused
from conformance.reference.service import OTHER, OWNER, TERMINAL, Document, Service
from conformance.reference.store import Remaining, Store
from conformance.reference.strangers.stranger import Stranger

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from conformance.reference.store import Task

ACCOUNT_ROWS: Final = ("BILL-2", "BILL-4", "BILL-5", "BILL-6", "BILL-7", "BILL-8", "BILL-9", "ISO-7")
"""The rows that may stay open where the account tells nothing."""

_EVERY: Final = 0.15
_FOREIGN_CHARGE: Final = 370_000
_LATER: Final = 0.05
_GIVEN: Final = 31_415.926535
_RUNNING: Final = "SELECT estimate, starts_at, ends_at FROM tasks WHERE key = ? AND status = 'running'"


class SendsNoAccounting(Stranger, Api):
    """Says nowhere what is left on a key."""

    unproven = ACCOUNT_ROWS

    def accounting(self, key: str | None) -> dict[str, str]:  # noqa: ARG002 - nobody is told
        """Keep it to itself."""
        return {}


class ShowsTheAccountInADocument(Stranger, Api):
    """Tells what is left in the account's document alone, and shows what it does not bill in no header."""

    settings = {  # noqa: RUF012 - read only
        "account.url": "/api/v1/me/account",
        "account.pointer": "/balance/available_usd",
        "account.header": "X-No-Such-Header",
    }
    relies_on = ("Api.account",)

    def accounting(self, key: str | None) -> dict[str, str]:  # noqa: ARG002 - nobody is told
        """Leave the headers out."""
        return {}


class HasNoAccountDocument(Stranger, Api):
    """Tells what is left in headers alone, and has nothing at the account's own URL."""

    async def account(self, key: str, _request: Request) -> Response:  # noqa: ARG002 - nobody is told
        """Know no such route."""
        raise Refused("not_found", "No such route.")


class HasItsAccountsElsewhere(Stranger, Api):
    """Has another service answer for the account, which sends a document and no headers of this one's."""

    async def respond(self, request: Request) -> Response:
        """Leave the headers out there."""
        response = await super().respond(request)
        return _without_credits(response) if request.url.path.endswith("/account") else response


class TellsCreditsWithSuccessesOnly(Stranger, Api):
    """Tells what is left where it answers 200, and not with refusals."""

    async def respond(self, request: Request) -> Response:
        """Leave the header out of refusals."""
        response = await super().respond(request)
        return _without_credits(response) if response.status_code != 200 else response  # noqa: PLR2004 - OK


class CountsByTheOrganisation(Stranger, Api):
    """Tells what is left to the organisation, on which a second key of the same account draws too."""

    settings = {  # noqa: RUF012 - read only
        "account.header": "X-Org-Quota-Remaining-Credits",
        "keys.sibling.env": "REFERENCE_SIBLING_KEY",
        "keys.sibling.account": "owner",
    }

    def accounting(self, key: str | None) -> dict[str, str]:
        """Leave the key's own limit out."""
        headers = super().accounting(key)
        headers.pop("x-quota-remaining-credits", None)
        return headers


class OpensOneModelToTheOtherKey(Stranger, Service):
    """Takes from the other key such work alone as waits: nothing that runs can be paid for on its account."""

    def draft(self, key: str, body: Document) -> Task:
        """Refuse every other model."""
        if key == OTHER and body.get("model") != "sim-pending":
            raise Refused.invalid("This model is not open to this key.", "model")
        return super().draft(key, body)


class RoundsWhatIsLeft(Stranger, Api):
    """Tells what is left in whole cents."""

    def accounting(self, key: str | None) -> dict[str, str]:
        """Round to two places."""
        headers = super().accounting(key)
        return {name: f"{float(text):.2f}" if "quota" in name else text for name, text in headers.items()}


class CountsInBinaryFractions(Stranger, Api):
    """Takes what was spent from what there was, in binary fractions, and tells all digits of what is left."""

    def accounting(self, key: str | None) -> dict[str, str]:
        """Subtract as floating point numbers do."""
        headers = super().accounting(key)
        return {
            name: repr(_GIVEN - (_GIVEN - float(text))) if "quota" in name else text for name, text in headers.items()
        }


class HoldsThenRefunds(Stranger, Store):
    """Charges the estimate at the submit, and gives back what was too much when the task ends."""

    def add(self, task: Task) -> bool:
        """Hold the estimate of a task that is to come."""
        added = super().add(task)
        if added and task.due is not None:
            self.hold(task)
        return added

    def hold(self, task: Task) -> None:
        """Charge the estimate."""
        self.charge(task, task.estimate)

    def held(self, task: Task) -> int:
        """Say what was charged for a task that has just ended."""
        return task.estimate

    def _settled(self, statement: str, task: Task, **values: int) -> Task | None:
        moved = self._one(statement, {"key": task.key, "id": task.id, **values})
        if moved is not None and moved.status in TERMINAL:
            self.charge(moved, (moved.used or 0) - self.held(moved))
        return moved


class HoldsLate(HoldsThenRefunds):
    """Charges the estimate of a task that lives 50 ms after its submit, and gives back what was too much at its end."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self._unheld: dict[str, tuple[Task, float]] = {}

    def hold(self, task: Task) -> None:
        """Put it off."""
        self._unheld[task.id] = (task, time.monotonic() + _LATER)

    def held(self, task: Task) -> int:
        """Have nothing to give back where the end came first."""
        return 0 if self._unheld.pop(task.id, None) else super().held(task)

    def due(self, now: int) -> list[Task]:
        """Hold what is due to be held, too."""
        for task, at in list(self._unheld.values()):
            if at <= time.monotonic():
                super().hold(task)
                del self._unheld[task.id]
        return super().due(now)


class ChargesAtTheStart(Stranger, Store):
    """Charges the estimate when a task starts, and gives back what was too much when it ends."""

    def _settled(self, statement: str, task: Task, **values: int) -> Task | None:
        before = self.find(task.key, "task_id", task.id)
        moved = self._one(statement, {"key": task.key, "id": task.id, **values})
        if before is None or moved is None:
            return moved
        held = before.estimate if before.status == "running" else 0
        now_held = moved.estimate if moved.status == "running" else moved.used or 0
        self.charge(moved, now_held - held)
        return moved


class MetersWhatRuns(Stranger, Store):
    """Takes the estimate of a task little by little while it runs, and gives back at its end what was too much."""

    def remaining(self, key: str) -> Remaining:
        """Take off what the meters of running tasks show."""
        left, now = super().remaining(key), time.time_ns() // 1000
        metered = sum(
            estimate * min(now - starts_at, ends_at - starts_at) // (ends_at - starts_at)
            for estimate, starts_at, ends_at in self.connection.execute(_RUNNING, (key,))
        )
        return Remaining(left.key - metered, left.account - metered)


class ChargesTheWholeEstimate(Stranger, Store):
    """Charges the whole estimate for a running task that is cancelled."""

    def add(self, task: Task) -> bool:
        """Keep it as one that is billed for what was rendered."""
        return super().add(task._replace(on_cancel="keep"))

    def cancel(self, task: Task, now: int, second: int) -> Task:
        """Count all of it as rendered."""
        return super().cancel(task, now, max(second, task.ends_at))


class SharesTheAccount(Stranger, Service):
    """Has somebody else spend on the owner's account and key all the time."""

    unproven = ACCOUNT_ROWS

    def tick(self) -> list[tuple[str, Document]]:
        """Charge a little for what is nobody's task, every 150 ms."""
        now = time.monotonic()
        if now - getattr(self, "_charged_at", 0.0) >= _EVERY:
            self._charged_at = now
            work = self.draft(OWNER, {"model": "sim-quick", "params": {}})
            with self.store.transaction():
                self.store.charge(work, _FOREIGN_CHARGE)
        return super().tick()


def _without_credits(response: Response) -> Response:
    for name in ("x-quota-remaining-credits", "x-org-quota-remaining-credits"):
        if name in response.headers:
            del response.headers[name]
    return response
