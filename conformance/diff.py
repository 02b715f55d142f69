"""Two runs side by side: what is newly broken, fixed, no longer proven, no longer asked, and what each of them took."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from conformance.journal import Journal, JournalError
from conformance.report.document import document
from conformance.report.summary import summarise
from conformance.report.text import printable
from conformance.verdict import Verdict

_BROKEN: Final = {Verdict.FAIL, Verdict.WARN}
_OPEN: Final = {Verdict.INCONCLUSIVE, Verdict.NOT_OBSERVABLE}
_LARGEST: Final = 64 << 20
_NOISE: Final = 1.0
"""Seconds by which a family's time differs between two runs of the same."""

_JOURNAL: Final = b"SQLite format 3\0"
_INTACT: Final = {Verdict.PASS, Verdict.KNOWN, *_OPEN, None}


class NoRun(Exception):
    """A file does not tell of a run; the text says which and why."""


class Change(StrEnum):
    """What may have become of a row; those that are worse come first."""

    BROKEN = "newly broken"
    UNPROVEN = "no longer proven"
    UNASKED = "no longer asked"
    EXCUSED = "newly excused as known"
    FIXED = "fixed"
    PROVEN = "newly proven"
    OPEN = "asked anew, not proven"


WORSE: Final = {Change.BROKEN, Change.UNPROVEN}


class _Read(BaseModel):
    """What is read of a summary; the rest of the file is nobody's concern here."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Standing(_Read):
    """How one row stands."""

    verdict: Verdict
    reason: str = ""


class Spent(_Read):
    """What a run has cost, in credits."""

    spent: str = Field(default="0", max_length=100)
    by_family: Mapping[str, str] = Field(default_factory=dict)


class Took(_Read):
    """How long a run took."""

    whole: float | None = None
    by_family: Mapping[str, float] = Field(default_factory=dict)


class Told(_Read):
    """What a summary says of its run."""

    run: Mapping[str, Any] = Field(default_factory=dict)
    requests: NonNegativeInt
    submits: NonNegativeInt
    credits: Spent
    seconds: Took = Took()
    requirements: Mapping[str, Standing]

    def verdict(self, row: str) -> Verdict | None:
        """The verdict on a row, or None where the run did not ask for it."""
        return self.requirements[row].verdict if row in self.requirements else None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What has changed from the `old` run to the `new` one: the rows by what became of them."""

    old: Told
    new: Told
    changes: Mapping[Change, tuple[str, ...]]

    @property
    def worse(self) -> bool:
        """Whether a row is newly broken, or no longer proven."""
        return any(self.changes[change] for change in WORSE)

    def text(self) -> str:
        """The change of each row on a line, and what the two runs took."""
        lines = [
            printable(f"{change:<24}{row:<10}{self._step(row)}{self._reason(row)}")
            for change, rows in self.changes.items()
            for row in rows
        ]
        return "\n".join([*(lines or ["no row has changed"]), *map(printable, self._taken())])

    def document(self) -> str:
        """All of it as JSON text."""
        value = {
            "worse": self.worse,
            "changes": {
                change.value: {row: [self.old.verdict(row), self.new.verdict(row)] for row in rows}
                for change, rows in self.changes.items()
            },
            "requests": [self.old.requests, self.new.requests],
            "submits": [self.old.submits, self.new.submits],
            "credits": [self.old.credits.spent, self.new.credits.spent],
            "seconds": [self.old.seconds.whole, self.new.seconds.whole],
            "families": {
                family: {
                    "credits": [told.credits.by_family.get(family, "0") for told in (self.old, self.new)],
                    "seconds": [told.seconds.by_family.get(family, 0.0) for told in (self.old, self.new)],
                }
                for family in self._families()
            },
            "runs": [dict(self.old.run), dict(self.new.run)],
        }
        return json.dumps(value, indent=2)

    def _step(self, row: str) -> str:
        return " → ".join(told.verdict(row) or "not asked" for told in (self.old, self.new))

    def _reason(self, row: str) -> str:
        found = self.new.requirements.get(row)
        return f": {found.reason}" if found and found.reason else ""

    def _taken(self) -> list[str]:
        old, new = self.old, self.new
        requests = f"requests {old.requests} → {new.requests}, tasks submitted {old.submits} → {new.submits}"
        took = " → ".join(
            "unknown" if told.whole is None else f"{told.whole:.1f}" for told in (old.seconds, new.seconds)
        )
        lines = [f"{requests}, credits spent {old.credits.spent} → {new.credits.spent}, seconds {took}"]
        lines += filter(None, map(self._taken_by, self._families()))
        differing = [f"{key} {old.run.get(key)} → {new.run.get(key)}" for key in _BACKGROUND if self._differs(key)]
        return [*lines, f"the runs themselves differ: {', '.join(differing)}"] if differing else lines

    def _families(self) -> list[str]:
        """The families of which either run tells what they took."""
        told = [*self.old.credits.by_family, *self.old.seconds.by_family]
        return sorted({*told, *self.new.credits.by_family, *self.new.seconds.by_family})

    def _taken_by(self, family: str) -> str:
        """What has changed in what a family took; of its time, only what is more than noise."""
        spent = [told.credits.by_family.get(family, "0") for told in (self.old, self.new)]
        took = [told.seconds.by_family.get(family, 0.0) for told in (self.old, self.new)]
        said = [f"credits {spent[0]} → {spent[1]}"] if spent[0] != spent[1] else []
        said += [f"seconds {took[0]:.1f} → {took[1]:.1f}"] if abs(took[1] - took[0]) >= _NOISE else []
        return f"{family}: {', '.join(said)}" if said else ""

    def _differs(self, key: str) -> bool:
        return bool(self.old.run.get(key) != self.new.run.get(key))


