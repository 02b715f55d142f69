"""Every report says the same, in its own form, and nothing that a target sent acts in it."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import time
from dataclasses import replace
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from conftest import clean_environment
from stand_in import KEY, answer, standing_in
from told import CONTRACT

from conformance.exchange import Answer, Exchange, Operation, Request
from conformance.journal import Journal
from conformance.report import summary as folding
from conformance.report.document import document
from conformance.report.junit import junit
from conformance.report.progress import Progress
from conformance.report.summary import Summary, calls, summarise
from conformance.report.text import closing, curl, message, messages, overview, table
from conformance.requirements import catalogue
from conformance.running import show, write_reports
from conformance.verdict import Gate, Judgement, Level, Outcome, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Recorded

BASE = "https://llm.example.com/v1"
HOSTILE = "\x1b[31mred\x1b]0;title\x07 \r\n\0 \x9b \u202e ]]></failure><x/> \ufffe \ud800 `id` $(id)"
EXAMPLE = """\
IDEMP-4 MUST  {statement}

  sent    POST /v1/tasks/cancel {{"task_id": "task_01HQVD9"}}      (exchange 215, 12 ms)
  wanted  credits_used 1.47, as query showed in exchange 214
  got     credits_used 0
  source  {cited}
  again   curl -X POST "$TARGET/tasks/cancel" -H "Authorization: Bearer $KEY" \
