"""What a new user gets wrong is said in words, with the right exit code, before anything is sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from stand_in import KEY, answer, standing_in
from told import CONTRACT

from conformance import __version__, running
from conformance.cli import main
from conformance.reference.faults import FAULTS
from conformance.requirements import catalogue
from conformance.running import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Recorded, RunSuite

PROFILE = 'base_url = "http://127.0.0.1:9/v1"\n'


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Speaks to the command line, in an empty folder and with nothing in the environment; no run is ever begun."""

    def refuse(*_: object) -> None:
        raise AssertionError("a run was begun")

    for name in ("CONFORMANCE_OWNER_KEY", "CONFORMANCE_TARGET", "CONFORMANCE_BASE_URL", "CONFORMANCE_REPORT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "_tell_stories", refuse)

    def speak(*arguments: str, key: str = "") -> Result:
        return CliRunner().invoke(main, list(arguments), env={"CONFORMANCE_OWNER_KEY": key} if key else {})

    return speak


def refused(result: Result, *said: str) -> None:
    """The command ended as a usage error in the words wanted, and with no traceback."""
    assert result.exit_code == 2, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    for words in said:
        assert words in result.output
    assert len(result.output) < 2500


# what is wrong with a profile


def test_an_examination_wants_a_profile_that_can_be_used(say: Callable[..., Result]) -> None:
    """Else nothing is sent."""
    refused(say("doctor", "--target", "nowhere.toml"), "nowhere.toml")
    refused(say("doctor", "--base-url", "http://127.0.0.1:9/v1"), "export CONFORMANCE_OWNER_KEY=")
    refused(say("doctor", "--base-url", "http://127.0.0.1:9/v1", "--set", "limits.timeout=long", key=KEY), "--set")


def test_a_profile_that_is_not_there(say: Callable[..., Result]) -> None:
    """The file is named, and one of a similar name."""
    Path("staging.toml").write_text(PROFILE, encoding="utf-8")
    refused(say("run", "--target", "stagin.toml"), "stagin.toml", "staging.toml")


def test_a_folder_in_place_of_a_profile(say: Callable[..., Result]) -> None:
    """It is no file."""
    refused(say("run", "--target", "."), "--target")


def test_a_setting_of_the_wrong_name(say: Callable[..., Result]) -> None:
    """The right one is named beside it."""
    Path("t.toml").write_text(f"{PROFILE}[limits]\ntimeuot = 3\n", encoding="utf-8")
    refused(say("run", "--target", "t.toml", key=KEY), "t.toml", "timeuot", "timeout")


def test_a_profile_that_is_no_toml(say: Callable[..., Result]) -> None:
    """The line is named."""
    Path("t.toml").write_text("base_url = \n", encoding="utf-8")
    refused(say("run", "--target", "t.toml", key=KEY), "t.toml", "line 1")


def test_a_key_that_is_not_in_the_environment(say: Callable[..., Result]) -> None:
    """The variable is named, and what to write."""
    refused(say("run", "--base-url", "http://127.0.0.1:9/v1"), "CONFORMANCE_OWNER_KEY", "export")


def test_a_key_that_was_pasted_into_the_profile(say: Callable[..., Result]) -> None:
    """It is not repeated."""
    Path("t.toml").write_text(f'{PROFILE}[keys.owner]\nenv = "{KEY}"\n', encoding="utf-8")
    result = say("run", "--target", "t.toml")
    refused(result, "keys.owner")
    assert KEY not in result.output


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("limits.timeuot=5", "timeout"),
        ("limits.timeout", "wanted KEY=VALUE, such as --set limits.timeout=5"),
        ("limits.timeout=soon", "limits.timeout"),
        ("limits.timeout=-1", "limits.timeout"),
        ("=5", "wanted KEY=VALUE"),
        ("limits=5", "limits"),
        ("nonsense=5", "nonsense"),
        ("", "wanted KEY=VALUE"),
    ],
)
def test_a_setting_that_is_none(say: Callable[..., Result], setting: str, said: str) -> None:
    """Name, value, and what is allowed."""
    refused(say("run", "--base-url", "http://127.0.0.1:9/v1", "--set", setting, key=KEY), said)


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x/v1", "", "http://", "not a url"])
def test_a_base_url_that_is_none(say: Callable[..., Result], url: str) -> None:
    """It is quoted, with what would be one."""
    refused(say("run", "--base-url", url, "--target", "t.toml", key=KEY), "t.toml")
    Path("t.toml").write_text("", encoding="utf-8")
    refused(say("run", "--base-url", url, "--target", "t.toml", key=KEY), "base_url")


