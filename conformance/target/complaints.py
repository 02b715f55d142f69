"""Complaints about a profile: where, what was given and what is allowed, what to write, and never a key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from conformance.target.settings import Location, dotted, toml
from conformance.target.values import did_you_mean, may_be_a_key

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

LONGEST_QUOTE: Final = 80
"""Characters of what was given that a complaint repeats at the most."""

OR_IN_THE_SHELL: Final = "or in the shell: "
"""What stands before a line for the shell that does as well as the lines for the file."""

_MOST_ELEMENTS: Final = 20
_KINDS: Final = {
    "float_type": "a number, without quotes",
    "int_type": "a whole number, without quotes",
    "decimal_type": "a number, without quotes",
    "is_instance_of": "a number, without quotes",
    "finite_number": "a finite number",
    "string_type": 'a string, in "quotes"',
    "date_type": "a date such as 2027-01-31, without quotes",
    "tuple_type": "an array, in [brackets]",
    "dict_type": "a table",
    "mapping_type": "a table",
    "model_type": "a table",
    "too_short": "at least one element",
    "missing": "required",
}


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """One thing that is wrong: where, the dotted key, what was given, what is allowed and means what, what to write."""

    where: str
    key: str
    given: str
    allowed: str
    write: str
    means: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}, line {self.line}"
        rows = {"given": self.given, "allowed": self.allowed, "means": self.means, "write": self.write}
        told = [f"  {name:<9}{text.replace(chr(10), chr(10) + ' ' * 11)}" for name, text in rows.items() if text]
        return "\n".join([f"{place}: {self.key}", *told])

    def without(self, secrets: Sequence[str]) -> Complaint:
        """The same complaint with every one of `secrets` blotted out."""
        texts = {name: getattr(self, name) for name in ("where", "key", "given", "allowed", "write")}
        for secret in secrets:
            texts = {name: text.replace(secret, "…") for name, text in texts.items()}
        return replace(self, **texts)


class ProfileError(Exception):
    """A profile cannot be used; the text is every complaint about it."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        self.complaints = tuple(sorted(complaints, key=lambda each: each.line or 0))
        super().__init__(self.complaints)

    def __str__(self) -> str:
        count = len(self.complaints)
        head = "The profile cannot be used:" if count == 1 else f"The profile cannot be used, for {count} reasons:"
        return "\n\n".join([head, *map(str, self.complaints)])


@dataclass(frozen=True)
class Mistake:
    """What is wrong with the setting at `path`, while it is not known yet where that was given."""

    path: Location
    _: KW_ONLY
    given: str
    allowed: str
    write: str
    means: str = ""

    def at(self, where: str, line: int | None) -> Complaint:
        """The complaint about it: in which file, variable or command line, and on which line of a file, from 1."""
        return Complaint(
            where=where,
            line=line,
            key=dotted(self.path),
            given=self.given,
            allowed=self.allowed,
            means=self.means,
            write=self.write,
        )


def should_be(error: ErrorDetails) -> str:
    """What should have been instead of this mistake, which pydantic found, in short."""
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return _KINDS.get(error["type"], message) + did_you_mean(nearest_words(error))


def nearest_words(error: ErrorDetails) -> list[str]:
    """The one of a few allowed words that a wrong one resembles, if any does."""
    if error["type"] not in {"enum", "literal_error"} or not isinstance(error["input"], str):
        return []
    words = {word.lower(): word for word in re.findall("'([^']*)'", error.get("ctx", {}).get("expected", ""))}
    return [words[word] for word in get_close_matches(error["input"].lower(), words, n=1)]


def shown(path: Location, value: object) -> str:
    """A value as it may be shown: short, on one line, without anything that may be secret."""
    private = path[:1] == ("keys",) and not {"account", "former_tasks"} & set(path)
    if private or (isinstance(value, str) and may_be_a_key(value)):
        return masked(value)
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict | list) for each in value)):
        return _kind(value)
    if isinstance(value, list):
        return _cut(f"[{', '.join(shown(path, each) for each in value[:_MOST_ELEMENTS])}]")
    if isinstance(value, str) and "://" in value:
        value = re.sub(r"[?#].*", "?…", re.sub(r"(?<=://).*@", "…@", value, flags=re.DOTALL), flags=re.DOTALL)
    return _cut(toml(value))


def masked(value: object) -> str:
    """What may be said of a value that is not to be shown."""
    if not isinstance(value, str):
        return f"{_kind(value)} (not shown)"
    mark = re.match("(sk|pk|rk)[-_]", value)
    return f"{mark[0] if mark else ''}… ({len(value)} characters, not shown)"


def _kind(value: object) -> str:
    kinds = {bool: "a boolean", int: "a number", float: "a number", list: "an array", dict: "a table", str: "a string"}
    return kinds.get(type(value), "a value")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 1]}…"
