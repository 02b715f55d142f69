"""The page of a run hides nothing, loads nothing, and shows what a target sent without obeying it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final

import pytest
from test_report import BASE, HOSTILE, broken, controls, folded, held

from conformance.exchange import Answer, Exchange, Operation, Request
from conformance.journal import Journal
from conformance.report.badge import badge
from conformance.report.markdown import markdown
from conformance.report.page import body, differing, headers, page
from conformance.report.summary import summarise
from conformance.report.timeline import picture
from conformance.requirements import catalogue, rulings
from conformance.verdict import Gate, Judgement, Level, Outcome, Verdict
from conformance.windows import NEEDED, RaceWindow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conftest import Recorded

    from conformance.report.summary import Summary

SCRIPT: Final = f"<script>alert(1)</script><img src=x onerror=alert(1)>\"'><svg/onload=alert(1)>{{{{7*7}}}}{HOSTILE}"
SENDABLE: Final = SCRIPT.replace("\ud800", "")
VOID: Final = {"meta", "link", "input"}
OPENED: Final = {"src", "href", "xlink:href", "srcset", "action", "formaction", "data", "poster", "background", "ping"}


class Read(HTMLParser):
    """A page, read strictly: what is opened is closed in order, and every element has its text and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], "not every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        assert len(dict(attrs)) == len(attrs), f"{tag} has an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element of a picture that ends at once."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """An element ends, which must be the one that began last."""
        assert self._open
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text: of a script, of a style, or of the page."""
        inside = self._open[-1] if self._open else ""
        {"script": self.scripts, "style": self.styles}.get(inside, self.said).append(data)

    @property
    def text(self) -> str:
        """What a reader sees, on one line."""
        return " ".join(" ".join(self.said).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each element of that kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def rows(self) -> dict[str | None, str | None]:
        """The verdict of each row of the page, by its id."""
        return {each["id"]: each["data-verdict"] for each in self.of("details") if "id" in each}


def loads(read: Read) -> Iterator[str]:
    """Everything that a browser would fetch, or that would act, beside the one script of our own."""
    for tag, attributes in read.elements:
        for name, value in attributes.items():
            if name.startswith("on") or name == "style":
                yield f"{tag} {name}"
            if name in OPENED and not (value or "").startswith(("#", "data:")):
                yield f"{tag} {name}={value}"
        if tag in {
            "iframe",
            "object",
            "embed",
            "base",
            "img",
            "audio",
            "video",
            "foreignobject",
            "animate",
            "set",
            "use",
        }:
            yield tag
    yield from re.findall(r"url\(|@import|@font-face", "".join(read.styles))


def hostile(journal: Journal) -> Summary:
    """A run in which everything that anybody can say is an attack: answers, findings, reasons, notes, programs."""
    journal.obstacle(["STATE-2"], SCRIPT)
    asked = Request(
        operation=Operation.CANCEL,
        role="owner",
        method="POST",
        url=f"{BASE}/tasks/cancel/{SENDABLE}",
        headers=(("authorization", "Bearer $KEY"), ("x-odd", SCRIPT)),
        content=SCRIPT.encode(errors="surrogatepass"),
        path_id=SCRIPT,
    )
    number = journal.begin_exchange(1, asked, 2.0)
    said = SCRIPT.encode(errors="surrogatepass")
    answer = Answer(status=200, headers=(("x-left", SCRIPT), ("content-type", SCRIPT)), content=said)
    journal.end_exchange(Exchange(number=number, request=asked, sent_at=2.0, ended_at=2.5, answer=answer))
    lost = journal.begin_exchange(1, asked, 2.2)
    journal.end_exchange(Exchange(number=lost, request=asked, sent_at=2.2, ended_at=2.6, lost=SENDABLE))
    notes: dict[str, object] = {
        "name": SCRIPT,
        "suite": SCRIPT,
        "fell_silent": SCRIPT,
        "our_fault": f"Traceback\n{SCRIPT}",
        "reproductions": {"STATE-1": f"  program\n{SCRIPT}"},
        "terms": {"balance_header": "x-left"},
        "known": {"STATE-4": SCRIPT},
        "not_observable": {"STATE-3": SCRIPT},
    }
    found = (replace(broken(text=SCRIPT), history=(number, lost)), broken("STATE-4", SCRIPT))
    return folded(journal, *found, only=("STATE-1", "STATE-2", "STATE-3", "STATE-4"), **notes)


def test_nothing_that_a_target_sent_acts_in_the_page(journal: Journal) -> None:
    """One script, which is ours; no element, no attribute and no address of the target's."""
    made = page(hostile(journal))
    read = Read(made)
    assert list(loads(read)) == []
    assert len(read.of("script")) == 1
    assert "alert" not in "".join(read.scripts + read.styles)
    assert "{{7*7}}" in read.text
    assert controls(made) == set()
    assert len(read.rows()) == 4


def test_a_hostile_page_shows_what_was_sent(journal: Journal) -> None:
    """Neutral is not absent: the words are there to be read, and so is the loss of the answer that never came."""
    made = hostile(journal)
    assert len(made.rows[0].scene) == 3
    text = Read(page(made)).text
    assert text.count("<script>alert(1)</script>") > 20
    assert "\\u001b[31m" in text
    assert "no answer" in text
    assert "x-left: <script>" in text


@pytest.mark.parametrize(
    "way",
    [
        "<img src=x />",
        "<a href=http://x></a>",
        "<p onclick=x></p>",
        "<p style='x'></p>",
        "<style>p { background: url(x) }</style>",
        "<style>@import 'x'</style>",
        "<link href=//x>",
        "<form action=x></form>",
        "<svg><use /></svg>",
        "<script src=x></script>",
    ],
)
def test_every_way_to_load_something_is_seen(way: str) -> None:
    """The reader of pages turns red on each."""
    assert list(loads(Read(way))) != []


@pytest.mark.parametrize("text", ["<p><b></p></b>", "<p>", "</p>", "<p id=a id=b></p>"])
def test_what_is_not_well_formed_is_seen(text: str) -> None:
    """The reader of pages lets nothing pass that browsers would guess at."""
    with pytest.raises(AssertionError):
        Read(text)


@pytest.fixture
def every_verdict(journal: Journal) -> Summary:
    """A run in which each verdict is given once or more."""
    found = (broken("STATE-3"), broken("PARITY-6"), broken("STATE-4"), held("STATE-2"), held("STATE-5"))
    only = ("STATE-1", "STATE-2", "STATE-3", "STATE-4", "STATE-5", "BILL-1", "PARITY-6")
    notes = {"known": {"STATE-4": "ticket 12"}, "not_observable": {"BILL-1": "accounting: none is shown"}}
    return folded(journal, *found, only=only, name="staging", contract_sha256="5ce5a23e", suite="0.1.0", **notes)


def test_no_row_is_hidden(every_verdict: Summary) -> None:
    """Every row that was asked for is in the page with its statement, source, counts and verdict."""
    read = Read(page(every_verdict))
    assert read.rows() == {row.requirement.id: row.ruling.verdict.value for row in every_verdict.asked}
    assert set(read.rows().values()) == {verdict.value for verdict in Verdict if verdict is not Verdict.PLANNED}
    for row in every_verdict.asked:
        assert row.requirement.statement in read.text
        assert row.requirement.source in read.text
        for name in row.requirement.rulings:
            assert f"ruling {name} {rulings()[name]}" in read.text


def test_open_rows_stay_in_every_count(every_verdict: Summary) -> None:
    """A line a verdict, by levels, and the sum below: nothing is left out of the denominators."""
    text = Read(page(every_verdict)).text
    table = text[text.index("7 rows were asked for") : text.index("What is broken")]
    assert "✗ fail 1 0 0 1" in table
    assert "! warn 0 0 1 1" in table
    assert "~ known 1 0 0 1" in table
    assert "? inconclusive 1 0 0 1" in table
    assert "- not observable 1 0 0 1" in table
    assert "✓ pass 2 0 0 2" in table
    assert "all 6 0 1 7" in table
    assert "2 of 6 MUST rows passed" in text


def test_the_first_screen_of_a_failing_run_reads(every_verdict: Summary) -> None:
    """What it came to, what was judged, and what is broken and open, in this order, before any row."""
    text = Read(page(every_verdict)).text
    order = [
        "✗ Not conformant",
        "2 of 6 MUST rows passed",
        "target staging",
        f"base URL {BASE}",
        "contract, by its sha256 5ce5a23e",
        "suite 0.1.0 depth smoke seed 1 started 1970-01-01 00:00:01 UTC took 1.0 s requests 1",
        "credits spent 0",
        "What is broken",
        f"✗ fail STATE-3 {catalogue()['STATE-3'].statement} sent POST /v1/tasks/cancel",
        "wanted status pending got status pending",
        "What is open, and why",
        "- not observable accounting: none is shown BILL-1",
        "The law was broken",
    ]
    assert [text.index(words) for words in order] == sorted(text.index(words) for words in order)


def test_a_broken_row_shows_its_evidence(journal: Journal) -> None:
    """Wanted and got with the difference marked, the exchanges, the picture, the line that sends it again."""
    made = folded(journal, replace(broken(), wanted="status cancelled", got="status pending", history=(1,)))
    text, raw = Read(page(made)).text, page(made)
    assert "wanted status cancelled got status pending" in text
    assert "<mark>cancelled</mark>" in raw
    assert "<mark>pending</mark>" in raw
    assert "curl -X POST" in text
    assert picture(made.rows[0].history) in raw
    assert re.search(r"1 \+0\.0 ms owner POST /v1/tasks/cancel .* → 200 in 100\.0 ms", text)


def test_an_exchange_shows_the_headers_that_matter() -> None:
    """Those that decide what came of a call first, each cut, and of many only so many."""
    odd = [(f"x-{number}", "y") for number in range(9)]
    shown = [
        *odd,
        ("Content-Type", "text/html"),
        ("x-ratelimit-reset", "9"),
        ("X-Left", "<1>"),
        ("location", "z" * 999),
    ]
    told = headers(shown, "x-left")
    assert told[:3] == ["X-Left: <1>", "Content-Type: text/html", "x-ratelimit-reset: 9"]
    assert told[3] == f"location: {'z' * 390}…"
    assert told[-1] == "and 5 more"
    assert len(told) == 9
    assert headers([]) == []


def test_the_headers_of_an_exchange_are_on_the_page(journal: Journal) -> None:
    """With whose key it was asked, and what came with the answer."""
    text = Read(page(hostile(journal))).text
    assert "sent authorization: Bearer $KEY x-odd: <script>" in text
    assert "answered 200 x-left: <script>alert(1)</script>" in text


def test_an_open_row_says_what_would_settle_it(journal: Journal) -> None:
    """Why nobody knows, and what to write into the profile; not so where the reason says that already."""
    journal.obstacle(["STATE-1"], "no task was seen to run")
    journal.obstacle(["STATE-2"], "there is no such state; write [states.failed]")
    text = Read(page(folded(journal, only=("STATE-1", "STATE-2")))).text
    assert f"Why: no task was seen to run What would settle it: {catalogue()['STATE-1'].remedy}" in text
    assert "Why: there is no such state; write [states.failed] source" in text


def test_windows_are_told_hit_or_missed(journal: Journal) -> None:
    """Every window has a line; of one that was missed, what it takes."""
    journal.volley("last byte held back", 2, 0.001)
    journal.judge(2, [], (), {RaceWindow.TWICE.value: 3})
    text = Read(page(folded(journal))).text
    assert f"{RaceWindow.TWICE.value} 3" in text
    for window in RaceWindow:
        assert window is RaceWindow.TWICE or f"{window.value} 0 {NEEDED[window]}" in text


def test_a_replay_is_shown_where_there_is_one(journal: Journal) -> None:
    """The program, line by line, with the command."""
    command = "  replay  cancel-conformance replay x.json --target staging.toml"
    text = page(folded(journal, broken(), reproductions={"STATE-1": f"  STATE-1 is broken by 1 step:\n{command}"}))
    assert f"STATE-1 is broken by 1 step:\n{command}\n" in text


def test_the_policy_admits_our_script_alone(every_verdict: Summary) -> None:
    """By its hash, as a browser makes it; nothing may be loaded from anywhere."""
    read = Read(page(every_verdict))
    [policy] = [each["content"] or "" for each in read.of("meta") if "http-equiv" in each]
    for text, kind in (("".join(read.scripts), "script-src"), ("".join(read.styles), "style-src")):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_the_page_reads_without_scripts(every_verdict: Summary) -> None:
    """What only a script can do is not there without one, and nothing else waits for it."""
    hidden = [(tag, each.get("id")) for tag, each in Read(page(every_verdict)).elements if "hidden" in each]
    assert hidden == [("form", "filter")]


def test_a_long_body_is_cut_and_says_so() -> None:
    """A megabyte helps nobody; its size does."""
    assert str(body(b"x" * 10**6)).endswith("x\n… cut: 1000000 bytes in all")
    assert len(body(b"\xff" * 10**6)) < 2000
    assert str(body(b"<b>\r\n\x1b")) == "&lt;b&gt;\n\\u001b"


def test_no_gate_changes_what_a_page_says(every_verdict: Summary) -> None:
    """A gate is for exit codes; what is broken is called so."""
    let = replace(every_verdict, gate=Gate(level=Level.NONE))
    assert let.exit_code == 0
    for made in (every_verdict, let):
        assert "Not conformant" in Read(page(made)).text
        assert "not conformant" in badge(made)
        assert markdown(made).startswith("## ✗ Not conformant")


def test_what_passes_by_excuses_alone_is_not_called_conformant(journal: Journal) -> None:
    """The gate is green, and the page, the badge and the Markdown name the excuse."""
    made = folded(journal, broken(), known={"STATE-1": "ticket 12"})
    assert made.exit_code == 0
    assert "~ Not conformant, by known failures alone: STATE-1" in Read(page(made)).text
    assert "known failures 0/1" in badge(made)
    assert markdown(made).startswith("## ~ Not conformant, by known failures alone: STATE-1")


def test_a_suite_at_fault_calls_nobody_broken(journal: Journal) -> None:
    """The trace is on the page, and nothing is proven."""
    made = folded(journal, held("STATE-1"), our_fault="Traceback\nValueError: x")
    assert "The suite itself was at fault" in Read(page(made)).text
    assert "ValueError: x" in Read(page(made)).text
    assert "not proven" in badge(made)


@pytest.mark.parametrize(
    ("text", "other", "marked"),
    [
        ("status pending", "status cancelled", ["pending"]),
        ("credits_used 1.47, as query showed", "credits_used 0", ["1.47, as query showed"]),
        ("the same", "the same", []),
        ("the account goes down by 3", "from 9 to 6", []),
        ("", "status 200", []),
    ],
)
def test_only_what_differs_is_marked(text: str, other: str, marked: Sequence[str]) -> None:
    """And nothing where two sentences have hardly a word in common."""
    assert re.findall("<mark>(.*?)</mark>", str(differing(text, other))) == list(marked)


def test_the_scene_holds_what_the_finding_names(journal: Journal) -> None:
    """The exchanges around the one that broke it, and those that wanted and got speak of, each once and in order."""
    story, other = (journal.begin_story(title, ["STATE-1"]) for title in ("one", "another"))
    request = Request(operation=Operation.QUERY, role="owner", method="POST", url=f"{BASE}/tasks/query")
    for number in range(1, 41):
        told = journal.begin_exchange(other if number % 2 else story, request, float(number))
        journal.end_exchange(Exchange(number=told, request=request, sent_at=float(told), ended_at=told + 0.5, lost="x"))
    finding = Judgement(
        outcome=Outcome.BROKEN,
        requirement="STATE-1",
        exchange=30,
        wanted="as in exchanges 1 and 3",
        got="otherwise than in exchange 5, and in exchange 999999999",
    )
    journal.judge(story, [finding], ())
    journal.note("only", ["STATE-1"])
    [row] = summarise(journal).asked
    assert [each.number for each in row.scene] == [1, 3, 5, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36]


def test_a_run_leaves_a_page(smoke: Recorded) -> None:
    """In its folder, beside the other forms, and equal to what its journal tells later."""
    with contextlib.closing(Journal.open(smoke.journal)) as journal:
        made = summarise(journal)
        assert sum(made.bill.requests.values()) == made.requests
        assert made.seconds is not None
        assert 0 < sum(made.bill.seconds.values()) < made.seconds
        assert (smoke.folder / "report.html").read_text(encoding="utf-8") == page(made)
    read = Read(page(made))
    assert list(loads(read)) == []
    assert f"all {made.requests}" in read.text
    assert "Conformant: every MUST row asked for passed" in read.text
