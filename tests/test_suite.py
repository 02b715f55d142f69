"""The catalogue, the checks and the stories are complete: no row without a check, none without a story."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Any

import pytest

import conformance.suite
from conformance.checks import CHECKS
from conformance.requirements import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = catalogue()
JUDGED = [row.id for row in ROWS.values() if not row.planned]
MODULES = [module.name for module in pkgutil.iter_modules(conformance.suite.__path__)]


def told() -> Iterator[tuple[str, Any]]:
    """Every test of the suite, with the name of its module."""
    for name in MODULES:
        module = importlib.import_module(f"conformance.suite.{name}")
        for test, function in inspect.getmembers(module, inspect.isfunction):
            if test.startswith("test_"):
                yield name, function


def marks(function: Any) -> list[pytest.Mark]:  # noqa: ANN401 - whatever pytest has marked
    """The marks of a test, those of its parameters too."""
    own = list(getattr(function, "pytestmark", []))
    inner = [
        mark
        for each in own
        if each.name == "parametrize"
        for value in each.args[1]
        for mark in getattr(value, "marks", ())
    ]
    return [mark.mark if hasattr(mark, "mark") else mark for mark in (*own, *inner)]


def names(function: Any) -> set[str]:  # noqa: ANN401 - likewise
    """What a test is marked with."""
    return {mark.name for mark in marks(function)}


def aims(function: Any) -> set[str]:  # noqa: ANN401 - likewise
    """The rows for which a test exists."""
    return {row for mark in marks(function) if mark.name == "aims" for row in mark.args}


TESTS = list(told())


def test_every_row_that_is_judged_has_its_check() -> None:
    """And a row that is planned has none, or it would not be planned."""
    assert sorted(CHECKS) == sorted(JUDGED)


def test_every_check_is_in_the_module_of_its_family() -> None:
    """From an id one knows the file."""
    for row, check in CHECKS.items():
        assert check.__module__ == f"conformance.checks.{row.partition('-')[0].lower()}"


def test_every_row_that_is_judged_has_a_story() -> None:
    """A check alone is put to nothing."""
    aimed = {row for _, function in TESTS for row in aims(function)}
    assert [row for row in JUDGED if row not in aimed] == []


def test_every_story_aims_at_rows_of_the_catalogue() -> None:
    """A test that aims at nothing is never chosen."""
    for module, function in TESTS:
        assert aims(function), f"{module}.{function.__name__}"
        assert aims(function) <= set(ROWS), f"{module}.{function.__name__}"


@pytest.mark.parametrize("family", sorted({row.partition("-")[0] for row in JUDGED}))
def test_every_family_has_its_files(family: str) -> None:
    """Checks and stories of a family are where its name says."""
    importlib.import_module(f"conformance.checks.{family.lower()}")
    importlib.import_module(f"conformance.suite.test_{family.lower()}")


def test_every_test_says_in_a_sentence_what_it_tells() -> None:
    """A gerund for a name, a sentence for a docstring."""
    for module, function in TESTS:
        said = inspect.getdoc(function) or ""
        assert said.endswith("."), f"{module}.{function.__name__}"
        assert function.__name__.split("_")[1].endswith("ing"), f"{module}.{function.__name__}"
