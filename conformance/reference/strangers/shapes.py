"""Strangers whose tasks look different: other fields, other spellings of one value, other names."""

from __future__ import annotations

import json
import math
import secrets
import time
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from conformance.reference.app import Api
from conformance.reference.service import TERMINAL, Document, Service
from conformance.reference.strangers.stranger import Stranger

if TYPE_CHECKING:
    from starlette.requests import Request

    from conformance.reference.refusal import Refused
    from conformance.reference.store import Task

_OPTIONAL: Final = ("out_task_id", "estimated_credits", "credits_used", "output", "error_code", "error_message")


class AnswersWithExtraFields(Stranger, Service):
    """Shows more of a task than is documented, some of it nested, and some that moves as long as the task lives."""

    def show(self, task: Task) -> Document:
        """Tell of the queue, the machine and the progress."""
        live = task.status not in TERMINAL
        passed = self.now() - task.starts_at
        return {
            "object": "task",
            **super().show(task),
            "progress": round(passed / (task.ends_at - task.starts_at) * 100, 3) if live else None,
            "queue": {"position": self.now() // 1000 % 97 if live else 0, "lanes": [{"name": "a", "weight": 1}, None]},
            "created_at": task.starts_at // 1_000_000,
            "tags": [],
        }


class CountsDownTheSeconds(Stranger, Service):
    """Estimates anew at each look how many seconds a live task has left."""

    def show(self, task: Task) -> Document:
        """Count from now to the end, and once it has ended show the estimate of the beginning."""
        document = super().show(task)
        if task.status not in TERMINAL:
            document["estimated_seconds"] = max(0, math.ceil((task.ends_at - self.now()) / self.second))
        return document


class TellsTheTime(Stranger, Service):
    """Puts the time of the answer into each task, where its profile says so."""

    settings = {"volatile.pointers": '["/server_time", "/trace/*/at"]'}  # noqa: RUF012 - read only

    def show(self, task: Task) -> Document:
        """Add the clock, and a trace with the clock."""
        now = time.time()
        return {**super().show(task), "server_time": now, "trace": [{"at": now, "by": "api"}, {"at": -now, "by": "db"}]}


class AnswersNullForAbsentFields(Stranger, Service):
    """Shows `null` where others leave a field out, in query and cancel alike."""

    def show(self, task: Task) -> Document:
        """Name every documented field."""
        return dict.fromkeys(_OPTIONAL) | super().show(task)


class OmitsOutTaskIdOnceEnded(Stranger, Service):
    """No longer shows the caller's own identifier of a task that has ended."""

    def show(self, task: Task) -> Document:
        """Leave it out, as the documented example of a completed task does."""
        document = super().show(task)
        if task.status in TERMINAL:
            document.pop("out_task_id", None)
        return document


class ShowsZeroForNothing(Stranger, Service):
    """Shows `credits_used` 0 on each task that ended for free."""

    def show(self, task: Task) -> Document:
        """Settle the price in so many words."""
        document = super().show(task)
        if task.status in TERMINAL and task.used is None:
            del document["estimated_credits"]
            document["credits_used"] = 0
        return document


class KeepsShowingTheEstimate(Stranger, Service):
    """Shows the estimate beside the final charge, which only the surrounding documentation advises against."""

    lacks = ("PARITY-6",)

    def show(self, task: Task) -> Document:
        """Show both."""
        return {**super().show(task), "estimated_credits": task.estimate / 1_000_000}


class SignsUrlsAnew(Stranger, Service):
    """Gives each output a query and a fragment of its own at each look, deep inside too."""

    def show(self, task: Task) -> Document:
        """Sign everything."""
        document = super().show(task)
        for each in document.get("output", ()):
            signature = f"?{secrets.token_urlsafe()}&x=//{secrets.token_hex(3)}#t={secrets.token_hex(2)}"
            each["url"] = f"https://CDN.example.org:443/{task.id}.mp4{signature}"
            each["stills"] = [{"at": index, "url": f"http://i.example.org/{index}#{time.time()}"} for index in range(2)]
        return document


class NamesPendingQueued(Stranger, Service):
    """Calls the state before running `queued`."""

    settings = {"state_names.pending": "queued"}  # noqa: RUF012 - read only

    def show(self, task: Task) -> Document:
        """Use the name on the per-model pages."""
        document = super().show(task)
        return document | {"status": "queued"} if task.status == "pending" else document


class NamesEveryStateDifferently(Stranger, Service):
    """Has a name of its own for each of the five states."""

    names: Final = {
        "pending": "QUEUED",
        "running": "IN PROGRESS",
        "completed": "done",
        "failed": "ERROR",
        "cancelled": "canceled",
    }
    settings = {f"state_names.{state}": name for state, name in names.items()}  # noqa: RUF012 - read only

    def show(self, task: Task) -> Document:
        """Translate."""
        return super().show(task) | {"status": self.names[task.status]}


class _Scribe(Api):
    """Writes its documents in a hand of its own."""

    def write(self, document: Any) -> str:  # noqa: ANN401 - any JSON
        """Turn a document into text."""
        return json.dumps(document)

    def answer(self, document: Document) -> Response:
        """Answer 200 in this hand."""
        return Response(self.write(document).encode(), 200, media_type="application/json")

    def refuse(self, request: Request, refusal: Refused) -> Response:
        """Refuse in this hand."""
        response = super().refuse(request, refusal)
        content = self.write(json.loads(bytes(response.body))).encode()
        return Response(content, refusal.status, media_type="application/json")


class ReversesTheKeys(Stranger, _Scribe):
    """Writes the members of each object from the last to the first."""

    def write(self, document: Any) -> str:  # noqa: ANN401 - any JSON
        """Turn every object around."""
        return json.dumps(_reversed(document))


class WritesNumbersInManyWays(Stranger, _Scribe):
    """Writes one and the same number as 1.50, 1.5e0 or 15E-1, and integers with a fraction of nought."""

    _spellings = cycle(("{:.8f}", "{:.9e}", "{:.10E}", "{!r}"))

    def write(self, document: Any) -> str:  # noqa: ANN401 - any JSON
        """Take the next spelling for all numbers of a document."""
        spelling = next(self._spellings)
        members = (f"{json.dumps(name)}:{self._value(each, spelling)}" for name, each in document.items())
        return f"{{{','.join(members)}}}"

    def _value(self, value: Any, spelling: str) -> str:  # noqa: ANN401 - any JSON
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return spelling.format(float(value)) if is_number else json.dumps(value)


class PrintsPretty(Stranger, _Scribe):
    """Spreads its documents over many lines, with white space of every kind and an empty line at the end."""

    def write(self, document: Any) -> str:  # noqa: ANN401 - any JSON
        """Indent by tabs."""
        return "\r\n" + json.dumps(document, indent="\t", separators=(" , ", " : ")) + "\r\n \n"


class EscapesEveryLetter(Stranger, _Scribe):
    """Writes each letter of its documents, of names and values alike, as a Unicode escape."""

    def write(self, document: Any) -> str:  # noqa: ANN401 - any JSON
        """Escape what stands in quotes."""
        if isinstance(document, dict):
            return "{" + ",".join(f"{self.write(name)}:{self.write(each)}" for name, each in document.items()) + "}"
        if isinstance(document, list):
            return "[" + ",".join(map(self.write, document)) + "]"
        if isinstance(document, str):
            units = document.encode("utf-16-be", "surrogatepass")
            return '"' + "".join(f"\\u{units[at] << 8 | units[at + 1]:04X}" for at in range(0, len(units), 2)) + '"'
        return json.dumps(document)


def _reversed(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {name: _reversed(each) for name, each in reversed(value.items())}
    return [_reversed(each) for each in value] if isinstance(value, list) else value
