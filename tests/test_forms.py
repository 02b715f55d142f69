"""A run written down for other tools: each form keeps to its specification, and they all say the same."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result
from haralyzer import HarParser
from jsonschema import Draft202012Validator, ValidationError
from junitparser import JUnitXml
from markdown_it import MarkdownIt
from test_page import hostile
from test_report import BASE, HOSTILE, broken, controls, folded, held
from told import CONTRACT

from conformance.cli import main
from conformance.exchange import Answer, Exchange, Operation, Request
from conformance.journal import Journal
from conformance.report.badge import badge
from conformance.report.ctrf import ctrf
from conformance.report.document import document
from conformance.report.forms import TEXTS
from conformance.report.har import har
from conformance.report.junit import junit
from conformance.report.markdown import code, fenced, markdown
from conformance.report.sarif import line_of, sarif
from conformance.report.summary import summarise
from conformance.requirements import catalogue, documents

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Recorded

    from conformance.report.summary import Summary

SUMMARY: Final = json.loads((documents() / "summary.schema.json").read_text(encoding="utf-8"))
ONLY: Final = ("STATE-1", "STATE-2", "STATE-3", "STATE-4", "STATE-5", "BILL-1", "PARITY-6")
VERDICTS: Final = {
    "STATE-1": "inconclusive",
    "STATE-2": "pass",
    "STATE-3": "fail",
    "STATE-4": "known",
    "STATE-5": "pass",
    "BILL-1": "not observable",
    "PARITY-6": "warn",
}


def closed(required: dict[str, object], **more: object) -> dict[str, object]:
    """The schema of an object with these properties, and no others than `more`."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": {**required, **more},
    }


def each(items: object) -> dict[str, object]:
    """The schema of an array."""
    return {"type": "array", "items": items}


TEXT: Final = {"type": "string"}
WORD: Final = {"type": "string", "minLength": 1}
COUNT: Final = {"type": "integer", "minimum": 0}
MESSAGE: Final = closed({"text": TEXT})

CTRF: Final = closed(
    {
        "reportFormat": {"const": "CTRF"},
        "specVersion": {"type": "string", "pattern": "^[0-9]+[.][0-9]+[.][0-9]+$"},
        "results": closed(
            {
                "tool": closed({"name": WORD}, version=TEXT, extra={"type": "object"}),
                "summary": closed(
                    dict.fromkeys(("tests", "passed", "failed", "skipped", "pending", "other", "start", "stop"), COUNT)
                ),
                "tests": each(
                    closed(
                        {
                            "name": WORD,
                            "status": {"enum": ["passed", "failed", "skipped", "pending", "other"]},
                            "duration": COUNT,
                        },
                        message=TEXT,
                        trace=TEXT,
                        rawStatus=TEXT,
                        tags=each(TEXT),
                        suite={**each(TEXT), "minItems": 1},
                        extra={"type": "object"},
                    )
                ),
            },
            environment=closed({}, appName=TEXT, extra={"type": "object"}),
        ),
    },
    generatedBy=TEXT,
)
"""The part of CTRF's schema that we use; what we do not use is not allowed."""

