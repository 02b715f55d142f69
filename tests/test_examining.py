"""An examination finds what is missing, says what to write for it, and ends what it began."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from conftest import REFERENCE_PROFILE, RunSuite, clean_environment, order_for, recorded, suite_command
from stand_in import KEY, OTHER_KEY, Heard, answer, nowhere, profile, standing_in
from test_together import own_certificate, secured

from conformance.examining import Finding, Mark, examine, exit_code
from conformance.exchange import Operation
from conformance.journal import Journal
from conformance.reference.strangers import STRANGERS
from conformance.requirements import catalogue, needing
from conformance.run import Run
from conformance.running import reference_service
from conformance.target.loading import load
from conformance.target.profile import Profile
from conformance.target.tables import Capability
from conformance.verdict import ExitCode

OPEN_TO_FALL: Final = ("STATE-1", "BILL-1", "BILL-2", "RACE-4")
UNKNOWN: Final = answer(404, {"error": {"code": "task_not_found", "message": "No."}})
REFUSED: Final = answer(401, {"error": {"code": "invalid_api_key", "message": "No."}})
WRITES: Final = re.compile(r"^ {24}(?:write|     ) {8}(.*)$", re.MULTILINE)


@dataclass
class Examined:
    """What an examination told, what it amounts to, and what was sent for it."""

    code: ExitCode
    told: list[str] = field(default_factory=list)
    sent: dict[Operation, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All that was told."""
        return "\n".join(self.told)

    @property
    def write(self) -> str:
        """All lines that were to be written, each once."""
        return "\n".join(dict.fromkeys(WRITES.findall(self.text)))

    def leaves(self, step: str) -> tuple[str, ...]:
        """The rows that a step leaves open."""
        [told] = [told for told in self.told if told.startswith(f"? {step} ")]
        return tuple(re.findall(r"\b[A-Z]+-\d+\b", told))


def examined(target: Profile, folder: Path, *, paid: bool = True) -> Examined:
    """Examine a target in this process."""
    told: list[str] = []
    with contextlib.closing(Journal.create(folder / "journal.sqlite")) as journal:
        code = examine(Run(order_for(target, folder), journal), paid=paid, tell=told.append)
        sent = {operation: journal.count(operation) for operation in Operation}
    return Examined(code, told, sent)


@contextlib.contextmanager
def target_like(
    stranger: str | None,
    folder: Path,
    *,
    lines: str = "",
    without: tuple[str, ...] = (),
    path: str = "/v1",
    **set_: str,
) -> Iterator[Profile]:
    """A served variant of the reference service, its profile with more `lines` and `without` some of its keys."""
    text = REFERENCE_PROFILE.read_text(encoding="utf-8")
    for role in without:
        text = re.sub(rf"\[keys\.{role}\]\n(.+\n)+", "", text)
    file = folder / "target.toml"
    file.write_text(f"{text}\n[budget]\ntasks = 50\n{lines}\n", encoding="utf-8")
    with reference_service(stranger=stranger) as started:
        keys = {f"CONFORMANCE_{role.upper()}_KEY": key for role, key in started["keys"].items() if role != "sibling"}
        environ = {name: key for name, key in keys.items() if name in text}
        base_url = started["base_url"].removesuffix("/v1") + path
        overrides = {name.replace("__", "."): value for name, value in set_.items()}
        yield load(file, environ=environ, base_url=base_url, overrides=overrides)


# what is well


def test_a_sound_target_is_well(run_suite: RunSuite, service: dict[str, Any], service_environ: dict[str, str]) -> None:
    """Every step is told, each with its mark, and all of it for four tasks that have ended."""
    options = ["--target", str(REFERENCE_PROFILE), "--base-url", service["base_url"], "--report-dir", "results"]
    run = run_suite("doctor", *options, "--set", "budget.tasks=4", environ=service_environ)
    assert run.code == 0, run.stdout + run.stderr
    steps = re.findall(r"^✓ (.{22})", run.stdout, re.MULTILINE)
    assert [step.strip() for step in steps] == [
        *("address", "connection", "TLS", "API", "owner key", "other key", "revoked key", "no key"),
        *("cancel, path", "cancel, task_id", "cancel, out_task_id", "credits left", "credits left", "callbacks"),
        *("limits", "budget", "pending task", "running task", "failed task", "completed task", "the end"),
    ]
    assert "4 tasks are submitted now, for a price that nobody knows" in run.stdout
    assert "4 tasks were submitted and have ended" in run.stdout
    assert not [key for key in service_environ.values() if key in run.stdout + run.stderr]
    with contextlib.closing(Journal.open(run.journal)) as journal:
        assert journal.count(Operation.SUBMIT) == 4
        assert journal.live_tasks() == []


