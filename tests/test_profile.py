"""A profile is read strictly, from three places, and what is wrong with it is said at once and without its keys."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from conformance.states import State
from conformance.target.complaints import Complaint, ProfileError
from conformance.target.loading import load
from conformance.target.profile import Profile, schema
from conformance.target.settings import OTHER_VARIABLES
from conformance.target.tables import Capability

KEY = "sk-byts-0123456789abcdef"
OTHER = "sk-byts-fedcba9876543210"
ENVIRON = {"STAGING_OWNER_KEY": KEY, "STAGING_OTHER_KEY": OTHER}
SHORTEST = 'base_url = "https://staging.example.com/v1"\n[keys.owner]\nenv = "STAGING_OWNER_KEY"\n'
FULL = """
name = "staging"
base_url = "https://staging.example.com/v1/"
[keys.owner]
env = "STAGING_OWNER_KEY"
[keys.other]
env = "STAGING_OTHER_KEY"
[keys.sibling]
env = "STAGING_SIBLING_KEY"
account = "owner"
[keys.revoked]
env = "STAGING_REVOKED_KEY"
former_tasks = ["task_1"]
[auth]
header = "x-api-key"
[paths]
cancel_task = "/jobs/{task_id}/cancel"
stream = "/jobs/{task_id}/events"
[query]
method = "GET"
[state_names]
pending = "queued"
[errors]
code = "/code"
[volatile]
pointers = ["/progress", "/output/*/url"]
[states.pending]
submit = { model = "video-1", params = { seconds = 5.0 } }
holds = 30
within = 60.0
credits = 0.1
hook = { command = ["./to_state.sh", "-v"] }
[states.running]
hook = { url = "http://127.0.0.1:9000/to-state" }
[states.failed]
tasks = ["task_2"]
[account]
header = "X-Quota-Remaining-Credits"
url = "/api/v1/me/account"
pointer = "/balance/available_usd"
[limits]
in_flight = 6
rate = 10.0
timeout = 31.0
retries = 3
patience = 61.0
notice = 11.0
[callback]
url = "https://hooks.example.com/in"
listen = "[::]:8765"
[budget]
credits = 20.1
tasks = 200
[[absent]]
capability = "callback"
reason = "there are none"
[[known]]
requirement = "IDENT-4"
reason = "fixed in the next release"
expires = 2027-01-31
"""
FULL_ENVIRON = {**ENVIRON, "STAGING_SIBLING_KEY": "k-sibling", "STAGING_REVOKED_KEY": "k-revoked"}


@dataclass
class Desk:
    """A folder in which profiles are written and read."""

    folder: Path

    def write(self, text: str, name: str = "staging.toml") -> Path:
        """Write a file."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def read(self, text: str = SHORTEST, environ: Mapping[str, str] = ENVIRON, **overrides: str) -> Profile:
        """Read a profile with this text, `a__b` standing for the setting `a.b` of the command line."""
        dotted = {name.replace("__", "."): value for name, value in overrides.items()}
        return load(self.write(text), environ=environ, overrides=dotted)

    def complaints(self, text: str, environ: Mapping[str, str] = ENVIRON, **overrides: str) -> dict[str, Complaint]:
        """What is wrong with a profile, by key."""
        with pytest.raises(ProfileError) as caught:
            self.read(text, environ, **overrides)
        for key in (KEY, OTHER):
            assert key not in str(caught.value)
        return {each.key: each for each in caught.value.complaints}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk with a program beside the profile; every test writes its profile over the last one."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.write("#!/bin/sh\n", "to_state.sh").chmod(0o755)
    return desk


# --- what is read ----------------------------------------------------------------------------------------------------


def test_the_shortest_profile_is_enough(desk: Desk) -> None:
    """A base URL and an owner's key suffice; the rest has careful defaults."""
    profile = desk.read()
    assert (profile.base_url, profile.secret("owner")) == ("https://staging.example.com/v1", KEY)
    assert (profile.limits.in_flight, profile.limits.timeout, profile.limits.rate) == (5, 30.0, None)
    assert (profile.paths.query, profile.query.method, profile.errors.code) == (None, None, "/error/code")
    assert (profile.budget.credits, profile.budget.tasks, profile.others) == (None, None, ())
    assert profile.source == desk.folder / "staging.toml"


