"""A run as a badge: what it came to, and how many MUST rows passed, in an SVG image of one line."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from conformance.report.text import tone
from conformance.verdict import Verdict

if TYPE_CHECKING:
    from conformance.report.summary import Summary

_LABEL = "cancel conformance"
_PADDING, _LETTER = 12, 6.6
_SAID = {
    Verdict.PASS: ("conformant", "#17693a"),
    Verdict.FAIL: ("not conformant", "#b3261e"),
    Verdict.KNOWN: ("known failures", "#7a3a9c"),
    Verdict.INCONCLUSIVE: ("not proven", "#07607a"),
}


def badge(summary: Summary) -> str:
    """The badge of a run as an SVG document."""
    musts = sum(row.requirement.level == "MUST" for row in summary.asked)
    word, colour = _SAID[tone(summary)]
    text = f"{word} {summary.count(Verdict.PASS, 'MUST')}/{musts}"
    said = escape(f"{_LABEL}: {text}")
    left, right = (round(_PADDING + _LETTER * len(part)) for part in (_LABEL, text))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img"'
        f' aria-label="{said}"><title>{said}</title>'
        f'<rect width="{left + right}" height="20" rx="3" fill="#444b54"/>'
        f'<path d="M{left} 0h{right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{right - 3}z" fill="{colour}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f"{_word(_LABEL, left / 2, left)}{_word(text, left + right / 2, right)}</g></svg>\n"
    )


def _word(text: str, middle: float, room: float) -> str:
    """A word that is as wide as its room has it, whatever font there is."""
    return f'<text x="{middle:g}" y="14" textLength="{room - _PADDING:g}">{escape(text)}</text>'
