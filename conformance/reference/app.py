"""The service over HTTP: routes, keys, bodies, envelopes and headers."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from conformance.reference.refusal import Refused
from conformance.reference.service import KEYS, REVOKED, TERMINAL, CancelCall, Document, Identifier, Service

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Receive, Scope, Send

    from conformance.reference.store import Task

MOST_BYTES: Final = 1 << 20

_VALID_KEYS: Final = frozenset(KEYS.values()) - {REVOKED}
_REQUESTS_A_MINUTE: Final = 1_000_000
_LONGEST_INTEGER: Final = 4000
_BLINK: Final = 0.02
_KEEP_ALIVE: Final = 1.0

_logger = logging.getLogger(__name__)

Handler = Callable[[str, Request], Awaitable[Response]]


class Api:
    """The ASGI application over one service."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.closing = False
        self._window = (0, 0)
        self._routes: dict[str, dict[str, Handler]] = {
            "/v1/tasks/submit": {"POST": self.submit},
            "/v1/tasks/query": {"POST": self.query, "GET": self.query_by_parameter},
            "/v1/tasks/cancel": {"POST": self.cancel},
            "/v1/tasks/cancel/{task_id}": {"POST": self.cancel},
            "/v1/tasks/stream/{task_id}": {"GET": self.stream},
            "/api/v1/me/account": {"GET": self.account},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = await self.respond(Request(scope, receive))
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """Answer a request: the key is judged first, then the route, then the rest."""
        key = None
        try:
            key = self.authenticate(request.headers)
            response = await self.handler(request)(key, request)
        except Refused as refusal:
            response = self.refuse(request, refusal)
        except RecursionError:
            response = self.refuse(request, Refused.invalid("The body is nested too deeply."))
        except Exception:
            _logger.exception("%s %s", request.method, request.url.path)
            response = self.refuse(request, Refused("internal_error", "Something went wrong on our side."))
        response.headers.update(self.accounting(key))
        return response

    def authenticate(self, headers: Headers) -> str:
        """Read the key; where both headers are sent, `x-api-key` decides."""
        field = "x-api-key" if "x-api-key" in headers else "authorization"
        values = headers.getlist(field)
        key = values[0] if len(values) == 1 else ""
        if field == "authorization":
            scheme, _, key = key.partition(" ")
            key = key if scheme.lower() == "bearer" else ""
        if key not in _VALID_KEYS:
            raise Refused("invalid_api_key", "This key is not valid.")
        return key

    def handler(self, request: Request) -> Handler:
        """Find who answers this path: nothing in it is decoded but a task's id."""
        path = self.path(request)
        methods = self._routes.get(path)
        parent, _, leaf = path.rpartition("/")
        if methods is None and leaf:
            methods = self._routes.get(f"{parent}/{{task_id}}")
            request.scope["path_params"] = {"task_id": unquote(leaf)}
        if methods is None:
            raise Refused("not_found", "No such route.")
        if request.method not in methods:
            raise Refused("method_not_allowed", f"Use {' or '.join(methods)}.")
        return methods[request.method]

    def path(self, request: Request) -> str:
        """Take the path as it was sent."""
        path: bytes = request.scope["raw_path"]
        return path.decode("latin-1")

    # routes

    async def submit(self, key: str, request: Request) -> Response:
        """Answer POST /tasks/submit."""
        return self.answer(self.service.submit(key, await self.body(request)))

    async def query(self, key: str, request: Request) -> Response:
        """Answer POST /tasks/query."""
        return self.answer(self.service.query(key, await self.body(request)))

    async def query_by_parameter(self, key: str, request: Request) -> Response:
        """Answer GET /tasks/query."""
        return self.answer(self.service.query(key, _without_repetition(request.query_params.multi_items())))

    async def cancel(self, key: str, request: Request) -> Response:
        """Answer POST /tasks/cancel, with an id in the path or in the body."""
        call = CancelCall(key, request.path_params.get("task_id"), await self.body(request))
        return self.answer_cancel(self.service.cancel(call))

    async def account(self, key: str, _request: Request) -> Response:
        """Answer GET /api/v1/me/account."""
        return self.answer({"balance": {"available_usd": self.service.store.remaining(key).account / 1_000_000}})

    async def stream(self, key: str, request: Request) -> Response:
        """Answer GET /tasks/stream/{task_id} with an event for each state, until the task has ended."""
        identifier = Identifier("task_id", request.path_params["task_id"])
        self.service.look_up(key, identifier)
        return StreamingResponse(self.events(key, identifier), media_type="text/event-stream")

    async def events(self, key: str, identifier: Identifier) -> AsyncIterator[str]:
        """Tell each state of a task, and a comment now and then so that the line stays open."""
        async for task in self.watch(key, identifier):
            yield ": still here\n\n" if task is None else self.event(self.service.show(task))

    async def watch(self, key: str, identifier: Identifier) -> AsyncIterator[Task | None]:
        """See each state of a task once, until it has ended, and nothing new now and then."""
        told, spoken_at = None, time.monotonic()
        while told not in TERMINAL and not self.closing:
            task = self.service.look_up(key, identifier)
            if task.status != told:
                told, spoken_at = task.status, time.monotonic()
                yield task
                continue
            if time.monotonic() - spoken_at > _KEEP_ALIVE:
                spoken_at = time.monotonic()
                yield None
            await asyncio.sleep(_BLINK)

    def event(self, document: Document) -> str:
        """Write a task as an event."""
        return f"event: task\ndata: {json_text(document)}\n\n"

    # bodies and answers

    async def body(self, request: Request) -> Document:
        """Read a body as a JSON object; no body is an empty one."""
        content = await self.content(request)
        return self.read(request, content) if content else {}

    async def content(self, request: Request) -> bytes:
        """Take in a body of at most 1 MiB."""
        announced = int(request.headers.get("content-length", 0))
        content = bytearray()
        if announced <= MOST_BYTES:
            async for chunk in request.stream():
                content += chunk
                if len(content) > MOST_BYTES:
                    break
        if max(announced, len(content)) > MOST_BYTES:
            raise Refused("body_too_large", f"The body is larger than {MOST_BYTES} bytes.")
        return bytes(content)

    def read(self, request: Request, content: bytes) -> Document:  # noqa: ARG002 - faults ask what came with it
        """Read the content of a body."""
        return read_object(content)

    def answer(self, document: Document) -> Response:
        """Answer 200 with a JSON document."""
        return json_response(200, document)

    def answer_cancel(self, document: Document) -> Response:
        """Answer a cancel that was not refused."""
        return self.answer(document)

    def refuse(self, request: Request, refusal: Refused) -> Response:  # noqa: ARG002 - faults ask what was refused
        """Answer a request that is refused."""
        return json_response(refusal.status, self.envelope(refusal))

    def envelope(self, refusal: Refused) -> Any:  # noqa: ANN401 - any JSON
        """Put a refusal into the documented envelope."""
        error = {"message": refusal.message, "type": refusal.type, "param": refusal.param, "code": refusal.code}
        return {"error": error}

    def accounting(self, key: str | None) -> dict[str, str]:
        """Tell what is left, in headers: of this minute's requests, and of the credits on a valid key."""
        minute = int(time.time()) // 60
        used = self._window[1] + 1 if self._window[0] == minute else 1
        self._window = (minute, used)
        headers = {
            "x-ratelimit-limit": str(_REQUESTS_A_MINUTE),
            "x-ratelimit-remaining": str(max(0, _REQUESTS_A_MINUTE - used)),
            "x-ratelimit-reset": str((minute + 1) * 60),
        }
        if key is not None:
            remaining = self.service.store.remaining(key)
            headers["x-quota-remaining-credits"] = _credits(remaining.key)
            headers["x-org-quota-remaining-credits"] = _credits(remaining.account)
        return headers


def json_response(status: int, document: object) -> Response:
    """Make a response with `document` as JSON."""
    return Response(json_text(document).encode(), status, media_type="application/json")


def read_object(content: bytes) -> Document:
    """Read a JSON object, by the letter of the standard: UTF-8, no duplicate names, no NaN.

    Raises:
        Refused: it is something else.
    """
    try:
        document = _DECODER.decode(content.decode())
    except ValueError as error:
        raise Refused.invalid("The body is not well-formed JSON.") from error
    if not isinstance(document, dict):
        raise Refused.invalid("The body must be a JSON object.")
    return document


def _without_repetition(pairs: list[tuple[str, Any]]) -> Document:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise Refused.invalid("A name is given twice.")
    return document


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) < _LONGEST_INTEGER else Decimal(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(
    parse_int=_integer, parse_constant=_no_constant, object_pairs_hook=_without_repetition
)


def json_text(document: object) -> str:
    """Write `document` as JSON, without spaces."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _credits(millionths: int) -> str:
    return f"{Decimal(millionths).scaleb(-6):f}"
