"""A run as a page: one HTML file that loads nothing, reads without scripts, and prints.

Everything in it has gone through `neutral` and is escaped, whoever said it; what a target sent is cut as well.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from conformance.report.text import MARKS, bearer, curl, neutral, printable, remedy, request_line, saying, tone
from conformance.report.timeline import line, picture
from conformance.requirements import rulings
from conformance.verdict import Verdict
from conformance.windows import NEEDED, RaceWindow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.report.summary import Row, Summary

MEANINGS: Final = {
    Verdict.FAIL: "The law was broken: wanted and got, the calls around it, and a line that sends it again.",
    Verdict.WARN: "A recommendation, or a row of the surrounding documentation, was broken.",
    Verdict.KNOWN: "Broken, and listed in the profile with a reason and an expiry.",
    Verdict.INCONCLUSIVE: "Nothing certain can be said. This counts as not passed.",
    Verdict.NOT_OBSERVABLE: "The target cannot show it, and its profile says so. This counts as not passed.",
    Verdict.PASS: "The law was seen to hold at least once, and never to be broken.",
}
"""What each verdict says, the worst first."""

LEVELS: Final = ("MUST", "SHOULD", "EXT")
OPEN: Final = (Verdict.INCONCLUSIVE, Verdict.NOT_OBSERVABLE)

_FOLDER: Final = Path(__file__).parent
_LONGEST_BODY: Final = 900
_MINUTE: Final = 60
_MOST_HEADERS: Final = 8
_LIMITS: Final = ("x-ratelimit-", "x-quota-", "x-org-quota-")
_TELLING: Final = {
    *("allow", "authorization", "content-encoding", "content-type", "location", "retry-after", "www-authenticate"),
    *("x-api-key", "x-request-id"),
}
"""Headers that decide, or explain, what came of a call."""

_WORDS: Final = re.compile(r"\s+|[^\s\w.]|[\w.]+")


def page(summary: Summary) -> str:
    """The whole run as an HTML document."""
    notes = summary.notes
    base_url = str(notes.get("base_url", ""))
    styles, script = ((_FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return template().render(
        summary=summary,
        notes=notes,
        styles=Markup(styles),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        policy=f"default-src 'none'; style-src {_hash(styles)}; script-src {_hash(script)}; img-src data:;"
        " base-uri 'none'; form-action 'none'",
        headline=_headline(summary),
        tone=tone(summary),
        started=_started(notes),
        took=_duration(summary.seconds),
        clock=float(notes.get("clock", 0)),
        balance_header=notes.get("terms", {}).get("balance_header"),
        curl=lambda exchange: curl(exchange.request, base_url),
        line=lambda exchange: request_line(exchange.request, base_url),
        whose=lambda exchange: bearer(exchange.request.role),
        name=printable(str(notes.get("name", "an unnamed target"))),
        musts=sum(row.requirement.level == "MUST" for row in summary.asked),
        passed=summary.count(Verdict.PASS, "MUST"),
        stale=[row for row in summary.asked if row.ruling.stale],
        families=sorted({row.requirement.family for row in summary.asked}),
        groups=[(verdict, [row for row in summary.asked if row.ruling.verdict is verdict]) for verdict in MEANINGS],
        broken=summary.broken,
        unsettled=_unsettled(summary),
        meanings=MEANINGS,
        marks=MARKS,
        levels=LEVELS,
        rulings=rulings(),
        windows=RaceWindow,
        needed=NEEDED,
    )


@cache
def template() -> Template:
    """The page without a run in it; it takes a while to compile."""
    environment = Environment(
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else neutral(str(value)),
        loader=FileSystemLoader(_FOLDER),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "cut": printable,
        "lines": lines,
        "body": body,
        "duration": _duration,
        "headers": headers,
        "differing": differing,
        "remedy": remedy,
        "told": line,
        "picture": lambda calls: Markup(picture(calls)),  # noqa: S704 - escapes what it draws
    }
    return environment.get_template("page.html")


def headers(shown: Sequence[tuple[str, str]], balance: str | None = None) -> list[str]:
    """Headers, a line each, those that matter to a task's caller first; of many only so many, and how many more."""

    def matters(header: tuple[str, str]) -> int:
        name = header[0].lower()
        return 0 if name == (balance or "").lower() else 1 if name in _TELLING or name.startswith(_LIMITS) else 2

    told = [printable(f"{name}: {value}") for name, value in sorted(shown, key=matters)]
    more = [f"and {len(told) - _MOST_HEADERS} more"] if len(told) > _MOST_HEADERS else []
    return [*told[:_MOST_HEADERS], *more]


def lines(text: str) -> Markup:
    """A text for a page, line by line."""
    return Markup("\n").join(map(neutral, re.split(r"\r?\n", text)))


def body(content: bytes) -> Markup:
    """A body for a page; a long one is cut, and says how much there was."""
    text = content[:_LONGEST_BODY].decode(errors="replace")
    return lines(text if len(content) <= _LONGEST_BODY else f"{text}\n… cut: {len(content)} bytes in all")


def differing(text: str, other: str) -> Markup:
    """`text`, cut short, with the words marked that `other` does not have in their place.

    Of two sentences that have less than half of the shorter one in common, nothing is marked: all of it differs.
    """
    ours, theirs = (_WORDS.findall(printable(each)) for each in (text, other))
    steps = SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
    shared = sum(not word.isspace() for kind, start, end, _, _ in steps if kind == "equal" for word in ours[start:end])
    alike = 2 * shared >= min(sum(not word.isspace() for word in words) for words in (ours, theirs))
    marked = Markup()
    for kind, start, end, _, _ in steps:
        part = "".join(ours[start:end])
        marked += Markup("<mark>{}</mark>").format(part) if alike and kind != "equal" and part.strip() else part
    return marked


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _headline(summary: Summary) -> str:
    """The verdict in words."""
    if silence := summary.notes.get("silence"):
        return f"Nothing could be learned: {printable(silence)}"
    said = saying(summary)
    return said[0].upper() + said[1:]


def _started(notes: Any) -> str:  # noqa: ANN401 - a note is any JSON value
    return datetime.fromtimestamp(float(notes.get("started", 0)), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "broke off"
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _unsettled(summary: Summary) -> list[tuple[str, list[Row]]]:
    """The rows that are open, by what keeps them open, in the order in which that was met."""
    found: dict[str, list[Row]] = {}
    for row in summary.asked:
        if row.ruling.verdict in OPEN:
            found.setdefault(row.ruling.reason, []).append(row)
    return list(found.items())