def test_every_setting_is_read(desk: Desk) -> None:
    """A profile with everything in it says all of it."""
    profile = desk.read(FULL, FULL_ENVIRON)
    pending, running = profile.states.get(State.PENDING), profile.states.get(State.RUNNING)
    assert pending is not None
    assert running is not None
    assert pending.hook is not None
    assert running.hook is not None
    assert profile.base_url == "https://staging.example.com/v1"
    assert pending.submit == {"model": "video-1", "params": {"seconds": 5.0}}
    assert (pending.holds, pending.within, pending.credits) == (30.0, 60.0, Decimal("0.1"))
    assert profile.states.failed is not None
    assert profile.states.failed.tasks == ("task_2",)
    assert pending.hook.command == (str(desk.folder / "to_state.sh"), "-v")
    assert running.hook.url == "http://127.0.0.1:9000/to-state"
    assert profile.states.get(State.CANCELLED) is None
    assert (profile.auth.header, profile.query.method, profile.errors.code) == ("x-api-key", "GET", "/code")
    assert profile.paths.cancel_task == "/jobs/{task_id}/cancel"
    assert (profile.paths.stream, profile.limits.notice) == ("/jobs/{task_id}/events", 11.0)
    assert (profile.callback.url, profile.callback.listen) == ("https://hooks.example.com/in", "[::]:8765")
    assert profile.volatile.pointers == ("/progress", "/output/*/url")
    assert (profile.account.url, profile.account.pointer) == ("/api/v1/me/account", "/balance/available_usd")
    assert (profile.limits.rate, profile.limits.retries, profile.limits.patience) == (10.0, 3, 61.0)
    assert (profile.budget.credits, profile.budget.tasks) == (Decimal("20.1"), 200)
    assert profile.known[0].expires == date(2027, 1, 31)


def test_roles_have_keys_and_accounts(desk: Desk) -> None:
    """A role is on an account of its own unless the profile says which; the revoked key is none of the others."""
    profile = desk.read(FULL, FULL_ENVIRON)
    assert profile.others == ("other", "sibling")
    assert [profile.account_of(role) for role in profile.keys] == ["owner", "other", "owner", "revoked"]
    assert profile.owner.env == "STAGING_OWNER_KEY"
    assert profile.owner.secret.get_secret_value() == KEY
    assert profile.keys["revoked"].former_tasks == ("task_1",)


def test_states_have_the_targets_names(desk: Desk) -> None:
    """A name of the target's stands for its state, the documented one that it replaced for none."""
    profile = desk.read(FULL, FULL_ENVIRON)
    assert [profile.state_name(state) for state in State] == ["queued", "running", "completed", "failed", "cancelled"]
    assert profile.state_of("queued") is State.PENDING
    assert profile.state_of("failed") is State.FAILED
    assert profile.state_of("pending") is None


def test_what_is_absent_has_a_reason(desk: Desk) -> None:
    """A capability is absent only where the profile says so, and why."""
    profile = desk.read(FULL, FULL_ENVIRON)
    assert profile.absent_reason(Capability.CALLBACK) == "there are none"
    assert profile.absent_reason("callback") == "there are none"
    assert profile.absent_reason(Capability.ACCOUNTING) is None


def test_a_profile_does_not_change(desk: Desk) -> None:
    """What a run was told stays what it was told."""
    profile = desk.read()
    with pytest.raises(ValidationError):
        profile.limits.timeout = 1.0


def test_no_way_of_showing_a_profile_shows_a_key(desk: Desk) -> None:
    """Only `secret` gives a key away: the public view names the variables, and files without their folders."""
    profile = desk.read(FULL, FULL_ENVIRON)
    public = json.dumps(profile.public())
    for shown in (repr(profile), str(profile), public, profile.model_dump_json(), repr(profile.owner.secret)):
        assert KEY not in shown
        assert "k-sibling" not in shown
    assert "STAGING_OTHER_KEY" in public
    assert str(desk.folder) not in public
    assert profile.public()["source"] == "staging.toml"


# --- where it is read from -------------------------------------------------------------------------------------------


