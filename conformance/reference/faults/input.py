"""Faults about odd and unreadable input, large bodies, other methods, and what refusals give away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import unquote

from starlette.responses import Response

from conformance.reference.app import Api, Handler
from conformance.reference.faults.fault import Fault
from conformance.reference.faults.rows import ACCEPTED, INVALID, MONEY, ODD, OTHERS, SHAPES
from conformance.reference.faults.tampering import cancel_at, tasks_of
from conformance.reference.refusal import Refused
from conformance.reference.service import OWNER, CancelCall, Document, Identifier, Service

if TYPE_CHECKING:
    from starlette.requests import Request

_TWO_MEGABYTES: Final = 2 << 20
_DEEP: Final = 1000
_LONG: Final = 65_535
_LONG_PATH: Final = 2_000
_SHORT_WHILE: Final = 500_000
_MALFORMED: Final = "The body is not well-formed JSON."


def is_json(request: Request) -> bool:
    """Whether a request says that its body is JSON."""
    kind = request.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower() == "application/json"


# --- ERR-3: what is no JSON object ---


class Repairing(Api):
    """Reads a body otherwise where it is no JSON object: a part of the service that faults build on."""

    def read(self, request: Request, content: bytes) -> Document:
        """Read it once more."""
        try:
            return super().read(request, content)
        except Refused as refusal:
            document = self.repair(content)
            if not isinstance(document, dict):
                raise refusal from None
            return document

    def repair(self, content: bytes) -> object:
        """Make something of it that is an object, if it can be done."""
        raise NotImplementedError


class BreaksDownOnMalformedJson(Fault, Repairing):
    """Answers 500 to a body that is not well-formed JSON."""

    breaks = ("ERR-3",)
    also = ("ERR-7", *ODD, *INVALID, *OTHERS, "ERR-6")

    def repair(self, content: bytes) -> object:
        """Take it for granted that it is."""
        json.loads(content)
        return None


class BreaksDownOnWhatIsNoObject(Fault, Repairing):
    """Answers 500 to a body that is JSON and no object."""

    breaks = ("ERR-3",)
    also = ("ERR-7", *ODD, *INVALID, *OTHERS, "ERR-6")

    def repair(self, content: bytes) -> object:
        """Take it for granted that it has fields."""
        try:
            document: Any = json.loads(content)
        except ValueError:
            return None
        document.get("task_id")
        return None


class RepairsCutOffBodies(Fault, Repairing):
    """Adds the braces and quotes that are missing at the end of a body, and acts on it."""

    breaks = ("ERR-3",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")

    def repair(self, content: bytes) -> object:
        """Try the usual endings."""
        for end in (b"}", b'"}'):
            try:
                return json.loads(content + end)
            except ValueError:
                continue
        return None


class OverlooksGarbageBehind(Fault, Repairing):
    """Acts on the first object in a body, whatever follows it."""

    breaks = ("ERR-3",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")

    def repair(self, content: bytes) -> object:
        """Stop reading at the last brace that fits."""
        try:
            return json.JSONDecoder().raw_decode(content.decode())[0]
        except ValueError:
            return None


class ClosesQuotes(Fault, Repairing):
    """Adds the quote and the brace that are missing at the end of a body, and acts on it."""

    breaks = ("ERR-3",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")

    def repair(self, content: bytes) -> object:
        """Try the one ending."""
        try:
            return json.loads(content + b'"}')
        except ValueError:
            return None


class UnpacksStrings(Fault, Repairing):
    """Acts on the object whose JSON is a JSON string."""

    breaks = ("ERR-3",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")

    def repair(self, content: bytes) -> object:
        """Decode what somebody encoded twice."""
        try:
            return json.loads(json.loads(content))
        except (ValueError, TypeError):
            return None


class UnpacksLists(Fault, Repairing):
    """Acts on the first object in a list."""

    breaks = ("ERR-3",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")

    def repair(self, content: bytes) -> object:
        """Take a batch of one for one."""
        try:
            document = json.loads(content)
        except ValueError:
            return None
        return document[0] if isinstance(document, list) and document else None


# --- ERR-7: odd and readable ---


class ActsOnBothOfDoubledKeys(Fault, Api):
    """Cancels the tasks of both values of a doubled key."""

    breaks = ("ERR-7",)
    also = ("PARITY-2", "PARITY-4", "ERR-6")

    async def cancel(self, key: str, request: Request) -> Response:
        """Act on each."""
        values = doubled(await request.body())
        for value in values[:-1]:
            self.service.cancel(CancelCall(key, None, {"task_id": value}))
        if values:
            return self.answer(self.service.cancel(CancelCall(key, None, {"task_id": values[-1]})))
        return await super().cancel(key, request)


class ActsOnTheFirstAndShowsTheLast(Fault, Api):
    """Cancels the task of the first of two values of a key, and shows the task of the last."""

    breaks = ("ERR-7",)
    also = ("STATE-1", "STATE-3", "PARITY-2", "PARITY-4", "ERR-6")

    async def cancel(self, key: str, request: Request) -> Response:
        """Have two readers that disagree."""
        values = doubled(await request.body())
        if not values:
            return await super().cancel(key, request)
        self.service.cancel(CancelCall(key, None, {"task_id": values[0]}))
        return self.answer(self.service.query(key, {"task_id": values[-1]}))


def doubled(content: bytes) -> list[str]:
    """The values of the key `task_id` where it stands twice."""
    try:
        pairs = json.loads(content, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return []
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        return []
    values = [value for name, value in pairs if name == "task_id" and isinstance(value, str)]
    return values if len(values) > 1 else []


class BreaksDownOnNul(Fault, Api):
    """Answers 500 to a body with a NUL in a string."""

    breaks = ("ERR-7",)
    also = (*INVALID, "IDENT-11", "ERR-6")

    def read(self, request: Request, content: bytes) -> Document:
        """Hand it to a database that takes none."""
        if b"\\u0000" in content:
            raise ValueError(content)
        return super().read(request, content)


class BreaksDownOnDepth(Fault, Api):
    """Answers 500 to a body that is nested deeply."""

    breaks = ("ERR-7",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")

    def read(self, request: Request, content: bytes) -> Document:
        """Exhaust the stack."""
        if content.count(b"[") + content.count(b"{") > _DEEP:
            raise MemoryError
        return super().read(request, content)


class BreaksDownOnHugeIntegers(Fault, Api):
    """Answers 500 to a body with an integer of thousands of digits."""

    breaks = ("ERR-7",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")

    def read(self, request: Request, content: bytes) -> Document:
        """Read it with a reader that has a limit."""
        document = super().read(request, content)
        json.loads(content)
        return document


class BreaksDownOnLoneSurrogates(Fault, Api):
    """Answers 500 to a body with half a character."""

    breaks = ("ERR-7",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")

    def read(self, request: Request, content: bytes) -> Document:
        """Write it down as UTF-8."""
        document = super().read(request, content)
        str(document.get("note")).encode()
        str(document.get("out_task_id")).encode()
        return document


class BreaksDownOnLongIdentifiers(Fault, Api):
    """Answers 500 to an identifier that is longer than a column."""

    breaks = ("ERR-7",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")

    def read(self, request: Request, content: bytes) -> Document:
        """Look it up all the same."""
        document = super().read(request, content)
        if any(len(str(document.get(field))) > _LONG for field in ("task_id", "out_task_id")):
            raise OverflowError
        return document


class BreaksDownOnOtherContentTypes(Fault, Api):
    """Answers 500 to a body that is not called JSON."""

    breaks = ("ERR-7",)
    also = ("ERR-3", *ODD, *INVALID, *OTHERS, "ERR-6")

    def read(self, request: Request, content: bytes) -> Document:
        """Have no reader for it."""
        if not is_json(request):
            raise KeyError(request.headers.get("content-type"))
        return super().read(request, content)


class BreaksDownOnNothing(Fault, Api):
    """Answers 500 to no body at all that is called JSON."""

    breaks = ("ERR-7",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")

    async def content(self, request: Request) -> bytes:
        """Read it all the same."""
        content = await super().content(request)
        if is_json(request):
            content[0]
        return content


class KnowsSmallCharsetsOnly(Fault, Api):
    """Answers 415 to JSON whose content type names UTF-8 in capitals."""

    breaks = ("STATE-1",)
    also = (*ACCEPTED, *ODD, *INVALID, *OTHERS, *MONEY)

    async def cancel(self, key: str, request: Request) -> Response:
        """Compare to the letter."""
        if "UTF-8" in request.headers.get("content-type", ""):
            return Response(status_code=415)
        return await super().cancel(key, request)


class ReadsBodiesAsLatin1(Fault, Api):
    """Takes each byte of the body of a cancel for a letter."""

    breaks = ("IDENT-11",)
    also = (*ACCEPTED, *ODD, *INVALID, *OTHERS, "ERR-3")

    def read(self, request: Request, content: bytes) -> Document:
        """Decode by the oldest custom."""
        if "/cancel" in request.url.path:
            content = content.decode("latin-1").encode()
        return super().read(request, content)


class ReadsOneLineOfABody(Fault, Api):
    """Reads the first line of a cancel's body that is not empty, and no other."""

    breaks = ("IDENT-2", "ERR-3")
    also = (*ACCEPTED, *ODD, *INVALID, *OTHERS)

    def read(self, request: Request, content: bytes) -> Document:
        """Expect one document a line."""
        if "/cancel" in request.url.path:
            content = next(filter(None, map(bytes.strip, content.splitlines())), b"")
        return super().read(request, content)


