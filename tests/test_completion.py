"""Shells complete commands, rows, faults, strangers, ready profiles and files."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from conftest import clean_environment, command_in

from conformance.cli import main
from conformance.reference.faults import FAULTS

COMPLETE: Final = ShellComplete(main, {}, "cancel-conformance", "_CANCEL_CONFORMANCE_COMPLETE")
IN_BASH: Final = """
eval "$(cancel-conformance completion bash)"
COMP_WORDS=(cancel-conformance {words})
COMP_CWORD={last}
_cancel_conformance_completion cancel-conformance 2> /dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def offered(*words: str) -> list[str]:
    """What may come in the place of the last word."""
    return [item.value for item in COMPLETE.get_completions(list(words[:-1]), words[-1])]


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A search path on which the command is."""
    command = command_in(tmp_path / "bin")
    return f"{command.parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("do",), ["doctor"]),
        (("run", "--only", "IDENT,iden"), [f"IDENT,IDENT-{number}" for number in range(1, 16)]),
        (("run", "--only", "STATE-8,STATE-8"), []),
        (("run", "--stories", "RACE-5"), ["RACE-5"]),
        (("requirements", "--only", "NOTIFY"), ["NOTIFY", "NOTIFY-1", "NOTIFY-2"]),
        (("run", "--fault", "refunds-tw"), [name for name in FAULTS if name.startswith("refunds-tw")]),
        (("replay", "x.json", "--fault", "accepts-both-i"), ["accepts-both-identifiers"]),
        (("serve", "--stranger", "asks-by"), ["asks-by-get"]),
        (("run", "--stranger", "asks-by"), ["asks-by-get"]),
        (("init", "--like", "with"), ["with-a-hook", "with-fixed-ids"]),
        (("run", "--depth", "s"), ["smoke", "standard"]),
        (("completion", "z"), ["zsh"]),
    ],
    ids=str,
)
def test_what_may_come_next_is_offered(words: tuple[str, ...], wanted: list[str]) -> None:
    """By its beginning, and in a list of rows what is not in it yet."""
    assert offered(*words) == wanted


def test_rows_and_faults_are_offered_with_what_they_mean() -> None:
    """For the shells that show it."""
    [row] = COMPLETE.get_completions(["run", "--only"], "IDENT-4")
    assert row.help is not None
    assert row.help.startswith("Both identifiers in one body are refused")
    [fault] = COMPLETE.get_completions(["run", "--fault"], "accepts-both-identifiers")
    assert fault.help


def test_files_are_left_to_the_shell() -> None:
    """It knows best how to complete them."""
    for words in (("run", "--target", "sta"), ("doctor", "--target", ""), ("judge", "")):
        assert [item.type for item in COMPLETE.get_completions(list(words[:-1]), words[-1])] == ["file"]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("run --fault accepts-both-i", ["accepts-both-identifiers"]),
        ("run --only IDENT-4,NOTI", ["IDENT-4,NOTIFY", "IDENT-4,NOTIFY-1", "IDENT-4,NOTIFY-2"]),
        ("ini", ["init"]),
    ],
)
def test_bash_completes(words: str, wanted: list[str], path: str, tmp_path: Path) -> None:
    """By the line that the help shows."""
    script = IN_BASH.format(words=words, last=len(words.split()))
    environ = clean_environment({"PATH": path})
    done = subprocess.run(
        ["/bin/bash", "-c", script], env=environ, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == wanted


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str, path: str, tmp_path: Path) -> None:
    """What it defines asks the command; where there is such a shell, it can read it."""
    printed = CliRunner().invoke(main, ["completion", shell])
    assert printed.exit_code == 0
    assert f"_CANCEL_CONFORMANCE_COMPLETE={shell}_complete" in printed.stdout
    if found := shutil.which(shell):
        subprocess.run(
            [found, "-n", "-c", printed.stdout], env=clean_environment({"PATH": path}), check=True, timeout=60
        )
    words = "cancel-conformance run --fault accepts-both-i"
    asked = {"COMP_WORDS": words, "COMP_CWORD": "accepts-both-i" if shell == "fish" else "3"}
    environ = clean_environment({"PATH": path, **asked, "_CANCEL_CONFORMANCE_COMPLETE": f"{shell}_complete"})
    done = subprocess.run(
        [str(tmp_path / "bin" / "cancel-conformance")],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "accepts-both-identifiers" in done.stdout
