"""Faults about the shape of a cancel's answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from starlette.responses import Response

from conformance.reference.app import Api
from conformance.reference.faults.fault import Fault
from conformance.reference.faults.rows import ACCEPTED, MONEY, SHAPES
from conformance.reference.service import CancelCall, Document, Service, fresh_id

if TYPE_CHECKING:
    from starlette.requests import Request

    from conformance.reference.store import Task


class _Misshaping(Service):
    """Shows a task to its canceller in another shape than query does."""

    def misshape(self, document: Document) -> Document:
        """Change what is shown."""
        raise NotImplementedError

    def show_cancelled(self, call: CancelCall, task: Task) -> Document:
        """Show it so."""
        return self.misshape(super().show_cancelled(call, task))


class _Leaving(_Misshaping):
    """Leaves out fields that query shows."""

    without: ClassVar[frozenset[str]] = frozenset()

    def misshape(self, document: Document) -> Document:
        """Leave them out."""
        return {name: value for name, value in document.items() if name not in self.without}


# --- PARITY-1, 3: the schema ---


class LeavesOutTheStatus(Fault, _Leaving):
    """Leaves `status` out of the answer."""

    breaks = ("PARITY-1", "PARITY-2")
    also = (*ACCEPTED, *SHAPES, *MONEY)
    without = frozenset({"status"})


class QuotesTheEstimate(Fault, _Misshaping):
    """Writes `estimated_credits` as a string."""

    breaks = ("PARITY-1", "PARITY-2", "PARITY-3")
    also = SHAPES

    def misshape(self, document: Document) -> Document:
        """Keep the digits."""
        if "estimated_credits" in document:
            document["estimated_credits"] = str(document["estimated_credits"])
        return document


class QuotesCreditsUsed(Fault, _Misshaping):
    """Writes `credits_used` as a string."""

    breaks = ("PARITY-1", "PARITY-2", "PARITY-3", "IDEMP-4")
    also = (*SHAPES, *MONEY)

    def misshape(self, document: Document) -> Document:
        """Keep the digits."""
        if "credits_used" in document:
            document["credits_used"] = str(document["credits_used"])
        return document


class SplitsSeconds(Fault, Service):
    """Writes `estimated_seconds` with a fraction, in query as in cancel."""

    breaks = ("PARITY-1", "PARITY-3")

    def show(self, task: Task) -> Document:
        """Be exact."""
        return super().show(task) | {"estimated_seconds": task.seconds + 0.5}


class SpellsItCanceled(Fault, _Misshaping):
    """Writes `canceled` with one l."""

    breaks = ("PARITY-1", "PARITY-2", "PARITY-3", "STATE-1")
    also = (*ACCEPTED, *SHAPES, *MONEY)

    def misshape(self, document: Document) -> Document:
        """Follow another dictionary."""
        return document | {"status": document["status"].replace("cancelled", "canceled")}


class ShoutsTheStatus(Fault, _Misshaping):
    """Writes the status in capitals."""

    breaks = ("PARITY-1", "PARITY-2", "PARITY-3", "STATE-1")
    also = (*ACCEPTED, *SHAPES, *MONEY)

    def misshape(self, document: Document) -> Document:
        """Show the constant's name."""
        return document | {"status": document["status"].upper()}


# --- PARITY-2: as query shows it ---


class LeavesOutTheSeconds(Fault, _Leaving):
    """Leaves `estimated_seconds` out of the answer."""

    breaks = ("PARITY-2",)
    also = SHAPES
    without = frozenset({"estimated_seconds"})


class LeavesOutTheErrorMessage(Fault, _Leaving):
    """Leaves `error_message` out of the answer for a failed task."""

    breaks = ("PARITY-2", "IDEMP-4")
    also = SHAPES
    without = frozenset({"error_message"})


class LeavesOutTheOutput(Fault, _Leaving):
    """Leaves `output` out of the answer for a completed task."""

    breaks = ("PARITY-2", "IDEMP-4")
    also = SHAPES
    without = frozenset({"output"})


class AddsAMessage(Fault, _Misshaping):
    """Adds a message to the answer that query does not show."""

    breaks = ("PARITY-2",)
    also = SHAPES

    def misshape(self, document: Document) -> Document:
        """Be polite."""
        return document | {"message": "The task was cancelled."}


class AddsNulls(Fault, _Misshaping):
    """Writes `null` for the fields that query leaves out."""

    breaks = ("PARITY-2",)
    also = (*SHAPES, *MONEY)

    def misshape(self, document: Document) -> Document:
        """Be complete."""
        return {"credits_used": None, "output": None} | document


class RoundsTheEstimate(Fault, _Misshaping):
    """Rounds `estimated_credits` to two places, unlike query."""

    breaks = ("PARITY-2",)
    also = SHAPES

    def misshape(self, document: Document) -> Document:
        """Write it as money."""
        if "estimated_credits" in document:
            document["estimated_credits"] = round(document["estimated_credits"], 2)
        return document


# --- PARITY-4: the task asked for ---


class NamesAnotherTask(Fault, _Misshaping):
    """Shows a new id in the place of the task's own."""

    breaks = ("PARITY-4", "PARITY-2")
    also = (*ACCEPTED, *SHAPES, *MONEY)

    def misshape(self, document: Document) -> Document:
        """Give the cancel an id of its own."""
        return document | {"task_id": fresh_id()}


class LeavesOutOutTaskId(Fault, _Leaving):
    """Leaves `out_task_id` out of the answer."""

    breaks = ("PARITY-2", "PARITY-4")
    also = SHAPES
    without = frozenset({"out_task_id"})


