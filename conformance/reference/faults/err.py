"""Faults about what a refusal looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import PlainTextResponse, Response

from conformance.reference.app import Api, json_response
from conformance.reference.faults.fault import Fault
from conformance.reference.faults.rows import INVALID, KEYLESS, SHAPES, UNKNOWN

if TYPE_CHECKING:
    from starlette.requests import Request

    from conformance.reference.refusal import Refused


class MisnamesUnknownTasks(Fault, Api):
    """Calls an unknown task `not_found`."""

    breaks = ("ERR-1", "IDENT-10")
    also = UNKNOWN

    def envelope(self, refusal: Refused) -> Any:  # noqa: ANN401 - any JSON
        """Use the code of a wrong route."""
        document = super().envelope(refusal)
        if refusal.code == "task_not_found":
            document["error"]["code"] = "not_found"
        return document


class MisnamesInvalidParams(Fault, Api):
    """Calls an invalid parameter `bad_request`."""

    breaks = ("ERR-1", "IDENT-4", "IDENT-6")
    also = INVALID

    def envelope(self, refusal: Refused) -> Any:  # noqa: ANN401 - any JSON
        """Use the status for a code."""
        document = super().envelope(refusal)
        if refusal.code == "invalid_param":
            document["error"]["code"] = "bad_request"
        return document


class AnswersUnprocessable(Fault, Api):
    """Answers 422 where 400 is documented."""

    breaks = ("ERR-1", "IDENT-4", "IDENT-6")
    also = INVALID

    def refuse(self, request: Request, refusal: Refused) -> Response:
        """Follow a framework's habit."""
        response = super().refuse(request, refusal)
        response.status_code = 422 if response.status_code == 400 else response.status_code  # noqa: PLR2004 - HTTP's
        return response


class AnswersForbidden(Fault, Api):
    """Answers 403 to a task that is unknown."""

    breaks = ("ERR-1", "IDENT-10")
    also = UNKNOWN

    def refuse(self, request: Request, refusal: Refused) -> Response:
        """Suspect everybody."""
        response = super().refuse(request, refusal)
        if refusal.code == "task_not_found" and "cancel" in request.url.path:
            response.status_code = 403
        return response


class RefusesWithSuccess(Fault, Api):
    """Answers every refusal with status 200, and the error in the body."""

    breaks = ("IDENT-4", "IDENT-6", "IDENT-10")
    also = (*UNKNOWN, *INVALID, *KEYLESS, *SHAPES, "ERR-4")

    def refuse(self, request: Request, refusal: Refused) -> Response:
        """Keep the status for the transport."""
        response = super().refuse(request, refusal)
        response.status_code = 200
        return response


class AnswersDetails(Fault, Api):
    """Puts what is wrong into `detail`, and gives no code."""

    breaks = ("ERR-1", "ERR-2")
    also = (*UNKNOWN, *INVALID, *KEYLESS)

    def envelope(self, refusal: Refused) -> Any:  # noqa: ANN401 - any JSON
        """Follow a framework's habit."""
        return {"detail": refusal.message}


class PutsTheCodeOutside(Fault, Api):
    """Leaves the envelope out, and puts code and message into the document itself."""

    breaks = ("ERR-1", "ERR-2")
    also = (*UNKNOWN, *INVALID, *KEYLESS)

    def envelope(self, refusal: Refused) -> Any:  # noqa: ANN401 - any JSON
        """Open it."""
        return super().envelope(refusal)["error"]


class NumbersTheCode(Fault, Api):
    """Gives the HTTP status, a number, for a code."""

    breaks = ("ERR-1", "ERR-2")
    also = (*UNKNOWN, *INVALID, *KEYLESS)

    def envelope(self, refusal: Refused) -> Any:  # noqa: ANN401 - any JSON
        """Repeat the status."""
        document = super().envelope(refusal)
        document["error"]["code"] = refusal.status
        return document


class LeavesOutTheType(Fault, Api):
    """Leaves the type out of the envelope."""

    breaks = ("ERR-2",)

    def envelope(self, refusal: Refused) -> Any:  # noqa: ANN401 - any JSON
        """Think that the code is enough."""
        document = super().envelope(refusal)
        del document["error"]["type"]
        return document


class RefusesUnknownTasksInText(Fault, Api):
    """Says in plain text that a task is unknown."""

    breaks = ("ERR-1", "ERR-2")
    also = UNKNOWN

    def refuse(self, request: Request, refusal: Refused) -> Response:
        """Speak to people only."""
        if refusal.code == "task_not_found" and "cancel" in request.url.path:
            return PlainTextResponse("Not Found", 404)
        return super().refuse(request, refusal)


class CallsTheEnvelopeText(Fault, Api):
    """Sends the right envelope with a content type of plain text."""

    breaks = ("ERR-2",)

    def refuse(self, request: Request, refusal: Refused) -> Response:
        """Forget to say that it is JSON."""
        response = json_response(refusal.status, self.envelope(refusal))
        response.headers["content-type"] = "text/plain; charset=utf-8"
        return response if request.method == "POST" else super().refuse(request, refusal)
