"""A reader of our pages, who types what they show: their command lines in order, in one folder, with their files in it.

A line whose exit code is not 0 says so in a comment: `# exit 1`, or `# exit 0 or 3`. The value of an `export` is the
reader's own, and tells of a service that is there. What takes a fresh environment, or long, is for another reader: see
`tests/newcomer`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from conftest import clean_environment

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = sorted([ROOT / "README.md", ROOT / "reports" / "README.md", *(ROOT / "docs").rglob("*.md")])
NEWCOMERS: Final = ("certificates.md", "architecture.md", "adding.md")
"""The pages whose long lines `tests/newcomer` types."""

LONGEST: Final = 300.0
PROFILE: Final = "staging.toml"
EXAMPLE: Final = "https://staging.example.com/v1"
"""Stands on our pages for the reader's own base URL."""

_BLOCK: Final = re.compile(r"^( *)```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_EXIT: Final = re.compile(r"# .*\bexit (\d)(?: or (\d))?")
_EXPORT: Final = re.compile(r"export (\w+)=\S+(?: +#.*)?")
_INLINE: Final = re.compile(r"`(?:\.venv/bin/)?(cancel-conformance [^`>|]+)")
_FRESH: Final = ("python3 -m venv", ".venv/bin/pip", ". .venv/bin/activate")
_LONG: Final = re.compile(r"cancel-conformance (certify|verify|selftest)\b")


@dataclass(frozen=True)
class Line:
    """A command line, and how it may end."""

    text: str
    codes: tuple[int, ...] = (0,)

    @property
    def exports(self) -> str | None:
        """The variable that it sets, if it does nothing else."""
        found = _EXPORT.fullmatch(self.text)
        return found[1] if found else None

    @property
    def serves(self) -> bool:
        """Whether it goes on until it is stopped."""
        return self.text.startswith("cancel-conformance serve") and "list" not in self.text

    @property
    def fresh(self) -> bool:
        """Whether it makes an environment, or uses one that a line before has made."""
        return self.text.startswith(_FRESH)

    @property
    def long(self) -> bool:
        """Whether it takes minutes, or needs what such a line has made."""
        return bool(_LONG.match(self.text))


def lines(page: Path) -> list[Line]:
    """The command lines of a page, in order."""
    return [line for _, kind, _, text in _blocks(page) if kind in {"sh", "console"} for line in _lines(text)]


def files(page: Path) -> dict[str, str]:
    """The files that a page shows: those with a title, and the profile, which needs none."""
    shown = {title: text for _, _, title, text in _blocks(page) if title}
    profiles = [text for _, kind, title, text in _blocks(page) if kind == "toml" and not title]
    return {**shown, PROFILE: profiles[-1]} if profiles else shown


def inline(page: Path) -> list[str]:
    """The commands of the suite that a page names in passing."""
    return _INLINE.findall(page.read_text(encoding="utf-8"))


def _blocks(page: Path) -> list[tuple[str, str, str, str]]:
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def _lines(text: str) -> Iterator[Line]:
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.strip().startswith("#"):
            said = _EXIT.search(line)
            codes = tuple(int(code) for code in said.groups() if code) if said else (0,)
            yield Line(line.strip(), codes)


@dataclass
class Reader:
    """Types lines in a folder. What an `export` sets is looked up in `own`; what has a `staging.toml` in it, too."""

    folder: Path
    own: Mapping[str, str]
    path: tuple[Path, ...] = (Path(sys.executable).parent,)
    settled: dict[str, str] = field(default_factory=dict)

    def type(self, line: Line) -> None:
        """Type a line, and see it end as the page says."""
        if (name := line.exports) is not None:
            assert name in self.own
            self.settled = dict(self.own)  # and whatever else only the reader knows of the service
        elif line.serves:
            self._serve(line)
        else:
            done = self._started(line).communicate(timeout=LONGEST)[0], self._last.returncode
            assert done[1] in line.codes, f"$ {line.text}\n{done[0]}\nexit {done[1]}, and not {line.codes}"

    def _started(self, line: Line) -> subprocess.Popen[str]:
        environ = dict(self.own) if PROFILE in line.text else self.settled
        path = ":".join(map(str, (*self.path, os.environ["PATH"])))
        self._last = subprocess.Popen(
            [
                "/bin/bash",
                "-euo",
                "pipefail",
                "-c",
                line.text.replace(EXAMPLE, self.own.get("CONFORMANCE_BASE_URL", EXAMPLE)),
            ],
            env=clean_environment({**environ, "PATH": path, "GITHUB_STEP_SUMMARY": "summary.md"}),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return self._last

    def _serve(self, line: Line) -> None:
        """Start what serves, see it answer, and stop it as Ctrl-C does."""
        process = self._started(line)
        assert process.stdout is not None
        said = process.stdout.readline()
        try:
            [url] = re.findall(r"http://\S+", said)
            assert httpx.post(f"{url}/tasks/query", json={}, trust_env=False).status_code == 401
        finally:
            os.killpg(process.pid, signal.SIGINT)
            rest = process.communicate(timeout=LONGEST)[0]
        assert process.returncode in {0, 130}, said + rest
