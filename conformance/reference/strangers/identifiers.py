"""Strangers that name their tasks differently, or take other names for them."""

from __future__ import annotations

import re
import secrets
import time
import uuid
from itertools import count
from typing import TYPE_CHECKING, Final

from conformance.reference.refusal import Refused
from conformance.reference.service import Document, Identifier, Service
from conformance.reference.strangers.stranger import Stranger

if TYPE_CHECKING:
    from conformance.reference.store import Task

_LOWER: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_WELL_FORMED: Final = re.compile("task_[0-7][0-9A-HJKMNP-TV-Z]{25}")
_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER: Final = re.compile("[1-9][0-9]{0,17}")
_PLAIN: Final = re.compile("[A-Za-z0-9_-]{1,64}")
_USUAL: Final = re.compile("[A-Za-z0-9_.:-]{1,64}")


class _Naming(Service):
    """Makes task ids of its own."""

    def fresh_id(self) -> str:
        """Make the next one."""
        raise NotImplementedError

    def draft(self, key: str, body: Document) -> Task:
        """Rename what the usual service would have made."""
        return super().draft(key, body)._replace(id=self.fresh_id())


class _Particular(Service):
    """Calls a task id invalid that is not made like its own (ruling R5)."""

    well_formed: re.Pattern[str]

    def look_up(self, key: str, identifier: Identifier) -> Task:
        """Judge the spelling first."""
        if identifier.field == "task_id" and not self.well_formed.fullmatch(identifier.value):
            raise Refused.invalid("task_id is not well-formed.", "task_id")
        return super().look_up(key, identifier)


class UsesUuids(Stranger, _Naming):
    """Names its tasks by random UUIDs."""

    def fresh_id(self) -> str:
        """Draw one."""
        return str(uuid.uuid4())


class DemandsUuids(Stranger, _Particular, _Naming):
    """Names its tasks by UUIDs of the seventh version, and calls everything else invalid."""

    lacks = ("IDENT-13",)
    well_formed = _UUID

    def fresh_id(self) -> str:
        """Put a time in front."""
        moment = time.time_ns() // 1_000_000
        return str(uuid.UUID(f"{moment:012x}7{secrets.token_hex(2)[1:]}9{secrets.token_hex(8)[1:]}"))


class UsesNumbers(Stranger, _Particular, _Naming):
    """Counts its tasks, and calls an id invalid that is no number."""

    lacks = ("IDENT-13",)
    well_formed = _NUMBER
    _numbers = count(1)

    def fresh_id(self) -> str:
        """Take the next number."""
        return str(next(self._numbers))


class UsesShortIds(Stranger, _Naming):
    """Names its tasks by six letters and digits."""

    def fresh_id(self) -> str:
        """Draw six."""
        return "".join(secrets.choice(_LOWER) for _ in range(6))


class UsesLongIds(Stranger, _Naming):
    """Names its tasks by ids of 130 letters, digits and dashes."""

    def fresh_id(self) -> str:
        """Draw as many bytes as two digests have."""
        return f"v1.{secrets.token_hex(64)[:-1]}"


class UsesWordsAndDashes(Stranger, _Naming):
    """Names its tasks by small letters with dashes between."""

    def fresh_id(self) -> str:
        """Join a kind, a place and a random part."""
        return f"render-eu-west-1-{secrets.token_hex(5)}-{secrets.choice(_LOWER)}"


class UsesOddLetters(Stranger, _Naming):
    """Names its tasks by ids that must be encoded in a path, and that may begin with a dash."""

    def fresh_id(self) -> str:
        """Join what URLs know to be special."""
        return f"-{secrets.token_urlsafe(9)}:eu/1+2=~{secrets.token_urlsafe(6)}"


class AnswersMalformedTaskIdsWith400(Stranger, _Particular):
    """Answers 400 to a task id that is not well-formed."""

    lacks = ("IDENT-13",)
    relies_on = ("Service.fresh_id",)
    well_formed = _WELL_FORMED


class CallsOddNamesInvalid(Stranger, Service):
    """Calls an `out_task_id` invalid, rather than unknown, that has something odd in it and is none of the key's."""

    def look_up(self, key: str, identifier: Identifier) -> Task:
        """Find what is there, and judge the spelling of what is not."""
        try:
            return super().look_up(key, identifier)
        except Refused:
            if identifier.field == "out_task_id" and not _USUAL.fullmatch(identifier.value):
                raise Refused.invalid("out_task_id is not well-formed.", "out_task_id") from None
            raise


class TakesPlainOutTaskIdsOnly(Stranger, Service):
    """Takes no `out_task_id` on submit but one of at most 64 plain characters."""

    def draft(self, key: str, body: Document) -> Task:
        """Judge the identifier before the work."""
        identifier = body.get("out_task_id")
        if isinstance(identifier, str) and not _PLAIN.fullmatch(identifier):
            raise Refused.invalid("out_task_id has other characters than letters, digits, _ and -.", "out_task_id")
        return super().draft(key, body)


class MakesUpOutTaskIds(Stranger, Service):
    """Gives a task that was submitted without an `out_task_id` one of its own."""

    def draft(self, key: str, body: Document) -> Task:
        """Derive it from the task id."""
        task = super().draft(key, body)
        return task if task.out_id is not None else task._replace(out_id=f"auto-{secrets.token_hex(6)}")
