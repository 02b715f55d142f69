"""What README.md and the documentation promise a newcomer who has a Python and a checkout. Run by `tox -e readme`.

Every line that makes an environment is typed there, and every line that takes minutes; with the Python of this
environment, and with one that Debian manages, where the machine has it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from dockerfile_parse import DockerfileParser
from reader import NEWCOMERS, PROFILE, ROOT, Line, Reader, lines
from runners import run_action

README: Final = ROOT / "README.md"
TUTORIAL: Final = ROOT / "docs" / "index.md"
MARKER: Final = "import sysconfig; print(sysconfig.get_path('stdlib') + '/EXTERNALLY-MANAGED')"
FEW_TESTS: Final = "tests/test_states.py tests/test_verdict.py"


def is_managed(python: Path) -> bool:
    """Whether a Python is one that refuses `pip install` outside of an environment."""
    if not python.exists():
        return False
    told = subprocess.run([python, "-c", MARKER], capture_output=True, text=True, check=True).stdout.strip()
    return Path(told).exists()


PYTHONS: Final = {
    "this": Path(sys.base_prefix) / "bin" / "python3",
    "managed": Path("/usr/bin/python3"),
}


@pytest.fixture(params=PYTHONS)
def python(request: pytest.FixtureRequest) -> Path:
    """A Python, by the folder in which it is called `python3`."""
    found = PYTHONS[request.param]
    if request.param == "managed" and not is_managed(found):
        pytest.skip(f"{found} is not managed by the system")
    return found


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What git keeps of this repository, and nothing that somebody made in it."""
    command = ["/usr/bin/env", "git", "ls-files", "-z"]
    named = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, named.split("\0")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def fresh(page: Path) -> list[Line]:
    """The lines of a page that make an environment."""
    return [line for line in lines(page) if line.fresh]


def test_what_debian_manages_is_left_alone() -> None:
    """There, the line without an environment is refused, which is why no page shows it."""
    python = PYTHONS["managed"]
    if not is_managed(python):
        pytest.skip(f"{python} is not managed by the system")
    done = subprocess.run([python, "-m", "pip", "install", str(ROOT)], capture_output=True, text=True, check=False)
    assert "externally-managed-environment" in done.stderr
    assert all(not line.text.startswith("pip ") for page in (README, TUTORIAL) for line in lines(page))


def test_the_two_lines_of_the_readme_work(python: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first proves a service that is built in; the last runs our own tests, here a few of them."""
    monkeypatch.setenv("HOME", str(checkout / "home"))
    reader = Reader(checkout, {}, path=(python.parent,))
    first, last = fresh(README)
    reader.type(first)
    assert (checkout / "reports" / "latest" / "report.html").exists()
    assert last.text.endswith(".venv/bin/pytest -q -n 3")
    reader.type(Line(f"{last.text} -n 0 {FEW_TESTS}"))


def test_the_tutorial_installs_the_command(python: Path, checkout: Path) -> None:
    """Line by line in one shell, and then the command is on the path."""
    typed = " && ".join(line.text for line in fresh(TUTORIAL))
    Reader(checkout, {}, path=(python.parent,)).type(Line(f"{typed} && cancel-conformance --version"))


def test_the_action_installs_what_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a runner without the command, the action makes an environment of its own and puts it on the path."""
    path = f"{PYTHONS['this'].parent}:/usr/bin:/bin"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere" / "python"))
    job = run_action(tmp_path, {"PATH": path}, only="IDENT-4,STATE-1")
    assert job.code == 0, job.log
    assert (tmp_path / ".temp" / "cancel-conformance" / "bin" / "cancel-conformance").exists()


def test_the_container_file_has_all_that_it_needs(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What it copies is enough to install, and its entry point is there then."""
    with (ROOT / "Containerfile").open("rb") as file:
        steps = [(step["instruction"], step["value"]) for step in DockerfileParser(fileobj=file).structure]
    image = tmp_path_factory.mktemp("image")
    for kind, value in steps:
        if kind == "COPY":
            *names, where = value.split()
            for name in names:
                source, target = checkout / name, image / where.lstrip("/")
                target.mkdir(parents=True, exist_ok=True)
                shutil.copytree(source, target, dirs_exist_ok=True) if source.is_dir() else shutil.copy(source, target)
    [install] = [value for kind, value in steps if kind == "RUN"]
    subprocess.run([PYTHONS["this"], "-m", "venv", str(image / "venv")], check=True)
    environ = {**os.environ, "PATH": f"{image}/venv/bin:{os.environ['PATH']}"}
    subprocess.run(install.replace("/src", f"{image}/src"), shell=True, env=environ, check=True)  # noqa: S602 - ours
    subprocess.run(["/usr/bin/env", "cancel-conformance", "--help"], env=environ, check=True)
    assert not (image / "src").exists()


@pytest.mark.parametrize("page", NEWCOMERS)
def test_the_lines_that_take_minutes_work(page: str, service: dict[str, Any], tmp_path: Path) -> None:
    """A certificate is made and verified, and the suite is put to a fault."""
    profile = ROOT / "conformance" / "target" / "reference.toml"
    (tmp_path / PROFILE).write_text(profile.read_text(encoding="utf-8"), encoding="utf-8")
    keys = {f"CONFORMANCE_{role.upper()}_KEY": service["keys"][role] for role in ("owner", "other", "revoked")}
    reader = Reader(tmp_path, {**keys, "CONFORMANCE_BASE_URL": service["base_url"]})
    for line in lines(ROOT / "docs" / page):
        if line.long or "keygen" in line.text:
            reader.type(line)
