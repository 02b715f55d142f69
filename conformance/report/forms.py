"""The forms in which a run can be written down, each by the name of its option on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from conformance.report.allure import write_allure
from conformance.report.badge import badge
from conformance.report.ctrf import ctrf
from conformance.report.document import document
from conformance.report.har import har
from conformance.report.junit import junit
from conformance.report.markdown import markdown
from conformance.report.page import page, template
from conformance.report.sarif import sarif
from conformance.report.workflow import workflow_commands

if TYPE_CHECKING:
    from conformance.journal import Journal
    from conformance.report.summary import Summary

TEXTS: Final[Mapping[str, Callable[[Summary], str]]] = {
    "html": page,
    "junit": junit,
    "json": document,
    "markdown": markdown,
    "ctrf": ctrf,
    "sarif": sarif,
    "badge": badge,
    "annotations": workflow_commands,
}
"""The forms that are one file and tell what a run came to."""

ALWAYS: Final = {"summary.json": document, "junit.xml": junit, "report.html": page}
"""The files that every run leaves."""


def prepare() -> None:
    """Have at hand what it takes to write and print: all of it is loaded here, and the page is compiled."""
    template()
    for name in ("rich.console", "rich.text"):
        import_module(name)


def write(form: str, path: Path, summary: Summary, journal: Journal) -> None:
    """Write a run down at `path`, in one of the forms: a text, `har` or, into a folder, `allure`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if form == "allure":
        write_allure(summary, path)
    else:
        path.write_text(har(journal) if form == "har" else TEXTS[form](summary), encoding="utf-8")