-H 'Content-Type: application/json' --data-raw '{{"task_id": "task_01HQVD9"}}'"""


def request(content: bytes | None = None, *, path: str = "/tasks/cancel", base_url: str = BASE, **more: Any) -> Request:  # noqa: ANN401
    """A cancel as it stands in a journal."""
    kind = (("content-type", "application/json"),) if content is not None else ()
    shown = {"method": "POST", "headers": (*kind, ("authorization", "Bearer $KEY")), **more}
    return Request(operation=Operation.CANCEL, role="owner", url=base_url + path, content=content, **shown)


def exchange(asked: Request, number: int = 215) -> Exchange:
    """The exchange of the example."""
    return Exchange(number=number, request=asked, sent_at=10.0, ended_at=10.012, answer=Answer(status=200))


def folded(journal: Journal, *found: Judgement, only: tuple[str, ...] = ("STATE-1",), **notes: object) -> Summary:
    """What comes of a run with those judgements."""
    started = {"only": only, "base_url": BASE, "started": 1.0, "ended": 2.0, "depth": "smoke", "seed": 1, **notes}
    for key, value in started.items():
        journal.note(key, value)
    asked = request(HOSTILE.encode(errors="replace"))
    number = journal.begin_exchange(1, asked, 1.0)
    said = Answer(status=200, headers=(("x-odd", HOSTILE),), content=HOSTILE.encode(errors="surrogatepass"))
    ended = Exchange(number=number, request=asked, sent_at=1.0, ended_at=1.1, answer=said)
    journal.end_exchange(ended)
    journal.judge(1, [replace(each, exchange=number) for each in found], ())
    return summarise(journal, today=date(2026, 1, 1))


def broken(requirement: str = "STATE-1", text: str = "status pending") -> Judgement:
    """A broken judgement."""
    return Judgement(outcome=Outcome.BROKEN, requirement=requirement, wanted=text, got=text)


def held(requirement: str) -> Judgement:
    """A judgement that held."""
    return Judgement(outcome=Outcome.HELD, requirement=requirement)


# text


def test_a_message_has_the_shape_of_the_design() -> None:
    """Id, level and statement; sent, wanted, got, source, again."""
    row = catalogue()["IDEMP-4"]
    judgement = Judgement(
        outcome=Outcome.BROKEN,
        requirement="IDEMP-4",
        exchange=215,
        wanted="credits_used 1.47, as query showed in exchange 214",
        got="credits_used 0",
    )
    said = message(row, judgement, exchange(request(b'{"task_id": "task_01HQVD9"}')), BASE)
    assert said == EXAMPLE.format(statement=row.statement, cited=row.cited)
    assert row.cited.startswith("Response")
    assert " · ruling" in row.cited


def test_a_message_without_evidence_leaves_out_what_was_sent() -> None:
    """What nobody sent cannot be sent again."""
    said = message(catalogue()["STATE-1"], broken(), None, BASE)
    assert [line.split()[0] for line in said.splitlines()[2:]] == ["wanted", "got", "source"]


def test_a_run_in_text_tells_the_worst_first(journal: Journal) -> None:
    """A line a row, and its reason where there is one."""
    found = (held("STATE-2"), broken("STATE-3"), broken("PARITY-6"))
    made = folded(journal, *found, only=("STATE-1", "STATE-2", "STATE-3", "PARITY-6"))
    assert [verdict.value for verdict, _ in table(made)] == ["fail", "warn", "inconclusive", "pass"]
    lines = [line for _, line in table(made)]
    assert lines[0] == "✗ STATE-3   MUST   fail           0 held, 1 broken"
    assert catalogue()["STATE-1"].remedy in lines[2]
    assert closing(made).splitlines()[0] == ("4 rows: 1 fail, 1 warn, 1 inconclusive, 1 pass; 1 of 3 MUST rows passed")
    assert closing(made).endswith("not conformant (exit 1)")


def asked_by(journal: Journal, role: str, number: int, operation: Operation = Operation.CANCEL) -> int:
    """An exchange in a journal, as of that role at that time."""
    asked = replace(request(), role=role, operation=operation)
    begun = journal.begin_exchange(1, asked, float(number))
    journal.end_exchange(Exchange(number=begun, request=asked, sent_at=float(number), ended_at=number + 0.5, lost="x"))
    return begun


def test_what_is_broken_comes_first_and_the_plainest_before_the_rest(journal: Journal) -> None:
    """A finding on one cancel's answer, then one that compares, then one on a query; in both, by the catalogue."""
    only = ("STATE-1", "STATE-2", "STATE-3", "STATE-4", "PARITY-6")
    cancel, query = asked_by(journal, "owner", 2), asked_by(journal, "owner", 3, Operation.QUERY)
    found = {"STATE-1": (query, "x"), "STATE-2": (cancel, f"as in exchange {query}"), "STATE-3": (cancel, "x")}
    for row, (number, wanted) in found.items():
        journal.judge(10 + int(row[-1]), [replace(broken(row, wanted), exchange=number)], ())
    made = folded(journal, broken("STATE-4"), broken("PARITY-6"), only=only, name="staging\x1b")
    assert overview(made) == [
        "Broken by staging\\u001b: 4 MUST rows, 1 EXT row",
        "",
        *(f"  ✗ {row:<10}{catalogue()[row].statement}" for row in ("STATE-3", "STATE-4", "STATE-2", "STATE-1")),
        f"  ! PARITY-6  {catalogue()['PARITY-6'].statement}",
    ]
    assert [text.split()[0] for text in messages(made)] == ["STATE-3", "STATE-4", "STATE-2", "STATE-1", "PARITY-6"]


def test_a_list_of_what_is_broken_leaves_room_for_a_message(journal: Journal) -> None:
    """Eight rows and the number of the others; none where nothing is broken."""
    rows = tuple(catalogue())[:11]
    made = folded(journal, *map(broken, rows), only=rows)
    assert overview(made)[-1] == "    and 3 more"
    assert len(overview(made)) == 11
    assert overview(folded(journal, held("STATE-1"))) == []


def test_a_finding_is_drawn_with_the_calls_that_explain_it(journal: Journal) -> None:
    """Those of which it speaks; before a reading, also those that may have changed what was read."""
    submit, query = (
        asked_by(journal, "owner", each, kind) for each, kind in ((1, Operation.SUBMIT), (2, Operation.QUERY))
    )
    cancel, last = asked_by(journal, "other", 3), asked_by(journal, "owner", 4, Operation.QUERY)

    def drawn(at: int, wanted: str = "x", **more: Any) -> list[int]:  # noqa: ANN401 - any field
        finding = replace(broken("STATE-1", wanted), exchange=at, **more)
        return [each.number for each in calls(journal, finding)]

    assert drawn(cancel) == []
    assert drawn(last) == [submit, cancel, last]
    assert drawn(last, f"as exchange {query} showed") == [query, last]
    assert drawn(cancel, f"between exchanges {query} and {last}", account=True) == [query, cancel, last]
    assert drawn(last, history=(cancel, last)) == [cancel, last]


