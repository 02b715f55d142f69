"""A first profile says what was seen of a target, loads as it stands, and has cost nothing."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from click.testing import CliRunner, Result
from conftest import clean_environment, suite_command
from stand_in import KEY, Heard, StandIn, answer, nowhere, standing_in

from conformance.cli import main
from conformance.introducing import Wanted, introduce
from conformance.reference.strangers import STRANGERS
from conformance.running import reference_service
from conformance.target.loading import load
from conformance.target.looking import place_of, state_like
from conformance.target.profile import Profile
from conformance.target.ready import ready
from conformance.verdict import ExitCode

UNKNOWN: Final = answer(404, {"error": {"code": "task_not_found", "message": "No."}})
OWNER: Final = {"MY_KEY": KEY}
FORGOTTEN: Final = dict.fromkeys(("CONFORMANCE_OWNER_KEY", "CONFORMANCE_OTHER_KEY", "CONFORMANCE_BASE_URL"))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are named without a folder go to one of the test's own."""
    monkeypatch.chdir(tmp_path)


def init(*arguments: str, environ: Mapping[str, str] | None = None) -> Result:
    """What the command says, without a terminal."""
    return CliRunner().invoke(main, ["init", *arguments], env={**FORGOTTEN, **(environ or {})})


def written(path: str = "staging.toml", environ: Mapping[str, str] = OWNER) -> Profile:
    """The profile that was written, as it loads."""
    return load(Path(path), environ=environ)


@contextlib.contextmanager
def looked_at(says: bytes) -> Iterator[StandIn]:
    """A stand-in that says the same to everything, after a first profile was made of it."""
    with standing_in(lambda _: says) as server:
        result = init("--base-url", server.base_url, "--owner-key", "MY_KEY", environ=OWNER)
        assert result.exit_code in {0, 3}, result.output
        assert KEY not in result.output + Path("staging.toml").read_text(encoding="utf-8")
        yield server


# what is seen


@pytest.mark.parametrize(
    ("stranger", "path"),
    [
        ("", ""),
        ("", "/v1/tasks/submit"),
        ("asks-by-get", "/v1"),
        ("puts-the-code-elsewhere", "/v1"),
        ("puts-the-verb-last", "/v1"),
        ("takes-the-key-in-its-own-header-only", ""),
        ("demands-uuids", "/v1"),
    ],
)
def test_what_a_target_needs_is_seen(stranger: str, path: str) -> None:
    """Its base, way to query, header for keys, path of cancel, and where its codes and its credits are."""
    with reference_service(stranger=stranger or None) as started:
        base_url, environ = started["base_url"], {"MY_KEY": started["keys"]["owner"]}
        given = base_url.removesuffix("/v1") + path
        result = init("--base-url", given, "--owner-key", "MY_KEY", environ=environ)
    assert result.exit_code == 0, result.output
    settings = {"account.header": "X-Quota-Remaining-Credits", "account.url": "/api/v1/me/account"}
    settings |= STRANGERS[stranger].settings if stranger else {}
    overrides = {**settings, "keys.owner.env": "MY_KEY", "account.pointer": "/balance/available_usd"}
    wanted = load(None, environ=environ, base_url=base_url, overrides=overrides)
    made = written(environ=environ)
    assert made.base_url == base_url
    for name in ("auth", "errors", "account", "paths", "keys"):
        assert getattr(made, name) == getattr(wanted, name), name
    assert made.query.method == (wanted.query.method or "POST")
    assert made.budget.tasks == 200
    assert f"seen: base_url = {base_url}" in result.output or given == base_url


def test_nothing_is_submitted_and_nobody_is_cancelled(tmp_path: Path) -> None:
    """Queries and cancels of tasks that nobody has, one look at the account, and a query for what was named."""
    with looked_at(answer(404, {"code": "gone"})) as server:
        init("again.toml", "--base-url", server.base_url, "--owner-key", "MY_KEY", "--task", "task_mine", environ=OWNER)
    assert server.heard
    assert not [heard for heard in server.heard if "submit" in heard.path]
    mine = [heard for heard in server.heard if b"task_mine" in heard.content or "task_mine" in heard.path]
    assert [heard.path.rpartition("/")[2] for heard in mine] == ["query"]
    rest = [heard for heard in server.heard if heard not in mine and "/account" not in heard.path]
    assert all("task_0000000000000000" in heard.path + heard.content.decode() for heard in rest)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.toml", "staging.toml"]


