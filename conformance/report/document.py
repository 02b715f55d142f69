"""The run as one JSON document, for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from conformance.report.text import curl, messages
from conformance.verdict import Verdict

if TYPE_CHECKING:
    from conformance.report.summary import Row, Summary

_NOTED = ("suite", "name", "base_url", "contract_sha256", "depth", "seed", "only", "started", "ended", "left_running")


def document(summary: Summary) -> str:
    """The verdict of every row, the counts, what the run was and what it took, as JSON text."""
    base_url = str(summary.notes.get("base_url", ""))
    value = {
        "run": {key: summary.notes.get(key) for key in _NOTED},
        "exit_code": int(summary.exit_code),
        "requests": summary.requests,
        "submits": summary.submits,
        "cancels_met": summary.meetings,
        "credits": {
            "spent": f"{summary.bill.spent:f}",
            "expected": f"{summary.bill.expected:f}",
            "by_family": {family: f"{spent:f}" for family, spent in summary.bill.families.items()},
        },
        "seconds": {
            "whole": None if summary.seconds is None else round(summary.seconds, 3),
            "by_family": {family: round(took, 3) for family, took in summary.bill.seconds.items()},
        },
        "counts": {verdict.value: summary.count(verdict) for verdict in Verdict if verdict is not Verdict.PLANNED},
        "requirements": {
            row.requirement.id: {**_row(row, base_url), "credits": f"{summary.bill.rows.get(row.requirement.id, 0):f}"}
            for row in summary.asked
        },
        "planned": [row.requirement.id for row in summary.planned],
        "messages": messages(summary),
    }
    return json.dumps(value, indent=2) + "\n"


def _row(row: Row, base_url: str) -> dict[str, object]:
    made = row.ruling
    said: dict[str, object] = {
        "level": row.requirement.level,
        "verdict": made.verdict.value,
        "held": made.held,
        "broken": len(made.broken),
        "undecided": made.undecided,
        "reason": made.reason,
        "stale": made.stale,
    }
    if made.broken:
        said |= {"wanted": made.broken[0].wanted, "got": made.broken[0].got, "exchange": made.broken[0].exchange}
    if row.history:
        said["history"] = [exchange.number for exchange in row.history]
    if row.evidence is not None:
        said["again"] = curl(row.evidence.request, base_url)
    return said
