"""The first profile of a target: what must be told is asked for, and what it shows for nothing is looked at."""

from __future__ import annotations

import contextlib
import os
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from conformance.contract import Contract
from conformance.journal import Journal
from conformance.report.text import printable
from conformance.requirements import needing
from conformance.running import UsageProblem
from conformance.states import ENDS_BY_ITSELF, LIVE, State
from conformance.target.complaints import ProfileError
from conformance.target.loading import load
from conformance.target.looking import Grade, Look, Seen, state_like
from conformance.target.profile import OWNER, REVOKED
from conformance.target.ready import copied
from conformance.target.settings import USUAL_VARIABLES, example, written
from conformance.target.tables import Capability
from conformance.verdict import ExitCode

if TYPE_CHECKING:
    from conformance.target.profile import Profile

_KEY_OPTIONS: Final = {f"keys.{role}.env": f"--{role}-key " for role in USUAL_VARIABLES}
_WIDTH: Final = 116

Asking = Callable[[str, str], str]
"""Asks whoever sits at the terminal, by a question and the answer that is taken for an empty one."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked of `init`: where to write, and what of the target is known already."""

    file: Path
    overwrite: bool = False
    base_url: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    like: str | None = None


def introduce(wanted: Wanted, environ: Mapping[str, str], ask: Asking | None) -> ExitCode:
    """Write a profile that loads as it stands, and say what was seen of the target and what comes next.

    Without a terminal nobody is there to `ask`.

    Raises:
        UsageProblem: something is wrong with what was asked for; nothing was written.
    """
    if wanted.like is not None:
        return _copy(wanted, wanted.like)
    if wanted.file.exists() and not wanted.overwrite:
        raise UsageProblem(
            f"{wanted.file}: it is there already, and stays as it is; write --overwrite, or another FILE"
        )
    profile = _known(wanted, environ, ask)
    contract = Contract.load()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(Journal.create(Path(folder) / "journal.sqlite")) as journal,
    ):
        seen = Look(profile, contract, journal).take(wanted.tasks)
        asked = journal.count()
    _write(wanted.file, Draft(profile, contract, seen).text(), environ)
    print("\n".join(map(printable, [*_told(profile, seen, asked), *_next(wanted.file)])))  # noqa: T201 - its output
    return ExitCode.PASSED if seen.grade >= Grade.INVALID else ExitCode.INCONCLUSIVE


def _copy(wanted: Wanted, name: str) -> ExitCode:
    if wanted.keys or wanted.tasks:
        raise UsageProblem(
            "--like copies a profile as it stands: give --base-url beside it at the most, and edit the copy"
        )
    try:
        if wanted.base_url is not None:
            load(None, environ={USUAL_VARIABLES[OWNER]: "unused"}, base_url=wanted.base_url)
        made = copied(name, wanted.file, wanted.base_url, overwrite=wanted.overwrite)
    except (ProfileError, OSError) as error:
        raise UsageProblem(str(error)) from error
    lines = [f"written: {', '.join(map(str, made))}; nothing was sent", *_next(wanted.file)]
    print("\n".join(map(printable, lines)))  # noqa: T201 - the command's output
    return ExitCode.PASSED


def _known(wanted: Wanted, environ: Mapping[str, str], ask: Asking | None) -> Profile:
    """The little that must be known of a target before it can be looked at."""
    base_url, keys = wanted.base_url, dict(wanted.keys)
    if ask is not None:
        base_url = base_url or ask("Base URL of the API", environ.get("CONFORMANCE_BASE_URL", ""))
        for role, variable in USUAL_VARIABLES.items():
            usual = variable if role == OWNER or variable in environ else ""
            keys[role] = keys.get(role) or ask(f"Name of the variable that holds {_MEANING[role]}", usual)
    named = {f"keys.{role}.env": variable for role, variable in keys.items() if variable}
    try:
        return load(None, environ=environ, base_url=base_url or None, overrides=named, options=_KEY_OPTIONS)
    except ProfileError as error:
        raise UsageProblem(str(error)) from error


_MEANING: Final = {
    OWNER: "the key that submits and cancels",
    "other": "a key of another account (none: leave it empty)",
    REVOKED: "a key that was revoked (none: leave it empty)",
}


