"""A lawful and an unlawful exchange of every requirement, taken from real runs of the reference service.

The sound service is judged once, and once with a fault for each row: the one that breaks the fewest rows beside it. Of
the shortest story in which the row's check found what is looked for, the fewest exchanges are kept that show it, and
the query that confirms a lawful answer.

    python handbook/exchanges.py docs/exchanges.json
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from conformance.checks import CHECKS
from conformance.checks.history import reduced
from conformance.exchange import Exchange, Operation
from conformance.journal import Journal
from conformance.reference.faults import FAULTS, Fault
from conformance.report.summary import terms_of
from conformance.report.text import printable, request_line
from conformance.requirements import selected
from conformance.story import Story
from conformance.verdict import Judgement, Outcome

SEED: Final = "1"
MOST_SHOWN: Final = 6
"""So many exchanges fit on a page; the last ones of more are kept."""

_LONGEST_STORY: Final = 400
_TOLD_OF_ANSWERS: Final = ("content-type", "x-quota-remaining-credits", "www-authenticate", "allow")

Sample = dict[str, Any]


def fault_of(row: str) -> str:
    """The fault that shows best what it means to break a row: one that breaks little else, and is met at once."""

    def plainness(name: str) -> tuple[bool, int, int, int, str]:
        made = FAULTS[name]
        return made.rare, made.processes, len(made.breaks), made.breaks.index(row), name

    return min((name for name, made in FAULTS.items() if breaks(made, row)), key=plainness)


def breaks(fault: type[Fault], row: str) -> bool:
    """Whether a fault is one of the row's own."""
    return row in fault.breaks and not fault.degenerate


def samples(rows: Iterable[str]) -> dict[str, Sample]:
    """The exchanges of each row, lawful and unlawful; a fault that several rows have in common is tried once."""
    rows = list(rows)
    by_fault: dict[str, list[str]] = {}
    for row in rows:
        by_fault.setdefault(fault_of(row), []).append(row)
    found: dict[str, Sample] = {row: {} for row in rows}
    with _judged(rows) as journal:
        for row in rows:
            found[row]["lawful"] = _shown(journal, row, Outcome.HELD)
    for fault, its in by_fault.items():
        with _judged(its, fault) as journal:
            for row in its:
                found[row]["unlawful"] = {"fault": fault, **_shown(journal, row, Outcome.BROKEN)}
    return found


@contextlib.contextmanager
def _judged(rows: list[str], fault: str | None = None) -> Iterator[Journal]:
    """The journal of a run whose stories aim at some rows, on the sound service or on one with a fault."""
    depth = "certify" if fault and FAULTS[fault].rare else "standard"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "conformance", "run", "--seed", SEED, "--depth", depth, "--jobs", "1"]
        command += ["--stories", ",".join(rows), "--report-dir", folder, *(["--fault", fault] if fault else [])]
        subprocess.run(command, cwd=folder, capture_output=True, check=False)  # noqa: S603 - ours
        with contextlib.closing(Journal.open(Path(folder) / "journal.sqlite")) as journal:
            yield journal


def _shown(journal: Journal, row: str, outcome: Outcome) -> Sample:
    """The fewest exchanges of the shortest story in which the check of a row came to an outcome, and what it said.

    Raises:
        LookupError: it did in none.
    """
    terms = terms_of(journal)
    told = sorted((story for _, story in journal.stories(terms)), key=lambda story: len(story.exchanges))
    for story in (each for each in told if len(each.exchanges) <= _LONGEST_STORY):
        finding = next((each for each in CHECKS[row](story) if each.outcome is outcome), None)
        if finding is not None:
            return _sample(story, row, finding, journal.notes()["base_url"])
    raise LookupError(f"{row}: no story shows it {outcome}")


def _sample(story: Story, row: str, finding: Judgement, base_url: str) -> Sample:
    kept = set(reduced(story, finding, CHECKS[row]))
    kept |= _confirmed(story, kept, finding.outcome)
    shown = [each for each in story.exchanges if each.number in kept]
    start = shown[0].sent_at if shown else 0.0
    told = {"wanted": printable(finding.wanted), "got": printable(finding.got)} if finding.wanted else {}
    return {
        **told,
        "left_out": max(0, len(shown) - MOST_SHOWN),
        "exchanges": [_written(each, start, finding, base_url) for each in shown[-MOST_SHOWN:]],
    }


def _confirmed(story: Story, kept: set[int], outcome: Outcome) -> set[int]:
    """After the last cancel of a lawful sample, the next query of the task that it showed."""
    cancels = [each for each in story.exchanges if each.number in kept and each.request.operation is Operation.CANCEL]
    task = _shown_by(cancels[-1]) if cancels and outcome is Outcome.HELD else None
    later = [each for each in story.exchanges if task and each.sent_at >= cancels[-1].ended_at]
    queries = [each for each in later if each.request.operation is Operation.QUERY and _shown_by(each) == task]
    return {each.number for each in queries[:1]}


def _shown_by(exchange: Exchange) -> str | None:
    document = exchange.answer.document if exchange.answer is not None else None
    return document.get("task_id") if isinstance(document, dict) else None


def _written(exchange: Exchange, start: float, finding: Judgement, base_url: str) -> dict[str, Any]:
    request, answer = exchange.request, exchange.answer
    headers = [f"{name}: {value}" for name, value in request.headers if name != "content-type" or request.content]
    written: dict[str, Any] = {
        "number": exchange.number,
        "at": [round((instant - start) * 1000, 1) for instant in (exchange.sent_at, exchange.ended_at)],
        "who": "the target" if request.operation is Operation.CALLBACK else request.role,
        "sent": request_line(request, base_url),
        "headers": [printable(header) for header in headers],
        "judged": exchange.number == finding.exchange,
    }
    if answer is None:
        return {**written, "lost": printable(exchange.lost or "")}
    shown = [f"{name}: {value}" for name, value in answer.headers if name.lower() in _TOLD_OF_ANSWERS]
    said = printable(answer.content.decode(errors="replace"))
    return {**written, "status": answer.status, "answer_headers": [printable(each) for each in shown], "answer": said}


def main() -> None:
    """Renew the file, whole or in some rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, help="the file to write")
    parser.add_argument("--only", default="", metavar="ROWS", help="families and requirements, such as IDENT,BILL-2")
    asked = parser.parse_args()
    rows = selected(asked.only) or list(CHECKS)
    kept = json.loads(asked.file.read_text(encoding="utf-8")) if asked.file.exists() else {}
    made = {**kept, **samples(rows)}
    text = json.dumps({row: made[row] for row in CHECKS if row in made}, indent=1, ensure_ascii=False)
    asked.file.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