@pytest.mark.parametrize(
    ("role", "said", "key"),
    [
        ("owner", "", "$KEY"),
        ("other", ", with other's key", "$OTHER_KEY"),
        ("team-b", ", with team-b's key", "$TEAM_B_KEY"),
        ("revoked", ", with a revoked key", "$REVOKED_KEY"),
        ("nobody:none", ", without a key", "$KEY"),
        ("nobody:other case", ", without a valid key: other case", "$KEY"),
    ],
)
def test_a_message_says_with_whose_key_a_call_was_made(role: str, said: str, key: str) -> None:
    """And its curl line takes that key."""
    evidence = exchange(replace(request(), role=role))
    lines = message(catalogue()["STATE-1"], broken(), evidence, BASE).splitlines()
    assert lines[2].endswith(f"(exchange 215, 12 ms{said})")
    assert lines[-1].endswith(f'-H "Authorization: Bearer {key}"')


def test_stories_that_were_left_out_are_why_a_row_is_open(journal: Journal) -> None:
    """By `--stories` or `-k`: the profile would settle nothing."""
    made = folded(journal, held("STATE-1"), only=("STATE-1", "STATE-2"), told=("STATE-1",))
    assert table(made)[0][1].endswith("its own stories were left out; leave out --stories, or write --stories STATE-2")
    made = folded(journal, held("STATE-1"), only=("STATE-2",), told=("STATE-2",), keyword="odd")
    assert table(made)[0][1].endswith("-k odd may have left its stories out; write a run without -k")


# sending it again


def bash(line: str, base_url: str, key: str = KEY) -> str:
    """What bash prints for the line, with the two variables that it needs."""
    environ = clean_environment({"TARGET": base_url, "KEY": key})
    command = f"set -e; {line} -s --max-time 10"
    done = subprocess.run(
        ["/usr/bin/env", "bash", "-c", command],
        env=environ,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
        errors="replace",
    )
    return done.stdout


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b'{"task_id": "task_1"}',
        b'it\'s "quoted" `id` $(id) $HOME \\n !!',
        "é 渲染 🎬‍x \u202e".encode(),
        b'{"task_id": "\xff\xfe\x80"}',
        b"@/etc/hostname",
        b"line\r\nline\ttab\n",
        b'{"task_id": "a\0b\\"}',
        b"\0\x001%d\\x41\\0101",
        bytes(range(256)),
    ],
    ids=repr,
)
def test_the_curl_line_sends_the_same_again(content: bytes | None) -> None:
    """To the byte, through bash, whatever the body is."""
    with standing_in(lambda _: answer(200, {})) as server:
        bash(curl(request(content, base_url=server.base_url), server.base_url), server.base_url)
    [heard] = server.heard
    assert heard.content == (content or b"")
    assert (heard.method, heard.path) == ("POST", "/v1/tasks/cancel")
    assert heard.headers["authorization"] == f"Bearer {KEY}"
    assert heard.headers.get("content-type") == (None if content is None else "application/json")


@pytest.mark.parametrize(
    "path", ["/tasks/cancel/o'x%22%20(1)", "/tasks/cancel/%2E%2E/", "/tasks/query?task_id=a%26b+c"]
)
def test_the_curl_line_keeps_the_path(path: str) -> None:
    """Nothing in it is tidied up, and bash reads nothing into it."""
    with standing_in(lambda _: answer(200, {})) as server:
        bash(curl(request(path=path, base_url=server.base_url), server.base_url), server.base_url)
    assert [heard.path for heard in server.heard] == [f"/v1{path}"]


