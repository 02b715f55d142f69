"""A run as text: a line a requirement, worst first, and for each broken one the whole message."""

from __future__ import annotations

import json
import re
import shlex
import string
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from conformance.exchange import NOBODY, REVOKED, shell_variable
from conformance.report.timeline import timeline
from conformance.requirements import catalogue
from conformance.verdict import MUSTS, ExitCode, Verdict
from conformance.windows import NEEDED, RaceWindow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.exchange import Exchange, Request
    from conformance.report.summary import Row, Summary
    from conformance.requirements import Requirement
    from conformance.verdict import Judgement

_LONGEST = 400
_LONGEST_BODY = 4000
_MOST_LISTED = 8
_SHORTEST = 0.05
_OWNER = "owner"
_KEY = re.compile(r"[$]\{?\w*KEY")
_PLAIN = frozenset(string.printable[:-5]) - {"'", "\\"}
MARKS = {
    Verdict.FAIL: "✗",
    Verdict.WARN: "!",
    Verdict.KNOWN: "~",
    Verdict.INCONCLUSIVE: "?",
    Verdict.NOT_OBSERVABLE: "-",
    Verdict.PASS: "✓",
}
STYLES = {
    Verdict.FAIL: "bold red",
    Verdict.WARN: "yellow",
    Verdict.KNOWN: "magenta",
    Verdict.INCONCLUSIVE: "cyan",
    Verdict.NOT_OBSERVABLE: "dim cyan",
    Verdict.PASS: "green",
}
_SAYINGS = {
    ExitCode.PASSED: "conformant: every MUST row asked for passed",
    ExitCode.FAILED: "not conformant",
    ExitCode.INCONCLUSIVE: "no MUST row is broken, and not all of them are proven",
    ExitCode.OUR_FAULT: "the suite itself was at fault: please report it, with the journal",
    ExitCode.USAGE: "nothing was sent",
}


def told(row: Row, base_url: str) -> str:
    """The message of a broken row."""
    return message(row.requirement, row.ruling.broken[0], row.evidence, base_url, row.calls)


def message(
    requirement: Requirement,
    judgement: Judgement,
    evidence: Exchange | None,
    base_url: str,
    calls: Sequence[Exchange] = (),
) -> str:
    """One broken requirement, whole: what was sent, wanted and got, by what source, and how to see it again.

    The `calls` that it takes to see it are drawn as a timeline.
    """
    lines = [f"{requirement.id} {requirement.level}  {requirement.statement}", ""]
    if evidence is not None:
        lines.append(f"  sent    {request_line(evidence.request, base_url)}      ({_circumstances(evidence)})")
    lines += [
        f"  wanted  {printable(judgement.wanted)}",
        f"  got     {printable(judgement.got)}",
        f"  source  {requirement.cited}",
    ]
    if evidence is not None:
        lines.append(f"  again   {curl(evidence.request, base_url)}")
    if calls:
        lines += ["", *(f"  {line}" for line in timeline(calls))]
    return "\n".join(lines)


def _circumstances(exchange: Exchange) -> str:
    """Which exchange it was, how long it took, and by whose key, unless it was the owner's."""
    took = f"exchange {exchange.number}, {round(exchange.took * 1000)} ms"
    whose = bearer(exchange.request.role)
    return f"{took}, {whose}" if whose else took


def bearer(role: str) -> str:
    """With whose key a call was made; nothing where it was the owner's."""
    name, _, how = role.partition(":")
    if name == NOBODY:
        return printable("without a key" if how in {"", "none"} else f"without a valid key: {how}")
    return {_OWNER: "", REVOKED: "with a revoked key"}.get(name, printable(f"with {name}'s key"))


def request_line(request: Request, base_url: str) -> str:
    """Method, path and body of a request, cut short."""
    origin = urlsplit(base_url)
    path = request.url.removeprefix(f"{origin.scheme}://{origin.netloc}")
    body = f" {request.content.decode(errors='replace')}" if request.content is not None else ""
    return printable(f"{request.method} {path}{body}")


def curl(request: Request, base_url: str) -> str:
    """A command line that sends the request again, with `$TARGET` for the base URL and `$KEY` for the owner's key.

    The key of another role is `$` and its name: `$OTHER_KEY`, `$REVOKED_KEY`.
    """
    parts = ["curl", *_way(request), _quoted_url(request.url, base_url.rstrip("/"))]
    headers = [f"{name.title()}: {value}".replace("$KEY", _key_of(request.role)) for name, value in request.headers]
    headers.sort(key=lambda text: not _KEY.search(text))
    if request.content is not None and not any(text.startswith("Content-Type:") for text in headers):
        headers.append("Content-Type:")  # else curl adds one of its own
    for text in headers:
        parts += ["-H", f'"{text}"' if _KEY.search(text) else shlex.quote(text)]
    if request.content is None:
        return " ".join(parts)
    if b"\0" in request.content:  # which no argument can carry
        return " ".join([f"printf %b {_octal(request.content)} |", *parts, "--data-binary @-"])
    return " ".join([*parts, "--data-raw", _quoted_bytes(request.content)])