def test_what_it_will_cost_is_said_before_it_does(tmp_path: Path) -> None:
    """By the prices of the profile, and in the line before the first task."""
    with target_like(None, tmp_path, states__running__credits="1.5", states__completed__credits="0.75") as target:
        made = examined(target, tmp_path)
    assert made.code is ExitCode.PASSED
    told = [line.split("  ")[0] for line in made.told]
    assert told.index("· states") + 1 == told.index("✓ pending task")
    assert "4 tasks are submitted now, for at most 2.25 credits; --free leaves this out" in made.text


@pytest.mark.parametrize(("settings", "paid"), [({}, False), ({"budget__tasks": "0"}, True)])
def test_nothing_is_submitted_unless_it_may(settings: Mapping[str, str], paid: bool, tmp_path: Path) -> None:
    """Neither where the paid part is left out, nor past the budget; and the latter leaves everything open."""
    with target_like(None, tmp_path, **settings) as target:
        made = examined(target, tmp_path, paid=paid)
    assert made.sent[Operation.SUBMIT] == 0
    assert made.code is (ExitCode.INCONCLUSIVE if paid else ExitCode.PASSED)
    assert ("left out, as asked for; nothing was submitted" in made.text) is not paid
    if paid:
        assert "the budget of 0 tasks is spent; raise budget.tasks" in made.text
        assert set(made.leaves("live tasks")) == set(catalogue())


# what to write


@pytest.mark.parametrize(
    ("stranger", "line"),
    [
        ("asks-by-get", 'method = "GET"'),
        ("takes-the-key-in-its-own-header-only", 'header = "x-api-key"'),
        ("puts-the-code-elsewhere", 'code = "/errors/0/code"'),
        ("puts-the-verb-last", 'cancel_task = "/tasks/{task_id}:cancel"'),
        ("names-pending-queued", 'pending = "queued"'),
        ("names-every-state-differently", 'cancelled = "canceled"'),
    ],
)
def test_what_is_to_be_written_makes_it_well(stranger: str, line: str, tmp_path: Path) -> None:
    """Something is wrong; and with the very lines that were told at the end of the profile nothing is."""
    with target_like(stranger, tmp_path) as target:
        made = examined(target, tmp_path)
    assert made.code is ExitCode.FAILED
    assert line in made.write
    headers = re.findall(r"^\[.*\]$", made.write, re.MULTILINE)
    assert len(headers) == len(set(headers))
    with target_like(stranger, tmp_path, lines=made.write) as target:
        again = examined(target, tmp_path)
    assert again.code is ExitCode.PASSED, again.text


def test_a_target_that_calls_an_unknown_id_invalid_is_well(tmp_path: Path) -> None:
    """It may, and it is noted (ruling R5)."""
    with target_like("demands-uuids", tmp_path) as target:
        made = examined(target, tmp_path)
    assert made.code is ExitCode.PASSED, made.text
    assert "· API                   an id of the documented shape is invalid" in made.text
    assert "✓ cancel, path          refused as invalid (R5)" in made.text


def test_a_base_url_that_lacks_its_version_is_completed(tmp_path: Path) -> None:
    """Whoever gives the host alone is told the rest."""
    with target_like(None, tmp_path, path="") as target:
        made = examined(target, tmp_path)
    assert made.code is ExitCode.FAILED
    assert made.write == f'base_url = "{target.base_url}/v1"'
    assert made.sent[Operation.SUBMIT] == 0


def test_tasks_whose_states_have_other_names_are_ended_all_the_same(tmp_path: Path) -> None:
    """What a word most likely means is enough to end a task, and to see that it has ended."""
    with target_like("names-every-state-differently", tmp_path) as target:
        made = examined(target, tmp_path)
    assert "✓ the end               4 tasks were submitted and have ended" in made.text


def test_a_word_that_nobody_knows_is_quoted_and_not_waited_for(tmp_path: Path) -> None:
    """The state is missed at once, and the task cancelled."""

    def says(heard: Heard) -> bytes:
        if heard.path.endswith("/submit"):
            return answer(200, {"task_id": "task_1", "status": "gobbledygook"})
        return answer(200, {"task_id": "task_1", "status": "gobbledygook"}) if b"task_1" in heard.content else UNKNOWN

    with standing_in(says) as server:
        made = examined(profile(server.base_url), tmp_path)
    assert "'gobbledygook', which the profile does not name, and which may be any of the five" in made.text
    assert "was seen 'gobbledygook', and nobody knows what that means" in made.text
    assert made.code is ExitCode.FAILED