# what is wrong with the options


@pytest.mark.parametrize("rows", ["NONSENSE", "IDENT-99", "STATE-1,NONSENSE", "IDENT STATE"])
def test_rows_that_are_none(say: Callable[..., Result], rows: str) -> None:
    """The families are named, and the form of an id."""
    result = say("run", "--base-url", "http://127.0.0.1:9/v1", "--only", rows, key=KEY)
    refused(result, f"--only {rows}", "IDENT", "STATE", "IDENT-4")
    refused(say("requirements", "--only", rows), "neither a family")


@pytest.mark.parametrize("name", ["nonsense", "accept-both-identifiers", "", "list"])
def test_a_fault_that_is_none(say: Callable[..., Result], name: str) -> None:
    """Names near it are said, and where all of them are."""
    refused(say("run", "--fault", name), "there is no fault", "serve --fault list")


def test_the_nearest_fault_is_named(say: Callable[..., Result]) -> None:
    """A slip of the finger is put right."""
    assert "accepts-both-identifiers" in say("run", "--fault", "accept-both-identifiers").output


def test_a_fault_goes_with_the_reference_service_alone(say: Callable[..., Result]) -> None:
    """Nobody's own service has our faults."""
    result = say("run", "--base-url", "http://127.0.0.1:9/v1", "--fault", "accepts-both-identifiers", key=KEY)
    refused(result, "leave out the target")


@pytest.mark.parametrize("options", [["--depth", "deep"], ["--seed", "x"], ["--colour"], ["extra"]])
def test_options_that_are_none(say: Callable[..., Result], options: list[str]) -> None:
    """They are click's to complain of."""
    refused(say("run", *options), "Usage:")


@pytest.mark.parametrize("folder", ["a-file", "a-file/below", "/proc/nowhere"])
def test_a_report_folder_that_cannot_be_written(say: Callable[..., Result], folder: str) -> None:
    """It is said before anything is sent."""
    Path("a-file").write_text("", encoding="utf-8")
    refused(say("run", "--base-url", "http://127.0.0.1:9/v1", "--report-dir", folder, key=KEY), folder)


@pytest.mark.parametrize("text", ["", "paths: {}", "paths: [", "openapi: 2001-13-45"])
def test_a_contract_that_is_none(say: Callable[..., Result], text: str) -> None:
    """The file is named, and not the rows."""
    Path("mine.yaml").write_text(text, encoding="utf-8")
    result = say("run", "--base-url", "http://127.0.0.1:9/v1", "--contract", "mine.yaml", key=KEY)
    refused(result, "mine.yaml")
    assert "--only" not in result.output


def test_a_journal_that_is_none(say: Callable[..., Result]) -> None:
    """Missing, or something else."""
    Path("notes.txt").write_text("no journal\n" * 500, encoding="utf-8")
    refused(say("judge", "none.sqlite"), "none.sqlite", "no such journal")
    refused(say("judge", "notes.txt"), "notes.txt", "not the journal of a run")