def test_named_tasks_show_the_words_for_states() -> None:
    """What has ended becomes a fixed task, what lives does not, and none of them is cancelled."""
    with reference_service(stranger="names-every-state-differently") as started:
        headers = {"authorization": f"Bearer {started['keys']['owner']}"}
        with httpx.Client(base_url=started["base_url"], headers=headers, trust_env=False) as http:
            ids = {}
            for model in ("sim-quick", "sim-pending"):
                ids[model] = http.post("/tasks/submit", json={"model": model, "params": {}}).json()["task_id"]
            asked = {"task_id": ids["sim-quick"]}
            while http.post("/tasks/query", json=asked).json()["status"] != "done":
                pass
            environ = {"MY_KEY": started["keys"]["owner"]}
            tasks = [option for task in ids.values() for option in ("--task", task)]
            result = init("--base-url", started["base_url"], "--owner-key", "MY_KEY", *tasks, environ=environ)
            after = http.post("/tasks/query", json={"task_id": ids["sim-pending"]}).json()["status"]
    assert result.exit_code == 0, result.output
    made = written(environ=environ)
    assert (made.state_names.completed, made.state_names.pending) == ("done", "QUEUED")
    assert made.states.completed is not None
    assert made.states.completed.tasks == (ids["sim-quick"],)
    assert made.states.pending is not None
    assert not made.states.pending.tasks
    assert after == "QUEUED"


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"x_credits_remaining": "12.5"}, "x-credits-remaining"),
        ({"x_ratelimit_remaining": "12"}, None),
        ({"x_credits_remaining": "plenty"}, None),
    ],
)
def test_a_header_of_credits_goes_by_its_name_and_its_value(headers: dict[str, str], found: str | None) -> None:
    """A number, in a header that speaks of credits; not one that speaks of requests."""
    with looked_at(answer(404, {"error": {"code": "task_not_found"}}, **headers)):
        assert written().account.header == found


def test_a_silent_target_gets_a_profile_too() -> None:
    """It holds what the contract says, and the exit code says that nothing was seen."""
    result = init("--base-url", nowhere(), "--owner-key", "MY_KEY", environ=OWNER)
    assert result.exit_code == 3
    assert "nothing could be learned: no answer" in result.output
    assert "# seen" not in Path("staging.toml").read_text(encoding="utf-8")
    assert written().query.method == "POST"


@pytest.mark.parametrize(
    ("says", "told"),
    [
        (answer(401, {"error": {"code": "invalid_api_key"}}), "which is in MY_KEY, is refused in both headers"),
        (answer(404, {"oh": "no"}), "but not as documented"),
        (
            answer(200, content=b"<html>", content_type="text/html"),
            "answered 200 with 'text/html' where JSON was wanted",
        ),
    ],
)
def test_what_cannot_be_seen_is_said(says: bytes, told: str) -> None:
    """A key that is refused, an API of another kind, a page for people."""
    with standing_in(lambda _: says) as server:
        result = init("--base-url", server.base_url, "--owner-key", "MY_KEY", environ=OWNER)
    assert result.exit_code == 3
    assert told in result.output
    assert written().base_url == server.base_url


def test_what_a_target_says_does_nothing_in_a_profile() -> None:
    """Neither its words for states, nor names within its answers, nor its headers."""
    evil = '"\n[budget]\ntasks = 9\n#\x1b[31m'

    def says(heard: Heard) -> bytes:
        if b"task_mine" in heard.content:
            return answer(200, {"task_id": "task_mine", "status": evil})
        return answer(404, {evil: {"code": "task_not_found"}}, x_credits_remaining="1\x1b[31m")

    with standing_in(says) as server:
        options = ["--base-url", server.base_url, "--owner-key", "MY_KEY", "--task", "task_mine"]
        result = init(*options, environ=OWNER)
    assert result.exit_code == 3, result.output
    assert "\x1b" not in result.output + Path("staging.toml").read_text(encoding="utf-8")
    assert written().budget.tasks == 200
    assert written().errors.code == "/error/code"


# what is asked


def test_what_is_missing_is_a_usage_problem(tmp_path: Path) -> None:
    """Without a terminal nobody is asked: it is said what to write, and nothing is sent or written."""
    result = init()
    assert result.exit_code == 2
    assert "export CONFORMANCE_BASE_URL=https://staging.example.com/v1" in result.stderr
    assert "export CONFORMANCE_OWNER_KEY='<the key>'" in result.stderr
    named = init("--base-url", "http://127.0.0.1:9/v1", "--owner-key", "MY_KEY")
    assert named.exit_code == 2
    assert "export MY_KEY='<the key>'" in named.stderr
    pasted = init("--base-url", "http://127.0.0.1:9/v1", "--owner-key", KEY)
    assert pasted.exit_code == 2
    assert KEY not in pasted.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("like", [(), ("--like", "with-a-hook")])
