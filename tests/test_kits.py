"""The CI kits do what they say, as far as a machine without their services can tell."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from dockerfile_parse import DockerfileParser
from reader import files
from runners import ROOT, Job, gitlab_documents, jenkins_scripts, run_action, run_gitlab_job

from conformance.running import reference_service

ROWS: Final = "IDENT-1,IDENT-4,STATE-1"
PROFILE: Final = (ROOT / "conformance" / "target" / "reference.toml").read_text(encoding="utf-8")


def settings(started: dict[str, Any]) -> dict[str, str]:
    """The environment of a job whose target is a reference service."""
    keys = {f"CONFORMANCE_{role.upper()}_KEY": started["keys"][role] for role in ("owner", "other", "revoked")}
    return {**keys, "CONFORMANCE_BASE_URL": started["base_url"]}


@pytest.fixture(scope="module")
def broken() -> Iterator[dict[str, str]]:
    """A service with a fault, as a job's environment names it."""
    with reference_service("accepts-both-identifiers") as started:
        yield settings(started)


@pytest.fixture
def sound(service: dict[str, Any]) -> dict[str, str]:
    """A sound service, as a job's environment names it."""
    return settings(service)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A checkout of somebody who has a profile."""
    (tmp_path / "staging.toml").write_text(PROFILE, encoding="utf-8")
    return tmp_path


def complaints(schema: str, document: Path) -> str:
    """What the official schema has against a document; nothing, if it is valid."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(document)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


# the GitHub action


def test_the_action_is_one_by_githubs_schema() -> None:
    """As the schema that editors use has it."""
    assert complaints("github-actions", ROOT / "action.yml") == ""


def test_a_spoiled_action_is_not(tmp_path: Path) -> None:
    """The schema sees a step without a shell."""
    spoiled = tmp_path / "action.yml"
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    spoiled.write_text(text.replace("      shell: bash\n", "", 1), encoding="utf-8")
    assert "shell" in complaints("github-actions", spoiled)


def test_the_action_is_green_on_a_sound_service(workspace: Path, sound: dict[str, str]) -> None:
    """Summary, output and artifact are there; no annotation is, and nothing goes to code scanning unasked."""
    job = run_action(workspace, sound, target="staging.toml", only=ROWS, arguments="--seed\n7\n")
    assert job.code == 0, job.log
    assert job.outputs["run"] == {"exit-code": "0"}
    assert "seed 7" in job.log
    assert job.commands == []
    shown = (workspace / ".github_step_summary").read_text(encoding="utf-8")
    assert shown.startswith("## ✓ Conformant")
    [(used, told)] = job.used
    assert used.startswith("actions/upload-artifact@")
    kept = {path.name for path in (workspace / told["path"]).iterdir()}
    assert kept >= {"journal.sqlite", "report.html", "summary.json", "junit.xml", "ctrf.json", "cancel.sarif"}


def test_the_action_is_red_on_a_broken_one(workspace: Path, broken: dict[str, str]) -> None:
    """The row is an annotation, the summary tells it, and code scanning is given a file that is there."""
    job = run_action(workspace, broken, target="staging.toml", only=ROWS, sarif="true")
    assert job.code == 1, job.log
    assert [line.partition("::Both")[0] for line in job.commands] == ["::error title=IDENT-4 MUST"]
    assert "IDENT-4" in (workspace / ".github_step_summary").read_text(encoding="utf-8")
    [artifact, scanning] = job.used
    assert artifact[1]["name"] == "cancel-conformance"
    assert scanning[0].startswith("github/codeql-action/upload-sarif@")
    log = json.loads((workspace / scanning[1]["sarif_file"]).read_text(encoding="utf-8"))
    assert [result["ruleId"] for result in log["runs"][0]["results"]] == ["IDENT-4"]


