"""The profiles that come along work as they stand: each is judged against a service like the one that it is for."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from click.testing import CliRunner
from conftest import RunSuite
from jsonschema import Draft202012Validator, FormatChecker

from conformance.cli import main
from conformance.reference.strangers import STRANGERS
from conformance.running import reference_service
from conformance.target.profile import schema
from conformance.target.ready import ready

ROOT: Final = Path(__file__).parents[1]
PROFILES: Final = ROOT / "conformance" / "profiles"
SERVED: Final = {
    "behind-a-prefix": "lives-at-other-paths",
    "bytespike": None,
    "get-query": "asks-by-get",
    "with-a-hook": None,
    "with-fixed-ids": None,
    "x-api-key": "takes-the-key-in-its-own-header-only",
}
MODELS: Final = {"pending": "sim-pending", "running": "sim-long", "completed": "sim-quick", "failed": "sim-fails"}


def ended(started: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A variable for each state that names a task of the owner's which has ended so."""
    headers = {"authorization": f"Bearer {started['keys']['owner']}"}
    with httpx.Client(base_url=started["base_url"], headers=headers, trust_env=False) as http:
        for state in ("completed", "failed"):
            asked = {"model": MODELS[state], "params": {"prompt": "x"}}
            task_id = http.post("/tasks/submit", json=asked).json()["task_id"]
            while http.post("/tasks/query", json={"task_id": task_id}).json()["status"] != state:
                pass
            yield f"CONFORMANCE_STATES__{state.upper()}__TASKS", f'["{task_id}"]'


@contextmanager
def served(name: str) -> Iterator[dict[str, str]]:
    """The environment of a run by a ready profile: a free port, and what its text says is the user's to put in."""
    with reference_service(stranger=SERVED[name]) as started:
        keys = {role: started["keys"][role] for role in ("owner", "other")}
        environ = {f"CONFORMANCE_{role.upper()}_KEY": key for role, key in keys.items() if name != "bytespike"}
        if name == "bytespike":  # its models are not this service's
            environ |= {"BYTESPIKE_API_KEY": keys["owner"], "BYTESPIKE_OTHER_API_KEY": keys["other"]}
            environ |= {
                f"CONFORMANCE_STATES__{state.upper()}__SUBMIT": f'{{ model = "{model}", params = {{ prompt = "x" }} }}'
                for state, model in MODELS.items()
                if state != "failed"
            }
        if name == "with-fixed-ids":
            environ |= dict(ended(started))
        yield {**environ, "CONFORMANCE_BASE_URL": started["base_url"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVED)
def test_a_ready_profile_judges_a_lawful_service_as_such(name: str, run_suite: RunSuite, tmp_path: Path) -> None:
    """A copy of it, at smoke depth: nothing is broken, and what needs nothing that it lacks is proven."""
    assert CliRunner().invoke(main, ["init", str(tmp_path / "copy.toml"), "--like", name]).exit_code == 0
    options = ["--target", "copy.toml", "--depth", "smoke", "--report-dir", "results"]
    with served(name) as environ:
        run = run_suite("run", *options, environ=environ)
    stranger = SERVED[name]
    may_warn = set(STRANGERS[stranger].lacks) if stranger else set()
    broken = {row for row, verdict in run.verdicts.items() if verdict in {"fail", "warn"}}
    assert broken <= may_warn, run.stdout
    assert run.code in {0, 3}, run.stdout + run.stderr
    for row in ("IDENT-1", "IDENT-3", "STATE-1", "STATE-2", "IDEMP-1", "IDEMP-3", "PARITY-2", "BILL-1", "ISO-1"):
        assert run.verdicts[row] == "pass", (row, run.stdout)


def test_every_ready_profile_is_tried_and_says_what_it_is_for() -> None:
    """None is left out, each has a sentence of its own, and names the command that serves a service like it."""
    assert [*ready()] == [*SERVED]
    assert len(set(ready().values())) == len(SERVED)
    for name, stranger in SERVED.items():
        text = (PROFILES / f"{name}.toml").read_text(encoding="utf-8")
        assert text.startswith("#:schema ./profile.schema.json\n")
        if stranger:
            assert f"#   cancel-conformance serve --stranger {stranger}\n" in text
        elif name != "bytespike":
            assert "#   cancel-conformance serve\n" in text


def test_the_api_itself_is_spent_little_on() -> None:
    """Its profile stands at the production paths, has no key in it, and prices and a budget that are small."""
    text = (PROFILES / "bytespike.toml").read_text(encoding="utf-8")
    assert 'base_url = "https://llm.bytespike.ai/v1"' in text
    assert not re.search(r"^\[paths\]", text, re.MULTILINE)
    [most] = re.findall(r"^\[budget\]\ncredits = ([\d.]+)$", text, re.MULTILINE)
    assert float(most) <= 5
    assert [float(price) for price in re.findall(r"^credits = ([\d.]+)$", text, re.MULTILINE)] == [0, 0.12, 0.12, 5]


def test_every_profile_here_fits_the_schema() -> None:
    """As an editor sees it, with dates as text; and what does not fit is seen."""
    validator = Draft202012Validator(schema(), format_checker=FormatChecker())
    files = [*PROFILES.glob("*.toml"), *(ROOT / "benchmarks").glob("*.toml"), *(ROOT / "conformance").rglob("*.toml")]
    assert len(set(files)) == len(SERVED) + 2
    for file in files:
        document = json.loads(json.dumps(tomllib.loads(file.read_text(encoding="utf-8")), default=str))
        assert list(validator.iter_errors(document)) == [], file
    for wrong in (
        {"auth": {"header": "cookie"}},
        {"nmae": "x"},
        {"states": {"pending": {"holds": "long"}}},
        {"keys": 5},
    ):
        assert list(validator.iter_errors(wrong)), wrong


def test_the_schema_is_printed() -> None:
    """As JSON, valid by its metaschema, without null, which TOML does not have, and demanding nothing."""
    printed = json.loads(CliRunner().invoke(main, ["schema"]).stdout)
    Draft202012Validator.check_schema(printed)
    assert printed == json.loads(json.dumps(schema(), default=str))
    assert "null" not in json.dumps(printed)
    assert "required" not in printed
    assert list(Draft202012Validator(printed).iter_errors({})) == []