def test_no_file_is_overwritten_unasked(like: tuple[str, ...]) -> None:
    """It is said what to write instead, before anything is sent."""
    options = like or ("--base-url", nowhere(), "--owner-key", "MY_KEY")
    Path("staging.toml").write_text("mine", encoding="utf-8")
    result = init(*options, environ=OWNER)
    assert result.exit_code == 2
    assert "staging.toml: it is there already, and stays as it is; write --overwrite, or another FILE" in result.stderr
    assert Path("staging.toml").read_text(encoding="utf-8") == "mine"
    assert init(*options, "--overwrite", environ=OWNER).exit_code in {0, 3}
    assert tomllib.loads(Path("staging.toml").read_text(encoding="utf-8"))["base_url"]


def test_a_folder_that_is_not_there() -> None:
    """It is named."""
    for options in (("--base-url", nowhere(), "--owner-key", "MY_KEY"), ("--like", "get-query")):
        result = init("no/where.toml", *options, environ=OWNER)
        assert result.exit_code == 2
        assert "no/where.toml" in result.stderr


def test_whoever_sits_at_a_terminal_is_asked(service: dict[str, Any], service_environ: dict[str, str]) -> None:
    """For the URL and the variables; an empty answer takes what is offered."""
    asked: list[tuple[str, str]] = []

    def ask(question: str, usual: str) -> str:
        asked.append((question, usual))
        return service["base_url"] if "URL" in question else usual

    environ = {name: key for name, key in service_environ.items() if "REVOKED" not in name}
    code = introduce(Wanted(file=Path("asked.toml")), environ, ask)
    assert code is ExitCode.PASSED
    assert [usual for _, usual in asked] == ["", "CONFORMANCE_OWNER_KEY", "CONFORMANCE_OTHER_KEY", ""]
    assert [*written("asked.toml", environ).keys] == ["owner", "other"]


def test_a_terminal_is_known_by_itself(
    service: dict[str, Any], service_environ: dict[str, str], tmp_path: Path
) -> None:
    """The command asks there, and nowhere else."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        suite_command("init", "asked.toml"),
        env=clean_environment({**service_environ, "TERM": "dumb"}),
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, f"{service['base_url']}\n\n\n\n".encode())
    assert process.wait(30) == 0
    said = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "Base URL of the API" in said
    assert written("asked.toml", service_environ).base_url == service["base_url"]


# ready ones


@pytest.mark.parametrize("name", ready())
def test_a_ready_profile_is_copied(name: str) -> None:
    """As it stands, or for another URL, with the programs that it names; and nothing is sent."""
    assert init("copy.toml", "--like", name).exit_code == 0
    assert init("other.toml", "--like", name, "--base-url", 'https://a.example/"v1', "--overwrite").exit_code == 0
    keys = dict(zip(("CONFORMANCE_OWNER_KEY", "CONFORMANCE_OTHER_KEY"), ("sk-one-1", "sk-two-2"), strict=True))
    keys |= dict(zip(("BYTESPIKE_API_KEY", "BYTESPIKE_OTHER_API_KEY"), ("sk-three-3", "sk-four-4"), strict=True))
    mine = {variable: key for variable, key in keys.items() if variable.startswith("BYTE") is (name == "bytespike")}
    assert written("copy.toml", mine).name
    assert (Path("to_state").is_file() and os.access("to_state", os.X_OK)) is (name == "with-a-hook")
    assert written("other.toml", mine).base_url == 'https://a.example/"v1'


def test_a_ready_profile_that_is_none() -> None:
    """Those that there are are named; and what is no part of a copy is refused."""
    assert "there are behind-a-prefix, bytespike, get-query" in init("--like", "nobody").output
    result = init("--like", "get-query", "--owner-key", "MY_KEY")
    assert result.exit_code == 2
    assert "give --base-url beside it at the most" in result.stderr
    assert init("--like", "get-query", "--base-url", "ftp://a").exit_code == 2
    assert list(Path().iterdir()) == []


# small things


def test_words_are_understood() -> None:
    """However they are spelled; and what may mean anything means nothing."""
    assert [state_like(word) for word in ("IN_PROGRESS", "Succeeded", "canceled", "not-started", "error", "odd")] == [
        *("running", "completed", "cancelled", "pending", "failed", None)
    ]


def test_the_uppermost_place_is_taken() -> None:
    """A code is looked for everywhere, in few steps, and where a profile could name it."""
    assert place_of({"a": [{"code": "x"}], "code": "x"}, {"x"}) == "/code"
    assert place_of({"a/b": {"code": "x"}}, {"x"}) is None
    assert place_of([["y"] * 5000, "x"], {"x"}) == "/1"
    assert place_of([["y"] * 5000, ["x"]], {"x"}) is None
