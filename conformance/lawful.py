"""What may lawfully follow from a cancel: the norm and its rulings, as one function.

A call names tasks; the norm says which task it acts on, or how it is refused. Where the norm is silent or supports
several answers, the rulings allow several: the result is a set of effects, and a check judges only what no member of
the set explains.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from html import unescape
from posixpath import normpath
from typing import Final, Literal
from urllib.parse import unquote, unquote_plus

from conformance.exchange import ABSENT, Form, Named


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task that a story is about, as it was submitted (or, without `submitted_at`, as the profile names it).

    `pending_until` and `live_until` are instants on the run's clock up to which the profile promises that the task has
    not started, and not ended, by itself (ruling R25). By `due`, where that is known, it would have ended undisturbed.
    A resubmitted task comes `after` the cancelled one whose task id that is. A task `races` where its cancel is aimed
    at the instant of its `start` or of its `end`.
    """

    task_id: str
    out_task_id: str | None
    role: str
    wanted: str = "pending"
    submitted_at: float | None = None
    pending_until: float = float("-inf")
    live_until: float = float("-inf")
    due: float | None = None
    after: str | None = None
    races: Literal["", "start", "end"] = ""

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The one or two strings that name this task."""
        return (self.task_id,) if self.out_task_id is None else (self.task_id, self.out_task_id)


class Refusal(StrEnum):
    """The documented refusals, by the names of their responses in the contract, and any 4xx at all."""

    INVALID_PARAM = "InvalidParam"
    TASK_NOT_FOUND = "TaskNotFound"
    INVALID_KEY = "InvalidKey"
    ANY = "4xx"


@dataclass(frozen=True)
class Acts:
    """The effect of a call that acts on one task."""

    task: Task


Effect = Acts | Refusal
Effects = frozenset[Effect]


def effects(named: Named, role: str, tasks: Sequence[Task]) -> Effects:
    """All lawful effects of a cancel that carries the identifiers `named`, sent with the valid key of `role`.

    `tasks` are all tasks that may be meant; a string that fits none of them is unknown.
    """
    look_up = _LookUp(role, tasks)
    found = _by_path(named, look_up) if named.path is not None else _by_body(named, look_up)
    if named.odd:
        found |= {Refusal.ANY}  # R18, R19
    return found if named.otherwise is None else found | effects(named.otherwise, role, tasks)


def effects_without_key(named: Named, tasks: Sequence[Task]) -> Effects:
    """All lawful effects of a cancel without a valid key: 401, and at the most a refusal for its form (ruling R10).

    What is made like the ids of the `tasks` has nothing in its form to be refused for.
    """
    return effects(named, "", tasks) - {Refusal.TASK_NOT_FOUND} | {Refusal.INVALID_KEY}


def _by_path(named: Named, look_up: _LookUp) -> Effects:
    found = look_up(named.path, Form.PATH)
    if not named.readable:
        return found | {Refusal.ANY}  # R20
    if named.out_task_id is not ABSENT:
        return found | {Refusal.INVALID_PARAM}  # R1
    if named.task_id is not ABSENT and not (isinstance(named.task_id, str) and named.task_id):
        return found | {Refusal.INVALID_PARAM}  # R2 beside R3 and R4
    return found


def _by_body(named: Named, look_up: _LookUp) -> Effects:
    if not named.readable:
        return frozenset({Refusal.ANY})
    given = {Form.TASK_ID: named.task_id, Form.OUT_TASK_ID: named.out_task_id}
    given = {form: value for form, value in given.items() if value is not ABSENT}
    refused: Effects = frozenset({Refusal.INVALID_PARAM})
    if len(given) == 1:
        [(form, value)] = given.items()
        return look_up(value, form)
    if "" in given.values():
        return refused | {Refusal.TASK_NOT_FOUND}  # R4
    if None in given.values():
        return refused.union(*(look_up(value, form) for form, value in given.items() if value is not None))  # R3
    return refused


@dataclass(frozen=True)
class _LookUp:
    """What one identifier alone may lead to, where a key of `role` shows it, and any of the `tasks` may be there."""

    role: str
    tasks: Sequence[Task]

    def __call__(self, value: object, form: Form) -> Effects:
        if not isinstance(value, str):
            return frozenset({Refusal.INVALID_PARAM})  # R3, R4
        if form is Form.PATH and not value.strip("/."):
            return frozenset({Refusal.INVALID_PARAM, Refusal.TASK_NOT_FOUND, Refusal.ANY})  # R4, where a router sees it
        if not value:
            return frozenset({Refusal.INVALID_PARAM, Refusal.TASK_NOT_FOUND})  # R4
        exact = self.acts(value, form)
        if exact or form is not Form.PATH:
            return exact or self.unknown(value, form)
        return self.acts(_routed(value), form) | self.unknown(value, form)

    def acts(self, value: str, form: Form) -> Effects:
        """The task that a string names to the letter."""
        for task in self.tasks:
            if value == (task.out_task_id if form is Form.OUT_TASK_ID else task.task_id) and task.role == self.role:
                return frozenset({Acts(task)})
        return frozenset()

    def unknown(self, value: str, form: Form) -> Effects:
        """No task matches; what is odd may be refused as odd rather than as unknown (rulings R5, R18)."""
        if form is Form.OUT_TASK_ID and ORDINARY.match(value):
            return frozenset({Refusal.TASK_NOT_FOUND})
        if form is not Form.OUT_TASK_ID and self._is_well_formed(value):
            return frozenset({Refusal.TASK_NOT_FOUND})
        if not ORDINARY.match(value) and (form is Form.PATH or len(value) > _LONG or not value.isprintable()):
            return frozenset({Refusal.TASK_NOT_FOUND, Refusal.ANY})
        return frozenset({Refusal.TASK_NOT_FOUND, Refusal.INVALID_PARAM})

    def _is_well_formed(self, value: str) -> bool:
        return well_formed(value, (task.task_id for task in self.tasks))


def _routed(path: str) -> str:
    """What is left of a path where a server or a proxy has tidied it up: no slash at the end, no dots, no parameters.

    Many do so with what they have decoded: a fair reading of an odd path (requirement ERR-7; RFC 3986, 3.3 and 5.2.4).
    """
    return normpath("/".join(segment.partition(";")[0] for segment in path.split("/")))


def well_formed(task_id: str, known: Iterable[str]) -> bool:
    """Whether `task_id` is certainly made like one of the `known` task ids (ruling R5).

    That is so where prefix, separators and length are the same, the characters are of the smallest usual alphabet that
    holds the known id's, and the places are equal that tell a UUID's version or bound a ULID.
    """
    return any(_is_made_like(task_id, each) for each in known)


def _is_made_like(task_id: str, model: str) -> bool:
    prefix, separator, rest = model.rpartition("_")
    mine = task_id.removeprefix(prefix + separator)
    if len(task_id) != len(model) or len(mine) != len(rest) or not rest:
        return False
    if any(mine[place] != rest[place] for place in _TELLING_PLACES.get(len(rest), (0,))):
        return False
    alphabet = next((each for each in _ALPHABETS if all(char in each for char in rest if char.isalnum())), "")
    return all((one in alphabet) if other.isalnum() else one == other for one, other in zip(mine, rest, strict=True))


_DIGITS = "0123456789"
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_CROCKFORD = "abcdefghjkmnpqrstvwxyz"
_ALPHABETS = (
    _DIGITS,
    _DIGITS + "abcdef",
    _DIGITS + "ABCDEF",
    _DIGITS + _CROCKFORD,
    _DIGITS + _CROCKFORD.upper(),
    _DIGITS + _LOWER,
    _DIGITS + _LOWER.upper(),
    _DIGITS + _LOWER + _LOWER.upper(),
)
_TELLING_PLACES = {36: (0, 14, 19), 32: (0, 12, 16)}

ORDINARY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}\Z")
"""What every service takes for an identifier: neither long nor odd."""

_LONG = 512

_CUTS = (30, 31, 32, 36, 40, 48, 50, 60, 63, 64, 100, 127, 128, 200, 250, 255, 256, 500, 511, 512)


@lru_cache(maxsize=16384)
def confusable(one: str, other: str) -> bool:
    """Whether a sloppy comparison (folded, trimmed, cut, decoded, by pattern) takes two different strings for one."""
    if one == other:
        return False
    if one.startswith(other) or other.startswith(one) or one.endswith(other) or other.endswith(one):
        return True
    return not _sloppy(one).isdisjoint(_sloppy(other)) or _is_like(one, other) or _is_like(other, one)


@lru_cache(maxsize=4096)
def _sloppy(text: str) -> frozenset[str]:
    return frozenset(_sloppily_read(text))


def _sloppily_read(text: str) -> Iterator[str]:
    for decoded in {text, unquote(text), unquote_plus(text), unescape(text)}:
        for form in _NORMAL_FORMS if not decoded.isascii() else ("NFC",):
            normal = unicodedata.normalize(form, decoded).casefold()
            yield " ".join(normal.split())
            yield f"misread:{normal.translate(_MISREAD)}"
            yield "".join(char for char in normal if char.isalnum())
            yield "".join(char for char in normal if char.isascii() and char.isalnum())
    yield from (f"{size}:{text[:size].casefold()}" for size in _CUTS if len(text) >= size)
    number = re.fullmatch(r"\s*([+-]?\d{1,30}(?:\.\d{1,30})?(?:[eE]\d{1,3})?)\s*", text)
    if number:
        yield f"number:{float(number[1])}"


_MISREAD: Final = str.maketrans("oil", "011")
_NORMAL_FORMS: Final = ("NFC", "NFKC", "NFKD")


def _is_like(pattern: str, text: str) -> bool:
    """Whether `pattern`, by the wildcards of SQL, shells or regular expressions, matches `text`."""
    if not re.search(r"[%_*?.]", pattern) or _differ_at_the_head(pattern, text):
        return False
    head, *parts = ("".join("." if char in "_?." else re.escape(char) for char in part) for part in _literals(pattern))
    # Atomic groups: the first fit of each part is kept, so that no pattern takes long.
    middle = "".join(f"(?>.*?{part})" for part in parts[:-1])
    tail = f".*{parts[-1]}" if parts else ""
    return re.fullmatch(head + middle + tail, text[:_LONG], re.DOTALL | re.IGNORECASE) is not None


def _differ_at_the_head(pattern: str, text: str) -> bool:
    """Whether a plain letter stands against another one before any wildcard for several: what is soon seen."""
    for mine, theirs in zip(pattern, text, strict=False):
        if mine in "%*" or not (mine.isascii() and theirs.isascii()):
            return False
        if mine not in "_?." and mine.lower() != theirs.lower():
            return True
    return False


def _literals(pattern: str) -> list[str]:
    return re.split(r"(?:\.?[%*])+", pattern[:_LONG])