class BlanksOutTaskId(Fault, _Misshaping):
    """Writes `null` in the place of the `out_task_id`."""

    breaks = ("PARITY-2", "PARITY-4")
    also = SHAPES

    def misshape(self, document: Document) -> Document:
        """Lose it."""
        return document | ({"out_task_id": None} if "out_task_id" in document else {})


class RaisesOutTaskId(Fault, Service):
    """Shows the `out_task_id` in capitals, in query as in cancel."""

    breaks = ("PARITY-4",)

    def show(self, task: Task) -> Document:
        """Normalise it."""
        document = super().show(task)
        return document | ({"out_task_id": task.out_id.upper()} if task.out_id else {})


# --- PARITY-5: one JSON object ---


class _Wrapping(Api):
    """Puts the task into something else."""

    def wrap(self, document: Document) -> Any:  # noqa: ANN401 - any JSON
        """Make something of it."""
        return document

    def content_type(self) -> str:
        """Say what it is."""
        return "application/json"

    def answer_cancel(self, document: Document) -> Response:
        """Answer with it."""
        return Response(json.dumps(self.wrap(document)), media_type=self.content_type())


class WrapsTheAnswer(Fault, _Wrapping):
    """Puts the task into `data`."""

    breaks = ("PARITY-1", "PARITY-2")
    also = (*ACCEPTED, *SHAPES, *MONEY)

    def wrap(self, document: Document) -> Any:  # noqa: ANN401 - any JSON
        """Leave room for more."""
        return {"data": document}


class AnswersAList(Fault, _Wrapping):
    """Answers with a list of one task."""

    breaks = ("PARITY-5", "PARITY-1")
    also = (*ACCEPTED, *SHAPES, *MONEY)

    def wrap(self, document: Document) -> Any:  # noqa: ANN401 - any JSON
        """Leave room for more."""
        return [document]


class AnswersAString(Fault, _Wrapping):
    """Answers with a JSON string that contains the JSON of the task."""

    breaks = ("PARITY-5", "PARITY-1")
    also = (*ACCEPTED, *SHAPES, *MONEY)

    def wrap(self, document: Document) -> Any:  # noqa: ANN401 - any JSON
        """Encode it twice."""
        return json.dumps(document)


class CallsTheAnswerText(Fault, _Wrapping):
    """Sends the task with a content type of plain text."""

    breaks = ("PARITY-5",)

    def content_type(self) -> str:
        """Forget to say that it is JSON."""
        return "text/plain"


class CallsTheAnswerTextForSome(Fault, Api):
    """Sends the task as plain text to a canceller that takes anything."""

    breaks = ("PARITY-5",)

    async def cancel(self, key: str, request: Request) -> Response:
        """Forget to say that it is JSON, where nobody insists on that."""
        response = await super().cancel(key, request)
        if "*/*" in request.headers.get("accept", ""):
            response.headers["content-type"] = "text/plain"
        return response


class SendsNoContent(Fault, Api):
    """Answers 204 without a body."""

    breaks = ("STATE-1", "IDENT-1")
    also = (*ACCEPTED, *SHAPES, *MONEY)

    def answer_cancel(self, document: Document) -> Response:  # noqa: ARG002 - that is the fault
        """Let the status say it all."""
        return Response(status_code=204)


class SendsAnEmptyBody(Fault, Api):
    """Answers 200 without a body."""

    breaks = ("PARITY-1", "PARITY-5")
    also = (*ACCEPTED, *SHAPES, *MONEY)

    def answer_cancel(self, document: Document) -> Response:  # noqa: ARG002 - that is the fault
        """Let the status say it all."""
        return Response(media_type="application/json")


class AnswersAccepted(Fault, Api):
    """Answers 202 with the task."""

    breaks = ("STATE-1", "IDENT-1")
    also = (*ACCEPTED, *SHAPES, *MONEY)

    def answer_cancel(self, document: Document) -> Response:
        """Sound as if it took time."""
        response = super().answer_cancel(document)
        response.status_code = 202
        return response


# --- PARITY-6: each field in its states ---


class ShowsOutputOnCancelledTasks(Fault, Service):
    """Shows an empty `output` on a cancelled task, in query as in cancel."""

    breaks = ("PARITY-6",)
    also = SHAPES

    def show(self, task: Task) -> Document:
        """Fill in the default."""
        document = super().show(task)
        return document | ({"output": []} if task.status == "cancelled" else {})


class ShowsErrorsOnCompletedTasks(Fault, Service):
    """Shows an `error_code` on a completed task, in query as in cancel."""

    breaks = ("PARITY-6",)

    def show(self, task: Task) -> Document:
        """Fill in the default."""
        document = super().show(task)
        return document | ({"error_code": "none"} if task.status == "completed" else {})


class ShowsErrorsOnCancelledTasks(Fault, Service):
    """Shows an `error_message` on a cancelled task, in query as in cancel."""

    breaks = ("PARITY-6",)

    def show(self, task: Task) -> Document:
        """Explain what nobody asked."""
        document = super().show(task)
        return document | ({"error_message": "Cancelled."} if task.status == "cancelled" else {})


class KeepsTheEstimate(Fault, Service):
    """Shows `estimated_credits` beside `credits_used`, in query as in cancel."""

    breaks = ("PARITY-6",)
    also = (*SHAPES, *MONEY)

    def show(self, task: Task) -> Document:
        """Show both."""
        return super().show(task) | {"estimated_credits": task.estimate / 1_000_000}