@pytest.mark.parametrize(("tolerates", "code"), [("false", 3), ("true", 0)])
def test_the_action_tolerates_what_is_open_only_if_it_is_told_to(
    workspace: Path, sound: dict[str, str], tolerates: str, code: int
) -> None:
    """A target that nobody can reach proves nothing; green is said of it on purpose alone."""
    silent = {**sound, "CONFORMANCE_BASE_URL": "http://127.0.0.1:9", "CONFORMANCE_LIMITS__PATIENCE": "0"}
    job = run_action(workspace, silent, target="staging.toml", only=ROWS, tolerate_inconclusive=tolerates)
    assert job.code == code, job.log
    assert job.outputs["run"] == {"exit-code": "3"}
    assert [line.partition("::")[2].partition(" ")[0] for line in job.commands] == ["notice"]


def test_the_action_says_that_a_profile_is_missing(workspace: Path, sound: dict[str, str]) -> None:
    """Nothing was sent; the job is red, and the annotation points at the step that tells why."""
    job = run_action(workspace, sound, target="nowhere.toml", only=ROWS)
    assert job.code == 2, job.log
    assert job.commands == ["::error title=cancel-conformance::nothing was sent; the step before says why"]
    assert "nowhere.toml" in job.log


def test_no_line_of_a_run_is_a_command(workspace: Path, sound: dict[str, str]) -> None:
    """What is said between the two stop words is read by nobody, and the word is another one each time."""
    logs = [run_action(workspace, sound, target="nowhere.toml").log for _ in range(2)]
    words = [re.findall(r"^::stop-commands::(\w{32})$", log, re.MULTILINE) for log in logs]
    assert words[0] != words[1]
    assert [f"\n::{word[0]}::\n" in log for word, log in zip(words, logs, strict=True)] == [True, True]
    told = Job(workspace, {}, log="::stop-commands::x\n::error::from a target\n  ::x::\n::notice::ours\n")
    assert told.commands == ["::notice::ours"]


# the GitLab component


def test_the_component_is_one_by_gitlabs_schema(tmp_path: Path) -> None:
    """The header and the job that comes of it, both; a job without a script is not."""
    for number, document in enumerate(gitlab_documents(package="here", target="staging.toml")):
        file = tmp_path / f"{number}.gitlab-ci.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        assert complaints("gitlab-ci", file) == ""
    del document["cancel-conformance"]["script"]
    file.write_text(json.dumps({**document, "stages": 5}), encoding="utf-8")
    assert complaints("gitlab-ci", file) != ""


def test_the_component_runs(workspace: Path, sound: dict[str, str], broken: dict[str, str]) -> None:
    """Green on the sound service, red on the broken one, and what it keeps is there in both cases."""
    for environ, code in ((sound, 0), (broken, 1)):
        job = run_gitlab_job(workspace, environ, package="here", target="staging.toml", only=ROWS)
        assert job.code == code, job.log
        [described] = gitlab_documents(package="here", target="staging.toml")[1].values()
        assert (workspace / described["artifacts"]["reports"]["junit"]).stat().st_size > 0
        assert (workspace / described["artifacts"]["paths"][0] / "summary.md").read_text(encoding="utf-8")


def test_the_component_warns_or_fails_about_what_is_open(workspace: Path, sound: dict[str, str]) -> None:
    """Exit code 3 is a warning in GitLab, 1 is none."""
    silent = {**sound, "CONFORMANCE_BASE_URL": "http://127.0.0.1:9", "CONFORMANCE_LIMITS__PATIENCE": "0"}
    given = {"package": "here", "target": "staging.toml", "only": ROWS}
    assert run_gitlab_job(workspace, silent, **given).code == 3
    assert run_gitlab_job(workspace, silent, **given, tolerate_inconclusive="false").code == 1
    [described] = gitlab_documents(package="here", target="staging.toml")[1].values()
    assert described["allow_failure"] == {"exit_codes": [3]}


# the Jenkins stage


