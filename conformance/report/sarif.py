"""SARIF 2.1.0, for the views of a code-scanning service: a rule a requirement, and a result for each that is broken.

A result stands at the line of the contract that promises the operation. What is open is no result, as such views would
show it as broken: it is a notification of the run. A known failure is a result that the profile suppresses.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from conformance.report.text import printable, remedy, told
from conformance.verdict import ExitCode, Verdict

if TYPE_CHECKING:
    from conformance.report.summary import Row, Summary

_LEVEL = {Verdict.FAIL: "error", Verdict.WARN: "warning", Verdict.KNOWN: "note"}
_OPEN = (Verdict.INCONCLUSIVE, Verdict.NOT_OBSERVABLE)
_PATH = re.compile(r"""\s+["']?(/[^\s"':]*)["']?:""")


def sarif(summary: Summary) -> str:
    """The run as a SARIF log."""
    rows = summary.asked
    run = {
        "tool": {
            "driver": {
                "name": "cancel-conformance",
                "semanticVersion": str(summary.notes.get("suite", "0.0.0")),
                "rules": [_rule(row) for row in rows],
            }
        },
        "invocations": [
            {
                "executionSuccessful": summary.exit_code is not ExitCode.OUR_FAULT and not summary.broke_off,
                "exitCode": int(summary.exit_code),
                "toolExecutionNotifications": [_notification(row) for row in rows if row.ruling.verdict in _OPEN],
            }
        ],
        "results": [_result(row, index, summary) for index, row in enumerate(rows) if row.ruling.broken],
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2) + "\n"


def _rule(row: Row) -> dict[str, Any]:
    requirement = row.requirement
    return {
        "id": requirement.id,
        "shortDescription": {"text": requirement.statement},
        "help": {"text": f"Source: {requirement.cited}"},
        "defaultConfiguration": {"level": "error" if requirement.level == "MUST" else "warning"},
        "properties": {"tags": [requirement.family, requirement.level]},
    }


def _result(row: Row, index: int, summary: Summary) -> dict[str, Any]:
    requirement, made, base_url = row.requirement, row.ruling, str(summary.notes.get("base_url", ""))
    mark = hashlib.sha256(f"{base_url} {requirement.id}".encode()).hexdigest()
    result: dict[str, Any] = {
        "ruleId": requirement.id,
        "ruleIndex": index,
        "level": _LEVEL[made.verdict],
        "message": _said(told(row, base_url)),
        "locations": [_location(row, summary)],
        "partialFingerprints": {"requirement/v1": mark},
        "occurrenceCount": len(made.broken),
    }
    if made.verdict is Verdict.KNOWN:
        result["suppressions"] = [{"kind": "external", "justification": printable(made.reason)}]
    return result


def _said(text: str) -> dict[str, str]:
    """A message without links: `[…](…)` would be one, and a target may have written it."""
    return {"text": text.replace("](", "] (")}


def _location(row: Row, summary: Summary) -> dict[str, Any]:
    name = PurePath(str(summary.notes.get("contract_source", "contract"))).name
    called = row.evidence and urlsplit(row.evidence.request.url).path
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(name)},
            "region": {"startLine": line_of(str(summary.notes.get("contract", "")), called or "")},
        }
    }


def line_of(contract: str, called: str) -> int:
    """The line at which a contract promises the path that was called; the first where it does not."""
    for number, line in enumerate(contract.splitlines(), start=1):
        promised = _PATH.fullmatch(line.rstrip())
        if promised and re.search(re.sub(r"\\{[^/]*\\}", "[^/]+", re.escape(promised[1])) + "/?$", called):
            return number
    return 1


def _notification(row: Row) -> dict[str, Any]:
    said = f"{row.requirement.id} {row.ruling.verdict}: {printable(row.ruling.reason)}. {remedy(row)}".rstrip()
    return {"level": "note", "message": _said(said), "associatedRule": {"id": row.requirement.id}}
