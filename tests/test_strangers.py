"""The strangers are what they say: lawful variants of the service, each unlike it in one part, none blamed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import httpx
import pytest
from conftest import REFERENCE_PROFILE, RunSuite

from conformance.reference.faults import FAULTS
from conformance.reference.server import assemble
from conformance.reference.strangers import STRANGERS, Company, Stranger
from conformance.requirements import catalogue
from conformance.running import reference_service
from conformance.selftest import Trial, companies
from conformance.target.loading import load
from conformance.target.profile import Profile

BASE: Final = "http://127.0.0.1:1/v1"
KEYS: Final = {
    "CONFORMANCE_OWNER_KEY": "sk-owner-1",
    "CONFORMANCE_OTHER_KEY": "sk-other-2",
    "CONFORMANCE_REVOKED_KEY": "sk-revoked-3",
    "REFERENCE_SIBLING_KEY": "sk-sibling-4",
}


def profile_of(name: str) -> Profile:
    """The reference profile, under the settings of a stranger."""
    return load(REFERENCE_PROFILE, environ=KEYS, base_url=BASE, overrides=STRANGERS[name].settings)


def tried(**given: tuple[str, ...]) -> Trial:
    """A trial of a stranger that takes keys in its own header only."""
    usual = {"broken": (), "passed": (), "unproven": ()} | given
    sets = {name: frozenset(rows) for name, rows in usual.items()}
    return Trial(fault=None, stranger="takes-bearers-only", seed=1, seconds=1.0, **sets)


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_says_what_it_is(name: str) -> None:
    """In a sentence, with rows of the catalogue that it may leave open or warn on, and no MUST among the latter."""
    made = STRANGERS[name]
    assert made.__doc__
    assert made.__doc__.endswith(".")
    assert "\n" not in made.__doc__
    assert {*made.unproven} <= {*catalogue()}
    assert all(catalogue()[row].level != "MUST" for row in made.lacks)


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_replaces_one_part_of_the_service(name: str, tmp_path: Path) -> None:
    """It can be put together, and is not the usual one."""
    api = assemble(tmp_path / "tasks.sqlite", stranger=name)
    parts = (api, api.service, api.service.store)
    assert sum(isinstance(part, STRANGERS[name]) for part in parts) == 1
    assert sum(isinstance(part, Stranger) for part in parts) == 1
    api.service.store.close()


@pytest.mark.parametrize("name", [name for name, made in STRANGERS.items() if made.settings])
def test_the_settings_of_a_stranger_are_a_profile(name: str) -> None:
    """Nothing in them is unheard of, and they say something."""
    assert profile_of(name) != load(REFERENCE_PROFILE, environ=KEYS, base_url=BASE)


def test_strangers_keep_company(tmp_path: Path) -> None:
    """Those who replace different things make one service, with what all of them say of themselves."""
    company = Company.of("names-pending-queued+asks-by-get+prints-pretty+holds-then-refunds")
    api = company.assemble(tmp_path / "tasks.sqlite", 1.0)
    parts = (api, api.service, api.service.store)
    assert all(any(isinstance(part, member) for part in parts) for member in company.members)
    assert company.settings == {"state_names.pending": "queued", "query.method": "GET"}
    api.service.store.close()


@pytest.mark.parametrize(
    ("names", "rivalry"),
    [
        ("compresses-unasked+sends-in-pieces", "compresses-unasked and sends-in-pieces .* disagree on Api.respond"),
        ("uses-uuids+prints-pretty+makes-up-out-task-ids", "-ids cannot be one service: .* on Service.draft"),
        ("has-no-account-document+shows-the-account-in-a-document", "disagree on Api.account$"),
        ("answers-malformed-task-ids-with-400+uses-odd-letters", "disagree on Service.fresh_id"),
        ("tidies-paths-up+uses-odd-letters", "disagree on Service.fresh_id$"),
        ("names-pending-queued+names-every-state-differently", "disagree on Service.show, state_names.pending"),
    ],
)
def test_strangers_that_are_rivals_keep_no_company(names: str, rivalry: str) -> None:
    """What one does anew, inherited or of its own, no other may do, nor rely on that it is as usual."""
    with pytest.raises(ValueError, match=rivalry):
        Company.of(names)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_stranger_is_tried_once(seed: int) -> None:
    """Whatever the seed, and in a company that can be."""
    tried = companies(seed, "")
    assert sorted(name for names in tried for name in names.split("+")) == sorted(STRANGERS)
    assert all(Company.of(names) for names in tried)
    assert companies(seed, "uses-uuids") == ["uses-uuids"]


def test_no_stranger_is_a_fault() -> None:
    """One name means one thing."""
    assert not STRANGERS.keys() & FAULTS.keys()


@pytest.mark.parametrize("name", ["reverses-the-keys", "escapes-every-letter", "writes-numbers-in-many-ways"])
def test_another_hand_writes_the_same(name: str) -> None:
    """What is spelled otherwise means what it meant."""
    with reference_service(stranger=name) as started:
        headers = {"authorization": f"Bearer {started['keys']['owner']}"}
        with httpx.Client(base_url=started["base_url"], headers=headers, trust_env=False) as http:
            asked = {"model": "sim-pending", "params": {}, "out_task_id": "ü-\U0001f600"}
            shown = [json.loads(http.post("/tasks/submit", json=asked).content) for _ in range(5)]
            refused = http.post("/tasks/cancel", json={}).json()
    assert shown == [shown[0]] * 5
    assert shown[0]["out_task_id"] == "ü-\U0001f600"
    assert refused["error"]["code"] == "invalid_param"


def test_a_row_that_a_stranger_lacks_may_warn() -> None:
    """What it says of itself is no complaint; anything more is a false alarm."""
    assert not tried(broken=["AUTH-7", "AUTH-8"], passed=["IDENT-1"]).complaint
    assert "blamed: IDENT-1" in tried(broken=["AUTH-7", "IDENT-1"]).complaint
    assert "left open: BILL-4" in tried(unproven=["BILL-4"]).complaint


@pytest.mark.parametrize("name", ["holds-then-refunds", "names-every-state-differently"])
def test_a_stranger_is_not_blamed(run_suite: RunSuite, name: str, tmp_path: Path) -> None:
    """A short run against it ends without anything broken."""
    options = ["--depth", "smoke", "--only", "IDENT,BILL", "--report-dir", str(tmp_path / "results")]
    run = run_suite("run", "--stranger", name, *options)
    assert not {row for row, verdict in run.verdicts.items() if verdict in {"fail", "warn"}}, run.stdout


def test_an_unknown_stranger_is_a_usage_error(run_suite: RunSuite) -> None:
    """The nearest names are told, and nothing runs."""
    run = run_suite("run", "--stranger", "holds-then-refund")
    assert run.code == 2
    assert "holds-then-refunds" in run.stderr


@pytest.mark.parametrize("command", ["run", "serve"])
def test_a_stranger_has_no_fault(run_suite: RunSuite, command: str) -> None:
    """The two are different services."""
    run = run_suite(command, "--stranger", "uses-uuids", "--fault", next(iter(FAULTS)))
    assert run.code == 2
    assert "give one of them" in run.stderr


def test_a_stranger_goes_with_the_built_in_service(run_suite: RunSuite) -> None:
    """Where a target is named there is nothing to replace."""
    run = run_suite("run", "--stranger", "uses-uuids", "--base-url", BASE)
    assert run.code == 2
    assert "--stranger goes with the built-in reference service" in run.stderr