def test_no_file_is_needed() -> None:
    """The environment alone can describe a target."""
    environ = {
        "CONFORMANCE_BASE_URL": "http://127.0.0.1:8080/v1",
        "CONFORMANCE_OWNER_KEY": KEY,
        "CONFORMANCE_OTHER_KEY": OTHER,
        "CONFORMANCE_REVOKED_KEY": "k-revoked",
    }
    profile = load(None, environ=environ)
    assert (profile.base_url, profile.source) == ("http://127.0.0.1:8080/v1", None)
    assert [profile.secret(role) for role in profile.keys] == [OTHER, KEY, "k-revoked"]


def test_the_command_line_goes_over_the_environment_over_the_file(desk: Desk) -> None:
    """Of two places that set one thing, the nearer one decides."""
    text = SHORTEST + "[limits]\ntimeout = 1.0\nretries = 1\npatience = 1.0\n"
    environ = {**ENVIRON, "CONFORMANCE_LIMITS__TIMEOUT": "2", "CONFORMANCE_LIMITS__RETRIES": "2"}
    limits = desk.read(text, environ, limits__timeout="3.5").limits
    assert (limits.timeout, limits.retries, limits.patience) == (3.5, 2, 1.0)


def test_the_base_url_has_four_places(desk: Desk) -> None:
    """File, environment, a setting and an option of its own, each over the one before."""
    path, environ = desk.write(SHORTEST), {**ENVIRON, "CONFORMANCE_BASE_URL": "http://environment"}
    setting = {"base_url": "http://setting"}
    assert load(path, environ=environ).base_url == "http://environment"
    assert load(path, environ=environ, overrides=setting).base_url == "http://setting"
    assert load(path, environ=environ, overrides=setting, base_url="http://option").base_url == "http://option"


def test_the_usual_variables_go_over_those_that_the_file_names(desk: Desk) -> None:
    """A key for one run needs no change to the file, and the command line still has the last word."""
    environ = {**ENVIRON, "CONFORMANCE_OWNER_KEY": "k-other-owner"}
    assert desk.read(environ=environ).secret("owner") == "k-other-owner"
    assert desk.read(environ=environ, keys__owner__env="STAGING_OWNER_KEY").secret("owner") == KEY


def test_texts_from_outside_become_what_their_setting_is(desk: Desk) -> None:
    """A figure stays text where a text is wanted, and a list is written as in the file."""
    profile = desk.read(
        name="5", budget__credits="0.1", states__pending__holds="3", volatile__pointers='["/a"]', query__method="GET"
    )
    way = profile.states.get(State.PENDING)
    assert (profile.name, profile.budget.credits, profile.query.method) == ("5", Decimal("0.1"), "GET")
    assert (way and way.holds, profile.volatile.pointers) == (3.0, ("/a",))


@pytest.mark.parametrize("name", sorted(OTHER_VARIABLES))
def test_variables_for_other_uses_are_no_settings(desk: Desk, name: str) -> None:
    """Where the profile is, and where reports go, is not a profile's to say."""
    assert desk.read(environ={**ENVIRON, name: "x"})


def test_a_variable_that_the_file_names_is_no_setting(desk: Desk) -> None:
    """A key may be in a variable with our prefix."""
    text = SHORTEST.replace("STAGING_OWNER_KEY", "CONFORMANCE_MY_KEY")
    assert desk.read(text, {"CONFORMANCE_MY_KEY": KEY}).secret("owner") == KEY


# --- what is wrong ---------------------------------------------------------------------------------------------------