class RefusesSpaceInFront(Fault, Api):
    """Refuses a body whose first character is no brace."""

    breaks = ("IDENT-2",)
    also = (*ACCEPTED, *ODD, *INVALID, *OTHERS)

    def read(self, request: Request, content: bytes) -> Document:
        """Look at the first byte, but for a path's sake."""
        if content[:1].isspace() and "task_id" not in request.path_params:
            raise Refused.invalid(_MALFORMED)
        return super().read(request, content)


class PretendsForPlainText(Fault, Api):
    """Answers 200 to a body of plain text, and cancels nothing."""

    breaks = ("ERR-7",)
    also = ("STATE-3", *ODD, *INVALID, *OTHERS, "ERR-6")

    async def cancel(self, key: str, request: Request) -> Response:
        """Show what it names."""
        if request.headers.get("content-type", "").startswith("text/plain"):
            return self.answer(self.service.query(key, await self.body(request)))
        return await super().cancel(key, request)


class BreaksDownOnUnreadableBodiesBesideAPath(Fault, Api):
    """Answers 500 to a path with a body that is no JSON object."""

    breaks = ("ERR-3",)
    also = ("ERR-7", *ODD, *INVALID, *OTHERS, "ERR-6")

    def read(self, request: Request, content: bytes) -> Document:
        """Take it for granted that there is none."""
        try:
            return super().read(request, content)
        except Refused as refusal:
            if "task_id" in request.path_params:
                raise RuntimeError from refusal
            raise


