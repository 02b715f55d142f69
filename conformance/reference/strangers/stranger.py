"""What a stranger is: a lawful subclass of one part of the service, with what a profile has to say of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar, cast

from conformance.reference.app import Api
from conformance.reference.refusal import Refused
from conformance.reference.service import Service
from conformance.reference.store import Store

if TYPE_CHECKING:
    from pathlib import Path

Part = TypeVar("Part")

PARTS: Final = (Store, Service, Api)
"""What a stranger may replace."""

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

    relies_on: ClassVar[tuple[str, ...]] = ()
    """What must be as the usual service has it: `Service.fresh_id`."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        STRANGERS[command_line_name(cls)] = cls


@dataclass(frozen=True)
class Company:
    """Strangers that make up one service: none does anew what another of them does."""

    members: tuple[type[Stranger], ...]

    @classmethod
    def of(cls, names: str) -> Company:
        """Those called so on the command line, joined by `+`.

        Raises:
            KeyError: one of the names is nobody's.
            ValueError: two of them disagree on a part of the service, or on a setting.
        """
        company = cls(tuple(STRANGERS[name] for name in names.split("+")))
        for one, other in combinations(company.members, 2):
            if rivalry := _rivalry(one, other):
                both = f"{command_line_name(one)} and {command_line_name(other)}"
                raise ValueError(f"{both} cannot be one service: they disagree on {', '.join(sorted(rivalry))}")
        return company

    @property
    def settings(self) -> dict[str, str]:
        """What the profile says of all of them."""
        return {name: value for each in self.members for name, value in each.settings.items()}

    @property
    def unproven(self) -> frozenset[str]:
        """The rows that may stay open."""
        return frozenset(row for each in self.members for row in each.unproven)

    @property
    def lacks(self) -> frozenset[str]:
        """The rows that may warn."""
        return frozenset(row for each in self.members for row in each.lacks)

    def assemble(self, database: Path | str, speed: float) -> Api:
        """Put a service together in which the strangers take their parents' places."""
        store = self._part(Store)(database)
        return self._part(Api)(self._part(Service)(store, speed))

    def _part(self, usual: type[Part]) -> type[Part]:
        """The usual part, or a class of all that replace some of it."""
        those = tuple(each for each in self.members if issubclass(each, usual))
        return cast("type[Part]", type(usual.__name__, those, {})) if those else usual


def _rivalry(one: type[Stranger], other: type[Stranger]) -> set[str]:
    """What two strangers cannot both have as they want it."""
    ours, theirs = _replaced(one), _replaced(other)
    wanted = ours & theirs | ours & {*other.relies_on} | theirs & {*one.relies_on}
    return wanted | one.settings.keys() & other.settings.keys()


def _replaced(stranger: type[Stranger]) -> set[str]:
    """What a stranger, and what it inherits from beside its part, does anew: `Api.query`."""
    [part] = (each for each in PARTS if issubclass(stranger, each))
    own = [each for each in stranger.__mro__ if issubclass(each, part) and each not in part.__mro__]
    return {
        f"{part.__name__}.{name}"
        for each in own
        for name, value in vars(each).items()
        if callable(value) or isinstance(value, property)
    }


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