def _quoted_url(url: str, base_url: str) -> str:
    """A URL for a shell: what is below the base URL goes by that; an account may be read elsewhere."""
    path = url.removeprefix(base_url)
    if not url.startswith(base_url) or path[:1] not in {"", "/", "?"}:
        return shlex.quote(url)
    return f'"$TARGET{path}"' if shlex.quote(path) == path else f'"$TARGET"{shlex.quote(path)}'


def _key_of(role: str) -> str:
    """The variable of the shell that stands for the key of a role."""
    name = role.partition(":")[0]
    return "$KEY" if name in {_OWNER, NOBODY} else shell_variable(name)


def _way(request: Request) -> list[str]:
    """Curl's options for the method, and for a path that it would tidy up."""
    method = ["--head"] if request.method == "HEAD" else ["-X", request.method]
    return [*method, "--path-as-is"] if "/." in request.url else method


def tone(summary: Summary) -> Verdict:
    """The verdict whose mark and colour a run wears as a whole, whatever the gate."""
    if summary.code_at(MUSTS) is ExitCode.PASSED:
        return Verdict.KNOWN if _excused(summary) else Verdict.PASS
    return Verdict.FAIL if summary.code_at(MUSTS) is ExitCode.FAILED else Verdict.INCONCLUSIVE


def saying(summary: Summary) -> str:
    """What the run is worth, whatever the gate; where excuses alone make it pass, they are named."""
    code, known = summary.code_at(MUSTS), _excused(summary)
    excused = code is ExitCode.PASSED and known
    return f"not conformant, by known failures alone: {', '.join(known)}" if excused else _SAYINGS[code]


def _excused(summary: Summary) -> list[str]:
    """The MUST rows that are broken and listed as known."""
    musts = [row for row in summary.asked if row.requirement.level == "MUST"]
    return [row.requirement.id for row in musts if row.ruling.verdict is Verdict.KNOWN]


def table(summary: Summary) -> list[tuple[Verdict, str]]:
    """One line a requirement that was asked for, the worst first; none where nothing could be learned at all."""
    if summary.notes.get("silence"):
        return []
    said: dict[str, str] = {}
    return [(row.ruling.verdict, _line(row, said)) for row in summary.asked]


def overview(summary: Summary) -> list[str]:
    """What is broken, in one line each, the plainest first; nothing where nothing is broken."""
    broken = summary.broken
    if not broken:
        return []
    name = printable(str(summary.notes.get("name") or "the target"))
    counts = {level: sum(row.requirement.level == level for row in broken) for level in ("MUST", "SHOULD", "EXT")}
    said = ", ".join(f"{count} {level} {'row' if count == 1 else 'rows'}" for level, count in counts.items() if count)
    lines = [
        f"  {MARKS[row.ruling.verdict]} {row.requirement.id:<10}{row.requirement.statement}"
        for row in broken[:_MOST_LISTED]
    ]
    more = [f"    and {len(broken) - _MOST_LISTED} more"] if len(broken) > _MOST_LISTED else []
    return [f"Broken by {name}: {said}", "", *lines, *more]


def messages(summary: Summary) -> list[str]:
    """The whole message of each row that is broken."""
    base_url = str(summary.notes.get("base_url", ""))
    return [told(row, base_url) for row in summary.broken]


def closing(summary: Summary) -> str:
    """The last lines: counts, what it took, and what it means."""
    verdicts = [verdict for verdict in Verdict if verdict is not Verdict.PLANNED]
    counts = ", ".join(f"{summary.count(verdict)} {verdict}" for verdict in verdicts if summary.count(verdict))
    musts = sum(row.requirement.level == "MUST" for row in summary.asked)
    passed = summary.count(Verdict.PASS, "MUST")
    silence = summary.notes.get("silence")
    lines = [f"Nothing could be learned: {printable(silence)}", ""] if silence else []
    lines += [
        f"{len(summary.asked)} rows: {counts or 'none asked for'}; {passed} of {musts} MUST rows passed",
        f"{summary.requests} requests, {summary.submits} tasks submitted, {_choice(summary)}",
        *_spent(summary),
    ]
    lines += meetings(summary)
    if summary.planned:
        lines.append(f"{len(summary.planned)} rows are planned and were not judged")
    if summary.broke_off:
        why = f"{printable(summary.notes['fell_silent'])}: " if "fell_silent" in summary.notes else ""
        lines.append(f"{why}the run broke off before its end: not all of its stories were told")
    if left := summary.notes.get("left_running"):
        tasks, them = ("task", "it") if left == 1 else ("tasks", "them")
        end = f"`cancel-conformance sweep` with this run's journal ends {them}, or says why it cannot"
        lines.append(f"{left} {tasks} may be left running: {end}")
    stale = [row.requirement.id for row in summary.asked if row.ruling.stale]
    if stale:
        lines.append(f"known failures that are out of date or hold again: {', '.join(stale)}; take them from [[known]]")
    asked = f", by {summary.gate}" if str(summary.gate) else ""
    lines.append(f"{saying(summary)} (exit {int(summary.exit_code)}{asked})")
    return "\n".join(lines)


