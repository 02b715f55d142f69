"""Two runs are compared row by row, and what got worse fails the gate."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from conftest import SMOKE_ROWS

from conformance.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Recorded


def told(path: Path, verdict: str | None, **more: object) -> str:
    """A summary of two rows, of which STATE-2 always passes."""
    rows = {"STATE-2": {"verdict": "pass"}} | ({"STATE-1": {"verdict": verdict, "reason": "why"}} if verdict else {})
    summary = {"requests": 7, "submits": 2, "credits": {"spent": "1.5"}, "requirements": rows, **more}
    path.write_text(json.dumps(summary), encoding="utf-8")
    return str(path)


def compared(*arguments: str) -> Result:
    """What the command says."""
    return CliRunner().invoke(main, ["diff", *arguments])


BECAME = {
    ("pass", "fail"): "newly broken",
    ("pass", "warn"): "newly broken",
    ("warn", "fail"): "newly broken",
    ("known", "fail"): "newly broken",
    ("inconclusive", "fail"): "newly broken",
    ("not observable", "warn"): "newly broken",
    (None, "fail"): "newly broken",
    ("pass", "inconclusive"): "no longer proven",
    ("pass", "not observable"): "no longer proven",
    ("fail", "inconclusive"): "no longer proven",
    ("known", "inconclusive"): "no longer proven",
    ("fail", "pass"): "fixed",
    ("warn", "pass"): "fixed",
    ("known", "pass"): "fixed",
    ("inconclusive", "pass"): "newly proven",
    (None, "pass"): "newly proven",
    (None, "inconclusive"): "asked anew, not proven",
    ("fail", "known"): "newly excused as known",
    ("pass", "known"): "newly excused as known",
    ("pass", None): "no longer asked",
    ("fail", None): "no longer asked",
    ("fail", "warn"): None,
    ("inconclusive", "not observable"): None,
    ("pass", "pass"): None,
    ("fail", "fail"): None,
}


@pytest.mark.parametrize(("step", "change"), BECAME.items(), ids=str)
def test_each_step_of_a_verdict_has_its_name(
    step: tuple[str | None, str | None], change: str | None, tmp_path: Path
) -> None:
    """What became of a row is said once, and only what got worse fails."""
    old, new = (told(tmp_path / f"{name}.json", verdict) for name, verdict in zip("ab", step, strict=True))
    result = compared(old, new, "--json")
    said = json.loads(result.stdout)
    assert [name for name, rows in said["changes"].items() if rows] == ([change] if change else [])
    assert result.exit_code == int(said["worse"]) == int(change in {"newly broken", "no longer proven"})
    text = compared(old, new)
    assert text.exit_code == result.exit_code
    assert ("no row has changed" in text.stdout) == (change is None)


def test_the_text_names_row_step_and_reason(tmp_path: Path) -> None:
    """And what the two runs took, and what else was not the same."""
    took = {"whole": 9.5, "by_family": {"BILL": 7.0, "STATE": 0.75}}
    spent = {"spent": "1.5", "by_family": {"BILL": "1.5"}}
    old = told(tmp_path / "a.json", "pass", run={"name": "staging", "seed": 1}, seconds=took, credits=spent)
    other = {"credits": {"spent": "2", "by_family": {"BILL": "2"}}, "run": {"name": "\x1b[31mlive", "seed": 2}}
    new = told(tmp_path / "b.json", "fail", requests=9, **other)
    assert compared(old, new).stdout.splitlines() == [
        "newly broken            STATE-1   pass → fail: why",
        "requests 7 → 9, tasks submitted 2 → 2, credits spent 1.5 → 2, seconds 9.5 → unknown",
        "BILL: credits 1.5 → 2, seconds 7.0 → 0.0",
        "the runs themselves differ: name staging → \\u001b[31mlive",
    ]


def test_a_run_is_no_different_from_itself(smoke: Recorded, tmp_path: Path) -> None:
    """Whichever way it is named: its folder, its summary, its journal, a folder with nothing but the journal."""
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(smoke.journal, alone)
    ways = [smoke.folder, smoke.folder / "summary.json", smoke.journal, alone]
    for way in ways:
        result = compared(str(smoke.folder), str(way), "--json")
        said = json.loads(result.stdout)
        assert (result.exit_code, any(said["changes"].values())) == (0, False), way
        assert said["requests"] == [smoke.summary["requests"]] * 2
    assert len(smoke.verdicts) == len(SMOKE_ROWS.split(","))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read: No such file"),
        ("", "not the summary"),
        ("{}", "not the summary of a run: requests"),
        ("[" * 100_000, "not the summary"),
        ('{"requests": 1, "submits": 1, "credits": {}, "requirements": {"A": {"verdict": "fine"}}}', "A.verdict"),
        ("SQLite format 3\0 and no more", "not the journal of a run"),
    ],
)
def test_what_tells_of_no_run_is_a_usage_error(text: str | None, said: str, tmp_path: Path) -> None:
    """The file is named, and no traceback shown."""
    other = told(tmp_path / "a.json", "pass")
    if text is not None:
        (tmp_path / "b.json").write_text(text, encoding="utf-8")
    for names in ((str(tmp_path / "b.json"), other), (other, str(tmp_path / "b.json"))):
        result = compared(*names)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "b.json" in result.stderr
        assert said in result.stderr
        assert len(result.stderr) < 1000


def test_an_empty_folder_is_a_usage_error(tmp_path: Path) -> None:
    """It says what a folder should hold."""
    result = compared(str(tmp_path), str(tmp_path))
    assert result.exit_code == 2
    assert "summary.json" in result.stderr
