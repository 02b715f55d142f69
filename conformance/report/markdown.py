"""A run as Markdown, for the summary of a CI job: what it came to first, and what is broken in full.

What a target said stands in code, inside fences longer than any that it could close.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from conformance.report.text import MARKS, closing, printable, remedy, saying, told, tone
from conformance.verdict import Verdict

if TYPE_CHECKING:
    from conformance.report.summary import Row, Summary

_COUNTED = tuple(verdict for verdict in Verdict if verdict is not Verdict.PLANNED)
_OPEN = (Verdict.INCONCLUSIVE, Verdict.NOT_OBSERVABLE)


def markdown(summary: Summary) -> str:
    """The run as a Markdown document."""
    said = saying(summary)
    name = str(summary.notes.get("name", "an unnamed target"))
    parts = [
        f"## {MARKS[tone(summary)]} {said[0].upper()}{said[1:]}",
        f"Target {code(name)} at {code(str(summary.notes.get('base_url', '')))}",
        _counts(summary),
        *(_broken(row, str(summary.notes.get("base_url", ""))) for row in summary.broken),
        *_open(summary),
        fenced(closing(summary)),
    ]
    return "\n\n".join(parts) + "\n"


def code(text: str) -> str:
    """`text` on one line, cut short, as inline code that it cannot leave."""
    shown = printable(text) or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence} {shown} {fence}" if "`" in shown else f"{fence}{shown}{fence}"


def fenced(text: str) -> str:
    """`text` as a block of code that it cannot leave."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


def _counts(summary: Summary) -> str:
    """Every level and every verdict, also those that nothing has."""
    levels = ("MUST", "SHOULD", "EXT")
    lines = [f"| verdict | {' | '.join(levels)} | all |", f"|---|{'--:|' * (len(levels) + 1)}"]
    for verdict in _COUNTED:
        figures = [summary.count(verdict, level) for level in levels]
        lines.append(f"| {MARKS[verdict]} {verdict} | {' | '.join(map(str, figures))} | {summary.count(verdict)} |")
    totals = [sum(row.requirement.level == level for row in summary.asked) for level in levels]
    return "\n".join([*lines, f"| all | {' | '.join(map(str, totals))} | {len(summary.asked)} |"])


def _broken(row: Row, base_url: str) -> str:
    requirement, made = row.requirement, row.ruling
    head = f"<b>{requirement.id}</b> {requirement.level} {made.verdict}: {requirement.statement}"
    whole = fenced(told(row, base_url))
    return f"<details><summary>{MARKS[made.verdict]} {head}</summary>\n\n{whole}\n\n</details>"


def _open(summary: Summary) -> list[str]:
    rows = [row for row in summary.asked if row.ruling.verdict in _OPEN]
    lines = [
        f"- **{row.requirement.id}** {row.requirement.level} {row.ruling.verdict}: {code(row.ruling.reason)}"
        f" {remedy(row)}".rstrip()
        for row in rows
    ]
    head = f"<details><summary>{len(rows)} rows are open, and count as not passed</summary>"
    return ["\n".join([head, "", *lines, "", "</details>"])] if rows else []