LEVEL: Final = {"enum": ["none", "note", "warning", "error"]}
LOCATION: Final = closed(
    {
        "physicalLocation": closed(
            {
                "artifactLocation": closed({"uri": WORD}),
                "region": closed({"startLine": {"type": "integer", "minimum": 1}}),
            }
        )
    }
)
RESULT: Final = closed(
    {
        "ruleId": WORD,
        "ruleIndex": COUNT,
        "level": LEVEL,
        "message": MESSAGE,
        "locations": each(LOCATION),
        "partialFingerprints": {"type": "object", "additionalProperties": TEXT},
    },
    occurrenceCount={"type": "integer", "minimum": 1},
    suppressions=each(closed({"kind": {"enum": ["inSource", "external"]}}, justification=TEXT)),
)
RULE: Final = closed(
    {"id": WORD, "shortDescription": MESSAGE, "help": MESSAGE, "defaultConfiguration": closed({"level": LEVEL})},
    properties=closed({"tags": {**each(TEXT), "uniqueItems": True}}),
)
SARIF: Final = closed(
    {
        "$schema": {"type": "string", "pattern": "sarif-2.1.0.json$"},
        "version": {"const": "2.1.0"},
        "runs": each(
            closed(
                {
                    "tool": closed({"driver": closed({"name": WORD, "semanticVersion": TEXT, "rules": each(RULE)})}),
                    "invocations": each(
                        closed(
                            {"executionSuccessful": {"type": "boolean"}},
                            exitCode={"type": "integer"},
                            toolExecutionNotifications=each(
                                closed({"message": MESSAGE}, level=LEVEL, associatedRule=closed({"id": WORD}))
                            ),
                        )
                    ),
                    "results": each(RESULT),
                }
            )
        ),
    }
)
"""The part of SARIF's schema that we use, with what code-scanning views require."""

PAIR: Final = closed({"name": TEXT, "value": TEXT}, comment=TEXT)
SIZE: Final = {"type": "integer", "minimum": -1}
TIME: Final = {"type": "number", "minimum": -1}
HAR: Final = closed(
    {
        "log": closed(
            {
                "version": {"const": "1.2"},
                "creator": closed({"name": TEXT, "version": TEXT}),
                "entries": each(
                    closed(
                        {
                            "startedDateTime": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$"},
                            "time": {"type": "number", "minimum": 0},
                            "request": closed(
                                {
                                    "method": WORD,
                                    "url": WORD,
                                    "httpVersion": TEXT,
                                    "cookies": each(PAIR),
                                    "headers": each(PAIR),
                                    "queryString": each(PAIR),
                                    "headersSize": SIZE,
                                    "bodySize": SIZE,
                                },
                                postData=closed({"mimeType": TEXT, "text": TEXT, "params": each(PAIR)}),
                            ),
                            "response": closed(
                                {
                                    "status": COUNT,
                                    "statusText": TEXT,
                                    "httpVersion": TEXT,
                                    "cookies": each(PAIR),
                                    "headers": each(PAIR),
                                    "content": closed({"size": COUNT, "mimeType": TEXT}, text=TEXT, encoding=TEXT),
                                    "redirectURL": TEXT,
                                    "headersSize": SIZE,
                                    "bodySize": SIZE,
                                },
                                comment=TEXT,
                            ),
                            "cache": closed({}),
                            "timings": closed(
                                {"send": TIME, "wait": TIME, "receive": TIME},
                                blocked=TIME,
                                dns=TIME,
                                connect=TIME,
                                ssl=TIME,
                            ),
                        },
                        comment=TEXT,
                    )
                ),
            },
            browser=closed({"name": TEXT, "version": TEXT}),
        )
    }
)
"""The part of HAR 1.2 that we use, as its specification has it."""


