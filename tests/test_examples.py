"""Every example that a `--help` shows works as it stands.

All of them are run, in a shell, by a command of that name: the suite itself, with a catalogue of a few rows, so that
what takes minutes takes seconds. What they name is there: a profile of a served service, a recorded run, keys.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from click.testing import CliRunner
from conftest import REFERENCE_PROFILE, clean_environment, command_in
from test_certificate import DOCUMENTS
from test_life import a_replay

from conformance.cli import main
from conformance.life import CancelBoth, Submit

ROWS: Final = ("IDENT-4", "STATE-1", "BILL-1")
PLACEHOLDER: Final = "https://staging.example.com/v1"
FOUND_SOMETHING: Final = (
    "cancel-conformance run --fault accepts-both-identifiers",
    "cancel-conformance replay replay-IDENT-4.json --fault accepts-both-identifiers",
)
PROVED_NOTHING: Final = (f"cancel-conformance run --base-url {PLACEHOLDER}",)
"""The contract's models are not those of the service that is served."""

PREPARED: Final = (
    "cancel-conformance run --target staging.toml",
    "cancel-conformance keygen release",
    "cancel-conformance certify --target staging.toml --key release.pem --out certificate.json",
)
"""Examples whose results others name: they are run first, and once."""

_LONGEST: Final = 100.0


def examples(command: str | None) -> list[str]:
    """The command lines below `Example:` or `Examples:` in a help text, without what is said beside them."""
    shown = CliRunner().invoke(main, [*([command] if command else []), "--help"]).stdout
    blocks = re.findall(r"^  Examples?:\n((?:    .+\n)+)", shown, re.MULTILINE)
    return [re.split(r" {2,}", line.strip())[0] for block in blocks for line in block.splitlines()]


COMMANDS: Final = [None, *main.commands]
EXAMPLES: Final = list(dict.fromkeys(line for command in COMMANDS for line in examples(command)))


class Desk:
    """A folder in which every example finds what it names, and the environment that it runs in."""

    def __init__(self, folder: Path, service: dict[str, Any], keys: dict[str, str]) -> None:
        self.folder = folder
        self.base_url = str(service["base_url"])
        self._site = _small_suite(folder / "site")
        self._environ = {**keys, "STAGING_OWNER_KEY": service["keys"]["owner"], "GITHUB_STEP_SUMMARY": "summary.md"}
        self.table = folder / "table"
        self.done: dict[str, tuple[int, str]] = {}
        self._lay()

    def environ(self, home: Path) -> dict[str, str]:
        """The environment of an example, in which the command is the suite with few rows."""
        path = os.pathsep.join([str(self._site / "bin"), os.environ["PATH"]])
        more = {"PATH": path, "PYTHONPATH": str(self._site), "HOME": str(home)}
        return clean_environment({**self._environ, **more})

    def run(self, line: str, where: Path) -> tuple[int, str]:
        """How an example ends, and what it says."""
        line = line.replace(PLACEHOLDER, self.base_url)
        serves = " serve " in line and not line.endswith(" list")
        process = subprocess.Popen(
            ["/bin/bash", "-c", f"exec {line}" if serves else line],
            env=self.environ(where),
            cwd=where,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        said = ""
        if serves:
            said = process.stdout.readline()
            process.send_signal(signal.SIGINT)
        said += process.communicate(timeout=_LONGEST)[0]
        return process.returncode, said

    def _lay(self) -> None:
        """Make what examples name: a profile, a run and its twin, replays, keys, a certificate."""
        (self.table / ".config" / "fish" / "completions").mkdir(parents=True)
        text = REFERENCE_PROFILE.read_text(encoding="utf-8").replace('"http://127.0.0.1"', f'"{self.base_url}"')
        (self.table / "staging.toml").write_text(text, encoding="utf-8")
        self.done = {line: self.run(line, self.table) for line in PREPARED}
        shutil.copytree(self.table / "reports" / "latest", self.table / "main")
        for name in ("old", "new"):
            shutil.copy(self.table / "main" / "journal.sqlite", self.table / f"{name}.sqlite")
        replay = replace(a_replay((Submit(task=0), CancelBoth(task=0, other=0))), requirement="IDENT-4")
        for folder in (self.table, self.table / "reports" / "latest"):
            replay.write(folder)


def _small_suite(site: Path) -> Path:
    """The package in a folder of its own, with a catalogue of a few rows, and a command that starts it."""
    package = Path(main.commands["run"].callback.__code__.co_filename).parent  # type: ignore[union-attr]
    shutil.copytree(package, site / "conformance", ignore=shutil.ignore_patterns("__pycache__", "openapi"))
    shutil.copytree(DOCUMENTS, site / "conformance" / "openapi")
    catalogue = site / "conformance" / "openapi" / "requirements.yaml"
    whole = yaml.safe_load(catalogue.read_text(encoding="utf-8"))
    kept = {**whole, "requirements": [row for row in whole["requirements"] if row["id"] in ROWS]}
    catalogue.write_text(yaml.safe_dump(kept, sort_keys=False), encoding="utf-8")
    command_in(site / "bin")
    return site


@pytest.fixture(scope="module")
def desk(
    service: dict[str, Any], service_environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """The folder, laid once."""
    return Desk(tmp_path_factory.mktemp("desk"), service, service_environ)


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_every_help_has_an_example(command: str | None) -> None:
    """At least one, of the command itself."""
    assert [line for line in examples(command) if f"cancel-conformance {command or ''}".strip() in line]


@pytest.mark.slow
@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_works_as_it_stands(desk: Desk, line: str, tmp_path: Path) -> None:
    """It ends as it should, and nothing in it is unheard of."""
    where = tmp_path / "table"
    shutil.copytree(desk.table, where, symlinks=True)
    code, said = desk.done.get(line) or desk.run(line, where)
    wanted = 1 if line in FOUND_SOMETHING else 3 if line in PROVED_NOTHING else 0
    assert code == wanted, said
    assert "Traceback" not in said