WRONG_LINES = [
    ("name = 5", "name", "string"),
    ('name = ""', "name", "not empty"),
    ("colour = 5", "colour", "one of name, version, base_url"),
    ('ca_bundle = "ca.pem"', "ca_bundle", "no such file"),
    ('ca_bundle = "to_state.sh"', "ca_bundle", "cannot be read as that"),
    ("ca_bundle = 5", "ca_bundle", "a string"),
    ('keys.other = { env = "STAGING_OTHER_KEY", account = 5 }', "keys.other.account", "string"),
    ('keys.Owner.env = "STAGING_OTHER_KEY"', "keys.Owner", "small letters"),
    ('keys.nobody.env = "STAGING_OTHER_KEY"', "keys.nobody", "taken"),
    ("keys.other = 5", "keys.other", "a table"),
    ("keys.other.env = 5", "keys.other.env", "string"),
    ("keys.other.env = []", "keys.other.env", "string"),
    ('auth.header = "cookie"', "auth.header", "'authorization' or 'x-api-key'"),
    ('paths.cancel_task = "/tasks/cancel"', "paths.cancel_task", "{task_id}"),
    ('paths.cancel_task = "/{task_id}/{task_id}"', "paths.cancel_task", "once"),
    ('paths.submit = "tasks/submit"', "paths.submit", "begins with /"),
    ('paths.query = "/tasks/{task_id}"', "paths.query", "placeholder"),
    ('query.method = "PUT"', "query.method", "'POST' or 'GET'"),
    ('state_names.pending = "running"', "state_names", 'pending and running are both "running"'),
    ('state_names.queued = "pending"', "state_names.queued", "one of pending, running"),
    ('errors.code = "error.code"', "errors.code", "JSON pointer"),
    ('errors.code = ""', "errors.code", "JSON pointer"),
    ('volatile.pointers = ["/a", "/a~2"]', "volatile.pointers[1]", "~0"),
    ('volatile.pointers = "/a"', "volatile.pointers", "array"),
    ("states.paused.holds = 3", "states.paused", "one of pending, running, completed, failed"),
    ('states.pending.holds = "3"', "states.pending.holds", "number, without quotes"),
    ("states.pending.holds = -1", "states.pending.holds", "greater than or equal to 0"),
    ("states.pending.holds = true", "states.pending.holds", "number"),
    ("states.pending.holds = inf", "states.pending.holds", "finite"),
    ("states.pending.within = 0", "states.pending.within", "greater than 0"),
    ("states.pending.submit = { at = 2027-01-01 }", "states.pending.submit", "JSON"),
    ("states.pending.submit = { at = nan }", "states.pending.submit", "JSON"),
    ('states.pending.submit = { out_task_id = "a" }', "states.pending.submit", "without out_task_id"),
    ('states.pending.tasks = ["task_2"]', "states.pending", "ends every live task"),
    ('states.running = { tasks = ["task_2"] }', "states.running", "submit = { … } or hook"),
    ("states.pending.hook = {}", "states.pending.hook", "one of the two"),
    ('states.failed.hook = { command = ["sh"], url = "http://a" }', "states.failed.hook", "one of the two"),
    ("states.failed.hook = { command = [] }", "states.failed.hook.command", "at least one"),
    ('states.failed.hook = { command = ["./nope.sh"] }', "states.failed.hook.command", "executable"),
    ('states.failed.hook = { command = ["no-such-program-here"] }', "states.failed.hook.command", "PATH"),
    ('states.failed.hook = { url = "ftp://a" }', "states.failed.hook.url", "http://"),
    ('account.header = "X Quota"', "account.header", "HTTP header"),
    ('account.url = "/me"', "account", "together"),
    ('account = { url = "me", pointer = "/a" }', "account.url", "http://"),
    ('paths.stream = "/tasks/stream"', "paths.stream", "{task_id} in it, once"),
    ('callback.url = "https://hooks.example.com"', "callback", "together"),
    ('callback = { url = "hooks", listen = "0.0.0.0:8765" }', "callback.url", "http://"),
    ('callback = { url = "http://a", listen = "8765" }', "callback.listen", "0.0.0.0:8765"),
    ('callback = { url = "http://a", listen = "0.0.0.0:0" }', "callback.listen", "from 1 to 65535"),
    ('callback = { url = "http://a", listen = "::1:80" }', "callback.listen", "0.0.0.0:8765"),
    ("limits.notice = -1", "limits.notice", "greater than or equal to 0"),
    ("limits = 5", "limits", "a table"),
    ("limits.in_flight = 0", "limits.in_flight", "greater than or equal to 1"),
    ("limits.in_flight = 5.0", "limits.in_flight", "whole number"),
    ("limits.rate = 0", "limits.rate", "greater than 0"),
    ("limits.timeout = 1e9", "limits.timeout", "less than or equal to 86400"),
    ('limits.retries = "4"', "limits.retries", "whole number, without quotes"),
    ("budget.credits = -0.1", "budget.credits", "greater than or equal to 0"),
    ('budget.credits = "20"', "budget.credits", "number, without quotes"),
    ("budget.credits = nan", "budget.credits", "finite"),
    ('absent = [{ capability = "clairvoyance", reason = "a" }]', "absent[0].capability", "'accounting'"),
    ('absent = [{ capability = "callback" }]', "absent[0].reason", "required"),
    ("absent = {}", "absent", "array"),
    ('known = [{ requirement = "IDENT-99", reason = "a", expires = 2020-01-01 }]', "known[0].requirement", "id of a"),
    ('known = [{ requirement = "IDENT-4", reason = " ", expires = 2020-01-01 }]', "known[0].reason", "not empty"),
    ('known = [{ requirement = "IDENT-4", reason = "a", expires = "2020-01-01" }]', "known[0].expires", "a date"),
]