def checked(text: str, schema: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON is what it is
    """The value of a JSON document that keeps to a schema, read strictly."""

    def refused(name: str) -> object:
        raise AssertionError(f"{name} is no JSON")

    value = json.loads(text, parse_constant=refused)
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(value)
    return value


@pytest.fixture
def mixed(journal: Journal) -> Summary:
    """A run in which each verdict is given."""
    found = (broken("STATE-3"), broken("PARITY-6"), broken("STATE-4"), held("STATE-2"), held("STATE-5"))
    known, hidden = {"STATE-4": "ticket 12"}, {"BILL-1": "accounting: none is shown"}
    told = {"contract": CONTRACT.text, "contract_source": "/somewhere/cancel-task.yaml", "suite": "0.1.0"}
    return folded(journal, *found, only=ONLY, known=known, not_observable=hidden, name="staging", **told)


# JSON


def test_the_summary_keeps_to_its_schema(mixed: Summary, smoke: Recorded) -> None:
    """With every verdict, and as a whole run left it."""
    assert {row: said["verdict"] for row, said in checked(document(mixed), SUMMARY)["requirements"].items()} == VERDICTS
    checked((smoke.folder / "summary.json").read_text(encoding="utf-8"), SUMMARY)


def test_the_schema_of_the_summary_allows_nothing_else(mixed: Summary) -> None:
    """A word too many, a verdict that is none, a broken row without evidence: each is refused."""
    for spoil in (
        lambda value: value.update(more=1),
        lambda value: value["requirements"]["STATE-1"].update(verdict="passed"),
        lambda value: value["requirements"]["STATE-3"].pop("wanted"),
        lambda value: value["requirements"]["STATE-2"].update(got="x"),
        lambda value: value["counts"].pop("known"),
        lambda value: value["credits"].update(spent=1.5),
    ):
        value = json.loads(document(mixed))
        spoil(value)
        with pytest.raises(ValidationError):
            Draft202012Validator(SUMMARY).validate(value)


def test_the_summary_of_a_run_that_died_early_keeps_to_its_schema(journal: Journal) -> None:
    """Nothing was written down but that it was to begin."""
    assert checked(document(summarise(journal)), SUMMARY)["exit_code"] == 3


# CTRF


def test_ctrf_has_a_test_for_every_row(mixed: Summary) -> None:
    """Its raw status is the verdict; neither an open nor a known nor a warned row is passed."""
    results = checked(ctrf(mixed), CTRF)["results"]
    assert {test["name"].split()[0]: test["rawStatus"] for test in results["tests"]} == VERDICTS
    assert {test["rawStatus"]: test["status"] for test in results["tests"]} == {
        "pass": "passed",
        "fail": "failed",
        "warn": "other",
        "known": "other",
        "inconclusive": "skipped",
        "not observable": "skipped",
    }
    assert results["summary"] == {
        "tests": 7,
        "passed": 2,
        "failed": 1,
        "skipped": 2,
        "pending": 0,
        "other": 2,
        "start": 1000,
        "stop": 2000,
    }


# JUnit


def test_a_reader_of_junit_sees_every_verdict(mixed: Summary, smoke: Recorded) -> None:
    """One that is not ours: what failed, what is skipped and why, and counts that are those of the cases."""
    read = JUnitXml.fromstring(junit(mixed).encode())
    results = {case.name.split()[0]: case.result for suite in read for case in suite}
    kinds = {row: type(result[0]).__name__ if result else "" for row, result in results.items()}
    shown = {"fail": "Failure", "known": "Skipped", "inconclusive": "Skipped", "not observable": "Skipped"}
    assert kinds == {row: shown.get(verdict, "") for row, verdict in VERDICTS.items()}
    assert results["STATE-4"][0].message == "known: ticket 12"
    assert "  wanted  status pending" in results["STATE-3"][0].text
    for text in (junit(mixed), (smoke.folder / "junit.xml").read_text(encoding="utf-8")):
        told = JUnitXml.fromstring(text.encode())
        for suite in told:
            said = (suite.tests, suite.failures, suite.skipped, suite.errors)
            suite.update_statistics()
            assert said == (suite.tests, suite.failures, suite.skipped, suite.errors)
    whole = JUnitXml.fromstring((smoke.folder / "junit.xml").read_bytes())
    assert sum(suite.tests for suite in whole) == len(smoke.verdicts)


# SARIF


def test_sarif_has_a_result_for_each_broken_row_alone(mixed: Summary) -> None:
    """What passed or is open is none; what is known is suppressed, with its reason."""
    [run] = checked(sarif(mixed), SARIF)["runs"]
    found = {result["ruleId"]: result["level"] for result in run["results"]}
    assert found == {"STATE-3": "error", "STATE-4": "note", "PARITY-6": "warning"}
    suppressed = {result["ruleId"]: result["suppressions"] for result in run["results"] if "suppressions" in result}
    assert suppressed == {"STATE-4": [{"kind": "external", "justification": "ticket 12"}]}
    rules = run["tool"]["driver"]["rules"]
    assert {rule["id"] for rule in rules} == set(ONLY)
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])