# what stays open


def test_what_it_calls_open_is_not_proven_by_a_run(tmp_path: Path) -> None:
    """Without keys, accounting, a way to fail and a queue: the very rows that it names are those that a run leaves."""
    refused = {"states__failed__submit": '{ model = "no-such-model", params = {} }', "states__pending__holds": "0"}
    with target_like("starts-at-once+sends-no-accounting", tmp_path, without=("other", "revoked"), **refused) as target:
        made = examined(target.model_copy(update={"account": type(target.account)()}), tmp_path)
        environ = {"CONFORMANCE_OWNER_KEY": target.secret("owner")}
        text = (tmp_path / "target.toml").read_text(encoding="utf-8").partition("[account]")[0]
        text = text.replace("sim-fails", "no-such-model").replace("holds = 55.0", "holds = 0")
        (tmp_path / "target.toml").write_text(text, encoding="utf-8")
        options = ["--target", "target.toml", "--base-url", target.base_url, "--depth", "smoke", "--report-dir", "r"]
        run = recorded(tmp_path / "r", "run", *options, environ=environ, cwd=tmp_path)
    assert made.code is ExitCode.INCONCLUSIVE
    assert made.leaves("other key") == needing(Capability.OTHER_KEY)
    assert made.leaves("revoked key") == needing(Capability.REVOKED_KEY)
    assert made.leaves("credits left") == needing(Capability.ACCOUNTING)
    assert made.leaves("failed task") == needing(Capability.FAILED_STATE)
    assert made.leaves("pending task") == OPEN_TO_FALL
    left = {row for step in ("other key", "revoked key", "credits left", "failed task") for row in made.leaves(step)}
    left |= {*OPEN_TO_FALL}
    assert {row: run.verdicts[row] for row in left if run.verdicts[row] not in {"inconclusive", "not observable"}} == {}
    others = {row for row, verdict in run.verdicts.items() if verdict != "pass"} - left
    assert {row for row in others if catalogue()[row].level == "MUST" and catalogue()[row].family != "RACE"} == set()


@pytest.mark.parametrize(
    ("stranger", "told"),
    [
        ("has-no-account-document", "nothing is told at /api/v1/me/account, which [account] names"),
        ("sends-no-accounting", "nothing is told in the header X-Quota-Remaining-Credits, which [account] names"),
    ],
)
def test_one_place_of_two_is_enough_to_read_the_account(stranger: str, told: str, tmp_path: Path) -> None:
    """It is noted that the other is silent, and nothing is called wrong for it."""
    with target_like(stranger, tmp_path, **STRANGERS[stranger].settings) as target:
        made = examined(target, tmp_path, paid=False)
    assert made.code is ExitCode.PASSED, made.text
    assert f"· credits left          {told}" in made.text


def test_what_the_profile_calls_absent_stays_open_in_its_words(tmp_path: Path) -> None:
    """As in a run, which does not pass then either; and no task is submitted for it."""
    absent = '[[absent]]\ncapability = "failed_state"\nreason = "no model fails on demand"'
    with target_like(None, tmp_path, lines=absent) as target:
        made = examined(target, tmp_path)
    assert made.code is ExitCode.INCONCLUSIVE
    assert "not there, as the profile says: no model fails on demand" in made.text
    assert made.leaves("failed task") == needing(Capability.FAILED_STATE)
    assert made.sent[Operation.SUBMIT] == 3


def test_fixed_tasks_are_looked_at(tmp_path: Path) -> None:
    """One that is not what the profile says leaves its rows open, and nothing is submitted for it."""
    with target_like(None, tmp_path, states__completed__tasks='["task_0"]') as target:
        made = examined(target, tmp_path)
    assert made.leaves("completed task") == needing(Capability.COMPLETED_STATE)
    assert "task_0 of the profile is not completed: 404" in made.text
    assert made.sent[Operation.SUBMIT] == 3


