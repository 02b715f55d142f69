"""The catalogue: what a conformant cancel endpoint owes its callers, one row a verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One row: `level` is MUST, SHOULD or EXT, `profile` core or ext; a `planned` row has no check yet.

    `needs` are the capabilities without which a target cannot show the row.
    """

    id: str
    level: str
    statement: str
    source: str
    profile: str
    remedy: str
    rulings: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    derived: bool = False
    because: str = ""
    planned: bool = False

    @property
    def family(self) -> str:
        """The part of the id before the dash."""
        return self.id.partition("-")[0]

    @property
    def cited(self) -> str:
        """The source and the rulings, as a report shows them."""
        rulings = ", ".join(self.rulings)
        return f"{self.source} · ruling{'s' if len(self.rulings) > 1 else ''} {rulings}" if rulings else self.source


def documents() -> Path:
    """The folder of the contract and the catalogue: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).parent
    inside = package / "openapi"
    return inside if inside.is_dir() else package.parent / "openapi"


def yaml_document(text: str) -> Any:  # noqa: ANN401 - YAML is what it is
    """The value of a YAML document, read by the fast parser where there is one.

    Raises:
        yaml.YAMLError: the text is no YAML.
    """
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders


@cache
def catalogue() -> Mapping[str, Requirement]:
    """Every requirement by its id, in the catalogue's order."""
    return {row["id"]: _requirement(row) for row in _document()["requirements"]}


@cache
def rulings() -> Mapping[str, str]:
    """How the contract's silent and ambiguous passages are read, by the name of the ruling."""
    return dict(_document()["rulings"])


def _document() -> dict[str, Any]:
    return dict(yaml_document(catalogue_document().decode()))


def catalogue_document() -> bytes:
    """The catalogue as it is written."""
    return (documents() / "requirements.yaml").read_bytes()


def catalogue_digest() -> str:
    """The SHA-256 of the catalogue as it is written."""
    return hashlib.sha256(catalogue_document()).hexdigest()


def _requirement(row: dict[str, Any]) -> Requirement:
    values: dict[str, Any] = {name: tuple(said) if isinstance(said, list) else said for name, said in row.items()}
    return Requirement(**values)


def needing(capability: str) -> tuple[str, ...]:
    """The ids of the rows that a target without `capability` cannot show."""
    return tuple(row.id for row in catalogue().values() if capability in row.needs)


def selected(names: str) -> list[str]:
    """The ids that a list such as `IDENT,BILL-2` stands for.

    Raises:
        ValueError: a name is neither a family nor an id of the catalogue.
    """
    chosen: list[str] = []
    for name in filter(None, (part.strip().upper() for part in names.split(","))):
        found = [row.id for row in catalogue().values() if name in {row.id, row.family}]
        if not found:
            families = ", ".join(dict.fromkeys(row.family for row in catalogue().values()))
            raise ValueError(f"{name} is neither a family ({families}) nor a requirement such as IDENT-4")
        chosen += found
    return chosen