def test_sarif_tells_what_is_open(mixed: Summary) -> None:
    """As notifications of the run, each with what would settle it."""
    [invocation] = json.loads(sarif(mixed))["runs"][0]["invocations"]
    said = {each["associatedRule"]["id"]: each["message"]["text"] for each in invocation["toolExecutionNotifications"]}
    assert set(said) == {"STATE-1", "BILL-1"}
    assert catalogue()["STATE-1"].remedy in said["STATE-1"]
    assert invocation["executionSuccessful"]
    assert invocation["exitCode"] == 1


def test_sarif_names_the_same_fault_alike_in_every_run(mixed: Summary) -> None:
    """So that a view can follow it; another row has another name, and none tells a path of this machine."""
    first, second = (json.loads(sarif(mixed))["runs"][0]["results"] for _ in range(2))
    assert first == second
    assert len({result["partialFingerprints"]["requirement/v1"] for result in first}) == len(first)
    assert "/somewhere" not in sarif(mixed)


@pytest.mark.parametrize(
    ("called", "promised"),
    [
        ("/v1/tasks/cancel", "/tasks/cancel:"),
        ("/v1/tasks/cancel/", "/tasks/cancel:"),
        ("/v1/tasks/cancel/task_1", "/tasks/cancel/{task_id}:"),
        ("/tasks/query", "/tasks/query:"),
        ("/tasks/nothing", CONTRACT.text.splitlines()[0]),
        ("", CONTRACT.text.splitlines()[0]),
    ],
)
def test_a_result_stands_where_the_contract_promises_it(called: str, promised: str) -> None:
    """At the line of the path that was called; at the first where there is none."""
    assert CONTRACT.text.splitlines()[line_of(CONTRACT.text, called) - 1].strip() == promised


def test_a_target_lays_no_link_into_a_view(journal: Journal) -> None:
    """What SARIF would read as a link in a message is none."""
    made = folded(journal, broken(text="[sign in](https://evil.example.com)"))
    [result] = json.loads(sarif(made))["runs"][0]["results"]
    assert "[sign in] (https://evil.example.com)" in result["message"]["text"]


# HAR


def test_har_holds_every_exchange(smoke: Recorded) -> None:
    """By the specification and by a reader that is not ours: methods, addresses, statuses, bodies, no key."""
    with contextlib.closing(Journal.open(smoke.journal)) as journal:
        value = checked(har(journal), HAR)
        exchanges = list(journal.exchanges())
    entries = [entry for page in HarParser(value).pages for entry in page.entries]
    assert len(entries) == len(exchanges) == len(value["log"]["entries"])
    for entry, kept in zip(value["log"]["entries"], exchanges, strict=True):
        assert (entry["request"]["method"], entry["request"]["url"]) == (kept.request.method, kept.request.url)
        assert entry["response"]["status"] == (kept.answer.status if kept.answer else 0)
        assert (entry["request"].get("postData", {}).get("text", "")).encode() == (kept.request.content or b"")
    instants = [datetime.fromisoformat(entry["startedDateTime"]) for entry in value["log"]["entries"]]
    assert 0 <= (instants[0] - datetime.fromtimestamp(smoke.summary["run"]["started"], instants[0].tzinfo)).seconds < 30


