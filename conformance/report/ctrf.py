"""CTRF, the common test report format: one test a requirement, its verdict as the raw status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from conformance.report.text import printable, told
from conformance.verdict import Verdict

if TYPE_CHECKING:
    from conformance.report.summary import Row, Summary

_SPECIFICATION = "1.0.0"
_STATUS = {
    Verdict.PASS: "passed",
    Verdict.FAIL: "failed",
    Verdict.WARN: "other",
    Verdict.KNOWN: "other",
    Verdict.INCONCLUSIVE: "skipped",
    Verdict.NOT_OBSERVABLE: "skipped",
}


def ctrf(summary: Summary) -> str:
    """The run as a CTRF document; the time is that of the run, as stories judge many requirements at once."""
    notes = summary.notes
    base_url = str(notes.get("base_url", ""))
    tests = [_test(row, base_url) for row in summary.asked]
    statuses = [str(test["status"]) for test in tests]
    start = round(float(notes.get("started", 0)) * 1000)
    value = {
        "reportFormat": "CTRF",
        "specVersion": _SPECIFICATION,
        "generatedBy": "cancel-conformance",
        "results": {
            "tool": {"name": "cancel-conformance", "version": str(notes.get("suite", "unknown"))},
            "summary": {
                "tests": len(tests),
                **{kind: statuses.count(kind) for kind in ("passed", "failed", "skipped", "pending", "other")},
                "start": start,
                "stop": round(float(notes.get("ended", start / 1000)) * 1000),
            },
            "tests": tests,
            "environment": {"appName": printable(str(notes.get("name", ""))) or "unknown", "extra": {"url": base_url}},
        },
    }
    return json.dumps(value, indent=2) + "\n"


def _test(row: Row, base_url: str) -> dict[str, object]:
    requirement, made = row.requirement, row.ruling
    test: dict[str, object] = {
        "name": f"{requirement.id} {requirement.statement}",
        "status": _STATUS[made.verdict],
        "duration": 0,
        "rawStatus": made.verdict.value,
        "suite": [requirement.family],
        "tags": [requirement.level],
        "extra": {"held": made.held, "broken": len(made.broken), "undecided": made.undecided},
    }
    if made.reason:
        test["message"] = printable(made.reason)
    if made.broken:
        test["trace"] = told(row, base_url)
    return test
