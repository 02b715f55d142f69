"""What a stranger is: a lawful subclass of one part of the service, with what a profile has to say of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from conformance.reference.app import Api
from conformance.reference.refusal import Refused
from conformance.reference.service import Service
from conformance.reference.store import Store

if TYPE_CHECKING:
    from pathlib import Path

Part = TypeVar("Part")

STRANGERS: Final[dict[str, type[Stranger]]] = {}
"""Every stranger by its command-line name, in the order in which they are written down."""


class Stranger:
    """Keeps the contract in a way of its own; the other parent of the class is the part that it replaces."""

    settings: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What the profile of such a target says, by the dotted names of its settings."""

    unproven: ClassVar[tuple[str, ...]] = ()
    """The rows that may stay open on it, for what it is."""

    lacks: ClassVar[tuple[str, ...]] = ()
    """The recommendations and extensions that it does not follow: rows that warn, and no more."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        STRANGERS[command_line_name(cls)] = cls

    @classmethod
    def assemble(cls, database: Path | str, speed: float) -> Api:
        """Put a service together in which this stranger takes its parent's place."""
        store = cls.part(Store)(database)
        return cls.part(Api)(cls.part(Service)(store, speed))

    @classmethod
    def part(cls, usual: type[Part]) -> type[Part]:
        """This stranger where it replaces the `usual` part, and that part itself elsewhere."""
        return cls if issubclass(cls, usual) else usual


class RefusedOtherwise(Refused):
    """The call is refused with a status that the usual service does not use."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code, message)
        self._status = status

    @property
    def status(self) -> int:
        """The HTTP status of this very refusal."""
        return self._status


def command_line_name(stranger: type[Stranger]) -> str:
    """Write `AnswersSlowly` as `answers-slowly`."""
    return re.sub(r"(?<!^)(?=[A-Z])|(?<=[a-z])(?=[0-9])", "-", stranger.__name__).lower()