def test_har_keeps_lost_and_odd_answers(journal: Journal) -> None:
    """Status 0 with the loss beside it; bytes that are no text as base64; a query string taken apart."""
    asked = Request(
        operation=Operation.CALLBACK, role="owner", method="GET", url=f"{BASE}/x?a=b%26c&d=", content=b"\xff\0"
    )
    lost = journal.begin_exchange(1, asked, 1.0)
    journal.end_exchange(Exchange(number=lost, request=asked, sent_at=1.0, ended_at=2.5, lost=f"reset {HOSTILE[:-20]}"))
    odd = journal.begin_exchange(1, asked, 3.0)
    answer = Answer(status=302, headers=(("location", "/y"), ("content-type", "a/b")), content=b"\xff\xfe")
    journal.end_exchange(Exchange(number=odd, request=asked, sent_at=3.0, ended_at=3.0, answer=answer))
    first, second = checked(har(journal), HAR)["log"]["entries"]
    assert (first["response"]["status"], first["time"]) == (0, 1500)
    assert first["response"]["comment"].startswith("reset ")
    assert first["request"]["queryString"] == [{"name": "a", "value": "b&c"}, {"name": "d", "value": ""}]
    assert "the target called" in first["comment"]
    assert base64.b64decode(second["response"]["content"]["text"]) == b"\xff\xfe"
    assert second["response"]["redirectURL"] == "/y"


# Markdown


