"""What runs a CI kit where its service is not: the steps of a composite action, of a GitLab job, of a Jenkins stage.

Each step is a process of its own with the shell and the variables that the service would give it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from conftest import clean_environment
from groovy_parser.parser import digest_lark_tree, parse_groovy_content

ROOT: Final = Path(__file__).parents[1]
LONGEST: Final = 120.0
_EXPRESSION: Final = re.compile(r"\$\{\{ *(.+?) *\}\}")
_INPUT: Final = re.compile(r"\$\[\[ *inputs\.([\w-]+) *\]\]")
_COMPARISON: Final = re.compile(r"([\w.-]+) (==|!=) '([^']*)'")


@dataclass
class Job:
    """What a runner knows of a job: its workspace, its log, whether it still succeeds, and what its steps told."""

    workspace: Path
    environ: Mapping[str, str]
    log: str = ""
    code: int = 0
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    used: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def shell(self, command: list[str], script: str, more: Mapping[str, str]) -> int:
        """Run a script as the service does: from a file, in the workspace; its output goes into the log."""
        file = self.workspace / ".script"
        file.write_text(script, encoding="utf-8")
        added = self.workspace / ".github_path"
        first = added.read_text(encoding="utf-8").split() if added.exists() else []
        path = ":".join([*first, str(Path(sys.executable).parent), self.environ.get("PATH", "/usr/bin:/bin")])
        done = subprocess.run(
            [*command, str(file)],
            env=clean_environment({**self.environ, "PATH": path, **more}),
            cwd=self.workspace,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        self.log += done.stdout
        return done.returncode

    @property
    def commands(self) -> list[str]:
        """The lines of the log that a runner of GitHub would obey."""
        obeyed, word = [], None
        for line in map(str.lstrip, self.log.splitlines()):
            if word is not None:
                word = None if line == f"::{word}::" else word
            elif line.startswith("::stop-commands::"):
                word = line.removeprefix("::stop-commands::")
            elif line.startswith(("::", "##[")):
                obeyed.append(line)
        return obeyed


def run_action(workspace: Path, environ: Mapping[str, str], **given: str) -> Job:
    """The action of this repository, step by step, as GitHub's runner takes it; what it uses of others is noted."""
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    inputs = {name: str(said.get("default", "")) for name, said in action["inputs"].items()}
    for name, value in given.items():
        assert name.replace("_", "-") in inputs
        inputs[name.replace("_", "-")] = value
    files = {name: workspace / f".{name.lower()}" for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH")}
    job = Job(workspace, {**environ, "GITHUB_ACTIONS": "true", "CI": "true", "RUNNER_TEMP": str(workspace / ".temp")})
    for step in action["runs"]["steps"]:
        files["GITHUB_OUTPUT"].write_text("", encoding="utf-8")
        _take(job, step, inputs, {name: str(path) for name, path in files.items()})
        told = files["GITHUB_OUTPUT"].read_text(encoding="utf-8").splitlines()
        job.outputs[step.get("id", "")] = dict(line.split("=", 1) for line in told)
    return job


def _take(job: Job, step: Mapping[str, Any], inputs: Mapping[str, str], files: Mapping[str, str]) -> None:
    if not _happens(job, step.get("if", "success()"), inputs):
        return
    if "uses" in step:
        job.used.append((step["uses"], {name: _filled(job, str(v), inputs) for name, v in step["with"].items()}))
        return
    assert step["shell"] == "bash"
    assert not _EXPRESSION.search(step["run"]), "what a caller says must not become part of a script"
    told = {name: _filled(job, text, inputs) for name, text in step.get("env", {}).items()}
    code = job.shell(["bash", "--noprofile", "--norc", "-eo", "pipefail"], step["run"], {**told, **files})
    job.code = job.code or code


def _happens(job: Job, condition: str, inputs: Mapping[str, str]) -> bool:
    """Whether a step runs; without `always()` it does after a success only."""
    terms = condition.split(" && ")
    for term in terms:
        if term not in {"always()", "success()"}:
            compared = _COMPARISON.fullmatch(term)
            assert compared, f"no runner of ours knows {term}"
            if (_value(job, compared[1], inputs) == compared[3]) is not (compared[2] == "=="):
                return False
    return "always()" in terms or job.code == 0


def _filled(job: Job, text: str, inputs: Mapping[str, str]) -> str:
    return _EXPRESSION.sub(lambda found: _value(job, found[1], inputs), text)


def _value(job: Job, name: str, inputs: Mapping[str, str]) -> str:
    """The value of `inputs.x`, `steps.x.outputs.y` or `github.action_path`."""
    kind, _, rest = name.partition(".")
    if kind == "inputs":
        return inputs[rest]
    if kind == "steps":
        step, _, output = rest.split(".")
        return job.outputs.get(step, {}).get(output, "")
    assert name == "github.action_path"
    return str(ROOT)


def gitlab_documents(**given: str) -> list[Any]:
    """The two documents of the GitLab component, with the inputs filled in."""
    text = (ROOT / "templates" / "cancel-conformance" / "template.yml").read_text(encoding="utf-8")
    inputs = yaml.safe_load(text.partition("\n---\n")[0])["spec"]["inputs"]
    values = {name: given.get(name.replace("-", "_"), said.get("default")) for name, said in inputs.items()}
    assert None not in values.values(), "an input without a default is to be given"
    shown = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()}
    return list(yaml.safe_load_all(_INPUT.sub(lambda found: shown[found[1]], text)))


def run_gitlab_job(workspace: Path, environ: Mapping[str, str], **given: str) -> Job:
    """The job of the component: its script in one shell, and afterwards what is to happen in any case."""
    [described] = gitlab_documents(**given)[1].values()
    job = Job(workspace, {**environ, "CI": "true", "GITLAB_CI": "true", "CI_PROJECT_DIR": str(workspace)})
    job.code = job.shell(["sh", "-e"], "\n".join(described["script"]), described["variables"])
    job.shell(["sh", "-e"], "\n".join(described["after_script"]), described["variables"])
    return job


@cache
def jenkins_scripts() -> list[str]:
    """The shell scripts of the Jenkins stage, in their order, from a Groovy parser."""
    tree = digest_lark_tree(parse_groovy_content((ROOT / "kits" / "Jenkinsfile").read_text(encoding="utf-8")))
    return [text for text in _literals(tree) if "\n" in text]


def _literals(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("leaf") == "STRING_LITERAL":
            yield node["value"]
        yield from _literals(node.get("children", []))
    elif isinstance(node, list):
        for each in node:
            yield from _literals(each)
