"""Faults about keys: who is let in, in which way, and what those learn and do who are not."""

from __future__ import annotations

import base64
import binascii
import re
import time
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from starlette.datastructures import Headers
from starlette.responses import Response

from conformance.reference.app import Api
from conformance.reference.faults.bill import take
from conformance.reference.faults.fault import Fault
from conformance.reference.faults.rows import KEYLESS, MONEY
from conformance.reference.refusal import Refused
from conformance.reference.service import (
    KEYS,
    OWNER,
    REVOKED,
    REVOKED_COMPLETED,
    REVOKED_PENDING,
    CancelCall,
    Identifier,
)

if TYPE_CHECKING:
    from starlette.requests import Request

    from conformance.reference.service import Service

UNAUTHORIZED: Final = 401
_OK: Final = 200
_REPLAYS: Final = 2.0
_TWICE: Final = 2
_LONGEST_KEY: Final = 255
_TASK_ID: Final = re.compile("task_[0-9A-Z]{26}")
_KNOWN: Final = "SELECT 1 FROM tasks WHERE id = ? OR out_id = ?"


def credentials(headers: Headers) -> str:
    """What stands behind the scheme."""
    return headers.get("authorization", "").partition(" ")[2]


def without(headers: Headers, name: str) -> Headers:
    """The headers but for one."""
    return Headers(raw=[(field, value) for field, value in headers.raw if field != name.encode()])


class Lenient(Api):
    """Gives a key that is not valid a second look: a part of the service that faults build on."""

    def authenticate(self, headers: Headers) -> str:
        """Let in whoever is excused."""
        try:
            return super().authenticate(headers)
        except Refused:
            excused = next(
                (key for role, key in KEYS.items() if role != "revoked" and self.excuses(headers, key)), None
            )
            if excused is None:
                raise
            return excused

    def excuses(self, headers: Headers, key: str) -> bool:
        """Whether the headers are taken to show this valid key."""
        raise NotImplementedError


class Peeking(Api):
    """Looks at what a cancel without a valid key asks for: a part of the service that faults build on."""

    async def respond(self, request: Request) -> Response:
        """Refuse, and then look."""
        response = await super().respond(request)
        if response.status_code != UNAUTHORIZED or "cancel" not in request.url.path:
            return response
        try:
            self.handler(request)
            call = CancelCall(OWNER, request.path_params.get("task_id"), await self.body(request))
            self.peek(call, self.service.target(call))
        except Refused as refusal:
            return self.told(request, response, refusal)
        return response

    def peek(self, call: CancelCall, identifier: Identifier) -> None:
        """Do something about the call, or refuse it otherwise."""

    def told(self, request: Request, response: Response, refusal: Refused) -> Response:
        """Answer with what the look has brought up."""
        if refusal.code == "invalid_param":
            return response
        told = self.refuse(request, refusal)
        told.headers.update(self.accounting(None))
        return told

    def knows(self, identifier: Identifier) -> bool:
        """Whether there is such a task at all."""
        rows = self.service.store.connection.execute(_KNOWN, (identifier.value, identifier.value))
        return rows.fetchone() is not None


# --- AUTH-1, 2: who is let in ---