@pytest.mark.parametrize(("line", "key", "allowed"), WRONG_LINES, ids=[line for line, *_ in WRONG_LINES])
def test_a_wrong_line_is_complained_of(desk: Desk, line: str, key: str, allowed: str) -> None:
    """Every kind of mistake is found, with its file, line and key, what is allowed and what to write."""
    complaints = desk.complaints(f"\n{line}\n{SHORTEST}")
    assert list(complaints) == [key]
    assert (complaints[key].where, complaints[key].line) == (str(desk.folder / "staging.toml"), 2)
    assert allowed in complaints[key].allowed
    assert complaints[key].given
    assert complaints[key].write


@pytest.mark.parametrize(("line", "key", "_allowed"), WRONG_LINES, ids=[line for line, *_ in WRONG_LINES])
def test_the_advice_is_toml_that_helps(desk: Desk, line: str, key: str, _allowed: str) -> None:
    """What a complaint says to write can be written: no complaint about that setting is left."""
    advice = desk.complaints(f"{line}\n{SHORTEST}")[key].write.partition("\nor in the shell")[0]
    if key == "ca_bundle" or advice.startswith("nothing"):
        return
    text = advice + "\n" + ("" if "keys.owner" in advice else '[keys.owner]\nenv = "STAGING_OWNER_KEY"\n')
    environ = {**ENVIRON, "STAGING_NOBODY_KEY": "k-nobody", "CONFORMANCE_BASE_URL": "http://a"}
    try:
        load(desk.write(text), environ=environ)
    except ProfileError as error:
        assert key not in {each.key for each in error.complaints}, advice  # noqa: PT017


def test_every_complaint_comes_at_once(desk: Desk) -> None:
    """Mistakes in keys, in the file, in the environment and on the command line are one message, in reading order."""
    text = (
        '[keys.owner]\nenv = "NOT_SET"\n[limits]\ntimeout = "5"\ntimout = 5\n'
        '[errors]\ncode = "a"\n[[known]]\nrequirement = "IDNT-4"\n'
    )
    environ = {"CONFORMANCE_LIMITS__RATE": "fast", "CONFORMANCE_LIMITS__RATES": "5"}
    complaints = desk.complaints(text, environ, limits__retries="many", limit="5")
    assert set(complaints) == {
        "base_url", "keys.owner.env", "limits.timeout", "limits.timout", "errors.code", "limits.rate", "limits.rates",
        "limits.retries", "limit", "known[0].requirement", "known[0].reason", "known[0].expires",
    }  # fmt: skip
    lines = [each.line or 0 for each in complaints.values()]
    assert lines == sorted(lines)


def test_a_complaint_reads_as_it_should(desk: Desk) -> None:
    """The whole text of an error, word for word."""
    with pytest.raises(ProfileError) as caught:
        desk.read(f'{SHORTEST}[limits]\ntimeout = "5"\n')
    assert str(caught.value).splitlines() == [
        "The profile cannot be used:",
        "",
        f"{desk.folder / 'staging.toml'}, line 5: limits.timeout",
        '  given    "5"',
        "  allowed  a number, without quotes",
        "  means    seconds that one whole exchange may take, more than 0 and up to 86400",
        "  write    [limits]",
        "           timeout = 30.0",
    ]


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("[limits]\ntimout = 5", "timeout = 30.0"),
        ("[budget]\ntimeout = 5", "[limits]\ntimeout = 30.0"),
        ("[limit]\ntimeout = 5", "[limits]"),
        ("[states.pendng]\nholds = 5", "[states.pending]"),
        ('[auth]\nheader = "X-API-Key"', 'header = "x-api-key"'),
        ('[query]\nmethod = "get"', 'method = "GET"'),
        ('[[absent]]\ncapability = "acounting"\nreason = "a"', 'capability = "accounting"'),
        ("[frills]\na = 5", "nothing: take it out"),
    ],
)
def test_a_misspelling_is_understood(desk: Desk, line: str, meant: str) -> None:
    """What was probably meant is what one is told to write."""
    [complaint] = desk.complaints(f"{SHORTEST}{line}\n").values()
    assert meant in complaint.write


