"""Every command line of README.md and of the documentation works as it stands, and the documentation is whole."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import pytest
import rows
from reader import NEWCOMERS, PAGES, PROFILE, ROOT, Reader, files, inline, lines
from rules import rules

from conformance.checks import CHECKS
from conformance.cli import main
from conformance.reference.faults import FAULTS
from conformance.requirements import catalogue, rulings
from conformance.running import reference_service

if TYPE_CHECKING:
    from conftest import Recorded

TYPED: Final = [page for page in PAGES if any(not (line.fresh or line.long) for line in lines(page))]
NAMES: Final = {page: str(page.relative_to(ROOT)) for page in PAGES}
TASKS: Final = {
    "PENDING": '{ model = "sim-pending", params = { prompt = "a paper boat", seconds = 5 } }',
    "RUNNING": '{ model = "sim-long", params = { prompt = "a paper kite", seconds = 7 } }',
    "COMPLETED": '{ model = "sim-quick", params = { prompt = "a paper plane", seconds = 3 } }',
}


def own(started: dict[str, Any]) -> dict[str, str]:
    """What a reader of our pages would have to say of a service, where the pages can only give an example."""
    keys = {role: started["keys"][role] for role in ("owner", "other")}
    return {
        **{f"{prefix}_{role.upper()}_KEY": key for prefix in ("CONFORMANCE", "STAGING") for role, key in keys.items()},
        **{f"CONFORMANCE_STATES__{state}__SUBMIT": body for state, body in TASKS.items()},
        "CONFORMANCE_BASE_URL": started["base_url"],
        "CONFORMANCE_STATE_NAMES__PENDING": "pending",
        "CONFORMANCE_CALLBACK__URL": "http://127.0.0.1:18765",
        "CONFORMANCE_CALLBACK__LISTEN": "127.0.0.1:18765",
    }


@pytest.fixture(scope="module")
def staging() -> Iterator[dict[str, str]]:
    """A service with the flaw that the example of a profile calls known: it is refuted by IDENT-13 alone."""
    with reference_service("calls-malformed-task-ids-invalid") as started:
        yield own(started)


@pytest.fixture
def folder(tmp_path: Path, smoke: Recorded) -> Path:
    """The folder of somebody who has a checkout, has installed it, and has made a run before."""
    shutil.copytree(smoke.folder, tmp_path / "reports" / "before")
    (tmp_path / "reports" / "latest").symlink_to("before")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    shutil.copytree(ROOT / "handbook", tmp_path / "handbook")
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "exchanges.json", tmp_path / "docs")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", TYPED, ids=NAMES.get)
def test_every_command_line_works(page: Path, folder: Path, staging: dict[str, str]) -> None:
    """Typed in the order of the page, in one folder, each ends as the page says."""
    shown = {**files(ROOT / "docs" / "index.md"), **files(page)}
    if any(" init " in line.text for line in lines(page)):
        del shown[PROFILE]  # which the page has the reader make
    for name, text in shown.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    reader = Reader(folder, staging)
    for line in lines(page):
        if not (line.fresh or line.long):
            reader.type(line)


@pytest.mark.parametrize("page", PAGES, ids=NAMES.get)
def test_every_command_that_is_named_is_one(page: Path) -> None:
    """In passing, too, no page speaks of a command or an option that is gone."""
    for text in inline(page):
        command, *arguments = shlex.split(text.replace("…", "x"))[1:]
        assert command in main.commands
        if arguments:
            main.commands[command].make_context(command, arguments)


def test_a_command_that_is_gone_is_seen() -> None:
    """What reads the pages would notice."""
    with pytest.raises(click.NoSuchOption):
        main.commands["run"].make_context("run", ["--targets", "staging.toml"])


def test_what_takes_minutes_is_typed_by_the_other_reader() -> None:
    """He follows three pages whole; what other pages show of it, they show there."""
    typed = {line.text for page in NEWCOMERS for line in lines(ROOT / "docs" / page)}
    assert {line.text for page in PAGES for line in lines(page) if line.long} <= typed


def test_every_fence_of_a_shell_is_read() -> None:
    """No command line hides from its test behind another name of the language, or an indentation."""
    for page in PAGES:
        fences = re.findall(r"^ *```(?:sh|console|bash|shell)\b", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(fences) == len(re.findall(r"^ *```(?:sh|console)$", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert sum(len(lines(page)) for page in PAGES) > 30


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "reports" / "README.md"], ids=NAMES.get)
def test_every_link_of_a_readme_leads_somewhere(page: Path) -> None:
    """The build of the documentation does not read these."""
    linked = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert linked
    assert [name for name in linked if not (page.parent / name).exists()] == []


# the pages that are made


@pytest.mark.parametrize("row", catalogue())
def test_every_row_has_what_its_page_tells(row: str) -> None:
    """Advice, a rule, a story, a fault, a lawful exchange, and an unlawful one that one of the row's faults made."""
    assert len(str(rows.written("advice.yaml")[row])) > 100
    assert (CHECKS[row].__doc__ or "").strip()
    assert rows.stories()[row]
    sample = rows.written("exchanges.json")[row]
    assert sample["unlawful"]["fault"] in rows.faults(row)
    assert sample["unlawful"]["wanted"] != sample["unlawful"]["got"]
    assert sample["lawful"]["exchanges"]
    assert sample["unlawful"]["exchanges"]
    page = rows.page(catalogue()[row])
    assert catalogue()[row].statement in page
    assert all(f"rulings.md#{name.lower()}" in page for name in catalogue()[row].rulings)


