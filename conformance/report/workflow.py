"""A run as workflow commands of GitHub Actions: what a pull request shows beside its check, a line a row.

A runner obeys any line that begins with `::`. So what a target said stands within one line, its ends escaped as
Actions has it, and can begin none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from conformance.report.text import printable, request_line, saying
from conformance.verdict import Verdict

if TYPE_CHECKING:
    from conformance.report.summary import Row, Summary

_KINDS: Final = {Verdict.FAIL: "error", Verdict.WARN: "warning", Verdict.KNOWN: "notice"}
_OPEN: Final = (Verdict.INCONCLUSIVE, Verdict.NOT_OBSERVABLE)


def workflow_commands(summary: Summary) -> str:
    """A command for each broken row, the worst first, and one for all that is open."""
    base_url = str(summary.notes.get("base_url", ""))
    lines = [_broken(row, base_url) for row in summary.asked if row.ruling.broken]
    still_open = [row.requirement.id for row in summary.asked if row.ruling.verdict in _OPEN]
    if still_open:
        said = f"{saying(summary)}\n{len(still_open)} rows are open: {', '.join(still_open)}"
        lines.append(_command("notice", "cancel-conformance", said))
    return "".join(f"{line}\n" for line in lines)


def _broken(row: Row, base_url: str) -> str:
    requirement, first = row.requirement, row.ruling.broken[0]
    lines = [
        requirement.statement,
        *([f"sent: {request_line(row.evidence.request, base_url)}"] if row.evidence is not None else []),
        f"wanted: {printable(first.wanted)}",
        f"got: {printable(first.got)}",
        f"source: {requirement.cited}",
    ]
    return _command(_KINDS[row.ruling.verdict], f"{requirement.id} {requirement.level}", "\n".join(lines))


def _command(kind: str, title: str, text: str) -> str:
    return f"::{kind} title={title}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
