"""What our own tests share: a reference service, a run that was recorded once, and a client with its journal."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner
from stand_in import Says, StandIn, profile, standing_in
from told import CONTRACT

from conformance.cli import main
from conformance.contract import Contract
from conformance.depth import DEPTHS
from conformance.journal import Journal
from conformance.run import Order, Run
from conformance.running import reference_service
from conformance.target.client import Client
from conformance.target.profile import Profile

REFERENCE_PROFILE: Final = Path(__file__).parents[1] / "conformance" / "target" / "reference.toml"
SMOKE_ROWS: Final = "IDENT-1,IDENT-4,STATE-1,IDEMP-1"
"""Rows of every kind that a few stories show: accepted, refused, live, terminal."""

_LONGEST: Final = 120.0


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A run that came to its end: what it printed, how it ended, and the folder with its results."""

    code: int
    stdout: str
    stderr: str
    folder: Path

    @property
    def journal(self) -> Path:
        """The run's journal."""
        return self.folder / "journal.sqlite"

    @property
    def summary(self) -> dict[str, Any]:
        """The run's JSON summary."""
        return dict(json.loads((self.folder / "summary.json").read_text(encoding="utf-8")))

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict of each row that was asked for."""
        return {row: said["verdict"] for row, said in self.summary["requirements"].items()}


@dataclass
class Wire:
    """A client, the stand-in that it speaks to, and the journal in which its exchanges are."""

    client: Client
    server: StandIn
    journal: Journal


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background, and in all that is started there
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option by which golden texts are written anew."""
    parser.addoption("--renew-golden", action="store_true", help="Write the golden texts anew, to be read in git diff.")


def pytest_configure(config: pytest.Config) -> None:
    """Where no byte code may lie beside the code, keep it in the cache, or every process we start compiles anew."""
    cache: pytest.Cache | None = getattr(config, "cache", None)  # there is none with `-p no:cacheprovider`
    if cache is not None and os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        os.environ["PYTHONPYCACHEPREFIX"] = str(cache.mkdir("bytecode"))


BeginRun = Callable[..., tuple[Run, StandIn]]
Speak = Callable[..., Wire]
RunSuite = Callable[..., Recorded]


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a new user, and `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONFORMANCE_", "PYTEST_"))}
    return {**kept, **more}


def suite_command(*arguments: str) -> list[str]:
    """The command line of the suite, as a process of its own."""
    return [sys.executable, "-m", "conformance", *arguments]


def command_in(folder: Path) -> Path:
    """A new file in a folder that is the command itself, as installers write it."""
    folder.mkdir(parents=True)
    command = folder / "cancel-conformance"
    body = "from conformance.cli import main\n\nif __name__ == '__main__':\n    main()\n"
    command.write_text(f"#!{sys.executable}\n{body}", encoding="utf-8")
    command.chmod(0o755)
    return command


def recorded(folder: Path, *arguments: str, environ: Mapping[str, str], cwd: Path) -> Recorded:
    """Run a command of the suite to its end, with its results in `folder`."""
    done = subprocess.run(
        suite_command(*arguments),
        env=clean_environment(environ),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    return Recorded(code=done.returncode, stdout=done.stdout, stderr=done.stderr, folder=folder)


@pytest.fixture(scope="session")
def service() -> Iterator[dict[str, Any]]:
    """A sound reference service: its base URL and its keys."""
    with reference_service() as started:
        yield started


@pytest.fixture(scope="session")
def service_environ(service: dict[str, Any]) -> dict[str, str]:
    """The variables that hold the keys of that service."""
    named = tomllib.loads(REFERENCE_PROFILE.read_text(encoding="utf-8"))["keys"]
    return {key["env"]: service["keys"][role] for role, key in named.items()}


def order_for(target: Profile, folder: Path, only: tuple[str, ...] = ("STATE-1",)) -> Order:
    """An order of a few rows at smoke depth."""
    depth = DEPTHS["smoke"]
    return Order(profile=target, contract=CONTRACT, depth=depth, only=only, told=only, seed=1, report_dir=folder)


def judged_again(journal: Path, folder: Path) -> Recorded:
    """A recorded run, judged again in this process, with the results in `folder`."""
    result = CliRunner().invoke(main, ["judge", str(journal), "--report-dir", str(folder)])
    return Recorded(code=result.exit_code, stdout=result.stdout, stderr=result.stderr, folder=folder)


@pytest.fixture
def run_suite(tmp_path: Path) -> RunSuite:
    """Runs `cancel-conformance` in an empty folder, its results in `results` there."""

    def run(*arguments: str, environ: Mapping[str, str] | None = None) -> Recorded:
        return recorded(tmp_path / "results", *arguments, environ=environ or {}, cwd=tmp_path)

    return run


@pytest.fixture(scope="session")
def smoke(
    service: dict[str, Any], service_environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Recorded:
    """A whole run of a few rows at smoke depth against the sound service, as every test may read it."""
    folder = tmp_path_factory.mktemp("smoke")
    target = ["--target", str(REFERENCE_PROFILE), "--base-url", service["base_url"]]
    options = ["--depth", "smoke", "--only", SMOKE_ROWS, "--seed", "7", "--report-dir", str(folder / "results")]
    return recorded(folder / "results", "run", *target, *options, environ=service_environ, cwd=folder)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A new journal."""
    with contextlib.closing(Journal.create(tmp_path / "journal.sqlite")) as made:
        yield made


@pytest.fixture
def speak(journal: Journal) -> Iterator[Speak]:
    """Makes a client and the stand-in that it speaks to; what it says, and what the profile says, is the test's."""
    with contextlib.ExitStack() as stack:

        def begin(says: Says, *, contract: Contract = CONTRACT, **settings: object) -> Wire:
            server = stack.enter_context(standing_in(says))
            client = Client(profile(server.base_url, **settings), contract, journal)
            stack.callback(client.close)
            return Wire(client=client, server=server, journal=journal)

        yield begin


@pytest.fixture
def begin_run(journal: Journal, tmp_path: Path) -> Iterator[BeginRun]:
    """Makes a run, and the stand-in that is its target; nothing is sent yet."""
    with contextlib.ExitStack() as stack:

        def begin(says: Says, *, only: tuple[str, ...] = ("STATE-1",), **settings: object) -> tuple[Run, StandIn]:
            server = stack.enter_context(standing_in(says))
            order = order_for(profile(server.base_url, **settings), tmp_path, only)
            run = Run(order, journal)
            stack.callback(run.close)
            return run, server

        yield begin