def test_a_journal_that_was_cut_short(say: Callable[..., Result], smoke: Recorded) -> None:
    """Half a download is no journal, and no traceback either."""
    Path("half.sqlite").write_bytes(smoke.journal.read_bytes()[: smoke.journal.stat().st_size // 2])
    refused(say("judge", "half.sqlite"), "half.sqlite")


# what is right


def test_the_rows_are_listed(say: Callable[..., Result]) -> None:
    """All of them, each with its level and its statement."""
    result = say("requirements")
    assert result.exit_code == 0
    for row in catalogue().values():
        assert f"{row.id:<10}{row.level:<8}{row.statement}" in result.output
    assert "IDENT-1 " not in say("requirements", "--only", "STATE").output


def test_the_faults_are_listed(say: Callable[..., Result]) -> None:
    """Each with its deed."""
    result = say("serve", "--fault", "list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == list(FAULTS)


@pytest.mark.parametrize("command", [[], *([name] for name in main.commands)], ids=str)
def test_every_command_has_help(say: Callable[..., Result], command: list[str]) -> None:
    """With an example to copy."""
    result = say(*command, "--help")
    assert result.exit_code == 0
    assert "\\b" not in result.output
    assert re.search(r"^    cancel-conformance ", result.output, re.MULTILINE)


def test_the_version_is_said(say: Callable[..., Result]) -> None:
    """The one that a journal notes."""
    assert __version__ in say("--version").output


def test_a_target_that_is_no_such_api_is_said_in_a_sentence(run_suite: RunSuite) -> None:
    """A whole run against a login page: exit 3, one sentence, and no table of rows that were never asked."""
    page = answer(200, content=b"<html>Log in</html>", content_type="text/html")
    with standing_in(lambda _: page) as server:
        options = ["--base-url", server.base_url, "--depth", "smoke", "--only", "STATE", "--report-dir", "results"]
        run = run_suite("run", *options, environ={"CONFORMANCE_OWNER_KEY": KEY, "PYTEST_ADDOPTS": "--nonsense"})
    assert run.code == 3, run.stdout + run.stderr
    assert f"Nothing could be learned: {server.base_url}/tasks/query answered 200 with 'text/html'" in run.stdout
    assert "STATE-1" not in run.stdout
    assert "Traceback" not in run.stdout + run.stderr
    assert set(run.verdicts.values()) == {"inconclusive"}
    assert KEY not in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("options", "code"), [((), 3), (("--fail-on-inconclusive",), 1), (("--gate", "none"), 0)], ids=str
)
def test_a_run_ends_as_its_gate_has_it(run_suite: RunSuite, options: tuple[str, ...], code: int) -> None:
    """A target that does not answer proves nothing: 3, unless something else was asked for, which is then named."""
    target = ["--base-url", "http://127.0.0.1:9/v1", "--only", "STATE-1", "--report-dir", "results"]
    run = run_suite("run", *target, *options, environ={"CONFORMANCE_OWNER_KEY": KEY})
    assert run.code == run.summary["exit_code"] == code, run.stdout + run.stderr
    assert "no MUST row is broken, and not all of them are proven" in run.stdout
    assert " ".join(options) in run.stdout


def test_a_target_that_is_silent_is_not_certified(run_suite: RunSuite, tmp_path: Path) -> None:
    """Its rows are named as what is lacking, and no certificate is left."""
    options = ["--base-url", "http://127.0.0.1:9/v1", "--report-dir", "results", "--out", "c.json"]
    run = run_suite("certify", *options, environ={"CONFORMANCE_OWNER_KEY": KEY})
    assert run.code == 3, run.stdout + run.stderr
    assert "not certified:\n  IDENT-1 is inconclusive: http://127.0.0.1:9/v1 does not answer" in run.stdout
    assert "  no required row passed" in run.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results"]


@pytest.mark.parametrize("option", ["--key", "--selftest"])
def test_what_a_certificate_needs_is_looked_at_first(say: Callable[..., Result], option: str) -> None:
    """A key or a matrix that is none is told before anything is sent."""
    Path("none").write_text("nothing", encoding="utf-8")
    refused(say("certify", "--base-url", "http://127.0.0.1:9/v1", option, "none", key=KEY), "none: no ")


def test_a_keyword_that_chooses_nothing(run_suite: RunSuite) -> None:
    """It is said, and nothing is called inconclusive for it."""
    run = run_suite(
        "run", "--base-url", "http://127.0.0.1:9/v1", "-k", "no_such_test", environ={"CONFORMANCE_OWNER_KEY": KEY}
    )
    assert run.code == 2, run.stdout + run.stderr
    assert "-k no_such_test: it chooses no test" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_usage_problem_is_an_exception_of_its_own() -> None:
    """So that no traceback of ours is ever taken for the user's mistake."""
    assert not issubclass(UsageProblem, ValueError | KeyError | OSError)
    assert CONTRACT.source.endswith("cancel-task.yaml")


@pytest.mark.parametrize(("broken", "code"), [(ValueError("a bug"), 4), (UsageProblem("write it so"), 2)])
def test_what_breaks_in_a_command_is_told_from_what_was_asked_wrongly(
    say: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, broken: Exception, code: int
) -> None:
    """A trace and exit 4, or a sentence and exit 2; never a verdict on the target."""

    def break_down(*_: object) -> None:
        raise broken

    monkeypatch.setattr("conformance.running.carry_out", break_down)
    result = say("run")
    assert result.exit_code == code
    assert ("Traceback" in result.stderr) is (code == 4)
    assert str(broken) in result.stderr
