"""Strangers that read a call differently, where the norm allows several readings."""

from __future__ import annotations

import json
import re
from posixpath import normpath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from conformance.reference.app import Api
from conformance.reference.refusal import Refused
from conformance.reference.service import CancelCall, Document, Identifier, Service
from conformance.reference.strangers.stranger import RefusedOtherwise, Stranger

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.requests import Request
    from starlette.responses import Response

_JSON: Final = "application/json"
_SMALL: Final = 1 << 16


class ActsOnThePathBesideAnOutTaskId(Stranger, Service):
    """Lets the path decide, whatever stands in the body (ruling R1)."""

    def target(self, call: CancelCall) -> Identifier:
        """Look no further than the path, where there is one."""
        return super().target(call) if call.path is None else Identifier("task_id", call.path)


class ActsOnTheUsableIdentifier(Stranger, Service):
    """Takes `null` for absent, beside a usable identifier and beside a path (ruling R3)."""

    def target(self, call: CancelCall) -> Identifier:
        """Leave out what is `null`."""
        body = {name: value for name, value in call.body.items() if value is not None}
        return super().target(CancelCall(call.key, call.path, body))


class DoesNotFindEmptyStrings(Stranger, Service):
    """Answers 404 rather than 400 to an empty identifier (ruling R4)."""

    def target(self, call: CancelCall) -> Identifier:
        """Look for it, in vain."""
        if call.path is None and list(call.body.values()) == [""]:
            raise Refused.unknown_task()
        return super().target(call)


class IgnoresUnreadableBodiesBesideThePath(Stranger, Api):
    """Acts on the path's task where the body is malformed or no object (ruling R20)."""

    async def cancel(self, key: str, request: Request) -> Response:
        """Do without the body."""
        path = request.path_params.get("task_id")
        try:
            return await super().cancel(key, request)
        except Refused as refusal:
            if path is None or refusal.code != "invalid_param" or not refusal.message.startswith("The body"):
                raise
            return self.answer_cancel(self.service.cancel(CancelCall(key, path, {})))


class NeverReadsTheBodyBesideThePath(Stranger, Api):
    """Acts on the path's task without so much as looking at the body."""

    async def cancel(self, key: str, request: Request) -> Response:
        """Leave the body to whom it may concern."""
        path = request.path_params.get("task_id")
        if path is None:
            return await super().cancel(key, request)
        return self.answer_cancel(self.service.cancel(CancelCall(key, path, {})))


class _ReadsDoubledKeys(Api):
    """Takes a key that is given twice for one of its values (ruling R18)."""

    async def body(self, request: Request) -> Document:
        """Choose where the usual service refuses."""
        content = await request.body()
        try:
            return await super().body(request)
        except Refused as refusal:
            if refusal.message != "A name is given twice.":
                raise
            document: Document = json.loads(content, object_pairs_hook=self.chosen)
            return document

    def chosen(self, pairs: list[tuple[str, Any]]) -> Document:
        """Choose among the values of each key."""
        return dict(pairs)


class TakesTheLastOfDoubledKeys(Stranger, _ReadsDoubledKeys):
    """Takes the last value of a key that is given twice."""


class TakesTheFirstOfDoubledKeys(Stranger, _ReadsDoubledKeys):
    """Takes the first value of a key that is given twice."""

    def chosen(self, pairs: list[tuple[str, Any]]) -> Document:
        """Let the earlier ones overwrite."""
        return dict(reversed(pairs))


class RefusesOtherContentTypes(Stranger, Api):
    """Answers 415 to a body that does not come as JSON (ruling R19), in just these letters."""

    async def body(self, request: Request) -> Document:
        """Judge the content type before the content."""
        if await request.body() and _kind(request) != _JSON:
            raise RefusedOtherwise(415, "unsupported_media_type", "Send application/json.")
        return await super().body(request)


class OverlooksOtherContentTypes(Stranger, Api):
    """Takes a body that does not come as JSON for none at all (ruling R19)."""

    async def body(self, request: Request) -> Document:
        """Have nothing to do with it."""
        return await super().body(request) if _is_json(request) else {}


class HeedsTheCharset(Stranger, Api):
    """Reads a body in the character set that its content type names, and answers 415 where it knows none such."""

    def read(self, request: Request, content: bytes) -> Document:
        """Decode as told."""
        charset = request.headers.get("content-type", "").partition("charset=")[2].strip('"') or "utf-8"
        try:
            return super().read(request, content.decode(charset).encode())
        except LookupError as error:
            raise RefusedOtherwise(415, "unsupported_charset", "Send UTF-8.") from error
        except UnicodeError as error:
            raise Refused.invalid("The body is not in the character set that it names.") from error


class RefusesNulAnywhere(Stranger, Api):
    """Answers 400 to a body with a NUL in any string, whatever that stands for (ruling R18)."""

    def read(self, request: Request, content: bytes) -> Document:
        """Look before anybody has read it."""
        if b"\\u0000" in content:
            raise Refused.invalid("Strings must not contain NUL.")
        return super().read(request, content)


class TakesSmallBodiesOnly(Stranger, Api):
    """Answers 413 to a body of more than 64 KiB, without having read it."""

    async def body(self, request: Request) -> Document:
        """Believe the header."""
        if int(request.headers.get("content-length", 0)) > _SMALL:
            raise Refused("body_too_large", "The body is too large.")
        return await super().body(request)


class ReadsMoreThanJson(Stranger, Api):
    """Takes what Python's own reader does, and a comment before it: NaN, UTF-16 (RFC 8259, 9)."""

    def read(self, request: Request, content: bytes) -> Document:
        """Read it strictly, or else leniently."""
        try:
            return super().read(request, content)
        except Refused as refusal:
            try:
                document = json.loads(re.sub(rb"\A/\*.*?\*/", b"", content))
            except (ValueError, RecursionError):
                raise refusal from None
            if not isinstance(document, dict):
                raise
            return document