def meetings(summary: Summary) -> list[str]:
    """Which windows cancels really hit, how often, what would hit the others, and how simultaneous it was."""
    if not summary.volleys:
        return []
    asked = {row.requirement.id for row in summary.asked}
    races = {name for name, row in catalogue().items() if row.family == "RACE"}
    hit = [f"{window} {summary.meetings[window]}" for window in RaceWindow if summary.meetings.get(window)]
    lines = [f"cancels met: {', '.join(hit) or 'nothing'}"]
    missed = [window for window in RaceWindow if not summary.meetings.get(window) and races <= asked]
    lines += [f"never met: {window}; it takes {NEEDED[window]}" for window in missed]
    for way in dict.fromkeys(way for way, _, _ in summary.volleys):
        spreads = [spread * 1000 for each, _, spread in summary.volleys if each == way]
        lines.append(f"{len(spreads)} times several calls at once, {way}: {median(spreads):.2f} ms apart in the middle")
    return lines


def _spent(summary: Summary) -> list[str]:
    """What it cost and how long it took, by family; nothing where that is next to nothing."""
    bill = summary.bill
    parts = ", ".join(f"{family} {spent:f}" for family, spent in bill.families.items())
    told = [f"{bill.spent:f} credits spent: {parts}"] if parts else []
    taken = ", ".join(f"{family} {took:.1f}" for family, took in bill.seconds.items() if took >= _SHORTEST)
    told += [f"{sum(bill.seconds.values()):.1f} s of stories: {taken}"] if taken else []
    return [*told, f"{bill.expected:f} credits are expected of tasks that showed no price"] if bill.expected else told


def _choice(summary: Summary) -> str:
    return f"depth {summary.notes.get('depth')}, seed {summary.notes.get('seed')}"


def printable(text: str) -> str:
    """`text` on one line, without control characters, cut short: nothing that a target sent acts in a terminal."""
    shown = neutral(text[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


def neutral(text: str) -> str:
    """`text` on one line, as long as it is, with its control characters told by their escapes."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def _line(row: Row, said: dict[str, str]) -> str:
    """The line of one row; a reason that another row gave already, in `said`, is not given again."""
    made = row.ruling
    counts = f"{made.held} held"
    if made.broken:
        counts += f", {len(made.broken)} broken"
    if made.undecided:
        counts += f", {made.undecided} undecided"
    head = f"{MARKS[made.verdict]} {row.requirement.id:<10}{row.requirement.level:<7}{made.verdict:<15}{counts}"
    if made.verdict in {Verdict.INCONCLUSIVE, Verdict.NOT_OBSERVABLE, Verdict.KNOWN}:
        first = said.setdefault(made.reason, row.requirement.id)
        reason = printable(made.reason) if first == row.requirement.id else f"as {first}"
        advice = remedy(row)
        head += f"\n    {reason}. {advice}" if advice else f"\n    {reason}"
    return head


def remedy(row: Row) -> str:
    """What would settle a row that is inconclusive; nothing where its reason says that already."""
    settled = row.ruling.verdict is not Verdict.INCONCLUSIVE or "write " in row.ruling.reason
    return "" if settled else row.requirement.remedy


def _quoted_bytes(content: bytes) -> str:
    """The bytes as an argument for bash; a long body is cut, and its line says so."""
    if len(content) > _LONGEST_BODY:
        return f"{_quoted_bytes(content[:_LONGEST])}  # cut: the whole body has {len(content)} bytes"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = "\0"
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(chr(byte) if chr(byte) in _PLAIN else f"\\x{byte:02x}" for byte in content) + "'"


def _octal(content: bytes) -> str:
    """The bytes as printf's %b takes them; a long body is cut."""
    return "'" + "".join(chr(b) if chr(b) in _PLAIN else f"\\0{b:03o}" for b in content[:_LONGEST_BODY]) + "'"
