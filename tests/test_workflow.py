"""Workflow commands of GitHub Actions: what they say, and that nothing a target sent becomes one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from test_report import HOSTILE, broken, folded, held

from conformance.report.workflow import workflow_commands

if TYPE_CHECKING:
    from conformance.journal import Journal
    from conformance.verdict import Judgement

ONLY = ("STATE-1", "STATE-2", "STATE-3", "PARITY-6")
COMMAND = re.compile(r"::(error|warning|notice) title=([^:,%\r\n]+)::([^\r\n]*)")


def said(journal: Journal, *found: Judgement, **notes: object) -> list[tuple[str, str, str]]:
    """The commands of a run, as a runner reads them: kind, title, message."""
    lines = workflow_commands(folded(journal, *found, only=ONLY, **notes)).splitlines()
    read = [COMMAND.fullmatch(line) for line in lines]
    assert all(read), lines
    return [(each[1], each[2], each[3].replace("%0A", "\n").replace("%25", "%")) for each in read if each]


def test_each_broken_row_is_a_command(journal: Journal) -> None:
    """A failing MUST is an error, a broken EXT row a warning, a known one a notice; what is open comes last, in one."""
    known = {"known": {"STATE-2": "ticket 7"}}
    made = said(journal, broken("STATE-1"), broken("STATE-2"), broken("PARITY-6"), **known)
    assert [(kind, title) for kind, title, _ in made] == [
        ("error", "STATE-1 MUST"),
        ("warning", "PARITY-6 EXT"),
        ("notice", "STATE-2 MUST"),
        ("notice", "cancel-conformance"),
    ]
    assert "wanted: status pending\ngot: status pending\nsource: " in made[0][2]
    assert made[-1][2].endswith("1 rows are open: STATE-3")


def test_a_run_without_a_blemish_has_no_commands(journal: Journal) -> None:
    """Nothing is shown beside a green check."""
    assert said(journal, *map(held, ONLY)) == []


@pytest.mark.parametrize("text", ["\n::error::x", "\r\n::add-mask::a", "%0A::stop-commands::x", HOSTILE])
def test_nothing_that_a_target_said_becomes_a_command(journal: Journal, text: str) -> None:
    """One line a row, whatever stands in it, and a percent sign is one."""
    made = said(journal, broken("STATE-1", text), *map(held, ONLY[1:]))
    assert [kind for kind, _, _ in made] == ["error"]
    assert len(made[0][2].splitlines()) == 5
