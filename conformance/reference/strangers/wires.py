"""Strangers on the wire: what becomes of an answer between the service and its caller."""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from starlette.responses import Response, StreamingResponse

from conformance.reference.app import Api, json_response
from conformance.reference.strangers.stranger import Stranger

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

_MEAN_DELAY: Final = 0.008
_LONGEST_DELAY: Final = 0.06
_SELDOM: Final = 0.02
_NOW_AND_THEN: Final = 0.05
_MOMENT: Final = 0.01
_PIECE: Final = 40


class CompressesUnasked(Stranger, Api):
    """Compresses every answer, though nobody asked for it."""

    async def respond(self, request: Request) -> Response:
        """Compress what there is."""
        response = await super().respond(request)
        if not isinstance(response, StreamingResponse) and response.body:
            response.body = gzip.compress(bytes(response.body))
            response.headers["content-encoding"] = "gzip"
            response.headers["content-length"] = str(len(response.body))
        return response


class SendsInPieces(Stranger, Api):
    """Sends every answer in chunks, without saying how long it is."""

    async def respond(self, request: Request) -> Response:
        """Cut the body into pieces."""
        response = await super().respond(request)
        if isinstance(response, StreamingResponse):
            return response
        headers = {name: value for name, value in response.headers.items() if name != "content-length"}
        return StreamingResponse(_pieces(bytes(response.body)), response.status_code, headers)


class ClosesEveryConnection(Stranger, Api):
    """Closes the connection after each answer."""

    async def respond(self, request: Request) -> Response:
        """Say goodbye."""
        response = await super().respond(request)
        response.headers["connection"] = "close"
        return response


class AnswersSlowly(Stranger, Api):
    """Takes a while, and never the same, before and after it acts."""

    _chance = random.Random(60)  # noqa: S311 - jitter

    async def respond(self, request: Request) -> Response:
        """Wait, act, and wait again."""
        await self.dawdle()
        response = await super().respond(request)
        await self.dawdle()
        return response

    async def dawdle(self) -> None:
        """Let up to 60 ms pass."""
        await asyncio.sleep(min(_LONGEST_DELAY, self._chance.expovariate(1 / _MEAN_DELAY)))


class WritesHeadersInCapitals(Stranger, Api):
    """Writes the names of its headers with capitals, and some twice."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rewrite the head of each answer."""

        async def rewriting(message: Message) -> None:
            if message["type"] == "http.response.start":
                pairs = [(name.title(), value) for name, value in message["headers"]]
                message = {**message, "headers": [*pairs, (b"Vary", b"Origin"), (b"VARY", b"Accept-Encoding")]}
            await send(message)

        await super().__call__(scope, receive, rewriting)


class IsSometimesUnavailable(Stranger, Api):
    """Answers 429, 503 or what a content network says for that, now and then, on any route, before anything is done."""

    _chance = random.Random(503)  # noqa: S311 - weather

    async def respond(self, request: Request) -> Response:
        """Be overloaded."""
        if self._chance.random() >= _SELDOM:
            return await super().respond(request)
        status = self._chance.choice((429, 503, 520, 529))
        error = {"message": "Try again.", "type": "rate_limit_error", "code": "concurrency_limit", "param": None}
        response = json_response(status, {"error": error})
        response.headers["retry-after"] = "0"
        return response


class LosesAnswersOfCancels(Stranger, Api):
    """Acts on a cancel, and then its gateway now and then answers 502 or 524 in its place."""

    _chance = random.Random(502)  # noqa: S311 - weather

    async def respond(self, request: Request) -> Response:
        """Act, and lose what was to be said."""
        response = await super().respond(request)
        if "/cancel" in request.url.path and self._chance.random() < _NOW_AND_THEN:
            return _lost(self._chance.choice((502, 524)))
        return response


class LosesAnswersOfSubmits(Stranger, Api):
    """Takes a task on, and then its gateway now and then answers 504 in its place."""

    _chance = random.Random(504)  # noqa: S311 - weather

    async def respond(self, request: Request) -> Response:
        """Act, and lose what was to be said."""
        response = await super().respond(request)
        if request.url.path.endswith("/submit") and self._chance.random() < _NOW_AND_THEN:
            return _lost(504)
        return response


class CutsConnections(Stranger, Api):
    """Cuts the connection now and then, before or after it has acted."""

    relies_on = ("Api.respond",)
    _chance = random.Random(104)  # noqa: S311 - weather

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or leave without a word."""
        server, drawn = getattr(receive, "__self__", None), self._chance.random()
        if server is None or drawn >= _SELDOM:
            await super().__call__(scope, receive, send)
            return
        if drawn < _SELDOM / 2:
            await super().__call__(scope, receive, _unheard)
        server.transport.abort()
        await asyncio.sleep(_MOMENT)


async def _unheard(_message: Message) -> None:
    """Send nothing."""


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _PIECE):
        yield content[start : start + _PIECE]


def _lost(status: int) -> Response:
    return Response(b"<html><h1>Bad Gateway</h1></html>", status, media_type="text/html")