@pytest.mark.parametrize(
    "url", [f"{BASE.removesuffix('/v1')}/api/v1/me/account", f"{BASE}0/me", "https://bills.example/me"]
)
def test_the_curl_line_of_what_is_not_below_the_base_url_has_all_of_it(url: str) -> None:
    """An account may be read on another path, or of another host."""
    asked = Request(operation=Operation.ACCOUNT, role="owner", method="GET", url=url)
    assert curl(asked, BASE) == f"curl -X GET {url}"


def test_the_curl_line_adds_no_content_type() -> None:
    """A body that was sent without one is sent without one again."""
    asked = replace(request(b"{}"), headers=(("x-api-key", "$KEY"),))
    with standing_in(lambda _: answer(200, {})) as server:
        bash(curl(replace(asked, url=f"{server.base_url}/tasks/cancel"), server.base_url), server.base_url)
    [heard] = server.heard
    assert "content-type" not in heard.headers
    assert heard.headers["x-api-key"] == KEY


def test_a_long_body_is_cut_and_says_so() -> None:
    """A line of a megabyte helps nobody, and a line that is cut must not pass for the whole."""
    said = curl(request(b'"' * 9000), BASE)
    assert len(said) < 5000
    assert said.endswith("# cut: the whole body has 9000 bytes")


def test_a_recorded_refusal_comes_again(smoke: Recorded, service: dict[str, Any]) -> None:
    """The line of a journal's exchange, sent to the service that was judged, is refused in the same words."""
    with contextlib.closing(Journal.open(smoke.journal)) as journal:
        found = next(
            each
            for each in journal.exchanges()
            if each.request.operation is Operation.CANCEL and each.answer and each.answer.status == 400
        )
    assert found.answer is not None
    said = bash(curl(found.request, service["base_url"]), service["base_url"], service["keys"]["owner"])
    assert json.loads(said) == json.loads(found.answer.content)


# machines


def test_junit_has_one_case_a_requirement(smoke: Recorded) -> None:
    """Each in the suite of its family, and the counts add up."""
    root = ET.fromstring((smoke.folder / "junit.xml").read_text(encoding="utf-8"))  # noqa: S314 - our own
    cases = [case.get("name", "").split()[0] for case in root.iter("testcase")]
    assert sorted(cases) == sorted(smoke.summary["requirements"])
    assert sum(int(suite.get("tests", 0)) for suite in root.iter("testsuite")) == len(cases)
    assert {suite.get("name") for suite in root} == {case.partition("-")[0] for case in cases}


def test_junit_tells_failed_skipped_and_passed_apart(journal: Journal) -> None:
    """A failure holds the whole message, a skip its reason; a warning is no failure."""
    only = ("STATE-1", "STATE-2", "STATE-3", "PARITY-6")
    made = folded(journal, held("STATE-2"), broken("STATE-3"), broken("PARITY-6"), only=only)
    root = ET.fromstring(junit(made))  # noqa: S314 - our own
    said = {case.get("name", "").split()[0]: [child.tag for child in case] for case in root.iter("testcase")}
    assert said == {
        "STATE-1": ["properties", "skipped"],
        "STATE-2": ["properties"],
        "STATE-3": ["properties", "failure"],
        "PARITY-6": ["properties", "system-out"],
    }
    failure = root.find(".//failure")
    assert failure is not None
    assert "  again   " in (failure.text or "")
    assert "curl -X POST" in (failure.text or "")


