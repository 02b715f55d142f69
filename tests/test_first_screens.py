"""The first screen of a failing run says what the service did wrong: ten of them are kept as golden texts."""

from __future__ import annotations

import re
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from test_page import Read

from conformance.reference.faults import FAULTS

if TYPE_CHECKING:
    from conftest import RunSuite

GOLDEN: Final = Path(__file__).parent / "golden" / "first-screens"
LINES: Final = 24
ITEMS: Final = 3
"""How many of its broken rows a page shows beside its counts."""


class Case(NamedTuple):
    """A service with a fault, the stories that show it, and the words without which nobody would understand."""

    fault: str
    stories: str
    words: tuple[str, ...]


CASES: Final = (
    Case("renders-cancelled-tasks", "STATE-5", ("no output", "output", "never")),
    Case("prefers-the-body", "IDENT-7", ('/TASK-1 {"task_id": "TASK-2"}', "200 showing task TASK-1")),
    Case("overwrites-completed-tasks", "IDEMP-4", ("wanted  200 with status completed", '"status": "cancelled"')),
    Case("quotes-the-estimate", "PARITY-3", ("/estimated_credits: 'N.N' is not of type 'number'",)),
    Case("charges-pending-tasks", "BILL-1", ("credits_used absent or 0: the task was cancelled while pending",)),
    Case("refuses-foreign-tasks-but-cancels", "ISO-1", ("with other's key", "other cancel", "404", "200 cancelled")),
    Case("honours-revoked-keys", "AUTH-3", ("with a revoked key", "wanted  401 invalid_api_key", "got     200")),
    Case("breaks-down-on-malformed-json", "ERR-3", ('{"task_id": "TASK-1"  ', "server error", "got     500")),
    Case("breaks-down-on-what-is-half-made", "RACE-6", ("owner submit", "├─┤  500 internal_error", "races the submit")),
    Case("tells-callbacks-twice", "NOTIFY-2", ("once", "the same twice", "callback to owner")),
)

A_ROW_OF_THE_TABLE: Final = re.compile(r"[✗!~?✓-] [A-Z]+-\d+ +(MUST|SHOULD|EXT) ")
AN_ITEM: Final = re.compile(r"(?=[✗!~] (?:fail|warn|known) [A-Z]+-\d)")
COUNTED: Final = {
    "TASK-": re.compile(r"task_[0-9A-Z]{26}"),
    "NAME-": re.compile(r"[0-9a-f]{10}-conformance"),
    "#": re.compile(
        r"(?:(?<=exchange )|(?<=exchanges )|(?<=\d and )|(?<=calls )|(?<=; )|(?<=^  ))\d+(?=[ ,).]|$)", re.MULTILINE
    ),
}
"""What is another in each run, and told apart within a screen."""

MASKED: Final = {
    r"(?m)^ +(?=\d+  [+])": "  ",
    r"[+]?\d+([.]\d+)? ms": "… ms",
    r"(?<![\w.])\d+[.]\d+": "N.N",
    r"signature=[0-9a-f]+": "signature=…",
    r" *├─*┤ *": "  ├─┤  ",
    r" {2,}(?=(owner|other|revoked|callback) )": "  ",
}
"""What is another in each run, and no matter which."""


def masked(text: str) -> str:
    """A screen without what changes from run to run."""
    for pattern, mask in MASKED.items():
        text = re.sub(pattern, mask, text)
    for label, of_a_kind in COUNTED.items():
        seen: dict[str, str] = {}
        text = of_a_kind.sub(lambda found: seen.setdefault(found[0], f"{label}{len(seen) + 1}"), text)  # noqa: B023
    return text


def screen(stdout: str) -> str:
    """The first lines that a run prints at its end, down to its table of all rows."""
    lines = takewhile(lambda line: not A_ROW_OF_THE_TABLE.match(line), stdout.splitlines())
    return "\n".join(islice(lines, LINES)).rstrip()


def top(page: str) -> str:
    """What the page of a run says first, an item a line: its verdict, and what is broken."""
    read = Read(page)
    [title] = re.findall("<title>(.*?)</title>", page)
    broken = read.text.partition("What is broken")[2].partition("What is open")[0]
    return "\n".join([title, *islice(map(str.strip, filter(str.strip, AN_ITEM.split(broken))), ITEMS)])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stories)
def test_a_first_screen_explains_what_the_service_did(
    case: Case, run_suite: RunSuite, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Of a real run: the words that matter are on the terminal's screen, and it is the golden one, as is the page's."""
    options = ["--fault", case.fault, "--stories", case.stories, "--seed", "1"]
    run = run_suite("run", *options, "--report-dir", str(tmp_path / "results"))
    shown = masked(screen(run.stdout))
    assert [words for words in case.words if words not in shown] == [], shown
    page = masked(top((run.folder / "report.html").read_text(encoding="utf-8")))
    text = f"$ cancel-conformance run {' '.join(options)}\n{shown}\n\nits page\n{page}\n"
    golden = GOLDEN / f"{case.stories}-{case.fault}.txt"
    if request.config.getoption("--renew-golden"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_the_screens_are_of_ten_families() -> None:
    """One each, of faults that there are, and no file is left over from another time."""
    assert len({case.stories.partition("-")[0] for case in CASES}) == len(CASES) == 10
    assert {case.fault for case in CASES} <= set(FAULTS)
    assert {path.stem for path in GOLDEN.iterdir()} == {f"{case.stories}-{case.fault}" for case in CASES}


def test_two_runs_differ_in_nothing_but_what_is_masked() -> None:
    """Ids, times, amounts and numbers of exchanges are masked, and told apart where that matters."""
    one, other = (
        f"  wanted  task {first} as exchange {number} showed it, 1.25 credits\n"
        f"  got     {second} in exchange {number + 5}\n"
        f"      {number}  +0.{number} ms       owner query by task_id   ├─{'─' * number}─┤   200 cancelled\n"
        for first, second, number in (
            ("task_01M87RBSG0PKAV5GJ8P83PKQMJ", "task_01M87RBV214ZREARK5CNPWGZTT", 7),
            ("task_01M87RC4TC2WJ1AAR8TCN64H9X", "task_01M87RBV27ACPH5XAH8KRZ8889", 112),
        )
    )
    assert masked(one) == masked(other)
    assert "task TASK-1 as exchange #1 showed it, N.N credits" in masked(one)
    assert "TASK-2 in exchange #2\n  #1  … ms" in masked(one)
