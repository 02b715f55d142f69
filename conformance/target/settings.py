"""What may be set, found in the tables: where it stands, by which variable it can be told, and how TOML writes it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from conformance.target.profile import OWNER, REVOKED, Profile
from conformance.target.values import may_be_a_key

Location = tuple[str | int, ...]
"""The way to a setting or a table, by names and, in arrays, by indices from 0."""

PREFIX: Final = "CONFORMANCE_"
"""What the environment variables that are settings begin with."""

ROLE_VARIABLES: Final = {f"{PREFIX}{role.upper()}_KEY": role for role in (OWNER, "other", REVOKED)}
"""Environment variables that hold the keys of the usual roles, with or without a file."""

USUAL_VARIABLES: Final = {role: variable for variable, role in ROLE_VARIABLES.items()}
"""The same by role."""

OTHER_VARIABLES: Final = frozenset({"CONFORMANCE_TARGET", "CONFORMANCE_REPORT_DIR"})
"""Environment variables with our prefix that are no settings of a profile."""

SHORTEST_PROFILE: Final = 'base_url = "https://staging.example.com/v1"\n[keys.owner]\nenv = "STAGING_OWNER_KEY"'
"""A whole profile, of as few lines as there can be."""

_BARE: Final = re.compile(r"[A-Za-z0-9_-]{1,60}")
_MOST_BITS: Final = 256
"""A whole number of as many is not written out."""


# --- where it stands -----------------------------------------------------------------------------------------------


def _inner(annotation: object) -> tuple[type[BaseModel] | None, tuple[str, ...]]:
    """The table that a setting is made of, if any, and the step to it: `*` for any name, `[]` for any index."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ()
    origin = get_origin(annotation)
    step = ("[]",) if origin is tuple else ("*",) if origin is Mapping else ()
    for argument in get_args(annotation):
        model, below = _inner(argument)
        if model is not None:
            return model, (*step, *below)
    return None, ()


def _fields(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for name, described in model.model_fields.items():
        yield (*above, name), described
        inner, step = _inner(described.annotation)
        if inner is not None:
            yield from _fields(inner, (*above, name, *step))


_FIELDS: Final[Mapping[Location, FieldInfo]] = dict(_fields(Profile))
_STEPS: Final = frozenset(path[:length] for path in _FIELDS for length in range(len(path) + 1))
_FIXED: Final = tuple(path for path in _FIELDS if not {"*", "[]"} & set(path))
"""Where there is neither a name that the user chose nor an index on the way."""


def _generic(path: Location) -> Location:
    """A path with `*` for the names that the user chose, and `[]` for indices."""
    found: Location = ()
    for step in path:
        named = (*found, "[]" if isinstance(step, int) else step)
        found = named if named in _STEPS else (*found, "*")
    return found


def setting_at(path: Location) -> FieldInfo | None:
    """The setting or the table at `path`, if there is one."""
    return _FIELDS.get(_generic(path))


def is_table(setting: FieldInfo) -> bool:
    """Whether a setting is a table of settings, or several."""
    return _inner(setting.annotation)[0] is not None


def known_part(path: Location) -> Location:
    """The innermost part of a path that is a setting or a table of its own."""
    while len(path) > 1 and setting_at(path) is None:
        path = path[:-1]
    return path


@cache
def settings_in(table: Location) -> tuple[str, ...]:
    """The names of what may be set in a table."""
    above = _generic(table)
    return tuple(str(path[-1]) for path in _FIELDS if path[:-1] == above)


def settings_called(name: str | int) -> list[Location]:
    """Where else a setting of that name stands, as far as the way there is the same in every profile."""
    return [path for path in _FIXED if path[-1] == name]


def dotted_names() -> list[str]:
    """Everything that `--set` can name, with `*` for a name that the user chose."""
    return [".".join(map(str, path)) for path in _FIELDS if "[]" not in path]


@cache
def variable_names() -> tuple[str, ...]:
    """Every environment variable that is a setting and has a fixed name."""
    plain = [path for path in _FIXED if not is_table(_FIELDS[path])]
    return (*ROLE_VARIABLES, *OTHER_VARIABLES, *(PREFIX + "__".join(map(str, path)).upper() for path in plain))


# --- how it is written ---------------------------------------------------------------------------------------------


def written(setting: str, value: object) -> str:
    """The lines of a profile that give a setting, by its dotted name, a value."""
    path = tuple(setting.split("."))
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return _table(path, value)
    return _table(path[:-1], {path[-1]: value})


def example(setting: str) -> str:
    """The lines of a profile that give a setting, by its dotted name, the value that documentation shows."""
    return snippet(tuple(setting.split(".")))


def example_of(setting: FieldInfo) -> Any:  # noqa: ANN401 - any value of TOML
    """The value of a setting that documentation shows."""
    return (setting.examples or [""])[0]


def snippet(path: Location, near: Sequence[str] = ()) -> str:
    """Lines of TOML that set what is at `path`, by its example or by the word that was meant."""
    path = known_part(path)
    setting = setting_at(path)
    if setting is None:
        return SHORTEST_PROFILE
    value = near[0] if near else example_of(setting)
    if is_table(setting):
        return _table(path, value)
    return _table(path[:-1], {str(path[-1]): value})


def _table(path: Location, rows: Any) -> str:  # noqa: ANN401 - any value of TOML
    if isinstance(rows, list):
        return _table((*path, 0), rows[0])
    if all(isinstance(row, dict) for row in rows.values()) and path in {("keys",), ("states",)}:
        return "\n".join(_table((*path, name), row) for name, row in rows.items())
    names = ".".join(str(step) for step in path if not isinstance(step, int))
    header = [] if not path else [f"[[{names}]]"] if isinstance(path[-1], int) else [f"[{names}]"]
    return "\n".join([*header, *(f"{name} = {toml(row)}" for name, row in rows.items())])


def toml(value: object) -> str:
    """A value in TOML's notation, or as near to it as a value that is no TOML can be."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {toml(each)}" for name, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(value) if math.log2(abs(value) + 1) < _MOST_BITS else "a very large number"
    return str(value)


def dotted(path: Location) -> str:
    """A path as one writes it, `known[0].reason`; a name that may be a key is masked."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            plain = _BARE.fullmatch(step) and not may_be_a_key(step)
            text += ("." if text else "") + (step if plain else f'"… ({len(step)} characters)"')
    return text
