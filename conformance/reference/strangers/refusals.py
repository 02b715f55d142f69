"""Strangers that refuse differently: other words, other envelopes, other statuses where none is documented."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from starlette.responses import Response

from conformance.reference.app import Api, Handler
from conformance.reference.refusal import Refused
from conformance.reference.service import Document, Identifier, Service
from conformance.reference.strangers.stranger import Stranger

if TYPE_CHECKING:
    from starlette.requests import Request

    from conformance.reference.store import Task

_PAGE: Final = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>proxy</body></html>\r\n"
_ACROSS: Final = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "POST, OPTIONS",
    "access-control-allow-headers": "authorization, content-type, x-api-key",
}


class EchoesTheIdentifier(Stranger, Service):
    """Repeats in its 404 what was asked for, and says how it was looked for."""

    def look_up(self, key: str, identifier: Identifier) -> Task:
        """Say it at length."""
        try:
            return super().look_up(key, identifier)
        except Refused as refusal:
            shown = identifier.value.encode(errors="replace").decode()
            text = f"Kein Auftrag mit {identifier.field} = «{shown}» ({len(shown)} Zeichen) gefunden."
            raise Refused(refusal.code, text, identifier.field) from None


class EchoesHalfTheIdentifier(Stranger, Service):
    """Repeats in its 404 the beginning of what was asked for."""

    def look_up(self, key: str, identifier: Identifier) -> Task:
        """Cut it short."""
        try:
            return super().look_up(key, identifier)
        except Refused as refusal:
            shown = identifier.value.encode(errors="replace").decode()[:14]
            raise Refused(refusal.code, f"Task {shown}... not found") from None


class PutsTheCodeElsewhere(Stranger, Api):
    """Has a list of errors, each with its code, in place of the documented envelope (ruling R12)."""

    settings = {"errors.code": "/errors/0/code"}  # noqa: RUF012 - read only
    unproven = ("ERR-2",)

    def envelope(self, refusal: Refused) -> Any:  # noqa: ANN401 - any JSON
        """List the one error."""
        return {"errors": [{"code": refusal.code, "detail": refusal.message, "source": {"pointer": refusal.param}}]}


class RefusesWithProblems(Stranger, Api):
    """Sends its refusals as problem documents that hold the envelope too, and its tasks with a charset."""

    def answer(self, document: Document) -> Response:
        """Name the charset."""
        response = super().answer(document)
        response.headers["content-type"] = "application/json; charset=utf-8"
        return response

    def refuse(self, request: Request, refusal: Refused) -> Response:
        """Name the kind of document."""
        response = super().refuse(request, refusal)
        response.headers["content-type"] = "application/problem+json"
        return response

    def envelope(self, refusal: Refused) -> Any:  # noqa: ANN401 - any JSON
        """Add members inside and outside."""
        document = super().envelope(refusal)
        document["error"] |= {"doc_url": f"https://docs.example.org/{refusal.code}", "details": [], "retryable": False}
        return {"type": "about:blank", "title": refusal.message, "status": refusal.status, **document}


class NumbersItsAnswers(Stranger, Api):
    """Puts a request id and the time into headers, envelopes and messages, and now and then a header more."""

    async def respond(self, request: Request) -> Response:
        """Number the answer, and say sometimes where it comes from."""
        response = await super().respond(request)
        response.headers["x-request-id"] = f"req_{secrets.token_hex(8)}"
        response.headers["server-timing"] = f"db;dur={secrets.randbelow(90) / 10}"
        if secrets.randbelow(2):
            response.headers["x-served-by"] = f"node-{secrets.randbelow(4)}"
        return response

    def envelope(self, refusal: Refused) -> Any:  # noqa: ANN401 - any JSON
        """Tell the number and the time twice."""
        document, number = super().envelope(refusal), f"req_{secrets.token_urlsafe(9)}"
        now = datetime.now(UTC).isoformat()
        document["error"] |= {"message": f"{refusal.message} (request {number} at {now})", "timestamp": now}
        return {**document, "request_id": number}


class SpellsItsAnswers(Stranger, Api):
    """Puts an id of eight letters into headers, envelopes and messages."""

    async def respond(self, request: Request) -> Response:
        """Name the answer."""
        response = await super().respond(request)
        response.headers["x-trace"] = self.name()
        return response

    def envelope(self, refusal: Refused) -> Any:  # noqa: ANN401 - any JSON
        """Tell the name in words."""
        document = super().envelope(refusal)
        document["error"]["message"] = f"{refusal.message} Tell us {self.name()} if you ask about it."
        return {**document, "trace": self.name()}

    def name(self) -> str:
        """Draw one."""
        return "".join(secrets.choice(ascii_lowercase) for _ in range(8))


class TellsHowToAuthenticate(Stranger, Api):
    """Sends `WWW-Authenticate` with its 401, and cookies with everything."""

    def refuse(self, request: Request, refusal: Refused) -> Response:
        """Ask for a bearer."""
        response = super().refuse(request, refusal)
        if refusal.code == "invalid_api_key":
            response.headers["www-authenticate"] = 'Bearer realm="tasks", error="invalid_token"'
        response.set_cookie("visit", secrets.token_hex(4))
        return response


class KnowsNoOtherMethods(Stranger, Api):
    """Answers 404 to other methods, before it looks at the key, and lets browsers ask what is allowed."""

    async def respond(self, request: Request) -> Response:
        """Let a preflight pass, and show others the way out."""
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_ACROSS)
        try:
            self.handler(request)
        except Refused as refusal:
            return self.refuse(request, refusal)
        return await super().respond(request)

    def handler(self, request: Request) -> Handler:
        """Have no route where the method is another."""
        try:
            return super().handler(request)
        except Refused:
            raise Refused("not_found", "No such route.") from None


class StandsBehindAProxy(Stranger, Api):
    """Has a proxy in front that refuses odd paths, other methods and unknown routes with a page of its own."""

    relies_on = ("Service.fresh_id",)
    _odd = (400, "400 Bad Request")

    async def respond(self, request: Request) -> Response:
        """Let through what looks ordinary."""
        raw = request.scope["raw_path"]
        decoded = unquote_to_bytes(raw)
        if any(byte < ord("!") or byte > ord("~") for byte in decoded) or b"%" in decoded or raw.lower().count(b"%2f"):
            return self.page(*self._odd)
        if request.method not in {"GET", "POST"}:
            return self.page(405, "405 Not Allowed")
        return await super().respond(request)

    def refuse(self, request: Request, refusal: Refused) -> Response:
        """Show a page for what is no route."""
        if refusal.code in {"not_found", "body_too_large"}:
            return self.page(refusal.status, f"{refusal.status} Refused")
        return super().refuse(request, refusal)

    def page(self, status: int, title: str) -> Response:
        """Answer in HTML."""
        return Response(_PAGE.format(title), status, media_type="text/html")


class StandsBehindAFirewall(StandsBehindAProxy):
    """Has a firewall in front that forbids what a proxy would call a bad request."""

    _odd = (403, "403 Forbidden")


class RedirectsSlashesAtTheEnd(Stranger, Api):
    """Sends whoever puts a slash at the end of a path to the path without it."""

    async def respond(self, request: Request) -> Response:
        """Answer 307 or 308."""
        path = request.scope["raw_path"].decode("latin-1")
        if not path.endswith("/"):
            return await super().respond(request)
        status = 308 if path.endswith("//") else 307
        return Response(status_code=status, headers={"location": path.rstrip("/")})


class AnswersSubmitsBriefly(Stranger, Api):
    """Answers a submit with 201, the new task's address and its id, and nothing else (ruling R24)."""

    async def submit(self, key: str, request: Request) -> Response:
        """Say the least."""
        document = json.loads(bytes((await super().submit(key, request)).body))
        headers = {"location": f"/v1/tasks/{document['task_id']}"}
        content = json.dumps({"task_id": document["task_id"]})
        return Response(content.encode(), 201, headers=headers, media_type="application/json")