def test_a_misspelled_requirement_is_understood(desk: Desk) -> None:
    """The catalogue's nearest id is named."""
    text = f'{SHORTEST}[[known]]\nrequirement = "ident-4"\nreason = "a"\nexpires = 2020-01-01\n'
    assert "did you mean IDENT-4?" in desk.complaints(text)["known[0].requirement"].allowed


def test_a_date_that_has_passed_is_no_mistake(desk: Desk) -> None:
    """Whether an excuse is out of date is judged with the run."""
    assert desk.read(f'{SHORTEST}[[known]]\nrequirement = "IDENT-4"\nreason = "a"\nexpires = 2020-01-01\n').known


@pytest.mark.parametrize(
    "url",
    [
        "staging.example.com",
        "ftp://staging.example.com",
        "https://",
        "https://[::1",
        "https://a:99999",
        "https://a b",
        "https://ä.example.com",
        "https://a/v1?tenant=5",
        "https://a/v1#top",
        "https://a/{version}",
        f"https://me:{KEY}@staging.example.com/v1",
        f"https://staging.example.com/v1?key={KEY}",
        KEY,
        "",
    ],
)
def test_a_base_url_is_an_address_and_nothing_else(url: str) -> None:
    """Another scheme, no host, a query, a fragment or credentials are refused, and the latter not shown."""
    with pytest.raises(ProfileError, match="base_url") as caught:
        load(None, environ={"CONFORMANCE_OWNER_KEY": "k-owner"}, base_url=url)
    [complaint] = caught.value.complaints
    assert (complaint.where, complaint.write) == ("command line", "--base-url https://staging.example.com/v1")
    assert KEY not in str(caught.value)


def test_without_anything_one_is_told_what_to_export() -> None:
    """The first run of somebody who has no file ends with the two lines that are missing."""
    with pytest.raises(ProfileError) as caught:
        load(None, environ={})
    assert [each.write for each in caught.value.complaints] == [
        "export CONFORMANCE_OWNER_KEY='<the key>'",
        "export CONFORMANCE_BASE_URL=https://staging.example.com/v1",
    ]


@pytest.mark.parametrize(
    ("environ", "where", "write"),
    [
        (
            {"CONFORMANCE_LIMITS__TIMEOUT": "soon"},
            "environment variable CONFORMANCE_LIMITS__TIMEOUT",
            "export CONFORMANCE_LIMITS__TIMEOUT=30.0",
        ),
        (
            {"CONFORMANCE_LIMITS__TIMOUT": KEY},
            "environment variable CONFORMANCE_LIMITS__TIMOUT",
            "unset CONFORMANCE_LIMITS__TIMOUT\nexport CONFORMANCE_LIMITS__TIMEOUT='<the value>'",
        ),
        ({"CONFORMANCE_LIMITS": "5"}, "environment variable CONFORMANCE_LIMITS", "unset CONFORMANCE_LIMITS"),
        ({"CONFORMANCE_": "5"}, "environment variable CONFORMANCE_", "unset CONFORMANCE_"),
    ],
)
def test_a_wrong_variable_is_complained_of(desk: Desk, environ: dict[str, str], where: str, write: str) -> None:
    """A variable is named as one, with the shell line that sets it right, and its value is not shown where unknown."""
    [complaint] = desk.complaints(SHORTEST, {**ENVIRON, **environ}).values()
    assert complaint.where == where
    assert complaint.write.startswith(write)


def test_a_wrong_setting_of_the_command_line_is_complained_of(desk: Desk) -> None:
    """The option to write instead is named."""
    complaints = desk.complaints(SHORTEST, limits__timeout="soon", limits__timout="5", absent__0__reason="a")
    assert complaints["limits.timeout"].write == "--set limits.timeout=30.0"
    assert complaints["limits.timout"].write == "--set limits.timeout=<the value>"
    assert complaints["absent.0.reason"].where == "command line"


