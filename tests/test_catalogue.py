"""The catalogue of requirements is complete, and says what it says in its own form."""

import copy
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from conformance.target.profile import Profile
from conformance.target.tables import Key

FOLDER = Path(__file__).parents[1] / "openapi"
CATALOGUE = yaml.safe_load((FOLDER / "requirements.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((FOLDER / "requirements.schema.json").read_text(encoding="utf-8"))
SETTING = re.compile(r"\bbase_url\b|\b[a-z_]+(?:[.][a-z_]+)+\b")
ROWS: list[dict[str, Any]] = CATALOGUE["requirements"]
FAMILIES = {
    "IDENT": 15,
    "STATE": 8,
    "IDEMP": 5,
    "PARITY": 6,
    "BILL": 10,
    "ISO": 7,
    "AUTH": 8,
    "ERR": 7,
    "RACE": 6,
    "NOTIFY": 2,
}
LEVELS = {"MUST": 62, "SHOULD": 6, "EXT": 6}


def keeps_to_the_schema(catalogue: object) -> bool:
    """Whether a catalogue is one by its own schema."""
    return Draft202012Validator(SCHEMA).is_valid(catalogue)


def with_a_first_row(**changes: object) -> dict[str, Any]:
    """Spoil the catalogue in its first row."""
    spoiled = copy.deepcopy(CATALOGUE)
    spoiled["requirements"][0] |= changes
    return spoiled


def is_one_sentence(text: str) -> bool:
    """Whether a text begins like a sentence, ends like one, and does so once."""
    return bool(text) and text[0] == text[0].upper() and text.endswith(".") and ". " not in text and "\n" not in text


def test_the_schema_of_the_catalogue_is_a_schema() -> None:
    """A schema with a mistake in it would let mistakes through."""
    Draft202012Validator.check_schema(SCHEMA)


def test_the_catalogue_keeps_to_its_schema() -> None:
    """Every row has the fields that reports read, and no others."""
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(CATALOGUE)] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "IDENT-0"},
        {"id": "OTHER-1"},
        {"level": "MAY"},
        {"level": "EXT"},
        {"profile": "ext"},
        {"derived": False},
        {"derived": True},
        {"because": "It follows."},
        {"level": "SHOULD", "derived": True, "because": "It follows."},
        {"statement": ""},
        {"statement": "It holds. It holds twice."},
        {"source": "Somewhere"},
        {"rulings": ["9"]},
        {"rulings": ["R1", "R1"]},
        {"planned": False},
        {"colour": "red"},
    ],
    ids=str,
)
def test_a_spoiled_row_does_not_keep_to_the_schema(changes: dict[str, object]) -> None:
    """The schema sees each kind of mistake that a row can have."""
    assert not keeps_to_the_schema(with_a_first_row(**changes))


@pytest.mark.parametrize("field", SCHEMA["$defs"]["requirement"]["required"])
def test_a_row_without_a_required_field_does_not_keep_to_the_schema(field: str) -> None:
    """No report has to ask whether a field is there."""
    spoiled = copy.deepcopy(CATALOGUE)
    del spoiled["requirements"][0][field]
    assert not keeps_to_the_schema(spoiled)


def test_the_families_are_complete_and_in_order() -> None:
    """No row is dropped, doubled or out of place."""
    expected = [f"{family}-{number}" for family, size in FAMILIES.items() for number in range(1, size + 1)]
    assert [row["id"] for row in ROWS] == expected


def test_the_levels_add_up() -> None:
    """A row does not change its level unnoticed."""
    assert Counter(row["level"] for row in ROWS) == LEVELS


def test_every_ruling_named_is_quoted() -> None:
    """A report can quote each ruling that a row names, and no ruling is without a row."""
    assert {ruling for row in ROWS for ruling in row["rulings"]} == set(CATALOGUE["rulings"])
    assert list(CATALOGUE["rulings"]) == [f"R{number}" for number in range(1, 26)]


@pytest.mark.parametrize("field", ["statement", "because", "remedy"])
def test_what_a_row_says_is_one_sentence(field: str) -> None:
    """Statements, arguments and remedies fit on a line of a report."""
    assert [row["id"] for row in ROWS if field in row and not is_one_sentence(row[field])] == []


def is_a_setting(name: str) -> bool:
    """Whether a dotted name is one of the profile's, of which the keys have any roles for names."""
    model: Any = Profile
    for part in name.split("."):
        if model is Mapping:
            model = Key
            continue
        found = getattr(model, "model_fields", {}).get(part)
        if found is None:
            return False
        kinds = (found.annotation, *get_args(found.annotation))
        inner = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        model = Mapping if part == "keys" else inner[0] if inner else None
    return True


def test_every_remedy_names_what_to_set() -> None:
    """Each says by a name that a profile has what would settle its row, and names nothing that no profile has."""
    settings = {row["id"]: SETTING.findall(row["remedy"]) for row in ROWS}
    assert [row for row, names in settings.items() if not names] == []
    assert [name for names in settings.values() for name in names if not is_a_setting(name)] == []
    assert not any(
        map(is_a_setting, ("limits.nothing", "state.pending", "keys.owner.nothing", "states.pending.holds.x"))
    )


def test_no_two_rows_state_the_same() -> None:
    """One row, one verdict: a statement is made once."""
    assert [text for text, times in Counter(row["statement"] for row in ROWS).items() if times > 1] == []


def test_a_ruling_is_one_sentence() -> None:
    """A ruling can be quoted in passing."""
    assert [name for name, text in CATALOGUE["rulings"].items() if not is_one_sentence(text)] == []