class DecodesThePathTwice(Fault, Api):
    """Decodes the percent codes of the path twice."""

    breaks = ("ERR-7",)
    also = ("IDENT-11", *ODD, *INVALID, *OTHERS, "ERR-6")

    def handler(self, request: Request) -> Handler:
        """Decode what has been decoded."""
        handler = super().handler(request)
        if "task_id" in request.path_params:
            request.scope["path_params"] = {"task_id": unquote(request.path_params["task_id"])}
        return handler


class TakesTheLastNameOfAPath(Fault, Api):
    """Takes what stands behind the last slash of the decoded id, as if the rest were folders."""

    breaks = ("IDENT-11",)
    also = ODD

    def handler(self, request: Request) -> Handler:
        """Leave out the folders."""
        handler = super().handler(request)
        if "task_id" in request.path_params:
            request.scope["path_params"] = {"task_id": request.path_params["task_id"].rpartition("/")[2]}
        return handler


class ReadsTheTaskIdBehindThePath(Fault, Api):
    """Prefers the `task_id` of a query behind the path to every other."""

    breaks = ("ERR-7",)
    also = (*ACCEPTED, *ODD, *OTHERS, *SHAPES)

    async def cancel(self, key: str, request: Request) -> Response:
        """Ask where parameters usually are."""
        path = request.query_params.get("task_id") or request.path_params.get("task_id")
        return self.answer_cancel(self.service.cancel(CancelCall(key, path, await self.body(request))))


