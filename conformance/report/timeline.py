"""Calls that met, as a picture: a line a call, in text for a terminal and in SVG for a page.

Every instant at which a call left or ended has a column of its own, in order: what overlaps is seen to overlap, however
short it was. The milliseconds beside the bars tell how long it really took.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Final

from conformance.exchange import Exchange, Form, Operation

_WIDEST: Final = 48
_LONGEST: Final = 60
_ROW: Final = 26
_LEFT: Final = 300
_SCALE: Final = 8
_NAMING: Final = {Operation.CANCEL, Operation.PROBE, Operation.QUERY, Operation.STREAM}


def timeline(exchanges: Sequence[Exchange]) -> list[str]:
    """A line a call: its number, when it left, who called, what for, from when to when, and what was answered."""
    columns, start = _columns(exchanges), min((each.sent_at for each in exchanges), default=0.0)
    width = max(columns.values(), default=0) + 1
    lines = []
    for each in exchanges:
        left, right = columns[each.sent_at], columns[each.ended_at]
        bar = " " * left + "├" + "─" * max(0, right - left - 1) + "┤"
        lines.append(
            f"{each.number:>6}  +{(each.sent_at - start) * 1000:.1f} ms".ljust(22)
            + f"{_caller(each):<28.28}  {bar:<{width + 1}}  {_answer(each)}"
        )
    return lines


def line(exchange: Exchange) -> str:
    """A call in a few words: its number, who called, what for, and what was answered."""
    return f"{exchange.number} {_caller(exchange)} → {_answer(exchange)}"


def picture(exchanges: Sequence[Exchange]) -> str:
    """The same as an SVG document, in the colours of whatever surrounds it."""
    columns = _columns(exchanges)
    start = min((each.sent_at for each in exchanges), default=0.0)
    width = _LEFT + (max(columns.values(), default=0) + 2) * _SCALE
    drawn = []
    for row, each in enumerate(exchanges):
        top, left, right = row * _ROW + 8, columns[each.sent_at] * _SCALE, columns[each.ended_at] * _SCALE
        who = f"{each.number}  +{(each.sent_at - start) * 1000:.1f} ms  {_caller(each)}"
        drawn.append(
            f'<text x="4" y="{top + 12}">{escape(who)}</text>'
            f'<rect x="{_LEFT + left}" y="{top}" width="{max(_SCALE / 2, right - left)}" height="14" rx="3"'
            f' fill="currentColor" opacity="0.35"/>'
            f'<text x="{width + 8}" y="{top + 12}">{escape(_answer(each))}</text>'
        )
    height = len(exchanges) * _ROW + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + 320} {height}" font-family="monospace"'
        f' font-size="12" fill="currentColor" role="img" aria-label="calls that met">{"".join(drawn)}</svg>\n'
    )


def _columns(exchanges: Sequence[Exchange]) -> dict[float, int]:
    """The column of each instant; neighbours share one where there are too many."""
    instants = sorted({instant for each in exchanges for instant in (each.sent_at, each.ended_at)})
    scale = min(4.0, _WIDEST / max(1, len(instants) - 1))
    return {instant: round(index * scale) for index, instant in enumerate(instants)}


def _caller(exchange: Exchange) -> str:
    request = exchange.request
    named = request.named
    how = "path" if named.path is not None else (named.form or Form.BODY).value
    if request.operation is Operation.CALLBACK:
        return f"callback to {request.role}"
    return f"{request.role} {request.operation.value}" + (f" by {how}" if request.operation in _NAMING else "")


def _answer(exchange: Exchange) -> str:
    """The status, and the state, the charge or the code that came with it; of a callback, what it told."""
    if exchange.request.operation is Operation.CALLBACK:
        said, document = ["told"], exchange.request.document
    elif exchange.answer is None:
        return "nothing more" if exchange.request.operation is Operation.STREAM else "no answer"
    else:
        said, document = [str(exchange.answer.status)], exchange.answer.document
    if isinstance(document, dict):
        error = document.get("error")
        said += [
            value for value in (document.get("status"), error.get("code") if isinstance(error, dict) else None) if value
        ]
        said += [f"credits_used {document['credits_used']}"] if "credits_used" in document else []
    text = " ".join(map(str, said))
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)[:_LONGEST]
