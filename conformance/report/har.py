"""HAR 1.2: every exchange of a run, for the tools that read recorded traffic.

A lost answer has the status 0, as browsers write it, and its loss as a comment. What was told on a stream is an entry
each time; what the target called us with is one too, and says so.
"""

from __future__ import annotations

import base64
import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import harfile

from conformance.exchange import Operation

if TYPE_CHECKING:
    from conformance.exchange import Answer, Exchange, Request
    from conformance.journal import Journal

_VERSION = "HTTP/1.1"


def har(journal: Journal) -> str:
    """All exchanges of a journal as a HAR document, in the order of sending."""
    notes = journal.notes()
    began = datetime.fromtimestamp(float(notes.get("started", 0)), UTC)
    clock = float(notes.get("clock", 0))
    written = io.StringIO()
    creator = harfile.Creator(name="cancel-conformance", version=str(notes.get("suite", "unknown")))
    with harfile.HarFile(written, creator=creator) as document:
        for each in journal.exchanges():
            took = max(0.0, each.took * 1000)
            document.add_entry(
                startedDateTime=(began + timedelta(seconds=each.sent_at - clock)).isoformat(timespec="microseconds"),
                time=took,
                request=_request(each.request),
                response=_response(each),
                timings=harfile.Timings(send=0, wait=took, receive=0),
                comment=_comment(each),
            )
    return written.getvalue()


def _comment(exchange: Exchange) -> str:
    request = exchange.request
    told = "; the target called" if request.operation is Operation.CALLBACK else ""
    return f"exchange {exchange.number}: {request.operation.value} by {request.role}{told}"


def _request(request: Request) -> harfile.Request:
    kind = next((value for name, value in request.headers if name.lower() == "content-type"), "")
    body = None
    if request.content is not None:
        body = harfile.PostData(mimeType=kind, text=request.content.decode(errors="replace"), params=[])
    query = parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
    return harfile.Request(
        method=request.method,
        url=request.url,
        httpVersion=_VERSION,
        headers=[harfile.Record(name=name, value=value) for name, value in request.headers],
        queryString=[harfile.Record(name=name, value=value) for name, value in query],
        postData=body,
        bodySize=len(request.content or b""),
    )


def _response(exchange: Exchange) -> harfile.Response:
    answer = exchange.answer
    if answer is None:
        return harfile.Response(
            status=0,
            statusText="",
            httpVersion=_VERSION,
            redirectURL="",
            content=harfile.Content(),
            comment=exchange.lost,
        )
    return harfile.Response(
        status=answer.status,
        statusText="",
        httpVersion=_VERSION,
        redirectURL=answer.header("location") or "",
        headers=[harfile.Record(name=name, value=value) for name, value in answer.headers],
        content=_content(answer),
        bodySize=len(answer.content),
    )


def _content(answer: Answer) -> harfile.Content:
    """The body as text, or as base64 where it is none."""
    try:
        text, encoding = answer.content.decode(), None
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(answer.content).decode(), "base64"
    kind = answer.header("content-type") or ""
    return harfile.Content(size=len(answer.content), mimeType=kind, text=text, encoding=encoding)
