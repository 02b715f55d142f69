"""JUnit XML: one test case a requirement, in suites by family."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from conformance.report.text import printable, told
from conformance.verdict import Verdict

if TYPE_CHECKING:
    from conformance.report.summary import Row, Summary

_SKIPPED = {Verdict.INCONCLUSIVE, Verdict.NOT_OBSERVABLE, Verdict.KNOWN}


def junit(summary: Summary) -> str:
    """The run as a JUnit document; what is neither passed nor failed is skipped, with its reason."""
    root = ET.Element("testsuites", name="cancel-conformance")
    asked = [row for row in summary.rows if row.ruling.verdict is not Verdict.PLANNED]
    for family in sorted({row.requirement.family for row in asked}):
        rows = [row for row in asked if row.requirement.family == family]
        failures = sum(row.ruling.verdict is Verdict.FAIL for row in rows)
        skipped = sum(row.ruling.verdict in _SKIPPED for row in rows)
        counts = {"tests": len(rows), "failures": failures, "errors": 0, "skipped": skipped}
        suite = ET.SubElement(root, "testsuite", {"name": family, **{key: str(value) for key, value in counts.items()}})
        for row in rows:
            _case(suite, row, str(summary.notes.get("base_url", "")))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, row: Row, base_url: str) -> None:
    requirement, made = row.requirement, row.ruling
    name = f"{requirement.id} {requirement.statement}"
    case = ET.SubElement(suite, "testcase", classname=f"conformance.{requirement.family}", name=name, time="0")
    properties = ET.SubElement(case, "properties")
    facts = {"id": requirement.id, "level": requirement.level, "verdict": made.verdict.value}
    for key, value in {**facts, "held": str(made.held), "undecided": str(made.undecided)}.items():
        ET.SubElement(properties, "property", name=key, value=value)
    if made.broken:
        text = _legal(told(row, base_url))
        if made.verdict is Verdict.FAIL:
            failure = ET.SubElement(case, "failure", message=printable(made.broken[0].got), type=requirement.level)
            failure.text = text
        else:
            ET.SubElement(case, "system-out").text = text
    if made.verdict in _SKIPPED:
        ET.SubElement(case, "skipped", message=printable(f"{made.verdict}: {made.reason}"))


def _legal(text: str) -> str:
    """Without what XML 1.0 has no way to write."""
    return "".join(char if char in "\n\t" or char.isprintable() else "\ufffd" for char in text)