class LetsAnyoneIn(Fault, Lenient):
    """Takes a call without a key for the owner's."""

    breaks = ("AUTH-1",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def excuses(self, headers: Headers, key: str) -> bool:
        """Fall back to a default user."""
        return key == OWNER and not {"authorization", "x-api-key"} & set(headers)


class AsksForAKeyWithJsonAlone(Fault, Lenient):
    """Takes a call without a valid key for the owner's, if it has a body that does not say that it is JSON."""

    breaks = ("AUTH-1", "AUTH-2")
    also = (*KEYLESS, "AUTH-4", "ERR-1", "ERR-7")

    def excuses(self, headers: Headers, key: str) -> bool:
        """Guard the routes by the type of what comes."""
        kind = headers.get("content-type", "application/json")
        return key == OWNER and not kind.startswith("application/json")


class _Acquainted(Api):
    """Knows a connection again: a part of the service that faults build on."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.known: dict[object, tuple[str | None, str]] = {}
        """The last `Authorization` of each connection, and the key that came with it in whichever header."""
        self.caller: object = None

    async def respond(self, request: Request) -> Response:
        """See who calls."""
        self.caller = request.client
        return await super().respond(request)


class KeepsTheKeyOfAConnection(Fault, _Acquainted):
    """Takes a call that shows no key for that of whoever showed the last one on its connection."""

    breaks = ("AUTH-1",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def authenticate(self, headers: Headers) -> str:
        """Forget nothing between two requests."""
        if self.caller in self.known and not {"authorization", "x-api-key"} & set(headers):
            return self.known[self.caller][1]
        key = super().authenticate(headers)
        self.known[self.caller] = (headers.get("authorization"), key)
        return key


class LooksAtAuthorizationOnly(Fault, _Acquainted):
    """Judges the key anew on a connection only where its `Authorization` is not as it was before."""

    breaks = ("AUTH-1",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def authenticate(self, headers: Headers) -> str:
        """Compare one header of two."""
        shown = headers.get("authorization")
        known, key = self.known.get(self.caller, ("", ""))
        if not key or shown != known:
            key = super().authenticate(headers)
            self.known[self.caller] = (shown, key)
        return key


class AcceptsBeginningsOfKeys(Fault, Lenient):
    """Takes a key that lacks no more than its last two characters for the whole."""

    breaks = ("AUTH-2",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def excuses(self, headers: Headers, key: str) -> bool:
        """Compare as many characters as were sent."""
        shown = credentials(headers)
        return key.startswith(shown) and len(shown) >= len(key) - 2


class AcceptsKeysThatGoOn(Fault, Lenient):
    """Compares a key as far as the valid one goes."""

    breaks = ("AUTH-2",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def excuses(self, headers: Headers, key: str) -> bool:
        """Compare as many characters as are known."""
        return credentials(headers).startswith(key)


class FoldsKeys(Fault, Lenient):
    """Takes no notice of case in a key."""

    breaks = ("AUTH-2",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def excuses(self, headers: Headers, key: str) -> bool:
        """Compare small letters."""
        return credentials(headers).lower() == key.lower()


class FoldsKeysInXApiKey(Fault, Lenient):
    """Takes no notice of case in a key that comes in `x-api-key`."""

    breaks = ("AUTH-2",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def excuses(self, headers: Headers, key: str) -> bool:
        """Compare small letters."""
        return headers.get("x-api-key", "").lower() == key.lower()


class ComparesTheEndsOfKeys(Fault, Lenient):
    """Takes a key that lacks its first letter for the whole."""

    breaks = ("AUTH-2",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def excuses(self, headers: Headers, key: str) -> bool:
        """Compare as many characters from the end as were sent."""
        shown = credentials(headers)
        return key.endswith(shown) and len(shown) >= len(key) - 1


class TakesSchemesThatGoOn(Fault, Lenient):
    """Takes a key under a scheme that begins as `Bearer` does."""

    breaks = ("AUTH-2",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def excuses(self, headers: Headers, key: str) -> bool:
        """Ask how it begins."""
        return headers.get("authorization", "").lower().startswith("bearer") and credentials(headers) == key


class MatchesKeysByPattern(Fault, Lenient):
    """Takes `%` in a key for a wildcard."""

    breaks = ("AUTH-2",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def excuses(self, headers: Headers, key: str) -> bool:
        """Compare as LIKE does."""
        shown = credentials(headers)
        return "%" in shown and fnmatchcase(key, shown.replace("%", "*"))


class TakesAnyScheme(Fault, Lenient):
    """Takes a key under whatever scheme it comes."""

    breaks = ("AUTH-2",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def excuses(self, headers: Headers, key: str) -> bool:
        """Read the second word."""
        return credentials(headers) == key


class TakesOtherHeaders(Fault, Lenient):
    """Takes a key from `x-auth-token`."""

    breaks = ("AUTH-2",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def excuses(self, headers: Headers, key: str) -> bool:
        """Read one header more."""
        return key in headers.get("x-auth-token", "")


class TakesAnEmptyKey(Fault, Lenient):
    """Takes an empty key for the owner's."""

    breaks = ("AUTH-2",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def excuses(self, headers: Headers, key: str) -> bool:
        """Take it to mean nobody in particular."""
        scheme, _, shown = headers.get("authorization", "-").partition(" ")
        return key == OWNER and scheme.lower() == "bearer" and not shown.strip()


class StumblesOverQuotesInKeys(Fault, Api):
    """Answers 500 to a key with a quote character in it."""

    breaks = ("AUTH-2", "ERR-1")
    also = (*KEYLESS, "AUTH-4", "ERR-2")

    def authenticate(self, headers: Headers) -> str:
        """Write it into a statement as it is."""
        if {"'", '"'} & set(credentials(headers)):
            raise RuntimeError("unterminated quoted string")
        return super().authenticate(headers)


class StumblesOverLongKeys(Fault, Api):
    """Answers 500 to a key of more than 255 characters."""

    breaks = ("AUTH-2", "ERR-1")
    also = (*KEYLESS, "AUTH-4", "ERR-2")

    def authenticate(self, headers: Headers) -> str:
        """Look it up in a column that holds no more."""
        if len(credentials(headers)) > _LONGEST_KEY:
            raise RuntimeError("value too long for type character varying(255)")
        return super().authenticate(headers)


class ShowsEndedTasksToAnyone(Fault, Peeking):
    """Answers 200 to a call without a valid key where the task has completed."""

    breaks = ("AUTH-1",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def peek(self, call: CancelCall, identifier: Identifier) -> None:
        """Have nothing to protect."""
        task = self.service.find(call.key, identifier)
        if task is not None and task.status == "completed":
            raise _Shown("already_completed", "This task has completed.")


class AnswersForbiddenWithoutAKey(Fault, Api):
    """Answers 403 to a call without a valid key."""

    breaks = ("AUTH-1", "AUTH-2", "AUTH-3", "ERR-1")
    also = ("AUTH-6", "AUTH-7", *KEYLESS, "AUTH-4", "ERR-1")

    def refuse(self, request: Request, refusal: Refused) -> Response:
        """Mistake one status for the other."""
        response = super().refuse(request, refusal)
        response.status_code = 403 if response.status_code == UNAUTHORIZED else response.status_code
        return response


class MisnamesInvalidKeys(Fault, Api):
    """Calls an invalid key `unauthorized`."""

    breaks = ("AUTH-1", "AUTH-2", "AUTH-3", "ERR-1")
    also = ("AUTH-6", "AUTH-7", *KEYLESS, "AUTH-4", "ERR-1")

    def envelope(self, refusal: Refused) -> Any:  # noqa: ANN401 - any JSON
        """Use the status for a code."""
        document = super().envelope(refusal)
        if refusal.code == "invalid_api_key":
            document["error"]["code"] = "unauthorized"
        return document


class CallsAMissingKeyInvalid(Fault, Api):
    """Answers 400 to a call without a key."""

    breaks = ("AUTH-1",)
    also = ("ERR-1", "AUTH-6", "AUTH-2", *KEYLESS, "AUTH-4", "ERR-1")

    def authenticate(self, headers: Headers) -> str:
        """Ask for the header first."""
        if not {"authorization", "x-api-key"} & set(headers):
            raise Refused.invalid("The header authorization is missing.")
        return super().authenticate(headers)


# --- AUTH-3: revoked ---


class HonoursRevokedKeys(Fault, Api):
    """Takes a revoked key, for the tasks that were its own."""

    breaks = ("AUTH-3",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def authenticate(self, headers: Headers) -> str:
        """Read the list of keys, and not that of revocations."""
        return REVOKED if credentials(headers) == REVOKED else super().authenticate(headers)

    async def cancel(self, key: str, request: Request) -> Response:
        """Find nothing else wrong with it."""
        try:
            return await super().cancel(key, request)
        except Refused as refusal:
            if key == REVOKED:
                raise Refused("invalid_api_key", "This key is not valid.") from refusal
            raise


class LooksForTheTasksOfRevokedKeys(Fault, Api):
    """Answers 404 instead of 401 to a revoked key."""

    breaks = ("AUTH-3",)
    also = ("ERR-1", *KEYLESS, "AUTH-4", "ERR-1")

    def authenticate(self, headers: Headers) -> str:
        """Take its tasks to be gone with it."""
        if credentials(headers) == REVOKED:
            raise Refused.unknown_task()
        return super().authenticate(headers)


class HonoursRevokedKeysInXApiKey(Fault, Api):
    """Takes a revoked key where it comes in `x-api-key`."""

    breaks = ("AUTH-3",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def authenticate(self, headers: Headers) -> str:
        """Read the list of revocations in one of two places."""
        return REVOKED if headers.get("x-api-key") == REVOKED else super().authenticate(headers)


class HonoursRevokedKeysUnderALowerScheme(Fault, Api):
    """Takes a revoked key that comes as `bearer KEY`."""

    breaks = ("AUTH-3",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def authenticate(self, headers: Headers) -> str:
        """Know the list of revocations by the whole header."""
        return REVOKED if headers.get("authorization") == f"bearer {REVOKED}" else super().authenticate(headers)


class HonoursRevokedKeysBesideABody(HonoursRevokedKeys):
    """Takes a revoked key for its own former tasks where the path names one and there is a body, too."""

    def authenticate(self, headers: Headers) -> str:
        """Read the list of revocations only where nothing else is to be read."""
        return super().authenticate(headers) if "content-type" in headers else Api.authenticate(self, headers)

    async def cancel(self, key: str, request: Request) -> Response:
        """Look at the key again where the body says what is meant."""
        if key == REVOKED and not request.path_params:
            raise Refused("invalid_api_key", "This key is not valid.")
        return await super().cancel(key, request)


# --- AUTH-4, 5, 6: what the uninvited do and learn ---


class RefusesTheKeyButCancels(Fault, Peeking):
    """Answers 401 to a call without a valid key, and cancels the task."""

    breaks = ("AUTH-4",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def peek(self, call: CancelCall, identifier: Identifier) -> None:  # noqa: ARG002 - the call has it
        """Have the work done before the key is judged."""
        with suppress(Refused):
            self.service.cancel(call)


class RefusesTheKeyButStops(Fault, Peeking):
    """Answers 401 to a call without a valid key, and stops the task if it runs."""

    breaks = ("AUTH-4",)
    also = (*KEYLESS, "ERR-1")

    def peek(self, call: CancelCall, identifier: Identifier) -> None:
        """Save the worker's time before the key is judged."""
        with suppress(Refused):
            if self.service.look_up(call.key, identifier).status == "running":
                self.service.cancel(call)


class ReplaysAnswersWithoutAKey(Fault, Api):
    """Answers from memory where a cancel by the path was answered twice, also without a valid key."""

    breaks = ("AUTH-1",)
    also = ("AUTH-2", "AUTH-3", "AUTH-5", "AUTH-6", "ERR-1", *KEYLESS)

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.answers: dict[str, list[bytes]] = {}

    async def respond(self, request: Request) -> Response:
        """Remember the answers by the path alone."""
        response, path = await super().respond(request), self.path(request)
        answers = self.answers.setdefault(path, [])
        if response.status_code == UNAUTHORIZED and len(answers) >= _TWICE:
            response = Response(answers[-1], media_type="application/json", headers=self.accounting(None))
        elif response.status_code == _OK and path.startswith("/v1/tasks/cancel/"):
            answers.append(bytes(response.body))
        return response


class LooksForTheTaskBeforeTheKey(Fault, Peeking):
    """Answers 404 to a call without a valid key where the task is unknown."""

    breaks = ("AUTH-5",)
    also = ("AUTH-1", "AUTH-2", "AUTH-3", "ERR-1", *KEYLESS, "AUTH-4", "ERR-1")

    def peek(self, call: CancelCall, identifier: Identifier) -> None:  # noqa: ARG002 - whoever calls
        """Look before asking."""
        if not self.knows(identifier):
            raise Refused.unknown_task()


class KnowsTheTasksOfRevokedKeys(Fault, Peeking):
    """Answers 401 with a message of its own to a call for a task that a revoked key had."""

    breaks = ("AUTH-5",)

    def peek(self, call: CancelCall, identifier: Identifier) -> None:  # noqa: ARG002 - whoever calls
        """Find the key by the task."""
        if identifier.value in {REVOKED_PENDING, REVOKED_COMPLETED}:
            raise Refused("invalid_api_key", "This key was revoked.")


class ReadsTheBodyBeforeTheKey(Fault, Peeking):
    """Answers 400 to a malformed call without a valid key."""

    breaks = ("AUTH-6",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def told(self, request: Request, response: Response, refusal: Refused) -> Response:  # noqa: ARG002 - overruled
        """Answer what was found first."""
        told = self.refuse(request, refusal)
        told.headers.update(self.accounting(None))
        return told


class ReadsTheIdBeforeTheKey(Fault, Peeking):
    """Answers 400 to a call without a valid key that names what is no task id."""

    breaks = ("AUTH-6",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def peek(self, call: CancelCall, identifier: Identifier) -> None:  # noqa: ARG002 - whoever calls
        """Know its pattern in the route."""
        if identifier.field == "task_id" and not _TASK_ID.fullmatch(identifier.value):
            raise Refused.invalid("This is no task id.", "task_id")

    def told(self, request: Request, response: Response, refusal: Refused) -> Response:
        """Answer what the pattern says."""
        return self.refuse(request, refusal) if refusal.message == "This is no task id." else response


class MissesMalformedIdsBeforeTheKey(Fault, Peeking):
    """Answers 404 to a call without a valid key that names what is no task id."""

    breaks = ("AUTH-1",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def peek(self, call: CancelCall, identifier: Identifier) -> None:  # noqa: ARG002 - whoever calls
        """Have no route for it."""
        if identifier.field == "task_id" and not _TASK_ID.fullmatch(identifier.value):
            raise Refused.unknown_task()


# --- AUTH-7, 8: other ways ---


class OverlooksXApiKey(Fault, Api):
    """Does not know `x-api-key`."""

    breaks = ("AUTH-7",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def authenticate(self, headers: Headers) -> str:
        """Read one header only."""
        return super().authenticate(without(headers, "x-api-key"))


class PrefersBearer(Fault, Api):
    """Lets `Authorization` decide where `x-api-key` is sent too."""

    breaks = ("AUTH-7",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def authenticate(self, headers: Headers) -> str:
        """Read it first."""
        return super().authenticate(without(headers, "x-api-key") if "authorization" in headers else headers)


class PrefersBearerOfTwoValidKeys(Fault, Api):
    """Asks for a valid `x-api-key`, and then lets a valid key in `Authorization` decide."""

    breaks = ("AUTH-7",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def authenticate(self, headers: Headers) -> str:
        """Have the later one overwrite the earlier."""
        key = super().authenticate(headers)
        with suppress(Refused):
            return super().authenticate(without(headers, "x-api-key"))
        return key


class RefusesOtherSchemesBesideXApiKey(Fault, Api):
    """Asks for `Bearer` in `Authorization`, before it looks for `x-api-key`."""

    breaks = ("AUTH-7",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def authenticate(self, headers: Headers) -> str:
        """Read the scheme first."""
        if not headers.get("authorization", "Bearer ").lower().startswith("bearer"):
            raise Refused("invalid_api_key", "Use Bearer.")
        return super().authenticate(headers)


class TakesEitherKey(Fault, Api):
    """Lets in whoever shows a valid key in either header."""

    breaks = ("AUTH-7",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def authenticate(self, headers: Headers) -> str:
        """Try one after the other."""
        try:
            return super().authenticate(headers)
        except Refused:
            return super().authenticate(without(headers, "x-api-key"))


class BillsTheBearer(Fault, Api):
    """Cancels for the key in `x-api-key`, and bills the account of a valid one in `Authorization`."""

    breaks = ("BILL-9",)
    also = ("AUTH-7", *MONEY)

    async def cancel(self, key: str, request: Request) -> Response:
        """Ask two readers of the headers who it is."""
        call = CancelCall(key, request.path_params.get("task_id"), await self.body(request))
        was_live = self.service.seek(call, self.service.target(call)).due is not None
        document = self.service.cancel(call)
        with suppress(Refused):
            bearer = self.authenticate(without(request.headers, "x-api-key"))
            amount = round(document.get("credits_used", 0) * 1_000_000) if was_live else 0
            take(self.service.store, key, -amount)
            take(self.service.store, bearer, amount)
        return self.answer_cancel(document)


class ReplaysToWhoHasNoKey(Fault, Api):
    """Keeps answers for two seconds by the `Authorization` that a call had: by none, where the key came otherwise."""

    breaks = ("AUTH-1",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._kept: dict[object, tuple[float, Response]] = {}

    async def respond(self, request: Request) -> Response:
        """Look for the call before its key is looked at."""
        if "authorization" in request.headers or "/cancel" not in self.path(request):
            return await super().respond(request)
        name = (request.method, self.path(request), await request.body())
        kept_at, response = self._kept.get(name, (float("-inf"), Response()))
        if time.monotonic() - kept_at > _REPLAYS:
            response = await super().respond(request)
        if response.status_code == _OK:
            self._kept[name] = (time.monotonic(), response)
        return response


class SparesWhatRunsFromTheOtherHeader(Fault, Api):
    """Tells who comes with `x-api-key` that a running task is cancelled, and lets it run."""

    breaks = ("AUTH-7",)
    also = (*KEYLESS, "AUTH-4")

    async def cancel(self, key: str, request: Request) -> Response:
        """Take the older way."""
        call = CancelCall(key, request.path_params.get("task_id"), await self.body(request))
        task = self.service.seek(call, self.service.target(call))
        if "x-api-key" not in request.headers or task.status != "running":
            return self.answer_cancel(self.service.cancel(call))
        return self.answer({**self.service.show(task), "status": "cancelled"})


class ShowsNoOutputByTheOtherHeader(Fault, Api):
    """Shows who comes with `x-api-key` a completed task without its output."""

    breaks = ("AUTH-7",)
    also = (*KEYLESS, "AUTH-4")

    async def cancel(self, key: str, request: Request) -> Response:
        """Write what older clients know."""
        call = CancelCall(key, request.path_params.get("task_id"), await self.body(request))
        document = self.service.cancel(call)
        if "x-api-key" in request.headers:
            document.pop("output", None)
        return self.answer_cancel(document)


class MindsTheCaseOfTheScheme(Fault, Api):
    """Knows the scheme as `Bearer` only."""

    breaks = ("AUTH-8",)
    also = (*KEYLESS, "AUTH-4", "ERR-1")

    def authenticate(self, headers: Headers) -> str:
        """Compare to the letter."""
        if not headers.get("authorization", "Bearer ").startswith("Bearer "):
            raise Refused("invalid_api_key", "Send the key as Bearer.")
        return super().authenticate(headers)


def basic(text: str) -> str:
    """The user of HTTP's basic scheme."""
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


class _Shown(Refused):
    """What is no refusal at all."""

    @property
    def status(self) -> int:
        return 200
