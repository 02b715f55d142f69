"""Allure results: one test result a requirement, labelled by family, id and level, its exchanges attached."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from allure_commons.logger import AllureFileLogger
from allure_commons.model2 import Attachment, Label, Status, StatusDetails, TestResult
from allure_commons.types import AttachmentType, LabelType

from conformance.report.text import printable, told
from conformance.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.exchange import Exchange
    from conformance.report.summary import Row, Summary

_STATUS = {Verdict.PASS: Status.PASSED, Verdict.WARN: Status.PASSED, Verdict.FAIL: Status.FAILED}


def write_allure(summary: Summary, folder: Path) -> None:
    """Write the run's results into `folder`, in place of earlier ones."""
    if folder.is_dir():
        for old in (*folder.glob("*-result.json"), *folder.glob("*-attachment.json")):
            old.unlink()
    logger = AllureFileLogger(str(folder))  # type: ignore[no-untyped-call]  # Allure ships no types
    base_url = str(summary.notes.get("base_url", ""))
    started = int(float(summary.notes.get("started", 0)) * 1000)
    for row in summary.asked:
        result = _result(row, base_url)
        result.start, result.stop = started, int(float(summary.notes.get("ended", started / 1000)) * 1000)
        if row.evidence is not None:
            _attach(logger, result, row.evidence)
        logger.report_result(result)  # type: ignore[no-untyped-call]  # likewise


def _result(row: Row, base_url: str) -> Any:  # noqa: ANN401 - Allure ships no types
    requirement, made = row.requirement, row.ruling
    trace = told(row, base_url) if made.broken else None
    labels = {
        LabelType.PARENT_SUITE: "cancel-conformance",
        LabelType.SUITE: requirement.family,
        LabelType.EPIC: requirement.family,
        LabelType.SEVERITY: "critical" if requirement.level == "MUST" else "minor",
        LabelType.TAG: requirement.level,
        "as_id": requirement.id,
        "family": requirement.family,
        "id": requirement.id,
        "level": requirement.level,
    }
    return TestResult(
        uuid=str(uuid.uuid4()),
        historyId=requirement.id,
        testCaseId=requirement.id,
        fullName=f"conformance.{requirement.family}#{requirement.id}",
        name=f"{requirement.id} {requirement.statement}",
        description=f"{requirement.statement}\n\nSource: {requirement.cited}",
        status=_STATUS.get(made.verdict, Status.SKIPPED),
        statusDetails=StatusDetails(message=printable(made.reason) or f"{made.held} held", trace=trace),
        labels=[Label(name=name, value=value) for name, value in labels.items()],
    )


def _attach(logger: Any, result: Any, exchange: Exchange) -> None:  # noqa: ANN401 - Allure ships no types
    name = f"exchange {exchange.number}"
    source = f"{uuid.uuid4()}-attachment.json"
    logger.report_attached_data(json.dumps(exchange_document(exchange), indent=2), source)
    result.attachments.append(Attachment(name=name, source=source, type=AttachmentType.JSON.mime_type))


def exchange_document(exchange: Exchange) -> dict[str, object]:
    """An exchange as a JSON value: request, answer, times in seconds."""
    request, answer = exchange.request, exchange.answer
    return {
        "exchange": exchange.number,
        "role": request.role,
        "request": {
            "method": request.method,
            "url": request.url,
            "headers": [list(pair) for pair in request.headers],
            "body": _text(request.content),
        },
        "answer": answer
        and {
            "status": answer.status,
            "headers": [list(pair) for pair in answer.headers],
            "body": _text(answer.content),
        },
        "lost": exchange.lost,
        "seconds": round(exchange.took, 6),
    }


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="replace")