def test_only_rows_that_bind_decide_how_it_ends() -> None:
    """An open extension is told and no more; something wrong goes before."""
    extension = Finding(mark=Mark.OPEN, step="callbacks", seen="none", leaves=("NOTIFY-2",))
    bound = Finding(mark=Mark.OPEN, step="revoked key", seen="none", leaves=("AUTH-3",))
    wrong = Finding(mark=Mark.WRONG, step="no key", seen="accepted")
    assert exit_code([extension]) is ExitCode.PASSED
    assert exit_code([extension, bound]) is ExitCode.INCONCLUSIVE
    assert exit_code([bound, wrong]) is ExitCode.FAILED


# what is wrong


def test_nobody_there_ends_it(tmp_path: Path) -> None:
    """It is said where the way ends."""
    made = examined(profile(nowhere()), tmp_path)
    assert made.code is ExitCode.FAILED
    assert [told[0] for told in made.told] == ["✓", "✗"]
    assert "connection            none: [Errno 111]" in made.text


def test_a_host_without_an_address_ends_it(tmp_path: Path) -> None:
    """Its name is told."""
    made = examined(profile("https://no-such-host.invalid/v1"), tmp_path)
    assert made.code is ExitCode.FAILED
    assert "✗ address               no-such-host.invalid has none" in made.text


def test_a_certificate_is_looked_at(tmp_path: Path) -> None:
    """One that nobody vouches for ends it, with the line that lets the profile do so; of others it is told how long."""
    certificate = own_certificate(tmp_path)
    with secured(certificate, []) as base_url:
        made = examined(profile(base_url), tmp_path)
    assert made.code is ExitCode.FAILED
    assert "TLS                   its certificate is not valid" in made.text
    assert 'ca_bundle = "ca.pem"' in made.write
    with secured(certificate, []) as base_url:
        vouched = examined(profile(base_url, ca_bundle=str(certificate), limits__retries=0), tmp_path)
    assert "TLSv1.3; its certificate is valid for" in vouched.text


def test_a_page_for_people_is_no_api(tmp_path: Path) -> None:
    """Nothing that it says acts in a terminal or looks like a step."""
    page = answer(200, content=b"<html>\x1b[2J\n\xe2\x9c\x93 API  fine", content_type="text/html\x1b[31m")
    with standing_in(lambda _: page) as server:
        made = examined(profile(server.base_url), tmp_path)
    assert made.code is ExitCode.FAILED
    assert "where JSON was wanted; check base_url" in made.text
    assert "\x1b" not in made.text
    assert "✓ API" not in made.text


def keeper(heard: Heard, *, accepts: Mapping[str, bytes]) -> bytes:
    """What is answered to each key."""
    return accepts.get(heard.headers.get("authorization", "").removeprefix("Bearer "), REFUSED)


@pytest.mark.parametrize(
    ("accepts", "told"),
    [
        ({KEY: UNKNOWN}, "✗ other key             CONFORMANCE_OTHER_KEY is not accepted: 401"),
        ({KEY: UNKNOWN, OTHER_KEY: UNKNOWN, "": UNKNOWN}, "✗ no key                should be refused with 401: 404"),
        ({OTHER_KEY: UNKNOWN}, "✗ owner key             refused in both headers, it is in CONFORMANCE_OWNER_KEY"),
        ({KEY: answer(404, {"code": "no"}), OTHER_KEY: UNKNOWN}, "✗ API                   a query for an unknown task"),
        (
            {KEY: UNKNOWN.replace(b"\r\n\r\n", b"\r\nx: " + b"\x1b[31m" + b"\r\n\r\n"), OTHER_KEY: UNKNOWN},
            "✓ other key             CONFORMANCE_OTHER_KEY is accepted",
        ),
    ],
)
def test_each_key_is_tried(accepts: Mapping[str, bytes], told: str, tmp_path: Path) -> None:
    """Accepted, or refused, as it should be, and never shown."""
    with standing_in(lambda heard: keeper(heard, accepts=accepts)) as server:
        made = examined(profile(server.base_url), tmp_path, paid=False)
    assert told in made.text
    assert (made.code is ExitCode.FAILED) is told.startswith("✗")
    assert KEY not in made.text
    assert OTHER_KEY not in made.text


def test_a_revoked_key_that_is_accepted_is_wrong(tmp_path: Path) -> None:
    """With the answer that it got."""
    with target_like(None, tmp_path) as target:
        keys = {**target.keys, "revoked": target.keys["other"]}
        made = examined(target.model_copy(update={"keys": keys}), tmp_path, paid=False)
    assert made.code is ExitCode.FAILED
    assert "✗ revoked key           should be refused with 401: 404" in made.text


