"""The forms of a report, read by Allure and held against the schemas that others publish. Run by `tox -e forms`."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from jsonschema import Draft6Validator, Draft7Validator
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT6
from test_page import hostile
from test_report import broken, folded, held
from told import CONTRACT

from conformance.journal import Journal
from conformance.report.allure import write_allure
from conformance.report.ctrf import ctrf
from conformance.report.har import har
from conformance.report.sarif import sarif
from conformance.report.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Recorded

    from conformance.report.summary import Summary

PACKAGES: Final = Path(os.environ["NODE_PATH"])
SCHEMAS: Final = {
    "sarif": "@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json",
    "ctrf": "ctrf/src/ctrf-schema-0.0.json",
    "har": "har-schema/lib/har.json",
}
ROWS: Final = ("STATE-1", "STATE-2", "STATE-3", "STATE-4", "BILL-1", "PARITY-6")
SHOWN: Final = {"pass": "passed", "warn": "passed", "fail": "failed"}
"""How Allure shows a verdict; the others are skipped."""


def schema(form: str) -> Any:  # noqa: ANN401 - JSON is what it is
    """The published schema of a form."""
    return json.loads((PACKAGES / SCHEMAS[form]).read_text(encoding="utf-8"))


def validator(form: str) -> Validator:
    """What holds a document against that schema; the one of HAR lies in several files."""
    published = schema(form)
    parts = [json.loads(path.read_text(encoding="utf-8")) for path in (PACKAGES / "har-schema/lib").glob("*.json")]
    registry: Registry[Any] = Registry().with_resources(
        (part["$id"].rstrip("#"), Resource.from_contents(part, default_specification=DRAFT6)) for part in parts
    )
    return validator_for(published, default=Draft7Validator)(published, registry=registry)


@pytest.fixture(params=["passing", "mixed", "hostile"])
def run(request: pytest.FixtureRequest, smoke: Recorded, tmp_path: Path) -> Iterator[tuple[Journal, Summary]]:
    """A real run that passes, one with every verdict, and one of a target that means harm."""
    path = smoke.journal if request.param == "passing" else tmp_path / "journal.sqlite"
    opening = Journal.open if request.param == "passing" else Journal.create
    with contextlib.closing(opening(path)) as journal:
        told = {"contract": CONTRACT.text, "contract_source": "cancel-task.yaml", "suite": "0.1.0", "name": "staging"}
        known, hidden = {"STATE-4": "ticket 12"}, {"BILL-1": "accounting: none is shown"}
        found = (broken("STATE-3"), broken("PARITY-6"), broken("STATE-4"), held("STATE-2"))
        if request.param == "mixed":
            yield journal, folded(journal, *found, only=ROWS, known=known, not_observable=hidden, **told)
        else:
            yield journal, summarise(journal) if request.param == "passing" else hostile(journal)


def written(form: str, run: tuple[Journal, Summary]) -> Any:  # noqa: ANN401 - JSON is what it is
    """A run in one of the forms that have a schema."""
    journal, summary = run
    return json.loads({"sarif": sarif, "ctrf": ctrf}[form](summary) if form != "har" else har(journal))


@pytest.mark.parametrize("form", SCHEMAS)
def test_each_form_keeps_to_the_schema_that_others_publish(form: str, run: tuple[Journal, Summary]) -> None:
    """As its own authors hand it out."""
    assert [error.message[:200] for error in validator(form).iter_errors(written(form, run))] == []


@pytest.mark.parametrize(
    ("form", "place"),
    [
        ("sarif", ("runs", 0, "tool")),
        ("ctrf", ("results", "tests")),
        ("har", ("log", "entries", 0, "request", "method")),
    ],
)
def test_a_spoilt_form_is_refused(form: str, place: tuple[str | int, ...], run: tuple[Journal, Summary]) -> None:
    """A schema that lets everything pass would prove nothing."""
    document = written(form, run)
    inner = document
    for step in place[:-1]:
        inner = inner[step]
    del inner[place[-1]]
    assert list(validator(form).iter_errors(document))


def test_allure_reads_every_result(run: tuple[Journal, Summary], tmp_path: Path) -> None:
    """Each row under its name, as passed, failed or skipped, with its message, its trace and its exchange."""
    summary, out = run[1], tmp_path / "report"
    write_allure(summary, tmp_path / "results")
    node = shutil.which("node")
    assert node, "there is no node on the path"
    done = subprocess.run(
        [node, str(PACKAGES / "allure" / "cli.js"), "generate", str(tmp_path / "results"), "-o", str(out)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    read = [json.loads(path.read_text(encoding="utf-8")) for path in (out / "data" / "test-results").glob("*.json")]
    found = {each["name"].split()[0]: each for each in read}
    assert {row: each["status"] for row, each in found.items()} == {
        row.requirement.id: SHOWN.get(row.ruling.verdict.value, "skipped") for row in summary.asked
    }
    for row in summary.broken:
        shown = found[row.requirement.id]
        assert "  wanted  " in shown["error"]["trace"]
        assert row.requirement.statement in shown["name"]
        assert len(shown["attachments"]) == (row.evidence is not None)


def test_the_schemas_are_those_of_the_formats() -> None:
    """And no others that happen to lie at their paths."""
    assert schema("sarif")["title"].startswith("Static Analysis Results Format (SARIF) Version 2.1.0")
    assert schema("ctrf")["title"] == "CTRF JSON Schema"
    assert validator_for(schema("har")) is Draft6Validator