class ReadsTheNameBehindThePath(Fault, Api):
    """Prefers the `out_task_id` of a query behind the path to every other identifier."""

    breaks = ("ERR-7",)
    also = (*ACCEPTED, *ODD, *OTHERS, *SHAPES)

    async def cancel(self, key: str, request: Request) -> Response:
        """Ask where parameters usually are."""
        if name := request.query_params.get("out_task_id"):
            return self.answer_cancel(self.service.cancel(CancelCall(key, None, {"out_task_id": name})))
        return await super().cancel(key, request)


# --- ERR-4: large bodies ---


class TakesTwoMegabytes(Fault, Api):
    """Answers 413 from 2 MiB on."""

    breaks = ("ERR-4",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")

    async def content(self, request: Request) -> bytes:
        """Have another limit."""
        content = await request.body()
        if len(content) > _TWO_MEGABYTES:
            raise Refused("body_too_large", "The body is too large.")
        return content


class CallsLargeBodiesInvalid(Fault, Api):
    """Answers 400 to a body over 1 MiB."""

    breaks = ("ERR-4",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")

    async def content(self, request: Request) -> bytes:
        """Find it malformed."""
        try:
            return await super().content(request)
        except Refused as refusal:
            raise Refused.invalid(refusal.message) from None


class BreaksDownOnLargeBodies(Fault, Api):
    """Answers 500 to a body over 1 MiB."""

    breaks = ("ERR-4", "ERR-7")
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")

    async def content(self, request: Request) -> bytes:
        """Have no room for it."""
        try:
            return await super().content(request)
        except Refused as refusal:
            raise MemoryError from refusal


class CancelsBesideLargeBodies(Fault, Api):
    """Answers 413 to a body that is too large beside a path, and cancels the task of the path."""

    breaks = ("ERR-7",)
    also = (*ODD, *OTHERS)

    async def cancel(self, key: str, request: Request) -> Response:
        """Read the body when the work is done."""
        try:
            return await super().cancel(key, request)
        except Refused as refusal:
            if refusal.code == "body_too_large" and request.path_params:
                self.service.cancel(CancelCall(key, request.path_params["task_id"], {}))
            raise


class BreaksDownOnLongPaths(Fault, Service):
    """Answers 500 to a task id of more than 2,000 characters in the path."""

    breaks = ("ERR-7",)
    also = (*ODD, "IDENT-11")

    def target(self, call: CancelCall) -> Identifier:
        """Fit it into a key of a cache."""
        if len(call.path or "") > _LONG_PATH:
            raise OverflowError
        return super().target(call)


class CancelsAllWhereThePathNamesNone(Fault, Api):
    """Answers 404 to a path that ends where the task id begins, and cancels every task of the key."""

    breaks = ("ERR-7",)
    also = (*ODD, *OTHERS)

    def handler(self, request: Request) -> Handler:
        """Look up all whose id begins with what is there."""
        if request.url.path.endswith("/cancel/"):
            key = self.authenticate(request.headers)
            for task in tasks_of(self.service.store, key):
                self.service.stop(CancelCall(key, "", {}), task)
        return super().handler(request)


# --- ERR-5: other methods ---


class _Obliging(Api):
    """Takes a cancel by another method for one by POST."""

    methods: ClassVar[tuple[str, ...]] = ()

    def handler(self, request: Request) -> Handler:
        """Look at the path only."""
        if request.method in self.methods and "/cancel" in request.url.path:
            request.scope["method"] = "POST"
        return super().handler(request)


class CancelsOnGet(Fault, _Obliging):
    """Cancels on GET."""

    breaks = ("ERR-5",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")
    methods = ("GET",)


class CancelsOnAnyMethodBehindASlash(Fault, Api):
    """Takes a path with a slash at its end for the one without, before the method is looked at."""

    breaks = ("ERR-5",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")

    def handler(self, request: Request) -> Handler:
        """Go on as with POST."""
        path = request.scope["raw_path"]
        if path.endswith(b"/") and b"/cancel/" in path:
            request.scope.update(method="POST", raw_path=path.rstrip(b"/"))
        return super().handler(request)


class CancelsOnGetWithAQuery(Fault, Api):
    """Cancels on GET what the query names."""

    breaks = ("ERR-5",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")

    def handler(self, request: Request) -> Handler:
        """Make a body of the query."""
        named = dict(request.query_params)
        if request.method == "GET" and request.url.path.endswith("/cancel") and named:
            request.scope["method"] = "POST"
            request._body = json.dumps(named).encode()  # noqa: SLF001 - starlette has no setter
        return super().handler(request)


class CancelsOnDelete(Fault, _Obliging):
    """Cancels on DELETE."""

    breaks = ("ERR-5",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")
    methods = ("DELETE",)


class CancelsOnPut(Fault, _Obliging):
    """Cancels on PUT."""

    breaks = ("ERR-5",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")
    methods = ("PUT",)


class CancelsLaterOnPut(Fault, Api):
    """Answers 405 to PUT, and the pending task that it names is cancelled in a while, when nobody asks."""

    breaks = ("ERR-5",)
    also = OTHERS

    def handler(self, request: Request) -> Handler:
        """Queue it, then find the method wrong."""
        if request.method == "PUT":
            task = self.service.find(OWNER, Identifier("task_id", request.url.path.rpartition("/")[2]))
            if task is not None and task.status == "pending":
                cancel_at(self.service.store, task, self.service.now() + _SHORT_WHILE)
        return super().handler(request)


class CancelsOnHead(Fault, _Obliging):
    """Cancels on HEAD."""

    breaks = ("ERR-5",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")
    methods = ("HEAD",)


class CancelsOnOptions(Fault, _Obliging):
    """Cancels on OPTIONS."""

    breaks = ("ERR-5",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")
    methods = ("OPTIONS",)


class BreaksDownOnPatch(Fault, Api):
    """Answers 500 to PATCH."""

    breaks = ("ERR-5",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")

    def handler(self, request: Request) -> Handler:
        """Have no branch for it."""
        if request.method == "PATCH":
            raise NotImplementedError
        return super().handler(request)


# --- ERR-6: internals ---


class _Talkative(Api):
    """Adds to the message of refusals with one of the `codes` what only the makers understand."""

    codes: ClassVar[tuple[str, ...]] = ()
    detail: ClassVar[str] = ""

    def envelope(self, refusal: Refused) -> Any:  # noqa: ANN401 - any JSON
        """Say more than is asked."""
        document = super().envelope(refusal)
        if refusal.code in self.codes:
            document["error"]["message"] += self.detail
        return document


class ShowsTheTraceback(Fault, _Talkative):
    """Shows the stack trace of a 400."""

    breaks = ("ERR-6",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")
    codes = ("invalid_param",)
    detail = '\nTraceback (most recent call last):\n  File "/srv/tasks/api.py", line 71, in cancel\nKeyError: 0'


class ShowsTheStatement(Fault, _Talkative):
    """Shows the SQL that found no task."""

    breaks = ("ERR-6",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")
    codes = ("task_not_found",)
    detail = " SELECT id, status FROM tasks WHERE key = $1 AND id = $2"


class ShowsAPath(Fault, _Talkative):
    """Shows a path of the server's in a 404."""

    breaks = ("ERR-6",)
    also = (*ODD, *INVALID, *OTHERS, "ERR-6")
    codes = ("task_not_found",)
    detail = " (/var/lib/tasks/queue/render.db)"