def test_nothing_is_told_of_rows_and_rulings_that_are_gone() -> None:
    """The files beside the catalogue have its rows and rulings, in its order, and no others."""
    assert list(rows.written("advice.yaml")) == list(catalogue())
    assert set(rows.written("exchanges.json")) == set(catalogue())
    assert list(rows.written("grounds.yaml")) == list(rulings())
    assert len(FAULTS) > len(catalogue())


@pytest.mark.slow
def test_exchanges_are_renewed_from_real_runs(tmp_path: Path) -> None:
    """A row's exchanges are taken anew, and those of other rows stay as they were."""
    file = tmp_path / "exchanges.json"
    file.write_text(json.dumps({"STATE-1": {"kept": True}}), encoding="utf-8")
    command = [sys.executable, str(ROOT / "handbook" / "exchanges.py"), str(file), "--only", "IDENT-4"]
    subprocess.run(command, check=True, cwd=tmp_path)
    made = json.loads(file.read_text(encoding="utf-8"))
    assert made["STATE-1"] == {"kept": True}
    [lawful] = made["IDENT-4"]["lawful"]["exchanges"]
    [unlawful] = made["IDENT-4"]["unlawful"]["exchanges"]
    assert (lawful["status"], unlawful["status"]) == (400, 200)
    assert unlawful["judged"]
    assert "sk-byts" not in file.read_text(encoding="utf-8")


def test_the_picture_has_every_part_and_no_import_twice() -> None:
    """A box for each part of the package, a line for each import that no longer way stands for."""
    from picture import edges, essential, picture  # noqa: PLC0415 - it shares a name with a form of the report

    drawn = picture()
    parts = [part for layer in rules("test_architecture").LAYERS for part in layer]
    assert [part for part in parts if f">{part}</text>" not in drawn] == []
    assert drawn.count("<path") == len(essential(edges()))
    assert essential({("a", "b"), ("b", "c"), ("a", "c")}) == {("a", "b"), ("b", "c")}


@pytest.mark.slow
def test_the_documentation_is_built_without_a_warning(tmp_path: Path) -> None:
    """Strictly: every link and every anchor is there, and a page for each row; a broken link would be seen."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    built = {path.parent.name for path in (tmp_path / "site" / "requirements").glob("*/index.html")}
    assert built == set(catalogue())
    assert not list((tmp_path / "site").rglob("*.yaml"))


@pytest.mark.slow
def test_a_broken_link_breaks_the_build(tmp_path: Path) -> None:
    """What is strict about the build is seen to be."""
    for name in ("handbook", "tests", "conformance", "openapi"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    (tmp_path / "docs" / "trouble.md").write_text("# Trouble\n\n[nowhere](money.md#nowhere)\n", encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nowhere" in done.stderr