def test_a_cancel_that_ends_nothing_is_wrong(tmp_path: Path) -> None:
    """What it leaves is named at the end, with the command that ends it."""

    def says(heard: Heard) -> bytes:
        if "/cancel/task_1" in heard.path or ("/cancel" in heard.path and b'-conformance"' in heard.content):
            return answer(500, {"error": {"code": "internal_error"}})
        task = {"task_id": "task_1", "status": "running"}
        return answer(200, task) if b"task_1" in heard.content or "/submit" in heard.path else UNKNOWN

    with standing_in(says) as server:
        settings = {f"states__{state}__within": 0.2 for state in ("completed", "failed", "pending", "running")}
        made = examined(profile(server.base_url, limits__retries=0, **settings), tmp_path)
    assert made.code is ExitCode.FAILED
    assert "its cancel does not end it: 500" in made.text
    assert f"write        cancel-conformance sweep {tmp_path / 'journal.sqlite'}" in made.text


def test_a_limit_that_is_tight_is_widened(tmp_path: Path) -> None:
    """Where one answer takes more than a tenth of the time that an exchange may."""

    def says(heard: Heard) -> bytes:
        time.sleep(0.3)
        return keeper(heard, accepts={KEY: UNKNOWN, OTHER_KEY: UNKNOWN})

    with standing_in(says) as server:
        made = examined(profile(server.base_url, limits__timeout=2.0), tmp_path, paid=False)
    assert re.search(r"· limits .* 2 s for each; one answer took (\d{3} ms|[\d.]+ s): that is tight", made.text)
    assert re.search(r"^\[limits\]\ntimeout = ([6-9]|\d\d+)\.0$", made.write, re.MULTILINE)


def test_a_promise_that_is_not_kept_is_wrong(tmp_path: Path) -> None:
    """A profile that promises certainty of tasks that move at once would have lawful answers blamed."""
    with target_like("starts-at-once", tmp_path) as target:
        made = examined(target, tmp_path)
    assert made.code is ExitCode.FAILED
    assert "✗ certainty             [states.pending] holds = 55 is not so: a task was running after" in made.text
    assert "[states.pending]\nholds = 0.0" in made.write


def test_an_interrupted_examination_leaves_nothing_running(
    service: dict[str, Any], service_environ: dict[str, str], tmp_path: Path
) -> None:
    """Ctrl-C while it waits for a state: what it has submitted is cancelled, and it says so."""
    slow = 'states.completed.submit={ model = "sim-long", params = { prompt = "x" } }'
    options = [
        "--target",
        str(REFERENCE_PROFILE),
        "--base-url",
        service["base_url"],
        "--report-dir",
        "r",
        "--set",
        slow,
    ]
    process = subprocess.Popen(
        suite_command("doctor", *options),
        env=clean_environment(service_environ),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    seen = ""
    while "failed task" not in seen:
        seen += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=30)
    assert process.returncode == 3, seen + rest + errors
    assert "interrupted\n✓ the end               4 tasks were submitted and have ended" in rest
    assert "Traceback" not in rest + errors
    with contextlib.closing(Journal.open(tmp_path / "r" / "journal.sqlite")) as journal:
        made = [task.task_id for task in journal.task_records()]
    headers = {"authorization": f"Bearer {service['keys']['owner']}"}
    with httpx.Client(base_url=service["base_url"], headers=headers, trust_env=False) as http:
        states = [http.post("/tasks/query", json={"task_id": task}).json()["status"] for task in made]
    assert len(states) == 4
    assert set(states) <= {"cancelled", "failed"}


def test_a_submit_that_is_refused_wants_another_body(tmp_path: Path) -> None:
    """Or the word that there is none; past the budget it is the budget that is to be written."""
    unknown = '{ model = "no-such-model", params = {} }'
    with target_like(None, tmp_path, states__failed__submit=unknown, states__running__submit=unknown) as target:
        made = examined(target, tmp_path)
    [told] = [told for told in made.told if told.startswith("? failed task")]
    assert "submit was not accepted: 400" in told
    assert 'submit = { model = "<one of the target\'s>", params = { prompt = "a paper boat" } }' in told
    assert 'capability = "failed_state"' in told
    with target_like(None, tmp_path, budget__tasks="0") as target:
        spent = examined(target, tmp_path)
    [told] = [told for told in spent.told if told.startswith("? pending task")]
    assert "[budget]\n" in told
    assert "submit = {" not in told