_BACKGROUND: Final = ("suite", "name", "base_url", "contract_sha256", "depth")
"""What may have changed a verdict beside the target itself."""


def difference(old: Path, new: Path) -> Difference:
    """What has changed from one run to another, each in a summary, a journal or a report folder.

    Raises:
        NoRun: one of them is none of these.
    """
    before, after = told_by(old), told_by(new)
    found: dict[Change, list[str]] = {change: [] for change in Change}
    for row in dict.fromkeys([*before.requirements, *after.requirements]):
        change = _change(before.verdict(row), after.verdict(row))
        if change is not None:
            found[change].append(row)
    return Difference(old=before, new=after, changes={change: tuple(rows) for change, rows in found.items()})


def _change(before: Verdict | None, after: Verdict | None) -> Change | None:
    """What became of a row; a failure that was only a warning before is a new one."""
    if before == after:
        return None
    if after is None:
        return Change.UNASKED
    if after in _BROKEN:
        return Change.BROKEN if after is Verdict.FAIL or before in _INTACT else None
    if after in _OPEN:
        return Change.OPEN if before is None else None if before in _OPEN else Change.UNPROVEN
    if after is Verdict.KNOWN:
        return Change.EXCUSED
    return Change.FIXED if before in {*_BROKEN, Verdict.KNOWN} else Change.PROVEN


def told_by(path: Path) -> Told:
    """What the run says of itself that is in a folder, a summary or a journal.

    Raises:
        NoRun: there is none.
    """
    if path.is_dir():
        found = [file for name in ("summary.json", "journal.sqlite") if (file := path / name).is_file()]
        if not found:
            raise NoRun(f"{path}: holds neither summary.json nor journal.sqlite; give the folder of a run's results")
        path = found[0]
    try:
        return Told.model_validate_json(_summary_of(path))
    except OSError as error:
        raise NoRun(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise NoRun(printable(f"{path}: not the summary of a run: {where} {first['msg']}")) from error
    except (JournalError, sqlite3.Error, ValueError, TypeError) as error:
        raise NoRun(printable(f"{path}: not the journal of a run: {error}")) from error


def _summary_of(path: Path) -> bytes:
    """The summary that stands in a file, or that its journal amounts to."""
    with path.open("rb") as file:
        text = file.read(_LARGEST + 1)
    if text.startswith(_JOURNAL):
        with contextlib.closing(Journal.open(path)) as journal:
            return document(summarise(journal)).encode()
    if len(text) > _LARGEST:
        raise NoRun(f"{path}: larger than {_LARGEST >> 20} MiB, which no summary is")
    return text
