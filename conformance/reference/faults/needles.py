"""Needles: faults that show in one form, one state, one moment or one odd input only."""

from __future__ import annotations

import ast
import codecs
import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

from conformance.reference.app import Api, Handler
from conformance.reference.faults.auth import Lenient, Peeking, basic, credentials
from conformance.reference.faults.bill import CENT, FEE, take
from conformance.reference.faults.fault import Fault
from conformance.reference.faults.input import Repairing
from conformance.reference.faults.iso import Knowing, Meeting, foreign
from conformance.reference.faults.rows import KEYLESS, MONEY, ODD, OTHERS, SHAPES, UNKNOWN
from conformance.reference.faults.tampering import overwrite
from conformance.reference.refusal import Refused
from conformance.reference.service import OWNER, REVOKED, CancelCall, Document, Identifier, Service

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.requests import Request
    from starlette.responses import Response

    from conformance.reference.store import Store, Task

_MOMENT: Final = 30_000
_WHILE: Final = 0.008
_THIRD: Final = 3


# --- money ---


class _Watching(Service):
    """Counts the queries and the cancels of each task."""

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.looks: Counter[str] = Counter()
        self.cancels: Counter[str] = Counter()

    def query(self, key: str, body: Document) -> Document:
        """Count."""
        document = super().query(key, body)
        self.looks[document["task_id"]] += 1
        return document

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Count."""
        self.cancels[task.id] += 1
        return super().stop(call, task)


class ChargesPendingTasksThatWereSeen(Fault, _Watching):
    """Takes a cent for a pending task that was queried before it was cancelled, and does not show it."""

    breaks = ("BILL-2", "BILL-9")
    also = ("BILL-8", *MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Take a fee for the look."""
        if task.status == "pending" and self.looks[task.id]:
            self.store.charge(task, CENT)
        return super().stop(call, task)


class ChargesPendingTasksAtTheSecondLook(Fault, _Watching):
    """Shows half a credit used on a cancelled pending task from its second query after the cancel on."""

    breaks = ("BILL-1",)
    also = (
        "BILL-2",
        "BILL-8",
        "BILL-9",
        "IDEMP-4",
        "IDEMP-5",
        "PARITY-2",
        "STATE-4",
        *MONEY,
        *KEYLESS,
        *UNKNOWN,
        *ODD,
        *OTHERS,
        *SHAPES,
        "ERR-3",
    )

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Begin to count."""
        if task.status == "pending":
            self.looks[task.id] = 0
        return super().stop(call, task)

    def query(self, key: str, body: Document) -> Document:
        """Price it when it is looked at again."""
        document = super().query(key, body)
        never_ran = document["status"] == "cancelled" and "credits_used" not in document
        if never_ran and self.cancels[document["task_id"]] and self.looks[document["task_id"]] > 1:
            return document | {"credits_used": 0.5}
        return document


class LowersTheChargeAtTheSecondLook(Fault, _Watching):
    """Shows half the charge of a cancelled task from its second query on."""

    breaks = ("BILL-3",)
    also = (
        "BILL-4",
        "BILL-8",
        "BILL-9",
        "IDEMP-4",
        "IDEMP-5",
        "PARITY-2",
        "STATE-4",
        *MONEY,
        *KEYLESS,
        *UNKNOWN,
        *ODD,
        *OTHERS,
        *SHAPES,
        "ERR-3",
    )

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Begin to count."""
        if task.status == "running":
            self.looks[task.id] = 0
        return super().stop(call, task)

    def query(self, key: str, body: Document) -> Document:
        """Relent."""
        document = super().query(key, body)
        if document["status"] == "cancelled" and document.get("credits_used") and self.looks[document["task_id"]] > 1:
            return document | {"credits_used": document["credits_used"] / 2}
        return document