class OverlooksBodiesInChunks(Stranger, Api):
    """Takes a body for empty whose length is not told, as a gateway to WSGI does that counts on it."""

    async def content(self, request: Request) -> bytes:
        """Look for the length first."""
        return await super().content(request) if "content-length" in request.headers else b""


class PrefersParametersBehindThePath(Stranger, Api):
    """Gives what is behind the path and what is in the body for one set of parameters, the path's own before both."""

    async def body(self, request: Request) -> Document:
        """Put the query over the body."""
        return await super().body(request) | dict(request.query_params)


class RefusesNamesOfPrototypes(Stranger, Api):
    """Refuses a body in which a field has the name of a prototype, as the reader of a framework does by default."""

    def read(self, request: Request, content: bytes) -> Document:
        """Look for the names first."""
        if re.search(rb'"__proto__"\s*:|"constructor"\s*:\s*\{\s*"prototype"\s*:', content):
            raise Refused.invalid("The body must not name a prototype.")
        return super().read(request, content)


class ForgivesSlashesAtTheEnd(Stranger, Api):
    """Takes a path with slashes at its end for the one without."""

    def path(self, request: Request) -> str:
        """Cut them off."""
        return super().path(request).rstrip("/")


class TidiesPathsUp(Stranger, Api):
    """Decodes a path, and leaves out the dots in it and its parameters, as many a server or proxy does."""

    relies_on = ("Service.fresh_id",)

    def path(self, request: Request) -> str:
        """Decode it, tidy it up, and encode it anew."""
        segments = unquote(super().path(request), "latin-1").split("/")
        return quote(normpath("/".join(each.partition(";")[0] for each in segments)), encoding="latin-1")


class AsksByGet(Stranger, Api):
    """Is queried by GET with a parameter, and by nothing else."""

    settings = {"query.method": "GET"}  # noqa: RUF012 - read only

    async def query(self, key: str, request: Request) -> Response:  # noqa: ARG002 - nobody is heard
        """Send everybody to the other door."""
        raise Refused("method_not_allowed", "Use GET.")


class LivesAtOtherPaths(Stranger, Api):
    """Has its routes under another prefix, and the verb before the task."""

    settings = {  # noqa: RUF012 - read only
        "paths.submit": "/api/v2/video/create",
        "paths.query": "/api/v2/video/get",
        "paths.cancel": "/api/v2/video/stop",
        "paths.cancel_task": "/api/v2/video/stop/{task_id}",
        "paths.stream": "/api/v2/video/watch/{task_id}",
    }
    _usual = {"submit": "create", "query": "get", "cancel": "stop", "stream": "watch"}  # noqa: RUF012 - read only

    def path(self, request: Request) -> str:
        """Find the usual route of the same meaning."""
        path = super().path(request)
        for usual, here in self._usual.items():
            prefix = f"/v1/api/v2/video/{here}"
            if path == prefix or path.startswith(f"{prefix}/"):
                return f"/v1/tasks/{usual}{path.removeprefix(prefix)}"
        if path.startswith("/v1/tasks/"):
            raise Refused("not_found", "No such route.")
        return path


class PutsTheVerbLast(Stranger, Api):
    """Has the task's id in the middle of the path, and the verb behind it."""

    settings = {"paths.cancel_task": "/tasks/{task_id}:cancel"}  # noqa: RUF012 - read only

    def path(self, request: Request) -> str:
        """Bring it into the usual order."""
        path = super().path(request)
        if found := re.fullmatch("/v1/tasks/(.*):cancel", path, re.DOTALL):
            return f"/v1/tasks/cancel/{found[1]}"
        if path.startswith("/v1/tasks/cancel/"):
            raise Refused("not_found", "No such route.")
        return path


class TakesTheKeyInItsOwnHeaderOnly(Stranger, Api):
    """Takes a key in `x-api-key` and nowhere else."""

    settings = {"auth.header": "x-api-key"}  # noqa: RUF012 - read only
    lacks = ("AUTH-7",)
    unproven = ("AUTH-8",)

    def authenticate(self, headers: Headers) -> str:
        """Demand that header."""
        if "x-api-key" not in headers:
            raise Refused("invalid_api_key", "Send x-api-key.")
        return super().authenticate(headers)


class TakesBearersOnly(Stranger, Api):
    """Takes a key as `Authorization: Bearer` to the letter, and nowhere else."""

    lacks = ("AUTH-7", "AUTH-8")

    def authenticate(self, headers: Headers) -> str:
        """Overlook the other header."""
        if not headers.get("authorization", "").startswith("Bearer "):
            raise Refused("invalid_api_key", "Send Authorization: Bearer.")
        kept = headers.mutablecopy()
        del kept["x-api-key"]
        return super().authenticate(kept)


class JudgesTheBodyBeforeTheKey(Stranger, Api):
    """Refuses a call of cancel for its form before it looks at its key (ruling R10)."""

    lacks = ("AUTH-6",)

    async def respond(self, request: Request) -> Response:
        """Read the call as if anybody might send it."""
        await request.body()
        try:
            if self.handler(request) == self.cancel:
                self.service.target(CancelCall("", request.path_params.get("task_id"), await self.body(request)))
        except Refused as refusal:
            response = self.refuse(request, refusal)
            response.headers.update(self.accounting(None))
            return response
        except RecursionError:
            pass
        return await super().respond(request)


def _is_json(request: Request) -> bool:
    return _kind(request).lower() == _JSON


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip()