def test_allure_has_one_result_a_requirement(smoke: Recorded) -> None:
    """Labelled by family, id and level."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in smoke.folder.glob("allure/*-result.json")]
    found = {}
    for result in results:
        labels = {label["name"]: label["value"] for label in result["labels"]}
        found[labels["id"]] = (labels["family"], labels["level"], result["status"])
    assert found == {
        row: (row.partition("-")[0], said["level"], "passed") for row, said in smoke.summary["requirements"].items()
    }


def test_allure_shows_the_exchange_of_a_failure(journal: Journal, tmp_path: Path) -> None:
    """As an attachment that is JSON, beside the message as its trace."""
    write_reports(folded(journal, broken()), tmp_path / "out")
    [path] = (tmp_path / "out" / "allure").glob("*-result.json")
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["status"] == "failed"
    assert "  wanted  status pending" in result["statusDetails"]["trace"]
    [attachment] = result["attachments"]
    shown = json.loads((path.parent / attachment["source"]).read_text(encoding="utf-8"))
    assert shown["request"]["url"] == f"{BASE}/tasks/cancel"
    assert shown["answer"]["status"] == 200


def test_allure_leaves_what_is_not_its_own(journal: Journal, tmp_path: Path) -> None:
    """A second report takes the first one's place, and no file of anybody else's."""
    (tmp_path / "allure" / "history").mkdir(parents=True)
    (tmp_path / "allure" / "notes.txt").write_text("mine", encoding="utf-8")
    made = folded(journal, broken())
    for _ in range(2):
        write_reports(made, tmp_path)
    assert (tmp_path / "allure" / "notes.txt").is_file()
    assert len(list(tmp_path.glob("allure/*-result.json"))) == 1


def test_the_summary_says_what_the_run_was(smoke: Recorded) -> None:
    """Enough to run it again, and to know what it was run against."""
    said = smoke.summary
    assert (said["run"]["seed"], said["run"]["depth"], said["exit_code"]) == (7, "smoke", 0)
    assert said["run"]["contract_sha256"] == CONTRACT.digest
    assert said["counts"]["pass"] == len(said["requirements"])


# what a target may send


def controls(text: str) -> set[str]:
    """The characters in a text that could act in a terminal."""
    return {char for char in text if not char.isprintable()} - {"\n"}


def test_hostile_words_are_neutral_in_text(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """No colour, no title, no line of its own: a target's words are shown, and do nothing."""
    made = folded(journal, broken(text=HOSTILE), silence=HOSTILE)
    show(made)
    said = capsys.readouterr().out
    assert controls(said) == set()
    assert "\\u001b[31m" in said


def test_hostile_words_are_neutral_in_files(journal: Journal, tmp_path: Path) -> None:
    """Every file is written, is well-formed, and holds one row."""
    made = folded(
        journal, broken(text=HOSTILE), Judgement(outcome=Outcome.UNDECIDED, requirement="STATE-2", why=HOSTILE)
    )
    write_reports(made, tmp_path)
    root = ET.fromstring((tmp_path / "junit.xml").read_text(encoding="utf-8"))  # noqa: S314 - our own
    assert [child.tag for case in root.iter("testcase") for child in case] == ["properties", "failure"]
    for path in (tmp_path / "summary.json", *tmp_path.glob("allure/*.json")):
        json.loads(path.read_text(encoding="utf-8"))
    assert b"\x1b" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*.*ml"))


def test_hostile_reasons_are_neutral_too(journal: Journal, tmp_path: Path) -> None:
    """Why a row is inconclusive may quote a target as well."""
    journal.obstacle(["STATE-1"], HOSTILE)
    made = folded(journal)
    write_reports(made, tmp_path)
    ET.fromstring((tmp_path / "junit.xml").read_text(encoding="utf-8"))  # noqa: S314 - our own
    assert controls("\n".join(line for _, line in table(made))) == set()
    for path in tmp_path.glob("allure/*.json"):
        assert controls(json.loads(path.read_text(encoding="utf-8"))["statusDetails"]["message"]) == set()


# what is not judged


