"""What a fault is: a subclass of the part that it spoils, with the rows of the catalogue that it breaks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from conformance.reference.app import Api
from conformance.reference.service import Service
from conformance.reference.store import Store

if TYPE_CHECKING:
    from pathlib import Path

Part = TypeVar("Part")

FAULTS: Final[dict[str, type[Fault]]] = {}
"""Every fault by its command-line name, in the order in which they are written down."""


class Fault:
    """A deed that breaks the contract; the other parent of the class is what it spoils: `Api`, `Service` or `Store`."""

    breaks: ClassVar[tuple[str, ...]] = ()
    """The rows that it refutes by itself, and those that follow from them."""

    also: ClassVar[tuple[str, ...]] = ()
    """The rows that may break with them, depending on timing and on what is asked."""

    degenerate: ClassVar[bool] = False
    """Whether it is no service at all rather than one with a flaw."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        FAULTS[command_line_name(cls)] = cls

    processes: ClassVar[int] = 1
    """How many processes over one database it takes to show it."""

    rare: ClassVar[bool] = False
    """Whether it shows so seldom that it takes the deepest runs to meet it for sure."""

    @classmethod
    def assemble(cls, database: Path | str, speed: float) -> Api:
        """Put a service together in which this fault takes its parent's place."""
        store = cls.part(Store)(database)
        return cls.part(Api)(cls.part(Service)(store, speed))

    @classmethod
    def part(cls, sound: type[Part]) -> type[Part]:
        """This fault where it spoils the `sound` part, and that part itself elsewhere."""
        return cls if issubclass(cls, sound) else sound


def command_line_name(fault: type[Fault]) -> str:
    """Write `AcceptsBothIdentifiers` as `accepts-both-identifiers`."""
    return re.sub(r"(?<!^)(?=[A-Z])|(?<=[a-z])(?=[0-9])", "-", fault.__name__).lower()