# --- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "not set"),
        ("", "empty"),
        (f"{KEY}\n", "white space before or after"),
        (f"{KEY} {KEY}", "white space in the key"),
        (f"{KEY}\x07", "a control character"),
        (f"{KEY}é", "a non-ASCII character"),
    ],
)
def test_an_unusable_key_is_complained_of(desk: Desk, value: str | None, what: str) -> None:
    """The variable is named, what is wrong with its value too, and the value never."""
    complaint = desk.complaints(SHORTEST, {} if value is None else {"STAGING_OWNER_KEY": value})["keys.owner.env"]
    assert complaint.given.startswith("STAGING_OWNER_KEY, ")
    assert what in complaint.given
    assert complaint.write == "export STAGING_OWNER_KEY='<the key>'"


@pytest.mark.parametrize(
    "line",
    [
        f'keys.owner = "{KEY}"',
        f'keys.owner.env = "{KEY}"',
        f'keys.owner.key = "{KEY}"',
        f'keys.owner.secret = "{KEY}"',
        f'keys.owner.value = "{KEY}"',
        f'keys.owner.Token = ["{KEY}"]',
        f'keys.owner = {{ env = "STAGING_OWNER_KEY", key = "{KEY}" }}',
    ],
)
def test_a_key_in_the_file_is_refused_and_not_repeated(desk: Desk, line: str) -> None:
    """Whoever pastes a key into the file is told so, once, without seeing it again."""
    [complaint] = desk.complaints(f'base_url = "http://a"\n{line}\n').values()
    assert "looks like the key itself" in complaint.given
    assert 'env = "STAGING_OWNER_KEY"' in complaint.write
    assert complaint.line == 2


def test_a_key_in_the_file_is_refused_where_a_variable_goes_over_it(desk: Desk) -> None:
    """A key that is not used is in the file all the same."""
    text = f'base_url = "http://a"\n[keys.owner]\nenv = "{KEY}"\n'
    assert "keys.owner.env" in desk.complaints(text, {"CONFORMANCE_OWNER_KEY": "k-owner"})


@pytest.mark.parametrize("pasted", ["sk_byts_0123456789abcdef", "AKIA0123456789ABCDEFGHIJ", "hunter2"])
def test_a_key_that_looks_like_a_variable_is_not_repeated(desk: Desk, pasted: str) -> None:
    """Where the name of a variable may be a key it is masked."""
    text = f'base_url = "http://a"\n[keys.owner]\nenv = "{pasted}"\n'
    assert pasted not in str(desk.complaints(text)["keys.owner.env"])


@pytest.mark.parametrize(
    "line",
    [
        f'api_key = "{KEY}"',
        f'auth.key = "{KEY}"',
        f'name = ["{KEY}"]',
        f'auth.header = "{KEY}"',
        f"{KEY} = 5",
        f'name = "{KEY}"',
    ],
)
def test_a_key_in_a_strange_place_is_not_repeated(desk: Desk, line: str) -> None:
    """Wherever a key was put by mistake, the complaint does not spread it."""
    assert desk.complaints(f"{line}\n{SHORTEST}", {"STAGING_OWNER_KEY": "k-owner"})


def test_two_roles_with_one_key_are_refused(desk: Desk) -> None:
    """The target could not tell them apart, so nothing could be learned from either."""
    text = f'{SHORTEST}[keys.other]\nenv = "STAGING_OTHER_KEY"\n'
    complaint = desk.complaints(text, {**ENVIRON, "STAGING_OTHER_KEY": KEY})["keys.other.env"]
    assert "the same key as that of owner" in complaint.given


@pytest.mark.parametrize("text", ['base_url = "http://a"\n', 'base_url = "http://a"\n[keys.other]\nenv = "OTHER"\n'])
def test_the_owners_key_is_needed(desk: Desk, text: str) -> None:
    """A profile without it is told both ways to give one."""
    complaint = desk.complaints(text, {"OTHER": "k-other"})["keys.owner.env"]
    assert "[keys.owner]\nenv = " in complaint.write
    assert "export CONFORMANCE_OWNER_KEY=" in complaint.write


