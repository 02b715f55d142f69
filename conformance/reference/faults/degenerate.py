"""No services at all: what answers like this must not be found to keep anything."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from conformance.reference.app import Api, json_response
from conformance.reference.faults.fault import Fault
from conformance.reference.refusal import Refused

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

_MOMENT: Final = 0.01


class AnswersNothing(Fault, Api):
    """Takes every request and closes the connection without an answer."""

    degenerate = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Cut the connection under the request."""
        server = getattr(receive, "__self__", None)
        if server is None:
            await super().__call__(scope, receive, send)
        else:
            server.transport.abort()
            await asyncio.sleep(_MOMENT)


class Answers404ToAll(Fault, Api):
    """Knows no task, whatever is asked."""

    degenerate = True

    async def respond(self, request: Request) -> Response:
        """Find nothing."""
        return self.refuse(request, Refused.unknown_task())


class AnswersEmptyObjectToAll(Fault, Api):
    """Answers 200 with an empty object, whatever is asked."""

    degenerate = True

    async def respond(self, request: Request) -> Response:  # noqa: ARG002 - it does not matter
        """Agree to everything."""
        return json_response(200, {})