@pytest.mark.slow
def test_the_stage_runs(workspace: Path, sound: dict[str, str]) -> None:
    """It installs nothing where the command is there, judges, and leaves what its publishers look for."""
    environ = {**sound, "WORKSPACE": str(workspace), "CANCEL_TARGET": "staging.toml", "CANCEL_DEPTH": "smoke"}
    job = Job(workspace, environ)
    install, run, report = jenkins_scripts()
    assert job.shell(["sh", "-xe"], install, {}) == 0
    assert not (workspace / ".conformance-venv").exists()
    assert job.shell(["sh", "-xe"], run, {}) in {0, 3}, job.log
    assert job.shell(["sh", "-xe"], report, {}) == 0
    assert "pass" in job.log
    for name in ("junit.xml", "summary.md", "cancel.sarif"):
        assert (workspace / "conformance-report" / name).stat().st_size > 0


def test_the_stage_reports_nothing_where_nothing_was_sent(workspace: Path) -> None:
    """A usage problem is red by its own step, not by the one after it."""
    job = Job(workspace, {"WORKSPACE": str(workspace), "CANCEL_TARGET": "nowhere.toml", "CANCEL_DEPTH": "smoke"})
    _, run, report = jenkins_scripts()
    assert job.shell(["sh", "-xe"], run, {}) == 2
    assert job.shell(["sh", "-xe"], report, {}) == 0


# the container file


def test_the_container_file_takes_along_what_the_package_is_made_of() -> None:
    """Every folder and file that the build reads, and no more; it runs as nobody, with a Python that will do."""
    with (ROOT / "Containerfile").open("rb") as file:
        parsed = DockerfileParser(fileobj=file)
        steps = [(step["instruction"], step["value"]) for step in parsed.structure]
        base = parsed.baseimage
    copied = {name for kind, value in steps if kind == "COPY" for name in value.split()[:-1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    read = {"pyproject.toml", "LICENSE", project["project"]["readme"]}
    assert copied == {*read, *wheel["packages"], *wheel["force-include"]}
    assert all((ROOT / name).exists() for name in copied)
    said = dict(steps)
    assert json.loads(said["ENTRYPOINT"])[0] in project["project"]["scripts"]
    assert said["USER"] not in {"root", "0"}
    version = tuple(map(int, re.findall(r"\d+", base.partition(":")[2])[:2]))
    assert version >= tuple(map(int, re.findall(r"\d+", project["project"]["requires-python"])))


# what the documentation shows of them


def test_the_workflow_of_the_documentation_is_one(tmp_path: Path) -> None:
    """By GitHub's schema, and with inputs that the action has."""
    text = files(ROOT / "docs" / "ci.md")[".github/workflows/cancel.yml"]
    (tmp_path / "cancel.yml").write_text(text, encoding="utf-8")
    assert complaints("github-workflows", tmp_path / "cancel.yml") == ""
    [job] = yaml.safe_load(text)["jobs"].values()
    given = next(step["with"] for step in job["steps"] if "cancel-conformance@" in step["uses"])
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert set(given) <= set(action["inputs"])


def test_the_documentation_names_every_input() -> None:
    """With its default, as the action has it."""
    told = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    for name, said in action["inputs"].items():
        default = f"`{said['default']}`" if said["default"] else ""
        assert f"| `{name}` | {default} |".replace("|  |", "| |") in told


def test_the_include_of_the_documentation_gives_what_the_component_wants(tmp_path: Path) -> None:
    """By GitLab's schema, and every input that has no default."""
    text = files(ROOT / "docs" / "ci.md")[".gitlab-ci.yml"]
    (tmp_path / ".gitlab-ci.yml").write_text(text, encoding="utf-8")
    assert complaints("gitlab-ci", tmp_path / ".gitlab-ci.yml") == ""
    [included] = yaml.safe_load(text)["include"]
    given = {name.replace("-", "_"): value for name, value in included["inputs"].items()}
    assert gitlab_documents(**given)