def test_an_empty_usual_variable_is_no_key(desk: Desk) -> None:
    """An empty variable is a mistake rather than a silent lack of a key."""
    complaint = desk.complaints(SHORTEST, {**ENVIRON, "CONFORMANCE_OTHER_KEY": ""})["keys.other.env"]
    assert "unset CONFORMANCE_OTHER_KEY" in complaint.write


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_missing_file_is_complained_of(desk: Desk) -> None:
    """The file is named, and one with a name like it."""
    desk.write(SHORTEST)
    with pytest.raises(ProfileError, match=r"stagng\.toml: the file(.|\n)*not exist(.|\n)*mean .*staging\.toml\?"):
        load(desk.folder / "stagng.toml", environ=ENVIRON)


def test_a_folder_is_complained_of(desk: Desk) -> None:
    """The one profile inside is named."""
    desk.write(SHORTEST)
    with pytest.raises(ProfileError, match=r"given    a folder(.|\n)*staging\.toml\?"):
        load(desk.folder, environ=ENVIRON)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"name = \xff", "not UTF-8: byte 7"),
        (b"#" * (2 << 20), "more than 1 MiB"),
        (b"a = 1\nb = \n", "line 2: column 5"),
        (b'a = "1', "end of the file"),
        (b"a = 1\na = 2\n", "line 2"),
        (b"a = " + b"[" * 100_000, "too deep"),
        (b"a = " + b"9" * 10_000, "TOML"),
    ],
)
def test_a_file_that_is_no_toml_is_complained_of(desk: Desk, content: bytes, what: str) -> None:
    """Where the text stops making sense is said, as near as can be."""
    path = desk.folder / "staging.toml"
    path.write_bytes(content)
    with pytest.raises(ProfileError, match=what):
        load(path, environ=ENVIRON)


def test_a_path_that_is_none_is_complained_of() -> None:
    """Not even a path with a NUL in it is a traceback."""
    with pytest.raises(ProfileError, match="cannot be read"):
        load(Path("a\0b"), environ=ENVIRON)


@pytest.mark.parametrize(
    "text",
    [
        "keys = 5",
        "keys = []",
        "keys.owner = 5",
        "keys.owner = [{}]",
        'keys."\\n".env = "A"',
        'keys.owner.env = "A\\u0000"',
        '"" = 5',
        "'a.b' = { '\\' = 5 }",
        "limits.timeout = 0x" + "f" * 5000,
        "budget.credits = 0x" + "f" * 5000,
        "states.pending.submit = { a = " + "[" * 150 + "]" * 150 + " }",
        "states.pending.submit = { a = " + "[" * 60 + "1979-05-27" + "]" * 60 + " }",
        "volatile.pointers = " + "[" * 150 + "]" * 150,
        "known = [[], 5, {}]",
        "absent = [5]",
        'name = "\\u0000"',
        'ca_bundle = "\\u0000"',
        'states.pending.hook.command = ["\\u0000"]',
        'account.url = "http://[" ',
        "base_url = {}",
        "states = { pending = [] }",
    ],
    ids=lambda text: text[:40],
)
def test_nothing_in_a_file_is_a_traceback(desk: Desk, text: str) -> None:
    """Whatever a file holds, what comes of it is a profile or complaints."""
    environ = {**ENVIRON, "CONFORMANCE_BASE_URL": "http://a", "CONFORMANCE_OWNER_KEY": KEY}
    try:
        json.dumps(load(desk.write(text), environ=environ).public())
    except ProfileError as error:
        assert str(error)  # noqa: PT017


# --- the schema ------------------------------------------------------------------------------------------------------


def test_the_schema_describes_every_setting() -> None:
    """An editor can show what each setting means, and an example of it."""
    tables = [schema(), *schema()["$defs"].values()]
    settings = {name: each for table in tables for name, each in table.get("properties", {}).items()}
    assert settings
    assert [name for name, each in settings.items() if not (each.get("description") and each.get("examples"))] == []


def test_the_schema_is_one_and_knows_no_secret() -> None:
    """It is valid, closed, and has no place for a key."""
    Draft202012Validator.check_schema(schema())
    assert schema()["additionalProperties"] is False
    assert "secret" not in schema()["$defs"]["Key"]["properties"]