@cache
def parser() -> MarkdownIt:
    """A reader of Markdown as code hosts read it."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def test_markdown_tells_every_count_and_every_broken_row(mixed: Summary) -> None:
    """The verdict first, then a line a verdict, then what is broken and what is open."""
    text = markdown(mixed)
    assert text.startswith("## ✗ Not conformant\n")
    for line in ("| ✗ fail | 1 | 0 | 0 | 1 |", "| - not observable | 1 | 0 | 0 | 1 |", "| all | 6 | 0 | 1 | 7 |"):
        assert line in text.splitlines()
    assert re.findall(r"<summary>(. <b>[A-Z]+-\d)", text) == ["✗ <b>STATE-3", "! <b>PARITY-6", "~ <b>STATE-4"]
    assert (
        f"- **STATE-1** MUST inconclusive: `no story of this run met its premise` {catalogue()['STATE-1'].remedy}"
        in text
    )
    assert "- **BILL-1** MUST not observable: `accounting: none is shown`" in text


def test_hostile_words_stay_code_in_markdown(journal: Journal) -> None:
    """No element, link, image or heading comes of what a target said."""
    tokens = parser().parse(markdown(hostile(journal)))
    spoken = [inner for token in tokens for inner in (token, *(token.children or ()))]
    outside = "".join(token.content for token in spoken if token.type in {"text", "html_block", "html_inline"})
    assert "alert" not in outside
    assert not {token.type for token in spoken} & {"link_open", "image"}
    assert controls(markdown(hostile(journal))) == set()
    assert "alert(1)" in "".join(token.content for token in spoken if token.type in {"fence", "code_inline"})


@pytest.mark.parametrize("text", ["`", "``` a", "a ````` `b`", "", "```\n# x", "~~~\n````\n<b>"])
def test_code_cannot_be_left(text: str) -> None:
    """However many backticks there are in it."""
    inline = parser().parse(code(text))[1].children
    assert inline is not None
    assert [token.type for token in inline] == ["code_inline"]
    assert [token.type for token in parser().parse(fenced(text))] == ["fence"]


# the badge


def test_a_badge_says_what_it_came_to(mixed: Summary, smoke: Recorded) -> None:
    """In words for those who cannot see it, and of one size with its text."""
    root = ET.fromstring(badge(mixed))  # noqa: S314 - our own
    assert root.get("aria-label") == "cancel conformance: not conformant 2/6"
    assert "".join(root.itertext()).endswith("not conformant 2/6")
    with contextlib.closing(Journal.open(smoke.journal)) as journal:
        assert "conformance: conformant 4/4" in badge(summarise(journal))


# all of them


@pytest.mark.parametrize("form", TEXTS)
def test_every_form_takes_what_a_hostile_target_sent(journal: Journal, form: str) -> None:
    """It is written, it can be read, and no control character is in it."""
    made = TEXTS[form](hostile(journal))
    assert made.encode()
    assert controls(made) == set()
    reads: dict[str, Callable[[str], object]] = {
        "json": lambda text: checked(text, SUMMARY),
        "ctrf": lambda text: checked(text, CTRF),
        "sarif": lambda text: checked(text, SARIF),
        "junit": ET.fromstring,
        "badge": ET.fromstring,
    }
    reads.get(form, str)(made)


def report(*arguments: object) -> Result:
    """What `cancel-conformance report` says."""
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def test_every_form_can_be_made_later(smoke: Recorded, tmp_path: Path) -> None:
    """From the journal alone, with the exit code of the run, and the same as the run left."""
    options = [part for form in (*TEXTS, "har") for part in (f"--{form}", tmp_path / "new" / form)]
    result = report(smoke.journal, *options, "--allure", tmp_path / "allure")
    assert result.exit_code == smoke.code == 0, result.output
    assert {path.name for path in (tmp_path / "new").iterdir()} == {*TEXTS, "har"}
    for form, name in (("html", "report.html"), ("json", "summary.json"), ("junit", "junit.xml")):
        assert (tmp_path / "new" / form).read_bytes() == (smoke.folder / name).read_bytes()
    assert len(list((tmp_path / "allure").glob("*-result.json"))) == len(smoke.verdicts)


def test_a_report_judges_again_only_where_it_is_asked_to(smoke: Recorded, tmp_path: Path) -> None:
    """A judgement that was taken out of a journal comes back with `--judge` alone."""
    copy = tmp_path / "journal.sqlite"
    copy.write_bytes(smoke.journal.read_bytes())
    with contextlib.closing(Journal.open(copy)) as journal:
        journal.unjudge()
    assert report(copy, "--json", tmp_path / "a.json").exit_code == 3
    assert report(copy, "--json", tmp_path / "b.json", "--judge").exit_code == 0
    assert json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))["counts"]["pass"] == len(smoke.verdicts)


@pytest.mark.parametrize(("options", "code"), [((), 1), (("--gate", "none"), 0), (("--gate", "should"), 1)])
def test_a_report_ends_as_its_gate_has_it(
    mixed: Summary, journal: Journal, tmp_path: Path, options: tuple[str, ...], code: int
) -> None:
    """The verdicts are the same, and so is what is written but for the code."""
    result = report(journal.path, "--json", tmp_path / "x.json", *options)
    assert (result.exit_code, mixed.exit_code) == (code, 1), result.output
    said = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert (said["counts"]["fail"], said["exit_code"]) == (1, code)


def test_what_cannot_be_reported_is_said_in_words(smoke: Recorded, tmp_path: Path) -> None:
    """No form, no journal, no such folder: exit 2, and no traceback."""
    (tmp_path / "a-file").write_text("", encoding="utf-8")
    for said, *arguments in (
        ("give one of --html", smoke.journal),
        ("no such journal", tmp_path / "none.sqlite", "--html", tmp_path / "x"),
        ("not the journal of a run", tmp_path / "a-file", "--html", tmp_path / "x"),
        ("cannot be written", smoke.journal, "--html", tmp_path / "a-file" / "x"),
    ):
        result = report(*arguments)
        assert (result.exit_code, said in result.output) == (2, True), result.output
        assert isinstance(result.exception, SystemExit)


def test_the_forms_agree(mixed: Summary) -> None:
    """The counts of each are those of the run."""
    cases = ET.fromstring(junit(mixed)).iter("testcase")  # noqa: S314 - our own
    failed = [case.get("name", "").split()[0] for case in cases if case.find("failure") is not None]
    assert failed == ["STATE-3"]
    assert [test["name"].split()[0] for test in json.loads(ctrf(mixed))["results"]["tests"] if "trace" in test] == [
        "STATE-3",
        "PARITY-6",
        "STATE-4",
    ]
