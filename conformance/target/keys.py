"""The keys of a profile, by role: each is named by a variable that holds it, and no mistake about one shows it."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from typing import Any, Final, TypeGuard

from conformance.target.complaints import OR_IN_THE_SHELL, Mistake, masked
from conformance.target.profile import OWNER
from conformance.target.settings import ROLE_VARIABLES, USUAL_VARIABLES, Location, dotted
from conformance.target.values import may_be_a_key

_PASTED: Final = frozenset({"key", "secret", "value", "token", "api_key", "apikey", "password", "bearer"})
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_PLAIN_VARIABLE: Final = re.compile(r"(?=.{1,20}$|.*_)[A-Z_][A-Z0-9_]{0,99}")
_SHORTEST_SCRUBBED: Final = 6
_AND_IN_THE_SHELL: Final = "and in the shell: "
_ENV: Final = "env, the name of an environment variable that holds the key; the key itself is never in the file"


class Keys:
    """The table `keys` of a profile in the making, whatever stands in it, and the environment that holds the keys."""

    def __init__(self, table: object, environ: Mapping[str, str]) -> None:
        self._all: dict[str, Any] = table if isinstance(table, dict) else {}
        self._tables = {role: key for role, key in self._all.items() if isinstance(key, dict)}
        self._environ = environ

    def variables(self) -> dict[str, str]:
        """The variable of each role that names one properly."""
        named = {role: key.get("env") for role, key in self._tables.items()}
        return {role: env for role, env in named.items() if _is_a_variable(env)}

    def secrets(self) -> list[str]:
        """The keys themselves, the longest first, but for those that are so short that they may be words."""
        values = (self._environ.get(env, "") for env in {*self.variables().values(), *ROLE_VARIABLES})
        return sorted((value for value in values if len(value) >= _SHORTEST_SCRUBBED), key=len, reverse=True)

    def pasted(self) -> Iterator[Mistake]:
        """The keys that stand where the name of a variable should."""
        for role, key in self._all.items():
            if isinstance(key, str):
                yield _pasted(("keys", role), role, key)
            elif isinstance(key, dict):
                for name, value in key.items():
                    if name.lower() in _PASTED or (name == "env" and _is_no_variable(value)):
                        yield _pasted(("keys", role, name), role, value)

    def unusable(self, *, in_file: bool, told: Container[Location]) -> Iterator[Mistake]:
        """The keys that nobody can send: no variable is named, or what it holds is no key.

        What to write is said for the file, if the profile is in one, and for the settings that were `told` outside it.
        """
        for role, key in self._tables.items():
            env = key.get("env")
            if _is_a_variable(env):
                yield from self._unusable(role, env, told)
            elif env is None and not _has_a_pasted_key(key):
                yield _missing(role, in_file=in_file)

    def complete(self) -> None:
        """Put each key on an account, and name a variable where a key was pasted: that it is missing has been said."""
        for role, key in self._tables.items():
            if key.get("env") is None and _has_a_pasted_key(key):
                key["env"] = _variable(role)
            key.setdefault("account", role)

    def alike(self) -> Iterator[Mistake]:
        """The keys that are the same as that of a role before them."""
        first: dict[str, str] = {}
        for role, env in self.variables().items():
            value = self._environ.get(env, "")
            earlier = first.setdefault(value, role)
            if value and earlier != role:
                yield Mistake(
                    ("keys", role, "env"),
                    given=f"{env}, which holds the same key as that of {dotted((earlier,))}",
                    allowed="a key of its own for each role: the target could not tell them apart",
                    write=f"export {env}='<another key>'\nor take out [keys.{dotted((role,))}]",
                )

    def _unusable(self, role: str, env: str, told: Container[Location]) -> Iterator[Mistake]:
        value = self._environ.get(env)
        if value is None:
            what = "which is not set"
        elif not value:
            what = "which is set but empty"
        elif not all("!" <= char <= "~" for char in value):
            what = f"which holds {_in_the_way(value)}"
        else:
            return
        plain = _PLAIN_VARIABLE.fullmatch(env) and not may_be_a_key(env)
        write = _export(env) if plain else f"{_naming(role)}\n{_AND_IN_THE_SHELL}{_export(_variable(role))}"
        if ("keys", role, "env") in told and role != OWNER:
            write = f"{write}\nor, where there is no such key: unset {env}"
        yield Mistake(
            ("keys", role, "env"),
            given=f"{env if plain else masked(env)}, {what}",
            allowed="the name of an environment variable that holds a key: ASCII, without spaces and line ends",
            write=write,
        )


def _is_a_variable(env: object) -> TypeGuard[str]:
    return isinstance(env, str) and _VARIABLE.fullmatch(env) is not None


def _is_no_variable(env: object) -> bool:
    """Whether it is a text that cannot be the name of one."""
    return isinstance(env, str) and not _is_a_variable(env)


def _has_a_pasted_key(key: Mapping[str, Any]) -> bool:
    return not _PASTED.isdisjoint(name.lower() for name in key)


def _pasted(path: Location, role: str, value: object) -> Mistake:
    return Mistake(
        path,
        given=f"{masked(value)}, which looks like the key itself; take it out, and renew it if it was shared",
        allowed=_ENV,
        write=f"{_naming(role)}\n{_AND_IN_THE_SHELL}{_export(_variable(role))}",
    )


def _missing(role: str, *, in_file: bool) -> Mistake:
    usual = USUAL_VARIABLES.get(role)
    write = _naming(role) if in_file else _export(usual or _variable(role))
    if in_file and usual is not None:
        write = f"{write}\n{OR_IN_THE_SHELL}{_export(usual)}"
    return Mistake(("keys", role, "env"), given="nothing", allowed=_ENV, write=write)


def _in_the_way(key: str) -> str:
    """What of a key no header can hold."""
    if key != key.strip():
        return "white space before or after the key"
    if any(char.isspace() for char in key):
        return "white space in the key"
    return (
        "a control character"
        if any(ord(char) < ord(" ") or char == "\x7f" for char in key)
        else "a non-ASCII character"
    )


def _naming(role: str) -> str:
    return f'[keys.{dotted((role,))}]\nenv = "{_variable(role)}"'


def _variable(role: str) -> str:
    """A variable that may well be named for a role's key."""
    return f"STAGING_{role.upper()}_KEY" if re.fullmatch("[a-z][a-z0-9_]{0,31}", role) else "STAGING_KEY"


def _export(variable: str) -> str:
    return f"export {variable}='<the key>'"