def _write(file: Path, text: str, environ: Mapping[str, str]) -> None:
    """Put the text in its place once it has been seen to load."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=file.parent, prefix=".", suffix=".toml", encoding="utf-8", delete=False
        ) as draft:
            draft.write(text)
    except OSError as error:
        raise UsageProblem(f"{file}: cannot be written: {error}; give another FILE") from error
    try:
        load(Path(draft.name), environ=environ)
        os.chmod(draft.name, 0o644)  # noqa: PTH101 - there is no secret in it
        os.replace(draft.name, file)  # noqa: PTH105 - a name is all that is left of it
    finally:
        Path(draft.name).unlink(missing_ok=True)


def _told(profile: Profile, seen: Seen, asked: int) -> list[str]:
    """What was seen, a line each."""
    lines = [f"{asked} calls were sent to {profile.base_url}; none of them submitted a task"]
    if seen.grade is Grade.SILENT:
        return [*lines, f"nothing could be learned: {seen.trouble}", "the profile holds what the contract says instead"]
    if seen.grade is Grade.REFUSED:
        lines.append(f"the owner's key, which is in {profile.owner.env}, is refused in both headers; check it")
    elif seen.grade is Grade.ANSWERED:
        lines.append(
            "it answers in JSON, but not as documented to a query for an unknown task; check base_url and [paths]"
        )
    lines.append(f"one answer took {(seen.latency or 0) * 1000:.0f} ms in the middle")
    return lines + [f"seen: {name} = {value}" for name, value in seen.settings.items()]


def _next(file: Path) -> list[str]:
    folder = file.parent / "profile.schema.json"
    return [
        f"next: cancel-conformance doctor --target {file}",
        f"to have it completed in an editor (taplo, Even Better TOML): cancel-conformance schema > {folder}",
    ]


class Draft:
    """The text of a profile: what was seen of the target, and for the rest what the contract says, marked as such."""

    def __init__(self, profile: Profile, contract: Contract, seen: Seen) -> None:
        self._profile = profile
        self._contract = contract
        self._seen = seen

    def text(self) -> str:
        """All of it, section by section."""
        sections = [self._head(), self._keys(), self._wire(), self._names(), *self._states(), self._account()]
        return "\n\n".join("\n".join(section) for section in [*sections, *self._bounds()] if section) + "\n"

    def _head(self) -> list[str]:
        name = urlsplit(self._profile.base_url).hostname or "target"
        bundle = self._profile.ca_bundle
        return [
            "#:schema ./profile.schema.json",
            *_remark(
                f"Begun on {datetime.now(UTC):%Y-%m-%d} by calls that cost nothing. What says `seen` was seen there,"
                " and the rest is what the contract says. --set limits.timeout=5 and CONFORMANCE_LIMITS__TIMEOUT=5 win"
                " over this file."
            ),
            written("name", name),
            f"# {written('version', '2026.11.2')}  # for certificates",
            f"{written('base_url', self._value('base_url', self._profile.base_url))}{self._mark('base_url')}",
            *([written("ca_bundle", str(bundle))] if bundle else []),
        ]

    def _keys(self) -> list[str]:
        lines = ["# The variables that hold the keys; the keys themselves never stand in a file."]
        for role, key in sorted(self._profile.keys.items(), key=lambda item: item[0] != OWNER):
            lines += [written(f"keys.{role}.env", key.env), ""]
        if not self._profile.others:
            lines += _remark(f"A key of another account; without one, not proven: {_rows(Capability.OTHER_KEY)}.")
            lines += [*_commented(written("keys.other.env", "STAGING_OTHER_KEY")), ""]
        if REVOKED not in self._profile.keys:
            lines += _remark(f"A key that was revoked; without one, not proven: {_rows(Capability.REVOKED_KEY)}.")
            lines += [*_commented(written("keys.revoked.env", "STAGING_REVOKED_KEY")), ""]
        return lines[:-1]

    def _wire(self) -> list[str]:
        method = self._profile.query.method or self._contract.routes["query"].method
        given = {
            "auth.header": self._profile.auth.header,
            "query.method": method,
            "errors.code": self._profile.errors.code,
        }
        remarks = {
            "auth.header": "How a key is sent: authorization, as a bearer, or x-api-key.",
            "query.method": "How a task is asked for: POST has the identifier in a JSON body, GET as a parameter.",
            "errors.code": "Where a refusal says what is wrong (R12).",
        }
        lines: list[str] = []
        for name, value in given.items():
            lines += [f"# {remarks[name]}", f"{written(name, self._value(name, value))}{self._mark(name)}", ""]
        return [*lines, *self._paths()]

    def _paths(self) -> list[str]:
        lines = ["# Paths unlike the contract's, put after the base URL."]
        routes = {name: route.path for name, route in self._contract.routes.items()}
        given = self._profile.paths.model_dump(exclude_none=True)
        given |= {"cancel_task": path} if (path := self._seen.settings.get("paths.cancel_task")) else {}
        if not given:
            return [*lines, *_commented(written("paths.cancel_task", routes["cancel_task"]))]
        return [
            *lines,
            "[paths]",
            *(written(name, value) + self._mark(f"paths.{name}") for name, value in given.items()),
        ]

    def _names(self) -> list[str]:
        """The target's words for the states, as far as the tasks that were named have shown them."""
        lines = [
            "# What this target calls a state, where that is not pending, running, completed, failed or cancelled."
        ]
        words = sorted(set(self._seen.states.values()))
        names = {state.value: word for word in words if (state := state_like(word)) and state.value != word}
        lines += [
            f"# A task was seen {word!r}, which may be any of them." for word in words if state_like(word) is None
        ]
        if not names:
            return [*lines, *_commented(written("state_names.pending", "queued"))]
        return [*lines, "[state_names]", *(f"{written(name, word)}  # seen" for name, word in names.items())]

    def _states(self) -> list[list[str]]:
        return [self._way(state) for state in State if state is not State.CANCELLED]

    def _way(self, state: State) -> list[str]:
        """How a task gets into a state, by the contract's example, or by the tasks that were seen in it."""
        fixed = [task for task, word in self._seen.states.items() if state_like(word) is state]
        if state in ENDS_BY_ITSELF and fixed:
            return ["# Tasks that are in this state already.", f"{written(f'states.{state}.tasks', fixed)}  # seen"]
        body = self._contract.submit_body(state)
        lines = [f"# What to submit for a {state} task; the contract's example, to be replaced by your cheapest."]
        lines.append(written(f"states.{state}.submit", body) if body else f"[states.{state}]")
        if state in LIVE:
            sure = "stays pending" if state is State.PENDING else "does not end"
            lines.append(f"# holds = 20.0  # seconds, from its submit, in which such a task surely {sure} (R25)")
        price = "0" if state in {State.PENDING, State.FAILED} else "1.5"
        return [*lines, f"# credits = {price}  # what one may cost", "# within = 180.0  # seconds to wait at the most"]

    def _account(self) -> list[str]:
        names = ("header", "url", "pointer")
        given = {name: self._value(f"account.{name}", getattr(self._profile.account, name)) for name in names}
        lines = ["# Where the credits left are told (R16)."]
        if not any(given.values()):
            lines += _remark(f"None was seen; without one, not proven: {_rows(Capability.ACCOUNTING)}.")
            return [*lines, *_commented(example("account"))]
        known = {name: value for name, value in given.items() if value}
        return [
            *lines,
            "[account]",
            *(written(name, value) + self._mark(f"account.{name}") for name, value in known.items()),
        ]

    def _bounds(self) -> list[list[str]]:
        """What a run keeps to, and what it may spend."""
        limits, told = self._profile.limits, ""
        if self._seen.latency is not None:
            told = f"  # one answer took {self._seen.latency * 1000:.0f} ms"
        return [
            ["# What a run keeps to.", f"{written('limits.timeout', limits.timeout)}{told}", written("in_flight", 5)],
            ["# What a run may spend; `cancel-conformance plan` says what it would.", example("budget")],
            ["# Where the target can call this machine, for NOTIFY-2.", *_commented(example("callback"))],
        ]

    def _value(self, name: str, given: Any) -> Any:  # noqa: ANN401 - any value of TOML
        return self._seen.settings.get(name, given)

    def _mark(self, name: str) -> str:
        """Whether a line was seen to be so: what the look has found, or what it has met as it was given."""
        met = self._seen.grade is Grade.FOUND and name in {"base_url", "auth.header", "query.method", "errors.code"}
        return "  # seen" if met or name in self._seen.settings else ""


def _rows(capability: Capability) -> str:
    return ", ".join(needing(capability))


def _commented(text: str) -> list[str]:
    return [f"# {line}" for line in text.splitlines()]


def _remark(text: str) -> list[str]:
    """A remark on as many lines as it takes."""
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH)]