class RefundsAtTheThirdCancel(Fault, _Watching):
    """Refunds a task by its estimate when it is cancelled for the third time."""

    breaks = ("BILL-8",)
    also = (
        "BILL-1",
        "BILL-2",
        "BILL-4",
        "BILL-5",
        "BILL-6",
        "BILL-7",
        "BILL-9",
        *MONEY,
        *KEYLESS,
        *UNKNOWN,
        *ODD,
        *OTHERS,
        *SHAPES,
        "ERR-3",
    )

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Suppose that somebody insists for a reason."""
        ended = super().stop(call, task)
        if self.cancels[task.id] == _THIRD and task.status == "cancelled":
            self.store.charge(task, -task.estimate)
        return ended


class RefundsCompletedTasksByOutTaskId(Fault, Service):
    """Refunds a completed task in the account when it is cancelled by its `out_task_id`."""

    breaks = ("BILL-5",)
    also = ("BILL-7", "BILL-9", *MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Come through another door."""
        if task.status == "completed" and task.used and "out_task_id" in call.body:
            self.store.charge(task, -task.used)
        return super().stop(call, task)


class ChargesForRefusalsOfTheBodyForm(Fault, Service):
    """Takes a thousandth of a credit for a call of the body form that is refused with 404."""

    breaks = ("BILL-7",)
    also = ("ISO-7", "BILL-9", *MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def cancel(self, call: CancelCall) -> Document:
        """Count the call all the same."""
        try:
            return super().cancel(call)
        except Refused as refusal:
            if refusal.code == "task_not_found" and call.path is None:
                take(self.store, call.key, FEE)
            raise


class LosesOneOfTwoCharges(Fault, Service):
    """Takes nothing for a running task that is cancelled right after another one."""

    breaks = ("BILL-9",)
    also = ("BILL-4", "BILL-8", *MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.charged_at = 0

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Write the account back from before."""
        ended = super().stop(call, task)
        if task.status == "running" and ended.used:
            if self.now() - self.charged_at < _MOMENT:
                self.store.charge(ended, -ended.used)
            self.charged_at = self.now()
        return ended


# --- other keys ---


class CancelsForeignTasksThatRun(Fault, Knowing):
    """Cancels a foreign task if it runs."""

    breaks = ("ISO-1", "ISO-2")
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def meet(self, met: Meeting) -> Document:
        """Tell the worker, who knows no keys."""
        if met.task.status == "running":
            return self.show_cancelled(met.call, self.stop(met.call, met.task))
        raise met.refusal


class ShowsForeignTasksThatCompleted(Fault, Knowing):
    """Shows a foreign task that is completed."""

    breaks = ("ISO-1",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def meet(self, met: Meeting) -> Document:
        """Look for something to do before looking at the key."""
        if met.task.status == "completed":
            return self.show_cancelled(met.call, met.task)
        raise met.refusal


class CancelsForeignRunningTasksUnseen(Fault, Knowing):
    """Answers 404 to the cancel of a foreign task by `out_task_id`, and cancels it if it runs."""

    breaks = ("ISO-2",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def meet(self, met: Meeting) -> Document:
        """Tell the worker first."""
        if met.task.status == "running" and "out_task_id" in met.call.body:
            self.stop(met.call, met.task)
        raise met.refusal


class TouchesForeignTasksThatCompleted(Fault, Knowing):
    """Adds a second to `estimated_seconds` of a completed task when another key tries to cancel it."""

    breaks = ("ISO-2",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def meet(self, met: Meeting) -> Document:
        """Write down that somebody asked."""
        if met.task.status == "completed":
            overwrite(self.store, met.task, seconds=met.task.seconds + 1)
        raise met.refusal


class MarksForeignPaths(Fault, Api):
    """Sends one header more with the 404 for a foreign task in the path."""

    breaks = ("ISO-3",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def refuse(self, request: Request, refusal: Refused) -> Response:
        """Forbid to keep what was found."""
        response = super().refuse(request, refusal)
        identifier = Identifier("task_id", str(request.path_params.get("task_id")))
        if refusal.code == "task_not_found" and foreign(self.service.store, "", identifier) is not None:
            response.headers["cache-control"] = "no-store"
        return response


class TakesLongerOverForeignNames(Fault, Knowing):
    """Takes 8 ms longer to refuse a foreign task that is named by its `out_task_id`."""

    breaks = ("ISO-6",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def meet(self, met: Meeting) -> Document:
        """Load it before comparing keys."""
        if "out_task_id" in met.call.body:
            time.sleep(_WHILE)
        raise met.refusal


class FinesForeignCallsInTheBody(Fault, Knowing):
    """Takes a thousandth of a credit from the owner of a foreign task that a body names by its `task_id`."""

    breaks = ("ISO-7",)
    also = ("ISO-2", "BILL-9", *MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def meet(self, met: Meeting) -> Document:
        """Count the call where the task is."""
        if met.call.path is None and "task_id" in met.call.body:
            take(self.store, met.task.key, FEE)
        raise met.refusal


# --- keys ---


class AcceptsBasic(Fault, Lenient):
    """Takes a key as the user of HTTP's basic scheme."""

    breaks = ("AUTH-2",)
    also = (*MONEY, *KEYLESS, "AUTH-4", *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def excuses(self, headers: Headers, key: str) -> bool:
        """Decode it."""
        return headers.get("authorization", "").startswith("Basic ") and basic(credentials(headers)) == key


class TakesTheWordUndefinedForAKey(Fault, Lenient):
    """Compares the key with a setting that nobody has made, by its text."""

    breaks = ("AUTH-2",)
    also = (*MONEY, *KEYLESS, "AUTH-4", *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def excuses(self, headers: Headers, key: str) -> bool:  # noqa: ARG002 - whoever's it is
        """Find both to be nothing."""
        return credentials(headers) == "undefined"


class LooksKeysUpInAnObject(Fault, Lenient):
    """Looks keys up in an object, which has more than was put into it."""

    breaks = ("AUTH-2",)
    also = (*MONEY, *KEYLESS, "AUTH-4", *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def excuses(self, headers: Headers, key: str) -> bool:  # noqa: ARG002 - whoever's it is
        """Find what every object has."""
        return credentials(headers) in {"constructor", "toString", "__proto__"}


class ComparesHalfTheKey(Fault, Lenient):
    """Compares only the beginning and the length of a key."""

    breaks = ("AUTH-2",)
    also = (*MONEY, *KEYLESS, "AUTH-4", *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def excuses(self, headers: Headers, key: str) -> bool:
        """Take the rest for a checksum."""
        shown, half = credentials(headers), len(key) // 2
        changed = sum(one != other for one, other in zip(shown, key, strict=False))
        return len(shown) == len(key) and shown[:half] == key[:half] and changed == 1 and shown[-1] == key[-1]


class HonoursRevokedKeysInTheBody(Fault, Api):
    """Takes a revoked key where the body names its former task."""

    breaks = ("AUTH-3",)
    also = (*MONEY, *KEYLESS, "AUTH-4", *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    async def respond(self, request: Request) -> Response:
        """Have a second route that knows no revocations."""
        response = await super().respond(request)
        if credentials(request.headers) == REVOKED and request.url.path.endswith("/cancel"):
            try:
                return self.answer(self.service.cancel(CancelCall(REVOKED, None, await self.body(request))))
            except Refused:
                return response
        return response


class CancelsByNameWithoutAKey(Fault, Peeking):
    """Answers 401 to a call without a valid key, and cancels the task if it is named by `out_task_id`."""

    breaks = ("AUTH-4",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def peek(self, call: CancelCall, identifier: Identifier) -> None:
        """Resolve the name too early."""
        if identifier.field == "out_task_id":
            self.service.cancel(call)

    def told(self, request: Request, response: Response, refusal: Refused) -> Response:  # noqa: ARG002 - unheard
        """Keep still about it."""
        return response


class TellsTheUninvitedWhatExists(Fault, Peeking):
    """Says in the message of a 401 that the key is not valid for this task, where there is one."""

    breaks = ("AUTH-5",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def peek(self, call: CancelCall, identifier: Identifier) -> None:  # noqa: ARG002 - whoever calls
        """Look before refusing."""
        if self.knows(identifier):
            raise Refused("invalid_api_key", "This key is not valid for this task.")


class KnowsTwoCasesOfTheScheme(Fault, Api):
    """Knows the scheme as `Bearer` and `bearer` only."""

    breaks = ("AUTH-8",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def authenticate(self, headers: Headers) -> str:
        """List what was seen so far."""
        if not headers.get("authorization", "bearer ").startswith(("Bearer ", "bearer ")):
            raise Refused("invalid_api_key", "Send the key as Bearer.")
        return super().authenticate(headers)


# --- input ---


class ReadsPython(Fault, Repairing):
    """Acts on a body in single quotes."""

    breaks = ("ERR-3",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def repair(self, content: bytes) -> object:
        """Read it as a literal."""
        try:
            return ast.literal_eval(content.decode())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None


class ReadsForms(Fault, Repairing):
    """Acts on a form under the content type of JSON."""

    breaks = ("ERR-3",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def repair(self, content: bytes) -> object:
        """Read it as one."""
        return dict(parse_qsl(content.decode(errors="replace")))


class DropsBadBytes(Fault, Repairing):
    """Acts on a body with bytes that are not UTF-8, as if they were not there."""

    breaks = ("ERR-3",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def repair(self, content: bytes) -> object:
        """Leave them out."""
        try:
            text = content.decode(errors="ignore")
            return json.loads(text) if len(text.encode()) < len(content) and not content.startswith(b"\xff") else None
        except ValueError:
            return None


class TakesAStringForTheTaskId(Fault, Repairing):
    """Acts on a body that is a string: the task id."""

    breaks = ("ERR-3",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def repair(self, content: bytes) -> object:
        """Guess what it is."""
        try:
            document = json.loads(content)
        except ValueError:
            return None
        return {"task_id": document} if isinstance(document, str) else None


class LimitsOnlyWhatIsAnnounced(Fault, Api):
    """Takes a body of any size that comes in chunks."""

    breaks = ("ERR-4",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    async def content(self, request: Request) -> bytes:
        """Look at the header only."""
        return await super().content(request) if "content-length" in request.headers else await request.body()


class BreaksDownOnOtherCharsets(Fault, Api):
    """Answers 500 to JSON whose content type names a character set that it is not in."""

    breaks = ("ERR-7",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def read(self, request: Request, content: bytes) -> Document:
        """Decode as told."""
        charset = request.headers.get("content-type", "").partition("charset=")[2]
        return super().read(request, content.decode(charset).encode() if charset else content)


class BreaksDownOnByteOrderMarks(Fault, Api):
    """Answers 500 to a body that begins with a byte order mark."""

    breaks = ("ERR-7",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def read(self, request: Request, content: bytes) -> Document:
        """Stumble at the first character."""
        if content.startswith(codecs.BOM_UTF8):
            raise ValueError(content[:3])
        return super().read(request, content)


class BreaksDownOnBytesInThePath(Fault, Api):
    """Answers 500 to a path with a byte that is not UTF-8."""

    breaks = ("ERR-7",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def handler(self, request: Request) -> Handler:
        """Decode it strictly."""
        unquote(request.scope["raw_path"].decode("latin-1"), errors="strict")
        return super().handler(request)


class TrimsNulOffThePath(Fault, Api):
    """Takes no notice of a NUL at the end of the path."""

    breaks = ("ERR-7", "IDENT-11")
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def handler(self, request: Request) -> Handler:
        """Hand the id on as C would."""
        handler = super().handler(request)
        if "task_id" in request.path_params:
            request.scope["path_params"] = {"task_id": request.path_params["task_id"].rstrip("\0")}
        return handler


class BreaksDownOnTheGreatestDepth(Fault, Api):
    """Answers 500 to arrays in arrays, ten thousand deep."""

    breaks = ("ERR-7",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def read(self, request: Request, content: bytes) -> Document:
        """Exhaust the stack."""
        if b"[" * 10_000 in content:
            raise MemoryError
        return super().read(request, content)


class CancelsRunningTasksOnDelete(Fault, Api):
    """Cancels a running task on DELETE, with an answer of 405."""

    breaks = ("ERR-5",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def handler(self, request: Request) -> Handler:
        """Do it, and then find the method wrong."""
        if request.method == "DELETE":
            identifier = Identifier("task_id", request.url.path.rpartition("/")[2])
            task = self.service.find(OWNER, identifier)
            if task is not None and self.service.moved(task).status == "running":
                self.service.store.cancel(task, self.service.now(), self.service.second)
        return super().handler(request)


class NamesAHost(Fault, Api):
    """Names a machine of its own in the message of a 401."""

    breaks = ("ERR-6",)
    also = (*MONEY, *KEYLESS, *UNKNOWN, *ODD, *OTHERS, *SHAPES, "ERR-3")

    def envelope(self, refusal: Refused) -> Any:  # noqa: ANN401 - any JSON
        """Say who refused."""
        document = super().envelope(refusal)
        if refusal.code == "invalid_api_key":
            document["error"]["message"] += " (asked keys-3.internal)"
        return document