def test_what_is_left_is_not_guessed_from_the_first_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line tells what was done, and after a twentieth of the tests how long the rest may take."""
    monkeypatch.setattr(time, "monotonic", iter(range(0, 1000, 10)).__next__)
    budget = SimpleNamespace(most_tasks=None, tasks=3, credits=Decimal("0.5"))
    run: Any = SimpleNamespace(budget=budget, journal=SimpleNamespace(count=lambda: 7))
    stream = io.StringIO()
    progress = Progress(stream)
    progress.begin(40)
    for family in ("ISO", "ERR", "AUTH"):
        progress.told(family, run)
    said = "tests, 7 requests, 3 tasks, 0.5 credits spent or expected"
    first, second, third = stream.getvalue().splitlines()
    assert (first, second) == (f"ISO     1 of 40 {said}", f"ERR     2 of 40 {said}")
    assert re.fullmatch(rf"AUTH    3 of 40 {re.escape(said)}, about \d+ s left", third)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> str:
    """A row of the catalogue whose check is still to come."""
    rows = dict(catalogue())
    rows["STATE-4"] = replace(rows["STATE-4"], planned=True)
    monkeypatch.setattr(folding, "catalogue", lambda: rows)
    return "STATE-4"


def test_a_planned_row_is_in_no_count(planned: str, journal: Journal) -> None:
    """It is named as planned, and neither passes nor stays open."""
    made = folded(journal, held("STATE-1"), held("STATE-4"), only=("STATE-1", planned))
    assert planned in [row.requirement.id for row in made.planned]
    assert [row.requirement.id for row in made.asked] == ["STATE-1"]
    assert sum(made.count(verdict) for verdict in Verdict) == 1
    assert made.exit_code == 0
    said = json.loads(document(made))
    assert (list(said["requirements"]), sum(said["counts"].values())) == (["STATE-1"], 1)
    assert planned in said["planned"]
    assert planned not in junit(made)
    assert re.search(r"^1 rows: 1 pass; 1 of 1 MUST rows passed$", closing(made), re.MULTILINE)


# how a run ended


def test_a_run_that_broke_off_does_not_pass(journal: Journal) -> None:
    """However well it went until then; what failed has failed all the same."""
    made = folded(journal, held("STATE-1"), interrupted=True)
    assert made.exit_code == 3
    assert "broke off" in closing(made)
    assert replace(made, notes={**made.notes, "ended": None, "interrupted": True}).exit_code == 3
    assert folded(journal, broken(), interrupted=True).exit_code == 1


@pytest.mark.parametrize(("left", "said"), [(0, ""), (1, "1 task may be left running"), (2, "2 tasks may be left")])
def test_what_may_be_left_running_is_said(journal: Journal, left: int, said: str) -> None:
    """With the command that ends it; of nothing, nothing is said."""
    made = folded(journal, held("STATE-1"), left_running=left)
    lines = [line for line in closing(made).splitlines() if "left running" in line]
    assert [line.startswith(said) and "cancel-conformance sweep" in line for line in lines] == [True] * bool(left)


def test_a_known_failure_keeps_the_gate_green_until_it_expires(journal: Journal) -> None:
    """Then, and when it holds again, the gate says so."""
    known = {"known": {"STATE-1": "ticket 12"}, "expires": {"STATE-1": "2026-06-01"}}
    made = folded(journal, broken(), **known)
    assert (made.exit_code, made.count(Verdict.KNOWN)) == (0, 1)
    assert closing(made).endswith("not conformant, by known failures alone: STATE-1 (exit 0)")
    assert folded(journal, held("STATE-1"), **known).exit_code == 1
    stale = summarise(journal, today=date(2026, 6, 2))
    assert stale.exit_code == 1
    assert "take them from [[known]]" in closing(stale)


def test_a_suite_at_fault_says_so_first(journal: Journal) -> None:
    """A traceback of our own is nobody's failure."""
    assert folded(journal, broken(), our_fault="Traceback").exit_code == 4


def test_a_gate_is_named_where_it_decides(journal: Journal) -> None:
    """What the run is worth and what its caller is told are two things, and neither hides the other."""
    made = replace(folded(journal, broken()), gate=Gate(level=Level.NONE))
    assert closing(made).endswith("not conformant (exit 0, by --gate none)")
    assert (made.exit_code, json.loads(document(made))["exit_code"]) == (0, 0)
    assert closing(replace(made, gate=Gate())).endswith("not conformant (exit 1)")
